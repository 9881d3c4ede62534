"""How long requests stay in the supermarket model: mean and tail with N cores, up to O(1 / N^2).

Poisson arrivals join the shortest of d queues drawn at random, first come first served. Who finds k requests
at the shortest stays for k + 1 exponential demands; with shares x of cores with at least 1, 2, .. requests it
finds k with probability x_k^d - x_(k+1)^d, x_0 = 1. As N grows the mean is sum of load^((d^i - d)/(d - 1)),
i >= 1, of a mean demand (Mitzenmacher 2001); the 1 / N term is that of `mean_field_refined`.
"""

import math

import numpy as np
from scipy import stats

from tests.validation.theory.mean_field_choices import length, power_of_choices


def mean_time(load: float, choices: int, cores: float = math.inf) -> float:
    """Mean sojourn, in mean demands; one choice makes each core an M/M/1 queue."""
    if choices == 1:
        return 1 / (1 - load)
    refined = power_of_choices(load, choices)
    return (refined.limit(length) + refined.coefficient(length) / cores) / load


def tail(load: float, choices: int, time: float, cores: float = math.inf) -> float:
    """P(sojourn > time), time in mean demands."""
    if choices == 1:
        return math.exp(-(1 - load) * time)
    refined = power_of_choices(load, choices)
    longer = stats.gamma.sf(time, np.arange(1, len(refined.point) + 2))

    def share(x: np.ndarray) -> np.ndarray:
        powers = np.concatenate([[1.0], x**choices, [0.0]])
        return (powers[:-1] - powers[1:]) @ longer

    return refined.limit(share) + refined.coefficient(share) / cores
