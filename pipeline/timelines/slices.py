"""Slices of a lane's log: which process ran on which core, from when to when, and what it did."""

from dataclasses import dataclass

import numpy as np

from pipeline.timelines.log import SLICE_ENDS, Code, Ints, LaneLog, standing


@dataclass(frozen=True)
class Slices:
    """Columns, a row a slice, in the order of the dispatches.

    begin, end       : entries of the log; end is -1 while it still runs
    begin_ns, end_ns : simulated time; an open slice ends with the log
    scheduler, core  : scheduler, and the hardware core that it stands on
    reds, segments, sends, collections, gc_ns : what was begun in it
    begun_ns         : sum of the planned lengths of its segments; more than its length if it was cut off
    """

    begin: Ints
    end: Ints
    begin_ns: Ints
    end_ns: Ints
    scheduler: Ints
    core: Ints
    reds: Ints
    segments: Ints
    sends: Ints
    collections: Ints
    gc_ns: Ints
    begun_ns: Ints


def slices_of(log: LaneLog) -> Slices:
    """The slices that touch the wanted part: whole, also where they reach over its edges."""
    every = log.of(Code.DISPATCH, *SLICE_ENDS, Code.SEGMENT, Code.SEND, Code.GC)
    order = every[np.argsort(log.core[every], kind="stable")]
    code, core = log.code[order], log.core[order]
    is_begin = code == Code.DISPATCH
    # on a scheduler everything up to the next dispatch belongs to the last one
    owner = np.cumsum(is_begin) - 1
    begin = order[is_begin]
    count = begin.size
    end = np.full(count, -1, np.int64)
    is_end = np.isin(code, SLICE_ENDS) & (owner >= 0)
    end[owner[is_end]] = order[is_end]

    def total(kind: Code, values: Ints | None) -> Ints:
        chosen = (code == kind) & (owner >= 0)
        sums = np.zeros(count, np.int64)
        np.add.at(sums, owner[chosen], 1 if values is None else values[order[chosen]])
        return sums

    columns = {
        "begin": begin,
        "end": end,
        "begin_ns": log.time_ns[begin],
        "end_ns": np.where(end >= 0, log.time_ns[end], log.end_ns),
        "scheduler": core[is_begin],
        "core": standing(log, core[is_begin], begin),
        "reds": total(Code.SEGMENT, log.a),
        "segments": total(Code.SEGMENT, None),
        "sends": total(Code.SEND, None),
        "collections": total(Code.GC, None),
        "gc_ns": total(Code.GC, log.b),
        "begun_ns": total(Code.SEGMENT, log.b),
    }
    touches = (begin < log.last) & ((end < 0) | (end >= log.first))
    chosen = np.flatnonzero(touches)
    chosen = chosen[np.argsort(begin[chosen], kind="stable")]
    return Slices(**{name: np.asarray(values[chosen], np.int64) for name, values in columns.items()})
