"""The finished sweeps below a folder of results, and one of them opened for reading.

Nothing is written: a run that was never analysed is analysed in memory.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from pipeline.errors import UserError, did_you_mean
from pipeline.evidence.aggregate import RunTables, read_run, summarise
from pipeline.evidence.recommend import mark_front
from pipeline.evidence.rerun import command_line, rerun_of
from pipeline.evidence.setting import setting_text
from pipeline.run.checksums import COMPLETE

NEEDED = ("pareto", "recommended", "rank", "front_probability")


@dataclass(frozen=True)
class FinishedRun:
    """A finished sweep as its manifest tells it; the tables are read when they are asked for."""

    folder: Path
    manifest: Mapping[str, Any]

    @property
    def study(self) -> str:
        """The study's name."""
        return str(self.manifest.get("study") or self.folder.parent.name)

    @property
    def key(self) -> str:
        """The run key."""
        return self.folder.name

    @property
    def points(self) -> int:
        """The number of points."""
        return int(self.manifest.get("points") or 0)

    @property
    def replicates(self) -> int:
        """Lanes a point."""
        return int(self.manifest.get("replicates") or 0)

    @cached_property
    def finished(self) -> datetime:
        """When its last table was written."""
        return datetime.fromtimestamp((self.folder / COMPLETE).stat().st_mtime).astimezone()

    @cached_property
    def recommended(self) -> list[str]:
        """The recommended settings in words, a study cell each; none if the run was not analysed yet."""
        path = self.folder / "summary.parquet"
        try:
            run, rows = read_run(self.folder), pl.read_parquet(path)
            chosen = rows.filter(pl.col("recommended"))
            return [setting_text(run, row, unlimited=False) for row in chosen.iter_rows(named=True)]
        except (OSError, UserError, pl.exceptions.PolarsError, KeyError, ValueError):
            return []


def finished_runs(outputs: Path) -> list[FinishedRun]:
    """The finished sweeps below `outputs`, newest first; folders that cannot be read are left out."""
    found = []
    for marker in outputs.glob(f"*/*/{COMPLETE}"):
        try:
            manifest = json.loads((marker.parent / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        if isinstance(manifest, dict):
            found.append(FinishedRun(marker.parent, manifest))
    return sorted(found, key=lambda run: (run.finished, run.key), reverse=True)


def pick_run(text: str, outputs: Path) -> Path:
    """The folder that a person means: a run folder, a run key or its beginning, or a study's newest run.

    Raises
    ------
    UserError if there is none, or the beginning of a key fits several
    """
    path = Path(text).expanduser()
    if (path / "points.parquet").is_file():
        return path
    runs = finished_runs(outputs)
    known = list(dict.fromkeys(run.study for run in runs))
    if not runs:
        raise UserError(f"{outputs}: no finished sweep in it", "run one first, or name a folder: outputs=...")
    named = [
        run for run in runs if text in (run.study, "latest") or run.folder.parent.resolve() == path.resolve()
    ]
    if named:
        return named[0].folder
    keyed = [run for run in runs if run.key.startswith(text)]
    if len(keyed) == 1:
        return keyed[0].folder
    if keyed:
        names = ", ".join(f"{run.study}/{run.key}" for run in keyed)
        raise UserError(f"{text}: more than one run key begins so", f"these do: {names}")
    hint = did_you_mean(text, known) or f"studies in {outputs}: {', '.join(known)}"
    raise UserError(f"{text}: neither a run folder, nor a study or a run key in {outputs}", hint)


@dataclass(frozen=True)
class OpenRun:
    """A run's tables, and its summary with the columns of the front."""

    tables: RunTables
    summary: pl.DataFrame

    def settings(self) -> list[str]:
        """What tells the points apart: cells first, then what the sweep varied."""
        keys = dict.fromkeys([*self.tables.cell_keys, "policy", *self.tables.axes])
        return [key for key in keys if key in self.summary.columns and self.summary[key].n_unique() > 1]

    def command(self, row: Mapping[str, Any]) -> str:
        """The command line that runs a point again, as a shell takes it."""
        return command_line(("python", "-m", "pipeline.simulate", *rerun_of(self.tables, row)))


def open_run(folder: Path) -> OpenRun:
    """Open a run folder.

    Raises
    ------
    UserError naming what is missing or damaged
    """
    try:
        tables = read_run(folder)
        path = folder / "summary.parquet"
        summary = pl.read_parquet(path) if path.is_file() else pl.DataFrame()
        if any(name not in summary.columns for name in NEEDED):
            summary, _ = mark_front(tables, summarise(tables))
    except (pl.exceptions.PolarsError, yaml.YAMLError, ValueError, OSError) as error:
        reason = " ".join(str(error).split())[:200]
        hint = "the same sweep command checks every table by its checksum, and computes what is damaged anew"
        raise UserError(f"{folder}: a table of this run cannot be read ({reason})", hint) from error
    return OpenRun(tables, summary)
