"""One point of a front by a stated rule: the knee, or the least weighted sum.

Objectives are minimised. Values are rows of points, columns of objectives.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
# Of a normal whose parts add up to 1: below it, the plane does not fall along an objective.
NORMAL_LEAST = 1e-9


@dataclass(frozen=True)
class Knee:
    """The chosen row and how it was chosen: `rule` is a key of `recommend.RULES`, or none."""

    row: int
    rule: str


@dataclass(frozen=True)
class Ruler:
    """What a rule minimises over a front: a weighted sum of the scaled objectives, or the distance to 0.

    low, span : the front's least values, and what lies between them and its greatest
    weights   : their sum is 1; None = the distance to the ideal corner
    """

    low: FloatArray
    span: FloatArray
    weights: FloatArray | None

    def scores(self, values: FloatArray) -> FloatArray:
        """Smaller is better: float64 (point,). 1 is as far as the front reaches in every objective."""
        scaled = (values - self.low) / self.span
        if self.weights is None:
            return np.asarray(np.sqrt((scaled**2).sum(axis=1) / values.shape[1]))
        return np.asarray((scaled * self.weights).sum(axis=1))


def find_knee(
    values: FloatArray,
    mask: BoolArray,
    tie_break: FloatArray | None = None,
    weights: Sequence[float] | None = None,
) -> Knee:
    """The point of a front that a study without an `objective` recommends.

    The front is scaled: its least value of an objective is 0, its greatest 1. An objective in which it does
    not vary plays no part.

    With weights, the least weighted sum of the scaled objectives (`weights`). Without, the knee: the point
    furthest below the flat through the front's ends (`chord` for two objectives, `plane` for three; an end
    is the least in an objective, then in the sum of the others). A front that nowhere sags below it, or
    whose plane does not fall along each objective, has no knee: then the point nearest to the ideal corner
    (`ideal`). Of two distinct points neither is a knee: the smaller `tie_break` wins (`tie`). Ties go to
    the first row.

    Parameters
    ----------
    values    : float64 array (point, objective), two or three objectives
    mask      : bool array (point,), the front
    tie_break : float64 array (point,), smaller is better; default the sum of the scaled objectives
    weights   : one an objective; None = the knee

    Source
    ------
    I. Das, "On characterizing the 'knee' of the Pareto curve based on normal-boundary intersection",
    Structural Optimization 18 (1999) 107-115: the point furthest, along the normal, from the convex hull of
    the individual minima, for any number of objectives; with two the same maximum as "Kneedle", Satopää et
    al., ICDCSW 2011. The fall-backs are ours.
    """
    rows = np.flatnonzero(mask)
    if not len(rows):
        return Knee(-1, "none")
    front = values[rows]
    low, high = front.min(axis=0), front.max(axis=0)
    varies = high > low
    if not varies.any():
        return Knee(int(rows[0]), "only")
    scaled = (front - low)[:, varies] / (high - low)[varies]
    if weights is not None:
        return Knee(int(rows[least_sum(scaled, np.asarray(weights)[varies])]), "weights")
    if has_two_rows(front):
        keys = scaled.sum(axis=1) if tie_break is None else tie_break[rows]
        keys = np.where(np.isnan(keys), np.inf, keys)
        return Knee(int(rows[np.argmin(keys)]), "tie")
    below, rule = below_ends(scaled)
    if below.max() > 0:
        return Knee(int(rows[np.argmax(below)]), rule)
    return Knee(int(rows[np.argmin((scaled**2).sum(axis=1))]), "ideal")


def least_sum(scaled: FloatArray, weights: FloatArray) -> int:
    """The row with the least weighted sum; of equal ones that with the least plain sum, then the first."""
    sums = np.round((scaled * weights).sum(axis=1), 12)
    return int(np.lexsort((np.arange(len(sums)), np.round(scaled.sum(axis=1), 12), sums))[0])


def below_ends(scaled: FloatArray) -> tuple[FloatArray, str]:
    """How far each row lies below the flat through the ends, and the rule that this is.

    Rounded, so that a tie is one in whatever units the objectives are.
    """
    if scaled.shape[1] < 3:
        return np.round(1.0 - scaled[:, 0] - scaled[:, -1], 12), "chord"
    normal = plane_normal(scaled)
    if normal is None:
        return np.zeros(len(scaled)), "plane"
    height = float((scaled[end_rows(scaled)[0]] * normal).sum())
    return np.round(height - (scaled * normal).sum(axis=1), 12), "plane"


def end_rows(scaled: FloatArray) -> list[int]:
    """For each objective the row that is least in it; of equal ones that with the least sum of the others."""
    total = scaled.sum(axis=1)
    places = np.arange(len(scaled))
    return [int(np.lexsort((places, total, scaled[:, axis]))[0]) for axis in range(scaled.shape[1])]


def plane_normal(scaled: FloatArray) -> FloatArray | None:
    """The normal, its parts adding up to 1, of the plane through the three ends.

    None if there is no such plane, or if it does not fall along each objective.
    """
    first, second, third = (scaled[row] for row in end_rows(scaled))
    # Written out: a library's product may differ in the last bit from machine to machine.
    (a, b, c), (d, e, f) = (second - first).tolist(), (third - first).tolist()
    normal = np.array([b * f - c * e, c * d - a * f, a * e - b * d])
    total = float(normal.sum())
    if abs(total) < NORMAL_LEAST:
        return None
    normal = normal / total
    return normal if bool((normal > NORMAL_LEAST).all()) else None


def has_two_rows(front: FloatArray) -> bool:
    """Whether there are exactly two distinct rows."""
    others = front[(front != front[0]).any(axis=1)]
    return bool(len(others) and (others == others[0]).all())


def ruler_of(values: FloatArray, mask: BoolArray, rule: str, weights: Sequence[float] | None) -> Ruler:
    """What a rule minimised, as a measure of points off the front and of other settings too.

    Where the front does not vary in an objective, the range of all points stands in for its span. The two
    rules with nothing to measure by, `tie` and `only`, weigh the objectives equally, and so does `breach`.

    Parameters
    ----------
    values : float64 (point, objective)
    mask   : bool (point,), the front, with one row at least
    rule   : of the choice, as `find_knee` gives it
    """
    front = values[mask]
    low, span = front.min(axis=0), np.ptp(front, axis=0)
    known = values[~np.isnan(values).any(axis=1)]
    wide = np.ptp(known, axis=0)
    flat = span <= 0
    size = values.shape[1]
    even: FloatArray | None = np.full(size, 1.0 / size)
    if rule == "weights" and weights is not None:
        even = np.asarray(weights, np.float64)
    elif rule == "plane" and not flat.any():
        even = plane_normal((front - low) / span)
    elif rule == "ideal":
        even = None
    return Ruler(low, np.where(flat, np.where(wide > 0, wide, 1.0), span), even)


def rank_rows(
    values: FloatArray, mask: BoolArray, knee: Knee, feasible: BoolArray | None = None
) -> NDArray[np.int32]:
    """Places from 1 on: the chosen row, the rest of the front, then all others; 0 = no result.

    Within the front, and within the others, what meets the constraints comes first, then the least sum of
    the scaled objectives (with two, the row furthest below the front's chord).
    """
    known = ~np.isnan(values).any(axis=1)
    ranks = np.zeros(len(values), dtype=np.int32)
    if not mask.any():
        return ranks
    low, high = values[mask].min(axis=0), values[mask].max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    above = np.where(known, ((values - low) / span).sum(axis=1), np.inf)
    rows = np.arange(len(values))
    missed = np.zeros(len(values), np.bool_) if feasible is None else ~feasible
    order = np.lexsort((rows, above, missed, ~mask, rows != knee.row))
    ranks[order] = np.arange(1, len(values) + 1)
    ranks[~known] = 0
    return ranks
