"""The tables of one run folder: lanes in parts of fixed content, and finished work kept through a kill.

A part is a fixed block of consecutive lanes, so its bytes do not depend on who computed which lane
when. Until a part has all of its lanes, what was computed lies in spill files (`lanes/.chunks`).
"""

import contextlib
import hashlib
import io
import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.files import TEMPORARY_SUFFIX, write_atomic
from pipeline.worker import COMPLETED

# Increased by every change of the columns or bytes of the tables that the simulator does not cause.
FORMAT_VERSION = 2
LANES_PER_PART = 4096
KEYS = {"point": pl.Int32, "replicate": pl.Int32, "status": pl.Int32}
COMPLETE = "COMPLETE"
PART_DIGESTS = "parts.json"


def table_bytes(frame: pl.DataFrame) -> bytes:
    """Parquet bytes that depend on the frame's values only: fixed codec, level, and one row group."""
    buffer = io.BytesIO()
    # Several memory chunks would become several pages.
    frame.rechunk().write_parquet(
        buffer,
        compression="zstd",
        compression_level=3,
        statistics=True,
        row_group_size=max(LANES_PER_PART, frame.height),
    )
    return buffer.getvalue()


def lane_frame(
    point: np.ndarray[Any, Any],
    replicate: np.ndarray[Any, Any],
    columns: Mapping[str, np.ndarray[Any, Any]],
) -> pl.DataFrame:
    """A frame of lanes: keys as int32, then the metrics in the order of `columns`, int64 or float64."""
    data: dict[str, pl.Series] = {
        "point": pl.Series(np.asarray(point, np.int32)),
        "replicate": pl.Series(np.asarray(replicate, np.int32)),
        "status": pl.Series(np.asarray(columns["status"], np.int32)),
    }
    for name, values in columns.items():
        if name != "status":
            whole = np.issubdtype(values.dtype, np.integer) or values.dtype == np.bool_
            data[name] = pl.Series(np.asarray(values, np.int64 if whole else np.float64))
    return pl.DataFrame(data)


class RunStore:
    """Lanes of one run folder on disk.

    folder     : Path of the run folder
    lane_count : lanes of the study; lane = point x replicates + replicate
    done       : bool array (lane,), lanes that are stored as results
    damaged    : files that were found damaged and whose lanes are computed again
    """

    def __init__(self, folder: Path, lane_count: int, replicates: int) -> None:
        self.folder, self.lane_count, self.replicates = folder, lane_count, replicates
        self.lanes_folder = folder / "lanes"
        self.chunks_folder = self.lanes_folder / ".chunks"
        self.part_count = -(-lane_count // LANES_PER_PART)
        self.done = np.zeros(lane_count, np.bool_)
        self.damaged: list[str] = []
        self._stored = np.zeros(self.part_count, np.bool_)
        self._rows: dict[int, list[pl.DataFrame]] = {}
        self._spills: dict[Path, set[int]] = {}
        self._schema: dict[str, pl.DataType] | None = None
        self._sequence = 0
        self._part_digests: dict[str, str] = {}

    def part_path(self, part: int) -> Path:
        """Where a part lies."""
        return self.lanes_folder / f"part-{part:05d}.parquet"

    def part_lanes(self, part: int) -> range:
        """The lanes of a part."""
        start = part * LANES_PER_PART
        return range(start, min(start + LANES_PER_PART, self.lane_count))

    # --- resume ---------------------------------------------------------------------------------

    def is_complete(self, run_key: str) -> bool:
        """Whether every table is there with the bytes that the COMPLETE marker states.

        Otherwise the marker and the tables that differ are removed, for `recover` to do the rest.
        """
        marker = self.folder / COMPLETE
        try:
            stated = json.loads(marker.read_text())
            tables: dict[str, str] = stated["tables"]
            right = bool(stated["run_key"] == run_key and stated["lanes"] == self.lane_count)
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError):
            tables, right = {}, False
        for name, digest in tables.items():
            path = self.folder / name
            if not path.is_file():
                right = False
            elif hashlib.sha256(path.read_bytes()).hexdigest() != digest:
                right = False
                self._discard(path)
        if not right:
            marker.unlink(missing_ok=True)
        return right

    def clear(self) -> None:
        """Forget every stored lane (`resume=false`)."""
        (self.folder / COMPLETE).unlink(missing_ok=True)
        if self.lanes_folder.exists():
            shutil.rmtree(self.lanes_folder)

    def recover(self) -> None:
        """Find out what is stored already: finished parts, then spill files of unfinished ones."""
        self.chunks_folder.mkdir(parents=True, exist_ok=True)
        for folder in (self.folder, self.lanes_folder, self.chunks_folder):
            for left in folder.glob(f"*{TEMPORARY_SUFFIX}"):
                left.unlink()
        self._part_digests = self._read_part_digests()
        for part in range(self.part_count):
            if self.part_path(part).exists():
                self._recover_part(part)
        for path in sorted(self.chunks_folder.glob("*.parquet")):
            self._recover_spill(path)
        self._write_full_parts()

    def _recover_part(self, part: int) -> None:
        path = self.part_path(part)
        data = path.read_bytes()
        stated = self._part_digests.get(path.name)
        frame = self._read(data) if stated in (None, short_digest(data)) else None
        lanes = self._lanes(frame) if frame is not None else np.zeros(0, np.int64)
        expected = self.part_lanes(part)
        if frame is None or not np.array_equal(lanes, np.arange(expected.start, expected.stop)):
            self._discard(path)
            return
        good = frame.filter(pl.col("status") == COMPLETED)
        self._learn_schema(good)
        self.done[self._lanes(good)] = True
        if good.height == len(expected):
            self._stored[part] = True
        elif good.height:
            # Its failed lanes are tried again; until then the file stays as it is.
            self._rows[part] = [good]

    def _recover_spill(self, path: Path) -> None:
        data = path.read_bytes()
        digest = path.stem.partition("-")[2]
        frame = self._read(data) if digest == short_digest(data) else None
        if frame is None:
            self._discard(path)
            return
        self._sequence = max(self._sequence, int(path.stem.partition("-")[0]) + 1)
        self._spills[path] = self._accept(frame)

    def _read(self, data: bytes) -> pl.DataFrame | None:
        """The frame of a stored file; None if it is truncated, damaged or of other lanes."""
        try:
            frame = pl.read_parquet(io.BytesIO(data))
        except (pl.exceptions.PolarsError, OSError):
            return None
        if any(frame.schema.get(name) != dtype for name, dtype in KEYS.items()):
            return None
        lanes = self._lanes(frame)
        inside = bool(((lanes >= 0) & (lanes < self.lane_count)).all())
        return frame if inside and np.unique(lanes).size == lanes.size else None

    def _read_part_digests(self) -> dict[str, str]:
        try:
            found = json.loads((self.chunks_folder / PART_DIGESTS).read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _discard(self, path: Path) -> None:
        self.damaged.append(str(path.relative_to(self.folder)))
        path.unlink()

    # --- growth ---------------------------------------------------------------------------------

    def add(self, frame: pl.DataFrame) -> None:
        """Keep the rows of completed lanes: durable when this returns, in a part as soon as it is full.

        Raises
        ------
        UserError if the disk is full or the folder not writable; what was stored before stays.
        """
        assert bool((frame["status"] == COMPLETED).all()), "only completed lanes are results"
        lanes = self._lanes(frame)
        frame = frame.filter(pl.Series(~self.done[lanes]))
        if frame.height == 0:
            return
        self._learn_schema(frame)
        data = table_bytes(frame)
        path = self.chunks_folder / f"{self._sequence:06d}-{short_digest(data)}.parquet"
        self._sequence += 1
        write_atomic(path, data)
        self._spills[path] = self._accept(frame)
        self._write_full_parts()

    def _accept(self, frame: pl.DataFrame) -> set[int]:
        """Book completed rows that are new; gives the unfinished parts that they belong to."""
        lanes = self._lanes(frame)
        fresh = ~self.done[lanes]
        frame, lanes = frame.filter(pl.Series(fresh)), lanes[fresh]
        if frame.height == 0:
            return set()
        self._learn_schema(frame)
        self.done[lanes] = True
        parts = lanes // LANES_PER_PART
        touched = {int(part) for part in np.unique(parts)}
        for part in touched:
            self._rows.setdefault(part, []).append(frame.filter(pl.Series(parts == part)))
        return touched

    def _write_full_parts(self) -> None:
        for part in sorted(self._rows):
            lanes = self.part_lanes(part)
            if self.done[lanes.start : lanes.stop].all():
                self._write_part(part, self._rows[part])
                del self._rows[part]
                self._stored[part] = True
        self._remove_spills()

    def _write_part(self, part: int, frames: Iterable[pl.DataFrame]) -> None:
        frame = pl.concat(frames, how="vertical").sort("point", "replicate")
        assert frame.height == len(self.part_lanes(part)), "a part has one row a lane"
        data, path = table_bytes(frame), self.part_path(part)
        # Parquet has no checksum of its own that a reader would check.
        self._part_digests[path.name] = short_digest(data)
        digests = json.dumps(self._part_digests, indent=1, sort_keys=True)
        write_atomic(self.chunks_folder / PART_DIGESTS, digests.encode())
        write_atomic(path, data)

    def _remove_spills(self) -> None:
        for path, parts in list(self._spills.items()):
            if all(self._stored[part] for part in parts):
                path.unlink(missing_ok=True)
                del self._spills[path]

    def _lanes(self, frame: pl.DataFrame) -> np.ndarray[Any, Any]:
        points = frame["point"].to_numpy().astype(np.int64)
        lanes: np.ndarray[Any, Any] = points * self.replicates + frame["replicate"].to_numpy()
        return lanes

    def _learn_schema(self, frame: pl.DataFrame) -> None:
        schema = dict(frame.schema)
        if frame.height and self._schema is None:
            self._schema = schema
        if frame.height and list(schema.items()) != list((self._schema or {}).items()):
            differ = sorted({name for name, _ in set(schema.items()) ^ set((self._schema or {}).items())})
            raise ValueError(f"lanes of one study have different columns: {', '.join(differ)}")

    # --- the end --------------------------------------------------------------------------------

    def finish(self, run_key: str, failed: Mapping[int, int]) -> bool:
        """Write the parts that failed lanes kept open, and the COMPLETE marker if there is no failure.

        Parameters
        ----------
        failed : lane -> status of the lanes that are not results; their metrics are null

        Returns
        -------
        bool, whether the run is complete.
        """
        missing = {int(lane) for lane in np.flatnonzero(~self.done)}
        assert missing == set(failed), "every lane is either a result or a failure"
        for part in np.flatnonzero(~self._stored):
            rows = self._failed_rows({k: v for k, v in failed.items() if k in self.part_lanes(int(part))})
            self._write_part(int(part), [*self._rows.get(int(part), []), rows])
        for path in self._spills:
            path.unlink(missing_ok=True)
        self._spills.clear()
        if failed:
            return False
        shutil.rmtree(self.chunks_folder)
        for path in self.lanes_folder.glob("part-*.parquet"):
            with contextlib.suppress(ValueError):
                if int(path.stem.partition("-")[2]) >= self.part_count:
                    path.unlink()
        marker = {
            "format": FORMAT_VERSION,
            "run_key": run_key,
            "lanes": self.lane_count,
            "tables": self.digests(),
        }
        write_atomic(self.folder / COMPLETE, (json.dumps(marker, indent=1) + "\n").encode())
        return True

    def _failed_rows(self, failed: Mapping[int, int]) -> pl.DataFrame:
        lanes = np.array(sorted(failed), np.int64)
        frame = lane_frame(
            lanes // self.replicates,
            lanes % self.replicates,
            {"status": np.array([failed[int(lane)] for lane in lanes], np.int32)},
        )
        schema: dict[str, Any] = self._schema or dict(KEYS)
        nulls = [pl.lit(None, dtype=d).alias(n) for n, d in schema.items() if n not in KEYS]
        return frame.with_columns(nulls).select(list(schema))

    def digests(self) -> dict[str, str]:
        """SHA-256 of each table of this stage, by name relative to the run folder."""
        paths = [self.folder / "points.parquet", *(self.part_path(p) for p in range(self.part_count))]
        return {
            path.relative_to(self.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in paths
        }


def short_digest(data: bytes) -> str:
    """As much of a SHA-256 as it takes to notice damage."""
    return hashlib.sha256(data).hexdigest()[:16]
