"""Sender-initiated probing with many cores (Eager, Lazowska and Zahorjan 1986, threshold policy).

An arrival at a random core with fewer than `threshold` processes stays; else cores are drawn from all, with
replacement, up to `probes` times, and it goes to the first drawn with fewer, else stays. x[i - 1] is the
share of cores with at least i, t that with at least the threshold. A core below the threshold gets arrivals
at rate load (1 + t + .. + t^probes): its own, and its part of t (1 - t^probes) over 1 - t. A core at or above
it gets load t^probes. These are exact for any number of cores. With threshold 1 the limit is
load^(1 + (probes + 1)(i - 1)), the mean sojourn 1 / (1 - load^(probes + 1)).
"""

from functools import cache

import numpy as np
from scipy.optimize import brentq

from tests.validation.theory.mean_field_refined import Refined, refine

NEGLIGIBLE = 1e-14


def fixed_point(load: float, probes: int, threshold: int) -> np.ndarray:
    """Shares of cores with at least 1, 2, .. processes.

    The share that is idle is 1 - load; below the threshold each share is load (1 + t + .. + t^probes) times
    the one before, and all of them and t add up to 1, which fixes t.
    """

    def low(t: float) -> np.ndarray:
        return (1 - load) * (load * (t ** np.arange(probes + 1)).sum()) ** np.arange(threshold)

    t = float(brentq(lambda x: low(x).sum() + x - 1, 0.0, load, xtol=1e-16))
    ratio = load * t**probes
    count = int(np.ceil(np.log(NEGLIGIBLE) / np.log(ratio)))
    return np.concatenate([1 - np.cumsum(low(t)[:-1]), t * ratio ** np.arange(count)])


@cache
def sender_probing(load: float, probes: int, threshold: int) -> Refined:
    """The limit and its 1/N term; time is in mean demands. Exact up to 2 probes (mean_field_refined)."""
    point = fixed_point(load, probes, threshold)
    depth = len(point)
    jumps = np.concatenate([np.eye(depth), -np.eye(depth)])

    def rates(x: np.ndarray) -> np.ndarray:
        shares = np.concatenate([[1.0], x[:-1]]) - x
        t = x[threshold - 1]
        below = sum(t**k for k in range(probes + 1))
        arrivals = np.concatenate([shares[:threshold] * below, shares[threshold:] * t**probes])
        return np.concatenate([load * arrivals, x - np.append(x[1:], 0.0)])

    return refine(point, jumps, rates)


def length(x: np.ndarray) -> np.ndarray:
    """Mean processes a core."""
    return x.sum()
