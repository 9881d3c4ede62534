"""A study that waits at a gate, as a process: `python -m tests.pipeline.signalled HOW FOLDER ...`."""

import hashlib
import sys
from pathlib import Path
from time import sleep
from typing import Any

import sim
from pipeline import sweep
from pipeline.entry import run_main
from pipeline.run.fanout import run_study
from pipeline.run.lanes import coreshift_toolkit
from tests.pipeline.fake import fake_study, fake_toolkit, simulate

LANES_BEFORE = 12
CELLS = {"factors": (0.5, 1.0, 2.0), "topologies": ("small",), "replicates": 10}


def wait_at(gate: Path) -> None:
    """Say that the gate is reached, and wait until it is open."""
    (gate / "reached").touch()
    while not (gate / "open").exists():
        sleep(0.01)


def gated(topology: Any, workload: Any, lanes: Any, *rest: Any, **words: Any) -> Any:
    """The small simulator, which waits at the gate once some lanes were computed."""
    gate = Path(workload.gate)
    counter = gate / "counter"
    if counter.exists() and counter.stat().st_size >= LANES_BEFORE:
        wait_at(gate)
        if workload.then == "native":
            # Native code for minutes, in which Python's signal handlers have to wait.
            hashlib.pbkdf2_hmac("sha256", b"", b"", 1 << 30)
    return simulate(topology, workload, lanes, *rest, **words)


def gated_study(folder: Path, kind: str, then: str = "") -> Any:
    """The study whose lanes wait at `folder`/gate, in chunks of a few lanes."""
    gate = folder / "gate"
    cluster = {"kind": kind, "workers": 2, "chunk_s": 0.02}
    behaviour = {"gate": str(gate), "counter": str(gate / "counter"), "sleep_s": 0.01, "then": then}
    return fake_study(folder, cluster=cluster, **CELLS, **behaviour)


def small(folder: str, kind: str, then: str = "") -> int:
    """Run the small study."""
    study = gated_study(Path(folder), kind, then)
    return run_study(study, toolkit=fake_toolkit(simulate=gated)).exit_code


class GatedSimulate:
    """The real simulator, whose second call waits at the gate."""

    def __init__(self, gate: Path) -> None:
        self.gate, self.calls = gate, 0

    def __call__(self, *arguments: Any, **words: Any) -> Any:
        """Simulate."""
        self.calls += 1
        if self.calls > 1:
            wait_at(self.gate)
        return sim.simulate(*arguments, **words)


def real(folder: str, *words: str) -> int:
    """`pipeline.sweep` with the words given, stopped at the gate."""
    toolkit = coreshift_toolkit()
    parts = vars(toolkit) | {"simulate": GatedSimulate(Path(folder) / "gate")}
    sweep.toolkit_of = lambda study: type(toolkit)(**parts)
    return sweep.sweep([f"outputs.folder={folder}", *words])


if __name__ == "__main__":
    how = {"small": small, "real": real}[sys.argv[1]]
    raise SystemExit(run_main(lambda words: how(*words), sys.argv[2:]))
