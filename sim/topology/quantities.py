"""Small readers of the quantities that descriptions, XML files and sysfs are written in."""

import re
from collections.abc import Iterable

from sim.topology.errors import TopologyError

BYTES_MAX = 1 << 60
SIZE_UNITS = {"": 1, "B": 1, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30, "TiB": 1 << 40}
SIZE_PATTERN = re.compile(r"\s*(\d{1,18}(?:\.\d{1,9})?)\s*([A-Za-z]*)\s*", re.ASCII)
CPU_LIST_LENGTH_MAX = 65536
CPU_INDEX_MAX = 8191


def read_size(value: object, where: str) -> int:
    """Read a size in bytes, written as an integer or as a number with a binary unit.

    Parameters
    ----------
    value : int >= 0, or str such as ``512 KiB`` (units B, KiB, MiB, GiB, TiB)
    where : str, the dotted key for the error message

    Returns
    -------
    int, bytes, 0 to 2^60

    Raises
    ------
    TopologyError on any other type, unit or range, or on a fraction of a byte
    """
    allowed = "an integer number of bytes, or a string such as '32 KiB', '1.25 MiB', '128 GiB'"
    if isinstance(value, bool) or not isinstance(value, (int, str)):
        raise TopologyError(where, value, allowed)
    if isinstance(value, int):
        size_bytes = value
    else:
        match = SIZE_PATTERN.fullmatch(value)
        if match is None or match[2] not in SIZE_UNITS:
            raise TopologyError(where, value, allowed, "units are KiB, MiB, GiB and TiB")
        size = float(match[1]) * SIZE_UNITS[match[2]]
        if size != int(size):
            raise TopologyError(where, value, allowed, "this is not a whole number of bytes")
        size_bytes = int(size) if "." in match[1] else int(match[1]) * SIZE_UNITS[match[2]]
    if not 0 <= size_bytes <= BYTES_MAX:
        raise TopologyError(where, value, f"0 to {BYTES_MAX} bytes")
    return size_bytes


def format_size(size_bytes: int) -> int | str:
    """Write a size in the largest binary unit that divides it.

    Parameters
    ----------
    size_bytes : int, bytes, >= 0

    Returns
    -------
    str such as ``32 MiB``, or the int itself if no unit divides it; ``read_size`` undoes it
    """
    for unit in ("TiB", "GiB", "MiB", "KiB"):
        if size_bytes and size_bytes % SIZE_UNITS[unit] == 0:
            return f"{size_bytes // SIZE_UNITS[unit]} {unit}"
    return size_bytes


def read_cpu_list(text: str, where: str, index_max: int = CPU_INDEX_MAX) -> tuple[int, ...]:
    """Read a list of indexes as Linux writes it, such as ``0-3,8``, in increasing order.

    Parameters
    ----------
    text      : str, may be empty
    where     : str, the element for the error message
    index_max : int, largest index accepted

    Returns
    -------
    tuple of int, increasing, without repeats

    Raises
    ------
    TopologyError on anything else than numbers and increasing ranges up to index_max
    """
    allowed = f"a list such as 0-3,8 of indexes from 0 to {index_max}"
    if not isinstance(text, str) or len(text) > CPU_LIST_LENGTH_MAX:
        raise TopologyError(where, text, allowed)
    indexes: list[int] = []
    for part in text.strip().split(",") if text.strip() else ():
        match = re.fullmatch(r"\s*(\d{1,9})(?:-(\d{1,9}))?\s*", part, re.ASCII)
        first = int(match[1]) if match else -1
        last = int(match[2] or match[1]) if match else -1
        if match is None or not first <= last <= index_max:
            raise TopologyError(where, text, allowed, f"{part!r} is not such an index or range")
        # Increasing order is what Linux writes, and it bounds the work by index_max.
        if indexes and first <= indexes[-1]:
            raise TopologyError(where, text, allowed, f"{part!r} is out of order")
        indexes.extend(range(first, last + 1))
    return tuple(indexes)


def format_cpu_list(indexes: Iterable[int]) -> str:
    """Write indexes as Linux does, such as ``0-3,8``.

    Parameters
    ----------
    indexes : iterable of int, >= 0, any order

    Returns
    -------
    str; ``read_cpu_list`` undoes it
    """
    ranges: list[list[int]] = []
    for index in sorted(indexes):
        if ranges and index == ranges[-1][1] + 1:
            ranges[-1][1] = index
        else:
            ranges.append([index, index])
    return ",".join(str(a) if a == b else f"{a}-{b}" for a, b in ranges)
