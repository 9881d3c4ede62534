"""The clock of a core: what the system states, and what a chain of dependent additions shows."""

import time
from pathlib import Path

from pipeline.calibration import kernels
from pipeline.calibration.measured import Measured, missing, spread_of

STEPS = 200_000
SAMPLES_MAX = 500
KHZ_PER_MHZ = 1000
STATED_FILES = ("base_frequency", "cpuinfo_max_freq")


def measure_clock(seconds: float) -> Measured:
    """The clock that this thread's core runs at now."""
    kernels.add_steps(1, 1, 3)
    samples: list[float] = []
    stop_at = time.perf_counter() + seconds
    while len(samples) < SAMPLES_MAX and (not samples or time.perf_counter() < stop_at):
        start_ns = time.perf_counter_ns()
        kernels.add_steps(STEPS, len(samples), 0x5DEECE66D)
        spent_ns = time.perf_counter_ns() - start_ns
        samples.append(STEPS * kernels.CYCLES_PER_STEP / spent_ns * 1000)
    return spread_of("clock_measured", samples, "MHz", "a chain of dependent exclusive ors and additions")


def stated_clock(cpu: int, root: Path = Path("/")) -> Measured:
    """The clock that Linux states for a CPU: nominal from sysfs, else that of /proc/cpuinfo."""
    folder = root / f"sys/devices/system/cpu/cpu{cpu}/cpufreq"
    for name in STATED_FILES:
        khz = _number(folder / name)
        if khz:
            return Measured("clock_stated", khz / KHZ_PER_MHZ, "MHz", note=f"cpufreq/{name}")
    mhz = _cpuinfo_mhz(root / "proc/cpuinfo")
    if mhz:
        return Measured("clock_stated", mhz, "MHz", note="/proc/cpuinfo")
    return missing("clock_stated", "MHz", "this system does not state its clock")


def states_clock_by_core(root: Path = Path("/")) -> bool:
    """Whether sysfs has a clock for each core, which the topology of the host then has too."""
    return any(_number(root / f"sys/devices/system/cpu/cpu0/cpufreq/{name}") for name in STATED_FILES)


def _number(path: Path) -> float:
    try:
        return max(float(path.read_text(encoding="ascii")), 0.0)
    except (OSError, ValueError):
        return 0.0


def _cpuinfo_mhz(path: Path) -> float:
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return 0.0
    for line in lines:
        key, _, value = line.partition(":")
        if key.strip() == "cpu MHz":
            try:
                return max(float(value), 0.0)
            except ValueError:
                return 0.0
    return 0.0
