"""Designs: where the points of a sampled sweep lie in the unit cube, each axis one dimension."""

import warnings
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Cube = NDArray[np.float64]


def random_cube(points: int, dimensions: int, rng: np.random.Generator) -> Cube:
    """Independent and uniform points; more points keep the first ones."""
    return rng.random((points, dimensions))


def latin_cube(points: int, dimensions: int, rng: np.random.Generator) -> Cube:
    """A Latin hypercube: cut into `points` equal slices, each dimension has one point in each slice.

    Source
    ------
    M. D. McKay, R. J. Beckman, W. J. Conover, Technometrics 21(2), 1979, pp. 239-245
    """
    # Here, as it takes half a second that a grid need not wait for.
    from scipy.stats import qmc

    return np.asarray(qmc.LatinHypercube(dimensions, rng=rng).random(points))


def sobol_cube(points: int, dimensions: int, rng: np.random.Generator) -> Cube:
    """The start of a scrambled Sobol' sequence; more points keep the first ones.

    Balanced where `points` is a power of two, which `pipeline/config/schema.py` asks for.

    Source
    ------
    A. B. Owen, "Scrambling Sobol' and Niederreiter-Xing points", J. Complexity 14(4), 1998, pp. 466-489
    """
    from scipy.stats import qmc

    with warnings.catch_warnings():
        # What a number that is no power of two loses, the schema has said.
        warnings.simplefilter("ignore", UserWarning)
        return np.asarray(qmc.Sobol(dimensions, rng=rng).random(points))


def saltelli_cube(points: int, dimensions: int, rng: np.random.Generator) -> Cube:
    """Saltelli's design for Sobol' indices: A, then B, then for each dimension A with that one from B.

    A and B are the two halves of one scrambled Sobol' sequence of twice the dimensions, as
    `scipy.stats.sobol_indices` draws them.

    Parameters
    ----------
    points : rows of A, a power of two; the design has points x (dimensions + 2) rows

    Source
    ------
    A. Saltelli et al., "Variance based sensitivity analysis of model output. Design and estimator for the
    total sensitivity index", Computer Physics Communications 181 (2010) 259-270
    """
    from scipy.stats import qmc

    both = np.asarray(qmc.Sobol(2 * dimensions, rng=rng, bits=64).random(points))
    first, second = both[:, :dimensions], both[:, dimensions:]
    mixed = np.tile(first, (dimensions, 1, 1))
    for axis in range(dimensions):
        mixed[axis, :, axis] = second[:, axis]
    return np.concatenate([first, second, mixed.reshape(-1, dimensions)])


DESIGNS: dict[str, Callable[[int, int, np.random.Generator], Cube]] = {
    "random": random_cube,
    "latin": latin_cube,
    "sobol": sobol_cube,
    "saltelli": saltelli_cube,
}


def unit_cube(kind: str, points: int, dimensions: int, seed: int) -> Cube:
    """Points of the unit cube: float64 (points, dimensions), 0 <= x < 1; of saltelli more, see there.

    Complexity and determinism
    --------------------------
    O(points × dimensions); the same arguments give the same numbers
    """
    return DESIGNS[kind](points, dimensions, np.random.Generator(np.random.PCG64(seed)))
