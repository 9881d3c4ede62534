"""Measurements that need a fresh process: `python -m tests.bench.child NAME WORDS`, the answer as JSON.

Heavy imports stand in the functions: what is imported, and when, is part of what is measured.
"""

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path


def importing() -> dict[str, float]:
    """Seconds to import `sim` where NumPy and Numba are imported already."""
    import numba  # noqa: F401
    import numpy  # noqa: F401

    began, cpu = time.perf_counter(), time.process_time()
    import sim  # noqa: F401

    return {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - cpu}


def first_call() -> dict[str, float]:
    """Seconds of the first simulation: compiles the kernel, or loads it from NUMBA_CACHE_DIR."""
    import sim

    cpu = time.process_time()
    wall = sim.compile_kernels()
    return {"wall_s": wall, "cpu_s": time.process_time() - cpu}


def memory(lanes: str, events: str) -> dict[str, float]:
    """Peak resident bytes of a process that simulates so many lanes."""
    import sim
    from tests.bench.systems import closed

    system = closed(64, 1024, int(events))
    many = [sim.Lane(system.policy, system.cost, 1, replicate) for replicate in range(int(lanes))]
    result = sim.simulate(system.topology, system.workload, many, system.simulation)
    assert (result.columns["status"] == sim.LaneStatus.COMPLETED).all()
    return {"peak_bytes": peak_bytes()}


def peak_bytes() -> int:
    """Peak resident bytes of this process.

    On Linux ru_maxrss begins at that of the process which started this one, so VmHWM is asked instead.
    """
    status = Path("/proc/self/status")
    if status.exists():
        lines = status.read_text(encoding="utf-8").splitlines()
        return next(1024 * int(line.split()[1]) for line in lines if line.startswith("VmHWM:"))
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def load() -> dict[str, float]:
    """Compile the kernel for the processor that is named in the environment."""
    import sim

    return {"wall_s": sim.compile_kernels()}


def counted(short: str, long: str) -> dict[str, list[list[int]]]:
    """Run lanes of two lengths under callgrind, which writes what it counted after each."""
    from tests.bench.kernel import Kernel
    from tests.bench.part_count import systems

    def tell(*words: str) -> None:
        subprocess.run(["vgdb", f"--pid={os.getpid()}", *words], check=True, capture_output=True)

    kernels = [[Kernel(system) for system in pair] for pair in systems(int(short), int(long))]
    tell("instrumentation", "on")
    for kernel in (kernel for pair in kernels for kernel in pair):
        kernel.speed()
        tell("dump")
    tell("instrumentation", "off")
    return {"events": [[kernel.count for kernel in pair] for pair in kernels]}


ALL: dict[str, Callable[..., dict]] = {
    each.__name__: each for each in (importing, first_call, memory, load, counted)
}

if __name__ == "__main__":
    print(json.dumps(ALL[sys.argv[1]](*sys.argv[2:])))
