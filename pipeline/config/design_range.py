"""What a range of a setting may hold: whole numbers only, or any."""

import typing
from typing import Any

from pydantic import BaseModel

from pipeline.config.leaves import find_leaf


def takes_whole(config: BaseModel, key: str) -> bool:
    """Whether a setting takes whole numbers only, whatever it is set to now (null, too).

    Settings of a group that is not in this configuration are said to take any number: the schema
    checks them when a point sets them.
    """
    parent, _, name = key.rpartition(".")
    section = find_leaf(config, parent) if parent else config
    if isinstance(section, BaseModel) and name in type(section).model_fields:
        kinds = set(plain_types(type(section).model_fields[name].annotation))
        return int in kinds and float not in kinds
    value = find_leaf(config, key)
    return type(value) is int


def plain_types(annotation: Any) -> list[Any]:
    """The types that an annotation allows, without its wrappers."""
    if typing.get_origin(annotation) is None:
        return [annotation]
    if typing.get_origin(annotation) is typing.Annotated:
        return plain_types(typing.get_args(annotation)[0])
    return [kind for inner in typing.get_args(annotation) for kind in plain_types(inner)]
