"""What made each process go on after a gap: a message, the passing of time, or nothing but its turn."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace.answers import find_requests
from pipeline.beam_trace.emit import Points
from pipeline.beam_trace.gaps import QUANTUM_REDUCTIONS, RowIndex, RowIndexes, is_normal
from pipeline.beam_trace.read import MISSING, BeamTrace, EventKind
from pipeline.beam_trace.ready import Gaps as KnownGaps
from pipeline.beam_trace.ready import homes
from pipeline.beam_trace.recorded_run import Run, spawn_rows
from pipeline.beam_trace.slices import Slices
from sim import NO_EDGE, NO_PEER, ReplayOp

LAG_MAX_NS = 20_000
"""A wake-up and the send that caused it may be recorded in the wrong order.

gen:call puts a monitor on the server before it sends, and that signal already wakes it: in the
-prof runs `runnable` precedes the recorded send by 1.3 us in the median, 12 to 23 us at p99.
"""

PRECURSOR_RUN_MAX_NS = 5_000
"""Longest slice that only takes in such a signal; in the -prof runs 0.3 to 0.4 us at p50, 4.3 us at most."""

YIELD_SHARE_MAX = 0.25
"""A process that was ready at the end of a slice shorter than this share of a full one left it by itself:
it trapped, or its message came between its look at the mailbox and the end of the slice."""

YIELD_NS = 1
"""A yield as time away: long enough to end the slice, and to put the process at the tail of a queue."""


def known_gaps(trace: BeamTrace, slices: Slices, indexes: RowIndexes, waits: NDArray[np.bool_]) -> KnownGaps:
    """When each slice's process became ready, as far as events say so."""
    born = spawn_rows(trace, slices.pid)
    follows = np.append(False, slices.pid[1:] == slices.pid[:-1])
    stop_row = np.append(-1, slices.stop_row[:-1])
    from_row = np.where(follows, stop_row, born)
    send = indexes.send.first(slices.pid, from_row, slices.start_row)
    runnable = indexes.runnable.first(slices.pid, from_row, slices.start_row)
    earliest = np.where(follows, np.append(MISSING, slices.stop_ns[:-1]), MISSING)
    earliest = np.where(~follows & (born >= 0), trace.t_ns[np.maximum(born, 0)], earliest)
    known = np.where(runnable >= 0, trace.t_ns[np.maximum(runnable, 0)], MISSING)
    known = np.where((known == MISSING) & (send >= 0), trace.t_ns[np.maximum(send, 0)], known)
    # who did not wait was ready at once
    known = np.where(~waits | ~follows, earliest, known)
    return KnownGaps(slices, earliest, known, homes(trace, slices, born))


@dataclass(frozen=True, eq=False)
class Gaps:
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


def find_gaps(run: Run, kept: NDArray[np.int64]) -> Gaps:
    """Gaps before the given slices, but those that were under way when the window began."""
    s, t_ns = run.slices, run.trace.t_ns
    at = kept[s.start_ns[kept] > run.start_ns]
    follows = np.append(False, s.pid[1:] == s.pid[:-1])[at]
    born = spawn_rows(run.trace, s.pid[at])
    born_ns = np.where(born >= 0, t_ns[np.maximum(born, 0)], run.start_ns)
    window_row = int(np.searchsorted(t_ns, run.start_ns)) - 1
    from_row = np.maximum(np.where(follows, s.stop_row[at - 1], born), window_row)
    first_send = run.indexes.send.first(s.pid[at], from_row, s.start_row[at])
    from_ns = np.maximum(np.where(follows, s.stop_ns[at - 1], born_ns), run.start_ns)
    return Gaps(
        at=at,
        number=run.number(s.pid[at]),
        follows=follows,
        is_born=born >= 0,
        from_ns=from_ns,
        # Of a process that was there before the recording, nothing is known but that it was away.
        waits=np.where(follows, run.waits[at], born < 0),
        first_send=first_send,
        ready_ns=np.maximum(run.ready_ns[at], from_ns),
        first_send_ns=t_ns[np.maximum(first_send, 0)],
    )


def gap_points(
    run: Run, gaps: Gaps, parent: NDArray[np.int64], send: NDArray[np.int64]
) -> tuple[Points, NDArray[np.int64]]:
    """Decide what each gap becomes: WAIT, BLOCK or nothing; and number the edges.

    Returns
    -------
    the operations, and for each row in `send` its edge, or NO_EDGE
    """
    is_edge = gaps.send_is_cause & np.isin(gaps.first_send, send)
    block_ns = _block_ns(run, gaps, parent, is_edge)
    answer = gaps.first_send[is_edge]
    followed = gaps.follows[is_edge]
    requests = find_requests(run, gaps.at[is_edge][followed], answer[followed], send)
    is_new = ~np.isin(requests.row, answer)
    request, taken = requests.row[is_new], requests.place[is_new]
    with_edge = np.union1d(answer, request)
    edge_of_send = np.full(send.size, NO_EDGE, dtype=np.int64)
    edge_of_send[np.searchsorted(send, with_edge)] = np.arange(with_edge.size)
    key = run.slices.start_row[gaps.at] * 2
    points = Points()
    blocks = block_ns > 0
    points.add(gaps.number[blocks], key[blocks], ReplayOp.BLOCK, block_ns[blocks], NO_PEER)
    sender, edge = run.number(run.trace.pid[answer]), np.searchsorted(with_edge, answer)
    points.add(gaps.number[is_edge], key[is_edge], ReplayOp.WAIT, edge, sender)
    server, edge = run.number(run.trace.peer[request]), np.searchsorted(with_edge, request)
    client, taken_ns = run.number(run.trace.pid[request]), run.trace.t_ns[taken]
    # just after whatever stands in that row: the row of the server's own message, or the start of its slice
    points.add(server, taken * 2 + 1, ReplayOp.WAIT, edge, client, taken_ns)
    return points, edge_of_send


def _block_ns(
    run: Run, gaps: Gaps, parent: NDArray[np.int64], is_edge: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Time that each gap keeps its process away, 0 where it was ready or waits for an edge."""
    s = run.slices
    normal = is_normal(s, run.trace.schedulers)
    until_ns = np.where(gaps.send_is_cause, gaps.first_send_ns, gaps.ready_ns)
    is_block = gaps.waits & ~is_edge & ~_precursors(run, gaps, is_edge)
    # a wait ends the slice before it, however short it was
    block_ns = np.where(is_block, np.maximum(until_ns - gaps.from_ns, YIELD_NS), 0)
    # On the way to a dirty scheduler, or from one to another, the whole gap is time away.
    to_dirty = ~normal[gaps.at] & ~gaps.waits
    block_ns = np.where(to_dirty, s.start_ns[gaps.at] - gaps.from_ns, block_ns)
    block_ns = np.where(_yields(run, gaps), YIELD_NS, block_ns)
    # A process born to one that is not replayed has no SPAWN to start on: it is away until then.
    is_foundling = ~gaps.follows & gaps.is_born & (parent[gaps.number] == NO_PEER)
    return np.where(is_foundling, block_ns + gaps.from_ns - run.start_ns, block_ns)


def _yields(run: Run, gaps: Gaps) -> NDArray[np.bool_]:
    """Mark gaps between normal slices of a ready process, after far less than a full slice."""
    s, at = run.slices, gaps.at
    normal = is_normal(s, run.trace.schedulers)
    both = normal[at] & normal[at - 1] & gaps.follows & (s.stop_ns[at - 1] > run.start_ns)
    full_ns = QUANTUM_REDUCTIONS * run.pace_ns[at]
    return both & ~gaps.waits & ((s.stop_ns - s.start_ns)[at - 1] < YIELD_SHARE_MAX * full_ns)


def _precursors(run: Run, gaps: Gaps, is_edge: NDArray[np.bool_]) -> NDArray[np.bool_]:
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
