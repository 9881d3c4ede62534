"""Write and read replay traces: one Parquet file, four columns, notes in its metadata."""

import os
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from pipeline.beam_trace.errors import require_file, unreadable
from sim import ROW_COUNT_MAX, ReplayOp, ReplayTrace, TraceError

FORMAT = "coreshift-replay"
VERSION = "1"
VERSION_WITH_PACE = "2"
"""Files with PACE rows say so, that a reader from before them refuses the file by its version."""

NOTE_LENGTH_MAX = 1000
NOTE_COUNT_MAX = 100
IMPORT_AGAIN = "import the recording again"

_COLUMNS = {"process": pa.int32(), "op": pa.int8(), "value": pa.int64(), "peer": pa.int32()}
_ENCODINGS = {
    "process": "DELTA_BINARY_PACKED",
    "op": "PLAIN",
    "value": "BYTE_STREAM_SPLIT",
    "peer": "BYTE_STREAM_SPLIT",
}
"""Chosen by size on mixed-s2; all are in the Parquet 2 standard and read by polars and pyarrow."""

_WRITER = {
    "compression": "zstd",
    "compression_level": 19,
    "use_dictionary": False,
    "column_encoding": _ENCODINGS,
    "write_statistics": False,
    "store_schema": False,  # the Parquet types say it all, and pyarrow's version stays out
}

_NUMBERS = ("window_ns", "ns_per_reduction", "schedulers", "busy_ns")


def write_replay(trace: ReplayTrace, path: str | Path, notes: dict[str, str] | None = None) -> None:
    """Write a trace; the same trace and notes give the same bytes.

    The file appears under its name only once it is complete.
    """
    path = Path(path)
    version = VERSION_WITH_PACE if (trace.op == ReplayOp.PACE).any() else VERSION
    header = {"format": FORMAT, "version": version, "name": trace.name, "digest": trace.digest()}
    header |= {field: repr(getattr(trace, field)) for field in _NUMBERS}
    clash = sorted(header.keys() & (notes or {}).keys())
    assert not clash, f"notes may not replace {clash}"
    metadata = header | dict(sorted((notes or {}).items()))
    schema = pa.schema([pa.field(n, kind, nullable=False) for n, kind in _COLUMNS.items()])
    table = pa.table({name: getattr(trace, name) for name in _COLUMNS}).cast(schema)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        with pq.ParquetWriter(partial, schema, **_WRITER) as writer:
            writer.write_table(table)
            writer.add_key_value_metadata(metadata)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def read_replay(path: str | Path) -> ReplayTrace:
    """Read a trace and check all of it: format, columns, every rule of ReplayTrace, the digest.

    Raises / Status
    ---------------
    TraceError naming the file, what was found and what is allowed
    """
    path = Path(path)
    table, metadata = _open(path, with_rows=True)
    assert table is not None
    try:
        trace = ReplayTrace(
            name=_text(path, metadata, "name"),
            process=table["process"].to_numpy(),
            op=table["op"].to_numpy(),
            value=table["value"].to_numpy(),
            peer=table["peer"].to_numpy(),
            window_ns=_int(path, metadata, "window_ns"),
            ns_per_reduction=_float(path, metadata, "ns_per_reduction"),
            schedulers=_int(path, metadata, "schedulers"),
            busy_ns=_int(path, metadata, "busy_ns"),
        )
    except TraceError as error:
        where = error.where if str(path) in error.where else f"{path}: {error.where}"
        raise TraceError(where, error.value, error.allowed, error.hint or IMPORT_AGAIN) from error
    if metadata.get("digest", "") != trace.digest():
        found = metadata.get("digest")
        raise TraceError(f"{path}: digest", found, f"{trace.digest()}", IMPORT_AGAIN)
    return trace


def read_notes(path: str | Path) -> dict[str, str]:
    """Read everything a replay file says about itself, without its rows."""
    return _open(Path(path), with_rows=False)[1]


def _open(path: Path, *, with_rows: bool) -> tuple[pa.Table | None, dict[str, str]]:
    require_file(path, "a replay trace")
    try:
        with pq.ParquetFile(path) as file:
            metadata = _metadata(path, file.metadata.metadata or {})
            _check_layout(path, file)
            table = file.read() if with_rows else None
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise unreadable(path, error, "Parquet") from error
    if table is not None and any(column.null_count for column in table.columns):
        raise TraceError(f"{path}: columns", "null values", "without nulls", IMPORT_AGAIN)
    return table, metadata


def _metadata(path: Path, raw: dict[bytes, bytes]) -> dict[str, str]:
    if len(raw) > NOTE_COUNT_MAX:
        raise TraceError(f"{path}: metadata entries", len(raw), f"at most {NOTE_COUNT_MAX}")
    metadata = {}
    for key, value in raw.items():
        if len(key) > NOTE_LENGTH_MAX or len(value) > NOTE_LENGTH_MAX:
            where = f"{path}: length of metadata {key[:40]!r}"
            raise TraceError(where, max(len(key), len(value)), f"at most {NOTE_LENGTH_MAX} bytes")
        try:
            metadata[key.decode()] = value.decode()
        except UnicodeDecodeError as error:
            raise TraceError(f"{path}: metadata {key[:40]!r}", value[:40], "UTF-8") from error
    if metadata.get("format") != FORMAT:
        hint = "import a recording with pipeline.trace to get one"
        raise TraceError(f"{path}: format", metadata.get("format"), f"{FORMAT!r}", hint)
    if metadata.get("version") not in (VERSION, VERSION_WITH_PACE):
        allowed = f"{VERSION!r} or {VERSION_WITH_PACE!r}"
        raise TraceError(f"{path}: version", metadata.get("version"), allowed, IMPORT_AGAIN)
    return metadata


def _check_layout(path: Path, file: pq.ParquetFile) -> None:
    rows = file.metadata.num_rows
    if not 1 <= rows <= ROW_COUNT_MAX:
        raise TraceError(f"{path}: number of rows", rows, f"from 1 to {ROW_COUNT_MAX}")
    found = {field.name: field.type for field in file.schema_arrow}
    if found != _COLUMNS or len(file.schema_arrow) != len(_COLUMNS):
        shown = ", ".join(f"{name} {kind}" for name, kind in found.items())
        allowed = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        raise TraceError(f"{path}: columns", shown, allowed, IMPORT_AGAIN)


def _text(path: Path, metadata: dict[str, str], field: str) -> str:
    if field not in metadata:
        raise TraceError(f"{path}: metadata {field}", "missing", "present", IMPORT_AGAIN)
    return metadata[field]


def _int(path: Path, metadata: dict[str, str], field: str) -> int:
    text = _text(path, metadata, field)
    try:
        return int(text)
    except ValueError as error:
        raise TraceError(f"{path}: metadata {field}", text[:40], "a whole number") from error


def _float(path: Path, metadata: dict[str, str], field: str) -> float:
    text = _text(path, metadata, field)
    try:
        return float(text)
    except ValueError as error:
        raise TraceError(f"{path}: metadata {field}", text[:40], "a number") from error
