"""Turn the records of a trace file into columns of events.

A record is `{trace_ts, PidOrPort, Tag, .., SchedulerId, Timestamp}` or, of system_profile,
`{profile, scheduler, Id, State, Count, Timestamp}` and `{profile, PidOrPort, State, MFA, Timestamp}`. How
many elements stand at `..` follows from the tag, so the scheduler and the timestamp are told by the size of
the tuple. Records that the conversion has no use for (links, calls, ..) are passed over unread.
"""

import struct
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace import etf
from pipeline.beam_trace.dbg_file import RECORD_COMMANDS, Spans
from pipeline.beam_trace.read import EVENT_KINDS, MISSING, PID_MAX, EventKind

DAMAGED = "the file is damaged"
NAMES_MAX = 1 << 20
NODES_MAX = 16
TIME_ABS_MAX_NS = 1 << 62
SERIAL_SHIFT = 15
"""`<0.N.S>` is N + 32768 * S, as in events.parquet."""

CHUNK_ROWS = 1 << 20

_ARGUMENTS = {"in": 1, "in_exiting": 1, "out": 1, "out_exiting": 1, "out_exited": 1, "spawn": 2, "send": 2}
"""Elements between the tag and what follows; 1 for those of garbage collections too."""

_SIZE_OF_MOST = 6
"""Elements of a record with one argument."""

_PID_REST_BYTES = 12
"""Number, serial and creation, after the node of a pid."""

_UNUSED = {b"seq_trace", b"drop"}
_HEAP_KEYS = frozenset(
    head + name
    for name in (b"heap_size", b"old_heap_size")
    for head in (bytes((100, 0, len(name))), bytes((119, len(name))))
)
"""The two atoms as a VM writes them, before and since OTP 26."""

_IDS = struct.Struct(">II")
_BIG = struct.Struct("<Q")
_UINT32 = struct.Struct(">I")


class RecordError(ValueError):
    """A record that cannot be used: what was found, what is allowed and what to do."""

    def __init__(self, found: str, allowed: str, hint: str = "") -> None:
        self.found, self.allowed, self.hint = found, allowed, hint
        super().__init__(found)


class Events(NamedTuple):
    """Columns of equal length, in the order of the file; MISSING stands for nothing."""

    t_ns: NDArray[np.int64]
    kind: NDArray[np.int8]
    pid: NDArray[np.int64]
    scheduler: NDArray[np.int32]  # -1 if the record has none
    peer: NDArray[np.int64]
    mfa: NDArray[np.int32]  # index of a name, -1 if none
    heap_words: NDArray[np.int64]


_ROW = struct.Struct("<qbqiqiq")
_ROW_TYPE = np.dtype(list(zip(Events._fields, ("<i8", "i1", "<i8", "<i4", "<i8", "<i4", "<i8"), strict=True)))


@dataclass
class EventReader:
    """Reads records block by block; `take` hands over what has gathered.

    Attributes
    ----------
    names : functions, each once; Events.mfa counts in them
    clock : "" until the first timestamp, then its form
    done  : number of the record being read, in its block
    """

    names: list[str] = field(default_factory=list)
    clock: str = ""
    done: int = 0
    _numbers: dict[str, int] = field(default_factory=dict)
    _mfas: dict[bytes, int] = field(default_factory=dict)
    _nodes: set[bytes] = field(default_factory=set)
    _rows: bytearray = field(default_factory=bytearray)
    _prefix: bytes = b"-"  # what no record begins with

    def __post_init__(self) -> None:
        self._tags = {name.encode(): kind for name, kind in EVENT_KINDS.items() if kind != EventKind.OTHER}
        self._arguments = {name.encode(): _ARGUMENTS.get(name, 1) for name in EVENT_KINDS}

    @property
    def rows(self) -> int:
        """Events gathered since the last `take`."""
        return len(self._rows) // _ROW.size

    def take(self) -> Events:
        """Hand over the gathered events and begin anew."""
        table = np.frombuffer(self._rows, _ROW_TYPE)
        self._rows = bytearray()
        return Events(*(np.ascontiguousarray(table[name]) for name in Events._fields))

    def read(self, data: bytes, spans: Spans) -> None:
        """Take the events from one block.

        Raises / Status
        ---------------
        RecordError, for the record number `done` of the block
        """
        prefix, known, arguments = self._prefix, self._tags, self._arguments
        try:
            for self.done, (at, end) in enumerate(spans):
                # Nearly all records begin alike: what `_record` finds out, at a fraction of its cost.
                if not data.startswith(prefix, at):
                    self._record(data, at, end)
                    prefix = self._prefix
                    continue
                at += len(prefix)
                low, high = _IDS.unpack_from(data, at)
                tag, at = etf.read_atom(data, at + _PID_REST_BYTES)
                if tag not in known:
                    continue
                if arguments[tag] != 1:
                    self._record(data, *spans[self.done])
                else:
                    self._event(data, at, end, (known[tag], self._pid_number(low, high)))
        except (etf.TermError, IndexError, struct.error) as error:
            found = error.found if isinstance(error, etf.TermError) else "a term that is cut off"
            shown = f"{found} in {data[at : at + 40]!r}"
            raise RecordError(shown, "a trace record", DAMAGED) from error

    def _record(self, data: bytes, at: int, end: int) -> None:
        if data[at] != etf.VERSION_BYTE or data[at + 1] != etf.SMALL_TUPLE:
            raise _foreign(data, at, end)
        size = data[at + 2]
        word, place = etf.read_atom(data, at + 3) if size else (b"", at)
        if word == b"trace_ts":
            start = place
            pid, place = self._pid(data, place, is_own=True)
            if data[start] == etf.PID and size == _SIZE_OF_MOST:
                self._prefix = data[at : place - _PID_REST_BYTES]
            tag, place = etf.read_atom(data, place)
            kind = self._tags.get(tag)
            if kind is not None:
                rest = size - 3 - self._arguments[tag]
                if rest != 2:
                    raise _without(data, at, end, "scheduler ids" if rest == 1 else "the known form")
                self._event(data, place, end, (kind, pid))
        elif word == b"profile":
            self._profile(data, place, end, size)
        elif word == b"trace":
            raise _without(data, at, end, "timestamps")
        elif word not in _UNUSED:
            raise _foreign(data, at, end)

    def _event(self, data: bytes, at: int, end: int, head: tuple[int, int]) -> None:
        kind, pid = head
        peer, mfa, words = MISSING, -1, 0
        if kind <= EventKind.EXITED:
            mfa, at = self._mfa(data, at, end)
        elif kind == EventKind.SEND:
            peer, at = self._receiver(data, etf.skip(data, at, end), end)
        elif kind == EventKind.SPAWN:
            peer, at = self._pid(data, at, is_own=False)
            mfa, at = self._spawned(data, at, end)
        else:
            words, at = _heap_words(data, at)
        scheduler, at = etf.read_integer(data, at)
        if scheduler < 0:
            raise RecordError(f"scheduler {scheduler}", "a scheduler id of 0 or more", DAMAGED)
        self._add(self._time(data, at, end), kind, pid, scheduler, peer, mfa, words)

    def _profile(self, data: bytes, at: int, end: int, size: int) -> None:
        if size == 6:
            _, at = etf.read_atom(data, at)
            scheduler, at = etf.read_integer(data, at)
            state, at = etf.read_atom(data, at)
            if state == b"inactive":
                at = etf.skip(data, at, end)
                kind = EventKind.INACTIVE
                self._add(self._time(data, at, end), kind, MISSING, scheduler, MISSING, -1, 0)
        elif size == 5 and data[at] in (etf.PID, etf.OLD_PID, etf.PORT, etf.OLD_PORT, etf.BIG_PORT):
            pid, at = self._pid(data, at, is_own=True)
            state, at = etf.read_atom(data, at)
            at = etf.skip(data, at, end)
            kind = EventKind.RUNNABLE if state == b"active" else EventKind.NOT_RUNNABLE
            self._add(self._time(data, at, end), kind, pid, -1, MISSING, -1, 0)

    def _add(self, *row: int) -> None:
        if not -1 <= row[3] <= 0xFFFF:
            raise RecordError(f"scheduler {row[3]}", "a scheduler id from 0 to 65535", DAMAGED)
        self._rows += _ROW.pack(*row)

    def _pid(self, data: bytes, at: int, *, is_own: bool) -> tuple[int, int]:
        """Number of a pid or port; MISSING if it is of another node."""
        tag = data[at]
        if tag not in (etf.PID, etf.OLD_PID, etf.PORT, etf.OLD_PORT, etf.BIG_PORT):
            raise etf.TermError(at, f"tag {tag} in place of a pid or port")
        node, stop = etf.read_atom(data, at + 1)
        if node not in self._nodes:
            # A process that is traced is one of the traced node; its name may change once or twice.
            if not is_own:
                return MISSING, etf.skip(data, at, len(data))
            if len(self._nodes) >= NODES_MAX:
                raise RecordError(f"more than {NODES_MAX} names of the traced node", "the trace of one node")
            self._nodes.add(node)
        if tag in (etf.PID, etf.OLD_PID):
            number = self._pid_number(*_IDS.unpack_from(data, stop))
            stop += _PID_REST_BYTES if tag == etf.PID else 9
        elif tag == etf.BIG_PORT:
            number = -1 - int.from_bytes(data[stop : stop + 8], "big")
            stop += 12
        else:
            number = -1 - _UINT32.unpack_from(data, stop)[0]
            stop += 8 if tag == etf.PORT else 5
        if number < -PID_MAX:
            raise RecordError(f"port number {-1 - number}", f"at most {PID_MAX - 1}", DAMAGED)
        return number, stop

    def _pid_number(self, low: int, high: int) -> int:
        number = low + (high << SERIAL_SHIFT)
        if number > PID_MAX:
            raise RecordError(f"process number {number}", f"at most {PID_MAX}", DAMAGED)
        return number

    def _receiver(self, data: bytes, at: int, end: int) -> tuple[int, int]:
        """Who a message went to; MISSING for a name, as the name says not who had it."""
        if data[at] in (etf.PID, etf.OLD_PID, etf.PORT, etf.OLD_PORT, etf.BIG_PORT):
            return self._pid(data, at, is_own=False)
        return MISSING, etf.skip(data, at, end)

    def _mfa(self, data: bytes, at: int, end: int) -> tuple[int, int]:
        """Number of the function in `{M, F, A}`, or of a port's callback; -1 for 0, an unknown one."""
        if data[at] == etf.SMALL_TUPLE and data[at + 1] == 3:
            stop = etf.skip_atom(data, etf.skip_atom(data, at + 2)) + 2
            stop = stop if data[stop - 2] == etf.SMALL_INTEGER else etf.skip(data, at, end)
        else:
            stop = etf.skip(data, at, end)
        known = self._mfas.get(data[at:stop])
        if known is None:
            if len(self._mfas) >= NAMES_MAX:
                raise RecordError(f"more than {NAMES_MAX} functions", "those of one program")
            known = self._mfas[data[at:stop]] = self._new_mfa(data, at)
        return known, stop

    def _new_mfa(self, data: bytes, at: int) -> int:
        if data[at] != etf.SMALL_TUPLE:
            if data[at] in (etf.SMALL_INTEGER, etf.NIL):
                return -1
            text, _ = etf.atom_text(data, at)
        elif data[at + 1] == 3:
            module, place = etf.atom_text(data, at + 2)
            function, place = etf.atom_text(data, place)
            text = f"{module}:{function}/{etf.read_integer(data, place)[0]}"
        else:
            raise RecordError(f"a function given by {data[at + 1]} elements", "{Module, Function, Arity}")
        return self._number(text)

    def _spawned(self, data: bytes, at: int, end: int) -> tuple[int, int]:
        """Number of the function in `{M, F, Arguments}`; -1 if it is given in another way."""
        stop = etf.skip(data, at, end)
        if data[at] != etf.SMALL_TUPLE or data[at + 1] != 3:
            return -1, stop
        module, place = etf.atom_text(data, at + 2)
        function, place = etf.atom_text(data, place)
        arity = 0
        if data[place] == etf.LIST:
            arity = _UINT32.unpack_from(data, place + 1)[0]
        elif data[place] == etf.STRING:
            arity = data[place + 1] << 8 | data[place + 2]
        return self._number(f"{module}:{function}/{arity}"), stop

    def _number(self, text: str) -> int:
        number = self._numbers.get(text)
        if number is None:
            if len(self.names) >= NAMES_MAX:
                raise RecordError(f"more than {NAMES_MAX} functions", "those of one program")
            number = self._numbers[text] = len(self.names)
            self.names.append(text)
        return number

    def _time(self, data: bytes, at: int, end: int) -> int:
        if data[at] == etf.SMALL_BIG and data[at + 1] == 8 and end == at + 11:
            size: int = _BIG.unpack_from(data, at + 3)[0]  # what a monotonic time nearly always is
            t_ns, clock = (-size if data[at + 2] else size), "monotonic"
        else:
            t_ns, clock, stop = _other_time(data, at)
            if stop != end:
                raise RecordError(f"{end - stop} bytes after the timestamp", "the timestamp last")
        if clock != self.clock:
            if self.clock:
                allowed = f"one form of timestamp throughout ({self.clock})"
                raise RecordError(f"a timestamp of another form ({clock})", allowed, RECORD_COMMANDS)
            self.clock = clock
        if not -TIME_ABS_MAX_NS < t_ns < TIME_ABS_MAX_NS:
            raise RecordError(f"the time {t_ns} ns", "below 146 years", DAMAGED)
        return t_ns


def _other_time(data: bytes, at: int) -> tuple[int, str, int]:
    if data[at] != etf.SMALL_TUPLE:
        t_ns, stop = etf.read_integer(data, at)
        return t_ns, "monotonic", stop
    if data[at + 1] == 2:
        t_ns, stop = etf.read_integer(data, at + 2)
        return t_ns, "strict monotonic", etf.read_integer(data, stop)[1]
    if data[at + 1] != 3:
        raise etf.TermError(at, f"a tuple of {data[at + 1]} in place of a timestamp")
    mega, at = etf.read_integer(data, at + 2)
    second, at = etf.read_integer(data, at)
    micro, at = etf.read_integer(data, at)
    return ((mega * 1_000_000 + second) * 1_000_000 + micro) * 1000, "wall clock", at


def _heap_words(data: bytes, at: int) -> tuple[int, int]:
    """Words in use in the young and old heap, from `[{heap_size, Words}, ..]`."""
    total = 0
    if data[at] == etf.NIL:
        return 0, at + 1
    if data[at] != etf.LIST:
        raise etf.TermError(at, f"tag {data[at]} in place of a list")
    count = _UINT32.unpack_from(data, at + 1)[0]
    at += 5
    for _ in range(count):
        if data[at] != etf.SMALL_TUPLE or data[at + 1] != 2:
            raise etf.TermError(at, "something else than {Key, Words}")
        stop = etf.skip_atom(data, at + 2)
        if data[at + 2 : stop] in _HEAP_KEYS:
            value, at = etf.read_integer(data, stop)
            total += value
        elif data[stop] == etf.INTEGER:
            at = stop + 5
        elif data[stop] == etf.SMALL_INTEGER:
            at = stop + 2
        else:
            _, at = etf.read_integer(data, stop)
    return total, etf.skip(data, at, len(data))


def _without(data: bytes, at: int, end: int, what: str) -> RecordError:
    return RecordError(f"a record without {what}: {_shown(data, at, end)}", "both in each", RECORD_COMMANDS)


def _foreign(data: bytes, at: int, end: int) -> RecordError:
    allowed = "{trace_ts, Pid, ..} or {profile, ..}, as the VM writes them"
    return RecordError(f"a record that is {_shown(data, at, end)}", allowed, RECORD_COMMANDS)


def _shown(data: bytes, at: int, end: int) -> str:
    """A few words on a term that is not wanted."""
    if data[at] == etf.VERSION_BYTE and data[at + 1] == etf.COMPRESSED:
        return "a compressed term"
    if end - at > 2000:
        return f"a term of {end - at} bytes"
    try:
        return repr(etf.decode(data[at:end]))[:120]
    except etf.TermError as error:
        return str(error)
