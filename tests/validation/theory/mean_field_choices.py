"""Power of d choices with many cores: the limit, and its 1/N term.

x[i - 1] is the share of cores with at least i processes. An arrival's d draws are uniform, independent, with
replacement: the joined core has at least i - 1 and less than i with probability x[i-2]^d - x[i-1]^d, for any
number of cores. The limit is x[i-1] = load^((d^i - 1) / (d - 1)) (Vvedenskaya, Dobrushin and Karpelevich
1996, Theorem 1; Mitzenmacher 2001).
"""

from functools import cache

import numpy as np

from tests.validation.theory.mean_field_refined import Refined, refine

DEPTH = {1: 400, 2: 12, 3: 8}
"""Lengths kept, by d: the share of longer cores is below 1e-15 up to a load of 0.95 with d = 2, 3."""


def fixed_point(load: float, choices: int, depth: int) -> np.ndarray:
    """Shares of cores with at least 1, 2, .. processes."""
    powers = choices ** np.arange(1, depth + 1, dtype=float)
    exponents = (powers - 1) / (choices - 1) if choices > 1 else np.arange(1.0, depth + 1)
    return load**exponents


@cache
def power_of_choices(load: float, choices: int) -> Refined:
    """The limit and its 1/N term; time is in mean demands."""
    depth = DEPTH[choices]
    jumps = np.concatenate([np.eye(depth), -np.eye(depth)])

    def rates(x: np.ndarray) -> np.ndarray:
        powers = np.concatenate([[1.0], x**choices])
        return np.concatenate([load * (powers[:-1] - powers[1:]), x - np.append(x[1:], 0.0)])

    return refine(fixed_point(load, choices, depth), jumps, rates)


def length(x: np.ndarray) -> np.ndarray:
    """Mean processes a core."""
    return x.sum()
