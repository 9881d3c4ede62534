"""The C programs: compiled with the system's compiler into a temporary folder, if there is one."""

import functools
import shutil
import subprocess
import tempfile
from pathlib import Path

from tests.bench.systems import System

HERE = Path(__file__).parent
# With gcc 12 faster by 4 to 8 % than -O3 -march=native at these programs: the peer at its best.
FLAGS = ("-O2",)


@functools.cache
def compiler() -> str | None:
    """Path of the C compiler."""
    return shutil.which("cc")


def compiler_version() -> str:
    """First line of what the compiler says of itself; "" without one."""
    if compiler() is None:
        return ""
    done = subprocess.run([compiler(), "--version"], check=True, capture_output=True, text=True)
    return done.stdout.splitlines()[0]


@functools.cache
def folder() -> tempfile.TemporaryDirectory:
    """Folder of the compiled programs; it goes with this process."""
    kept = tempfile.TemporaryDirectory(prefix="coreshift-bench-")
    for name in ("closed", "mm1"):
        target = Path(kept.name, name)
        subprocess.run([compiler(), *FLAGS, "-o", target, HERE / f"{name}.c", "-lm"], check=True)
    return kept


class PlainC:
    """A C program on the command line of a system.

    checks : what it printed to be compared with Coreshift's metric, one a run
    """

    name = "plain C"

    def __init__(self, system: System) -> None:
        self._command = [str(Path(folder().name, system.program)), *system.words]
        self._seed = 0
        self.checks: list[float] = []

    def speed(self) -> float:
        """Events (or customers) a second of CPU time, of one run."""
        self._seed += 1
        command = [*self._command, str(self._seed)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        count, seconds, check = done.stdout.split()
        self.checks.append(float(check))
        return int(count) / max(1e-9, float(seconds))
