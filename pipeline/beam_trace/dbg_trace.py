"""Read a file of `dbg:trace_port(file, ...)` as a recording, and import it.

Memory grows with the events that are kept, by some 60 bytes each, not with the size of the file or of what
the records hold besides; the conversion takes several times that. What such a file does not say is stated
in the notes of what is written: the time a reduction takes (see `dbg_pace`), the window (first event to
last), the number of schedulers. Nothing is known of processes before it, nor of heaps without collections.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.beam_trace.convert import Imported, convert_trace
from pipeline.beam_trace.dbg_events import CHUNK_ROWS, EventReader, Events, RecordError
from pipeline.beam_trace.dbg_file import RECORD_COMMANDS, DbgFile, wrap_set
from pipeline.beam_trace.dbg_pace import estimate_pace
from pipeline.beam_trace.errors import RECORD_AGAIN
from pipeline.beam_trace.file import write_replay
from pipeline.beam_trace.read import MISSING, SCHEDULERS_MAX, BeamTrace, EventKind
from pipeline.beam_trace.slices import busy_ns, pair_slices
from sim import ROW_COUNT_MAX, TraceError

LOST_COUNT_MAX = 20
LOST_SHARE_MAX = 0.001
"""Dropped messages, and steps back of a scheduler's clock, that are tolerated: as `slices` does."""

WINDOW_MAX_NS = 10**14
RECORDS_PER_ROW_MAX = 20
"""Records that are read without use, for each row that may be kept."""

OnRead = Callable[[int, int, int], None]
"""Called now and then with the bytes read, the bytes in all, and the events found."""


@dataclass(frozen=True)
class DbgOptions:
    """What the file does not say, and what is tolerated.

    prof : file of system_profile, recorded at the same time
    ns_per_reduction : None = estimated from the trace
    schedulers : None = the highest that occurs
    partial : take the whole events of a file that is cut off
    wrap : auto, true or false: see `wrap_set`
    """

    prof: Path | None = None
    ns_per_reduction: float | None = None
    schedulers: int | None = None
    partial: bool = False
    wrap: str = "auto"


@dataclass(frozen=True)
class DbgRecording:
    """A file that has been read: its events, notes for the file to write, and ns a reduction."""

    trace: BeamTrace
    notes: dict[str, str]
    pace_ns: float


def import_dbg(
    path: Path,
    out: Path,
    window: tuple[int, int | None] | None = None,
    options: DbgOptions | None = None,
    on_read: OnRead | None = None,
) -> Imported:
    """Read a trace file, convert it and write the replay file; as `import_trace` does for a folder.

    Parameters
    ----------
    window : start and stop, ns since the first event; all of it if None, to the end if stop is None

    Raises / Status
    ---------------
    TraceError for anything wrong with the recording or the window; nothing is written then
    """
    imported = convert_dbg(read_dbg_trace(path, options or DbgOptions(), on_read), window)
    write_replay(imported.trace, out, imported.notes)
    return imported


def convert_dbg(recording: DbgRecording, window: tuple[int, int | None] | None) -> Imported:
    """Convert a file that has been read; `window` as for `import_dbg`."""
    within = None
    if window is not None:
        within = window[0], recording.trace.window_ns if window[1] is None else window[1]
    converted = convert_trace(recording.trace, within)
    # The samples give the pace back but for a rounding.
    exact = replace(converted.trace, ns_per_reduction=recording.pace_ns)
    return replace(converted, trace=exact, notes=converted.notes | recording.notes)


def read_dbg_trace(path: Path, options: DbgOptions, on_read: OnRead | None = None) -> DbgRecording:
    """Read and check one file or wrap set, and the profile if one is given.

    Raises / Status
    ---------------
    TraceError naming the file, what was found and what is allowed: foreign, damaged or cut files,
    records without timestamps or scheduler ids, clocks that step back, too many dropped messages
    """
    files = [DbgFile(wrap_set(path, options.wrap))]
    if options.prof is not None:
        files.append(DbgFile(wrap_set(options.prof, options.wrap)))
    reader = EventReader()
    chunks: list[Events] = []
    sizes = []
    for file in files:
        before = sum(chunk.t_ns.size for chunk in chunks)
        _read_file(file, reader, chunks, on_read)
        _check_whole(file, options.partial)
        sizes.append(sum(chunk.t_ns.size for chunk in chunks) - before)
        if not sizes[-1]:
            where = f"{file.paths[0]}, number of events"
            raise TraceError(where, f"0 in {file.records} records", "1 or more", RECORD_COMMANDS)
    _check_clocks(path, chunks)
    events = _merge(path, chunks)
    if options.prof is not None and not (events.kind >= EventKind.RUNNABLE).any():
        where = f"{options.prof}, events while {path} was recorded"
        raise TraceError(where, 0, "1 or more", "give the profile of the same run, or none")
    schedulers, origin = _schedulers(path, events, options.schedulers)
    trace = _recording(path, events, reader, schedulers)
    slices = pair_slices(trace)
    pace_ns, pace_from = options.ns_per_reduction, "stated at the import"
    if pace_ns is None:
        pace_ns, pace_from = estimate_pace(trace, slices)
    spent_ns = busy_ns(slices, schedulers, 0, trace.window_ns)
    if not spent_ns:
        where = f"{path}, time in slices on schedulers 1 to {schedulers}"
        raise TraceError(where, 0, "1 ns or more", RECORD_AGAIN)
    notes = {
        "source": f"{trace.name}, recorded from a BEAM by dbg:trace_port",
        "tracing_slowdown": "not recorded",
        "ns_per_reduction_from": pace_from,
        "schedulers_from": origin,
        "clock": reader.clock,
        "files": str(sum(len(file.paths) for file in files)),
        "events_read": str(sum(sizes)),
        "events_of_profile": str(sizes[1] if options.prof is not None else 0),
        "messages_dropped": str(sum(file.dropped for file in files)),
        "bytes_cut_off": str(sum(file.cut_bytes for file in files)),
    }
    sampled = replace(trace, samples=_samples(trace.window_ns, spent_ns, pace_ns))
    return DbgRecording(sampled, notes, pace_ns)


def _read_file(file: DbgFile, reader: EventReader, chunks: list[Events], on_read: OnRead | None) -> None:
    rows = sum(chunk.t_ns.size for chunk in chunks)
    for data, spans in file.blocks():
        try:
            reader.read(data, spans)
        except RecordError as error:
            byte = file.offset + spans[reader.done][0]
            where = f"{file.path}, record {file.records + reader.done} (byte {byte})"
            raise TraceError(where, error.found, error.allowed, error.hint) from error
        if reader.rows >= CHUNK_ROWS:
            chunks.append(reader.take())
            rows += chunks[-1].t_ns.size
        if rows + reader.rows > ROW_COUNT_MAX or file.records > RECORDS_PER_ROW_MAX * ROW_COUNT_MAX:
            where = f"{file.path}, number of events"
            raise TraceError(where, "more", f"at most {ROW_COUNT_MAX}", "record a shorter window")
        if on_read is not None:
            on_read(file.bytes_read, file.bytes_total, rows + reader.rows)
    if reader.rows:
        chunks.append(reader.take())


def _check_whole(file: DbgFile, is_partial: bool) -> None:
    if file.cut_bytes and not is_partial:
        found = f"cut off in the middle of a record, after {file.records} whole events"
        hint = "copy the file again, or take the whole events with partial=true"
        raise TraceError(str(file.paths[-1]), found, "whole records to the end", hint)
    limit = _tolerated(file.records)
    if file.dropped > limit:
        where = f"{file.paths[0]}, messages that the VM dropped"
        hint = "trace fewer processes or flags, or to a file in place of a socket"
        raise TraceError(where, file.dropped, f"at most {limit} of {file.records}", hint)


def _tolerated(count: int) -> int:
    return max(LOST_COUNT_MAX, int(LOST_SHARE_MAX * count))


def _check_clocks(path: Path, chunks: list[Events]) -> None:
    """Raise if the times of one scheduler step back; dirty ones share the number 0 and may."""
    back = 0
    for chunk in chunks:
        order = np.argsort(chunk.scheduler, kind="stable")
        scheduler, t_ns = chunk.scheduler[order], chunk.t_ns[order]
        steps = (np.diff(t_ns) < 0) & (scheduler[1:] == scheduler[:-1]) & (scheduler[1:] > 0)
        back += int(np.count_nonzero(steps))
    limit = _tolerated(sum(chunk.t_ns.size for chunk in chunks))
    if back > limit:
        where = f"{path}, times that go back on their scheduler"
        hint = "record with monotonic_timestamp, not timestamp"
        raise TraceError(where, back, f"at most {limit}", hint)


def _merge(path: Path, chunks: list[Events]) -> Events:
    """One table in order of time from zero; equal times keep the order of the files."""
    events = _joined(chunks)
    is_traced = events.kind < EventKind.RUNNABLE
    if not is_traced.any():
        raise TraceError(f"{path}, events of trace flags", 0, "1 or more", RECORD_COMMANDS)
    first, last = int(events.t_ns[is_traced].min()), int(events.t_ns[is_traced].max())
    if not 0 < last - first <= WINDOW_MAX_NS:
        where = f"{path}, time from the first event to the last"
        raise TraceError(where, f"{last - first} ns", f"from 1 to {WINDOW_MAX_NS} ns", RECORD_AGAIN)
    order = np.argsort(events.t_ns, kind="stable")
    # A profile may have begun earlier or ended later than the trace: that part has no slices.
    t_ns = events.t_ns[order]
    order = order[np.searchsorted(t_ns, first) : np.searchsorted(t_ns, last, side="right")]
    del t_ns, is_traced
    held = [events]
    del events
    ordered = _joined(held, order)
    return ordered._replace(t_ns=ordered.t_ns - first)


def _joined(chunks: list[Events], order: NDArray[np.int64] | None = None) -> Events:
    """One table of several, in a new order. Empties `chunks`, so that no more than a column is held twice."""
    parts = [list(chunk) for chunk in chunks]
    chunks.clear()
    columns: list[NDArray[Any]] = []
    for _ in Events._fields:
        column = np.concatenate([part.pop(0) for part in parts])
        columns.append(column if order is None else column[order])
        del column
    return Events(*columns)


def _schedulers(path: Path, events: Events, stated: int | None) -> tuple[int, str]:
    highest = int(events.scheduler.max())
    if not 1 <= highest <= SCHEDULERS_MAX:
        where = f"{path}, highest scheduler id"
        raise TraceError(where, highest, f"from 1 to {SCHEDULERS_MAX}", RECORD_COMMANDS)
    if stated is None:
        return highest, "the highest number that occurs"
    if not highest <= stated <= SCHEDULERS_MAX:
        raise TraceError("schedulers", stated, f"from {highest}, which occurs in {path}, to {SCHEDULERS_MAX}")
    return stated, "stated at the import"


def _recording(path: Path, events: Events, reader: EventReader, schedulers: int) -> BeamTrace:
    scheduler = events.scheduler.astype(np.int64)
    scheduler[scheduler < 0] = MISSING
    return BeamTrace(
        name=path.name.split(".", 1)[0] or path.name,
        folder=path,  # so that no companion of another recording is taken for its own
        t_ns=events.t_ns,
        kind=events.kind,
        pid=events.pid,
        scheduler=scheduler,
        peer=events.peer,
        mfa=events.mfa,
        heap_words=events.heap_words,
        mfa_names=tuple(reader.names),
        samples=_samples(0, 0, 1.0),
        processes=pl.DataFrame(
            schema={
                "when": pl.String,
                "pid": pl.Int64,
                "current_function": pl.String,
                "status": pl.String,
                "total_heap_words": pl.Int64,
            }
        ),
        recorder_pids=(),
        schedulers=schedulers,
        window_ns=int(events.t_ns[-1]),
        has_sends=bool((events.kind == EventKind.SEND).any()),
        otp="unknown",
        slowdown=float("nan"),
        file=path,
    )


def _samples(window_ns: int, spent_ns: int, pace_ns: float) -> pl.DataFrame:
    """The two samples from which the conversion gets `pace_ns` back: reductions in all at both ends."""
    reductions = max(1, round(spent_ns / pace_ns))
    return pl.DataFrame({"t_ns": [0, window_ns], "window": ["B", "B"], "reductions": [0, reductions]})
