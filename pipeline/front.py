"""The Pareto front of a study cell, how sure each point's place on it is, and the knee.

Objectives are minimised. Values are rows of points, columns of objectives.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

RESAMPLES = 1000
STREAM = 0xF207
# Rows that the others are held against before the resamples, and groups of resamples of like spread.
RIVALS = 64
GROUPS = 16
# Of the numbers in a comparison: far above their rounding, far below what noise moves.
SLACK = 1e-9
# From so many rows on, those behind a sample are sorted out before the others are sorted.
MANY, SAMPLE = 1024, 512
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
    two or three objectives O(n log n), else O(n^2 objectives) time in blocks of bounded memory
    """
    known = ~np.isnan(values).any(axis=1)
    mask = np.zeros(len(values), dtype=np.bool_)
    rows = values[known]
    if len(rows):
        find = {2: pareto_mask_pair, 3: pareto_mask_three}.get(values.shape[1], pareto_mask_any)
        mask[known] = find(rows)
    return mask


def pareto_mask_pair(rows: FloatArray) -> BoolArray:
    """Two objectives: sorted by the first, a row survives if it is below all that sort before."""
    if len(rows) > MANY:
        near = near_front(rows, rows[:: len(rows) // SAMPLE])
        mask = np.zeros(len(rows), dtype=np.bool_)
        mask[near] = pareto_mask_stair(rows[near])
        return mask
    return pareto_mask_stair(rows)


def near_front(rows: FloatArray, sample: FloatArray) -> NDArray[np.int64]:
    """Rows that no row of a sample is better than in both objectives: far fewer to sort."""
    stair = sample[pareto_mask_stair(sample)]
    stair = stair[np.argsort(stair[:, 0], kind="stable")]
    before = np.searchsorted(stair[:, 0], rows[:, 0], side="left")
    best = np.concatenate(([np.inf], stair[:, 1]))[before]
    return np.flatnonzero(rows[:, 1] <= best)


def pareto_mask_stair(rows: FloatArray) -> BoolArray:
    """`pareto_mask_pair` by sorting all rows."""
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


def pareto_mask_three(rows: FloatArray) -> BoolArray:
    """Three objectives: in the order of the first, against a stair of the least third for each second.

    Source
    ------
    H. T. Kung, F. Luccio, F. P. Preparata, "On finding the maxima of a set of vectors", Journal of the
    ACM 22 (1975) 469-476
    """
    distinct, place = np.unique(rows, axis=0, return_inverse=True)
    keep = np.zeros(len(distinct), dtype=np.bool_)
    # Of the rows so far: the seconds rise, and the thirds fall.
    seconds: list[float] = []
    thirds: list[float] = []
    for index, (_, second, third) in enumerate(distinct.tolist()):
        below = bisect_right(seconds, second)
        if below and thirds[below - 1] <= third:
            continue
        keep[index] = True
        start = stop = bisect_left(seconds, second)
        while stop < len(thirds) and thirds[stop] >= third:
            stop += 1
        seconds[start:stop], thirds[start:stop] = [second], [third]
    return keep[place.reshape(-1)]


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
    if has_two_rows(front):
        keys = scaled.sum(axis=1) if tie_break is None else tie_break[rows]
        keys = np.where(np.isnan(keys), np.inf, keys)
        return Knee(int(rows[np.argmin(keys)]), "tie")
    # Rounded, so that a tie is one in whatever units the objectives are.
    below = np.round(1.0 - scaled[:, 0] - scaled[:, 1], 12)
    if below.max() > 0:
        return Knee(int(rows[np.argmax(below)]), "chord")
    return Knee(int(rows[np.argmin((scaled**2).sum(axis=1))]), "ideal")


def has_two_rows(front: FloatArray) -> bool:
    """Whether there are exactly two distinct rows."""
    others = front[(front != front[0]).any(axis=1)]
    return bool(len(others) and (others == others[0]).all())


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
    O(resamples x (replicates x points + points log points)) at worst; points that are far behind in every
    resample are left out beforehand, which changes nothing; the bits depend on the lanes and the seed
    """
    if lanes.shape[0] < 2:
        return None
    means, apart = spread_of(lanes)
    weights = draw_weights(len(lanes), seed, resamples)
    sizes = np.sqrt((weights**2).sum(axis=1))
    limits = size_limits(means[:, :2], apart[:, :, :2])
    on_front, is_knee = np.zeros(lanes.shape[1]), np.zeros(lanes.shape[1])
    for group in np.array_split(np.argsort(sizes, kind="stable"), GROUPS):
        if not len(group):
            continue
        rows = np.flatnonzero(limits <= sizes[group].max())
        few_means, few_apart = means[rows], np.ascontiguousarray(apart[:, rows])
        for weight in weights[group]:
            front, knees = count_resample(moved_means(few_means, few_apart, weight))
            on_front[rows] += front
            is_knee[rows] += knees
    return FrontCertainty(on_front / resamples, is_knee / resamples)


def count_resample(means: FloatArray) -> tuple[BoolArray, BoolArray]:
    """Which points are on the front of one resample, and which are its knee."""
    values = means[:, :2]
    tie_break = means[:, 2] if means.shape[1] > 2 else None
    mask = pareto_mask(values)
    knee = find_knee(values, mask, tie_break).row
    if knee < 0:
        return mask, np.zeros(len(mask), dtype=np.bool_)
    # Exact duplicates share a place on the front, so they share the knee too.
    return mask, np.asarray((values == values[knee]).all(axis=1))


def size_limits(means: FloatArray, apart: FloatArray) -> FloatArray:
    """Size of a resample's weights up to which each point is dominated for certain; 0 = never.

    A resample moves the distance of two points by the scalar product of its weights with the difference
    of their replicates, which is at most the product of the two sizes (Cauchy-Schwarz).

    Parameters
    ----------
    means : float64 array (point, 2)
    apart : float64 array (replicate, point, 2), as `spread_of` gives them
    """
    limits = np.zeros(len(means))
    front = np.flatnonzero(pareto_mask(means))
    front = front[np.argsort(means[front, 0], kind="stable")]
    steps = np.unique(np.linspace(0, len(front) - 1, min(RIVALS, len(front))).astype(np.int64))
    for rival in front[steps]:
        least = np.full(len(means), np.inf)
        for axis in range(2):
            ahead = means[:, axis] - means[rival, axis]
            ahead -= SLACK * (np.abs(means[:, axis]) + abs(means[rival, axis]))
            moves = np.sqrt(((apart[:, :, axis] - apart[:, rival, axis, None]) ** 2).sum(axis=0))
            moves += SLACK * (np.abs(apart[:, :, axis]).sum(axis=0) + np.abs(apart[:, rival, axis]).sum())
            with np.errstate(divide="ignore", invalid="ignore"):
                least = np.fmin(least, np.where(ahead > 0, ahead / moves, 0.0))
        limits = np.maximum(limits, least)
    return limits


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
    means, apart = spread_of(lanes)
    for weights in draw_weights(len(lanes), seed, resamples):
        yield moved_means(means, apart, weights)


def spread_of(lanes: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Means (point, metric), and each replicate's scaled distance from them (replicate, point, metric)."""
    known = ~np.isnan(lanes)
    number = known.sum(axis=0)
    # Sums go replicate by replicate, without a matrix product, whose bits depend on the machine.
    total = sum(np.where(known[r], lanes[r], 0.0) for r in range(len(lanes)))
    means = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    scale = np.sqrt(np.maximum(number * (number - 1), 1))
    return means, np.where(known, lanes - means, 0.0) / scale


def draw_weights(replicates: int, seed: int, resamples: int) -> FloatArray:
    """What each resample multiplies the replicates' distances by: (resample, replicate)."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAM])))
    freedom = replicates - 1
    normal = generator.standard_normal((resamples, replicates))
    spread = np.sqrt(generator.chisquare(freedom, (resamples, 1)) / freedom)
    # Rounded, so that the last bit of a machine's logarithm moves nothing.
    return np.asarray(np.round(normal / spread, 9))


def moved_means(means: FloatArray, apart: FloatArray, weights: FloatArray) -> FloatArray:
    """The means of one resample."""
    return np.asarray(means + sum(weight * row for weight, row in zip(weights, apart, strict=True)))
