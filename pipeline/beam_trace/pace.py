"""Estimate how long a reduction of each recorded process took, from what the recording knows of reductions.

A process that is preempted has used up 4000 reductions, however long that took: some processes of a run do
a reduction in 2 ns, others in 200. The first of these that applies:

1. the reductions that procs.parquet gives for it before and after the window, if they are as many as a
   full slice (the lists lie just outside the window: where all processes together would have done more
   than the VM's own total in the window, they are scaled down to it);
2. the median length of its preempted slices / 4000, if there are 3 or more and they hold half of its time;
3. the median of those, or of 1, over the processes that were spawned with the same function;
4. what remains: the time of all other processes over the reductions that no process above accounts for,
   and so that their waiting slices, which are shorter than a full one, stay below 4000 reductions.

A median, because a slice also contains the time that the operating system gave to others (up to 50 ms) and
collections; a low quantile would take traps for full slices. Yields, shorter than a quarter of the median
by time, are left out. On the CPU-bound processes of mixed-s2, where both are known, 1 and 2 agree: 10.4 to
11.4 ns against 10.7 to 10.9. They do not where a process is never preempted: its server, 101 ns by 1, ends
900 of 19,000 slices ready only because a message came in time, after 8 us, or 1.9 ns a reduction by 2; this
is why 1 comes first and 2 asks for half of the time.
"""

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.beam_trace.gaps import QUANTUM_REDUCTIONS, is_normal
from pipeline.beam_trace.read import BeamTrace, EventKind
from pipeline.beam_trace.slices import Slices

PICOSECONDS_PER_NS = 1000
PACE_MIN_NS, PACE_MAX_NS = 0.001, 1e6
"""What a PACE row can hold, which is in whole picoseconds."""

PREEMPTED_MIN = 3
PREEMPTED_SHARE_MIN = 0.5
YIELD_SHARE_MAX = 0.25
LONG_QUANTILE = 0.99
"""A process without an estimate is not slower than this share of its kind's waiting slices allows."""


def paces_ns(
    trace: BeamTrace, slices: Slices, waits: NDArray[np.bool_], average_ns: float
) -> NDArray[np.float64]:
    """ns a reduction of the process of each slice: float64 (slice,), within what a PACE row can hold.

    Parameters
    ----------
    slices : of processes and ports, sorted by (pid, start row); waits : (slice,) it waited before it
    average_ns : of the whole recording
    """
    table = _slice_table(trace, slices, waits)
    table = table.join(_spawn_functions(trace), on="pid", how="left", maintain_order="left")
    each = table.group_by("pid", maintain_order=True).agg(
        pl.col("kind").first(), pl.col("run_ns").sum(), _preempted_pace().alias("preempted")
    )
    each = each.join(_counted(trace), on="pid", how="left", maintain_order="left")
    counted = pl.when(pl.col("counted") >= QUANTUM_REDUCTIONS).then(pl.col("run_ns") / pl.col("counted"))
    counted = pl.when(counted > 0).then(counted)
    each = each.with_columns(pl.coalesce(counted, "preempted").alias("own"))
    by_kind = pl.when(pl.col("kind").is_not_null()).then(pl.col("own").median().over("kind"))
    each = each.with_columns(pl.coalesce("own", by_kind).alias("pace"))
    rest = _rest_ns(trace, each, average_ns)
    longest = (
        table.filter(~pl.col("preempted"))
        .group_by("kind")
        .agg((pl.col("run_ns").quantile(LONG_QUANTILE) / QUANTUM_REDUCTIONS).alias("least"))
    )
    each = each.join(longest, on="kind", how="left", nulls_equal=True, maintain_order="left")
    rest_of_kind = pl.max_horizontal(pl.lit(rest), pl.col("least").fill_null(0.0))
    each = each.with_columns(pl.coalesce("pace", rest_of_kind).alias("pace"))
    paces = table.select("pid").join(each, on="pid", how="left", maintain_order="left")["pace"]
    found: NDArray[np.float64] = paces.cast(pl.Float64).to_numpy()
    return np.clip(found, PACE_MIN_NS, PACE_MAX_NS)


def _slice_table(trace: BeamTrace, slices: Slices, waits: NDArray[np.bool_]) -> pl.DataFrame:
    """pid, time on normal schedulers, and whether it ended by preemption, of each slice."""
    normal = is_normal(slices, trace.schedulers)
    goes_on = np.append(slices.pid[1:] == slices.pid[:-1], False)
    preempted = goes_on & normal & ~np.append(waits[1:], True) & np.append(normal[1:], False)
    run_ns = np.where(normal, slices.stop_ns - slices.start_ns, 0)
    return pl.DataFrame({"pid": slices.pid, "run_ns": run_ns, "preempted": preempted})


def _preempted_pace() -> pl.Expr:
    """Pace of one process from its preempted slices; null where they say nothing."""
    lengths = pl.col("run_ns").filter("preempted")
    ranked = lengths.sort()
    middle = ranked.filter(ranked.cum_sum() * 2 >= ranked.sum()).first()
    full = lengths.filter(lengths >= YIELD_SHARE_MAX * middle)
    enough = (full.len() >= PREEMPTED_MIN) & (full.sum() >= PREEMPTED_SHARE_MIN * pl.col("run_ns").sum())
    return pl.when(enough).then(full.median() / QUANTUM_REDUCTIONS)


def _spawn_functions(trace: BeamTrace) -> pl.DataFrame:
    """pid and kind (index of its first function) of the processes whose spawn is recorded."""
    rows = np.flatnonzero((trace.kind == EventKind.SPAWN) & (trace.peer >= 0) & (trace.mfa >= 0))
    table = pl.DataFrame({"pid": trace.peer[rows], "kind": trace.mfa[rows]})
    return table.unique("pid", keep="last", maintain_order=True)


def _counted(trace: BeamTrace) -> pl.DataFrame:
    """pid and reductions within the window of those processes that are in both lists of procs.parquet."""
    path = trace.folder / "procs.parquet"
    try:
        table = pl.DataFrame(pq.read_table(path, columns=["when", "pid", "reductions"])).drop_nulls()
        table = table.select("when", pl.col("pid").cast(pl.Int64), pl.col("reductions").cast(pl.Int64))
    except (pa.ArrowException, OSError, pl.exceptions.PolarsError):
        return pl.DataFrame(schema={"pid": pl.Int64, "counted": pl.Float64})
    at = [table.filter(pl.col("when") == word).unique("pid") for word in ("start", "end")]
    both = at[0].join(at[1], on="pid", suffix="_end")
    both = both.select("pid", (pl.col("reductions_end") - pl.col("reductions")).alias("counted"))
    both = both.filter(pl.col("counted") >= 0)
    total = float(both["counted"].to_numpy().sum())
    scale = min(1.0, _done(trace) / total) if total else 1.0
    return both.with_columns(pl.col("counted") * scale)


def _done(trace: BeamTrace) -> float:
    """Reductions of the VM in the samples of window B; 0 if they cannot tell."""
    reductions = trace.samples.filter(pl.col("window") == "B")["reductions"].drop_nulls()
    return float(reductions[-1] - reductions[0]) if reductions.len() > 1 else 0.0


def _rest_ns(trace: BeamTrace, each: pl.DataFrame, average_ns: float) -> float:
    """Pace of the processes that have none, from the reductions that are left for them."""
    known = each.drop_nulls("pace")
    left_ns = float(each["run_ns"].to_numpy().sum() - known["run_ns"].to_numpy().sum())
    left = _done(trace) - float((known["run_ns"].to_numpy() / known["pace"].to_numpy()).sum())
    if left <= 0 or left_ns <= 0:
        return average_ns
    # the difference of two large numbers: where it is small it may be anything
    return float(np.clip(left_ns / left, average_ns / 10, average_ns * 10))
