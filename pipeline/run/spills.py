"""Spill files (`lanes/.chunks`): results on disk until their part has all of its lanes."""

import hashlib
import io
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipeline.run.files import write_atomic
from pipeline.run.tables import table_bytes


class SpillFiles:
    """The spill files of one run folder.

    folder : Path of the folder where they lie
    """

    def __init__(self, run_folder: Path) -> None:
        self.folder = chunks_folder(run_folder)
        self._run_key = run_folder.name
        self._next = 0

    def paths(self) -> list[Path]:
        """Those that are there, in the order in which they were written."""
        return sorted(self.folder.glob("*.parquet"))

    def read(self, path: Path) -> bytes | None:
        """What an earlier session wrote; None if it is damaged. New files come behind it."""
        data = path.read_bytes()
        if not is_spill(path, data):
            return None
        self._next = max(self._next, int(path.stem.partition("-")[0]) + 1)
        return data

    def write(self, frame: pl.DataFrame) -> Path:
        """Write rows to a new spill file."""
        data = table_bytes(frame)
        path = self.folder / f"{self._next:06d}-{short_digest(self._run_key, data)}.parquet"
        self._next += 1
        write_atomic(path, data)
        return path


def chunks_folder(run_folder: Path) -> Path:
    """Where a run that is not complete keeps its spill files."""
    return run_folder / "lanes" / ".chunks"


def short_digest(run_key: str, data: bytes) -> str:
    """As much of a SHA-256 as it takes to notice damage, and a file of another run."""
    return hashlib.sha256(run_key.encode() + data).hexdigest()[:16]


def is_spill(path: Path, data: bytes) -> bool:
    """Whether a spill file is as the run in whose folder it lies wrote it: its name has the checksum."""
    return path.stem.partition("-")[2] == short_digest(path.parents[2].name, data)


def stored_spills(folder: Path) -> Iterator[pl.DataFrame]:
    """The rows in a run folder's spill files, for reading only; damaged files are left out."""
    for path in sorted(chunks_folder(folder).glob("*.parquet")):
        # Gone when its rows are in a part.
        data = path.read_bytes() if path.exists() else b""
        if is_spill(path, data):
            yield pl.read_parquet(io.BytesIO(data))
