"""Studies from command lines, with the files of conf/."""

import fnmatch
import re
import time
from pathlib import Path

import pytest
import yaml

import conf
import sim
from pipeline.config.axes import group_options
from pipeline.config.build import build_topology, check_together
from pipeline.config.compose import GROUPS, compose, current_loader, read_command, with_hydra
from pipeline.config.schema_errors import load_config
from pipeline.errors import ConfigError
from tests.unit.config.conftest import MakeStudy

CONF = Path(str(conf.__path__[0]))
FILE_LINES_MAX = 40
THRESHOLD = "policy.threshold_factor"
RATE = "policy.limits.system.rate_per_s"
# What these need beside their name.
NEEDS = {
    "topology=hwloc": ("topology.path=machine.xml",),
    "topology=yaml_file": ("topology.path=machine.yaml",),
    "topology=sct": ("topology.sct=L0-1c0-1",),
    "topology=cpu_topology": ("topology.term=machine.term",),
    "cluster=remote": ("cluster.address=127.0.0.1:6379",),
    "tracking=server": ("tracking.uri=http://127.0.0.1:5000",),
}
SIMULATED_GROUPS = ("topology", "workload", "policy", "cost", "binding", "faults", "cluster", "tracking")


@pytest.mark.parametrize("group", SIMULATED_GROUPS)
def test_every_option_of_a_group_composes_and_is_valid(group: str) -> None:
    def check() -> None:
        for name in group_options(current_loader(), group):
            choice = f"{group}={name}"
            if group == "topology" and choice in NEEDS:
                continue
            plain, chosen = compose(["experiment=none", choice, *NEEDS.get(choice, ())])
            config = load_config(plain)
            assert chosen[group] == name
            check_together([config])

    with_hydra(read_command([]), check)


@pytest.mark.parametrize("path", sorted(CONF.glob("experiment/*.yaml")), ids=lambda p: p.stem)
def test_every_experiment_makes_a_study(path: Path, study_of: MakeStudy) -> None:
    study = study_of(f"experiment={path.stem}")
    assert study.points
    assert study.name == ("sweep" if path.stem == "none" else path.stem)


@pytest.mark.parametrize("path", sorted(CONF.glob("experiment/*.yaml")), ids=lambda p: p.stem)
def test_experiments_point_at_metrics_that_there_are(path: Path) -> None:
    text = path.read_text()
    for study, patterns in re.findall(r'pipeline\.compare (\w+) "(.*?)"', text):
        assert study == path.stem
        for pattern in patterns.split(","):
            assert fnmatch.filter(sim.METRICS, pattern), pattern


@pytest.mark.parametrize("path", sorted(CONF.glob("sweep/*.yaml")), ids=lambda p: p.stem)
def test_every_sweep_makes_a_study(path: Path, study_of: MakeStudy) -> None:
    study = study_of("topology=two_core", f"sweep={path.stem}")
    assert len(study.points) >= 2


def test_groups_are_those_of_the_defaults_list() -> None:
    defaults = yaml.safe_load((CONF / "config.yaml").read_text())["defaults"]
    named = [next(iter(d)) for d in defaults if isinstance(d, dict)]
    assert sorted(g for g in named if " " not in g) == sorted(GROUPS)


@pytest.mark.parametrize("path", sorted(CONF.rglob("*.yaml")), ids=lambda p: f"{p.parent.name}/{p.name}")
def test_configuration_files_are_short_and_start_with_a_comment(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert len(lines) <= FILE_LINES_MAX
    assert lines[0].startswith("#")


def test_issue_example_sweeps_six_points_and_the_baseline(study_of: MakeStudy) -> None:
    study = study_of(
        "topology=epyc_7763_2s", "workload=mixed_s2", "policy=adaptive",
        "policy.threshold_factor=0.25,0.5,1,2,4,8",
    )  # fmt: skip
    assert study.axes == (THRESHOLD,)
    swept = [p for p in study.points if p.labels["policy"] == "adaptive"]
    assert [p.axes[THRESHOLD] for p in swept] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
    assert [p.config.policy.threshold_factor for p in swept] == [0.25, 0.5, 1.0, 2.0, 4.0, 8.0]
    assert len(study.points) == 7
    assert study.points[6].labels["policy"] == "none"
    assert study.points[6].config.policy.migrate is False
    assert study.baseline_index == 6
    assert [p.index for p in study.points] == list(range(7))
    assert study.command[:3] == ["python", "-m", "pipeline.sweep"]


def test_two_topologies_and_two_policies_at_once(study_of: MakeStudy) -> None:
    study = study_of("topology=apple_m1_pro,two_core", "policy=balanced,adaptive")
    labels = [(p.labels["topology"], p.labels["policy"]) for p in study.points]
    assert labels == [
        ("apple_m1_pro", "balanced"), ("apple_m1_pro", "adaptive"),
        ("two_core", "balanced"), ("two_core", "adaptive"),
        ("apple_m1_pro", "none"), ("two_core", "none"),
    ]  # fmt: skip
    assert [p.baseline_index for p in study.points] == [4, 4, 5, 5, 4, 5]
    assert [p.is_baseline for p in study.points] == [False] * 4 + [True] * 2


def test_a_baseline_among_the_points_stays_where_it_is(study_of: MakeStudy) -> None:
    study = study_of("topology=two_core", "policy=balanced,none", "workload.load=0.5,0.7")
    assert len(study.points) == 4
    assert [p.baseline_index for p in study.points] == [2, 3, 2, 3]


def test_the_baseline_may_be_another_policy_with_its_own_numbers(study_of: MakeStudy) -> None:
    study = study_of(
        "topology=two_core", "policy.threshold_factor=1,2",
        "baseline={policy: conservative, policy.threshold_factor: 3}",
    )  # fmt: skip
    assert study.points[study.baseline_index].labels["policy"] == "conservative"
    assert study.points[study.baseline_index].axes[THRESHOLD] == 3


def test_overrides_of_the_policy_do_not_touch_the_baseline(study_of: MakeStudy) -> None:
    plain = study_of("topology=two_core", "policy=balanced,adaptive")
    other = study_of("topology=two_core", "policy=balanced,adaptive", "policy.stealing.scan=9")
    assert plain.points[-1].digest == other.points[-1].digest
    assert plain.points[0].digest != other.points[0].digest


def test_the_default_study_runs_without_a_sweep(study_of: MakeStudy) -> None:
    assert study_of().name == "default"
    assert study_of("topology=two_core").name == "default"
    assert study_of("sweep.levels=3").name == "default"


def test_a_sweep_on_the_command_line_replaces_the_default_study(study_of: MakeStudy) -> None:
    study = study_of("topology=two_core", f"{RATE}=100,200", "sweep.levels=7")
    assert (study.name, study.axes, len(study.points)) == ("sweep", (RATE,), 3)


def test_a_named_sweep_replaces_the_default_study(study_of: MakeStudy) -> None:
    study = study_of("topology=two_core", "sweep=threshold")
    assert (study.name, study.axes) == ("sweep", (THRESHOLD,))


def test_command_line_wins_over_a_named_experiment(study_of: MakeStudy) -> None:
    smoke = study_of("experiment=smoke")
    assert [p.axes[THRESHOLD] for p in smoke.points] == [0.5, 2.0, 8.0, 1.0]
    swept = study_of("experiment=smoke", f"{THRESHOLD}=3,4", f"{RATE}=100,null")
    assert swept.axes == (THRESHOLD, RATE)
    assert [tuple(p.axes.values()) for p in swept.points[:4]] == [
        (3.0, 100.0), (3.0, None), (4.0, 100.0), (4.0, None),
    ]  # fmt: skip
    fixed = study_of("experiment=smoke", f"{THRESHOLD}=3")
    assert (fixed.axes, len(fixed.points)) == ((), 2)
    assert fixed.points[0].config.policy.threshold_factor == 3.0


def test_a_fixed_group_is_no_axis_any_more(study_of: MakeStudy) -> None:
    study = study_of("experiment=policies", "topology=two_core", "policy=adaptive")
    assert [p.labels["policy"] for p in study.points] == ["adaptive", "none"]


def test_the_last_of_two_overrides_counts(study_of: MakeStudy) -> None:
    assert len(study_of("topology=two_core", f"{THRESHOLD}=1,2", f"{THRESHOLD}=3,4,5").points) == 4
    assert study_of("topology=two_core", "policy=none,adaptive", "policy=adaptive").name == "default"


def test_equal_points_are_merged(study_of: MakeStudy) -> None:
    study = study_of("topology=two_core", f"{THRESHOLD}=1,1.0,2,1")
    assert [p.axes[THRESHOLD] for p in study.points[:-1]] == [1.0, 2.0]
    assert len({p.digest for p in study.points}) == len(study.points)


def test_studies_are_repeatable_and_digests_name_content(study_of: MakeStudy) -> None:
    words = ("topology=two_core,single", f"{THRESHOLD}=1,2", "policy=balanced,adaptive")
    first, second = study_of(*words), study_of(*words)
    assert first == second
    other = study_of(*words, "simulation.quantum_reds=2000")
    assert not {p.digest for p in first.points} & {p.digest for p in other.points}
    # What does not change a result does not change a digest.
    same = study_of(*words, "cluster=inline", "outputs.folder=elsewhere", "tracking=off", "seed=5")
    assert [p.digest for p in first.points] == [p.digest for p in same.points]


def test_glob_sweeps_a_group(study_of: MakeStudy) -> None:
    study = study_of("topology=two_core", "policy=glob(*)")
    names = with_hydra(read_command([]), lambda: group_options(current_loader(), "policy"))
    assert sorted(p.labels["policy"] for p in study.points) == names


def test_an_interval_over_a_whole_number_gives_whole_numbers(study_of: MakeStudy) -> None:
    key = "policy.stealing.attempts"
    study = study_of("topology=two_core", f"{key}=interval(1,10)", "sweep.levels=4")
    assert [p.axes[key] for p in study.points[:-1]] == [1, 4, 7, 10]


def test_samples_of_a_command_line_sweep(study_of: MakeStudy) -> None:
    study = study_of(
        "topology=two_core", f"{THRESHOLD}=tag(log,interval(0.25,8))", "policy=balanced,adaptive",
        "sweep.kind=latin", "sweep.points=8",
    )  # fmt: skip
    assert len(study.points) == 9
    assert {p.labels["policy"] for p in study.points[:-1]} == {"balanced", "adaptive"}


def test_keys_that_files_leave_out_can_be_set_and_swept(study_of: MakeStudy) -> None:
    key = "workload.classes.request.memory.overlap"
    study = study_of("topology=two_core", "workload=steady", f"{key}=1,8", "policy.adaptive.step=2")
    assert [p.axes[key] for p in study.points[:2]] == [1.0, 8.0]
    assert study.points[0].config.policy.adaptive.step == 2.0


def test_steps_of_programs_can_be_swept(study_of: MakeStudy) -> None:
    key = "workload.classes.request.program.0.draw.mean"
    study = study_of("topology=two_core", "workload=steady,bursty", f"{key}=1000,2000", "workload=steady")
    assert [p.axes[key] for p in study.points[:2]] == [1000.0, 2000.0]


SWEPT = [
    ("binding.schedulers=2,4,8", [2, 4, 8]),
    ("binding.period_ns=0,1000000", [0, 1_000_000]),
    ("binding.order=cores,ts", ["cores", "ts"]),
    ("policy.triggers.load_imbalance=true,false", [True, False]),
    ("policy.limits.process.forbid_return=true,false", [True, False]),
    ("cost.batch_share=0.1,0.5", [0.1, 0.5]),
    ("cost.power.performance_active_mw=1000,2000", [1000, 2000]),
    ("simulation.node_memory_bytes=1000000,null", [1_000_000, None]),
    ("faults.changes.0.time_ns=21000000,31000000", [21_000_000, 31_000_000]),
    ("faults.changes.0.cores='0','1'", ["0", "1"]),
    ("faults.changes.1.time_ns=interval(22000000,62000000)", [22_000_000, 42_000_000, 62_000_000]),
    ("workload.classes.worker.program.2.affinity.cores=cluster:0,cluster:1", ["cluster:0", "cluster:1"]),
    ("binding=static,dynamic,none", ["static", "dynamic", "none"]),
    ("faults=none,core_failure,chaos", ["none", "core_failure", "chaos"]),
]


@pytest.mark.parametrize(("word", "values"), SWEPT, ids=[word for word, _ in SWEPT])
def test_every_new_key_can_be_swept(study_of: MakeStudy, word: str, values: list[object]) -> None:
    key = word.partition("=")[0]
    study = study_of(
        "topology=apple_m1_pro", "workload=phases", "faults=core_failure", "sweep.levels=3", word
    )
    swept = [p for p in study.points if p.labels["policy"] == "balanced"]
    assert [p.axes[key] for p in swept] == values
    assert len({p.digest for p in swept}) == len(values)


def test_each_binding_and_fault_is_compared_with_its_own_baseline(study_of: MakeStudy) -> None:
    study = study_of(
        "topology=apple_m1_pro", "workload=steady", "binding=static,none", "faults=none,frequency"
    )
    assert len(study.points) == 8
    for point in study.points:
        base = study.points[point.baseline_index]
        assert base.labels == {**point.labels, "policy": "none"}
        assert base.config.binding == point.config.binding
        assert base.config.faults == point.config.faults
    assert study.points[1].config.faults.spec().name == "frequency"


def test_a_file_stands_in_for_faults(study_of: MakeStudy, tmp_path: Path) -> None:
    file = tmp_path / "bad_day.yaml"
    file.write_text("changes: [{time_ns: 30_000_000, op: core_offline, cores: '1'}]\n")
    study = study_of("topology=two_core", "workload=steady", f"faults={file},none")
    assert [p.labels["faults"] for p in study.points[:2]] == ["bad_day", "none"]
    assert study.points[0].config.faults.spec().changes[0].op == "core_offline"


def test_group_files_stand_in_for_options(study_of: MakeStudy, tmp_path: Path) -> None:
    policy = tmp_path / "recommended.yaml"
    policy.write_text("name: old\nthreshold_factor: 3.5\n")
    study = study_of("topology=two_core", f"policy={policy},balanced")
    assert [p.labels["policy"] for p in study.points] == ["recommended", "balanced", "none"]
    assert study.points[0].config.policy.threshold_factor == 3.5
    assert study.points[0].config.policy.name == "recommended"


def test_ten_thousand_points_take_seconds(study_of: MakeStudy) -> None:
    start = time.process_time()
    study = study_of("topology=two_core", f"{THRESHOLD}=range(1,101)", f"{RATE}=range(1,101)")
    assert len(study.points) == 10_001
    assert time.process_time() - start < 12


def test_an_axis_that_an_option_lacks_is_a_clear_error(study_of: MakeStudy) -> None:
    with pytest.raises(ConfigError) as caught:
        study_of("workload=steady,ring", "workload.classes.request.count=1,2")
    text = str(caught.value)
    assert "workload.classes.request.count = 1: does not exist with" in text
    assert "workload=ring" in text
    assert "did you mean workload.classes.member.count" in text


def test_config_composes_without_interpolations_left(study_of: MakeStudy) -> None:
    plain, chosen = with_hydra(read_command([]), lambda: compose([]))
    assert chosen["experiment"] == "default"
    assert not re.search(r"\$\{|\?\?\?", str(plain))
    assert "hydra" not in plain


@pytest.mark.parametrize("machine", ["topology=two_core", "topology=sct topology.sct=L0-1c0-1"])
def test_measured_latencies_lie_over_any_machine(tmp_path: Path, study_of: MakeStudy, machine: str) -> None:
    table = tmp_path / "latency.csv"
    table.write_text("0,77\n77,0\n")
    words = ["experiment=none", *machine.split(), f"topology.latency_csv={table}"]
    topology = build_topology(study_of(*words).points[0].config.topology)
    assert topology.core_latency_ns is not None
    assert topology.core_latency_ns[0, 1] == 77
    other = tmp_path / "other.csv"
    other.write_text("0,1,1\n1,0,1\n1,1,0\n")
    with pytest.raises(ConfigError, match="topology.latency_csv"):
        study_of(*words[:-1], f"topology.latency_csv={other}")
