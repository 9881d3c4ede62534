"""Leaves of a configuration by dotted key: find, set, and name the nearest one."""

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from pipeline.config.axes import Scalar
from pipeline.errors import ConfigError, did_you_mean

MISSING: Any = object()
SUGGESTIONS_MAX = 12


def find_leaf(config: Any, key: str) -> Any:
    """The value at a dotted key of a model, or MISSING."""
    for word in key.split("."):
        config = child(config, word)
        if config is MISSING:
            return MISSING
    return config


def child(value: Any, word: str) -> Any:
    """The member of a model, mapping or list that one word of a key names, or MISSING."""
    if isinstance(value, BaseModel):
        return members(value).get(word, MISSING)
    if isinstance(value, Mapping):
        return value.get(word, MISSING)
    if isinstance(value, (list, tuple)) and word.isdecimal() and int(word) < len(value):
        return value[int(word)]
    return MISSING


def members(model: BaseModel) -> dict[str, Any]:
    """The fields of a model, with their values as they are (models stay models)."""
    return {**model.__dict__, **(model.model_extra or {})}


def set_leaves(section: BaseModel, leaves: Mapping[str, Scalar], names: str) -> Any:
    """A section's data with some leaves set; the section itself is left alone.

    Only what lies on the way to a leaf becomes plain data; the rest stays validated models, which
    need not be validated again.

    Raises
    ------
    ConfigError for a key that is no leaf of this section
    """
    data: Any = section
    for key, value in leaves.items():
        found = find_leaf(data, key.partition(".")[2])
        if found is MISSING:
            raise no_leaf(key, value, section.model_dump(), names)
        if isinstance(found, (BaseModel, Mapping, list, tuple)):
            raise not_a_leaf(key, value, found)
        data = replaced(data, key.split(".")[1:], value)
    return data


def replaced(data: Any, path: Sequence[str], value: Scalar) -> Any:
    """A copy of the data with another value at the end of an existing path."""
    if not path:
        return value
    inner = replaced(child(data, path[0]), path[1:], value)
    if isinstance(data, (list, tuple)):
        place = int(path[0])
        return [*data[:place], inner, *data[place + 1 :]]
    own = members(data) if isinstance(data, BaseModel) else data
    return {**own, path[0]: inner}


def not_a_leaf(key: str, value: Scalar, found: Any) -> ConfigError:
    """The error for an axis over a group of settings."""
    plain = found.model_dump() if isinstance(found, BaseModel) else found
    known = ", ".join(f"{key}.{path}" for path in list(flatten(plain))[:SUGGESTIONS_MAX])
    return ConfigError(key, value, "is a group of settings, not one", f"it has: {known}")


def no_leaf(key: str, value: Scalar, data: Any, names: str) -> ConfigError:
    """The error for an axis that this combination of groups does not have."""
    section = key.split(".", maxsplit=1)[0]
    keys = [f"{section}.{path}" for path in flatten(data)]
    hint = nearest(key, keys) or f"{section} has: {', '.join(keys[:SUGGESTIONS_MAX])}"
    return ConfigError(key, value, f"does not exist with {names}", hint)


def flatten(data: Any, prefix: str = "") -> Iterator[str]:
    """Dotted keys of all leaves."""
    items: Any = ()
    if isinstance(data, Mapping):
        items = data.items()
    elif isinstance(data, (list, tuple)):
        items = enumerate(data)
    for key, value in items:
        path = f"{prefix}{key}"
        if isinstance(value, Mapping) or (isinstance(value, (list, tuple)) and value):
            yield from flatten(value, f"{path}.")
        else:
            yield path


def suggest_key(key: str, data: Mapping[str, Any]) -> str:
    """A hint at the key that was meant: the same last word elsewhere, or nearly the same key."""
    keys = [k for k in flatten(data) if not k.startswith(("sweep.axes.", "sweep.also."))]
    return nearest(key, [*data, *keys])


def nearest(key: str, keys: Sequence[str]) -> str:
    """A suggestion among dotted keys; "" if nothing is near."""
    last = key.rsplit(".", maxsplit=1)[-1]
    same = [known for known in keys if known != key and known.split(".")[-1] == last]
    if same:
        return f"did you mean {' or '.join(dict.fromkeys(same[:3]))}?"
    parent = key.rpartition(".")[0]
    siblings = [known for known in keys if known != key and known.rpartition(".")[0] == parent]
    if parent and siblings:
        # long paths are alike even where their last words are not
        near = did_you_mean(last, [known.split(".")[-1] for known in siblings])
        return near.replace("did you mean ", f"did you mean {parent}.")
    return did_you_mean(key, [known for known in keys if known != key])


def combined_digest(digests: Sequence[str]) -> str:
    """SHA-256 over the digests of sections."""
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()
