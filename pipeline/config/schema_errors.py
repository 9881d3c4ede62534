"""Pydantic's errors in words: which key, its value, what is allowed, what to do."""

from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from pipeline.config.schema import SECTIONS, UNIONS, Config
from pipeline.config.schema_spec import UNION_TAGS
from pipeline.errors import NO_VALUE, ConfigError, did_you_mean

GROUPS = (*UNIONS, "policy", "cost", "binding", "faults")
TYPE_WORDS = {
    "missing": "must be given",
    "int_type": "must be a whole number",
    "float_type": "must be a number",
    "tuple_type": "must be a list",
    "list_type": "must be a list",
    "model_attributes_type": "must be a group of settings",
    "dict_type": "must be a mapping of keys to values",
}


def load_config(data: Mapping[str, Any]) -> Config:
    """Validate a composed configuration.

    Raises
    ------
    ConfigError naming the first wrong key, its value and what is allowed; the others are counted
    """
    try:
        return Config.model_validate(data)
    except ValidationError as error:
        raise config_error(error) from None


def load_section(section: str, data: Mapping[str, Any]) -> Any:
    """Validate one of the simulated sections; as `load_config`."""
    try:
        return SECTIONS[section].validate_python(data)
    except ValidationError as error:
        raise config_error(error, section) from None


def config_error(error: ValidationError, section: str = "") -> ConfigError:
    """The first of pydantic's errors as one message."""
    found = [explain(detail, section) for detail in error.errors()]
    first = found[0]
    more = len({item.key for item in found} - {first.key})
    if more:
        keys = ", ".join(dict.fromkeys(item.key for item in found[1:] if item.key != first.key))
        also = f"also wrong: {keys}"
        return ConfigError(first.key, first.value, first.allowed, "; ".join(filter(None, (first.hint, also))))
    return first


def explain(detail: Any, section: str = "") -> ConfigError:
    """One of pydantic's errors."""
    context: dict[str, Any] = detail.get("ctx") or {}
    path = key_path(detail["loc"], section)
    if detail["type"] == "coreshift":
        path += context["where"].split(".") if context.get("where") else []
        value = context.get("value", NO_VALUE)
        return ConfigError(".".join(path), value, context["allowed"], context.get("hint", ""))
    if detail["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return explain_kind(path, detail, context)
    allowed = TYPE_WORDS.get(detail["type"], detail["msg"][:1].lower() + detail["msg"][1:])
    missing = detail["type"] == "missing"
    hint = f"choose one with {path[0]}=..." if missing and path[0] in GROUPS and not path[1:] else ""
    return ConfigError(".".join(path), NO_VALUE if missing else detail["input"], allowed, hint)


def explain_kind(path: Sequence[str], detail: Any, context: Mapping[str, Any]) -> ConfigError:
    """A group whose `kind` is none of the known ones."""
    kinds = [kind.strip("'") for kind in context.get("expected_tags", "").split(", ") if kind]
    if not kinds:
        kinds = list(KINDS[path[0]])
    given = context.get("tag", NO_VALUE)
    hint = did_you_mean(given, kinds) if given is not NO_VALUE else f"choose one with {path[0]}=..."
    return ConfigError(".".join([*path, "kind"]), given, f"must be one of {', '.join(kinds)}", hint)


def key_path(location: Sequence[Any], section: str) -> list[str]:
    """A location as one writes it on the command line: without the tags of unions."""
    path = [section, *location] if section else list(location)
    if len(path) > 1 and path[0] in UNIONS:
        del path[1]
    return [str(part) for part in path if part != "[key]" and part not in UNION_TAGS]


KINDS = {
    "topology": ("description", "hwloc", "yaml", "host", "sct", "cpu_topology"),
    "workload": ("classes", "replay"),
    "sweep": ("grid", "random", "lhs", "sobol"),
    "cluster": ("inline", "local", "remote"),
    "tracking": ("off", "sqlite", "server"),
    "debug": ("none", "invariants"),
}
