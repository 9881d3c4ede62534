"""The trace file of a timeline: Perfetto's protobuf, through the messages of the package `perfetto`."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from pipeline.errors import UserError
from pipeline.timelines.tracks import Track

MESSAGES = "perfetto.protos.perfetto.trace.perfetto_trace_pb2"
BUILDER = "perfetto.trace_builder.proto_builder"
SEQUENCE = 1  # the only writer
PACKETS = 20_000  # held as objects before they are turned into bytes


def perfetto(module: str) -> Any:
    """A module of the package `perfetto`, loaded for timelines only.

    Raises
    ------
    UserError saying how to install it
    """
    try:
        return import_module(module)
    except ImportError as error:
        raise UserError(
            f"timeline= needs the Python package perfetto, which cannot be imported ({error}).",
            "Install it again: pip install perfetto.",
        ) from None


class TraceFile:
    """Packets of one trace, in order; texts are written once and then referred to by number.

    Times need not increase over the file, but events of one time stand in their order.
    """

    def __init__(self) -> None:
        messages = perfetto(MESSAGES)
        self.packets, self.event = messages.TracePacket, messages.TrackEvent
        self.ordering = messages.TrackDescriptor.ChildTracksOrdering
        self.merging = messages.TrackDescriptor.SiblingMergeBehavior
        self.units = {"ns": messages.CounterDescriptor.Unit.UNIT_TIME_NS}
        self.builder_of = perfetto(BUILDER).TraceProtoBuilder
        self.builder = self.builder_of()
        self.texts: dict[str, dict[str, int]] = {}
        self.done: list[bytes] = []
        self.count = 0

    def packet(self) -> Any:
        """A new packet at the end of the trace."""
        if self.count and self.count % PACKETS == 0:
            self.done.append(self.builder.serialize())
            self.builder = self.builder_of()
        packet = self.builder.add_packet()
        packet.trusted_packet_sequence_id = SEQUENCE
        flags = self.packets.SequenceFlags
        packet.sequence_flags = flags.SEQ_NEEDS_INCREMENTAL_STATE
        if not self.count:
            packet.sequence_flags |= flags.SEQ_INCREMENTAL_STATE_CLEARED
            packet.first_packet_on_sequence = True
        self.count += 1
        return packet

    def attributes(self, texts: Mapping[str, str]) -> None:
        """What the trace is of."""
        packet = self.packet()
        for name, text in texts.items():
            entry = packet.trace_attributes.attribute.add()
            entry.key, entry.string_value = name, text

    def track(self, track: Track) -> None:
        """A track; its parent comes before it."""
        found = self.packet().track_descriptor
        found.uuid, found.name = track.uuid, track.name
        found.sibling_order_rank = track.rank
        found.child_ordering = self.ordering.EXPLICIT
        found.sibling_merge_behavior = self.merging.SIBLING_MERGE_BEHAVIOR_NONE
        if track.parent:
            found.parent_uuid = track.parent
        if track.description:
            found.description = track.description
        if track.unit is None:
            return
        found.counter.SetInParent()
        if track.unit in self.units:
            found.counter.unit = self.units[track.unit]
        elif track.unit:
            found.counter.unit_name = track.unit

    def text(self, packet: Any, table: str, text: str) -> int:
        """Number of a text in one of the tables of texts, which the packet tells if it is new."""
        known = self.texts.setdefault(table, {})
        number = known.get(text)
        if number is None:
            number = known[text] = len(known) + 1
            entry = getattr(packet.interned_data, table).add()
            entry.iid = number
            if table == "debug_annotation_string_values":
                entry.str = text.encode()
            else:
                entry.name = text
        return number

    def add(self, kind: str, time_ns: int, track: int) -> tuple[Any, Any]:
        """A packet with an event on a track."""
        packet = self.packet()
        packet.timestamp = time_ns
        event = packet.track_event
        event.type, event.track_uuid = self.event.Type.Value(kind), track
        return packet, event

    def named(
        self, kind: str, time_ns: int, track: int, name: str, category: str, arguments: Mapping[str, Any]
    ) -> Any:
        """A slice that begins, or an instant; gives the event."""
        packet, event = self.add(kind, time_ns, track)
        event.name_iid = self.text(packet, "event_names", name)
        event.category_iids.append(self.text(packet, "event_categories", category))
        for key, value in arguments.items():
            note = event.debug_annotations.add()
            note.name_iid = self.text(packet, "debug_annotation_names", key)
            if isinstance(value, bool):
                note.bool_value = value
            elif isinstance(value, int):
                note.int_value = value
            elif isinstance(value, float):
                note.double_value = value
            else:
                note.string_value_iid = self.text(packet, "debug_annotation_string_values", str(value))
        return event

    def begin(self, *what: Any) -> Any:
        """A slice begins: time_ns, track, name, category, arguments."""
        return self.named("TYPE_SLICE_BEGIN", *what)

    def end(self, time_ns: int, track: int) -> None:
        """The slice that began last on a track ends."""
        self.add("TYPE_SLICE_END", time_ns, track)

    def instant(self, *what: Any) -> Any:
        """Something happens: time_ns, track, name, category, arguments."""
        return self.named("TYPE_INSTANT", *what)

    def counter(self, time_ns: int, track: int, value: float) -> None:
        """A counter has a value from now on."""
        _, event = self.add("TYPE_COUNTER", time_ns, track)
        if isinstance(value, int):
            event.counter_value = value
        else:
            event.double_counter_value = value

    def data(self) -> bytes:
        """The whole trace."""
        return b"".join([*self.done, self.builder.serialize()])
