"""Turn a recording into a replay trace: what each process did, and what made it go on.

Every operation keeps its place in the order of the recording: a send stands inside the slice in
which it happened, a gap stands just before the slice that ends it. Since each cause therefore
precedes its effect in recorded time, the replay cannot deadlock.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.beam_trace.causes import find_gaps, gap_points, known_gaps
from pipeline.beam_trace.emit import Points, Rows, merge_rows
from pipeline.beam_trace.errors import RECORD_AGAIN
from pipeline.beam_trace.file import write_replay
from pipeline.beam_trace.gaps import index_rows, is_normal, waiting_before
from pipeline.beam_trace.lumps import find_lumps
from pipeline.beam_trace.numbering import process_numbers
from pipeline.beam_trace.pace import PICOSECONDS_PER_NS, paces_ns
from pipeline.beam_trace.ports import adopt_ports, merge, without_open_ports
from pipeline.beam_trace.read import BeamTrace, EventKind, read_beam_trace
from pipeline.beam_trace.ready import infer_ready
from pipeline.beam_trace.recorded_run import Run, spawn_rows
from pipeline.beam_trace.slices import Slices, busy_ns, pair_slices
from pipeline.beam_trace.working_set import working_sets
from sim import NO_PEER, ReplayOp, ReplayTrace, TraceError, replay_stuck

NS_PER_MS = 1_000_000


@dataclass(frozen=True)
class Imported:
    """A converted recording: the trace, notes for its file and for the user, and who is who.

    pids : (process,) pid of each process of the trace; ports have negative ones
    """

    trace: ReplayTrace
    notes: dict[str, str]
    pids: NDArray[np.int64]


def import_trace(folder: str | Path, out: str | Path, window: tuple[int, int] | None = None) -> Imported:
    """Read a recording, convert it and write the replay file.

    Parameters
    ----------
    folder : of the recording, with events.parquet and its companions
    out    : Parquet file to write
    window : start and stop, ns since the start of the recording; all of it if None

    Raises / Status
    ---------------
    TraceError for anything wrong with the recording or the window; nothing is written then
    """
    imported = convert_trace(read_beam_trace(folder), window)
    write_replay(imported.trace, out, imported.notes)
    return imported


def convert_trace(trace: BeamTrace, window: tuple[int, int] | None = None) -> Imported:
    """Convert a recording that has been read, or the part of it within a window.

    Complexity and determinism
    --------------------------
    O(rows log rows); no randomness; equal times keep the order of the file
    """
    start_ns, stop_ns = _check_window(trace, window)
    everything = without_open_ports(trace, pair_slices(trace))
    ratio = ns_per_reduction(trace, everything)
    run = _prepare(trace, everything, ratio, (start_ns, stop_ns))
    busy = busy_ns(everything, trace.schedulers, start_ns, stop_ns)
    process, op, value, peer = merge_rows(_rows(run))
    result = ReplayTrace(
        name=trace.name,
        process=process,
        op=op,
        value=value,
        peer=peer,
        window_ns=stop_ns - start_ns,
        ns_per_reduction=ratio,
        schedulers=trace.schedulers,
        busy_ns=busy,
    )
    stuck = replay_stuck(result)
    if stuck:
        allowed = "0: causes in the recording must precede their effects"
        raise TraceError(f"{trace.folder}, processes that deadlock", len(stuck), allowed)
    return Imported(result, _notes(run, result, everything.unmatched), run.pids[np.argsort(run.rank)])


def ns_per_reduction(trace: BeamTrace, slices: Slices) -> float:
    """Time in slices on normal schedulers a reduction, over the samples of window B.

    Raises / Status
    ---------------
    TraceError if window B has fewer than two samples, or no reductions between them
    """
    path = trace.folder / "samples.parquet"
    samples = trace.samples.filter(pl.col("window") == "B").drop_nulls()
    if samples.height < 2:
        raise TraceError(f"{path}, rows of window B", samples.height, "2 or more", RECORD_AGAIN)
    t_ns, reductions = samples["t_ns"].cast(pl.Int64), samples["reductions"].cast(pl.Int64)
    if not t_ns.is_sorted():
        raise TraceError(f"{path}, column t_ns", "out of order", "sorted", RECORD_AGAIN)
    spent = busy_ns(slices, trace.schedulers, t_ns[0], t_ns[-1])
    done = reductions[-1] - reductions[0]
    if done <= 0 or spent <= 0:
        found = f"{done} reductions in {spent} ns"
        raise TraceError(f"{path}, window B", found, "both above 0", RECORD_AGAIN)
    return float(spent / done)


def _check_window(trace: BeamTrace, window: tuple[int, int] | None) -> tuple[int, int]:
    start_ns, stop_ns = window if window is not None else (0, trace.window_ns)
    if not 0 <= start_ns < stop_ns <= trace.window_ns:
        allowed = f"start below stop, both from 0 to {trace.window_ns / NS_PER_MS:g}"
        found = start_ns / NS_PER_MS, stop_ns / NS_PER_MS
        raise TraceError(f"window of {trace.name}, (start, stop) in ms,", found, allowed)
    return int(start_ns), int(stop_ns)


def _prepare(trace: BeamTrace, everything: Slices, ratio: float, window: tuple[int, int]) -> Run:
    """Find out who is replayed, who waited when, and who was ready since when."""
    trace, ports = adopt_ports(trace, everything)
    processes = everything.take((everything.pid >= 0) & ~np.isin(everything.pid, trace.recorder_pids))
    indexes = index_rows(trace)
    waits = waiting_before(trace, processes, indexes, ratio)
    slices = merge(ports, processes)
    # what a port waits for, it is not in a queue for: its turn comes before each process's
    waits = np.append(np.ones(ports.pid.size, dtype=bool), waits)
    gaps = known_gaps(trace, slices, indexes, waits)
    pids = _replayed(trace, slices, *window)
    return Run(
        trace=trace,
        slices=slices,
        indexes=indexes,
        waits=waits,
        ready_ns=infer_ready(trace, everything, gaps),
        pace_ns=paces_ns(trace, slices, waits, ratio),
        start_ns=window[0],
        stop_ns=window[1],
        pids=pids,
        rank=_ranks(trace, slices, gaps.home, pids, window),
    )


def _ranks(
    trace: BeamTrace,
    slices: Slices,
    home: NDArray[np.int64],
    pids: NDArray[np.int64],
    window: tuple[int, int],
) -> NDArray[np.int64]:
    """Process numbers; home is that of each slice."""
    later = np.flatnonzero(slices.stop_ns > window[0])
    first = later[np.append(True, slices.pid[later[1:]] != slices.pid[later[:-1]])[: later.size]]
    at = np.minimum(np.searchsorted(slices.pid[first], pids), max(first.size - 1, 0))
    seen = slices.pid[first[at]] == pids
    born = spawn_rows(trace, pids)
    is_spawned = (born >= 0) & (trace.t_ns[born] >= window[0]) & (trace.t_ns[born] < window[1])
    is_spawned &= np.isin(trace.pid[born], pids)
    order = np.where(seen, slices.start_ns[first[at]], window[1])
    return process_numbers(np.where(seen, home[first[at]], 1), is_spawned, order, trace.schedulers)


def _replayed(trace: BeamTrace, slices: Slices, start_ns: int, stop_ns: int) -> NDArray[np.int64]:
    """Pids to replay, sorted: those with a slice in the window, and those spawned in it."""
    active = (slices.start_ns < stop_ns) & (slices.stop_ns > start_ns)
    spawned = (trace.kind == EventKind.SPAWN) & (trace.t_ns >= start_ns) & (trace.t_ns < stop_ns)
    children = trace.peer[spawned]
    children = children[(children >= 0) & ~np.isin(children, trace.recorder_pids)]
    again = np.unique(children, return_counts=True)
    if (again[1] > 1).any():
        pid = int(again[0][np.argmax(again[1] > 1)])
        where = f"{trace.folder}/events.parquet, spawns of process {pid}"
        raise TraceError(where, int(again[1].max()), "1 within the window", RECORD_AGAIN)
    pids = np.union1d(slices.pid[active], children)
    if not pids.size:
        allowed = "1 or more within the window"
        raise TraceError(f"{trace.folder}, processes that ran", 0, allowed, "choose another window")
    return pids


def _rows(run: Run) -> Rows:
    """Collect the operations of every process, each with its place in recorded order."""
    spawn = run.rows(EventKind.SPAWN)
    spawn = spawn[run.number(run.trace.peer[spawn]) != NO_PEER]
    send = run.rows(EventKind.SEND)
    parent = run.births(spawn)
    kept = np.flatnonzero((run.slices.start_ns < run.stop_ns) & (run.slices.stop_ns > run.start_ns))
    gaps, edge_of_send = gap_points(run, find_gaps(run, kept), parent, send)
    part = run.slices.take(kept)
    normal = is_normal(part, run.trace.schedulers)
    number = run.number(part.pid)
    begin_ns = np.maximum(part.start_ns, run.start_ns)
    end_ns = np.minimum(part.stop_ns, run.stop_ns)
    sizes = working_sets(run.trace, run.pids, run.start_ns, run.stop_ns)
    points = Points()
    points.add(run.rank, -2, ReplayOp.BEGIN, sizes, parent[run.rank])
    paced = np.append(True, run.slices.pid[1:] != run.slices.pid[:-1]) & np.isin(run.slices.pid, run.pids)
    pace_ps = np.maximum(1, np.rint(run.pace_ns[paced] * PICOSECONDS_PER_NS)).astype(np.int64)
    points.add(run.number(run.slices.pid[paced]), -1, ReplayOp.PACE, pace_ps, NO_PEER)
    points.extend(gaps)
    dirty = ~normal
    away_ns = (end_ns - begin_ns)[dirty]
    points.add(number[dirty], part.stop_row[dirty] * 2, ReplayOp.BLOCK, away_ns, NO_PEER)
    send_number = run.number(run.trace.pid[send])
    receiver = run.number(run.trace.peer[send])
    send_ns = run.trace.t_ns[send]
    points.add(send_number, send * 2, ReplayOp.SEND, edge_of_send, receiver, send_ns)
    child = run.number(run.trace.peer[spawn])
    spawn_ns = run.trace.t_ns[spawn]
    points.add(run.number(run.trace.pid[spawn]), spawn * 2, ReplayOp.SPAWN, 0, child, spawn_ns)
    exits = part.is_last & (part.stop_ns < run.stop_ns)
    points.add(number[exits], part.stop_row[exits] * 2 + 1, ReplayOp.EXIT, 0, NO_PEER)
    started = (number[normal], part.start_row[normal] * 2 + 1, begin_ns[normal])
    stopped = (number[normal], part.stop_row[normal] * 2, end_ns[normal])
    return Rows(points, started, stopped, find_lumps(run.trace, run.slices))


def _notes(run: Run, result: ReplayTrace, unmatched: int) -> dict[str, str]:
    trace = run.trace
    send = run.rows(EventKind.SEND)
    outside = np.count_nonzero(run.number(trace.peer[send]) == NO_PEER)
    capacity = result.schedulers * result.window_ns
    return {
        "source": f"{trace.name}, recorded from a BEAM by erl_tracer",
        "otp": trace.otp,
        "tracing_slowdown": f"{trace.slowdown:.4f}",
        "window_start_ns": str(run.start_ns),
        "busy_share": f"{result.busy_ns / capacity:.4f}",
        "run_share": f"{result.run_total_ns() / capacity:.4f}",
        "waits_known_from": "runnable events" if trace.has_runnable else "heuristic",
        "messages_recorded": "yes" if trace.has_sends else "no",
        "sends_outside": str(int(outside)),
        "unmatched_in_out": str(unmatched),
    }
