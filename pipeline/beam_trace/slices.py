"""Pair the ins and outs of a recording into slices: who was on which scheduler, from when to when.

A slice that was under way when tracing began has no `in`, one that was when it ended no `out`:
both are kept, cut at the edge. The same in the middle means lost events; a few are left out and
counted, many are an error.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace.errors import RECORD_AGAIN
from pipeline.beam_trace.read import BeamTrace, EventKind
from sim import TraceError

UNMATCHED_COUNT_MAX = 20
UNMATCHED_SHARE_MAX = 0.001
"""Lost ins and outs tolerated: the larger of a count and a share. The shared traces have <= 2."""


@dataclass(frozen=True, eq=False)
class Slices:
    """Slices of processes and ports, sorted by (pid, start row); columns are (slice,) arrays."""

    pid: NDArray[np.int64]
    scheduler: NDArray[np.int64]
    start_ns: NDArray[np.int64]
    stop_ns: NDArray[np.int64]
    start_row: NDArray[np.int64]  # row of the in; -1 if before the recording
    stop_row: NDArray[np.int64]  # row of the out; number of rows if after the recording
    mfa: NDArray[np.int32]  # where it stopped; -1 if unknown
    is_last: NDArray[np.bool_]  # the process exited at the end of it
    unmatched: int  # ins and outs of processes left out because the other half is missing

    def take(self, keep: NDArray[np.bool_] | NDArray[np.int64]) -> "Slices":
        """Return the slices that a mask or an index selects."""
        return Slices(
            pid=self.pid[keep],
            scheduler=self.scheduler[keep],
            start_ns=self.start_ns[keep],
            stop_ns=self.stop_ns[keep],
            start_row=self.start_row[keep],
            stop_row=self.stop_row[keep],
            mfa=self.mfa[keep],
            is_last=self.is_last[keep],
            unmatched=self.unmatched,
        )


def pair_slices(trace: BeamTrace) -> Slices:
    """Pair each `in` with the next `out` of the same pid.

    Raises / Status
    ---------------
    TraceError if more ins and outs of processes than tolerated have lost their other half, which
    is also how overlapping slices of one process show.

    Complexity and determinism
    --------------------------
    O(rows log rows); rows with equal times keep their order.
    """
    kind = trace.kind
    rows = np.flatnonzero((kind == EventKind.IN) | (kind == EventKind.OUT) | (kind == EventKind.EXITED))
    if not rows.size:
        where = f"{trace.events_path}, in and out events"
        raise TraceError(where, 0, "1 or more", "record with the flag `running`")
    rows = rows[np.argsort(trace.pid[rows], kind="stable")]
    pid, is_in = trace.pid[rows], kind[rows] == EventKind.IN
    same = np.append(pid[1:] == pid[:-1], False)
    at_first, at_last = _edge_rows(trace, rows)
    starts_pair = is_in & same & ~np.append(is_in[1:], True)
    ends_pair = np.append(False, starts_pair[:-1])
    is_first_of_pid = np.append(True, ~same[:-1])
    is_open = ~is_in & is_first_of_pid & at_first
    is_cut = is_in & ~same & at_last
    lost = ~(starts_pair | ends_pair | is_open | is_cut) & (pid >= 0)
    unmatched = int(np.count_nonzero(lost))
    limit = max(UNMATCHED_COUNT_MAX, int(UNMATCHED_SHARE_MAX * rows.size))
    if unmatched > limit:
        row = int(rows[lost].min())
        where = f"{trace.events_path}, ins without out and outs without in (row {row}, ..)"
        raise TraceError(where, unmatched, f"at most {limit}", RECORD_AGAIN)
    slices = _build(trace, rows, (starts_pair, is_open, is_cut), unmatched)
    _check_overlap(trace, slices)
    return slices


def _check_overlap(trace: BeamTrace, slices: Slices) -> None:
    """Raise if a normal scheduler runs two processes at once: then outs are on the wrong one."""
    for number in range(1, trace.schedulers + 1):
        of = np.flatnonzero((slices.scheduler == number) & (slices.pid >= 0))
        of = of[np.lexsort((slices.start_row[of], slices.start_ns[of]))]
        if (slices.stop_ns[of[:-1]] > slices.start_ns[of[1:]]).any():
            at = int(np.argmax(slices.stop_ns[of[:-1]] > slices.start_ns[of[1:]]))
            pids = (int(slices.pid[of[at]]), int(slices.pid[of[at + 1]]))
            where = f"{trace.events_path}, row {int(slices.start_row[of[at + 1]])}"
            found = f"processes {pids[0]} and {pids[1]} both on scheduler {number}"
            raise TraceError(where, found, "one process at a time on a scheduler", RECORD_AGAIN)


def _edge_rows(trace: BeamTrace, rows: NDArray[np.int64]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Mark the rows that may lack the other half: the first and last of their scheduler.

    A normal scheduler runs one process at a time, so an `out` can only belong to a slice from
    before the recording if no process was on that scheduler earlier. Dirty schedulers share one
    number in some recordings, and ports run within a process's slice: no such rule for those.
    """
    scheduler, pid = trace.scheduler[rows], trace.pid[rows]
    free = (scheduler < 1) | (scheduler > trace.schedulers) | (pid < 0)
    at_first, at_last = free.copy(), free.copy()
    for number in range(1, trace.schedulers + 1):
        of_scheduler = rows[(scheduler == number) & (pid >= 0)]
        if of_scheduler.size:
            at_first |= rows == of_scheduler.min()
            at_last |= rows == of_scheduler.max()
    return at_first, at_last


def _build(
    trace: BeamTrace,
    rows: NDArray[np.int64],
    parts: tuple[NDArray[np.bool_], NDArray[np.bool_], NDArray[np.bool_]],
    unmatched: int,
) -> Slices:
    starts_pair, is_open, is_cut = parts
    at = np.flatnonzero(starts_pair | is_open | is_cut)
    start_row = np.where(is_open[at], -1, rows[at])
    stop_at = np.where(is_open[at], at, np.minimum(at + 1, rows.size - 1))
    stop_row = np.where(is_cut[at], trace.t_ns.size, rows[stop_at])
    last = trace.t_ns.size - 1
    begin_ns = min(int(trace.t_ns[0]), 0)
    end_ns = max(int(trace.t_ns[-1]), trace.window_ns)
    return Slices(
        pid=trace.pid[rows[at]],
        scheduler=trace.scheduler[rows[at]],
        start_ns=np.where(start_row < 0, begin_ns, trace.t_ns[np.maximum(start_row, 0)]),
        stop_ns=np.where(stop_row > last, end_ns, trace.t_ns[np.minimum(stop_row, last)]),
        start_row=start_row,
        stop_row=stop_row,
        mfa=np.where(is_cut[at], -1, trace.mfa[rows[stop_at]]).astype(np.int32),
        is_last=~is_cut[at] & (trace.kind[rows[stop_at]] == EventKind.EXITED),
        unmatched=unmatched,
    )


def busy_ns(slices: Slices, schedulers: int, start_ns: int, stop_ns: int) -> int:
    """Time within [start, stop) that normal schedulers spent in slices, each instant once.

    A union and not a sum: a port can run inside the slice of the process that calls it.
    """
    total = 0
    for number in range(1, schedulers + 1):
        of = slices.scheduler == number
        begin = np.clip(slices.start_ns[of], start_ns, stop_ns)
        end = np.clip(slices.stop_ns[of], start_ns, stop_ns)
        order = np.argsort(begin, kind="stable")
        begin, end = begin[order], end[order]
        reached = np.maximum.accumulate(np.append(start_ns, end))[:-1]
        total += int(np.maximum(end - np.maximum(begin, reached), 0).sum())
    return total
