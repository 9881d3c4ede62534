"""Estimators that the fits share: robust ones, and their intervals by bootstrap."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import nnls

RESAMPLES = 200
SEED = 20_000
HUBER = 1.345
"""Residuals beyond this many standard deviations count less (Huber 1964: 95 % efficiency)."""
HUBER_ROUNDS = 15
INTERVAL = (2.5, 97.5)


def robust_rates(times: NDArray[np.float64], done: NDArray[np.float64]) -> NDArray[np.float64]:
    """Non-negative rates r with done = times @ r, little moved by outlying rows.

    Least squares with non-negative unknowns (Lawson and Hanson), weights after Huber.

    Parameters
    ----------
    times : (row, class), time spent
    done  : (row,), work done
    """
    weights = np.ones(done.size)
    rates = np.zeros(times.shape[1])
    for _ in range(HUBER_ROUNDS):
        root = np.sqrt(weights)
        previous = rates
        rates = np.asarray(nnls(times * root[:, None], done * root)[0])
        if np.allclose(rates, previous, rtol=1e-6, atol=0):
            break
        residual = np.abs(done - times @ rates)
        scale = np.median(residual) / 0.6745
        if scale <= 0:
            break
        weights = np.minimum(1.0, HUBER * scale / np.maximum(residual, 1e-12))
    return rates


def shorth(values: NDArray[Any]) -> float:
    """The middle of the shortest interval that holds half of the values: where most of them lie."""
    ordered = np.sort(np.asarray(values, float))
    half = ordered.size // 2 + 1
    widths = ordered[half - 1 :] - ordered[: ordered.size - half + 1]
    # Ties are common where the clock ticks in 10 ns; the middle one of them.
    narrowest = np.flatnonzero(widths == widths.min())
    at = int(narrowest[narrowest.size // 2])
    return float((ordered[at] + ordered[at + half - 1]) / 2)


def bootstrap(
    size: int, estimate: Callable[[NDArray[np.int64]], Any], *, block: int = 1, resamples: int = RESAMPLES
) -> NDArray[np.float64]:
    """Estimates on resampled rows, one row a resample; the same in every run.

    Parameters
    ----------
    size     : number of rows
    estimate : gets indexes of rows, returns a number or several
    block    : rows that stay together, where neighbours depend on each other
    """
    generator = np.random.default_rng(SEED)
    results = []
    for _ in range(resamples):
        starts = generator.integers(0, max(size - block + 1, 1), size=-(-size // block))
        rows = (starts[:, None] + np.arange(block)).ravel()[:size]
        results.append(np.atleast_1d(estimate(np.minimum(rows, size - 1))))
    return np.array(results, float)


def interval(values: NDArray[np.float64]) -> tuple[float, float]:
    """The middle 95 % of bootstrap estimates."""
    low, high = np.percentile(values, INTERVAL)
    return float(low), float(high)
