"""Turn what came out of a node into the tables of a recording."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

RECORD = np.dtype(
    [
        ("t_ns", "<i8"),
        ("who", "<u8"),
        ("peer", "<u8"),  # gc_*: words used in the young heap
        ("module", "<u4"),  # gc_*: with `function`, words used in the old heap
        ("function", "<u4"),
        ("arity", "<u2"),
        ("scheduler", "<u2"),
        ("event", "u1"),  # position in the list of event names, from 1; 0 = empty
        ("unused", "V3"),
    ]
)
NO_ARITY = 0xFFFF
SAMPLE_HEAD = [
    ("t_ns", "<i8"),
    ("reductions", "<i8"),
    ("context_switches", "<i8"),
    ("processes", "<u4"),
    ("window", "<u2"),
    ("queues", "<u2"),
]
PROCESS_COLUMNS = {
    "when": pl.String,
    "pid": pl.Int64,
    "registered_name": pl.String,
    "initial_call": pl.String,
    "current_function": pl.String,
    "status": pl.String,
    "priority": pl.String,
    "message_queue_len": pl.Int64,
    "total_heap_words": pl.Int64,
    "reductions": pl.Int64,
}
EDGE_NS = 1_000_000_000
"""Events so far before the window are of a very slow switching on; the import takes no more than 2 s."""

PID_SHIFT = 28
"""Bits of N in <0.N.S> where the VM uses more than 15 of them."""


@dataclass(frozen=True)
class Names:
    """What the words in the records stand for.

    numbers : process or port number of a word
    atoms   : text of a word
    """

    numbers: dict[int, int]
    atoms: dict[int, str]


def process_number(row: list[int], shift: int) -> int:
    """`<0.N.S>` as N + 2**shift * S, `#Port<0.K>` as -1 - K."""
    kind, low, high = row
    return low + (high << shift) if kind == 0 else -1 - low


def pid_shift(rows: list[list[int]]) -> int:
    """15 as in older VMs and the shared recordings, or more where N itself is wider."""
    return PID_SHIFT if any(kind == 0 and low >= 1 << 15 for kind, low, _ in rows) else 15


def read_lines(path: Path) -> list[list[Any]]:
    """Rows of a file of JSON lines."""
    with path.open(encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def events_table(
    path: Path, event_names: list[str], names: Names, t0_ns: int, stop_ns: int | None
) -> pl.DataFrame:
    """Records of all threads as one table in order of time.

    Parameters
    ----------
    t0_ns   : start of window B on the node's clock
    stop_ns : time of the last event that every thread could still record; None = no limit was met

    Complexity and determinism
    --------------------------
    O(rows log rows); records with equal times keep the order in which their thread wrote them
    """
    records = np.fromfile(path, dtype=RECORD)
    keep = records["event"] > 0
    if stop_ns is not None:
        keep &= records["t_ns"] <= stop_ns
    records = records[keep]
    records = records[np.argsort(records["t_ns"], kind="stable")]
    t_ns = records["t_ns"] - t0_ns
    # A window that was slow to close is cut by the reader, at its own limit.
    records, t_ns = records[t_ns >= -EDGE_NS], t_ns[t_ns >= -EDGE_NS]
    event = np.array(["", *event_names])[records["event"]]
    is_collect = np.char.startswith(event, "gc_")
    heap = np.where(is_collect, records["peer"], 0).astype(np.int64)
    old = records["module"].astype(np.int64) | (records["function"].astype(np.int64) << 32)
    who, has_who = _numbers(records["who"], names)
    peer, has_peer = _numbers(np.where(is_collect, 0, records["peer"]), names)
    frame = pl.DataFrame(
        {
            "t_ns": t_ns,
            "event": event,
            "pid": who,
            "scheduler_id": records["scheduler"].astype(np.int16),
            "peer": peer,
            "mfa": _mfas(records, is_collect, names),
            "heap_words": heap,
            "old_heap_words": old,
        }
    )
    masks = {"pid": has_who, "peer": has_peer, "heap_words": is_collect, "old_heap_words": is_collect}
    return frame.with_columns(
        *(pl.when(pl.Series(mask)).then(pl.col(name)).alias(name) for name, mask in masks.items()),
        pl.col("event", "mfa").cast(pl.Categorical),
    ).select(frame.columns)


def _numbers(words: NDArray[np.uint64], names: Names) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    found, place = np.unique(words, return_inverse=True)
    known = np.array([int(word) in names.numbers for word in found], dtype=bool)
    numbers = np.array([names.numbers.get(int(word), 0) for word in found], dtype=np.int64)
    return numbers[place], known[place]


def _mfas(records: NDArray[Any], is_collect: NDArray[np.bool_], names: Names) -> pl.Series:
    """`module:function/arity`, or the one atom that an event carries; null where there is neither."""
    key = {name: np.where(is_collect, 0, records[name]) for name in ("module", "function", "arity")}
    columns = pl.DataFrame(key)
    seen = columns.unique()
    texts = [_mfa(names.atoms, *row) for row in seen.iter_rows()]
    seen = seen.with_columns(pl.Series("text", texts, dtype=pl.String))
    return columns.join(seen, on=list(key), how="left", maintain_order="left")["text"]


def _mfa(atoms: dict[int, str], module: int, function: int, arity: int) -> str | None:
    if module not in atoms:
        return None
    if arity == NO_ARITY:
        return atoms[module]
    return f"{atoms[module]}:{atoms.get(function, '?')}/{arity}"


def samples_table(path: Path, t0_ns: int, schedulers: int) -> pl.DataFrame:
    """Rows of samples.parquet."""
    head = np.dtype(SAMPLE_HEAD)
    raw = path.read_bytes()
    queues = int(np.frombuffer(raw, head, count=1)["queues"][0])
    row = np.dtype([*SAMPLE_HEAD, ("run_queue", "<u4", (queues,)), ("active_tasks", "<u4", (queues,))])
    rows = np.frombuffer(raw, row)
    columns: dict[str, Any] = {
        "t_ns": rows["t_ns"] - t0_ns,
        "window": np.array([chr(code) for code in rows["window"]]),
    }
    for name in ("reductions", "context_switches", "processes"):
        columns[name] = rows[name].astype(np.int64)
    for at in range(queues):
        for name in ("run_queue", "active_tasks"):
            columns[f"{name}_{_queue(at, schedulers)}"] = rows[name][:, at].astype(np.int64)
    return pl.DataFrame(columns)


def _queue(at: int, schedulers: int) -> str:
    return str(at + 1) if at < schedulers else ("dirty_cpu", "dirty_io")[min(at - schedulers, 1)]


def processes_table(rows: list[list[Any]], shift: int) -> pl.DataFrame:
    """Rows of procs.parquet."""
    columns = [[row[0], process_number(row[1], shift), *row[2:]] for row in rows]
    return pl.DataFrame(columns, schema=PROCESS_COLUMNS, orient="row")
