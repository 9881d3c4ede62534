"""Marks of a timeline: migrations with their flows, denials with their reasons, wake-ups, faults."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

import sim
from pipeline.timelines.log import Code, Ints, LaneLog, names_of, standing
from pipeline.timelines.tracks import Tracks
from sim.topology import DistanceClass

CAUSES = ("failure", "power")
AFFINITIES = ("none", "preferred", "strict", "dynamic", "inherit")
DECISION = {"benefit_cycles": 7, "cost_cycles": 8, "factor": 9, "ahead_count": 10, "target_load_count": 11}
ORIGIN = ("from", "mechanism", "distance", "cost_cycles")
MARKED = (
    Code.ARRIVE, Code.WAKE, Code.MIGRATE, Code.DENY, Code.GC, Code.STALL, Code.OFFLINE, Code.ONLINE,
    Code.REBIND, Code.AFFINITY, Code.TIMELINE,
)  # fmt: skip
Arguments = dict[str, Any]


@dataclass(frozen=True)
class Mark:
    """Something that happens at an entry of the log, on a track.

    flow_out, flow_in : number of the flow that begins or ends here, 0 = none
    """

    entry: int
    time_ns: int
    track: int
    name: str
    category: str
    arguments: Arguments
    flow_out: int = 0
    flow_in: int = 0


@dataclass(frozen=True)
class Marks:
    """The marks of the wanted part.

    arrows : by the entry of a dispatch: the flow that ends in the slice, and the arguments of the migration
    """

    every: list[Mark] = field(default_factory=list)
    arrows: dict[int, tuple[int, Arguments]] = field(default_factory=dict)


def landings(log: LaneLog) -> tuple[Ints, Ints]:
    """Migrations of the wanted part, and the dispatch that each led to.

    -1 where the process was moved on before it ran, or where that dispatch is not in the wanted part.
    """
    every = log.of(Code.MIGRATE, Code.DISPATCH)
    order = every[np.argsort(log.process[every], kind="stable")]
    code, process = log.code[order], log.process[order]
    following, same = np.append(order[1:], 0), np.append(process[1:] == process[:-1], False)[: order.size]
    runs = same & (np.append(code[1:], 0)[: order.size] == Code.DISPATCH) & (following < log.last)
    is_wanted = (code == Code.MIGRATE) & (order >= log.first) & (order < log.last)
    chosen = np.flatnonzero(is_wanted)
    chosen = chosen[np.argsort(order[chosen])]
    return order[chosen], np.where(runs, following, -1)[chosen]


def marks_of(log: LaneLog, tracks: Tracks) -> Marks:
    """All marks, in the order of their entries, and the flows that end in slices."""
    reader = Reader(log, tracks)
    moved, landed = landings(log)
    ends = dict(zip(moved.tolist(), landed.tolist(), strict=True))
    entries = log.wanted(log.of(*MARKED))
    marks = Marks()
    for entry in reader.read(entries):
        if entry.code != Code.MIGRATE:
            marks.every.append(reader.mark(entry))
            continue
        departure = reader.departure(entry)
        marks.every.append(departure)
        dispatch = ends[entry.number]
        if dispatch >= 0:
            known = departure.arguments
            origin = {f"migrated_{name}": known[name] for name in ORIGIN if name in known}
            marks.arrows[dispatch] = (departure.flow_out, origin)
        else:
            marks.every.append(reader.landing(entry, departure))
    return marks


@dataclass(frozen=True)
class Entry:
    """An entry of the log with what is known of it. `core` is where its scheduler stands."""

    number: int
    time_ns: int
    code: Code
    scheduler: int
    core: int
    name: str
    a: int
    b: int
    decided: int
    migrated: int
    source_core: int


class Reader:
    """Puts entries of a log into words.

    decided, migrated : of each entry, how many decisions and migrations there were before it
    """

    def __init__(self, log: LaneLog, tracks: Tracks) -> None:
        self.log, self.tracks = log, tracks
        self.decided = np.cumsum(np.isin(log.code, (Code.MIGRATE, Code.DENY)))
        self.migrated = np.cumsum(log.code == Code.MIGRATE)
        self.distances = log.inputs.topology.distance_class_matrix()
        self.words: dict[Code, Callable[[Entry], tuple[str, str, Arguments]]] = {
            Code.ARRIVE: lambda e: ("arrives", "process", {"process": e.name}),
            Code.WAKE: self.wake_up,
            Code.DENY: lambda e: (f"denied: {sim.REASONS[e.b]}", "denial", self.denial(e)),
            Code.GC: self.collection,
            Code.STALL: lambda e: (f"waits for core {e.a}", "scheduler", {}),
            Code.OFFLINE: lambda e: (f"offline, core {e.a}", "scheduler", {"cause": CAUSES[e.b]}),
            Code.ONLINE: lambda e: (f"online, core {e.a}", "scheduler", {"cause": CAUSES[e.b]}),
            Code.REBIND: lambda e: (f"moves to core {e.a}", "scheduler", {"from": f"core {e.b}"}),
            Code.AFFINITY: self.affinity,
            Code.TIMELINE: lambda e: (log.inputs.faults.changes[e.a].op, "change", self.change(e.a)),
        }  # fmt: skip

    def read(self, numbers: Ints) -> Iterator[Entry]:
        """Entries of the log, by their numbers."""
        log = self.log
        names = names_of(log, numbers).texts
        cores = standing(log, np.maximum(log.core[numbers], 0), numbers)
        sources = log.a[numbers] * np.isin(log.code[numbers], (Code.MIGRATE, Code.DENY))
        columns = [
            numbers, log.time_ns[numbers], log.code[numbers], log.core[numbers], cores, log.a[numbers],
            log.b[numbers], self.decided[numbers], self.migrated[numbers], standing(log, sources, numbers),
        ]  # fmt: skip
        lists = [column.tolist() for column in columns]
        for name, (number, time_ns, code, scheduler, core, *rest) in zip(
            names, zip(*lists, strict=True), strict=True
        ):
            a, b, decided, migrated, source = rest
            yield Entry(number, time_ns, Code(code), scheduler, core, name, a, b, decided, migrated, source)

    def place(self, scheduler: int) -> str:
        """A scheduler as the tracks call it."""
        home = int(self.log.homes[scheduler]) if scheduler >= 0 else -1
        is_core = not self.tracks.is_moving and home == scheduler
        return f"{'core' if is_core else 'scheduler'} {scheduler}"

    def mark(self, entry: Entry) -> Mark:
        """Anything but a migration."""
        name, category, arguments = self.words[entry.code](entry)
        track = self.tracks.machine["changes"]
        if entry.scheduler >= 0:
            track = self.tracks.events[entry.scheduler]
        return Mark(entry.number, entry.time_ns, track, name, category, arguments)

    def costs(self, entry: Entry) -> Arguments:
        """What the decision log says of a migration or denial; nothing where it was too short."""
        row = entry.decided - 1
        if row >= self.log.decisions.shape[0]:
            return {}
        values = {name: int(self.log.decisions[row, at]) for name, at in DECISION.items()}
        factor = values["factor"]
        return {**values, "factor": factor / 65536 if factor >= 0 else "inf"}

    def route(self, entry: Entry) -> Arguments:
        """From where to where a process was to move."""
        distance = DistanceClass(int(self.distances[entry.source_core, entry.core]))
        return {
            "process": entry.name,
            "from": self.place(entry.a),
            "to": self.place(entry.scheduler),
            "distance": distance.name.lower().replace("_", " "),
        }

    def denial(self, entry: Entry) -> Arguments:
        """Arguments of a denial."""
        row = entry.decided - 1
        known = row < self.log.decisions.shape[0]
        tried = {"mechanism": sim.MECHANISMS[int(self.log.decisions[row, 5])]} if known else {}
        return {**self.route(entry), **tried, **self.costs(entry)}

    def departure(self, entry: Entry) -> Mark:
        """A migration, where it begins."""
        arguments = {**self.route(entry), "mechanism": sim.MECHANISMS[entry.b], **self.costs(entry)}
        track = self.tracks.events[entry.a]
        name, flow = f"migrates: {arguments['mechanism']}", entry.migrated
        return Mark(entry.number, entry.time_ns, track, name, "migration", arguments, flow_out=flow)

    def landing(self, entry: Entry, departure: Mark) -> Mark:
        """Where a migration ends whose process did not run there within the timeline."""
        name = "queued, did not run here"
        track, flow = self.tracks.events[entry.scheduler], departure.flow_out
        return Mark(entry.number, entry.time_ns, track, name, "migration", departure.arguments, flow_in=flow)

    def affinity(self, entry: Entry) -> tuple[str, str, Arguments]:
        """A change of an affinity by the timeline, or its refusal."""
        arguments = {"process": entry.name, "done": bool(entry.b)}
        return f"affinity {AFFINITIES[entry.a]}", "affinity", arguments

    def wake_up(self, entry: Entry) -> tuple[str, str, Arguments]:
        """A process is ready again."""
        return "wakes", "process", {"process": entry.name, "proposed": self.place(entry.a)}

    def collection(self, entry: Entry) -> tuple[str, str, Arguments]:
        """A garbage collection, which the process pays for in its next segment."""
        kind = "major" if entry.a else "minor"
        return f"{kind} collection", "gc", {"process": entry.name, "gc_ns": entry.b}

    def change(self, number: int) -> Arguments:
        """What a change of the timeline says."""
        change = self.log.inputs.faults.changes[number]
        names = ("cores", "mhz", "process_class", "scheduler", "core", "factor", "count")
        found = {name: getattr(change, name) for name in names if getattr(change, name) is not None}
        return found | ({"affinity": change.affinity.type} if change.affinity is not None else {})
