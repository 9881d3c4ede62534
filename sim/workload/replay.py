"""Recorded programs in the form the simulator replays: what a trace is, and what makes one valid.

A replay trace is a list of operations for each process: run, block, wait for a message, send,
spawn, exit. Times are those of the recording machine; causes (who woke whom, who spawned whom)
are explicit, so that the simulator decides anew when and where everything runs.
"""

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

WORKING_SET_MIN_BYTES = 2616
"""327 words of 8 bytes: what a new process takes (OTP, Efficiency Guide, "Processes")."""

NO_PEER = -1
NO_EDGE = -1
ROW_COUNT_MAX = 50_000_000
VALUE_MAX = 1_000_000_000_000_000
"""Largest time, edge or size in a row: 11.6 days in ns. Sums of valid rows are checked apart."""

PACE_MAX_PS = 1_000_000_000
"""A reduction of 1 ms: a process in native code for all its life comes nowhere near it."""

PICOSECONDS_PER_NS = 1000

NAME_LENGTH_MAX = 200


class ReplayOp(IntEnum):
    """Operations of a recorded process; `value` and `peer` of each row mean what is said here."""

    BEGIN = 0
    """First row of each process: value = working set, bytes; peer = parent or NO_PEER."""
    RUN = 1
    """value = ns run on the recording machine, > 0."""
    BLOCK = 2
    """value = ns away from the normal schedulers (timer, I/O, dirty work, unknown), >= 0."""
    WAIT = 3
    """value = edge: continue once the send of that edge has happened; peer = the sender."""
    SEND = 4
    """value = edge, or NO_EDGE if it woke nobody; peer = receiver, NO_PEER if outside."""
    SPAWN = 5
    """peer = the child, which begins now."""
    EXIT = 6
    """Last row of a process that ended within the window."""
    PACE = 7
    """Directly after BEGIN, or left out: value = picoseconds that a reduction of this process took on
    the recording machine. Without it the trace's ns_per_reduction holds. It takes no time itself."""


class TraceError(ValueError):
    """A trace that cannot be used: where, the value found, what is allowed, and what to do."""

    def __init__(self, where: str, value: object, allowed: str, hint: str = "") -> None:
        """Keep the four parts as attributes; the message is one line."""
        self.where = where
        self.value = value
        self.allowed = allowed
        self.hint = hint
        shown = repr(value)
        shown = shown if len(shown) <= 120 else shown[:117] + "..."
        tail = f"; {hint}" if hint else ""
        super().__init__(" ".join(f"{where} is {shown}, must be {allowed}{tail}".split()))

    def __reduce__(self) -> tuple[type, tuple[str, object, str, str]]:
        """Rebuild from the parts, so that the error survives the way back from a worker."""
        return type(self), (self.where, self.value, self.allowed, self.hint)


@dataclass(frozen=True, eq=False)
class ReplayTrace:
    """A recorded program, one row an operation, rows grouped by process in program order.

    The four columns are made read-only. Construction checks every rule below in O(rows log rows)
    and raises TraceError naming the column, the row and the value.

    Rules
    -----
    Processes are 0..P-1 in order, each opened by one BEGIN, after which one PACE may stand. Edges
    are 0..E-1: each is waited for once and sent once, by the named sender to the named receiver. A
    child is spawned once, by the parent its BEGIN names. Nothing follows EXIT. The spawn graph has
    no cycle. What none of this excludes is a deadlock: `replay_stuck` finds those.
    """

    name: str
    process: NDArray[np.int32]  # (row,)
    op: NDArray[np.int8]  # (row,) ReplayOp
    value: NDArray[np.int64]  # (row,) ns, bytes or edge, by op
    peer: NDArray[np.int32]  # (row,) process or NO_PEER
    window_ns: int  # length of the recording, > 0
    ns_per_reduction: float  # of the recording machine, > 0
    schedulers: int  # normal schedulers of the recording, >= 1
    busy_ns: int  # time their slices took, also of what is not replayed; >= sum of RUN

    def __post_init__(self) -> None:
        """Check everything; leave the arrays read-only."""
        _check_header(self)
        _check_columns(self)
        for column in (self.process, self.op, self.value, self.peer):
            column.setflags(write=False)
        _check_rows(self)
        _check_edges(self)
        _check_spawns(self)
        run_total = self.run_total_ns()
        if not run_total <= self.busy_ns <= self.schedulers * self.window_ns:
            raise TraceError(
                "busy_ns",
                self.busy_ns,
                f"from {run_total} (sum of RUN) to {self.schedulers * self.window_ns}"
                " (schedulers x window_ns)",
                "import the trace again",
            )

    @property
    def process_count(self) -> int:
        """Number of processes."""
        return int(self.process[-1]) + 1

    @property
    def edge_count(self) -> int:
        """Number of messages that woke their receiver."""
        return int(np.count_nonzero(self.op == ReplayOp.WAIT))

    def run_total_ns(self) -> int:
        """Sum of RUN, ns of the recording machine."""
        return int(self.value[self.op == ReplayOp.RUN].sum())

    def pace_ns(self) -> NDArray[np.float64]:
        """ns a reduction of each process on the recording machine: float64 (process,)."""
        pace = np.full(self.process_count, self.ns_per_reduction)
        rows = self.op == ReplayOp.PACE
        pace[self.process[rows]] = self.value[rows] / PICOSECONDS_PER_NS
        return pace

    def process_offsets(self) -> NDArray[np.int64]:
        """First row of each process, and the number of rows at the end: int64 (process + 1,)."""
        starts = np.flatnonzero(self.op == ReplayOp.BEGIN)
        return np.append(starts, self.op.size).astype(np.int64)

    def digest(self) -> str:
        """SHA-256 over everything that a simulation can see, as 64 hex digits.

        Independent of the machine's byte order and of how the trace was stored.
        """
        head = f"coreshift-replay 1\n{self.name}\n{self.window_ns}\n{self.schedulers}\n"
        state = hashlib.sha256(f"{head}{self.busy_ns}\n{self.op.size}\n".encode())
        state.update(struct.pack("<d", self.ns_per_reduction))
        for column in (self.process, self.op, self.value, self.peer):
            state.update(np.ascontiguousarray(column.astype(column.dtype.newbyteorder("<"))).data)
        return state.hexdigest()


def replay_completes(trace: ReplayTrace) -> bool:
    """Tell whether every process reaches its end with cores unlimited and times zero.

    If so, it also does on any machine under any policy that starves nobody: times and cores
    change when a message is sent, never whether.
    """
    return not replay_stuck(trace)


def replay_stuck(trace: ReplayTrace) -> list[int]:
    """List the processes that can never reach their end, in order; empty if there is no deadlock.

    Plain Python on purpose: it is the reference that the compiled replay is held against.

    Complexity and determinism
    --------------------------
    O(rows) time and memory; the answer does not depend on the order of the work list, since a
    message or a spawn, once made, is never taken back.
    """
    keep = np.isin(trace.op, (ReplayOp.WAIT, ReplayOp.SEND, ReplayOp.SPAWN))
    keep &= (trace.op != ReplayOp.SEND) | (trace.value != NO_EDGE)
    first = np.concatenate(([0], np.cumsum(keep)))[trace.process_offsets()].tolist()
    op, value, peer = (c[keep].tolist() for c in (trace.op, trace.value, trace.peer))
    begins = trace.op == ReplayOp.BEGIN
    ready = np.flatnonzero(trace.peer[begins] == NO_PEER).tolist()
    at = first[:-1]
    is_sent = [False] * trace.edge_count
    waiter = [NO_PEER] * trace.edge_count
    is_done = [False] * trace.process_count
    while ready:
        process = ready.pop()
        row = at[process]
        while row < first[process + 1]:
            edge = value[row]
            if op[row] == ReplayOp.WAIT and not is_sent[edge]:
                waiter[edge] = process
                break
            if op[row] == ReplayOp.SEND:
                is_sent[edge] = True
                if waiter[edge] != NO_PEER:
                    ready.append(waiter[edge])
            elif op[row] == ReplayOp.SPAWN:
                ready.append(peer[row])
            row += 1
        at[process] = row
        is_done[process] = row == first[process + 1]
    return [process for process, done in enumerate(is_done) if not done]


def _check_header(trace: ReplayTrace) -> None:
    name = trace.name
    if not (isinstance(name, str) and name.isprintable() and 0 < len(name) <= NAME_LENGTH_MAX):
        raise TraceError("name", name, f"printable text of 1 to {NAME_LENGTH_MAX} characters")
    for field, low in (("window_ns", 1), ("schedulers", 1), ("busy_ns", 0)):
        number = getattr(trace, field)
        if type(number) is not int or not low <= number <= VALUE_MAX:
            raise TraceError(field, number, f"an int from {low} to {VALUE_MAX}")
    ratio = trace.ns_per_reduction
    # 1e-6 to 1e6 spans every machine by far and keeps products with int64 times finite.
    if not isinstance(ratio, float) or not 1e-6 <= ratio <= 1e6:
        raise TraceError("ns_per_reduction", ratio, "a finite float from 1e-6 to 1e6")


def _check_columns(trace: ReplayTrace) -> None:
    dtypes = {"process": np.int32, "op": np.int8, "value": np.int64, "peer": np.int32}
    for field, dtype in dtypes.items():
        column = getattr(trace, field)
        if not isinstance(column, np.ndarray) or column.ndim != 1 or column.dtype != dtype:
            found = getattr(column, "dtype", type(column).__name__)
            raise TraceError(f"column {field}", str(found), f"a one-dimensional {dtype.__name__}")
        if not column.flags.c_contiguous:
            raise TraceError(f"column {field}", "strided", "contiguous", "pass a copy")
        if column.size != trace.process.size:
            raise TraceError(f"length of column {field}", column.size, f"{trace.process.size}")
    if not 1 <= trace.process.size <= ROW_COUNT_MAX:
        raise TraceError("number of rows", trace.process.size, f"from 1 to {ROW_COUNT_MAX}")


def _fail_first(bad: NDArray[np.bool_], field: str, column: NDArray[np.integer], allowed: str) -> None:
    if bad.any():
        row = int(np.argmax(bad))
        raise TraceError(f"column {field}, row {row}", int(column[row]), allowed)


def _check_rows(trace: ReplayTrace) -> None:
    process, op, value, peer = trace.process, trace.op, trace.value, trace.peer
    codes = f"a ReplayOp code from 0 to {max(ReplayOp)}"
    _fail_first((op < 0) | (op > max(ReplayOp)), "op", op, codes)
    step = np.diff(process, prepend=np.int32(-1))
    _fail_first((step != 0) & (step != 1), "process", process, "0, 1, 2, ... grouped and in order")
    _fail_first((step == 1) != (op == ReplayOp.BEGIN), "op", op, "BEGIN in each first row only")
    last = np.append(step[1:] == 1, True)
    _fail_first((op == ReplayOp.EXIT) & ~last, "op", op, "EXIT in the last row of its process only")
    after_begin = np.append(False, op[:-1] == ReplayOp.BEGIN)
    _fail_first((op == ReplayOp.PACE) & ~after_begin, "op", op, "PACE directly after BEGIN only")
    low = np.array([WORKING_SET_MIN_BYTES, 1, 0, 0, NO_EDGE, 0, 0, 1], dtype=np.int64)
    high = np.array([VALUE_MAX] * 5 + [0, 0, PACE_MAX_PS], dtype=np.int64)
    _fail_first(
        (value < low[op]) | (value > high[op]),
        "value",
        value,
        f"BEGIN {WORKING_SET_MIN_BYTES} or more, RUN 1 or more, BLOCK and WAIT 0 or more,"
        f" SEND -1 or more, SPAWN and EXIT 0, all at most {VALUE_MAX}; PACE 1 to {PACE_MAX_PS}",
    )
    count = int(process[-1]) + 1
    none_only = np.isin(op, (ReplayOp.RUN, ReplayOp.BLOCK, ReplayOp.EXIT, ReplayOp.PACE))
    one_only = (op == ReplayOp.WAIT) | (op == ReplayOp.SPAWN)
    one_only |= (op == ReplayOp.SEND) & (value != NO_EDGE)
    _fail_first(none_only & (peer != NO_PEER), "peer", peer, "-1 in RUN, BLOCK, EXIT and PACE rows")
    _fail_first(one_only & (peer == NO_PEER), "peer", peer, "a process in WAIT, SPAWN, SEND rows")
    _fail_first((peer < NO_PEER) | (peer >= count), "peer", peer, f"from -1 to {count - 1}")
    timed = (op == ReplayOp.RUN) | (op == ReplayOp.BLOCK)
    # In float first: an int64 sum of hostile values could wrap round to something plausible.
    total = float(value[timed].sum(dtype=np.float64))
    if total > 2.0**62:
        raise TraceError("sum of RUN and BLOCK", total, "at most 2**62 ns")


def _check_edges(trace: ReplayTrace) -> None:
    wait = np.flatnonzero(trace.op == ReplayOp.WAIT)
    send = np.flatnonzero((trace.op == ReplayOp.SEND) & (trace.value != NO_EDGE))
    for rows, word in ((wait, "WAIT"), (send, "SEND")):
        edges = trace.value[rows]
        if (edges >= wait.size).any():
            row = int(rows[np.argmax(edges >= wait.size)])
            allowed = f"below {wait.size}, the number of WAIT rows: edges are 0, 1, 2, ..."
            raise TraceError(f"edge of {word}, row {row}", int(trace.value[row]), allowed)
        times = np.bincount(edges, minlength=wait.size)
        if (times != 1).any():
            edge = int(np.argmax(times != 1))
            raise TraceError(f"edge {edge}", int(times[edge]), f"in exactly one {word} row", "it counts rows")
    if not wait.size:
        return
    wait = wait[np.argsort(trace.value[wait])]
    send = send[np.argsort(trace.value[send])]
    sender = trace.process[send]
    for bad, at, want in (
        (trace.peer[wait] != sender, wait, sender),
        (trace.peer[send] != trace.process[wait], send, trace.process[wait]),
    ):
        if bad.any():
            edge = int(np.argmax(bad))
            where = f"peer, row {int(at[edge])} (edge {edge})"
            allowed = f"{int(want[edge])}, the other end of the edge"
            raise TraceError(where, int(trace.peer[at[edge]]), allowed)


def _check_spawns(trace: ReplayTrace) -> None:
    rows = np.flatnonzero(trace.op == ReplayOp.SPAWN)
    child = trace.peer[rows]
    parent = trace.peer[trace.op == ReplayOp.BEGIN].astype(np.int64)
    spawned = np.bincount(child, minlength=parent.size)
    if (spawned > 1).any():
        twice = int(np.argmax(spawned > 1))
        raise TraceError(f"SPAWN rows of process {twice}", int(spawned[twice]), "at most 1")
    spawner = np.full(parent.size, NO_PEER, dtype=np.int64)
    spawner[child] = trace.process[rows]
    if (spawner != parent).any():
        process = int(np.argmax(spawner != parent))
        raise TraceError(
            f"parent in BEGIN of process {process}",
            int(parent[process]),
            f"{int(spawner[process])}, the process with the SPAWN row (-1: none has one)",
        )
    # Pointer doubling: after k rounds `up` is the ancestor 2**k steps away, or NO_PEER.
    up = parent.copy()
    for _ in range(int(parent.size).bit_length()):
        up = np.where(up == NO_PEER, NO_PEER, up[up])
    if (up != NO_PEER).any():
        process = int(np.argmax(up != NO_PEER))
        raise TraceError(f"ancestors of process {process}", "a cycle", "a tree", "import it again")
