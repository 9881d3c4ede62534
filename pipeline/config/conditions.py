"""Conditions and columns as people write them: `slowdown p99 <= 3 and policy = balanced`.

The text is parsed here and never evaluated as a program.
"""

import math
import operator
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.charts.parts import is_share
from pipeline.errors import UserError, did_you_mean
from pipeline.plain import plain, plain_name

OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "<=": operator.le, ">=": operator.ge, "!=": operator.ne, "<": operator.lt, ">": operator.gt,
    "=": operator.eq,
}  # fmt: skip
SIGNS = {"≤": "<=", "≥": ">=", "≠": "!=", "==": "="}
CONDITION = re.compile(r"\s*(?P<name>.+?)\s*(?P<sign><=|>=|!=|<|>|=)\s*(?P<value>.+?)\s*")
NUMBER = re.compile(
    r"(?P<number>[-+]?(\d[\d_]*\.?\d*|\.\d+)(e[-+]?\d+)?|[-+]?inf)\s*(?P<unit>[^\W\d]*|%)", re.I
)
TIMES_NS = {"ns": 1.0, "us": 1e3, "µs": 1e3, "ms": 1e6, "s": 1e9}
SIZES = {"": 1.0, "k": 1e3, "M": 1e6, "G": 1e9}
MARKS = {"front": "pareto", "recommended": "recommended", "baseline": "baseline"}
EXAMPLE = 'write conditions as in "slowdown p99 <= 3 and policy = balanced"'


@dataclass(frozen=True)
class Column:
    """A column of a summary under the name that people use. `is_metric`: it has a mean with an interval."""

    name: str
    key: str
    is_metric: bool = False


@dataclass(frozen=True)
class Condition:
    """One comparison of a column with a number or a word."""

    column: Column
    sign: str
    value: float | str | None

    def holds(self, row: Mapping[str, Any]) -> bool:
        """Whether a row meets it; one without a value only meets a comparison with null."""
        found = row[self.column.key]
        if self.value is None or found is None:
            is_same = found is self.value
            return {"=": is_same, "!=": not is_same}.get(self.sign, False)
        if isinstance(self.value, str):
            return OPERATORS[self.sign](plain(found), self.value)
        if isinstance(found, float) and math.isnan(found):
            return False
        return OPERATORS[self.sign](float(found), self.value)


def columns_of(settings: Sequence[str], metrics: Sequence[str]) -> list[Column]:
    """Every column that can be named: settings, metrics, and the marks of the front."""
    found = [Column(name, f"{name}_mean", is_metric=True) for name in metrics]
    found += [Column(key, key) for key in settings]
    found += [Column(name, key) for name, key in MARKS.items()]
    return [
        *found,
        Column("point", "point"),
        Column("rank", "rank"),
        Column("front_probability", "front_probability"),
    ]


def find_column(text: str, columns: Sequence[Column]) -> Column:
    """The column that some words name, in any order: `p99 slowdown` is slowdown_p99.

    A part of a name will do if it is a part of one name alone.

    Raises
    ------
    UserError if none or several are meant
    """
    words = words_of(text)
    names = {column.name: words_of(column.name) for column in columns}
    short = {column.name: words_of(plain_name(column.name)) for column in columns}
    same = [
        c
        for c in columns
        if c.name == text.strip() or sorted(words) in (sorted(names[c.name]), sorted(short[c.name]))
    ]
    near = same or [c for c in columns if words and set(words) <= set(names[c.name])]
    if len(near) == 1:
        return near[0]
    if near:
        known = ", ".join(column.name for column in near[:8])
        raise UserError(f"{text.strip()}: may mean several columns", f"these: {known}")
    hint = did_you_mean("_".join(words), names) or "python -m pipeline.explore RUN --columns lists them"
    raise UserError(f"{text.strip()}: no such metric or setting", hint)


def words_of(text: str) -> list[str]:
    """The words of a name, without the unit that some names end with."""
    words = re.findall(r"[a-z0-9]+", text.lower())
    return [word for word in words if word != "ns"]


def parse_conditions(text: str, columns: Sequence[Column]) -> list[Condition]:
    """Conditions joined by `and` (or commas), all of which must hold.

    Raises
    ------
    UserError for what is no condition, with the offending part
    """
    for sign, plain_sign in SIGNS.items():
        text = text.replace(sign, plain_sign)
    parts = [part for part in re.split(r"\s+and\s+|&+|,", text) if part.strip()]
    return [parse_condition(part, columns) for part in parts]


def parse_condition(text: str, columns: Sequence[Column]) -> Condition:
    """One condition; a mark stands alone: `front`."""
    found = CONDITION.fullmatch(text)
    if found is None:
        if text.strip() in MARKS:
            return Condition(find_column(text, columns), "=", 1.0)
        raise UserError(f"{text.strip()!r}: not a condition", EXAMPLE)
    column = find_column(found["name"], columns)
    value = parse_value(found["value"], column)
    if found["sign"] not in ("=", "!=") and not isinstance(value, float):
        raise UserError(f"{text.strip()!r}: {found['sign']} needs a number", EXAMPLE)
    return Condition(column, found["sign"], value)


def parse_value(text: str, column: Column) -> float | str | None:
    """A word, or a number in the column's own unit: 10 % is 0.1, 2 ms is 2000000 of a column in ns."""
    if text.lower() in ("null", "none") and column.key != "policy":
        return None
    if text.lower() in ("true", "false"):
        return float(text.lower() == "true")
    found = NUMBER.fullmatch(text)
    if found is None:
        if column.is_metric:
            raise UserError(f"{column.name}: {text!r} is not a number", EXAMPLE)
        return text
    number, unit = float(found["number"].replace("_", "")), found["unit"]
    if unit == "%" and is_share(column.name):
        return number / 100
    if unit in TIMES_NS and column.name.endswith("_ns"):
        return number * TIMES_NS[unit]
    if unit in SIZES:
        return number * SIZES[unit]
    allowed = "ns, us, ms, s" if column.name.endswith("_ns") else "%" if is_share(column.name) else "k, M, G"
    raise UserError(f"{column.name}: {text!r} has a unit that it cannot have", f"known here: {allowed}")
