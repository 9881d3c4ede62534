"""Read the folder of one recorded BEAM run: events, samples, process lists, summary.

Everything that comes from a file is checked here, so that the conversion can trust it: columns,
types, nulls, order and range of times, sizes. Nothing is repaired silently.
"""

import json
import math
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.beam_trace.errors import RECORD_AGAIN, require_file, unreadable
from sim import ROW_COUNT_MAX, VALUE_MAX, TraceError

EDGE_SLACK_NS = 2_000_000_000
"""Tracing is switched on a moment before the window and off a moment after it."""

WORD_BYTES = 8
HEAP_WORDS_MAX = VALUE_MAX // WORD_BYTES // 2
SCHEDULERS_MAX = 1024
PID_MAX = 1 << 34
"""`<0.N.S>` is N + 32768 * S with N below 2**28 and S below 2**13; keys of rows rely on it."""

MISSING = np.iinfo(np.int64).min
"""Stands for null in integer columns; no valid pid, time or size comes near it."""


class EventKind(IntEnum):
    """What the conversion tells apart; `EVENT_KINDS` maps the recorder's names to it."""

    OTHER = 0
    IN = 1
    OUT = 2
    EXITED = 3
    SPAWN = 4
    SEND = 5
    COLLECT_START = 6
    COLLECT_END = 7
    RUNNABLE = 8
    NOT_RUNNABLE = 9
    INACTIVE = 10


EVENT_KINDS = {
    "in": EventKind.IN,
    "in_exiting": EventKind.IN,
    "out": EventKind.OUT,
    "out_exiting": EventKind.OUT,
    "out_exited": EventKind.EXITED,
    "spawn": EventKind.SPAWN,
    "send": EventKind.SEND,
    "gc_minor_start": EventKind.COLLECT_START,
    "gc_major_start": EventKind.COLLECT_START,
    "gc_minor_end": EventKind.COLLECT_END,
    "gc_major_end": EventKind.COLLECT_END,
    "runnable": EventKind.RUNNABLE,
    "not_runnable": EventKind.NOT_RUNNABLE,
    "sched_inactive": EventKind.INACTIVE,
}
SCHEDULER_EVENTS = ("sched_active", "sched_inactive")
EVENT_COLUMNS = {
    "t_ns": "int",
    "event": "str",
    "pid": "int",
    "scheduler_id": "int",
    "peer": "int",
    "mfa": "str",
    "heap_words": "int",
    "old_heap_words": "int",
}
SAMPLE_COLUMNS = {"t_ns": "int", "window": "str", "reductions": "int"}
PROCESS_COLUMNS = {
    "when": "str",
    "pid": "int",
    "current_function": "str",
    "status": "str",
    "total_heap_words": "int",
}


@dataclass(frozen=True, eq=False)
class BeamTrace:
    """One recorded run, checked; event columns are (event,) arrays in order of time."""

    name: str
    folder: Path
    t_ns: NDArray[np.int64]
    kind: NDArray[np.int8]  # EventKind
    pid: NDArray[np.int64]  # MISSING if null
    scheduler: NDArray[np.int64]  # MISSING if null
    peer: NDArray[np.int64]  # MISSING if null
    mfa: NDArray[np.int32]  # index into mfa_names, -1 if null
    heap_words: NDArray[np.int64]  # young and old heap together, 0 if null
    mfa_names: tuple[str, ...]
    samples: pl.DataFrame  # SAMPLE_COLUMNS
    processes: pl.DataFrame  # PROCESS_COLUMNS
    recorder_pids: tuple[int, ...]
    schedulers: int
    window_ns: int
    has_sends: bool
    otp: str
    slowdown: float  # share of reductions lost to tracing; NaN if not recorded
    file: Path | None = None  # that the events are from; None: events.parquet in the folder

    @property
    def events_path(self) -> Path:
        """The file to name in messages about events."""
        return self.file or self.folder / "events.parquet"

    @property
    def has_runnable(self) -> bool:
        """True if the recording says itself which processes waited (a -prof run)."""
        return bool((self.kind == EventKind.NOT_RUNNABLE).any())


def read_beam_trace(folder: str | Path) -> BeamTrace:
    """Read and check one run's folder.

    Raises / Status
    ---------------
    TraceError naming the file, the column or row, the value and what is allowed, for: a missing
    folder, file or column; a wrong type; a null where none may be; times out of order or outside
    the window; too many rows; a file that is not Parquet or is cut off; an unusable summary.
    """
    folder = Path(folder)
    if not folder.is_dir():
        allowed = "a folder with events.parquet, samples.parquet, procs.parquet, summary.json"
        raise TraceError(str(folder), "missing or not a folder", allowed, "check the path")
    summary = _Summary(folder / "summary.json")
    window_ns = round(summary.number("trace_window_s", 1e-6, 1e5) * 1e9)
    path = folder / "events.parquet"
    table = _read_table(path, EVENT_COLUMNS)
    if table.num_rows == 0:
        raise TraceError(f"{path}, number of rows", 0, "1 or more", RECORD_AGAIN)
    ints = {c: _int_column(table, c) for c, t in EVENT_COLUMNS.items() if t == "int"}
    _check_times(path, ints["t_ns"], window_ns)
    kind = _event_kinds(path, table["event"], ints["pid"])
    for column in ("pid", "scheduler_id", "peer"):
        _check_range(path, column, ints[column], -PID_MAX, PID_MAX)
    for column in ("heap_words", "old_heap_words"):
        _check_range(path, column, ints[column], 0, HEAP_WORDS_MAX)
    heap = np.maximum(ints["heap_words"], 0) + np.maximum(ints["old_heap_words"], 0)
    mfa, mfa_names = _encode(table["mfa"])
    return BeamTrace(
        name=folder.resolve().name,
        folder=folder,
        t_ns=ints["t_ns"],
        kind=kind,
        pid=ints["pid"],
        scheduler=ints["scheduler_id"],
        peer=ints["peer"],
        mfa=mfa,
        heap_words=heap,
        mfa_names=mfa_names,
        samples=pl.DataFrame(_read_table(folder / "samples.parquet", SAMPLE_COLUMNS)),
        processes=pl.DataFrame(_read_table(folder / "procs.parquet", PROCESS_COLUMNS)),
        recorder_pids=summary.pids("recorder_pids"),
        schedulers=int(summary.number("system.schedulers", 1, SCHEDULERS_MAX)),
        window_ns=window_ns,
        has_sends=bool((kind == EventKind.SEND).any()),
        otp=str(summary.get("system.otp", "unknown"))[:40],
        slowdown=summary.slowdown(),
    )


class _Summary:
    """summary.json with checked access by dotted key."""

    def __init__(self, path: Path) -> None:
        self.path = require_file(path, "the run's summary")
        try:
            self.tree = json.loads(path.read_text(encoding="utf-8"))
        except (ValueError, RecursionError) as error:
            raise TraceError(str(path), str(error)[:120], "JSON in UTF-8", RECORD_AGAIN) from error
        if not isinstance(self.tree, dict):
            raise TraceError(str(path), type(self.tree).__name__, "a JSON object", RECORD_AGAIN)

    def get(self, key: str, default: object = None) -> object:
        node: object = self.tree
        for part in key.split("."):
            node = node.get(part) if isinstance(node, dict) else None
        return default if node is None else node

    def number(self, key: str, low: float, high: float) -> float:
        value = self.get(key)
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise TraceError(f"{self.path}, {key}", value, f"a number from {low} to {high}")
        return float(value)

    def pids(self, key: str) -> tuple[int, ...]:
        value = self.get(key, [])
        if not isinstance(value, list) or not all(type(v) is int for v in value):
            raise TraceError(f"{self.path}, {key}", value, "a list of process numbers")
        return tuple(value)

    def slowdown(self) -> float:
        value = self.get("overhead.reductions_per_s.slowdown_share")
        # Only a note: a share that cannot be one is dropped, not refused.
        if isinstance(value, bool) or not isinstance(value, int | float) or not -10 <= value <= 1:
            return math.nan
        return float(value)


def _read_table(path: Path, columns: dict[str, str]) -> pa.Table:
    require_file(path, "a table of the recording")
    try:
        with pq.ParquetFile(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
            _check_schema(path, schema, columns)
            if rows > ROW_COUNT_MAX:
                allowed = f"at most {ROW_COUNT_MAX}"
                raise TraceError(f"{path}, number of rows", rows, allowed, "record a shorter window")
        # Held as texts, one a row, these columns would take several times the memory.
        coded = [name for name in ("event", "mfa") if name in columns]
        with pq.ParquetFile(path, read_dictionary=coded) as file:
            table = file.read(columns=list(columns))
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error, "Parquet") from error
    if table.num_rows != rows:
        raise TraceError(f"{path}, rows read", table.num_rows, f"{rows}, as its footer says")
    for name in (c for c, wanted in columns.items() if wanted == "int"):
        try:
            column = table[name].cast(pa.int64())
        except pa.ArrowException as error:
            found = str(error).splitlines()[0]
            raise TraceError(f"{path}, column {name}", found, "within 64 bits, signed") from error
        table = table.set_column(table.schema.get_field_index(name), name, column)
    return table


def _check_schema(path: Path, schema: pa.Schema, columns: dict[str, str]) -> None:
    for name, wanted in columns.items():
        if schema.names.count(name) != 1:
            found = f"missing (columns: {', '.join(schema.names)})"
            raise TraceError(f"{path}, column {name}", found, "present once", RECORD_AGAIN)
        kind = schema.field(name).type
        kind = kind.value_type if pa.types.is_dictionary(kind) else kind
        is_text = pa.types.is_string(kind) or pa.types.is_large_string(kind)
        is_text = is_text or pa.types.is_string_view(kind)
        # A column that is null throughout (peer in a run without messages) has no type of its own.
        fits = pa.types.is_integer(kind) if wanted == "int" else is_text
        if not (fits or pa.types.is_null(kind)):
            allowed = "integers" if wanted == "int" else "text"
            raise TraceError(f"type of {path}, column {name}", str(kind), allowed, RECORD_AGAIN)


def _int_column(table: pa.Table, name: str) -> NDArray[np.int64]:
    column: NDArray[np.int64] = table[name].fill_null(MISSING).to_numpy()
    return column


def _encode(column: pa.ChunkedArray) -> tuple[NDArray[np.int32], tuple[str, ...]]:
    if pa.types.is_dictionary(column.type):
        encoded = column.unify_dictionaries().combine_chunks()
    else:
        encoded = column.cast(pa.large_string()).combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32)
    return codes, tuple(encoded.dictionary.to_pylist())


def _event_kinds(path: Path, column: pa.ChunkedArray, pid: NDArray[np.int64]) -> NDArray[np.int8]:
    codes, names = _encode(column)
    if (codes < 0).any():
        row = int(np.argmax(codes < 0))
        raise TraceError(f"{path}, column event, row {row}", None, "an event name", RECORD_AGAIN)
    kinds = np.array([EVENT_KINDS.get(name, EventKind.OTHER) for name in names], dtype=np.int8)
    of_scheduler = np.array([name in SCHEDULER_EVENTS for name in names])
    kind = kinds[codes]
    nameless = (kind != EventKind.OTHER) & (pid == MISSING) & ~of_scheduler[codes]
    if nameless.any():
        row = int(np.argmax(nameless))
        where = f"{path}, column pid, row {row}"
        raise TraceError(where, None, f"a process in a row of {names[codes[row]]}", RECORD_AGAIN)
    return kind


def _check_times(path: Path, t_ns: NDArray[np.int64], window_ns: int) -> None:
    late = t_ns > window_ns + EDGE_SLACK_NS
    early = t_ns < -EDGE_SLACK_NS
    if (late | early).any():
        row = int(np.argmax(late | early))
        found = None if t_ns[row] == MISSING else int(t_ns[row])
        allowed = f"from {-EDGE_SLACK_NS} to {window_ns + EDGE_SLACK_NS}, the window and its edges"
        raise TraceError(f"{path}, column t_ns, row {row}", found, allowed, RECORD_AGAIN)
    back = np.diff(t_ns) < 0
    if back.any():
        row = int(np.argmax(back)) + 1
        allowed = f"{int(t_ns[row - 1])} or more, the row before"
        raise TraceError(f"{path}, column t_ns, row {row}", int(t_ns[row]), allowed, "sort the rows by t_ns")


def _check_range(path: Path, name: str, column: NDArray[np.int64], low: int, high: int) -> None:
    bad = (column != MISSING) & ((column < low) | (column > high))
    if bad.any():
        row = int(np.argmax(bad))
        where = f"{path}, column {name}, row {row}"
        raise TraceError(where, int(column[row]), f"from {low} to {high}", RECORD_AGAIN)
