"""The tables of one run folder: lanes in parts of fixed content, and finished work kept through a kill.

Lanes are asked for in rounds: all of them in the one round of a plain design, some in each round of an
adaptive one. A part is a fixed block of lanes that are neighbours in their round, so its bytes do not
depend on who computed which lane when. Until a part has all of its lanes, what was computed lies in spill
files (`lanes/.chunks`).
"""

import contextlib
import io
import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.run.checksums import COMPLETE, file_digest
from pipeline.run.files import remove_temporaries, write_atomic
from pipeline.run.part_digests import PartDigests
from pipeline.run.spills import SpillFiles
from pipeline.run.tables import FORMAT_VERSION, KEYS, LANES_PER_PART, lane_frame, table_bytes
from pipeline.run.worker import COMPLETED

Lanes = np.ndarray[Any, Any]


class RunStore:
    """Lanes of one run folder on disk.

    folder     : Path of the run folder
    lane_count : lanes of a study that asks for all of them at once; None = `ask` says which, round by round.
                 lane = point x replicates + replicate
    asked      : bool array (lane,), lanes that belong to the run
    done       : bool array (lane,), lanes that are stored as results
    stated_lanes : lanes of the run as the COMPLETE marker says, once `is_complete` has looked
    finished_tables : SHA-256 of the tables, once `finish` has completed the run
    damaged    : files that were found damaged and whose lanes are computed again
    """

    def __init__(self, folder: Path, lane_count: int | None, replicates: int) -> None:
        self.folder, self.lane_count, self.replicates = folder, lane_count, replicates
        self.lanes_folder = folder / "lanes"
        self.asked = np.zeros(0, np.bool_)
        self.done = np.zeros(0, np.bool_)
        self.stated_lanes = 0
        self.damaged: list[str] = []
        # Lanes of each part, and the part of each lane (-1 = not asked for).
        self._parts: list[Lanes] = []
        self._part_of = np.zeros(0, np.int64)
        self._stored: list[bool] = []
        self._rows: dict[int, list[pl.DataFrame]] = {}
        self._spill_files = SpillFiles(folder)
        # The parts that have rows of a spill file.
        self._spill_parts: dict[Path, set[int]] = {}
        # Rows that were stored for lanes which no round has asked for yet.
        self._early: dict[Path, pl.DataFrame] = {}
        self._schema: dict[str, pl.DataType] | None = None
        self._part_digests = PartDigests(folder)
        self._stated: dict[str, str] = {}
        self.finished_tables: dict[str, str] = {}
        self._is_recovered = False
        if lane_count is not None:
            self._lay_out(np.arange(lane_count))

    @property
    def part_count(self) -> int:
        """Parts of all rounds so far."""
        return len(self._parts)

    def part_path(self, part: int) -> Path:
        """Where a part lies."""
        return self.lanes_folder / f"part-{part:05d}.parquet"

    def _lay_out(self, lanes: Lanes) -> list[int]:
        """Make room for a round's lanes; gives the numbers of its parts."""
        first = self.part_count
        blocks = [lanes[i : i + LANES_PER_PART] for i in range(0, lanes.size, LANES_PER_PART)]
        self._parts += blocks
        self._stored += [False] * len(blocks)
        more = max(0, int(lanes[-1]) + 1 - self.asked.size) if lanes.size else 0
        self.asked = np.append(self.asked, np.zeros(more, np.bool_))
        self.done = np.append(self.done, np.zeros(more, np.bool_))
        self._part_of = np.append(self._part_of, np.full(more, -1))
        self.asked[lanes] = True
        self._part_of[lanes] = first + np.arange(lanes.size) // LANES_PER_PART
        return list(range(first, self.part_count))

    def ask(self, lanes: Lanes) -> None:
        """Add a round: its lanes, ascending and not asked for before; what is stored of them is found."""
        assert self.lane_count is None, "a plain study asks for all of its lanes at once"
        assert not self.asked[lanes[lanes < self.asked.size]].any(), "a lane belongs to one round"
        parts = self._lay_out(lanes)
        if self._is_recovered:
            self._recover_parts(parts)

    # --- resume ---------------------------------------------------------------------------------

    def is_complete(self, run_key: str) -> bool:
        """Whether every table is there with the bytes that the COMPLETE marker states.

        Otherwise the marker and the tables that differ are removed, for `recover` to do the rest.
        """
        marker = self.folder / COMPLETE
        try:
            stated = json.loads(marker.read_text())
            tables = dict(stated["tables"])
            self.stated_lanes = int(stated["lanes"])
            right = bool(stated["run_key"] == run_key and self.lane_count in (None, self.stated_lanes))
        except FileNotFoundError:
            return False
        except (OSError, ValueError, KeyError, TypeError):
            right = False
        if not right:
            # Of another run, or damaged: nothing that it says of the tables can be believed.
            self.damaged.append(COMPLETE)
            marker.unlink(missing_ok=True)
            return False
        for name, digest in tables.items():
            path = self.folder / name
            if not path.is_file():
                right = False
            elif file_digest(path) != digest:
                right = False
                self._discard(path)
        self._stated = tables
        if right:
            # A session that was killed at its very end left them.
            shutil.rmtree(self._spill_files.folder, ignore_errors=True)
        else:
            self._part_digests.believe(tables)
            marker.unlink(missing_ok=True)
        return right

    def clear(self) -> None:
        """Forget every stored lane (`resume=false`)."""
        for name in (COMPLETE, "failures.json"):
            (self.folder / name).unlink(missing_ok=True)
        if self.lanes_folder.exists():
            shutil.rmtree(self.lanes_folder)

    def recover(self, tables: Mapping[str, str] | None = None) -> None:
        """Find out what is stored already: finished parts, then spill files of unfinished ones.

        A part that nothing vouches for is computed again: it may be of another run.

        Parameters
        ----------
        tables : SHA-256 of tables as stated elsewhere than in the COMPLETE marker
        """
        self._spill_files.folder.mkdir(parents=True, exist_ok=True)
        remove_temporaries(self.folder)
        self._part_digests.load()
        self._part_digests.believe(self._stated or tables or {})
        for path in self._spill_files.paths():
            self._recover_spill(path)
        self._is_recovered = True
        self._recover_parts(range(self.part_count))

    def _recover_parts(self, parts: Iterable[int]) -> None:
        for part in parts:
            if self.part_path(part).exists():
                self._recover_part(part)
        for path, frame in list(self._early.items()):
            self._early.pop(path)
            self._accept(frame, path)
        self._write_full_parts()

    def _recover_part(self, part: int) -> None:
        path = self.part_path(part)
        data = path.read_bytes()
        frame = self._read(data) if self._part_digests.hold(path, data) else None
        lanes = self._lanes(frame) if frame is not None else np.zeros(0, np.int64)
        if frame is not None and self.lane_count is None and not np.array_equal(lanes, self._parts[part]):
            # Not damaged: a lane that failed then has a result now, and the rounds after it are others.
            self._keep_early(path, frame)
            return
        if frame is None or not np.array_equal(lanes, self._parts[part]):
            self._discard(path)
            return
        good = frame.filter(pl.col("status") == COMPLETED)
        self._learn_schema(good)
        self.done[self._lanes(good)] = True
        if good.height == lanes.size:
            self._stored[part] = True
        elif good.height:
            # Its failed lanes are tried again; until then the file stays as it is.
            self._rows[part] = [good]

    def _keep_early(self, path: Path, frame: pl.DataFrame) -> None:
        """Put the results of a part of other lanes into a spill file."""
        good = frame.filter(pl.col("status") == COMPLETED)
        if good.height:
            self._early[self._spill_files.write(good)] = good
        path.unlink()

    def _recover_spill(self, path: Path) -> None:
        data = self._spill_files.read(path)
        frame = None if data is None else self._read(data)
        if frame is None:
            self._discard(path)
            return
        self._early[path] = frame

    def _read(self, data: bytes) -> pl.DataFrame | None:
        """The frame of a stored file; None if it is truncated, damaged or of other lanes."""
        try:
            frame = pl.read_parquet(io.BytesIO(data))
        except (pl.exceptions.PolarsError, OSError):
            return None
        if any(frame.schema.get(name) != dtype for name, dtype in KEYS.items()):
            return None
        lanes = self._lanes(frame)
        inside = bool((lanes >= 0).all() and (frame["replicate"] < self.replicates).all())
        inside = inside and (self.lane_count is None or bool((lanes < self.lane_count).all()))
        return frame if inside and np.unique(lanes).size == lanes.size else None

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
        self._accept(frame, self._spill_files.write(frame))
        self._write_full_parts()

    def _accept(self, frame: pl.DataFrame, path: Path) -> None:
        """Book completed rows of a spill file that are new; those not asked for yet wait in it."""
        lanes = self._lanes(frame)
        known = lanes < self.asked.size
        known[known] = self.asked[lanes[known]]
        if not known.all():
            self._early[path] = frame.filter(pl.Series(~known))
            frame, lanes = frame.filter(pl.Series(known)), lanes[known]
        fresh = ~self.done[lanes]
        frame, lanes = frame.filter(pl.Series(fresh)), lanes[fresh]
        touched = self._spill_parts.setdefault(path, set())
        if frame.height == 0:
            return
        self._learn_schema(frame)
        self.done[lanes] = True
        parts = self._part_of[lanes]
        for part in np.unique(parts).tolist():
            touched.add(part)
            self._rows.setdefault(part, []).append(frame.filter(pl.Series(parts == part)))

    def _write_full_parts(self) -> None:
        for part in sorted(self._rows):
            if self.done[self._parts[part]].all():
                self._write_part(part, self._rows[part])
                del self._rows[part]
                self._stored[part] = True
        self._remove_spills()

    def _write_part(self, part: int, frames: Iterable[pl.DataFrame]) -> None:
        frame = pl.concat(frames, how="vertical").sort("point", "replicate")
        assert frame.height == self._parts[part].size, "a part has one row a lane"
        data, path = table_bytes(frame), self.part_path(part)
        self._part_digests.state(path, data)
        write_atomic(path, data)

    def _remove_spills(self) -> None:
        for path, parts in list(self._spill_parts.items()):
            if path not in self._early and all(self._stored[part] for part in parts):
                path.unlink(missing_ok=True)
                del self._spill_parts[path]

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

    def results(self, lanes: Lanes, names: Sequence[str]) -> pl.DataFrame:
        """Some columns of lanes that are stored, beside point and replicate; others have no row."""
        columns = ["point", "replicate", *names]
        frames = []
        for part in np.unique(self._part_of[lanes]).tolist():
            if self._stored[part]:
                frames.append(pl.read_parquet(self.part_path(part), columns=columns))
            else:
                frames += [frame.select(columns) for frame in self._rows.get(part, [])]
        keep = [frame.filter(pl.Series(np.isin(self._lanes(frame), lanes))) for frame in frames]
        return pl.concat(keep).sort("point", "replicate") if keep else pl.DataFrame(schema=columns)

    # --- the end --------------------------------------------------------------------------------

    def finish(self, run_key: str, failed: Mapping[int, int], beside: Sequence[str] = ()) -> bool:
        """Write the parts that failed lanes kept open, and the COMPLETE marker if there is no failure.

        Parameters
        ----------
        failed : lane -> status of the lanes that are not results; their metrics are null
        beside : further tables of the run folder, which the marker states as well

        Returns
        -------
        bool, whether the run is complete.
        """
        missing = {int(lane) for lane in np.flatnonzero(self.asked & ~self.done)}
        assert missing == set(failed), "every lane is either a result or a failure"
        for part in (number for number, is_stored in enumerate(self._stored) if not is_stored):
            rows = self._failed_rows({k: v for k, v in failed.items() if self._part_of[k] == part})
            self._write_part(part, [*self._rows.get(part, []), rows])
        for path in self._spill_parts:
            path.unlink(missing_ok=True)
        self._spill_parts.clear()
        self._remove_parts_behind()
        if failed:
            return False
        self.finished_tables = self.digests(beside)
        marker = {
            "format": FORMAT_VERSION,
            "run_key": run_key,
            "lanes": int(self.asked.sum()),
            "tables": self.finished_tables,
        }
        write_atomic(self.folder / COMPLETE, (json.dumps(marker, indent=1) + "\n").encode())
        # Last, as until then they vouch for the parts.
        shutil.rmtree(self._spill_files.folder)
        return True

    def _remove_parts_behind(self) -> None:
        """Remove parts that an earlier session had and this one has not."""
        for path in self.lanes_folder.glob("part-*.parquet"):
            with contextlib.suppress(ValueError):
                if int(path.stem.partition("-")[2]) >= self.part_count:
                    path.unlink()

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

    def digests(self, beside: Sequence[str] = ()) -> dict[str, str]:
        """SHA-256 of each table of this stage, by name relative to the run folder."""
        names = ("points.parquet", *beside)
        paths = [*(self.folder / name for name in names), *map(self.part_path, range(self.part_count))]
        return {path.relative_to(self.folder).as_posix(): file_digest(path) for path in paths}
