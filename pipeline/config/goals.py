"""What a study wants, as its analysis and its adaptive designs use it."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

import sim
from pipeline.config.conditions import OPERATORS
from pipeline.config.schema_front import Front, read_constraints


@dataclass(frozen=True)
class Constraint:
    """A bound on the mean of a metric over the replicates: `sign` is <=, >=, < or >."""

    metric: str
    sign: str
    bound: float

    @property
    def text(self) -> str:
        """As people write it, the bound in as many digits as it has: run keys tell bounds apart by them."""
        short = f"{self.bound:g}"
        return f"{self.metric} {self.sign} {short if float(short) == self.bound else repr(self.bound)}"

    def holds(self, values: NDArray[np.float64]) -> NDArray[np.bool_]:
        """Which values meet it; NaN never does."""
        return np.asarray(OPERATORS[self.sign](values, self.bound))


@dataclass(frozen=True)
class Goals:
    """The trade-off that a study looks for.

    objectives  : two or three metrics
    signs       : one an objective: 1.0 where less is better, -1.0 where more is; value x sign is minimised
    weights     : one an objective, their sum is 1; None = the knee is chosen
    constraints : all of which a recommended setting must meet
    """

    objectives: tuple[str, ...]
    signs: tuple[float, ...]
    weights: tuple[float, ...] | None
    constraints: tuple[Constraint, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Every metric that is looked at, objectives first."""
        return tuple(dict.fromkeys((*self.objectives, *(c.metric for c in self.constraints))))


def goals_of(config: Mapping[str, Any]) -> Goals:
    """The goals of a resolved configuration, as `config.yaml` holds it; one without has the defaults.

    An objective that has no weight weighs nothing.
    """
    front = Front.model_validate(config.get("front") or {})
    names = front.objectives
    weights = None
    if front.weights:
        total = math.fsum(front.weights.values())
        weights = tuple(front.weights.get(name, 0.0) / total for name in names)
    return Goals(
        objectives=names,
        signs=tuple(-1.0 if sim.METRICS[name].better == "high" else 1.0 for name in names),
        weights=weights,
        constraints=tuple(
            Constraint(one.column.name, one.sign, float(one.value or 0.0))
            for text in front.constraints
            for one in read_constraints(text)
        ),
    )
