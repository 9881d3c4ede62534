"""A timeline of changes to the kernel's table of them."""

from typing import NamedTuple

import numpy as np

from sim.layout import step as T
from sim.masks import chosen_cores
from sim.programs import TableDraft
from sim.spec import timeline as names
from sim.spec.base import SpecError
from sim.spec.timeline import Change, Timeline
from sim.spec.workload import Affinity

NOBODY = -1  # every class
UNCHANGED = 1.0  # the first factor: the load as it was configured


class TimelineTables(NamedTuple):
    """A timeline as tables.

    rows    : int64 (row, TIMELINE_WIDTH), entries that name several cores take a row each
    first   : int64 (entry + 1,), first row of each entry
    factors : float64 (factor,) of load steps; the first is 1
    """

    rows: np.ndarray
    first: np.ndarray
    factors: np.ndarray


class Draft:
    """The table while it grows."""

    def __init__(self, tables: TableDraft, classes: list[str], schedulers: int) -> None:
        self.tables, self.classes, self.schedulers = tables, classes, schedulers
        self.rows: list[list[int]] = []
        self.factors = [UNCHANGED]

    def add(self, change: Change, where: str) -> None:
        """Append the rows of one entry."""
        row = [0] * T.TIMELINE_WIDTH
        row[T.WHEN_NS], row[T.WHAT] = change.time_ns, names.OPS.index(change.op)
        if change.cores is not None:
            self.add_cores(row, change, change.cores, where)
            return
        if change.scheduler is not None:
            row[T.SUBJECT] = self.number("scheduler", change.scheduler, self.schedulers, where)
        else:
            row[T.SUBJECT] = self.class_index(change, where)
        if change.core is not None:
            row[T.VALUE] = self.number("core", change.core, self.tables.topology.num_cores, where)
        if change.count is not None:
            if change.count > self.schedulers:
                raise SpecError(f"{where}.count", change.count, f"1 to {self.schedulers} here")
            row[T.VALUE] = change.count
        if change.factor is not None:
            self.factors.append(change.factor)
            row[T.VALUE] = len(self.factors) - 1
        if isinstance(change.affinity, Affinity):
            row[T.NEW : T.NEW + 4] = self.tables.affinity(change.affinity, f"{where}.affinity", lenient=True)
        self.rows.append(row)

    def add_cores(self, row: list[int], change: Change, cores: str, where: str) -> None:
        """A row for each hardware core that the entry names."""
        chosen = np.flatnonzero(chosen_cores(self.tables.topology, cores, f"{where}.cores"))
        for h in chosen.tolist():
            own = list(row)
            own[T.SUBJECT], own[T.VALUE] = h, change.mhz or 0
            self.rows.append(own)

    def number(self, name: str, value: int, count: int, where: str) -> int:
        """A scheduler or core that exists."""
        if value >= count:
            raise SpecError(f"{where}.{name}", value, f"0 to {count - 1} here")
        return value

    def class_index(self, change: Change, where: str) -> int:
        """Number of the class that an entry names, NOBODY without one."""
        if change.process_class is None:
            return NOBODY
        if change.process_class not in self.classes:
            known = ", ".join(self.classes) or "none: a replay has no classes, leave it out"
            raise SpecError(f"{where}.process_class", change.process_class, f"one of {known}")
        return self.classes.index(change.process_class)


def timeline_of(
    timeline: Timeline, tables: TableDraft, classes: list[str], schedulers: int, horizon_ns: int
) -> TimelineTables:
    """The table of a timeline; entries behind the horizon are checked and left out.

    Raises
    ------
    SpecError for a core, class or scheduler that there is not
    """
    draft, first = Draft(tables, classes, schedulers), [0]
    for index, change in enumerate(timeline.changes):
        draft.add(change, f"faults.changes.{index}")
        if change.time_ns > horizon_ns:
            del draft.rows[first[-1] :]
            continue
        first.append(len(draft.rows))
    return TimelineTables(
        rows=np.array(draft.rows or [[0] * T.TIMELINE_WIDTH], np.int64),
        first=np.array(first, np.int64),
        factors=np.array(draft.factors, np.float64),
    )
