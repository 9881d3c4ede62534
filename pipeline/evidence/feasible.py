"""Constraints on means: which points meet all of them, by how much others miss them, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.config.goals import Constraint

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Bounds:
    """Constraints, one a column of the values that they are asked about.

    constraints : in the order of the columns
    scales      : what a miss of each is divided by, so that misses of different units can be added
    """

    constraints: tuple[Constraint, ...] = ()
    scales: tuple[float, ...] = ()

    def holds(self, values: FloatArray) -> BoolArray:
        """Which rows meet every constraint: bool (point,); NaN meets none.

        Parameters
        ----------
        values : float64 (point, constraint)
        """
        found = np.ones(len(values), dtype=np.bool_)
        for column, constraint in enumerate(self.constraints):
            found &= constraint.holds(values[:, column])
        return found

    def breach(self, values: FloatArray) -> FloatArray:
        """Sum of the scaled misses: float64 (point,), 0 = every bound is kept; a row with NaN misses by inf.

        Source
        ------
        K. Deb, "An efficient constraint handling method for genetic algorithms", Computer Methods in Applied
        Mechanics and Engineering 186 (2000) 311-338: of points that all miss, the one that misses least
        """
        total = np.zeros(len(values))
        for column, (constraint, scale) in enumerate(zip(self.constraints, self.scales, strict=True)):
            over = (values[:, column] - constraint.bound) * (1.0 if constraint.sign in ("<=", "<") else -1.0)
            total += np.where(np.isnan(over), np.inf, np.maximum(over, 0.0)) / scale
        return total


def bounds_of(constraints: Sequence[Constraint], values: FloatArray) -> Bounds:
    """Constraints with the scales of a study cell: the size of the bound, or for a bound of 0 the range of
    the cell's means.

    Parameters
    ----------
    values : float64 (point, constraint), the cell's means
    """
    scales = []
    for column, constraint in enumerate(constraints):
        known = values[:, column][~np.isnan(values[:, column])]
        spread = float(known.max() - known.min()) if len(known) else 0.0
        scales.append(abs(constraint.bound) or spread or 1.0)
    return Bounds(tuple(constraints), tuple(scales))


def feasible_shares(bounds: Bounds, means: FloatArray, apart: FloatArray, weights: FloatArray) -> FloatArray:
    """Share of the resamples in which each point meets every constraint: float64 (point,).

    Parameters
    ----------
    means   : float64 (point, constraint)
    apart   : float64 (replicate, point, constraint), as `pipeline.evidence.front.spread_of` gives them
    weights : float64 (resample, replicate), as `pipeline.evidence.front.draw_weights` gives them
    """
    sure = bounds.holds(means)
    shares = sure.astype(np.float64)
    if not bounds.constraints:
        return shares
    # A resample moves a mean by at most the product of two sizes (Cauchy-Schwarz): what lies further from
    # its bound need not be drawn.
    reach = np.sqrt((weights**2).sum(axis=1)).max() * np.sqrt((apart**2).sum(axis=0)) * (1 + 1e-9)
    limits = np.array([one.bound for one in bounds.constraints])
    near = np.flatnonzero((np.abs(means - limits) <= reach).any(axis=1))
    count = np.zeros(len(near))
    few = np.ascontiguousarray(apart[:, near])
    for weight in weights:
        moved = means[near] + sum(w * row for w, row in zip(weight, few, strict=True))
        count += bounds.holds(moved)
    shares[near] = count / len(weights)
    return shares
