"""The Pareto front of a study cell, how sure each point's place on it is, and the knee.

Objectives are minimised. Values are rows of points, columns of objectives.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
STREAM = 0xF207
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


def pareto_mask(values: FloatArray) -> BoolArray:
    """Which rows no other row dominates (as good everywhere and better somewhere).

    Exact duplicates stay together, on or off the front; a row with NaN is never on it.

    Parameters
    ----------
    values : float64 array (point, objective), smaller is better

    Complexity and determinism
    --------------------------
    two objectives O(n log n), else O(n^2 objectives) time in blocks of bounded memory
    """
    known = ~np.isnan(values).any(axis=1)
    mask = np.zeros(len(values), dtype=np.bool_)
    rows = values[known]
    if len(rows):
        mask[known] = pareto_mask_pair(rows) if values.shape[1] == 2 else pareto_mask_any(rows)
    return mask


def pareto_mask_pair(rows: FloatArray) -> BoolArray:
    """Two objectives: sorted by the first, a row survives if it is below all that sort before."""
    order = np.lexsort((rows[:, 1], rows[:, 0]))
    first, second = rows[order, 0], rows[order, 1]
    best = np.minimum.accumulate(second)
    before = np.concatenate(([np.inf], best[:-1]))
    keep = second < before
    # A duplicate of the row that set the minimum is not strictly below it, but as good.
    same = np.zeros(len(rows), dtype=np.bool_)
    same[1:] = (first[1:] == first[:-1]) & (second[1:] == second[:-1])
    group = np.maximum.accumulate(np.where(same, 0, np.arange(len(rows))))
    mask = np.empty(len(rows), dtype=np.bool_)
    mask[order] = keep[group]
    return mask


def pareto_mask_any(rows: FloatArray, block: int = 256) -> BoolArray:
    """Any number of objectives, by comparing blocks of rows with all rows."""
    mask = np.empty(len(rows), dtype=np.bool_)
    for start in range(0, len(rows), block):
        some = rows[start : start + block, None, :]
        as_good = (rows[None, :, :] <= some).all(axis=2)
        better = (rows[None, :, :] < some).any(axis=2)
        mask[start : start + block] = ~np.any(as_good & better, axis=1)
    return mask


@dataclass(frozen=True)
class Knee:
    """The chosen row and how it was chosen: `rule` is chord, ideal, tie, only or none."""

    row: int
    rule: str


def find_knee(values: FloatArray, mask: BoolArray, tie_break: FloatArray | None = None) -> Knee:
    """The knee of a two-objective front: the row furthest below the chord of its two ends.

    The front is scaled to the unit square, its ends at (0, 1) and (1, 0); the distance of (x, y)
    below the chord is (1 - x - y) / sqrt 2. A front that nowhere sags below its chord has no knee:
    then the row nearest to the ideal corner (0, 0) is taken. Of two distinct rows neither is a
    knee: the one with the smaller `tie_break` wins. Ties go to the first row.

    Parameters
    ----------
    values    : float64 array (point, 2)
    mask      : bool array (point,), the front
    tie_break : float64 array (point,), smaller is better; default the sum of the scaled objectives

    Source
    ------
    I. Das, "On characterizing the 'knee' of the Pareto curve based on normal-boundary
    intersection", Structural Optimization 18 (1999) 107-115; the same maximum as "Kneedle",
    Satopää et al., ICDCSW 2011. The fall-backs are ours.
    """
    rows = np.flatnonzero(mask)
    if not len(rows):
        return Knee(-1, "none")
    front = values[rows]
    low, high = front.min(axis=0), front.max(axis=0)
    span = high - low
    if (span <= 0).any():
        return Knee(int(rows[0]), "only")
    scaled = (front - low) / span
    if len(np.unique(front, axis=0)) == 2:
        keys = scaled.sum(axis=1) if tie_break is None else tie_break[rows]
        keys = np.where(np.isnan(keys), np.inf, keys)
        return Knee(int(rows[np.argmin(keys)]), "tie")
    # Rounded, so that a tie is one in whatever units the objectives are.
    below = np.round(1.0 - scaled[:, 0] - scaled[:, 1], 12)
    if below.max() > 0:
        return Knee(int(rows[np.argmax(below)]), "chord")
    return Knee(int(rows[np.argmin((scaled**2).sum(axis=1))]), "ideal")


def rank_rows(values: FloatArray, mask: BoolArray, knee: Knee) -> NDArray[np.int32]:
    """Places from 1 on: the chosen row, the rest of the front, then all others; 0 = no result.

    Within the front, and within the others, the row furthest below the front's chord comes first.
    """
    known = ~np.isnan(values).any(axis=1)
    ranks = np.zeros(len(values), dtype=np.int32)
    if not mask.any():
        return ranks
    low, high = values[mask].min(axis=0), values[mask].max(axis=0)
    span = np.where(high > low, high - low, 1.0)
    above = np.where(known, ((values - low) / span).sum(axis=1), np.inf)
    rows = np.arange(len(values))
    order = np.lexsort((rows, above, ~mask, rows != knee.row))
    ranks[order] = np.arange(1, len(values) + 1)
    ranks[~known] = 0
    return ranks


@dataclass(frozen=True)
class FrontCertainty:
    """Shares of bootstrap resamples, one value a point; None where there is one replicate only.

    on_front : float64 array (point,), share of resamples with the point on the front
    is_knee  : float64 array (point,), share of resamples with the point as the knee
    """

    on_front: FloatArray
    is_knee: FloatArray


def bootstrap_front(lanes: FloatArray, seed: int, resamples: int = RESAMPLES) -> FrontCertainty | None:
    """How often each point is on the front, and its knee, when the means are drawn anew (`draw_means`).

    Parameters
    ----------
    lanes : float64 array (replicate, point, metric), the two objectives and what breaks a tie between
            two points, smaller is better (without a third: the sum of the scaled objectives); NaN where
            a lane does not count
    seed  : int, the study's seed

    Complexity and determinism
    --------------------------
    O(resamples x (replicates x points + points log points)); the bits depend on the lanes and the seed
    """
    if lanes.shape[0] < 2:
        return None
    on_front, is_knee = np.zeros(lanes.shape[1]), np.zeros(lanes.shape[1])
    for means in draw_means(lanes, seed, resamples):
        values = means[:, :2]
        tie_break = means[:, 2] if means.shape[1] > 2 else None
        mask = pareto_mask(values)
        on_front += mask
        # Exact duplicates share a place on the front, so they share the knee too.
        knee = find_knee(values, mask, tie_break).row
        if knee >= 0:
            is_knee += (values == values[knee]).all(axis=1)
    return FrontCertainty(on_front / resamples, is_knee / resamples)


def draw_means(lanes: FloatArray, seed: int, resamples: int) -> Iterator[FloatArray]:
    """Means that the points might have, (point, metric), given the spread of their replicates.

    Drawn from Student's law around the observed means, with the covariance of the replicates: points
    that share random numbers move together, and any difference of two means has exactly the spread of
    its paired Student-t interval. To draw replicates with replacement instead is too sure of itself
    where they are few: of 3, it makes a mean's spread 2.7 times too small at the 95 % level. A point
    without a result stays NaN, one with a single result has no spread.

    Source
    ------
    S. E. Chick and K. Inoue, "New procedures to select the best simulated system using common random
    numbers", Management Science 47 (2001) 1133-1149 (the law of the means, given the replicates);
    T. Hesterberg, "What teachers should know about the bootstrap", The American Statistician 69 (2015)
    371-386 (how far the plain bootstrap is too narrow)
    """
    known = ~np.isnan(lanes)
    number = known.sum(axis=0)
    # Sums go replicate by replicate, without a matrix product, whose bits depend on the machine.
    total = sum(np.where(known[r], lanes[r], 0.0) for r in range(len(lanes)))
    means = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    scale = np.sqrt(np.maximum(number * (number - 1), 1))
    apart = np.where(known, lanes - means, 0.0) / scale
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAM])))
    freedom = len(lanes) - 1
    normal = generator.standard_normal((resamples, len(lanes)))
    spread = np.sqrt(generator.chisquare(freedom, (resamples, 1)) / freedom)
    # Rounded, so that the last bit of a machine's logarithm moves nothing.
    for weights in np.round(normal / spread, 9):
        yield means + sum(weight * row for weight, row in zip(weights, apart, strict=True))
