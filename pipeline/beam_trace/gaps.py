"""Tell, for each gap between two slices of a process, whether it waited or was preempted.

A -prof recording says so itself: `not_runnable` follows the out of a process that waits. The
other recordings do not, but the function where a process stopped nearly does, since a `receive`
stands in few functions and a process cannot wait anywhere else. A function is taken for one that
waits if any of these holds over the whole recording:

- a process was seen with status `waiting` in it just before or after the window (procs.parquet);
- it is one of OTP's own receive loops (`KNOWN_WAITS`);
- nearly all gaps after it have a message to the process in them (`MESSAGE_SHARE_MIN`);
- its scheduler ran out of work in a fair share of the gaps after it: a preempted process stands
  in that scheduler's queue, so this cannot happen (`IDLE_SHARE_MIN`);
- stops there come after a sliver of a full slice, in a module that could have a `receive`, and
  messages were not recorded or came in at least half of the gaps (`SLIVER_SHARE_MAX`).

Apart from the function, a single gap in which the scheduler ran out of work was a wait.

Measured against `not_runnable` of the two -prof runs, gaps between slices on normal schedulers:

| run | gaps | right | waits found | claimed waits that are |
| --- | --- | --- | --- | --- |
| mixed-s2-prof | 52,516 | 99.64 % | 100 % | 99.5 % |
| httpd-s2-prof | 17,329 | 98.89 % | 100 % | 97.9 % |
| httpd-s2-prof, its messages hidden | 17,329 | 94.6 % | 92.1 % | 97.4 % |

These are the runs that the thresholds were looked at with; there are no others that know. Leaving
out `KNOWN_WAITS`, procs.parquet or both changes none of the first two rows. What is wrong is mostly
a server preempted in its own loop (mixed) and file calls that leave for a dirty scheduler (httpd).
"""

from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.beam_trace.read import BeamTrace, EventKind
from pipeline.beam_trace.slices import Slices

KNOWN_WAITS = frozenset(
    {
        "erl_prim_loader:loop/3",
        "erts_dirty_process_signal_handler:msg_loop/0",
        "gen:do_call/4",
        "gen_event:fetch_msg/6",
        "gen_server:loop/7",
        "gen_statem:loop_receive/3",
        "prim_inet:accept0/3",
        "prim_inet:connect0/3",
        "proc_lib:sync_start/2",
        "proc_lib:sync_start_link/2",
        "supervisor:shutdown/1",
        "timer:sleep/1",
    }
)
"""Functions of OTP 25 that stand in a `receive` for most of their life."""

WITHOUT_RECEIVE = frozenset(
    (
        "binary", "erl_anno", "erl_scan", "erlang", "erts_internal", "ets", "io_lib",
        "io_lib_format", "lists", "maps", "math", "ordsets", "persistent_term",
        "prim_file", "proplists", "re", "sets", "string", "unicode",
    )
)  # fmt: skip
"""Modules of pure or native code: they yield after short slices (traps), and never wait."""

MESSAGE_SHARE_MIN = 0.97
IDLE_SHARE_MIN = 0.05
SLIVER_SHARE_MAX = 0.05
GAPS_MIN = 5
"""Fewer gaps after a function say nothing about it."""

QUANTUM_REDUCTIONS = 4000
"""CONTEXT_REDS in OTP's erl_vm.h: what a process may use before it is preempted."""


class RowIndex:
    """Finds the first row of some kind that concerns a pid, between two rows."""

    def __init__(self, rows: NDArray[np.int64], pids: NDArray[np.int64], row_count: int) -> None:
        """Sort the rows by (pid, row); `pids[i]` is the pid that `rows[i]` concerns."""
        self.stride = row_count + 2
        self.keys = np.sort(pids * self.stride + rows)

    def first(
        self, pid: NDArray[np.int64], after: NDArray[np.int64], before: NDArray[np.int64]
    ) -> NDArray[np.int64]:
        """First row r with after < r < before that concerns pid; -1 if there is none."""
        if not self.keys.size:
            return np.full(pid.size, -1, dtype=np.int64)
        base = pid * self.stride
        at = np.searchsorted(self.keys, base + after, side="right")
        key = self.keys[np.minimum(at, self.keys.size - 1)]
        found = (at < self.keys.size) & (key < base + before)
        return np.where(found, key - base, -1)


@dataclass(frozen=True)
class RowIndexes:
    """The indexes that classification and conversion share."""

    send: RowIndex  # by receiver
    runnable: RowIndex  # by process
    not_runnable: RowIndex  # by process
    inactive: RowIndex  # by scheduler


def index_rows(trace: BeamTrace) -> RowIndexes:
    """Build the four indexes of a recording."""

    def index(kind: EventKind, who: NDArray[np.int64]) -> RowIndex:
        rows = np.flatnonzero((trace.kind == kind) & (who >= 0))
        return RowIndex(rows, who[rows], trace.t_ns.size)

    return RowIndexes(
        send=index(EventKind.SEND, trace.peer),
        runnable=index(EventKind.RUNNABLE, trace.pid),
        not_runnable=index(EventKind.NOT_RUNNABLE, trace.pid),
        inactive=index(EventKind.INACTIVE, trace.scheduler),
    )


def waiting_before(
    trace: BeamTrace, slices: Slices, indexes: RowIndexes, ns_per_reduction: float
) -> NDArray[np.bool_]:
    """Tell for each slice whether its process waited in the gap before it.

    False where there is no earlier slice of the process, or that one was on a dirty scheduler
    (after which a process is always ready).

    Parameters
    ----------
    slices : Slices of processes only, sorted by (pid, start row)
    """
    if trace.has_runnable:
        return _recorded_waits(slices, indexes)
    return _guessed_waits(trace, slices, indexes, ns_per_reduction)


def measure_heuristic(
    trace: BeamTrace, slices: Slices, indexes: RowIndexes, ns_per_reduction: float
) -> dict[str, float]:
    """Hold the guess against the record in a -prof run: shares of the gaps on normal schedulers.

    Returns
    -------
    dict: gaps, accuracy, waits found of all waits (recall), true of waits claimed (precision)
    """
    truth = _recorded_waits(slices, indexes)
    guess = _guessed_waits(trace, slices, indexes, ns_per_reduction)
    both = _follows(slices) & is_normal(slices, trace.schedulers)
    both[1:] &= is_normal(slices, trace.schedulers)[:-1]
    truth, guess = truth[both], guess[both]
    hits = int(np.count_nonzero(truth & guess))
    return {
        "gaps": int(truth.size),
        "accuracy": float(np.mean(truth == guess)),
        "recall": hits / max(int(truth.sum()), 1),
        "precision": hits / max(int(guess.sum()), 1),
    }


def is_normal(slices: Slices, schedulers: int) -> NDArray[np.bool_]:
    """Mark the slices on normal schedulers; all others count as dirty."""
    return (slices.scheduler >= 1) & (slices.scheduler <= schedulers)


def _follows(slices: Slices) -> NDArray[np.bool_]:
    return np.append(False, slices.pid[1:] == slices.pid[:-1])


def _recorded_waits(slices: Slices, indexes: RowIndexes) -> NDArray[np.bool_]:
    waits = np.zeros(slices.pid.size, dtype=bool)
    at = np.flatnonzero(_follows(slices))
    row = indexes.not_runnable.first(slices.pid[at], slices.stop_row[at - 1], slices.start_row[at])
    waits[at] = row >= 0
    return waits


def _guessed_waits(
    trace: BeamTrace, slices: Slices, indexes: RowIndexes, ns_per_reduction: float
) -> NDArray[np.bool_]:
    waits = np.zeros(slices.pid.size, dtype=bool)
    normal = is_normal(slices, trace.schedulers)
    at = np.flatnonzero(_follows(slices) & np.append(False, normal[:-1]))
    if not at.size:
        return waits
    bounds = (slices.stop_row[at - 1], slices.start_row[at])
    idle = indexes.inactive.first(slices.scheduler[at - 1], *bounds) >= 0
    mfa = slices.mfa[at - 1]
    gaps = pl.DataFrame(
        {
            "mfa": mfa,
            "message": indexes.send.first(slices.pid[at], *bounds) >= 0,
            # A gap that ends on a dirty scheduler idles for another reason.
            "idle": idle & normal[at],
            "slice_ns": slices.stop_ns[at - 1] - slices.start_ns[at - 1],
        }
    )
    waiting_mfas = _wait_functions(trace, gaps, ns_per_reduction)
    waits[at] = np.isin(mfa, waiting_mfas) | (idle & normal[at])
    return waits


def _wait_functions(trace: BeamTrace, gaps: pl.DataFrame, ns_per_reduction: float) -> NDArray[np.int64]:
    """Indexes of the functions in which processes wait; the rules are in the module's docstring."""
    seen = trace.processes.filter(pl.col("status") == "waiting")["current_function"]
    names = KNOWN_WAITS | set(seen.drop_nulls().to_list())
    named = [i for i, name in enumerate(trace.mfa_names) if name in names]
    pure = [i for i, n in enumerate(trace.mfa_names) if n.split(":", 1)[0] in WITHOUT_RECEIVE]
    sliver_ns = SLIVER_SHARE_MAX * QUANTUM_REDUCTIONS * ns_per_reduction
    can_be_short = (pl.col("message") >= 0.5) if trace.has_sends else pl.lit(True)
    stats = gaps.group_by("mfa").agg(pl.len(), pl.col("message", "idle").mean(), pl.col("slice_ns").median())
    guessed = stats.filter(
        pl.col("len") >= GAPS_MIN,
        ~pl.col("mfa").is_in(pure),
        (pl.col("message") >= MESSAGE_SHARE_MIN)
        | (pl.col("idle") >= IDLE_SHARE_MIN)
        | ((pl.col("slice_ns") <= sliver_ns) & can_be_short),
    )
    return np.union1d(np.array(named, dtype=np.int64), guessed["mfa"].to_numpy())
