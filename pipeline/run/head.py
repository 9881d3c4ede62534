"""The head of a run folder: is what lies there the configuration that the run key stands for?

The files are stated with their checksums in the manifest, so that an edit by hand is told from a
file that another release wrote. One that cannot be read is damaged, and is written anew.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from pipeline.errors import UserError, shorten

CONFIG, POINTS, MANIFEST = "config.yaml", "points.parquet", "manifest.json"
STATED = "head"
# What a run key stands for; the rest of a configuration says where a study runs and how it is shown.
FIXING = (
    "seed", "replicates", "simulation", "topology", "workload", "policy", "cost", "binding", "faults",
    "baseline",
)  # fmt: skip
FACTS = ("run_key", "source_digest", "seed", "replicates", "lanes", "points", "axes")
SHOWN = 5
NOTHING = "nothing"


class ChangedRunError(UserError):
    """A run folder holds another configuration than its run key stands for."""


def head_digests(folder: Path) -> dict[str, str]:
    """SHA-256 of the head's files, for the manifest to state."""
    return {name: file_digest(folder / name) for name in (CONFIG, POINTS)}


def file_digest(path: Path) -> str:
    """SHA-256 of a small file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


@dataclass(frozen=True)
class Head:
    """What the head of a run folder should be.

    run_key  : the run key
    settings : the configuration, as config.yaml has it
    points   : points.parquet
    facts    : gives what the manifest says
    """

    run_key: str
    settings: Mapping[str, Any]
    points: pl.DataFrame
    facts: Callable[[], Mapping[str, Any]]


def check_head(folder: Path, head: Head, *, may_grow: bool = False) -> list[str]:
    """Hold the head of a run folder against this study's.

    Parameters
    ----------
    may_grow : whether the folder may have more points, or fewer, than are known by now

    Returns
    -------
    names of files that are missing or cannot be read, if there is any of them

    Raises
    ------
    ChangedRunError with the differences, if the folder is of another run or was changed by hand
    """
    missing = [name for name in (MANIFEST, CONFIG, POINTS) if not (folder / name).is_file()]
    if len(missing) == len((MANIFEST, CONFIG, POINTS)):
        return []
    manifest = read_json(folder / MANIFEST)
    bad = [] if manifest is not None or MANIFEST in missing else [MANIFEST]
    manifest = manifest or {}
    if manifest.get("run_key", head.run_key) != head.run_key:
        refuse(folder / MANIFEST, "is of another run", list(fact_differences(manifest, head.facts())))
    stated = manifest.get(STATED)
    known = stated if isinstance(stated, Mapping) else {}
    for name in (CONFIG, POINTS):
        path = folder / name
        if not path.is_file() or known.get(name) == file_digest(path):
            continue
        if name == CONFIG:
            differences = changed_settings(path, head.settings)
        else:
            differences = changed_points(path, head.points, may_grow=may_grow)
        if differences is None:
            bad.append(name)
        elif differences:
            refuse(path, "was changed after this run began", differences)
    return [*missing, *bad]


def refuse(path: Path, what: str, differences: list[str]) -> None:
    """Raise ChangedRunError with the first differences."""
    shown = "".join(f"\n    {line}" for line in differences[:SHOWN])
    rest = len(differences) - SHOWN
    more = f"\n    ... and {rest} more" if rest > 0 else ""
    raise ChangedRunError(
        f"{path} {what}. There, and in this command:{shown}{more}",
        f"A run folder holds what its key {path.parent.name} stands for. Give a change on the command line, "
        f"which makes a folder of its own; to go on with this run, put {path.name} back or delete it.",
    )


def read_json(path: Path) -> dict[str, Any] | None:
    """A JSON object in a file; None if it is missing or something else."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    return found if isinstance(found, dict) else None


def fact_differences(there: Mapping[str, Any], here: Mapping[str, Any]) -> Iterator[str]:
    """Lines on the facts of two manifests that differ."""
    for name in FACTS:
        if name in there and there[name] != here.get(name):
            yield line_of(name, there[name], here.get(name))


def changed_settings(path: Path, settings: Mapping[str, Any]) -> list[str] | None:
    """Lines on the settings of a config.yaml that fix a result and differ; None if it is not one."""
    try:
        text = path.read_text(encoding="utf-8")
        found = yaml.safe_load(text)
    except (yaml.YAMLError, UnicodeDecodeError):
        return None
    # Cut off in the middle of a line, which YAML may take for a whole document: "none" becomes "no", false.
    if not isinstance(found, dict) or (not text.endswith("\n") and settings.keys() - found.keys()):
        return None
    # Through YAML and back, as tuples come back as lists.
    given = yaml.safe_load(yaml.safe_dump(dict(settings)))
    if any(
        isinstance(given[key], dict) != isinstance(found.get(key), dict) for key in FIXING if key in given
    ):
        # Cut off: nobody edits like that.
        return None
    there, here = ({key: part.get(key) for key in FIXING} for part in (found, given))
    return list(tree_differences(there, here, ""))


def tree_differences(there: Any, here: Any, key: str) -> Iterator[str]:
    """Lines on the leaves of two nested values that differ."""
    if isinstance(there, dict) and isinstance(here, dict):
        for name in dict.fromkeys([*there, *here]):
            inner = f"{key}.{name}" if key else str(name)
            yield from tree_differences(there.get(name), here.get(name), inner)
    elif there != here and not (is_nan(there) and is_nan(here)):
        yield line_of(key, there, here)


def is_nan(value: Any) -> bool:
    """Whether a value is the number that is not equal to itself."""
    return isinstance(value, float) and value != value


def changed_points(path: Path, points: pl.DataFrame, *, may_grow: bool) -> list[str] | None:
    """Lines on the cells of a points.parquet that differ; None if it cannot be read.

    A column that only one of both has is no difference: a later release may write more of them.
    """
    try:
        found = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError):
        return None
    if may_grow:
        common = min(found.height, points.height)
        found, points = found.head(common), points.head(common)
    if found.height != points.height:
        return [line_of("points", found.height, points.height)]
    lines = []
    for name in (name for name in points.columns if name in found.columns):
        pairs = zip(found[name].to_list(), points[name].to_list(), strict=True)
        lines += [
            line_of(f"point {number}, {name}", there, here)
            for number, (there, here) in enumerate(pairs)
            if there != here and not (is_nan(there) and is_nan(here))
        ]
    return lines


def line_of(name: str, there: Any, here: Any) -> str:
    """One difference in words."""
    return f"{name}: {shown(there)}, and {shown(here)}"


def shown(value: Any) -> str:
    """A value as a message shows it."""
    return NOTHING if value is None else shorten(value)
