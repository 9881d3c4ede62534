"""How many replicates a point of a race has after each round."""

import math
from typing import Any

from pipeline.errors import ConfigError

USUAL_FIRST = 4
FEWEST = 3


def steps_of(settings: Any, replicates: int) -> list[int]:
    """Replicates of a point after each round: few first, then more, then all.

    Raises
    ------
    ConfigError where there is no room for a race
    """
    if replicates < FEWEST:
        hint = f"write replicates=20, or take a grid: {replicates} replicates tell nothing apart early"
        raise ConfigError("replicates", replicates, f"must be {FEWEST} or more for a race", hint)
    first = settings.first or min(USUAL_FIRST, replicates - 1)
    if first >= replicates:
        hint = f"raise replicates above {first}, or leave sweep.first out"
        raise ConfigError("sweep.first", first, f"must be below replicates = {replicates}", hint)
    steps = [first]
    while steps[-1] < replicates:
        steps.append(min(replicates, max(steps[-1] + 1, math.ceil(steps[-1] * settings.growth))))
    return steps


def check_budget(lanes: int | None, first: int) -> None:
    """Raise ConfigError if a budget is too small for the first round."""
    if lanes is not None and lanes < first:
        hint = "raise it, or set sweep.first lower"
        raise ConfigError(
            "sweep.lanes", lanes, f"must be {first} or more, the lanes of the first round", hint
        )
