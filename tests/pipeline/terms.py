"""Writes external terms and trace files, from the format's description and not from our reader."""

import gzip
import struct
from collections.abc import Iterable
from pathlib import Path

NODE = "nonode@nohost"
NIL = b"\x6a"


def atom(name: str, form: int = 119) -> bytes:
    """An atom; form 100 and 115 are Latin-1, 118 and 119 UTF-8, 115 and 119 short."""
    text = name.encode("latin-1" if form in (100, 115) else "utf-8")
    return bytes([form]) + struct.pack(">B" if form in (115, 119) else ">H", len(text)) + text


def integer(value: int) -> bytes:
    if 0 <= value < 256:
        return bytes([97, value])
    if -(1 << 31) <= value < 1 << 31:
        return b"\x62" + struct.pack(">i", value)
    size = abs(value).to_bytes((abs(value).bit_length() + 7) // 8, "little")
    return bytes([110, len(size), value < 0]) + size


def seq(*items: bytes, tail: bytes = NIL) -> bytes:
    return b"\x6c" + struct.pack(">I", len(items)) + b"".join(items) + tail if items else NIL


def tup(*items: bytes) -> bytes:
    return bytes([104, len(items)]) + b"".join(items)


def pid(number: int, node: str = NODE) -> bytes:
    return b"\x58" + atom(node, 100) + struct.pack(">III", number & 32767, number >> 15, 0)


def port(number: int, tag: int = 89) -> bytes:
    return bytes([tag]) + atom(NODE, 100) + struct.pack(">QI" if tag == 120 else ">II", number, 0)


def mfa(text: str) -> bytes:
    module, _, rest = text.partition(":")
    function, _, arity = rest.partition("/")
    return tup(atom(module, 100), atom(function, 100), integer(int(arity)))


def record(*items: bytes) -> bytes:
    term = b"\x83" + tup(*items)
    return struct.pack(">BI", 0, len(term)) + term


def raw(term: bytes) -> bytes:
    """A record of any bytes."""
    return struct.pack(">BI", 0, len(term)) + term


def event(t_ns: int, tag: str, who: int, scheduler: int, *arguments: bytes) -> bytes:
    """One event as the VM writes it with the flags scheduler_id and monotonic_timestamp."""
    return record(atom("trace_ts"), pid(who), atom(tag), *arguments, integer(scheduler), integer(t_ns))


def sliced(
    start_ns: int, stop_ns: int, who: int, scheduler: int, where: str = "gen_server:loop/7"
) -> list[bytes]:
    """The in and out of a slice."""
    return [
        event(start_ns, "in", who, scheduler, mfa(where)),
        event(stop_ns, "out", who, scheduler, mfa(where)),
    ]


def write(path: Path, records: Iterable[bytes], *, zipped: bool = False) -> Path:
    data = b"".join(records)
    path.write_bytes(gzip.compress(data) if zipped else data)
    return path
