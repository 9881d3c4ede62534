"""Figures of a schedule that a recording and its replay are compared by, by the same definition."""

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace.schedule import NOT_WOKEN, Schedule

Figures = dict[str, float]
"""Name with unit -> value; a figure that a schedule does not have is left out."""

QUANTILES = (0.50, 0.90, 0.99)
WAKES_MIN = 20


def figures_of(schedule: Schedule, schedulers: int, start_ns: int, stop_ns: int) -> Figures:
    """Measure what begins within [start, stop).

    migrations : slices of a process on another normal scheduler than its slice before; dirty ones passed over
    busy share : of each scheduler, processes and ports, without time that the system gave to others
    slices : of processes; switches a second are their rate
    """
    here = (schedule.start_ns >= start_ns) & (schedule.start_ns < stop_ns)
    own = here & (schedule.process >= 0)
    seconds = (stop_ns - start_ns) / 1e9
    same = np.append(False, schedule.process[1:] == schedule.process[:-1])[: own.size]
    moved = same & np.append(False, schedule.scheduler[1:] != schedule.scheduler[:-1])[: own.size] & own
    slices, moves = int(own.sum()), int(moved.sum())
    length = (schedule.stop_ns - schedule.start_ns)[own] / 1e3
    found: Figures = {
        "migrations_per_1000_slices": 1000 * moves / max(slices, 1),
        "migrations_per_s": moves / seconds,
        "switches_per_s": slices / seconds,
    }
    found |= _quantiles("slice_us", length)
    for number in range(schedulers):
        of = here & (schedule.scheduler == number)
        found[f"busy_share_{number + 1}"] = float(schedule.busy_ns[of].sum()) / (stop_ns - start_ns)
    found["busy_share_mean"] = float(schedule.busy_ns[here].sum()) / (stop_ns - start_ns) / schedulers
    woken = schedule.woken_ns[own & (schedule.woken_ns != NOT_WOKEN)] / 1e3
    if woken.size >= WAKES_MIN:
        found |= {
            key: value for key, value in _quantiles("wake_to_run_us", woken).items() if "p90" not in key
        }
    return found


def _quantiles(name: str, values: NDArray[np.float64]) -> Figures:
    if not values.size:
        return {}
    found = np.quantile(values, QUANTILES)
    return {f"{name}_p{int(q * 100)}": float(v) for q, v in zip(QUANTILES, found, strict=True)}
