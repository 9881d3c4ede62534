"""Another question put to a finished sweep, by words of `pipeline.report`: front, constraint, objective."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from pipeline.config.axes import axis_of, parse_overrides
from pipeline.config.constraint_words import constraint_texts, expand_constraints, is_constraint
from pipeline.config.schema_errors import config_error
from pipeline.config.schema_front import Front, Objective
from pipeline.errors import NO_VALUE, ConfigError
from pipeline.evidence.aggregate import RunFolderError, read_run
from pipeline.evidence.question import KEYS, is_question, restate

SECTIONS: dict[str, TypeAdapter[Any]] = {
    "front": TypeAdapter(Front),
    "objective": TypeAdapter(Objective | None),
}


def split_question(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """The words that ask something of the tables, and the others."""
    asked = [word for word in words if is_question(word) or is_constraint(word)]
    return asked, [word for word in words if word not in asked]


def ask(folder: Path, words: Sequence[str]) -> None:
    """Let a run folder state the question that the words ask; the tables stay as they are.

    What the words leave open stays as it was. Words about the front take a study's `objective` back, unless
    they name it too, and new objectives take back weights of others.

    Raises
    ------
    ConfigError for what is no question, RunFolderError where the lanes lack a metric; nothing is changed
    """
    run = read_run(folder)
    texts = constraint_texts(words)
    plain = [word for word in expand_constraints(words) if word.partition("=")[0] != "front.constraints"]
    given = [word for word in words if word.startswith("front.constraints=")]
    asked: dict[str, Any] = {key: run.config.get(key) for key in KEYS}
    asked["front"] = dict(asked["front"] or {})
    named: set[str] = set()
    for override in parse_overrides([*plain, *given]):
        path = override.key_or_group.lstrip("+").split(".")
        if override.is_sweep_override():
            value: Any = list(axis_of(override).values)
        else:
            value = override.value()
        asked[path[0]] = with_value(asked[path[0]], path[1:], value)
        named.add(".".join(path[:2]))
    if any(is_constraint(word) for word in words):
        asked["front"]["constraints"] = texts
    if {"front.objectives", "front.weights"} & named and not any(n.startswith("objective") for n in named):
        asked["objective"] = None
    known = checked(asked, drop_weights="front.weights" not in named)
    metrics = [
        *known["front"]["objectives"],
        *(text.split()[0] for text in known["front"]["constraints"]),
        *filter(None, [(known["objective"] or {}).get(key) for key in ("metric", "keep")]),
    ]
    absent = list(dict.fromkeys(name for name in metrics if name not in run.metrics))
    if absent:
        raise RunFolderError(
            f"{folder}: {', '.join(absent)}: its lanes have no such metric",
            "take another, or sweep again: the simulator that made them did not measure it",
        )
    # A race has lanes for one front alone.
    _ = replace(run, config={**run.config, **known}).dropped
    given = [word for word in expand_constraints(words) if is_question(word)]
    back = taken_back(run.config, known, named)
    restate(folder, known, [*still_asked(run.manifest.get("command"), [*given, *back]), *given, *back])


def taken_back(before: Mapping[str, Any], known: Mapping[str, Any], named: set[str]) -> list[str]:
    """Words for what a question takes back without naming it.

    Parameters
    ----------
    before, known : configuration of the earlier question, and of this one
    named         : settings that its words name
    """
    found = []
    if (before.get("front") or {}).get("weights") and not known["front"]["weights"]:
        found += [] if "front.weights" in named else ["front.weights=null"]
    if before.get("objective") and known["objective"] is None:
        found += [] if "objective" in named else ["objective=null"]
    return found


def still_asked(command: Any, given: Sequence[str]) -> list[str]:
    """The words of an earlier question that none of the given ones sets anew, or a part of which they are."""
    settings = tuple(f"{setting_of(word)}." for word in given)
    words = command if isinstance(command, list) else []
    asked = [str(word) for word in words if is_question(str(word))]
    return [word for word in asked if not f"{setting_of(word)}.".startswith(settings)]


def setting_of(word: str) -> str:
    """The dotted key that a word sets."""
    return word.partition("=")[0].lstrip("+~")


def with_value(section: Any, path: Sequence[str], value: Any) -> Any:
    """A section with one value set; the whole section where the path is empty."""
    if not path:
        return value
    found = dict(section) if isinstance(section, Mapping) else {}
    found[path[0]] = with_value(found.get(path[0]), path[1:], value)
    return found


def checked(asked: Mapping[str, Any], *, drop_weights: bool) -> dict[str, Any]:
    """The question validated, as plain data.

    Raises
    ------
    ConfigError as for a sweep
    """
    front = dict(asked["front"])
    weights, objectives = front.get("weights"), front.get("objectives")
    if drop_weights and isinstance(weights, Mapping) and objectives and not {*weights} <= {*objectives}:
        front["weights"] = None
    found: dict[str, Any] = {}
    for key, value in {"front": front, "objective": asked["objective"]}.items():
        if key == "objective" and not (value is None or isinstance(value, Mapping)):
            hint = "write objective=null, or objective.metric=slowdown_p99"
            raise ConfigError(
                key, value if value is not None else NO_VALUE, "must be null or a mapping", hint
            )
        try:
            part = SECTIONS[key].validate_python(value)
        except ValidationError as error:
            raise config_error(error, key) from None
        found[key] = None if part is None else part.model_dump(mode="json")
    return found
