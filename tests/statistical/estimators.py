"""Estimates of a mean from a few replicates: plain, and with control variates of known expectation."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A mean with what its interval is made of.

    mean     : the estimate
    half     : half of its interval at LEVEL
    spread   : variance of a replicate about it, unbiased; after the controls, if there are some
    controls : number of them, each of which costs a degree of freedom
    """

    mean: float
    half: float
    spread: float
    controls: int = 0


def plain(values: np.ndarray) -> Estimate:
    """The mean of independent replicates, with Student's interval."""
    spread = float(np.var(values, ddof=1))
    quantile = float(stats.t.ppf(0.5 + LEVEL / 2, len(values) - 1))
    return Estimate(float(np.mean(values)), quantile * math.sqrt(spread / len(values)), spread)


def controlled(values: np.ndarray, controls: Mapping[str, np.ndarray]) -> Estimate:
    """The mean of independent replicates, less what their controls explain.

    The intercept of a least-squares fit on the controls' deviations from their known expectations. It is
    exactly unbiased, and the interval exact, if values and controls are jointly normal.

    Parameters
    ----------
    values   : float64 (replicate,)
    controls : name -> float64 (replicate,), of expectation 0; fewer than replicates - 1 of them

    Source
    ------
    S. S. Lavenberg and P. D. Welch, "A perspective on the use of control variables to increase the efficiency
    of Monte Carlo simulations", Management Science 27 (1981); B. L. Nelson, "Control variate remedies",
    Operations Research 38 (1990)
    """
    count, number = len(values), len(controls)
    freedom = count - number - 1
    if freedom < 1:
        raise ValueError(f"{count} replicates and {number} controls: at least {number + 2} replicates")
    design = np.column_stack([np.ones(count), *controls.values()])
    factor, rank = np.linalg.pinv(design), np.linalg.matrix_rank(design)
    if rank <= number:
        raise ValueError(f"controls {', '.join(controls)}: one is constant, or follows from the others")
    weights = factor @ values
    spread = float(((values - design @ weights) ** 2).sum() / freedom)
    quantile = float(stats.t.ppf(0.5 + LEVEL / 2, freedom))
    half = quantile * math.sqrt(spread) * float(np.linalg.norm(factor[0]))
    return Estimate(float(weights[0]), half, spread, number)


def expected_half(spread: float, replicates: int, controls: int = 0) -> float:
    """Half of the interval that a study may expect; inf below 3 replicates beside the controls.

    With controls the fit costs (n - 2) / (n - controls - 2) in variance (Lavenberg and Welch 1981) and a
    degree of freedom each.
    """
    if replicates < controls + 3:
        return math.inf
    loss = (replicates - 2) / (replicates - controls - 2) if controls else 1.0
    quantile = float(stats.t.ppf(0.5 + LEVEL / 2, replicates - 1 - controls))
    return quantile * math.sqrt(loss * spread / replicates)


def replicates_for(half: float, spread: float, controls: int = 0) -> int:
    """The least number of replicates whose expected interval is no wider than +- half, by bisection."""
    low, high = controls + 2, controls + 3
    while expected_half(spread, high, controls) > half:
        low, high = high, 2 * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if expected_half(spread, middle, controls) > half else (low, middle)
    return high
