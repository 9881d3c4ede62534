"""Cut files of `dbg:trace_port(file, ...)` into records, a few megabytes at a time.

A record is a byte 0, its size (32 bits, big end first) and a term; or a byte 1 and a count of messages that
the VM dropped (dbg, "trace_port"). A file may be gzipped. A wrap set is several such files, written in turn;
the VM removes the file that it will write next, so a hole in the numbers shows where the set begins.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

from pipeline.beam_trace.errors import require_file
from sim import TraceError

READ_BYTES = 1 << 20
RECORD_BYTES_MAX = 64 << 20
"""A record holds a whole message if messages are traced; memory is this much at most, and some."""

WRAP_FILES_MAX = 1000
GZIP_MAGIC = b"\x1f\x8b"
NOT_A_TRACE = "that of a file written by dbg:trace_port(file, ...), gzipped or not"
RECORD_COMMAND = "make one with `python -m pipeline.trace record`"
RECORD_COMMANDS = (
    'use `python -m pipeline.trace record`, or: P = (dbg:trace_port(file, "run.trace"))(), '
    "erlang:trace(all, true, [running, exiting, procs, garbage_collection, scheduler_id, "
    "monotonic_timestamp, {tracer, P}]), timer:sleep(1000), erlang:trace(all, false, [all]), "
    "erlang:trace_delivered(all), timer:sleep(500), port_close(P)."
)
"""dbg:p/2 refuses the flag scheduler_id, so erlang:trace/3 it is."""


_HEAD = struct.Struct(">BI")
_TERM, _DROPPED = 0, 1

Spans = list[tuple[int, int]]
"""Start and stop of each record's term in a block."""


class DbgFile:
    """The records of a file or wrap set, in the order of writing.

    Attributes
    ----------
    records : whole records handed out so far
    dropped : messages that the VM says it dropped
    bytes_read, bytes_total : of the files as they are on disk
    cut_bytes : bytes after the last whole record of files that end in the middle of one
    """

    def __init__(self, paths: list[Path]) -> None:
        self.paths = [require_file(path, "written by dbg:trace_port(file, ...)") for path in paths]
        self.bytes_total = sum(path.stat().st_size for path in paths)
        self.records = self.dropped = self.bytes_read = self.cut_bytes = 0
        self.path = paths[0]  # the one being read
        self.offset = 0  # of the block handed out last, in its file, after inflating
        self._is_cut = False

    def blocks(self) -> Iterator[tuple[bytes, Spans]]:
        """Each block of bytes, with the records that are whole in it.

        Raises / Status
        ---------------
        TraceError naming the file and the place, for what cannot be a trace file
        """
        for path in self.paths:
            self.path, self.offset, rest = path, 0, b""
            for fresh in self._read(path):
                data = rest + fresh if rest else fresh
                spans, stop = self._cut(data)
                if spans:
                    yield data, spans
                    self.records += len(spans)
                rest = data[stop:]
                self.offset += stop
            if rest or self._is_cut:
                self.cut_bytes += max(len(rest), 1)

    def _cut(self, data: bytes) -> tuple[Spans, int]:
        spans: Spans = []
        at, size = 0, len(data)
        while at + _HEAD.size <= size:
            op, length = _HEAD.unpack_from(data, at)
            if op == _DROPPED:
                self.dropped += length
                at += _HEAD.size
                continue
            stop = at + _HEAD.size + length
            if op != _TERM or not 2 <= length <= RECORD_BYTES_MAX:
                raise self._foreign(data, at, len(spans))
            if stop > size:
                break
            spans.append((at + _HEAD.size, stop))
            at = stop
        if at < size and data[at] not in (_TERM, _DROPPED):
            raise self._foreign(data, at, len(spans))
        return spans, at

    def _foreign(self, data: bytes, at: int, new: int) -> TraceError:
        found = data[at : at + 12]
        if self.offset + at == 0:
            is_parquet = data.startswith(b"PAR1")
            # whoever gave another kind of file is not helped by how to record one in Erlang
            hint = "of a Parquet recording, give the folder" if is_parquet else RECORD_COMMAND
            return TraceError(f"the beginning of {self.path}", found, NOT_A_TRACE, hint)
        where = f"{self.path}, byte {self.offset + at}, after {self.records + new} whole events"
        allowed = f"a record: byte 0, its size (2 to {RECORD_BYTES_MAX}) in 4 bytes, a term"
        return TraceError(where, found, allowed, "the file is damaged here")

    def _read(self, path: Path) -> Iterator[bytes]:
        """Bytes of a file, inflated if need be, in bounded pieces."""
        try:
            with path.open("rb") as file:
                raw = file.read(READ_BYTES)
                inflate = _Inflate() if raw.startswith(GZIP_MAGIC) else None
                while raw:
                    self.bytes_read += len(raw)
                    if inflate is None:
                        yield raw
                    else:
                        yield from inflate.add(raw)
                    raw = file.read(READ_BYTES)
                self._is_cut = inflate is not None and not inflate.is_whole
        except OSError as error:
            raise TraceError(str(path), error.strerror or str(error), "a file that can be read") from error
        except zlib.error as error:
            where = f"{path}, after {self.records} whole events"
            raise TraceError(where, str(error)[:80], "a sound gzip stream", "copy the file again") from error


class _Inflate:
    """Inflates one gzip member after another, never more than READ_BYTES at once."""

    def __init__(self) -> None:
        self._stream = zlib.decompressobj(wbits=31)

    @property
    def is_whole(self) -> bool:
        return self._stream.eof

    def add(self, raw: bytes) -> Iterator[bytes]:
        while raw:
            if self._stream.eof:
                raw = raw.lstrip(b"\0")  # padding between members is allowed
                if not raw:
                    return
                self._stream = zlib.decompressobj(wbits=31)
            yield self._stream.decompress(raw, READ_BYTES)
            raw = self._stream.unused_data if self._stream.eof else self._stream.unconsumed_tail


def wrap_set(path: Path, wanted: str = "auto") -> list[Path]:
    """The files of the wrap set that `path` belongs to, oldest first; `path` alone if it is no set.

    Parameters
    ----------
    path   : one file; the set is those beside it whose names differ in the last number only
    wanted : auto = only if `path` has the set's first number, 0; true = whatever its number; false = never

    Raises / Status
    ---------------
    TraceError if the numbers have more than one hole, or there are too many files
    """
    match = re.fullmatch(r"(.*?)(0|[1-9]\d{0,8})(\D*)", path.name)
    if wanted == "false" or match is None or (wanted == "auto" and match[2] != "0"):
        return [path]
    pattern = re.compile(rf"{re.escape(match[1])}(0|[1-9]\d{{0,8}}){re.escape(match[3])}")
    found = {}
    try:
        siblings = list(path.parent.iterdir())
    except OSError:
        return [path]
    for sibling in siblings:
        if (number := pattern.fullmatch(sibling.name)) and sibling.is_file():
            found[int(number[1])] = sibling
    if len(found) <= 1:
        return [path]
    numbers = sorted(found)
    # Two holes: one where the set begins, one that nothing explains.
    jumps = [i for i in range(1, len(numbers)) if numbers[i] != numbers[i - 1] + 1]
    if len(found) > WRAP_FILES_MAX or len(jumps) > 1 or numbers[0] > 1 or (jumps and numbers[0] == 1):
        where = f"numbers of the wrap set of {path}"
        shown = ", ".join(str(number) for number in numbers[:20])
        allowed = f"0, 1, 2, .. with one hole at most, up to {WRAP_FILES_MAX} files"
        raise TraceError(where, shown, allowed, "a file is missing; wrap=false reads this one alone")
    if jumps and numbers[jumps[0]] != numbers[jumps[0] - 1] + 2:
        raise TraceError(f"numbers of the wrap set of {path}", str(numbers[:20]), "a hole of one number")
    first = jumps[0] if jumps else 0
    return [found[number] for number in numbers[first:] + numbers[:first]]
