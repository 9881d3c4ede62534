"""The time of one cache line from CPU to CPU, for every pair: half a compare-and-swap round trip."""

import itertools
import math
import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration import kernels
from pipeline.calibration.threads import run_together

TURNS = 500
SAMPLES_MAX = 300
ENDLESS = 1 << 62
MOVES_RATIO = 1.8
"""Samples of one pair that differ by more: the CPUs of a virtual machine have moved meanwhile."""

Samples = dict[tuple[int, int], list[float]]


def take_turns(
    kernel: Callable[[Any, int, int], int], cpus: tuple[int | None, int | None], seconds: float
) -> list[float]:
    """Samples, in ns, of the way from one thread to the other: half of a turn and its answer."""
    cells = kernels.new_cells()
    samples: list[float] = []
    stop_at = time.perf_counter() + seconds

    def first() -> None:
        for number in range(SAMPLES_MAX + 1):
            start_ns = time.perf_counter_ns()
            done = kernel(cells, 0, TURNS)
            spent_ns = time.perf_counter_ns() - start_ns
            # The first sample holds the start of the other thread.
            if number and done == TURNS:
                samples.append(spent_ns / TURNS / 2)
            if done < TURNS or (time.perf_counter() > stop_at and len(samples) >= 2):
                break
        cells[kernels.STOP] = 1

    def second() -> None:
        kernel(cells, 1, ENDLESS)

    kernel(cells, 0, 0)  # compiled before it is timed
    run_together([(cpus[1], second), (cpus[0], first)], cells, seconds + 2.0)
    return samples


def measure_pairs(cpus: Sequence[int], seconds: float, samples: Samples) -> None:
    """Add samples of every pair of CPUs, or of as many as the time allows, to `samples`."""
    pairs = list(itertools.combinations(cpus, 2))
    # Shuffled, so that a part of the pairs is spread over the machine; the same in every run.
    order = np.random.default_rng(len(samples)).permutation(len(pairs))
    stop_at = time.perf_counter() + seconds
    for done, index in enumerate(order):
        left = stop_at - time.perf_counter()
        if left <= 0:
            return
        pair = pairs[int(index)]
        share = left / (len(pairs) - done)
        samples.setdefault(pair, []).extend(take_turns(kernels.swap_turns, pair, share))


def latency_matrix(samples: Samples, os_indexes: Sequence[int]) -> NDArray[np.float64]:
    """Medians as a lower triangle, (CPU, CPU) in the order of OS indexes; NaN = not measured."""
    place = {cpu: number for number, cpu in enumerate(os_indexes)}
    matrix = np.full((len(place), len(place)), math.nan)
    for (one, other), values in samples.items():
        if values and one in place and other in place:
            low, high = sorted((place[one], place[other]))
            matrix[high, low] = np.median(values)
    return matrix


def latency_csv(matrix: NDArray[np.float64]) -> str:
    """The matrix as `topology import ... latency_csv=` reads it."""
    rows = (",".join("" if math.isnan(v) else f"{v:.1f}" for v in row) for row in matrix.tolist())
    return "\n".join(rows) + "\n"


def latency_note(samples: Samples) -> str:
    """A warning if the distance between CPUs changed while it was measured; else ""."""
    for (one, other), values in samples.items():
        low, high = np.percentile(values, [10, 90]) if len(values) >= 10 else (1.0, 1.0)
        if high > MOVES_RATIO * low:
            return (
                f"CPU {one} to {other} took {low:.0f} ns at times and {high:.0f} ns at others: "
                "the host of a virtual machine moves its CPUs, or the machine is busy"
            )
    return ""
