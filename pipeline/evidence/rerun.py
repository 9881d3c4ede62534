"""The command that runs one point of a finished study again."""

import dataclasses
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import sim
from pipeline.config.groupfile import SUFFIXES, file_name
from pipeline.evidence.aggregate import RunTables, is_policy_key
from pipeline.plain import plain

PLACES = (
    "cluster",
    "tracking",
    "outputs",
    "output",
    "resume",
    "study",
    "sweep",
    "objective",
    "front",
    "debug",
)


def overrides_of(run: RunTables, row: Mapping[str, Any]) -> list[str]:
    """Overrides that lead to a point: what the whole study fixes, the three groups, then every
    swept number that the point has."""
    keys = [k for k in ("topology", "workload", "policy") if row.get(k) is not None]
    keys += [axis for axis in run.axes if axis not in keys and has_value(axis, row[axis])]
    own = [f"{key}={as_given(run, key, plain(row[key]))}" for key in keys]
    return [*(word for word in study_words(run) if word.partition("=")[0] not in keys), *own]


def rerun_of(run: RunTables, row: Mapping[str, Any]) -> list[str]:
    """Words that run a point once: its overrides, or the whole study and the point's number.

    The number is needed where the point lacks an axis that others have: without a value the axis would
    stay one.
    """
    labels = ("topology", "workload", "policy")
    if all(axis in labels or has_value(axis, row[axis]) for axis in run.axes):
        return overrides_of(run, row)
    aside = {*PLACES} - {"sweep"}
    words = [word for word in command_words(run) if word_key(word).split(".")[0] not in aside]
    return [*words, f"point={row['point']}"]


def command_line(words: Sequence[str]) -> str:
    """Words as one line that a shell takes apart into the same words."""
    return " ".join(shlex.quote(word) for word in words)


def command_words(run: RunTables) -> list[str]:
    """The words of the study's command that set something."""
    command = run.manifest.get("command")
    return [str(w) for w in command if "=" in str(w)] if isinstance(command, list) else []


def as_given(run: RunTables, key: str, name: str) -> str:
    """A group's member as the study's command named it: tables show the name that a file is stored under."""
    for word in command_words(run):
        for value in word.partition("=")[2].split(",") if word_key(word) == key else ():
            if Path(value).suffix in SUFFIXES and file_name(key, Path(value)) == name:
                return value
    return name


def word_key(word: str) -> str:
    """The key that a word of a command line sets."""
    return word.partition("=")[0].lstrip("+~")


def study_words(run: RunTables) -> list[str]:
    """The words of the study's command that fix something for all points, places left out."""
    words = command_words(run)
    named = [word_key(word) for word in words]
    kept = [
        word for word, key in zip(words, named, strict=True)
        if key.split(".")[0] not in PLACES and key not in run.axes
    ]  # fmt: skip
    # Without a word on what to sweep, the default study ran.
    if not {"experiment", "sweep", *run.axes} & {*named, *(k.split(".")[0] for k in named)}:
        kept.insert(0, "experiment=default")
    return kept


def has_value(key: str, value: Any) -> bool:
    """Whether a point has this setting: null is a value only where it means "no limit"."""
    if value is not None or not is_policy_key(key):
        return value is not None
    field = policy_field(key.split(".")[1:])
    return field is not None and (bool(field.metadata.get("optional")) or "None" in str(field.type))


def policy_field(path: Sequence[str]) -> "dataclasses.Field[Any] | None":
    """The specification's field at a path below the policy; None if there is none."""
    spec: Any = sim.Policy
    field = None
    for name in path:
        fields = {f.name: f for f in dataclasses.fields(spec)} if spec is not None else {}
        field = fields.get(name)
        if field is None:
            return None
        factory = field.default_factory
        spec = factory if dataclasses.is_dataclass(factory) else None
    return field
