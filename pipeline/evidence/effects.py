"""Measures of what a parameter does to a metric, over the points of a design."""

from collections.abc import Sequence

import numpy as np
import polars as pl
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# Of a correlation matrix: below it, some parameters rank alike, and their parts cannot be told apart.
DETERMINANT_LEAST = 1e-9
LOW, HIGH = 2.5, 97.5


def ranks_of(values: FloatArray) -> FloatArray:
    """Ranks with ties at their mean, less their mean, and of length 1; all 0 where the values are equal."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(count) - (count - 1) / 2)[place.reshape(-1)]
    apart = ranks - ranks.mean()
    length = float(np.sqrt(np.einsum("i,i->", apart, apart)))
    return np.asarray(apart / length if length > 0 else apart)


def partial_ranks(parameters: FloatArray, metric: FloatArray) -> FloatArray:
    """Partial rank correlation of each parameter with a metric, the others held fixed linearly.

    With b the coefficients of the regression of the metric's ranks on the parameters', A the inverse of the
    parameters' rank correlations and R² the explained share: b / sqrt(b² + A_ii (1 - R²)). With one
    parameter, or where parameters rank alike, Spearman's correlation.

    Parameters
    ----------
    parameters : float64 (parameter, point), as `ranks_of` gives them
    metric     : float64 (point,), likewise

    Source
    ------
    S. Marino et al., "A methodology for performing global uncertainty and sensitivity analysis in systems
    biology", Journal of Theoretical Biology 254 (2008) 178-196 (PRCC); the formula from the t-statistic of a
    regression coefficient
    """
    # Sums without a library's product, whose last bits depend on the machine.
    plain = np.einsum("pi,i->p", parameters, metric)
    among = np.einsum("pi,qi->pq", parameters, parameters)
    if len(parameters) < 2 or np.linalg.det(among) < DETERMINANT_LEAST:
        return np.asarray(plain)
    inverse = np.linalg.inv(among)
    slopes = np.einsum("pq,q->p", inverse, plain)
    rest = max(0.0, 1.0 - float(np.einsum("p,p->", slopes, plain)))
    below = np.sqrt(slopes**2 + np.diag(inverse) * rest)
    return np.asarray(np.divide(slopes, below, out=np.zeros_like(slopes), where=below > 0))


def level_codes(column: pl.Series) -> IntArray:
    """Number of each value among the column's distinct ones, in the order in which they appear."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(value, len(known)) for value in column.to_list()], np.int64)


def eta_squared(codes: IntArray, values: FloatArray) -> float:
    """Share of the variance of a metric that lies between the values of a parameter; NaN if nothing varies.

    On a full grid this is the parameter's first-order Sobol' index, the grid's values being equally likely.

    Source
    ------
    R. A. Fisher, "Statistical Methods for Research Workers" (1925): the correlation ratio, squared
    """
    known = ~np.isnan(values)
    codes, values = codes[known], values[known]
    apart = values - values.mean()
    total = float(np.einsum("i,i->", apart, apart))
    if total <= 0:
        return float("nan")
    count = np.bincount(codes)
    sums = np.bincount(codes, weights=apart)
    between = float((sums**2 / np.maximum(count, 1)).sum())
    return between / total


def percentiles(values: Sequence[float]) -> tuple[float, float]:
    """The 2.5 and 97.5 per cent points of what is known; NaN of nothing."""
    known = [value for value in values if not np.isnan(value)]
    if not known:
        return float("nan"), float("nan")
    found = np.percentile(known, [LOW, HIGH])
    return float(found[0]), float(found[1])


def basic_interval(value: float, drawn: Sequence[float], least: float, most: float) -> tuple[float, float]:
    """The basic bootstrap's 95 % interval, within bounds, and wide enough to hold the estimate.

    Means that are drawn anew have their noise twice. What noise pushes to one side (a front looks better,
    a correlation weaker than it is), the draws overshoot by as much again, and the basic interval turns it
    back.

    Source
    ------
    A. C. Davison and D. V. Hinkley, "Bootstrap Methods and their Application" (1997), section 5.2
    """
    low, high = percentiles(drawn)
    ends = 2 * value - high, 2 * value - low
    return min(max(ends[0], least), value), max(min(ends[1], most), value)
