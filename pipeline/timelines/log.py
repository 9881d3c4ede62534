"""The event log of one lane as columns, for `timeline=`: with names and places.

The simulator logs from time 0 on. The log is made as long as the wanted part of the lane needs, within a
limit, and what was true when that part began is read off the entries before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sim
from pipeline.config.build import Inputs, build
from pipeline.config.grid import Point, Study
from pipeline.decisions import class_names

Ints = NDArray[np.int64]
LOG_FIRST, LOG_GROWTH, LOG_MOST = 1 << 20, 4, 12_000_000  # entries; 48 bytes each, twice for a moment
DECISIONS_MOST = 3_000_000  # rows of 96 bytes


class Code(IntEnum):
    """What an entry of the log says, by the simulator's numbers."""

    ARRIVE = 1
    DISPATCH = 2
    PREEMPT = 3
    BLOCK = 4
    WAIT = 5
    EXIT = 6
    WAKE = 7
    MIGRATE = 8
    DENY = 9
    SEGMENT = 10
    IDLE = 11
    SEND = 12
    SPAWN = 13
    ADJUST = 14
    WINDOW = 15
    TIMELINE = 16
    AFFINITY = 17
    REBIND = 18
    GC = 19
    STALL = 20
    OFFLINE = 21
    ONLINE = 22


SLICE_ENDS = (Code.PREEMPT, Code.BLOCK, Code.WAIT, Code.EXIT)


@dataclass(frozen=True)
class Part:
    """The part of a lane that is wanted.

    from_ns, until_ns : simulated time, both included
    most              : entries that are kept, the first ones
    """

    from_ns: int
    until_ns: int
    most: int


@dataclass(frozen=True)
class LaneLog:
    """The log of a lane from time 0 to the end of the wanted part, or beyond.

    time_ns, code, core, process, a, b : columns, int64 (entry,); `core` is a scheduler
    first, last : the wanted entries, as a range
    first_ns, last_ns : simulated time of the wanted part
    is_cut      : whether the wanted part had more entries than are kept
    is_whole    : whether the log reaches to the end of the lane
    end_ns      : simulated time at which the log ends
    homes       : hardware core by scheduler at time 0
    online      : schedulers that are online at time 0
    decisions   : int64 (row, 12), a row a migration or denial from time 0 on; empty if there were too many
    counters    : of the simulator, after the warm-up
    """

    time_ns: Ints
    code: Ints
    core: Ints
    process: Ints
    a: Ints
    b: Ints
    first: int
    last: int
    first_ns: int
    last_ns: int
    is_cut: bool
    is_whole: bool
    end_ns: int
    homes: Ints
    online: int
    decisions: NDArray[Any]
    counters: dict[str, Any]
    classes: Sequence[str]
    inputs: Inputs

    @property
    def num_schedulers(self) -> int:
        """Schedulers of the lane."""
        return int(self.homes.size)

    def of(self, *codes: Code) -> Ints:
        """Numbers of the entries that have one of some codes, in their order."""
        return np.flatnonzero(np.isin(self.code, codes))

    def wanted(self, entries: Ints) -> Ints:
        """Those of some entries that are in the wanted part."""
        return entries[(entries >= self.first) & (entries < self.last)]


def log_lane(study: Study, point: Point, replicate: int, part: Part) -> LaneLog:
    """Simulate one lane of a point with its log, twice: the second time with the reasons of its decisions."""
    inputs = build(point.config)
    lane = sim.Lane(
        policy=inputs.policy, cost=inputs.cost, seed=study.seed, replicate=replicate, binding=inputs.binding
    )
    return log_of(inputs, lane, part, class_names(point))


def log_of(inputs: Inputs, lane: sim.Lane, part: Part, classes: Sequence[str]) -> LaneLog:
    """As log_lane, of any lane."""
    parts = (inputs.topology, inputs.workload, lane, inputs.simulation, inputs.faults)
    rows, counters = grown_log(parts, part)
    columns = [np.ascontiguousarray(rows[:, i]) for i in range(rows.shape[1])]
    del rows
    time_ns, code = columns[0], columns[1]
    first = int(np.searchsorted(time_ns, part.from_ns, "left"))
    beyond = int(np.searchsorted(time_ns, part.until_ns, "right"))
    last = min(beyond, first + part.most)
    is_whole = not is_full(counters)
    plan = sim.plan_of(inputs.topology, inputs.workload, [lane], inputs.simulation, inputs.faults)
    flags = lane.policy.erts.schedulers() if lane.policy.erts.enabled else None
    homes = np.asarray(plan.maps[0][:, 0], np.int64)
    end_ns = int(time_ns[-1]) if time_ns.size else 0
    if is_whole and sim.LaneStatus.COMPLETED in sim.LaneStatus(counters["status"]):
        end_ns = inputs.simulation.horizon_ns
    is_cut = last < beyond or (not is_whole and end_ns <= part.until_ns)
    last_ns = int(time_ns[last - 1]) if is_cut and last > first else min(part.until_ns, end_ns)
    asked = int(np.isin(code[:last], (Code.MIGRATE, Code.DENY)).sum())
    return LaneLog(
        time_ns=time_ns, code=code, core=columns[2], process=columns[3], a=columns[4], b=columns[5],
        first=first, last=last, first_ns=part.from_ns, last_ns=last_ns, is_cut=is_cut, is_whole=is_whole,
        end_ns=end_ns, homes=homes, online=flags[1] if flags else homes.size,
        decisions=decision_rows(parts, asked), counters=counters, classes=classes, inputs=inputs,
    )  # fmt: skip


def is_full(counters: dict[str, Any]) -> bool:
    """Did the lane have more entries than its log took?"""
    return sim.LaneStatus.LOG_FULL in sim.LaneStatus(counters["status"])


def grown_log(parts: tuple[Any, ...], part: Part) -> tuple[NDArray[Any], dict[str, Any]]:
    """The log of a lane, so long that the wanted part is in it, or as long as it may be."""
    capacity = LOG_FIRST
    while True:
        rows, counters = sim.simulate_logged(*parts, capacity=capacity)
        wanted = rows.shape[0] - int(np.searchsorted(rows[:, 0], part.from_ns, "left"))
        is_enough = wanted > part.most or (rows.shape[0] > 0 and int(rows[-1, 0]) > part.until_ns)
        if is_enough or capacity == LOG_MOST or not is_full(counters):
            return rows, counters
        del rows
        capacity = min(LOG_MOST, capacity * LOG_GROWTH)


def decision_rows(parts: tuple[Any, ...], count: int) -> NDArray[Any]:
    """The first rows of the decision log, one a migration or denial."""
    if not 0 < count <= DECISIONS_MOST:
        return np.empty((0, len(sim.DECISION_COLUMNS)), np.int64)
    return np.asarray(sim.simulate_logged(*parts, capacity=1, decisions=count)[1]["decisions"])


def latest(log: LaneLog, entries: Ints, owner: Ints, when: Ints, who: Ints) -> Ints:
    """The last of some entries at or before entry `when` that has the owner `who`; -1 if there is none.

    Parameters
    ----------
    entries, owner : numbers of entries, in order, and whose each is
    when, who      : the questions
    """
    size = log.time_ns.size + 1
    keys = owner * size + entries
    order = np.argsort(keys, kind="stable")
    at = np.searchsorted(keys[order], who * size + when, "right") - 1
    found = entries[order][np.maximum(at, 0)] if entries.size else np.zeros(who.shape, np.int64)
    is_own = (at >= 0) & (owner[order][np.maximum(at, 0)] == who) if entries.size else at >= 0
    return np.where(is_own, found, -1)


def standing(log: LaneLog, schedulers: Ints, when: Ints) -> Ints:
    """Hardware cores that schedulers stand on at entries."""
    moves = log.of(Code.REBIND)
    last = latest(log, moves, log.core[moves], when, schedulers)
    return np.asarray(np.where(last >= 0, log.a[last], log.homes[schedulers]), np.int64)


@dataclass(frozen=True)
class Names:
    """What processes are called, and a number for each life of a slot, from 1 on."""

    texts: list[str]
    lives: list[int]


def names_of(log: LaneLog, entries: Ints) -> Names:
    """Names of the processes of some entries: class and number in the class."""
    born = log.of(Code.ARRIVE)
    slots = log.process[entries]
    birth = latest(log, born, log.process[born], entries, slots)
    # those without an arrival are away when a recording begins: they stand in the first slots, in order
    kinds = np.where(birth >= 0, log.a[birth], 0).tolist()
    numbers = np.where(birth >= 0, log.b[birth], slots).tolist()
    lives = np.where(birth >= 0, birth + 1, log.time_ns.size + 1 + slots).tolist()
    texts = [
        f"{log.classes[kind]} {number}" if number >= 0 else "a whole class"
        for kind, number in zip(kinds, numbers, strict=True)
    ]
    return Names(texts, lives)
