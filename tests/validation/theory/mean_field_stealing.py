"""Steal on idle with many cores (Mitzenmacher 1998, Analyses of load stealing models): limit, 1/N term.

x[i - 1] is the share of cores with at least i processes. Arrivals of rate `load` a core go to random cores;
demands are exponential of mean 1. A core that empties draws one victim among all cores and takes one process
if it has at least `threshold`; the thief itself has less, so the rates are exact for any number of cores.
"""

from functools import cache

import numpy as np
from scipy.optimize import brentq

from tests.validation.theory.mean_field_refined import Refined, refine

NEGLIGIBLE = 1e-10


def fixed_point(load: float, threshold: int) -> np.ndarray:
    """Shares of cores with at least 1, 2, .. processes, down to a negligible one.

    In balance x[0] = load, and with y the share of cores with at least 2, a core empties at rate load - y.
    Across the cut between i - 1 and i processes: load p[i-1] = p[i] for 2 <= i < threshold, and load p[i-1] =
    p[i] (1 + load - y) for i >= threshold, where p[i] is the share with exactly i: p[1] = load - y. The
    shares add up to `load`, which fixes y.
    """

    def shares(y: float) -> tuple[np.ndarray, float]:
        ratio = load / (1 + load - y)
        low = (load - y) * load ** np.arange(threshold - 1)
        return low, float(low[-1] * ratio / (1 - ratio))

    def surplus(y: float) -> float:
        low, rest = shares(y)
        return low.sum() + rest - load

    low, rest = shares(brentq(surplus, 0.0, load * (1 - 1e-12), xtol=1e-15))
    ratio = rest / (rest + low[-1])
    count = int(np.ceil(np.log(NEGLIGIBLE) / np.log(ratio)))
    head = load - np.concatenate([[0.0], np.cumsum(low[:-1])])
    return np.concatenate([head, rest * ratio ** np.arange(count)])


@cache
def steal_on_idle(load: float, threshold: int) -> Refined:
    """The limit and its 1/N term; time is in mean demands."""
    point = fixed_point(load, threshold)
    depth = len(point)
    jumps = np.concatenate([np.eye(depth), -np.eye(depth), -np.eye(depth)[threshold - 1 :]])

    def rates(x: np.ndarray) -> np.ndarray:
        shares = x - np.append(x[1:], 0.0)
        before = np.concatenate([[1.0 - x[0]], shares[:-1]])
        departures = shares.copy()
        departures[0] = shares[0] * (1 - x[threshold - 1])  # the rest steals: it stays at 1, its victim loses
        return np.concatenate([load * before, departures, shares[0] * shares[threshold - 1 :]])

    return refine(point, jumps, rates)


def length(x: np.ndarray) -> np.ndarray:
    """Mean processes a core."""
    return x.sum()


def steal_rate(x: np.ndarray, threshold: int) -> np.ndarray:
    """Steals that succeed, a core and a mean demand."""
    return (x[0] - x[1]) * x[threshold - 1]
