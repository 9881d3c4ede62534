"""Estimate how much memory each recorded process touches, from its garbage collections."""

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.beam_trace.read import WORD_BYTES, BeamTrace, EventKind
from sim import VALUE_MAX, WORKING_SET_MIN_BYTES


def working_sets(trace: BeamTrace, pids: NDArray[np.int64], start_ns: int, stop_ns: int) -> NDArray[np.int64]:
    """Working set of each pid, bytes: int64 (pid,), at least WORKING_SET_MIN_BYTES.

    The median, over the collections of the process within the window, of the words in use (young
    and old heap) before or after it, whichever is more. Without a collection: the heap that
    procs.parquet states, at the start if it was there, else at the end. Without either: the heap
    of a new process. A median, because one large collection of a long-lived process is not what
    it carries from core to core the rest of the time.
    """
    is_collection = (trace.kind == EventKind.COLLECT_START) | (trace.kind == EventKind.COLLECT_END)
    rows = np.flatnonzero(is_collection & (trace.t_ns >= start_ns) & (trace.t_ns < stop_ns))
    rows = rows[np.argsort(trace.pid[rows], kind="stable")]
    pid, words = trace.pid[rows], trace.heap_words[rows]
    is_start = trace.kind[rows] == EventKind.COLLECT_START
    paired = np.append(is_start[:-1] & ~is_start[1:] & (pid[:-1] == pid[1:]), False)
    after = np.append(words[1:], 0)
    peak = np.where(paired, np.maximum(words, after), words)
    seen = pl.DataFrame({"pid": pid, "words": peak}).filter(pl.Series(is_start))
    seen = seen.group_by("pid").agg(pl.col("words").median())
    listed = trace.processes.drop_nulls(["pid", "total_heap_words"]).select(
        pl.col("pid").cast(pl.Int64),
        pl.col("total_heap_words").cast(pl.Float64).alias("listed"),
        (pl.col("when") == "start").alias("early"),
    )
    listed = listed.sort("early", descending=True).unique("pid", keep="first", maintain_order=True)
    table = pl.DataFrame({"pid": pids}).join(seen, on="pid", how="left", maintain_order="left")
    table = table.join(listed, on="pid", how="left", maintain_order="left")
    words_of = table.select(pl.coalesce("words", "listed", pl.lit(0.0)))
    sizes = words_of.to_series().to_numpy() * WORD_BYTES
    sizes = np.clip(sizes, WORKING_SET_MIN_BYTES, VALUE_MAX)
    return np.asarray(sizes, dtype=np.int64)
