"""Bad input: exit code 2, one clear message, no traceback, nothing started and nothing written."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline import cli, compare, simulate, sweep, topology, trace

ROOT = Path(__file__).resolve().parents[3]
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command in an empty folder: exit code and what it told on stderr."""
    monkeypatch.chdir(tmp_path)

    def start(main: Callable[[list[str]], int], *words: str) -> tuple[int, str]:
        code = main(list(words))
        told = capsys.readouterr()
        assert told.out == ""
        assert "Traceback" not in told.err
        assert list(tmp_path.iterdir()) == []
        return code, told.err

    return start


BAD = [
    (["polcy=none"], "polcy = 'none': unknown key", "did you mean policy?"),
    (["threshold_factor=2"], "unknown key", "did you mean policy.threshold_factor?"),
    (["threshold_factor=2,3"], "unknown key", "did you mean policy.threshold_factor?"),
    (["policy.treshold_factor=2"], "unknown key", "did you mean policy.threshold_factor?"),
    (["policy=adaptve"], "policy = 'adaptve': must be one of adaptive,", "did you mean adaptive?"),
    (["policy=none,adaptve"], "policy = 'adaptve': must be one of", "did you mean adaptive?"),
    (["policy=null"], "policy = null: must be the name of an option", "conf/policy"),
    (["experiment=nope"], "experiment = 'nope': must be one of", ""),
    (["baseline=adaptve"], "policy = 'adaptve': must be one of", ""),
    (["policy=glob(x*)"], "policy = 'glob(x*)': matches none of", ""),
    (["policy=nowhere.yaml"], "policy = 'nowhere.yaml': is no file", ""),
    (["policy.threshold_factor=-1"], "policy.threshold_factor = -1: must be a number from 0", ""),
    (["policy.threshold_factor=1,-1"], "policy.threshold_factor = -1: must be", ""),
    (["policy.threshold_factor=1,x"], "policy.threshold_factor = 'x': must be a number", ""),
    (["policy.threshold_factor=[1,2]"], "policy.threshold_factor = [1, 2]: must be", ""),
    (["policy.threshold_factor=interval(2,1)"], "policy.threshold_factor", "lower one first"),
    (["policy.threshold_factor=1,"], "policy.threshold_factor: cannot be read", ""),
    (["policy.limits=1,2"], "is a group of settings", "policy.limits.process"),
    (["policy.limits.system.rate_per_s=1,1e8"], "rate x window", "shorten window_ns"),
    (["policy.limits.process.max_migrations=100", "policy.limits.process.window_ns=1000"],
     "policy.limits.process.max_migrations = 100", ""),
    (["topology.cores=1,2"], "topology.cores = 1: does not exist with topology=", ""),
    (["topology.clusters.0.cores=0"], "topology.clusters[0].cores = 0: must be", ""),
    (["topology.colour=red"], "topology", "colour"),
    (["seed=1,2"], "seed: cannot be swept", "replicates"),
    (["front.objectives=choice(slowdown_p99,energy_j)"], "front.objectives: takes a list", "=[first,second]"),
    (["outputs.folder=a,b"], "outputs.folder: cannot be swept", ""),
    (["cluster=local,inline"], "cluster: takes one value", ""),
    (["cluster=remote"], "cluster.address: must be given", "cluster.address="),
    (["cluster.workers=0"], "cluster.workers = 0: must be a whole number from 1", ""),
    (["topology=yaml_file"], "topology.path: must be given", ""),
    (["topology=yaml_file", "topology.path=/no/such"], "topology.path = '/no/such'", ""),
    (["topology=hwloc", "topology.path=/etc/hostname"], "topology.path = '/etc/hostname'", "lstopo"),
    (["workload.trace=mixed"], "workload.trace = 'mixed'", "did you mean mixed_s2?"),
    (["workload.trace=/etc/hostname"], "workload.trace = '/etc/hostname'", ""),
    (["workload.copies=3"], "workload.copies = 3", "set the other to null"),
    (["simulation.horizon_ns=1000000000"], "simulation.horizon_ns = 1000000000", "shorten"),
    (["simulation.max_processes=10"], "simulation.max_processes = 10: must be at least", ""),
    (["simulation.warmup_ns=1000000000"], "simulation.warmup_ns", "below horizon_ns"),
    (["workload.affinity.type=strict", "workload.affinity.cores='999'"],
     "workload.affinity.cores = '999'", "cores 0 to 255"),
    (["workload=steady", "workload.classes.request.affinity.type=strict",
      "workload.classes.request.affinity.cores=node:7"],
     "workload.classes.request.affinity.cores = 'node:7'", ""),
    (["sweep.kind=sobol", "sweep.points=10"], "sweep.points = 10", "8 or 16"),
    (["sweep.kind=grd"], "sweep.kind = 'grd': must be one of grid", "did you mean grid?"),
    (["policy.threshold_factor=range(0,1000)", "policy.stealing.scan=range(1,1000)"],
     "points from", "give fewer values"),
    (["binding=dynamc"], "binding = 'dynamc': must be one of dynamic, hybrid,", "did you mean dynamic?"),
    (["faults=core_failur"], "faults = 'core_failur': must be one of", "did you mean core_failure?"),
    (["faults=null"], "faults = null: must be the name of an option", "conf/faults"),
    (["binding.schedulers=2,0"], "binding.schedulers = 0: must be a whole number from 1 to 4096", ""),
    (["schedulers=2"], "unknown key", "did you mean binding.schedulers?"),
    (["topology=two_core", "workload=steady", "faults=core_failure", "faults.changes.1.cores='7'"],
     "faults.changes.1.cores = '7': must be", "cores 0 to 1"),
    (["topology=single", "workload=steady", "faults=power_saving"],
     "faults.changes.0.cores = 'cluster:1'", ""),
    (["topology=two_core", "workload=steady", "faults=rebinding"],
     "faults.changes.0.core = 3", "0 to 1 here"),
    (["faults=load_step", "faults.changes.0.process_class=web"], "process_class = 'web'", "a replay has no"),
    (["faults=core_failure", "faults.changes.5.time_ns=1,2"],
     "faults.changes.5.time_ns = 1: does not exist", ""),
    (["faults=core_failure", "faults.changes.0.op=load,bind"], "faults.changes.0", "load"),
    (["decisions=20"], "decisions = 20: unknown key", ""),
    (["nonsense"], "nonsense: cannot be read", "key=value"),
    (["a=[1"], "a: cannot be read", "key=value"),
    (["=3"], "=3: ", "key=value"),
    (["+policy=none"], "cannot be composed", "policy"),
    (["hydra.foo=1"], "hydra.foo", ""),
    (["policy/x=3"], "policy/x", ""),
    (["~policy"], "policy: must be given", "policy=..."),
    (["study=a/b"], "study = 'a/b'", "letters"),
    (["replicates=2.0"], "replicates = 2.0: must be a whole number", "write 2"),
    (["output=xml"], "output = 'xml': must be one of table, json", ""),
]  # fmt: skip


@pytest.mark.parametrize(("words", "says", "hints"), BAD, ids=[" ".join(words) for words, _, _ in BAD])
def test_bad_words_are_explained(run: Run, words: list[str], says: str, hints: str) -> None:
    code, told = run(sweep.main, *words)
    assert code == 2
    assert says in told
    assert hints in told
    assert told.startswith("coreshift: ")
    assert len(told.splitlines()) <= 2


@pytest.mark.parametrize("flags", [["--cfg", "job"], ["-cd", "/no/such/folder"]])
def test_errors_are_the_same_with_flags_of_hydra(run: Run, flags: list[str]) -> None:
    code, told = run(sweep.main, *flags, "policy=adaptve")
    assert code == 2
    assert told.startswith("coreshift: ")


def test_a_point_that_there_is_not(run: Run) -> None:
    code, told = run(simulate.main, "experiment=smoke", "point=9")
    assert (code, "point = 9: must be 0 to 3" in told) == (2, True)
    assert "must be the number of a point" in run(simulate.main, "point=x")[1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["decisions="], "must be a file ending .csv, .json or .parquet, or a number of rows"),
        (["decisions=why.txt"], "decisions = 'why.txt': must be a file ending"),
        (["decisions=-3"], "decisions = '-3': must be a file ending"),
        (["decisions=0"], "decisions = '0': must be a whole number from 1 to 100000"),
        (["decisions=no/such/why.csv"], "the folder no/such does not exist"),
        pytest.param(
            ["decisions=/proc/why.csv"],
            "the folder /proc cannot be written",
            marks=pytest.mark.skipif(not Path("/proc/self").exists(), reason="a folder of Linux"),
        ),
        (["decisions_capacity=9"], "decisions: must be a file ending"),
        (
            ["decisions=why.csv", "decisions_capacity=1e3"],
            "decisions_capacity = '1e3': must be a whole number",
        ),
        (["decisions=why.csv", "decisions_capacity=9999999"], "from 1 to 1000000"),
        (["decisions=5", "decisions_capacity=4"], "raise decisions_capacity"),
        (["decisions=5", "decisons_capacity=4"], "decisons_capacity = 4: unknown key"),
    ],
)
def test_a_decision_log_that_cannot_be(run: Run, words: list[str], says: str) -> None:
    code, told = run(simulate.main, *words)
    assert code == 2
    assert says in told
    assert len(told.splitlines()) <= 2


def test_a_single_point_takes_no_sweep(run: Run) -> None:
    code, told = run(simulate.main, "policy.threshold_factor=1,2")
    assert (code, "takes one value here" in told, "pipeline.sweep" in told) == (2, True, True)
    assert run(simulate.main, "experiment=smoke")[0] == 2


@pytest.mark.parametrize(
    ("main", "words", "says"),
    [
        (topology.main, ["shw"], "did you mean show?"),
        (topology.main, ["show", "epyc"], "must be one of"),
        (topology.main, ["show", "topology=single,two_core"], "takes one value"),
        (topology.main, ["import"], "import takes one file"),
        (topology.main, ["import", "/no/such.xml"], "/no/such.xml"),
        (topology.main, ["import", "x.xml", "ot=y"], "did you mean out?"),
        (trace.main, ["show", "mixed"], "did you mean mixed_s2?"),
        (trace.main, ["import", "/no/such"], "/no/such"),
        (cli.main, ["swep"], "did you mean sweep?"),
        (compare.main, ["nowhere"], "neither a run folder nor a study"),
        (compare.main, ["x", "outputs=y", "fromat=csv"], "did you mean format?"),
        (compare.main, ["x", "format=xml"], "must be table or csv"),
    ],
)
def test_small_commands_explain_too(
    run: Run, main: Callable[[list[str]], int], words: list[str], says: str
) -> None:
    code, told = run(main, *words)
    assert code == 2
    assert says in told


@pytest.mark.parametrize("words", [["policy.threshold_factor=-1,1"], ["polcy=none"], ["--nope"]])
def test_a_process_ends_with_code_2_and_leaves_nothing(
    words: list[str], tmp_path: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    home = tmp_path_factory.mktemp("home")
    command = [sys.executable, "-m", "pipeline.sweep", *words]
    done = subprocess.run(
        command, cwd=tmp_path, capture_output=True, text=True, check=False,
        env={"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "HOME": str(home)},
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == []
