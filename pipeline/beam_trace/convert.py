"""Turn a recording into a replay trace: what each process did, and what made it go on.

Every operation keeps its place in the order of the recording: a send stands inside the slice in
which it happened, a gap stands just before the slice that ends it. Since each cause therefore
precedes its effect in recorded time, the replay cannot deadlock.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.beam_trace.emit import Points, Rows, merge_rows
from pipeline.beam_trace.errors import RECORD_AGAIN
from pipeline.beam_trace.file import write_replay
from pipeline.beam_trace.gaps import RowIndex, RowIndexes, index_rows, is_normal, waiting_before
from pipeline.beam_trace.read import BeamTrace, EventKind, read_beam_trace
from pipeline.beam_trace.slices import Slices, busy_ns, pair_slices
from pipeline.beam_trace.working_set import working_sets
from sim import NO_EDGE, NO_PEER, ReplayOp, ReplayTrace, TraceError, replay_stuck

LAG_MAX_NS = 20_000
"""A wake-up and the send that caused it may be recorded in the wrong order.

gen:call puts a monitor on the server before it sends, and that signal already wakes it: in the
-prof runs `runnable` precedes the recorded send by 1.3 us in the median, 12 to 23 us at p99.
"""

PRECURSOR_RUN_MAX_NS = 5_000
"""Longest slice that only takes in such a signal; in the -prof runs 0.3 to 0.4 us at p50, 4.3 us at most."""


@dataclass(frozen=True)
class Imported:
    """A converted recording: the trace, and notes for its file and for the user."""

    trace: ReplayTrace
    notes: dict[str, str]


@dataclass(frozen=True, eq=False)
class _Run:
    """What every step of a conversion needs: the recording, its own slices, the window."""

    trace: BeamTrace
    slices: Slices  # of replayed processes, whole recording, sorted by (pid, start row)
    indexes: RowIndexes
    waits: NDArray[np.bool_]  # (slice,) its process waited before it
    start_ns: int
    stop_ns: int
    pids: NDArray[np.int64]  # replayed processes in order; the index is the process number

    def number(self, pid: NDArray[np.int64]) -> NDArray[np.int64]:
        """Process numbers of pids, NO_PEER for those that are not replayed."""
        at = np.minimum(np.searchsorted(self.pids, pid), self.pids.size - 1)
        return np.where(self.pids[at] == pid, at, NO_PEER)

    def rows(self, kind: EventKind) -> NDArray[np.int64]:
        """Rows of a kind within the window, made by a replayed process."""
        t_ns, trace = self.trace.t_ns, self.trace
        rows = np.flatnonzero((trace.kind == kind) & (t_ns >= self.start_ns) & (t_ns < self.stop_ns))
        own: NDArray[np.int64] = rows[self.number(trace.pid[rows]) != NO_PEER]
        return own


def import_trace(folder: str | Path, out: str | Path, window: tuple[int, int] | None = None) -> Imported:
    """Read a recording, convert it and write the replay file.

    Parameters
    ----------
    folder : of the recording, with events.parquet and its companions
    out    : Parquet file to write
    window : start and stop, ns since the start of the recording; all of it if None

    Raises / Status
    ---------------
    TraceError for anything wrong with the recording or the window; nothing is written then
    """
    imported = convert_trace(read_beam_trace(folder), window)
    write_replay(imported.trace, out, imported.notes)
    return imported


def convert_trace(trace: BeamTrace, window: tuple[int, int] | None = None) -> Imported:
    """Convert a recording that has been read, or the part of it within a window.

    Complexity and determinism
    --------------------------
    O(rows log rows); no randomness; equal times keep the order of the file
    """
    start_ns, stop_ns = _check_window(trace, window)
    everything = pair_slices(trace)
    ratio = ns_per_reduction(trace, everything)
    slices = everything.take((everything.pid >= 0) & ~np.isin(everything.pid, trace.recorder_pids))
    indexes = index_rows(trace)
    run = _Run(
        trace=trace,
        slices=slices,
        indexes=indexes,
        waits=waiting_before(trace, slices, indexes, ratio),
        start_ns=start_ns,
        stop_ns=stop_ns,
        pids=_replayed(trace, slices, start_ns, stop_ns),
    )
    busy = busy_ns(everything, trace.schedulers, start_ns, stop_ns)
    process, op, value, peer = merge_rows(_rows(run))
    result = ReplayTrace(
        name=trace.name,
        process=process,
        op=op,
        value=value,
        peer=peer,
        window_ns=stop_ns - start_ns,
        ns_per_reduction=ratio,
        schedulers=trace.schedulers,
        busy_ns=busy,
    )
    stuck = replay_stuck(result)
    if stuck:
        allowed = "0: causes in the recording must precede their effects"
        raise TraceError(f"{trace.folder}, processes that deadlock", len(stuck), allowed)
    return Imported(result, _notes(run, result, everything.unmatched))


def ns_per_reduction(trace: BeamTrace, slices: Slices) -> float:
    """Time in slices on normal schedulers a reduction, over the samples of window B.

    Raises / Status
    ---------------
    TraceError if window B has fewer than two samples, or no reductions between them
    """
    path = trace.folder / "samples.parquet"
    samples = trace.samples.filter(pl.col("window") == "B").drop_nulls()
    if samples.height < 2:
        raise TraceError(f"{path}, rows of window B", samples.height, "2 or more", RECORD_AGAIN)
    t_ns, reductions = samples["t_ns"].cast(pl.Int64), samples["reductions"].cast(pl.Int64)
    if not t_ns.is_sorted():
        raise TraceError(f"{path}, column t_ns", "out of order", "sorted", RECORD_AGAIN)
    spent = busy_ns(slices, trace.schedulers, t_ns[0], t_ns[-1])
    done = reductions[-1] - reductions[0]
    if done <= 0 or spent <= 0:
        found = f"{done} reductions in {spent} ns"
        raise TraceError(f"{path}, window B", found, "both above 0", RECORD_AGAIN)
    return float(spent / done)


def _check_window(trace: BeamTrace, window: tuple[int, int] | None) -> tuple[int, int]:
    start_ns, stop_ns = window if window is not None else (0, trace.window_ns)
    if not 0 <= start_ns < stop_ns <= trace.window_ns:
        allowed = f"start below stop, both from 0 to {trace.window_ns} ns"
        raise TraceError(f"window of {trace.name}", (start_ns, stop_ns), allowed)
    return int(start_ns), int(stop_ns)


def _replayed(trace: BeamTrace, slices: Slices, start_ns: int, stop_ns: int) -> NDArray[np.int64]:
    """Pids to replay, sorted: those with a slice in the window, and those spawned in it."""
    active = (slices.start_ns < stop_ns) & (slices.stop_ns > start_ns)
    spawned = (trace.kind == EventKind.SPAWN) & (trace.t_ns >= start_ns) & (trace.t_ns < stop_ns)
    children = trace.peer[spawned]
    children = children[(children >= 0) & ~np.isin(children, trace.recorder_pids)]
    again = np.unique(children, return_counts=True)
    if (again[1] > 1).any():
        pid = int(again[0][np.argmax(again[1] > 1)])
        where = f"{trace.folder}/events.parquet, spawns of process {pid}"
        raise TraceError(where, int(again[1].max()), "1 within the window", RECORD_AGAIN)
    pids = np.union1d(slices.pid[active], children)
    if not pids.size:
        allowed = "1 or more within the window"
        raise TraceError(f"{trace.folder}, processes that ran", 0, allowed, "choose another window")
    return pids


def _rows(run: _Run) -> Rows:
    """Collect the operations of every process, each with its place in recorded order."""
    spawn = run.rows(EventKind.SPAWN)
    spawn = spawn[run.number(run.trace.peer[spawn]) != NO_PEER]
    send = run.rows(EventKind.SEND)
    parent, born_row = _births(run, spawn)
    kept = np.flatnonzero((run.slices.start_ns < run.stop_ns) & (run.slices.stop_ns > run.start_ns))
    gaps, edge_of_send = _gap_points(run, _find_gaps(run, kept, born_row), parent, send)
    part = run.slices.take(kept)
    normal = is_normal(part, run.trace.schedulers)
    number = run.number(part.pid)
    begin_ns = np.maximum(part.start_ns, run.start_ns)
    end_ns = np.minimum(part.stop_ns, run.stop_ns)
    sizes = working_sets(run.trace, run.pids, run.start_ns, run.stop_ns)
    points = Points()
    points.add(np.arange(run.pids.size), -1, ReplayOp.BEGIN, sizes, parent)
    points.extend(gaps)
    dirty = ~normal
    away_ns = (end_ns - begin_ns)[dirty]
    points.add(number[dirty], part.stop_row[dirty] * 2, ReplayOp.BLOCK, away_ns, NO_PEER)
    send_number = run.number(run.trace.pid[send])
    receiver = run.number(run.trace.peer[send])
    send_ns = run.trace.t_ns[send]
    points.add(send_number, send * 2, ReplayOp.SEND, edge_of_send, receiver, send_ns)
    child = run.number(run.trace.peer[spawn])
    spawn_ns = run.trace.t_ns[spawn]
    points.add(run.number(run.trace.pid[spawn]), spawn * 2, ReplayOp.SPAWN, 0, child, spawn_ns)
    exits = part.is_last & (part.stop_ns < run.stop_ns)
    points.add(number[exits], part.stop_row[exits] * 2 + 1, ReplayOp.EXIT, 0, NO_PEER)
    started = (number[normal], part.start_row[normal] * 2 + 1, begin_ns[normal])
    stopped = (number[normal], part.stop_row[normal] * 2, end_ns[normal])
    return Rows(points, started, stopped)


def _births(run: _Run, spawn: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Parent of each process (NO_PEER if not replayed) and its spawn row (-1 if not recorded)."""
    trace = run.trace
    parent = np.full(run.pids.size, NO_PEER, dtype=np.int64)
    parent[run.number(trace.peer[spawn])] = run.number(trace.pid[spawn])
    born_row = np.full(run.pids.size, -1, dtype=np.int64)
    any_spawn = np.flatnonzero((trace.kind == EventKind.SPAWN) & (trace.peer >= 0))
    child = run.number(trace.peer[any_spawn])
    born_row[child[child != NO_PEER]] = any_spawn[child != NO_PEER]
    return parent, born_row


@dataclass(frozen=True, eq=False)
class _Gaps:
    """Gaps of replayed processes that end within the window; columns are (gap,) arrays."""

    at: NDArray[np.int64]  # the slice that ends the gap, index into run.slices
    number: NDArray[np.int64]  # process
    follows: NDArray[np.bool_]  # an earlier slice of the process is recorded
    is_born: NDArray[np.bool_]  # its spawn is recorded
    from_ns: NDArray[np.int64]  # where the gap begins, the window's start at the earliest
    waits: NDArray[np.bool_]  # the process waited in it, as far as known
    first_send: NDArray[np.int64]  # row of the first message in it, or -1
    first_send_ns: NDArray[np.int64]  # undefined where first_send is -1
    ready_ns: NDArray[np.int64]  # when the process was ready again; at the latest: its end

    @property
    def send_is_cause(self) -> NDArray[np.bool_]:
        """The first message ended the wait: it is not far later than the wake-up."""
        in_time = self.first_send_ns <= self.ready_ns + LAG_MAX_NS
        return self.waits & (self.first_send >= 0) & in_time


def _find_gaps(run: _Run, kept: NDArray[np.int64], born_row: NDArray[np.int64]) -> _Gaps:
    s, t_ns = run.slices, run.trace.t_ns
    at = kept[s.start_ns[kept] > run.start_ns]
    number = run.number(s.pid[at])
    follows = np.append(False, s.pid[1:] == s.pid[:-1])[at]
    born = born_row[number]
    born_ns = np.where(born >= 0, t_ns[np.maximum(born, 0)], run.start_ns)
    window_row = int(np.searchsorted(t_ns, run.start_ns)) - 1
    from_row = np.maximum(np.where(follows, s.stop_row[at - 1], born), window_row)
    first_send = run.indexes.send.first(s.pid[at], from_row, s.start_row[at])
    # Only a -prof recording knows; `first` finds nothing in any other.
    ready_row = run.indexes.runnable.first(s.pid[at], from_row, s.start_row[at])
    return _Gaps(
        at=at,
        number=number,
        follows=follows,
        is_born=born >= 0,
        from_ns=np.maximum(np.where(follows, s.stop_ns[at - 1], born_ns), run.start_ns),
        # Of a process that was there before the recording, nothing is known but that it was away.
        waits=np.where(follows, run.waits[at], born < 0),
        first_send=first_send,
        ready_ns=np.where(ready_row >= 0, t_ns[np.maximum(ready_row, 0)], s.start_ns[at]),
        first_send_ns=t_ns[np.maximum(first_send, 0)],
    )


def _gap_points(
    run: _Run, gaps: _Gaps, parent: NDArray[np.int64], send: NDArray[np.int64]
) -> tuple[Points, NDArray[np.int64]]:
    """Decide what each gap becomes: WAIT, BLOCK or nothing; and number the edges.

    Returns
    -------
    the operations, and for each row in `send` its edge, or NO_EDGE
    """
    is_edge = gaps.send_is_cause & np.isin(gaps.first_send, send)
    block_ns = _block_ns(run, gaps, parent, is_edge)
    place = np.searchsorted(send, gaps.first_send[is_edge])
    edge_of_send = np.full(send.size, NO_EDGE, dtype=np.int64)
    edge_of_send[np.sort(place)] = np.arange(place.size)
    key = run.slices.start_row[gaps.at] * 2
    points = Points()
    blocks = block_ns > 0
    points.add(gaps.number[blocks], key[blocks], ReplayOp.BLOCK, block_ns[blocks], NO_PEER)
    sender = run.number(run.trace.pid[gaps.first_send[is_edge]])
    points.add(gaps.number[is_edge], key[is_edge], ReplayOp.WAIT, edge_of_send[place], sender)
    return points, edge_of_send


def _block_ns(
    run: _Run, gaps: _Gaps, parent: NDArray[np.int64], is_edge: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Time that each gap keeps its process away, 0 where it was ready or waits for an edge."""
    s = run.slices
    normal = is_normal(s, run.trace.schedulers)
    until_ns = np.where(gaps.send_is_cause, gaps.first_send_ns, gaps.ready_ns)
    is_block = gaps.waits & ~is_edge & ~_precursors(run, gaps, is_edge)
    block_ns = np.where(is_block, np.maximum(until_ns - gaps.from_ns, 0), 0)
    # On the way to a dirty scheduler, or from one to another, the whole gap is time away.
    to_dirty = ~normal[gaps.at] & ~gaps.waits
    block_ns = np.where(to_dirty, s.start_ns[gaps.at] - gaps.from_ns, block_ns)
    # A process born to one that is not replayed has no SPAWN to start on: it is away until then.
    is_foundling = ~gaps.follows & gaps.is_born & (parent[gaps.number] == NO_PEER)
    return np.where(is_foundling, block_ns + gaps.from_ns - run.start_ns, block_ns)


def _precursors(run: _Run, gaps: _Gaps, is_edge: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Mark gaps ended by a signal that only announces the message of the next gap.

    As a BLOCK such a gap would tie the receiver to recorded time, though all it did was to wait
    for that message: so it becomes nothing, and the short slice after it joins the one before.
    The slice must have done nothing else: it stopped where the one before it stopped, and sent
    nothing. (A client that sleeps, calls and gets a quick answer looks the same otherwise.)
    """
    s, trace, at = run.slices, run.trace, gaps.at
    mark = np.zeros(at.size, dtype=bool)
    if at.size < 2:
        return mark
    sends = np.flatnonzero(trace.kind == EventKind.SEND)
    sent = RowIndex(sends, trace.pid[sends], trace.t_ns.size)
    sent_row = sent.first(s.pid[at], s.start_row[at], s.stop_row[at])
    stays = np.append(False, (s.mfa[1:] == s.mfa[:-1]) & (s.pid[1:] == s.pid[:-1]))
    near_ns = gaps.first_send_ns[1:] - s.start_ns[at[:-1]]
    mark[:-1] = (at[1:] == at[:-1] + 1) & (s.pid[at[1:]] == s.pid[at[:-1]])
    mark[:-1] &= gaps.waits[:-1] & ~is_edge[:-1] & is_edge[1:] & (near_ns <= LAG_MAX_NS)
    mark[:-1] &= (s.stop_ns - s.start_ns)[at[:-1]] <= PRECURSOR_RUN_MAX_NS
    mark &= stays[at] & (sent_row < 0)
    return mark


def _notes(run: _Run, result: ReplayTrace, unmatched: int) -> dict[str, str]:
    trace = run.trace
    send = run.rows(EventKind.SEND)
    outside = np.count_nonzero(run.number(trace.peer[send]) == NO_PEER)
    capacity = result.schedulers * result.window_ns
    return {
        "source": f"{trace.name}, recorded from a BEAM by erl_tracer",
        "otp": trace.otp,
        "tracing_slowdown": f"{trace.slowdown:.4f}",
        "window_start_ns": str(run.start_ns),
        "busy_share": f"{result.busy_ns / capacity:.4f}",
        "run_share": f"{result.run_total_ns() / capacity:.4f}",
        "waits_known_from": "runnable events" if trace.has_runnable else "heuristic",
        "messages_recorded": "yes" if trace.has_sends else "no",
        "sends_outside": str(int(outside)),
        "unmatched_in_out": str(unmatched),
    }
