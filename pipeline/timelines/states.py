"""Slices that are no process: where schedulers stand, when they are offline, metric windows."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from pipeline.timelines.log import Code, Ints, LaneLog, standing
from pipeline.timelines.tracks import Tracks

ON, WAITS, OFF = 0, 1, 2


@dataclass(frozen=True)
class Span:
    """A slice by its entries, on a track. The edges of the wanted part are entries `first - 1` and `last`."""

    track: int
    name: str
    begin: int
    end: int
    begin_ns: int
    end_ns: int


def span_of(log: LaneLog, track: int, name: str, begin: int, end: int) -> Span:
    """A slice from one entry to another, as far as it is in the wanted part."""
    begin, end = max(begin, log.first - 1), min(end, log.last)
    begin_ns = int(log.time_ns[begin]) if begin >= log.first else log.first_ns
    end_ns = int(log.time_ns[end]) if end < log.last else log.last_ns
    return Span(track, name, begin, end, begin_ns, end_ns)


def mode_of(code: Ints) -> Ints:
    """What an entry leaves its scheduler in; -1 where it says nothing."""
    modes = np.full(code.shape, ON, np.int64)
    modes[code == Code.STALL] = WAITS
    modes[code == Code.OFFLINE] = OFF
    modes[code == Code.REBIND] = -1
    return modes


def scheduler_spans(log: LaneLog, tracks: Tracks) -> list[Span]:
    """Where each scheduler stands, waits for a core that another has, or is offline.

    One that keeps a core to itself stands there always: only that it is offline is shown.
    """
    codes = (Code.DISPATCH, Code.IDLE, Code.STALL, Code.OFFLINE, Code.ONLINE, Code.REBIND)
    found = log.of(*codes)
    schedulers = np.arange(log.num_schedulers)
    entries = np.append(np.full(schedulers.size, -1), found)
    core = np.append(schedulers, log.core[found])
    mode = np.append(np.where(schedulers < log.online, ON, OFF), mode_of(log.code[found]))
    order = np.argsort(core, kind="stable")
    entries, core, mode = entries[order], core[order], mode[order]
    mode = mode[np.maximum.accumulate(np.where(mode >= 0, np.arange(mode.size), 0))]
    place = standing(log, core, entries)
    label = np.where(mode == OFF, OFF, place * 3 + mode)
    changes = np.append(True, (label[1:] != label[:-1]) | (core[1:] != core[:-1]))
    at = np.flatnonzero(changes)
    ends = np.append(entries[at][1:], log.time_ns.size)
    ends[np.append(core[at][1:] != core[at][:-1], True)] = log.time_ns.size
    spans = []
    for i, end in zip(at.tolist(), ends.tolist(), strict=True):
        name = {ON: f"on core {place[i]}", WAITS: f"waits for core {place[i]}", OFF: "offline"}[int(mode[i])]
        if (tracks.is_moving or mode[i] == OFF) and entries[i] < log.last and end >= log.first:
            spans.append(span_of(log, tracks.state[int(core[i])], name, int(entries[i]), end))
    return spans


def window_spans(log: LaneLog, tracks: Tracks) -> list[Span]:
    """The warm-up and the metric windows, those that are complete."""
    ends = log.of(Code.WINDOW).tolist()
    spans = []
    for number, (begin, end) in enumerate(pairwise([-1, *ends])):
        name = f"window {number}" if number else "warm-up"
        if begin < log.last and end >= log.first and log.time_ns[end] > log.first_ns:
            spans.append(span_of(log, tracks.machine["windows"], name, begin, end))
    return spans
