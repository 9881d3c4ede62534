"""Turn anything that can be wrong with a recording's files into one TraceError."""

from pathlib import Path

from sim import TraceError

FILE_BYTES_MAX = 4 << 30
RECORD_AGAIN = "record or copy the trace again"


def require_file(path: Path, what: str) -> Path:
    """Return `path` if it is a regular file of a sane size; else say which file is wanted."""
    if not path.is_file():
        found = "missing" if not path.exists() else "not a regular file"
        raise TraceError(str(path), found, f"a file: {what}", "check the path")
    size = path.stat().st_size
    if not 0 < size <= FILE_BYTES_MAX:
        hint = RECORD_AGAIN if size else f"the file is empty: {RECORD_AGAIN}"
        raise TraceError(f"size of {path} in bytes", size, f"1 to {FILE_BYTES_MAX}", hint)
    return path


def unreadable(path: Path, error: Exception, what: str) -> TraceError:
    """Wrap a reader's own exception: its first line says what the reader met."""
    lines = str(error).strip().splitlines()
    reason = lines[0][:120] if lines else type(error).__name__
    return TraceError(str(path), reason, f"readable as {what}", "it may be cut off or not Parquet")
