"""The common ground of all user-facing specifications: frozen, bounded, and checked when they are made."""

import dataclasses
import math
from collections.abc import Mapping
from typing import Any


class SpecError(ValueError):
    """A specification that cannot be simulated: says where, the value, what is allowed, and what to do.

    Attributes
    ----------
    where   : dotted path of the field, innermost specification first known ("limits.system.rate_per_s")
    value   : the offending value
    allowed : the allowed range or choices, in words
    hint    : what to do about it, or ""
    """

    def __init__(self, where: str, value: object, allowed: str, hint: str = "") -> None:
        self.where, self.value, self.allowed, self.hint = where, value, allowed, hint
        shown = repr(value)
        shown = shown if len(shown) <= 80 else shown[:77] + "..."
        super().__init__(f"{where} = {shown}: must be {allowed}" + (f"; {hint}" if hint else ""))

    def __reduce__(self) -> tuple[type, tuple[str, object, str, str]]:
        """Rebuild from the parts, so that the error survives the way back from a worker."""
        return type(self), (self.where, self.value, self.allowed, self.hint)

    def inside(self, prefix: str) -> "SpecError":
        """The same error, seen from the specification that holds this one in its field `prefix`."""
        return SpecError(f"{prefix}.{self.where}", self.value, self.allowed, self.hint)


def number(
    default: Any, low: float, high: float, text: str, *, optional: bool = False, unit: str = ""
) -> Any:
    """A numeric field with an inclusive range; `optional` allows None ("no limit")."""
    meta = {"low": low, "high": high, "text": text, "optional": optional, "unit": unit}
    return dataclasses.field(default=default, metadata=meta)


def choice(default: str | None, options: tuple[str, ...], text: str) -> Any:
    """A text field that takes one of `options`."""
    meta = {"options": options, "text": text}
    if default is None:
        return dataclasses.field(metadata=meta)
    return dataclasses.field(default=default, metadata=meta)


def part(factory: Any, text: str) -> Any:
    """A field that holds another specification, made with its defaults."""
    return dataclasses.field(default_factory=factory, metadata={"text": text})


def other(text: str, **keywords: Any) -> Any:
    """A field whose value the specification checks by itself."""
    return dataclasses.field(metadata={"text": text}, **keywords)


class Spec:
    """Base of all specifications: checks every field against its declared range or choices.

    Subclasses are frozen dataclasses. `check()` may be overridden for rules across fields.
    """

    def __post_init__(self) -> None:
        for field in dataclasses.fields(self):  # type: ignore[arg-type]
            value = getattr(self, field.name)
            if "low" in field.metadata:
                check_number(field.name, value, field)
            elif "options" in field.metadata and value not in field.metadata["options"]:
                raise SpecError(field.name, value, "one of " + ", ".join(field.metadata["options"]))
        self.check()

    def check(self) -> None:
        """Rules that involve more than one field; raises SpecError."""


def check_number(name: str, value: object, field: "dataclasses.Field[Any]") -> None:
    """Raise SpecError unless `value` is a number of the field's type inside its range."""
    meta: Mapping[str, Any] = field.metadata
    allowed = f"between {meta['low']:g} and {meta['high']:g}" + (f" {meta['unit']}" if meta["unit"] else "")
    if meta["optional"]:
        allowed += ", or null for no limit"
        if value is None:
            return
    whole = str(field.type).replace(" ", "").split("|")[0] in ("int", "<class'int'>")
    if isinstance(value, bool) or not isinstance(value, int if whole else (int, float)):
        raise SpecError(name, value, ("a whole number " if whole else "a number ") + allowed)
    if math.isnan(value) or not meta["low"] <= value <= meta["high"]:
        raise SpecError(name, value, ("a whole number " if whole else "") + allowed)


def members(name: str, value: object, kind: type | tuple[type, ...], allowed: str) -> tuple[Any, ...]:
    """A list or tuple of `kind` as a tuple; SpecError otherwise."""
    if not isinstance(value, (list, tuple)) or not all(isinstance(item, kind) for item in value):
        raise SpecError(name, value, allowed)
    return tuple(value)
