"""What every step of a conversion needs: the recording, its slices, the window, who is replayed."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace.gaps import RowIndexes
from pipeline.beam_trace.read import BeamTrace, EventKind
from pipeline.beam_trace.slices import Slices
from sim import NO_PEER


@dataclass(frozen=True, eq=False)
class Run:
    """A recording under conversion; (slice,) columns belong to `slices`."""

    trace: BeamTrace
    slices: Slices  # of replayed processes and ports, whole recording, sorted by (pid, start row)
    indexes: RowIndexes
    waits: NDArray[np.bool_]  # (slice,) its process waited before it
    ready_ns: NDArray[np.int64]  # (slice,) when it became ready, known or inferred
    pace_ns: NDArray[np.float64]  # (slice,) ns a reduction of its process
    start_ns: int
    stop_ns: int
    pids: NDArray[np.int64]  # replayed processes, ascending
    rank: NDArray[np.int64]  # (pid,) their process numbers

    def number(self, pid: NDArray[np.int64]) -> NDArray[np.int64]:
        """Process numbers of pids, NO_PEER for those that are not replayed."""
        at = np.minimum(np.searchsorted(self.pids, pid), self.pids.size - 1)
        return np.where(self.pids[at] == pid, self.rank[at], NO_PEER)

    def rows(self, kind: EventKind) -> NDArray[np.int64]:
        """Rows of a kind within the window, made by a replayed process."""
        t_ns, trace = self.trace.t_ns, self.trace
        rows = np.flatnonzero((trace.kind == kind) & (t_ns >= self.start_ns) & (t_ns < self.stop_ns))
        own: NDArray[np.int64] = rows[self.number(trace.pid[rows]) != NO_PEER]
        return own

    def births(self, spawn: NDArray[np.int64]) -> NDArray[np.int64]:
        """Parent of each process by number, NO_PEER if none of the given spawn rows made it."""
        parent = np.full(self.pids.size, NO_PEER, dtype=np.int64)
        parent[self.number(self.trace.peer[spawn])] = self.number(self.trace.pid[spawn])
        return parent


def spawn_rows(trace: BeamTrace, pid: NDArray[np.int64]) -> NDArray[np.int64]:
    """Row of the spawn of each pid, -1 if not recorded; of several the last."""
    rows = np.flatnonzero((trace.kind == EventKind.SPAWN) & (trace.peer >= 0))
    if not rows.size:
        return np.full(pid.size, -1, dtype=np.int64)
    rows = rows[np.argsort(trace.peer[rows], kind="stable")]
    at = np.searchsorted(trace.peer[rows], pid, side="right") - 1
    found = (at >= 0) & (trace.peer[rows[np.maximum(at, 0)]] == pid)
    return np.where(found, rows[np.maximum(at, 0)], -1)
