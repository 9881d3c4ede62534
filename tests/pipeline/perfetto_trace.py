"""Reads a trace as Perfetto does: texts by number, slices from begins and ends, flows by their ids."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from perfetto.protos.perfetto.trace.perfetto_trace_pb2 import Trace, TrackEvent

TABLES = ("event_names", "event_categories", "debug_annotation_names", "debug_annotation_string_values")
NEEDS_STATE = 2


@dataclass
class Slice:
    """A slice or, with no length, an instant."""

    track: int
    begin_ns: int
    end_ns: int
    name: str
    category: str
    arguments: dict[str, Any]
    flows_out: list[int]
    flows_in: list[int]


@dataclass
class Read:
    """A trace as it was read.

    tracks   : descriptors by id; paths : names of a track and of all above it
    counters : (time_ns, value) by track
    """

    tracks: dict[int, Any] = field(default_factory=dict)
    slices: list[Slice] = field(default_factory=list)
    instants: list[Slice] = field(default_factory=list)
    counters: dict[int, list[tuple[int, float]]] = field(default_factory=lambda: defaultdict(list))

    def path(self, uuid: int) -> str:
        """A track with all that it stands under."""
        track = self.tracks[uuid]
        return (self.path(track.parent_uuid) + "/" if track.parent_uuid else "") + track.name

    def of(self, category: str) -> list[Slice]:
        """Slices of a category."""
        return [each for each in self.slices if each.category == category]

    def marks(self, category: str) -> list[Slice]:
        """Instants of a category."""
        return [each for each in self.instants if each.category == category]

    def value(self, uuid: int, time_ns: int) -> float:
        """A counter at a time."""
        return [value for when, value in self.counters[uuid] if when <= time_ns][-1]


def texts_of(packet: Any, known: dict[tuple[str, int], str]) -> None:
    """Remember the texts that a packet tells; no number may be told twice."""
    for table in TABLES:
        for entry in getattr(packet.interned_data, table):
            assert (table, entry.iid) not in known
            text = entry.str.decode() if table == TABLES[3] else entry.name
            known[table, entry.iid] = text


def value_of(note: Any, known: dict[tuple[str, int], str]) -> Any:
    """The value of an argument."""
    kind = note.WhichOneof("value")
    return known[TABLES[3], note.string_value_iid] if kind == "string_value_iid" else getattr(note, kind)


def read_trace(data: bytes) -> Read:
    """Read a trace; every rule of the format that it breaks is an AssertionError."""
    trace = Trace.FromString(data)
    read, known, events = Read(), {}, []
    assert trace.packet[0].sequence_flags == 3
    for packet in trace.packet:
        assert packet.trusted_packet_sequence_id == 1
        assert packet.sequence_flags & NEEDS_STATE
        texts_of(packet, known)
        if packet.HasField("track_descriptor"):
            track = packet.track_descriptor
            assert track.uuid > 0
            assert track.uuid not in read.tracks
            assert not track.parent_uuid or track.parent_uuid in read.tracks
            read.tracks[track.uuid] = track
        if packet.HasField("track_event"):
            event = packet.track_event
            arguments = {known[TABLES[2], n.name_iid]: value_of(n, known) for n in event.debug_annotations}
            name = known[TABLES[0], event.name_iid] if event.name_iid else ""
            category = known[TABLES[1], event.category_iids[0]] if event.category_iids else ""
            events.append((packet.timestamp, event, name, category, arguments))
    # a stable sort, as in the trace processor
    replay(read, sorted(events, key=lambda event: event[0]))
    return read


def replay(read: Read, events: list[tuple[int, Any, str, str, dict[str, Any]]]) -> None:
    """Put slices together from their begins and ends."""
    stacks: dict[int, list[Slice]] = defaultdict(list)
    for time_ns, event, name, category, arguments in events:
        track = event.track_uuid
        is_counter = read.tracks[track].HasField("counter")
        assert is_counter == (event.type == TrackEvent.TYPE_COUNTER)
        if is_counter:
            kind = event.WhichOneof("counter_value_field")
            read.counters[track].append((time_ns, getattr(event, kind)))
            continue
        if event.type == TrackEvent.TYPE_SLICE_END:
            stacks[track].pop().end_ns = time_ns
            continue
        flows = (list(event.flow_ids), list(event.terminating_flow_ids))
        found = Slice(track, time_ns, time_ns, name, category, arguments, *flows)
        if event.type == TrackEvent.TYPE_INSTANT:
            read.instants.append(found)
        else:
            assert event.type == TrackEvent.TYPE_SLICE_BEGIN
            assert not stacks[track], "slices on a core or scheduler stand one after the other"
            stacks[track].append(found)
            read.slices.append(found)
    assert not any(stacks.values())


def wire_fields(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Fields of a message by the encoding alone, without any schema: number, and integer or bytes."""
    at = 0

    def varint() -> int:
        nonlocal at
        value = shift = 0
        while True:
            byte = data[at]
            at += 1
            value |= (byte & 127) << shift
            if byte < 128:
                return value
            shift += 7

    while at < len(data):
        tag = varint()
        size = {1: 8, 5: 4}.get(tag & 7)
        if tag & 7 == 0:
            yield tag >> 3, varint()
            continue
        size = varint() if size is None else size
        assert tag & 7 in (1, 2, 5)
        assert at + size <= len(data)
        yield tag >> 3, data[at : at + size]
        at += size
