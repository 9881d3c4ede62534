"""The Pareto front of a study cell, what is chosen from it, and how sure both are.

Objectives are minimised. Values are rows of points, columns of objectives.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evidence.feasible import Bounds, feasible_shares
from pipeline.evidence.knee import Knee, find_knee

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
    order = np.lexsort((rows[:, 2], rows[:, 1], rows[:, 0]))
    ordered = rows[order]
    is_new = np.append(True, (ordered[1:] != ordered[:-1]).any(axis=1))
    distinct = ordered[is_new]
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
    mask = np.empty(len(rows), dtype=np.bool_)
    mask[order] = keep[np.cumsum(is_new) - 1]
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


def front_of(values: FloatArray, feasible: BoolArray | None = None) -> BoolArray:
    """The front of the feasible rows; of all of them where none is feasible, or nothing was asked for."""
    if feasible is None or feasible.all() or not (feasible & ~np.isnan(values).any(axis=1)).any():
        return pareto_mask(values)
    mask = np.zeros(len(values), dtype=np.bool_)
    mask[feasible] = pareto_mask(values[feasible])
    return mask


@dataclass(frozen=True)
class Rule:
    """What is chosen from a cell's means, whose columns are objectives, a tie-break, then what is bounded.

    objectives : number of objectives, two or three
    weights    : one an objective; None = the knee
    bounds     : the constraints, one a further column
    """

    objectives: int = 2
    weights: tuple[float, ...] | None = None
    bounds: Bounds = Bounds()

    def parts(self, means: FloatArray) -> tuple[FloatArray, FloatArray | None, FloatArray]:
        """Objectives (point, objective), tie-break (point,) or None, bounded means (point, constraint)."""
        count = self.objectives
        tie_break = means[:, count] if means.shape[1] > count else None
        return means[:, :count], tie_break, means[:, count + 1 :]

    def feasible(self, means: FloatArray) -> BoolArray | None:
        """Which points meet the constraints; None if there are none."""
        return self.bounds.holds(self.parts(means)[2]) if self.bounds.constraints else None

    def choose(self, means: FloatArray) -> tuple[BoolArray, Knee]:
        """The front, and the point chosen from it.

        With constraints both are of the feasible points. Where no point is feasible the front is that of
        all, and the point that misses the constraints least is chosen (`breach`).
        """
        values, tie_break, bounded = self.parts(means)
        feasible = self.feasible(means)
        mask = front_of(values, feasible)
        known = ~np.isnan(values).any(axis=1)
        if feasible is not None and mask.any() and not (feasible & known).any():
            return mask, Knee(least_breach(values, mask, self.bounds.breach(bounded)), "breach")
        return mask, find_knee(values, mask, tie_break, self.weights)


def least_breach(values: FloatArray, mask: BoolArray, breach: FloatArray) -> int:
    """The row that misses the constraints least; of equal ones the least sum of the scaled objectives."""
    low, span = values[mask].min(axis=0), np.ptp(values[mask], axis=0)
    total = ((values - low) / np.where(span > 0, span, 1.0)).sum(axis=1)
    total = np.where(np.isnan(total), np.inf, total)
    breach = np.where(np.isinf(total), np.inf, np.round(breach, 12))
    return int(np.lexsort((np.arange(len(breach)), total, breach))[0])


@dataclass(frozen=True)
class FrontCertainty:
    """Shares of bootstrap resamples, one value a point; None where there is one replicate only.

    on_front : float64 array (point,), share of resamples with the point on the front
    is_knee  : float64 array (point,), share of resamples with the point as the knee
    feasible : float64 array (point,), share of resamples in which the point meets the constraints
    """

    on_front: FloatArray
    is_knee: FloatArray
    feasible: FloatArray


def bootstrap_front(
    lanes: FloatArray, seed: int, resamples: int = RESAMPLES, rule: Rule | None = None
) -> FrontCertainty | None:
    """How often each point is on the front, and chosen, when the means are drawn anew (`draw_means`).

    The rule is followed anew in each resample, constraints included.

    Parameters
    ----------
    lanes : float64 array (replicate, point, metric), the columns of `Rule`: by default two objectives and
            what breaks a tie between two points, smaller is better (without a third: the sum of the scaled
            objectives); NaN where a lane does not count
    seed  : int, the study's seed
    rule  : what is chosen; None = the knee of two objectives

    Complexity and determinism
    --------------------------
    O(resamples x (replicates x points + points log points)) at worst; points that are far behind in every
    resample are left out beforehand, which changes nothing; the bits depend on the lanes and the seed
    """
    if lanes.shape[0] < 2:
        return None
    rule = rule or Rule()
    means, apart = spread_of(lanes)
    weights = draw_weights(len(lanes), seed, resamples)
    sizes = np.sqrt((weights**2).sum(axis=1))
    limits = size_limits(means, apart, rule)
    on_front, is_knee = np.zeros(lanes.shape[1]), np.zeros(lanes.shape[1])
    for group in np.array_split(np.argsort(sizes, kind="stable"), GROUPS):
        if not len(group):
            continue
        rows = np.flatnonzero(limits <= sizes[group].max())
        few_means, few_apart = means[rows], np.ascontiguousarray(apart[:, rows])
        for weight in weights[group]:
            front, knees = count_resample(moved_means(few_means, few_apart, weight), rule)
            on_front[rows] += front
            is_knee[rows] += knees
    bounded = slice(rule.objectives + 1, None)
    feasible = feasible_shares(rule.bounds, means[:, bounded], apart[:, :, bounded], weights)
    return FrontCertainty(on_front / resamples, is_knee / resamples, feasible)


def count_resample(means: FloatArray, rule: Rule) -> tuple[BoolArray, BoolArray]:
    """Which points are on the front of one resample, and which are chosen."""
    values = means[:, : rule.objectives]
    mask, knee = rule.choose(means)
    if knee.row < 0:
        return mask, np.zeros(len(mask), dtype=np.bool_)
    # Exact duplicates share a place on the front, so they share the knee too.
    same = (values == values[knee.row]).all(axis=1)
    feasible = rule.feasible(means)
    return mask, np.asarray(same if feasible is None else same & (feasible == feasible[knee.row]))


def size_limits(means: FloatArray, apart: FloatArray, rule: Rule) -> FloatArray:
    """Size of a resample's weights up to which each point is dominated for certain; 0 = never.

    A resample moves the distance of two points by the scalar product of its weights with the difference
    of their replicates, which is at most the product of the two sizes (Cauchy-Schwarz). What dominates must
    be feasible for certain as well.

    Parameters
    ----------
    means : float64 array (point, metric), the columns of `Rule`
    apart : float64 array (replicate, point, metric), as `spread_of` gives them
    """
    limits = np.zeros(len(means))
    feasible = rule.feasible(means)
    front = np.flatnonzero(front_of(means[:, : rule.objectives], feasible))
    front = front[np.argsort(means[front, 0], kind="stable")]
    steps = np.unique(np.linspace(0, len(front) - 1, min(RIVALS, len(front))).astype(np.int64))
    for rival in front[steps]:
        least = np.full(len(means), feasible_size(means[rival], apart[:, rival], rule))
        for axis in range(rule.objectives):
            ahead = means[:, axis] - means[rival, axis]
            ahead -= SLACK * (np.abs(means[:, axis]) + abs(means[rival, axis]))
            moves = np.sqrt(((apart[:, :, axis] - apart[:, rival, axis, None]) ** 2).sum(axis=0))
            moves += SLACK * (np.abs(apart[:, :, axis]).sum(axis=0) + np.abs(apart[:, rival, axis]).sum())
            with np.errstate(divide="ignore", invalid="ignore"):
                least = np.fmin(least, np.where(ahead > 0, ahead / moves, 0.0))
        limits = np.maximum(limits, least)
    return limits


def feasible_size(means: FloatArray, apart: FloatArray, rule: Rule) -> float:
    """Size of a resample's weights up to which one point meets every constraint for certain; 0 = never."""
    size = np.inf
    for column, constraint in enumerate(rule.bounds.constraints, rule.objectives + 1):
        mean, room = float(means[column]), abs(float(means[column]) - constraint.bound)
        room -= SLACK * (abs(mean) + abs(constraint.bound))
        if room <= 0 or not constraint.holds(means[[column]])[0]:
            return 0.0
        moves = float(np.sqrt((apart[:, column] ** 2).sum())) + SLACK * float(np.abs(apart[:, column]).sum())
        size = min(size, room / moves if moves > 0 else np.inf)
    return float(size)


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
