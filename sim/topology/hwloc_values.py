"""Typed, bounded reading of the attributes and texts of an hwloc document."""

import re
from typing import overload

from sim.topology.columns import NODES_MAX
from sim.topology.errors import TopologyError
from sim.topology.hwloc_xml import Element
from sim.topology.quantities import CPU_INDEX_MAX, format_cpu_list

U64_MAX = 2**64 - 1
WORD_BITS = 32
WORDS_MAX = (CPU_INDEX_MAX + 1) // WORD_BITS
WORD = "(?:0x)?[0-9a-fA-F]{0,8}"
# One expression for all words: matching them one by one is ten times slower on wide sets.
WORDS_PATTERN = re.compile(rf"{WORD}(?:,{WORD}){{0,{WORDS_MAX - 1}}}", re.ASCII)
INTEGER_PATTERN = re.compile(r"-?\d{1,20}", re.ASCII)
INFINITE_PREFIX = "0xf...f"


@overload
def read_integer(element: Element, name: str, *, low: int = 0, high: int, default: int) -> int: ...


@overload
def read_integer(element: Element, name: str, *, low: int = 0, high: int) -> int | None: ...


def read_integer(
    element: Element, name: str, *, low: int = 0, high: int, default: int | None = None
) -> int | None:
    """Read an integer attribute.

    Parameters
    ----------
    element   : Element
    name      : str, of the attribute
    low, high : int, the range accepted
    default   : int or None, for a missing attribute

    Returns
    -------
    int, or the default

    Raises
    ------
    TopologyError naming the element, the attribute and the range
    """
    text = element.attributes.get(name)
    if text is None:
        return default
    number = int(text) if INTEGER_PATTERN.fullmatch(text.strip()) else None
    if number is None or not low <= number <= high:
        raise TopologyError(f"{element.where}, {name}", text, f"an integer {low} to {high}")
    return number


def read_bitmap(element: Element, name: str) -> int | None:
    """Read a set of indexes written as hwloc writes bitmaps, such as ``0x00000001,,0xffffffff``.

    Words of 32 bits stand from the highest to the lowest, and an empty word is zero. The
    infinite bitmap (``0xf...f`` in front) becomes a negative integer, which Python's bit
    operators treat as a set without end.

    Parameters
    ----------
    element : Element
    name    : str, of the attribute

    Returns
    -------
    int with one bit for each index, or None if the attribute is missing

    Raises
    ------
    TopologyError on anything else, or on an index above CPU_INDEX_MAX
    """
    text = element.attributes.get(name)
    if text is None:
        return None
    where = f"{element.where}, {name}"
    allowed = f"a bitmap such as 0x00000001,0xffffffff, indexes up to {CPU_INDEX_MAX}"
    is_infinite = text.startswith(INFINITE_PREFIX)
    rest = text[len(INFINITE_PREFIX) :] if is_infinite else text
    if is_infinite and not rest:
        return -1
    if is_infinite and not rest.startswith(","):
        raise TopologyError(where, text, allowed)
    rest = rest[1:] if is_infinite else rest
    if len(rest) > 11 * WORDS_MAX or not WORDS_PATTERN.fullmatch(rest):
        raise TopologyError(where, text, allowed)
    words = rest.replace("0x", "").split(",")
    bits = int("".join([word.rjust(8, "0") for word in words]), 16)
    return bits - (1 << (WORD_BITS * len(words))) if is_infinite else bits


def read_numbers(element: Element, tag: str, count: int) -> list[int]:
    """Read the numbers of all children with one tag, as hwloc splits long lists over several.

    Parameters
    ----------
    element : Element
    tag     : str, of the children: indexes or u64values
    count   : int, numbers expected, at most NODES_MAX squared

    Returns
    -------
    list of int, 0 to 2^64 - 1

    Raises
    ------
    TopologyError if there are more or fewer numbers, or something else
    """
    where = f"{element.where}, {tag}"
    text = " ".join("".join(child.text) for child in element.children if child.tag == tag)
    # The length is checked before splitting, so that a huge list is never built.
    if count > NODES_MAX**2 or len(text) > 32 * (count + 32):
        raise TopologyError(where, f"{len(text)} characters", f"{count} numbers")
    numbers = []
    for part in text.split():
        if not INTEGER_PATTERN.fullmatch(part) or not 0 <= int(part) <= U64_MAX:
            raise TopologyError(where, part, f"integers 0 to {U64_MAX}")
        numbers.append(int(part))
    if len(numbers) != count:
        raise TopologyError(where, f"{len(numbers)} numbers", f"{count} numbers")
    return numbers


def bits_to_indexes(bits: int) -> tuple[int, ...]:
    """List the indexes of a bitmap.

    Parameters
    ----------
    bits : int, >= 0

    Returns
    -------
    tuple of int, increasing
    """
    indexes = []
    # Bytes rather than shifts: a shift of a long integer costs its whole length each time.
    for place, byte in enumerate(bits.to_bytes((bits.bit_length() + 7) // 8, "little")):
        while byte:
            low = byte & -byte
            indexes.append(8 * place + low.bit_length() - 1)
            byte ^= low
    return tuple(indexes)


def format_bits(bits: int) -> str:
    """Write a bitmap as a list such as ``0-3,8``.

    Parameters
    ----------
    bits : int; negative for an infinite set

    Returns
    -------
    str
    """
    return format_cpu_list(bits_to_indexes(bits)) if bits >= 0 else "an infinite set"
