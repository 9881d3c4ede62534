"""The time to fetch a working set again on another core, by its size."""

import time
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration import kernels
from pipeline.calibration.threads import run_together

SIZES_KIB = tuple(4 << power for power in range(12))
LINE_BYTES = 64
PATTERNS = ("random", "sequential")
REPETITIONS, REPETITIONS_MAX = 3, 99
CPUS_MAX = 4096


@dataclass(frozen=True)
class Rewarm:
    """One working set, moved once: lower quartiles over the repetitions, ns."""

    distance: str  # distance class of the two CPUs
    kib: int
    pattern: str
    warm_ns: float
    same_cpu_control_ns: float
    first_pass_after_migration_ns: float
    second_pass_ns: float
    count: int

    @property
    def extra_ns_per_line(self) -> float:
        """What the first pass on the new core costs more, a cache line."""
        return (self.first_pass_after_migration_ns - self.warm_ns) / (self.kib * 1024 / LINE_BYTES)


def measure_rewarm(distance: str, cpus: tuple[int, int], seconds: float) -> list[Rewarm]:
    """Move working sets of all sizes from one CPU to another, small ones first, while time lasts."""
    results: list[Rewarm] = []
    _repeat(SIZES_KIB[0], False, cpus, 0.0)  # compiled before the time counts
    jobs = [(kib, pattern) for kib in SIZES_KIB for pattern in PATTERNS]
    stop_at = time.perf_counter() + seconds
    for done, (kib, pattern) in enumerate(jobs):
        left = stop_at - time.perf_counter()
        if left <= 0:
            break
        times_ns = _repeat(kib, pattern == "sequential", cpus, left / (len(jobs) - done))
        if len(times_ns):
            warm, control, first, second = np.percentile(times_ns, 25, axis=0).tolist()
            results.append(Rewarm(distance, kib, pattern, warm, control, first, second, len(times_ns)))
    return results


def _repeat(kib: int, in_order: bool, cpus: tuple[int, int], seconds: float) -> NDArray[np.int64]:
    links, lines = chain(kib)
    masks = [cpu_mask(cpu) for cpu in cpus]
    addresses = (masks[0].ctypes.data, masks[1].ctypes.data, masks[0].nbytes)
    stamp = np.zeros(2, np.int64)
    rows: list[NDArray[np.int64]] = []

    def job() -> None:
        stop_at = time.perf_counter() + seconds
        while len(rows) * REPETITIONS < REPETITIONS_MAX:
            times_ns = np.zeros((REPETITIONS, 4), np.int64)
            rows.append(times_ns[: kernels.move_and_walk(links, lines, in_order, addresses, times_ns, stamp)])
            if time.perf_counter() > stop_at:
                return

    # In a thread of its own, which ends on whatever CPU it was left.
    run_together([(cpus[0], job)], kernels.new_cells(), 60.0)
    return np.concatenate(rows) if rows else np.zeros((0, 4), np.int64)


def chain(kib: int) -> tuple[NDArray[np.int64], int]:
    """Lines of cache linked into one cycle in random order: word 0 of each is the next one's place."""
    lines = kib * 1024 // LINE_BYTES
    raw = np.zeros((lines + 1) * kernels.LINE_WORDS, np.int64)
    skip = -(raw.ctypes.data // 8) % kernels.LINE_WORDS
    links = raw[skip : skip + lines * kernels.LINE_WORDS]
    order = np.random.default_rng(kib).permutation(lines)
    links[order * kernels.LINE_WORDS] = np.roll(order, -1) * kernels.LINE_WORDS
    return links, lines


def cpu_mask(cpu: int) -> NDArray[np.uint64]:
    """An affinity mask of one CPU."""
    mask = np.zeros(CPUS_MAX // 64, np.uint64)
    mask[cpu // 64] = np.uint64(1) << np.uint64(cpu % 64)
    return mask


def rewarm_csv(results: Iterable[Rewarm]) -> str:
    """The curve as CSV; the columns are those of the shared rewarm data, and the distance class."""
    names = (
        "distance", "kib", "pattern", "warm_ns", "same_cpu_control_ns", "first_pass_after_migration_ns",
        "second_pass_ns", "count",
    )  # fmt: skip
    rows = [",".join(_cell(getattr(result, name)) for name in names) for result in results]
    return "\n".join([",".join(names), *rows]) + "\n"


def _cell(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else str(value)
