"""The time of a reduction of a class from its processes' own counters, where the recording lists them.

procs.parquet has each process's counter before and after the window. A class whose processes were there at
both ends needs no regression: time in slices over reductions. The check holds out processes, not time.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.measured import Measured
from pipeline.calibration.recording import Recording
from pipeline.calibration.statistics import SEED, bootstrap, interval

COUNTERS_NOTE = "from the processes' own counters"
PROCESSES_MIN = 10
COVERED_MIN = 0.5
"""Share of the class's time that must be of processes with a counter."""


@dataclass(frozen=True, eq=False)
class Counters:
    """Columns by process of one class; empty if they cover too little of its time."""

    spent_ns: NDArray[np.float64]
    done: NDArray[np.float64]

    @property
    def ratio(self) -> float:
        """ns a reduction; 0 without counters."""
        return float(self.spent_ns.sum() / self.done.sum()) if self.done.size else 0.0

    def text(self) -> str:
        """The same in words; "" without counters."""
        return (
            f"the counters of {self.done.size} of its processes say {self.ratio:.3g} ns"
            if self.done.size
            else ""
        )


def count_class(recording: Recording, name: str) -> Counters:
    """Time and reductions of the processes of a class that were there before and after the window."""
    of_class = recording.normal & (recording.slice_class == recording.class_names.index(name))
    pids, at = np.unique(recording.slices.pid[of_class], return_inverse=True)
    spent = np.bincount(
        at, (recording.slices.stop_ns - recording.slices.start_ns)[of_class], minlength=pids.size
    )
    table = recording.process_reductions
    counted = dict(zip(table["pid"].to_list(), table["reductions"].to_list(), strict=True))
    done = np.array([counted.get(pid, 0) for pid in pids.tolist()], float)
    known = (done > 0) & (spent > 0)
    if spent[known].sum() < COVERED_MIN * spent.sum():
        known[:] = False
    return Counters(spent[known].astype(float), done[known])


def fit_counters(name: str, counters: Counters, holdout: float) -> Measured | None:
    """The class's time, if enough of its processes have counters; some of them are held out."""
    size = counters.done.size
    if size < PROCESSES_MIN:
        return None
    order = np.random.default_rng(SEED).permutation(size)
    kept, held = np.split(order, [round((1 - holdout) * size)])
    spent, done = counters.spent_ns[kept], counters.done[kept]
    draws = bootstrap(kept.size, lambda rows: spent[rows].sum() / done[rows].sum())
    value = float(spent.sum() / done.sum())
    told = counters.spent_ns[held].sum() / value / counters.done[held].sum() - 1
    held_out = f"held out: {held.size} processes' reductions {told:+.1%}"
    return Measured(name, value, "ns", *interval(draws), "95 % interval", kept.size, COUNTERS_NOTE, held_out)
