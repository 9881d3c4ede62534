"""A failing scenario is made small and written to a file that fails again: shown by breaking the twin."""

from dataclasses import fields, replace
from pathlib import Path

import pytest
import yaml

import sim
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.study import make_study
from pipeline.entry import run_main
from pipeline.errors import UserError
from pipeline.simulate import run_point, single_point
from tests.oracle.mistakes import let_thieves_take_the_second
from tests.reference import hunt as command
from tests.reference import stealing
from tests.reference.compare import lane_of
from tests.reference.hunt import Search, hunt, kind_of, main, report_of
from tests.reference.scenarios import Scenario, random_scenario
from tests.reference.shrink import ATTEMPTS_MAX, shrink
from tests.reference.shrink_machine import on_cores
from tests.reference.yaml_file import FILE_BYTES_MAX, FILE_HINT, given, read_yaml, write_yaml

SEEDS = range(200, 260)


@pytest.fixture
def wrong_thief(monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin with one rule broken."""
    let_thieves_take_the_second(monkeypatch)


def assert_same(one: Scenario, other: Scenario) -> None:
    """Assert that two scenarios are equal; traces by their content."""
    for field in fields(Scenario):
        mine, theirs = getattr(one, field.name), getattr(other, field.name)
        if isinstance(mine, sim.Replay):
            assert mine.trace.digest() == theirs.trace.digest()
            mine = replace(mine, trace=theirs.trace)
        assert mine == theirs, field.name


@pytest.mark.parametrize("replay", [False, True])
def test_a_scenario_is_the_same_after_a_file(replay: bool) -> None:
    for seed in SEEDS:
        scenario = random_scenario(seed, replay=replay)
        assert_same(read_yaml(write_yaml(scenario)), scenario)


def test_a_broken_rule_is_found_shrunk_and_written(
    wrong_thief: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    seed = next(seed for seed in range(100) if report_of(random_scenario(seed)))
    assert hunt(Search(seed, 1, folder=tmp_path)) == [seed]
    path = tmp_path / f"seed-{seed}.yaml"
    text = path.read_text(encoding="utf-8")
    assert text in capsys.readouterr().out
    small = read_yaml(text)
    # A thief, a victim, and two to choose from beside the one that runs; everything else as it is by default.
    assert small.topology.num_cores <= 4
    assert small.simulation.max_processes <= 4
    assert len(small.workload.classes) <= 2
    assert sum(len(kind.program) for kind in small.workload.classes) <= 4
    assert len(given(small.policy)) + len(given(small.cost)) + len(given(small.binding)) <= 2
    assert small.timeline.changes == ()
    assert write_yaml(small) == text
    assert main(["--file", str(path)]) == 1
    assert "DENY" in (told := capsys.readouterr().out) or "MIGRATE" in told
    monkeypatch.undo()
    assert main(["--file", str(path)]) == 0
    assert "agree" in capsys.readouterr().out


def test_a_replay_is_shrunk_to_a_few_rows(wrong_thief: None, monkeypatch: pytest.MonkeyPatch) -> None:
    seed = next(seed for seed in range(100) if report_of(random_scenario(seed, replay=True)))
    scenario = random_scenario(seed, replay=True)
    small = shrink(scenario, lambda other: kind_of(report_of(other)) == "difference")
    again = read_yaml(write_yaml(small.scenario))
    assert again.workload.trace.process.size <= 9
    assert small.attempts < ATTEMPTS_MAX
    assert again.topology.num_cores <= 4
    assert report_of(again)
    monkeypatch.undo()
    assert report_of(again) is None


def test_an_error_of_the_twin_is_shrunk_as_that_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(lane, thief, victim):
        raise LookupError("broken")

    monkeypatch.setattr(stealing, "steal_from", fail)
    scenario = next(s for s in map(random_scenario, range(100)) if kind_of(report_of(s)) == "LookupError")
    small = shrink(scenario, lambda other: kind_of(report_of(other)) == "LookupError", attempts_max=300)
    assert kind_of(report_of(small.scenario)) == "LookupError"
    assert len(write_yaml(small.scenario)) < len(write_yaml(scenario))


def has_return_block(scenario: Scenario) -> bool:
    """A property that stands for a failure: a block step, two cores, and returns that are forbidden."""
    workload = scenario.workload
    return (
        isinstance(workload, sim.Workload)
        and any(step.op == "block" for kind in workload.classes for step in kind.program)
        and scenario.topology.num_cores >= 2
        and scenario.policy.limits.process.forbid_return
    )


def test_nothing_is_left_but_what_the_failure_needs() -> None:
    found = 0
    for seed in range(400):
        scenario = random_scenario(seed)
        if has_return_block(scenario):
            small = shrink(scenario, has_return_block)
            assert small.attempts < ATTEMPTS_MAX
            s, found = small.scenario, found + 1
            assert given(s.policy) == {"limits": {"process": {"forbid_return": True}}}
            assert given(s.cost) == given(s.binding) == given(s.timeline) == {}
            assert s.topology.num_cores == 2
            (kind,) = s.workload.classes
            assert sorted(step.op for step in kind.program) in (["block", "run"], ["block", "exit"])
            assert kind.count == 1 or kind.arrival.kind != "none"
    assert found >= 10


def test_masks_and_entries_follow_when_cores_are_left_out() -> None:
    drawn = (random_scenario(seed, replay=False, parts=()) for seed in range(200))
    six = next(s for s in drawn if s.topology.num_cores == 6)
    affinity = sim.Affinity(type="strict", cores="0,3-5", preferred_core=4)
    one = replace(six.workload.classes[0], affinity=affinity)
    workload = replace(six.workload, classes=(one, *six.workload.classes[1:]))
    changes = (
        sim.Change(time_ns=1, op="core_offline", cores="1,4"),
        sim.Change(time_ns=2, op="core_offline", cores="0-1"),
        sim.Change(time_ns=3, op="bind", scheduler=0, core=5),
    )
    scenario = replace(six, workload=workload, timeline=sim.Timeline(changes=changes))
    left = on_cores(scenario, (2, 4, 5))
    affinity = left.workload.classes[0].affinity
    assert (affinity.cores, affinity.preferred_core) == ("1,2", 1)
    assert [(c.cores, c.core) for c in left.timeline.changes] == [("1", None), (None, 2)]
    assert left.topology.core_speed.tolist() == six.topology.core_speed[[2, 4, 5]].tolist()


def test_the_pipeline_takes_the_same_file(tmp_path: Path) -> None:
    scenario = next(
        s
        for s in (random_scenario(seed, replay=False) for seed in range(100))
        if s.replicate == 2 and s.simulation.max_events > 1000
    )
    (tmp_path / "experiment").mkdir()
    (tmp_path / "experiment" / "one.yaml").write_text(write_yaml(scenario), encoding="utf-8")
    command = read_command(["--config-dir", str(tmp_path), "experiment=one"], use_default_study=False)
    study = with_hydra(command, lambda: make_study(command, "pipeline.simulate"))
    theirs = run_point(study, single_point(study))
    s = scenario
    ours = sim.simulate(s.topology, s.workload, [lane_of(s)], s.simulation, s.timeline)
    assert theirs.columns["status"].size == 3
    for name, column in ours.columns.items():
        assert column[0].tobytes() == theirs.columns[name][2].tobytes(), name


BAD_FILES = {
    "empty": (b"", "it has 0 bytes"),
    "broken": (b"seed: 1\na: [1, 2", "it is not YAML in line 2"),
    "control character": (b"seed: \x01", "it is not YAML"),
    "list": (b"- 1\n- 2\n", "there are no keys with values"),
    "word": (b"hello", "there are no keys with values"),
    "binary": (bytes(range(256)), "it is not text"),
    "deep": (b"[" * 20_000, "it is nested too deeply"),
    "foreign": (b"name: x\nworkload: {}\nseed: 1\n", "there is no replicates, no topology"),
    "huge": (b" " * (FILE_BYTES_MAX + 1), "1 to 5000000 are taken"),
}


@pytest.mark.parametrize("name", BAD_FILES)
def test_a_file_that_is_no_scenario_is_told(name: str, tmp_path: Path, capsys) -> None:
    data, told = BAD_FILES[name]
    path = tmp_path / "bad.yaml"
    path.write_bytes(data)
    assert_refused(path, told, capsys)


def test_a_file_that_is_not_there_and_a_folder_are_told(tmp_path: Path, capsys) -> None:
    assert_refused(tmp_path / "none.yaml", "No such file", capsys)
    assert_refused(tmp_path, "it is not a file", capsys)


def assert_refused(path: Path, told: str, capsys: pytest.CaptureFixture) -> None:
    """Assert that the command tells what is wrong, where, and what to do."""
    assert run_main(main, ["--file", str(path)]) == 2
    shown = capsys.readouterr().err
    assert str(path) in shown
    assert told in shown
    assert FILE_HINT in shown


@pytest.mark.parametrize(
    ("key", "value", "told"),
    [
        ("seed", "hello", "seed = 'hello': must be a whole number"),
        ("seed", -1, "seed = -1: must be a whole number"),
        ("replicates", 0, "replicates = 0: must be a whole number"),
        ("replicates", True, "replicates = true: must be a whole number"),
        ("seeed", 1, "did you mean seed?"),
        ("policy", "hello", "policy = 'hello'"),
        ("topology", None, "topology"),
        ("topology", "hello", "topology"),
        ("workload", [1], "workload"),
        ("workload", {}, "workload.kind"),
        ("workload", {"kind": "replay"}, "workload.trace: must have the keys name, window_ns"),
    ],
)
def test_a_wrong_value_is_told(key: str, value: object, told: str, tmp_path: Path, capsys) -> None:
    path = tmp_path / "wrong.yaml"
    data = yaml.safe_load(write_yaml(random_scenario(0)))
    path.write_text(yaml.safe_dump({**data, key: value}), encoding="utf-8")
    assert_refused(path, told, capsys)


@pytest.mark.parametrize(
    "row", [1, [0, "RUN"], [0, "JUMP", 1, -1], [0, "RUN", "x", -1], [0, "RUN", 2**70, -1]]
)
def test_a_wrong_row_of_a_trace_is_told(row: object) -> None:
    data = yaml.safe_load(write_yaml(random_scenario(0, replay=True)))
    data["workload"]["trace"]["rows"][0] = row
    with pytest.raises(UserError, match=r"workload.trace.rows: each must be \[process, operation"):
        read_yaml(yaml.safe_dump(data))


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--count", "0"], "--count: 0: must be a whole number, 1 to 1000000"),
        (["--count", "many"], "--count: many: must be a whole number, 1 to 1000000"),
        (["--processes", "0"], "--processes: 0: must be a whole number, 1 to 256"),
        (["--from", "-1"], "--from: -1: must be a whole number, 0 or more"),
        (["--attempts", "-1"], "--attempts: -1: must be a whole number, 0 or more"),
    ],
)
def test_a_number_out_of_range_is_told(words: list[str], told: str, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(words)
    assert told in capsys.readouterr().err


def test_an_interrupted_hunt_tells_what_was_done(monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    def compare(task):
        if task[0] == 12:
            raise KeyboardInterrupt
        return task[0], None

    monkeypatch.setattr(command, "examine", compare)
    assert run_main(main, ["--from", "10", "--count", "5"]) == 130
    assert "stopped: 2 of 5 were compared; differing seeds: []" in capsys.readouterr().out
