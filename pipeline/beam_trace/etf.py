"""Read Erlang's external term format, as `term_to_binary` and trace files hold it, within bounds.

Our own, because the readers on PyPI build whole terms and trust their input. erlang_py 2.0.7 (MIT, 2023), the
newest, inflates compressed terms whole before it looks at their size, ends in a RecursionError for nested
ones, and takes 24 us for an average trace record where this takes 5 to 10 with all that `dbg_events` does;
earl-etf (2017) and erlport (2010) are older still. A recording holds ten million records of which five values
each are wanted, so the hot functions here (`skip`, `read_atom`, ..) build nothing: they say where the next
term begins. Compiled code would be faster, but belongs in sim (see tests/tidy), and minutes will do.

Every length is checked against the bytes that are left before it is used, nothing recurses without a limit,
no atom is interned, compressed terms are refused. Format: erts, "External Term Format".
"""

import struct
from typing import NamedTuple

VERSION_BYTE = 131
DEPTH_MAX = 64
"""Nesting that `decode` builds; `skip` needs no limit, since it only counts."""

SMALL_INTEGER, INTEGER, SMALL_BIG, LARGE_BIG = 97, 98, 110, 111
NEW_FLOAT, OLD_FLOAT = 70, 99
ATOM_LATIN1, SMALL_ATOM_LATIN1, ATOM_UTF8, SMALL_ATOM_UTF8 = 100, 115, 118, 119
SMALL_TUPLE, LARGE_TUPLE, NIL, STRING, LIST, MAP = 104, 105, 106, 107, 108, 116
BINARY, BIT_BINARY = 109, 77
OLD_PID, PID, OLD_PORT, PORT, BIG_PORT = 103, 88, 102, 89, 120
OLD_REFERENCE, NEW_REFERENCE, REFERENCE = 101, 114, 90
FUN, EXPORT = 112, 113
COMPRESSED = 80

_LONG_ATOMS = (ATOM_LATIN1, ATOM_UTF8)
_SHORT_ATOMS = (SMALL_ATOM_LATIN1, SMALL_ATOM_UTF8)
_FIXED_BYTES = {SMALL_INTEGER: 2, INTEGER: 5, NEW_FLOAT: 9, OLD_FLOAT: 32, NIL: 1}
_LENGTH_32 = {BINARY: 5, BIT_BINARY: 6, LARGE_BIG: 6}
_AFTER_NODE_BYTES = {OLD_PID: 9, PID: 12, OLD_PORT: 5, PORT: 8, BIG_PORT: 12, OLD_REFERENCE: 5}
_AFTER_LONG_NODE_BYTES = {NEW_REFERENCE: 1, REFERENCE: 4}

_INT32 = struct.Struct(">i")
_UINT32 = struct.Struct(">I")
_UINT64 = struct.Struct(">Q")
_DOUBLE = struct.Struct(">d")


class TermError(ValueError):
    """The bytes are not a term, or one beyond the bounds; `at` is the place."""

    def __init__(self, at: int, found: str) -> None:
        self.at, self.found = at, found
        super().__init__(f"{found} at byte {at}")


class Atom(str):
    """An atom, as text."""

    __slots__ = ()


class Identifier(NamedTuple):
    """A pid or port."""

    is_port: bool
    node: str
    number: int
    serial: int  # of a pid; 0 for a port


class Opaque(NamedTuple):
    """A reference or fun: known by its bytes only."""

    tag: int
    content: bytes


class Improper(NamedTuple):
    """A list that ends in something else than []."""

    items: tuple[object, ...]
    tail: object


class Map(NamedTuple):
    """A map as pairs in the order of the file; keys need not be hashable."""

    pairs: tuple[tuple[object, object], ...]


def skip(data: bytes, at: int, end: int) -> int:
    """Place after the term that begins at `at`, without building it.

    Raises / Status
    ---------------
    TermError if it is no term or does not end by `end`; IndexError or struct.error at the end of `data`

    Complexity and determinism
    --------------------------
    O(parts of the term) time, O(1) memory: nested terms are counted, not entered.
    """
    due = 1
    while due:
        tag = data[at]
        due -= 1
        if tag in _FIXED_BYTES:
            at += _FIXED_BYTES[tag]
        elif tag in _LONG_ATOMS or tag == STRING:
            at += 3 + (data[at + 1] << 8 | data[at + 2])
        elif tag in _SHORT_ATOMS:
            at += 2 + data[at + 1]
        elif tag == SMALL_TUPLE:
            due += data[at + 1]
            at += 2
        elif tag == SMALL_BIG:
            at += 3 + data[at + 1]
        elif tag in _LENGTH_32:
            at += _LENGTH_32[tag] + _UINT32.unpack_from(data, at + 1)[0]
        elif tag in _AFTER_NODE_BYTES:
            at = skip_atom(data, at + 1) + _AFTER_NODE_BYTES[tag]
        elif tag in _AFTER_LONG_NODE_BYTES:
            words = data[at + 1] << 8 | data[at + 2]
            at = skip_atom(data, at + 3) + _AFTER_LONG_NODE_BYTES[tag] + 4 * words
        else:
            due, at = _skip_large(data, at, due)
        # Each term takes a byte at least: counts that no file can hold end here.
        if at + due > end:
            raise TermError(at, f"a term (tag {tag}) beyond the end of its record")
    return at


def _skip_large(data: bytes, at: int, due: int) -> tuple[int, int]:
    tag = data[at]
    if tag == EXPORT:
        return due + 3, at + 1
    if tag not in (LIST, LARGE_TUPLE, MAP, FUN):
        raise TermError(at, tag_text(tag))
    size: int = _UINT32.unpack_from(data, at + 1)[0]
    if tag == FUN:
        if size < 4:
            raise TermError(at, f"a fun of {size} bytes")
        return due, at + 1 + size  # the size counts itself
    if tag == LIST:
        return due + size + 1, at + 5
    return due + (2 * size if tag == MAP else size), at + 5


def tag_text(tag: int) -> str:
    """Words for a tag that cannot be read."""
    return "a compressed term" if tag == COMPRESSED else f"the unknown tag {tag}"


def skip_atom(data: bytes, at: int) -> int:
    """Place after an atom."""
    tag = data[at]
    if tag in _SHORT_ATOMS:
        return at + 2 + data[at + 1]
    if tag in _LONG_ATOMS:
        return at + 3 + (data[at + 1] << 8 | data[at + 2])
    raise TermError(at, f"tag {tag} in place of an atom")


def read_atom(data: bytes, at: int) -> tuple[bytes, int]:
    """Bytes of an atom's name, as they stand, and the place after it."""
    stop = skip_atom(data, at)
    return data[at + 2 + (data[at] in _LONG_ATOMS) : stop], stop


def atom_text(data: bytes, at: int) -> tuple[str, int]:
    """Name of an atom, and the place after it."""
    name, stop = read_atom(data, at)
    coding = "utf-8" if data[at] in (ATOM_UTF8, SMALL_ATOM_UTF8) else "latin-1"
    try:
        return name.decode(coding), stop
    except UnicodeDecodeError as error:
        raise TermError(at, "an atom that is not UTF-8") from error


def read_integer(data: bytes, at: int) -> tuple[int, int]:
    """Value of an integer of up to 255 bytes, and the place after it."""
    tag = data[at]
    if tag == SMALL_INTEGER:
        return data[at + 1], at + 2
    if tag == INTEGER:
        return _INT32.unpack_from(data, at + 1)[0], at + 5
    if tag == SMALL_BIG:
        stop = at + 3 + data[at + 1]
        size = int.from_bytes(data[at + 3 : stop], "little")
        return (-size if data[at + 2] else size), stop
    raise TermError(at, f"tag {tag} in place of an integer")


def read_identifier(data: bytes, at: int) -> tuple[Identifier, int]:
    """A pid or port, and the place after it."""
    tag = data[at]
    if tag not in (PID, OLD_PID, PORT, OLD_PORT, BIG_PORT):
        raise TermError(at, f"tag {tag} in place of a pid or port")
    node, stop = atom_text(data, at + 1)
    if tag in (PID, OLD_PID):
        number, serial = _UINT32.unpack_from(data, stop)[0], _UINT32.unpack_from(data, stop + 4)[0]
        return Identifier(False, node, number, serial), stop + _AFTER_NODE_BYTES[tag]
    wide = _UINT64 if tag == BIG_PORT else _UINT32
    return Identifier(True, node, wide.unpack_from(data, stop)[0], 0), stop + _AFTER_NODE_BYTES[tag]


def decode(data: bytes) -> object:
    """Build a whole term, with its version byte.

    Returns
    -------
    int, float, bytes, Atom, tuple, list, Improper, Map, Identifier, Opaque; a STRING is a list of
    ints, as Erlang sees it; a bit string is Opaque

    Raises / Status
    ---------------
    TermError for anything that is not exactly one term within the bounds
    """
    try:
        if data[0] != VERSION_BYTE:
            raise TermError(0, f"the first byte {data[0]}")
        stop = skip(data, 1, len(data))
        if stop != len(data):
            raise TermError(stop, f"{len(data) - stop} bytes after the term")
        return _build(data, 1, 0)[0]
    except (IndexError, struct.error) as error:
        raise TermError(len(data), "a term that is cut off") from error


def _build(data: bytes, at: int, depth: int) -> tuple[object, int]:
    tag = data[at]
    if tag in (SMALL_INTEGER, INTEGER, SMALL_BIG):
        return read_integer(data, at)
    if tag in _LONG_ATOMS or tag in _SHORT_ATOMS:
        name, stop = atom_text(data, at)
        return Atom(name), stop
    if tag in (PID, OLD_PID, PORT, OLD_PORT, BIG_PORT):
        return read_identifier(data, at)
    if tag in (SMALL_TUPLE, LARGE_TUPLE, LIST, MAP):
        return _build_container(data, at, depth)
    stop = skip(data, at, len(data))
    if tag == NIL:
        return [], stop
    if tag == STRING:
        return list(data[at + 3 : stop]), stop
    if tag == BINARY:
        return data[at + 5 : stop], stop
    if tag == NEW_FLOAT:
        return _DOUBLE.unpack_from(data, at + 1)[0], stop
    if tag == LARGE_BIG:
        size = int.from_bytes(data[at + 6 : stop], "little")
        return (-size if data[at + 5] else size), stop
    return Opaque(tag, data[at:stop]), stop


def _build_container(data: bytes, at: int, depth: int) -> tuple[object, int]:
    if depth >= DEPTH_MAX:
        raise TermError(at, f"a term nested more than {DEPTH_MAX} deep")
    tag = data[at]
    if tag == SMALL_TUPLE:
        count, at = data[at + 1], at + 2
    else:
        count, at = _UINT32.unpack_from(data, at + 1)[0], at + 5
    items = []
    for _ in range(2 * count if tag == MAP else count):
        item, at = _build(data, at, depth + 1)
        items.append(item)
    if tag == MAP:
        return Map(tuple(zip(items[::2], items[1::2], strict=True))), at
    if tag != LIST:
        return tuple(items), at
    tail, at = _build(data, at, depth + 1)
    return (items if tail == [] else Improper(tuple(items), tail)), at
