"""Hand-made recordings: a few literal event rows become a folder that can be imported."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from sim.workload.replay import ReplayOp, ReplayTrace

WINDOW_NS = 100_000
Row = tuple[int, str, int | None, int | None, int | None, str | None]
"""t_ns, event, pid, scheduler_id, peer, mfa."""

EVENT_SCHEMA = {
    "t_ns": pl.Int64,
    "event": pl.String,
    "pid": pl.Int64,
    "scheduler_id": pl.Int16,
    "peer": pl.Int64,
    "mfa": pl.String,
    "heap_words": pl.Int64,
    "old_heap_words": pl.Int64,
}


def summary() -> dict:
    """A summary.json with everything the import reads."""
    return {
        "trace_window_s": WINDOW_NS / 1e9,
        "recorder_pids": [9],
        "system": {"schedulers": 2, "otp": "25"},
        "overhead": {"reductions_per_s": {"slowdown_share": 0.1}},
    }


def events_table(rows: Sequence[Row], heap: Sequence[tuple[int, int, int]] = ()) -> pl.DataFrame:
    """Event rows as a table; heap holds (row, heap_words, old_heap_words)."""
    wide = [[*row, None, None] for row in rows]
    for row, young, old in heap:
        wide[row][6:] = [young, old]
    return pl.DataFrame(wide, schema=EVENT_SCHEMA, orient="row")


def write_recording(folder: Path, rows: Sequence[Row], **parts: object) -> Path:
    """Write a recording's folder; any of its parts can be replaced."""
    folder.mkdir(exist_ok=True)
    events = parts.get("events", events_table(rows, parts.get("heap", ())))
    events.write_parquet(folder / "events.parquet")
    samples = {"t_ns": [0, WINDOW_NS], "window": ["B", "B"], "reductions": [0, 1_000_000]}
    parts.get("samples", pl.DataFrame(samples)).write_parquet(folder / "samples.parquet")
    processes = {
        "when": ["start"],
        "pid": [1],
        "current_function": ["init:boot_loop/2"],
        "status": ["waiting"],
        "total_heap_words": [1000],
    }
    parts.get("processes", pl.DataFrame(processes)).write_parquet(folder / "procs.parquet")
    (folder / "summary.json").write_text(json.dumps(parts.get("summary", summary())))
    return folder


def rows_of(trace: ReplayTrace) -> list[tuple[int, str, int, int]]:
    """Rows of a trace as tuples with the operation's name."""
    columns = (trace.process, trace.op, trace.value, trace.peer)
    return [(int(p), ReplayOp(o).name, int(v), int(q)) for p, o, v, q in zip(*columns, strict=True)]


def small_trace() -> ReplayTrace:
    """Two processes, one edge, one spawn: enough to touch every column."""
    rows = [
        (0, ReplayOp.BEGIN, 2616, -1),
        (0, ReplayOp.RUN, 400, -1),
        (0, ReplayOp.SPAWN, 0, 1),
        (0, ReplayOp.SEND, 0, 1),
        (0, ReplayOp.SEND, -1, -1),
        (0, ReplayOp.BLOCK, 50, -1),
        (1, ReplayOp.BEGIN, 8000, 0),
        (1, ReplayOp.WAIT, 0, 0),
        (1, ReplayOp.RUN, 200, -1),
        (1, ReplayOp.EXIT, 0, -1),
    ]
    return trace_of(rows)


def trace_of(rows: Sequence[tuple[int, int, int, int]], **fields: object) -> ReplayTrace:
    """A trace from literal rows; other fields may be replaced."""
    process, op, value, peer = (np.array(c, dtype=np.int64) for c in zip(*rows, strict=True))
    header = {
        "name": "small",
        "window_ns": 1000,
        "ns_per_reduction": 19.5,
        "schedulers": 2,
        "busy_ns": 900,
    }
    return ReplayTrace(
        process=process.astype(np.int32),
        op=op.astype(np.int8),
        value=value,
        peer=peer.astype(np.int32),
        **(header | fields),
    )
