"""A recording as the fits see it: slices with their process classes, samples, and the part held out."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from pipeline.beam_trace import read_beam_trace
from pipeline.beam_trace.read import BeamTrace, EventKind
from pipeline.beam_trace.slices import Slices, pair_slices
from pipeline.calibration.classes import class_of_slices
from sim import TraceError


@dataclass(frozen=True, eq=False)
class Recording:
    """One recording, cut in time into a part to fit (before `split_ns`) and one to check."""

    trace: BeamTrace
    slices: Slices
    class_names: tuple[str, ...]
    slice_class: NDArray[np.int64]  # (slice,), index into class_names
    active_rows: NDArray[np.int64]  # rows of sched_active events, which the reader does not tell apart
    sample_ns: NDArray[np.int64]  # times of the samples in the traced window
    sample_reductions: NDArray[np.int64]  # running total at each
    process_reductions: pl.DataFrame  # pid, reductions: done within the window, by its own counter
    split_ns: int
    holdout: float

    @property
    def normal(self) -> NDArray[np.bool_]:
        """Slices on normal schedulers."""
        scheduler = self.slices.scheduler
        return (scheduler >= 1) & (scheduler <= self.trace.schedulers)


def read_recording(folder: Path, holdout: float) -> Recording:
    """Read a recording and cut it.

    Parameters
    ----------
    holdout : share of the window at its end that is kept for checking

    Raises
    ------
    TraceError for a folder that cannot be used: a missing or broken table, no samples in the window
    """
    trace = read_beam_trace(folder)
    slices = pair_slices(trace)
    processes = _process_table(folder / "procs.parquet")
    names, of_slice = class_of_slices(trace, slices, processes)
    sample_ns, reductions = _samples(trace)
    return Recording(
        trace=trace,
        slices=slices,
        class_names=names,
        slice_class=of_slice,
        active_rows=_active_rows(folder / "events.parquet"),
        sample_ns=sample_ns,
        sample_reductions=reductions,
        process_reductions=_counted(processes),
        split_ns=round((1 - holdout) * trace.window_ns),
        holdout=holdout,
    )


def _samples(trace: BeamTrace) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    samples = trace.samples.filter(pl.col("window") == "B").drop_nulls()
    path = trace.folder / "samples.parquet"
    if samples.height < 2:
        raise TraceError(f"{path}, rows of window B", samples.height, "2 or more", "record it again")
    times = samples["t_ns"].cast(pl.Int64).to_numpy()
    reductions = samples["reductions"].cast(pl.Int64).to_numpy()
    if (np.diff(times) <= 0).any() or (np.diff(reductions) < 0).any():
        raise TraceError(f"{path}, window B", "t_ns or reductions go back", "both rising", "record it again")
    return times, reductions


def _active_rows(path: Path) -> NDArray[np.int64]:
    events = pq.read_table(path, columns=["event"])["event"].cast(pa.large_string())
    return np.flatnonzero(np.asarray(pa.compute.equal(events, "sched_active").fill_null(False)))


def _process_table(path: Path) -> pl.DataFrame:
    """when, pid, initial_call, reductions; columns that the file has not are null throughout."""
    names = pq.read_schema(path).names
    wanted = {"when": pl.String, "pid": pl.Int64, "initial_call": pl.String, "reductions": pl.Int64}
    table = pl.DataFrame(pq.read_table(path, columns=[name for name in wanted if name in names]))
    absent = [pl.lit(None, kind).alias(name) for name, kind in wanted.items() if name not in names]
    return table.with_columns(absent).select(pl.col(n).cast(k) for n, k in wanted.items()).drop_nulls("pid")


def _counted(processes: pl.DataFrame) -> pl.DataFrame:
    counted = processes.drop_nulls("reductions").sort("pid")
    start = counted.filter(pl.col("when") == "start").unique("pid", keep="first")
    end = counted.filter(pl.col("when") == "end").unique("pid", keep="first")
    both = start.join(end, on="pid", suffix="_end").sort("pid")
    return both.select("pid", (pl.col("reductions_end") - pl.col("reductions")).alias("reductions"))


def scheduler_rows(recording: Recording, number: int) -> NDArray[np.int64]:
    """Rows of one scheduler that say what it does: in, out, and running out of work or getting some."""
    trace = recording.trace
    kinds = (EventKind.IN, EventKind.OUT, EventKind.EXITED, EventKind.INACTIVE)
    wanted = np.isin(trace.kind, [int(kind) for kind in kinds])
    wanted[recording.active_rows] = True
    return np.flatnonzero(wanted & (trace.scheduler == number))
