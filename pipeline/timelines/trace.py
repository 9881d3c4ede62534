"""From a lane's log to a trace: everything that is shown, in the order of time."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from pipeline.timelines.counters import (
    Series,
    balance_period,
    counted,
    idle_schedulers,
    queue_changes,
    queue_lengths,
    ready_processes,
    threshold,
)
from pipeline.timelines.file import TraceFile
from pipeline.timelines.log import Code, LaneLog, names_of
from pipeline.timelines.marks import Arguments, Mark, Marks, marks_of
from pipeline.timelines.slices import Slices, slices_of
from pipeline.timelines.states import Span, scheduler_spans, window_spans
from pipeline.timelines.tracks import Tracks, tracks_of

ENDS = {
    Code.PREEMPT: "preempted", Code.BLOCK: "sleeps", Code.WAIT: "waits", Code.EXIT: "exits",
}  # fmt: skip
STATES = {4: "waits for a message", 5: "waits for a reply", 6: "waits for a recorded message"}
RUNNING = "still running"

Step = tuple[int, int, Callable[[], object]]
"""Time in ns, entry of the log, and what writes it."""


@dataclass(frozen=True)
class Trace:
    """A trace and how much is in it."""

    data: bytes
    slices: int
    flows: int
    denials: int
    first_ns: int
    last_ns: int


def trace_of(log: LaneLog, attributes: dict[str, str]) -> Trace:
    """The trace of the wanted part of a lane's log.

    Parameters
    ----------
    attributes : what was simulated, in words
    """
    description = ", ".join(f"{name} {text}" for name, text in attributes.items())
    tracks, slices, file = tracks_of(log, description), slices_of(log), TraceFile()
    marks = marks_of(log, tracks)
    file.attributes({f"coreshift.{name}": text for name, text in attributes.items()})
    for track in tracks.every:
        file.track(track)
    steps = [
        *slice_steps(file, log, tracks, slices, marks),
        *(step for mark in marks.every for step in mark_steps(file, mark)),
        *(
            step
            for span in (*scheduler_spans(log, tracks), *window_spans(log, tracks))
            for step in span_steps(file, span)
        ),
        *counter_steps(file, log, tracks),
    ]
    # the sort is stable: what stands at one entry keeps the order that it was made in
    for _, _, write in sorted(steps, key=lambda step: step[:2]):
        write()
    flows = sum(mark.flow_out > 0 for mark in marks.every)
    denials = sum(mark.category == "denial" for mark in marks.every)
    return Trace(file.data(), slices.begin.size, flows, denials, log.first_ns, log.last_ns)


def end_text(log: LaneLog, end: int) -> str:
    """How a slice ended."""
    if end < 0:
        return RUNNING
    code = Code(int(log.code[end]))
    return STATES.get(int(log.a[end]), ENDS[code]) if code == Code.WAIT else ENDS[code]


def slice_steps(
    file: TraceFile, log: LaneLog, tracks: Tracks, slices: Slices, marks: Marks
) -> Iterator[Step]:
    """Slices of processes on the tracks of cores."""
    names = names_of(log, slices.begin)
    rows = zip(
        slices.begin.tolist(), slices.end.tolist(), slices.begin_ns.tolist(), slices.end_ns.tolist(),
        slices.core.tolist(), names.texts, names.lives, range(slices.begin.size), strict=True,
    )  # fmt: skip
    for begin, end, begin_ns, end_ns, core, name, life, row in rows:
        track = tracks.core[core]
        flow, origin = marks.arrows.get(begin, (0, {}))
        arguments = {**slice_arguments(log, slices, row), "ends": end_text(log, end), **origin}
        yield begin_ns, begin, partial(begin_slice, file, begin_ns, track, name, arguments, life, flow)
        yield end_ns, end if end >= 0 else log.time_ns.size, partial(file.end, end_ns, track)


def begin_slice(
    file: TraceFile, time_ns: int, track: int, name: str, arguments: Arguments, life: int, flow: int
) -> None:
    """Write that a process begins to run; `flow` is the migration that brought it, 0 = none."""
    event = file.begin(time_ns, track, name, "process", arguments)
    event.correlation_id = life
    if flow:
        event.terminating_flow_ids.append(flow)


def slice_arguments(log: LaneLog, slices: Slices, row: int) -> Arguments:
    """What a slice did and cost."""
    begin, length_ns = int(slices.begin[row]), int(slices.end_ns[row] - slices.begin_ns[row])
    # a segment that was cut off, or is not over, did not do all the work that it began
    is_whole = int(slices.end[row]) >= 0 and int(slices.begun_ns[row]) == length_ns
    last = int(log.a[begin])
    arguments: Arguments = {
        "reductions" if is_whole else "reductions_begun": int(slices.reds[row]),
        "segments": int(slices.segments[row]),
        "waited_ns": int(log.b[begin]),
        "scheduler": int(slices.scheduler[row]),
        "last_scheduler": last if last >= 0 else "none",
        "process_slot": int(log.process[begin]),
    }
    if slices.sends[row]:
        arguments["messages_sent"] = int(slices.sends[row])
    if slices.collections[row]:
        arguments |= {"collections": int(slices.collections[row]), "gc_ns": int(slices.gc_ns[row])}
    return arguments


def mark_steps(file: TraceFile, mark: Mark) -> Iterator[Step]:
    """A mark, and the end of a flow in it."""

    def write() -> None:
        event = file.instant(mark.time_ns, mark.track, mark.name, mark.category, mark.arguments)
        if mark.flow_out:
            event.flow_ids.append(mark.flow_out)
        if mark.flow_in:
            event.terminating_flow_ids.append(mark.flow_in)

    yield mark.time_ns, mark.entry, write


def span_steps(file: TraceFile, span: Span) -> Iterator[Step]:
    """A slice that is no process. One that another follows ends before that begins."""
    yield span.end_ns, span.end, partial(file.end, span.end_ns, span.track)
    yield span.begin_ns, span.begin, partial(file.begin, span.begin_ns, span.track, span.name, "state", {})


def counter_steps(file: TraceFile, log: LaneLog, tracks: Tracks) -> Iterator[Step]:
    """All counters."""
    changes = queue_changes(log)
    machine = {
        "ready processes": ready_processes(log, changes),
        "idle schedulers": idle_schedulers(log),
        "migrations so far": counted(log, Code.MIGRATE),
        "denials so far": counted(log, Code.DENY),
        "threshold factor": threshold(log),
        "balancing period": balance_period(log),
    }
    for name, series in machine.items():
        if name in tracks.machine:
            yield from series_steps(file, tracks.machine[name], series)
    for track, series in zip(tracks.queue, queue_lengths(log, changes), strict=True):
        yield from series_steps(file, track, series)


def series_steps(file: TraceFile, track: int, series: Series) -> Iterator[Step]:
    """One counter."""
    for entry, time_ns, value in zip(
        series.entries.tolist(), series.time_ns.tolist(), series.values.tolist(), strict=True
    ):
        yield time_ns, entry, partial(file.counter, time_ns, track, value)
