"""One axis of a sweep, read from Hydra's own sweep grammar."""

import itertools
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from hydra.core.config_loader import ConfigLoader
from hydra.core.object_type import ObjectType
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import (
    ChoiceSweep,
    Glob,
    IntervalSweep,
    Override,
    QuotedString,
    RangeSweep,
)
from hydra.errors import HydraException

from pipeline.errors import NO_VALUE, ConfigError, did_you_mean

Scalar = str | int | float | bool | None
POINTS_MAX = 100_000
LEVEL_DIGITS = 12
SAMPLE_DIGITS = 6
# Infinity as YAML writes it; in Hydra's grammar it is inf.
INFINITIES = {".inf": math.inf, "-.inf": -math.inf}
# Settings that are text and may look like a number.
TEXT_KEYS = ("policy.erts.S",)


@dataclass(frozen=True)
class Axis:
    """A swept key with its values, or with the interval they come from.

    key      : dotted key, or the name of a group
    values   : in the order they were written; empty for an interval
    low,high : ends of the interval
    is_log   : `tag(log, interval(...))`: even steps of the logarithm
    is_whole : `int(interval(...))`: whole numbers only
    beside   : values beside an interval, as null in `interval(1, 8), null`; each counts as much as the
               whole interval where points are drawn
    """

    key: str
    values: tuple[Scalar, ...] = ()
    low: float = 0.0
    high: float = 0.0
    is_log: bool = False
    is_whole: bool = False
    beside: tuple[Scalar, ...] = ()

    @property
    def is_interval(self) -> bool:
        """Whether the values are yet to be chosen."""
        return not self.values

    def levels(self, count: int) -> tuple[Scalar, ...]:
        """The values; of an interval, `count` evenly spaced ones with both ends, without repeats."""
        if not self.is_interval:
            return self.values
        spaced = [self.between(step / (count - 1), LEVEL_DIGITS) for step in range(count)]
        return tuple(dict.fromkeys([*spaced, *self.beside]))

    def value_at(self, share: float) -> Scalar:
        """The value at a share of the way through the axis, 0 <= share < 1; equal shares for equal values.

        Whole numbers get a share each, the ends of the interval as well.
        """
        if not self.is_interval:
            return self.values[min(int(share * len(self.values)), len(self.values) - 1)]
        place = share * (1 + len(self.beside))
        if place >= 1:
            return self.beside[min(int(place), len(self.beside)) - 1]
        return self.between(place, SAMPLE_DIGITS, margin=0.5 if self.is_whole else 0.0)

    def between(self, share: float, digits: int, margin: float = 0.0) -> float:
        """A number of the interval, rounded to `digits`; `margin` widens it before it is rounded."""
        low, high = self.low - margin, self.high + margin
        if self.is_log:
            value = math.exp(math.log(low) * (1 - share) + math.log(high) * share)
        else:
            value = low * (1 - share) + high * share
        value = min(max(float(f"{value:.{digits}g}"), self.low), self.high)
        return round(value) if self.is_whole else value


def parse_overrides(texts: Sequence[str], loader: ConfigLoader | None = None) -> list[Override]:
    """Parse command-line overrides with Hydra's grammar.

    Raises
    ------
    ConfigError quoting the override that is not in the grammar
    """
    parser = OverridesParser.create(config_loader=loader)
    parsed: list[Override] = []
    for text in texts:
        try:
            override = parser.parse_override(text)
        except HydraException as error:
            reason = str(error).splitlines()[0] if str(error) else "not in Hydra's grammar"
            key = text.partition("=")[0]
            hint = "write key=value, key=1,2,4 or key=range(1,9); put text with spaces or signs in quotes"
            raise ConfigError(key or text, NO_VALUE, f"cannot be read: {reason}", hint) from None
        if not override.key_or_group:
            raise ConfigError(text, NO_VALUE, "has no key", "write key=value")
        parsed.append(override)
    return parsed


def axis_of(override: Override) -> Axis:
    """The axis that a sweep override describes.

    Complexity and determinism
    --------------------------
    `shuffle(...)` is ignored: the order of points is that of the values, always the same

    Raises
    ------
    ConfigError for an empty axis, a value that is no scalar, or an interval that cannot be one
    """
    key = override.key_or_group
    sweep: object = override._value
    if isinstance(sweep, IntervalSweep):
        return interval_axis(key, sweep)
    if isinstance(sweep, Glob):
        return Axis(key, tuple(glob_values(override, sweep)))
    if isinstance(sweep, RangeSweep):
        return Axis(key, range_values(key, sweep))
    if not isinstance(sweep, ChoiceSweep):
        raise TypeError(f"{override.input_line} is no sweep")
    return choice_axis(key, sweep.list)


def choice_axis(key: str, choices: Sequence[object]) -> Axis:
    """An axis over listed values, one of which may be an interval or a range."""
    items: list[Scalar] = []
    interval: Axis | None = None
    for item in choices:
        if isinstance(item, IntervalSweep):
            if interval is not None:
                hint = "widen the one, or make a sweep of each"
                raise ConfigError(key, NO_VALUE, "takes one interval, and values beside it", hint)
            interval = interval_axis(key, item)
        elif isinstance(item, RangeSweep):
            items += range_values(key, item)
        else:
            items.append(scalar_of(key, item))
    if interval is not None:
        return replace(interval, beside=tuple(items))
    if not items:
        raise ConfigError(key, NO_VALUE, "a sweep needs at least one value", f"write {key}=1,2,4")
    return Axis(key, tuple(items))


def scalar_of(key: str, item: object) -> Scalar:
    """One listed value.

    Raises
    ------
    ConfigError for a list or a mapping
    """
    if isinstance(item, str) and item in INFINITIES:
        return INFINITIES[item]
    value = item.text if isinstance(item, QuotedString) else item
    if not isinstance(value, (str, int, float, bool, type(None))):
        raise ConfigError(key, value, "a sweep takes numbers, text, true, false or null")
    return str(value) if key in TEXT_KEYS and type(value) is int else value


def interval_axis(key: str, sweep: IntervalSweep) -> Axis:
    """An axis over a continuous interval."""
    low, high = sweep.start, sweep.end
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high) and low < high):
        hint = "for one value write the value; for inf or null beside a range, interval(1, 8),inf,null"
        raise ConfigError(key, f"interval({low}, {high})", "must have finite ends, the lower one first", hint)
    unknown = sweep.tags - {"log"}
    if unknown:
        raise ConfigError(key, ", ".join(sorted(unknown)), "the only tag of an interval is log")
    is_log = "log" in sweep.tags
    if is_log and low <= 0:
        raise ConfigError(key, f"interval({low}, {high})", "must start above 0 when it is tagged log")
    is_whole = isinstance(low, int) and isinstance(high, int)
    return Axis(key, low=low, high=high, is_log=is_log, is_whole=is_whole)


def range_values(key: str, sweep: RangeSweep) -> tuple[Scalar, ...]:
    """The numbers of a range(start, stop, step)."""
    shown = f"range({sweep.start}, {sweep.stop}, {sweep.step})"
    numbers = (sweep.start, sweep.stop, sweep.step)
    if not sweep.step or not all(n is not None and math.isfinite(n) for n in numbers):
        raise ConfigError(key, shown, "must have a step other than 0, and finite ends")
    found: Iterable[float] = itertools.islice(iter(sweep.range()), POINTS_MAX + 1)
    values: tuple[Scalar, ...] = tuple(
        v if isinstance(v, int) else float(f"{v:.{LEVEL_DIGITS}g}") for v in found
    )
    values = tuple(str(v) if key in TEXT_KEYS and type(v) is int else v for v in values)
    if not 0 < len(values) <= POINTS_MAX:
        raise ConfigError(key, shown, f"must give 1 to {POINTS_MAX} values")
    return values


def glob_values(override: Override, glob: Glob) -> list[str]:
    """The options of a group that a glob matches."""
    group = override.key_or_group
    options = group_options(override.config_loader, group)
    if not options:
        raise ConfigError(group, override.get_value_string(), "glob(...) is for groups, such as policy")
    found = glob.filter(options)
    if not found:
        allowed = f"matches none of {', '.join(options)}"
        raise ConfigError(group, override.get_value_string(), allowed)
    return found


def group_options(loader: ConfigLoader | None, group: str) -> list[str]:
    """The options of a configuration group, sorted; empty if there is no such group."""
    if loader is None:
        return []
    return sorted(loader.get_group_options(group, results_filter=ObjectType.CONFIG))


def check_option(loader: ConfigLoader | None, group: str, choice: object) -> None:
    """Raise ConfigError unless `choice` is an option of the group."""
    options = group_options(loader, group)
    if choice not in options:
        hint = did_you_mean(choice, options)
        raise ConfigError(group, choice, f"must be one of {', '.join(options)}", hint)
