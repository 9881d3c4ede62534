"""What happens in a Ray worker: look at the sources and versions, compile once a machine, run chunks."""

import contextlib
import fcntl
import functools
import hashlib
import importlib.metadata
import os
import platform
import socket
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pipeline.place import ROOT
from pipeline.run.worker import Simulate, Slice, SliceResult, run_chunk

# Whoever has other ones may get other bits. Ray itself refuses nodes with another Python or Ray.
SAME_PACKAGES = ("numpy", "numba", "llvmlite", "scipy")
OWN_SOURCES = ("clusters/node.py", "clusters/kernels.py", "run/worker.py")


class OtherSourcesError(RuntimeError):
    """A worker has other sources or packages than those that the run key names."""


def no_preparation() -> float:
    """For simulators that need none."""
    return 0.0


def versions() -> dict[str, str]:
    """What must be the same in every process of a sweep: Python, packages, and the code of this module."""
    found = {"Python": platform.python_version()}
    for name in SAME_PACKAGES:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            found[name] = "none"
    return found | {"worker sources": worker_digest()}


@functools.cache
def worker_digest() -> str:
    """Digest of the pipeline's sources that workers run."""
    sha = hashlib.sha256()
    for name in OWN_SOURCES:
        sha.update((ROOT / "pipeline" / name).read_bytes() + b"\0")
    return sha.hexdigest()


@dataclass(frozen=True)
class Program:
    """What every task runs.

    simulate      : the simulator's call
    source_digest : digest of the sources that the caller finds; looked at in the worker
    expected      : the driver's
    prepare       : compiles the simulator, or loads it; called once in each worker process
    versions      : the driver's
    """

    simulate: Simulate
    source_digest: Callable[[], str]
    expected: str
    prepare: Callable[..., float] = no_preparation
    versions: dict[str, str] = field(default_factory=versions)


@dataclass(frozen=True)
class NodeReport:
    """What a worker node has.

    host     : its name
    differs  : what differs from the driver, in words; "" if nothing does
    is_ready : whether the simulator was compiled there before
    """

    host: str
    differs: str
    is_ready: bool


def differences(program: Program) -> str:
    """What this process has that the driver has not, in words; "" if they agree."""
    mine = {"simulator sources": program.source_digest(), **versions()}
    theirs = {"simulator sources": program.expected, **program.versions}
    return ", ".join(
        f"{name} {mine[name][:12]} there and {wanted[:12]} here"
        for name, wanted in theirs.items()
        if mine[name] != wanted
    )


def ready_mark(program: Program) -> Path:
    """A file of this machine that says that the simulator was compiled on it; its lock is beside it."""
    name = hashlib.sha256(repr((program.expected, sorted(versions().items()))).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"coreshift-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder / f"ready-{name}"


@contextlib.contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a file's lock; it goes with the process, however that ends."""
    with path.open("ab") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


_ready: set[str] = set()


def make_ready(program: Program) -> float:
    """Compile the simulator, or wait for the process of this machine that does; gives the seconds it took.

    Without the lock every process of a new machine would compile for itself, all at the same time.
    """
    began = time.perf_counter()
    if program.expected in _ready:
        return 0.0
    if differs := differences(program):
        raise OtherSourcesError(differs)
    mark = ready_mark(program)
    if mark.exists():
        program.prepare()
    else:
        with locked(mark.with_suffix(".lock")):
            program.prepare()
            mark.touch()
    _ready.add(program.expected)
    return time.perf_counter() - began


def report_node(program: Program) -> NodeReport:
    """What the node has on which this runs."""
    return NodeReport(socket.gethostname(), differences(program), ready_mark(program).exists())


def run_task(
    program: Program, names: Sequence[str], handles: Sequence[Any], chunk: Sequence[Slice]
) -> list[SliceResult]:
    """A chunk in a Ray worker; repeatable, as it writes nothing."""
    import ray

    make_ready(program)
    batches = dict(zip(names, ray.get(list(handles)), strict=True))
    return run_chunk(program.simulate, batches, chunk)
