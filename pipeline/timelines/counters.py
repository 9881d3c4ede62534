"""Counters of a lane's log: queue lengths, ready processes, idle schedulers, migrations, the threshold."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from pipeline.timelines.log import SLICE_ENDS, Code, Ints, LaneLog

QUEUED = (Code.ARRIVE, Code.WAKE, Code.PREEMPT)
ONE_Q16 = 1 << 16


@dataclass(frozen=True)
class Series:
    """A counter as it changes, one value a nanosecond at most, the first one where the part begins."""

    entries: Ints
    time_ns: Ints
    values: NDArray[np.float64] | Ints


def sampled(log: LaneLog, entries: Ints, values: NDArray[np.float64] | Ints, start: float) -> Series:
    """A counter in the wanted part from its values after some entries; `start` is that at time 0."""
    before = entries < log.first
    kept = (entries >= log.first) & (entries < log.last)
    at_first = values[before][-1] if before.any() else values.dtype.type(start)
    time_ns = np.append(log.first_ns, log.time_ns[entries[kept]])
    every, numbers = np.append(at_first, values[kept]), np.append(log.first - 1, entries[kept])
    # of several changes in one nanosecond the last one counts
    is_last = np.append(time_ns[1:] != time_ns[:-1], True)
    return Series(numbers[is_last], time_ns[is_last], every[is_last])


@dataclass(frozen=True)
class QueueChanges:
    """Changes of queue lengths: entry, scheduler, and +1 or -1; in the order of the entries."""

    entries: Ints
    scheduler: Ints
    change: Ints


def queue_changes(log: LaneLog) -> QueueChanges:
    """Who is queued where: a process is from its arrival, wake-up or preemption to its next dispatch."""
    every = log.of(*QUEUED, Code.DISPATCH, Code.BLOCK, Code.WAIT, Code.EXIT, Code.MIGRATE)
    order = every[np.argsort(log.process[every], kind="stable")]
    code, process = log.code[order], log.process[order]
    # a migration moves what stands in a queue; a process that wakes elsewhere is queued by its wake-up
    index = np.arange(order.size)
    last = np.maximum.accumulate(np.where(code == Code.MIGRATE, 0, index))
    was_queued = np.isin(code[last], QUEUED) & (process[last] == process)
    moved = order[(code == Code.MIGRATE) & was_queued]
    enters, leaves = log.of(*QUEUED), log.of(Code.DISPATCH)
    entries = np.concatenate([enters, leaves, moved, moved])
    scheduler = np.concatenate([log.core[enters], log.core[leaves], log.a[moved], log.core[moved]])
    change = np.repeat([1, -1, -1, 1], [enters.size, leaves.size, moved.size, moved.size])
    by_entry = np.argsort(entries, kind="stable")
    return QueueChanges(entries[by_entry], scheduler[by_entry], np.asarray(change[by_entry], np.int64))


def queue_lengths(log: LaneLog, changes: QueueChanges) -> list[Series]:
    """Processes queued, by scheduler; what runs is not queued."""
    order = np.argsort(changes.scheduler, kind="stable")
    bounds = np.searchsorted(changes.scheduler[order], np.arange(log.num_schedulers + 1))
    series = []
    for low, high in pairwise(bounds.tolist()):
        own = order[low:high]
        series.append(sampled(log, changes.entries[own], np.cumsum(changes.change[own]), 0))
    return series


def ready_processes(log: LaneLog, changes: QueueChanges) -> Series:
    """Processes that wait for a core, over the machine."""
    return sampled(log, changes.entries, np.cumsum(changes.change), 0)


def idle_schedulers(log: LaneLog) -> Series:
    """Schedulers that are online, have their core, and run nothing.

    One that is woken counts until it runs: the log does not say when it was woken.
    """
    entries = log.of(
        Code.DISPATCH, *SLICE_ENDS, Code.IDLE, Code.STALL, Code.OFFLINE, Code.ONLINE
    )  # a scheduler between two slices is not idle
    entries = entries[log.core[entries] >= 0]
    order = entries[np.argsort(log.core[entries], kind="stable")]
    core = log.core[order]
    is_idle = np.isin(log.code[order], (Code.IDLE, Code.ONLINE)).astype(np.int64)
    is_first = np.append(True, core[1:] != core[:-1])[: core.size]
    previous = np.append(0, is_idle[:-1])[: core.size]
    change = is_idle - np.where(is_first, core < log.online, previous)
    by_entry = np.argsort(order, kind="stable")
    return sampled(log, order[by_entry], log.online + np.cumsum(change[by_entry]), log.online)


def counted(log: LaneLog, code: Code) -> Series:
    """How many entries of a code there were since time 0."""
    entries = log.of(code)
    return sampled(log, entries, np.arange(1, entries.size + 1), 0)


def threshold(log: LaneLog) -> Series:
    """The factor of the threshold, as feedback moves it."""
    entries = log.of(Code.ADJUST)
    start = float(log.inputs.policy.threshold_factor)
    return sampled(log, entries, log.a[entries] / ONE_Q16, start)


def balance_period(log: LaneLog) -> Series:
    """The period of balancing in ns, as feedback moves it."""
    entries = log.of(Code.ADJUST)
    start = float(log.inputs.policy.balancing.period_ns or 0)
    return sampled(log, entries, log.b[entries].astype(np.float64), start)
