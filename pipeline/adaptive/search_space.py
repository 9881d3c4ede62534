"""What a search proposes: the axes of a sweep as the distributions of an optimiser, and back."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Generic, TypeVar

from pipeline.config.axes import SAMPLE_DIGITS, Axis, Scalar

PointT = TypeVar("PointT")
# Fewer numbers than this have no middle, so that their order says nothing.
ORDERED_FEWEST = 3
# After the key of an axis: which of the interval and the values beside it is taken.
WHICH = "|which"


@dataclass(frozen=True)
class Space(Generic[PointT]):
    """The settings that a search chooses from.

    axes  : each an axis of the sweep
    make  : (key -> value, point number) -> the point; raises ConfigError for what cannot be
    first : number of each point that was drawn before the search -> its keys and values
    """

    axes: tuple[Axis, ...]
    make: Callable[[dict[str, Scalar], int], PointT]
    first: Mapping[int, dict[str, Scalar]] = field(default_factory=dict)

    def corners(self) -> Iterator[dict[str, Scalar]]:
        """The ends of each axis, the others at their first value; of each policy, if they are chosen too."""
        first = {axis.key: axis.levels(2)[0] for axis in self.axes}
        policies = next((axis.values for axis in self.axes if axis.key == "policy"), (None,))
        for policy in policies:
            start = first if policy is None else {**first, "policy": policy}
            for axis in self.axes:
                for value in axis.levels(2) if axis.key != "policy" else ():
                    yield {**start, axis.key: value}
            yield start

    def distributions(self) -> dict[str, Any]:
        """Name -> distribution of Optuna's; the same ones for every proposal.

        An interval is one of numbers, on its logarithm where it is tagged so. Three or more numbers in
        order are whole steps along them; other listed values are a choice without order. Values beside an
        interval are a choice before it.
        """
        # Here, as it takes a part of a second that other designs need not wait for.
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        found: dict[str, Any] = {}
        for axis in self.axes:
            if not axis.is_interval:
                last = len(axis.values) - 1
                found[axis.key] = (
                    IntDistribution(0, last) if is_ordered(axis) else CategoricalDistribution(range(last + 1))
                )
                continue
            if axis.beside:
                found[axis.key + WHICH] = CategoricalDistribution(range(1 + len(axis.beside)))
            if axis.is_whole:
                found[axis.key] = IntDistribution(int(axis.low), int(axis.high), log=axis.is_log)
            else:
                found[axis.key] = FloatDistribution(axis.low, axis.high, log=axis.is_log)
        return found

    def assignment(self, params: Mapping[str, Any]) -> dict[str, Scalar]:
        """Key -> value, from an optimiser's proposal; numbers have few digits, as in every sampled design."""
        found: dict[str, Scalar] = {}
        for axis in self.axes:
            value = params[axis.key]
            which = params.get(axis.key + WHICH, 0)
            if not axis.is_interval:
                found[axis.key] = axis.values[value]
            elif which:
                found[axis.key] = axis.beside[which - 1]
            elif axis.is_whole:
                found[axis.key] = int(value)
            else:
                found[axis.key] = min(max(float(f"{value:.{SAMPLE_DIGITS}g}"), axis.low), axis.high)
        return found

    def params(self, item: Mapping[str, Scalar]) -> dict[str, Any]:
        """The proposal that `assignment` makes this of."""
        found: dict[str, Any] = {}
        for axis in self.axes:
            value = item[axis.key]
            if not axis.is_interval:
                found[axis.key] = place_of(value, axis.values)
                continue
            which = place_of(value, axis.beside) + 1 if axis.beside else 0
            if axis.beside:
                found[axis.key + WHICH] = which
            found[axis.key] = axis.low if which else value
        return found

    def facts(self) -> list[Any]:
        """The axes as plain data, for the run key."""
        return [
            [a.key, list(a.values), a.low, a.high, a.is_log, a.is_whole, list(a.beside)] for a in self.axes
        ]


def is_ordered(axis: Axis) -> bool:
    """Whether listed values are numbers that rise or fall."""
    values = axis.values
    if len(values) < ORDERED_FEWEST or not all(type(v) in (int, float) for v in values):
        return False
    pairs = list(pairwise(values))
    return all(a < b for a, b in pairs) or all(a > b for a, b in pairs)  # type: ignore[operator]


def place_of(value: Scalar, values: tuple[Scalar, ...]) -> int:
    """Where a value stands, told from others that are equal but of another type; -1 if nowhere."""
    same = [i for i, v in enumerate(values) if v == value and type(v) is type(value)]
    return same[0] if same else -1
