"""The answer so far of a run that was stopped: tables, front and report in its folder `partial/`.

Nothing of it lies where a finished run has its own, and the next session that finishes the run removes it.
"""

import contextlib
import json
import os
import shutil
from pathlib import Path

import polars as pl

from pipeline.errors import UserError
from pipeline.evidence.analyse import Analysis, analyse
from pipeline.evidence.partial import FOLDER, KEY
from pipeline.run.checksums import COMPLETE
from pipeline.run.manifest import write_json
from pipeline.run.spills import chunks_folder, stored_spills
from pipeline.run.tables import table_bytes
from pipeline.run.worker import COMPLETED

HEAD = ("config.yaml", "points.parquet")
# Only some designs have it.
DESIGN = "design.parquet"
# Behind every part, whose numbers have five digits.
SPILLED = "part-rest.parquet"


def is_unfinished(folder: Path) -> bool:
    """Whether a sweep was stopped in this run folder, or is at work there."""
    is_done = (folder / COMPLETE).is_file() or (folder / "failures.json").is_file()
    return chunks_folder(folder).is_dir() and not is_done


def partial_report(folder: Path, lanes: int | None = None, *, draw: bool = True) -> Analysis | None:
    """Analyse the lanes that an unfinished run has stored so far; None if there are none.

    Parameters
    ----------
    lanes : lanes of the whole run; None = as its manifest says

    Raises
    ------
    UserError if the folder's head cannot be read, or the disk is full
    """
    found = partial_folder(folder, lanes)
    return None if found is None else analyse(found, draw=draw)


def partial_folder(folder: Path, lanes: int | None = None) -> Path | None:
    """The lanes so far of an unfinished run as a run folder of their own, marked; None if there are none.

    Raises
    ------
    UserError if the head of the run cannot be read
    """
    target = folder / FOLDER
    shutil.rmtree(target, ignore_errors=True)
    if not gather_lanes(folder, target / "lanes"):
        shutil.rmtree(target, ignore_errors=True)
        return None
    try:
        manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        for name in (*HEAD, *filter(lambda name: (folder / name).is_file(), [DESIGN])):
            shutil.copyfile(folder / name, target / name)
    except (OSError, ValueError) as error:
        hint = "the sweep's own command writes it anew, and goes on"
        raise UserError(f"{folder}: the head of this run cannot be read ({error})", hint) from error
    manifest[KEY] = {"lanes": stored_lanes(target), "of": lanes or manifest.get("lanes", 0)}
    write_json(target / "manifest.json", manifest)
    return target


def reportable(folder: Path, *, for_record: bool = False) -> Path:
    """The run folder itself, or that of the lanes so far if its run is not finished.

    Raises
    ------
    UserError if nothing is stored yet, or if a run that is to be recorded is not finished
    """
    if not is_unfinished(folder):
        return folder
    hint = "the command in its manifest.json goes on with it"
    if for_record:
        raise UserError(f"{folder}: this sweep is not finished, so it is not recorded", hint)
    found = partial_folder(folder)
    if found is None:
        raise UserError(f"{folder}: this sweep has stored no lane yet", hint)
    return found


def gather_lanes(folder: Path, target: Path) -> bool:
    """Link a run's parts into `target`, beside one with what is in no part yet; False if there is nothing."""
    target.mkdir(parents=True, exist_ok=True)
    parts = sorted((folder / "lanes").glob("part-*.parquet"))
    for path in parts:
        # A sweep at work may put a part in another's place meanwhile.
        with contextlib.suppress(FileNotFoundError):
            link_or_copy(path, target / path.name)
    frames = list(stored_spills(folder))
    if frames:
        rows = pl.concat(frames).unique(["point", "replicate"], keep="first").sort("point", "replicate")
        (target / SPILLED).write_bytes(table_bytes(rows))
    return bool(parts or frames)


def link_or_copy(source: Path, target: Path) -> None:
    """A second name for a file, or a copy where the file system has no such thing."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def stored_lanes(folder: Path) -> int:
    """Lanes that are stored as results."""
    lanes = pl.scan_parquet(folder / "lanes" / "part-*.parquet").filter(pl.col("status") == COMPLETED)
    return int(lanes.select(pl.struct("point", "replicate").n_unique()).collect().item())
