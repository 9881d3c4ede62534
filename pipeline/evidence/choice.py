"""Choosing a point by one metric, and an honest estimate of what it gains.

The best of a hundred settings looks better than it is: the one that noise favoured most wins. So the point
is chosen on every other replicate, and its gain over the baseline is estimated on the others, which had no
part in the choice. Both halves compare within a replicate (common random numbers: the same work under every
setting).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

CONFIDENCE = 0.95
# Two pairs in each half are the least that give an interval.
REPLICATES_MIN = 4
FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class Change:
    """A paired change of the mean as a share of the baseline's mean, more is better, with its interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True)
class Choice:
    """What came out of it.

    row     : the point to take: the best one, or the baseline where nothing beats it for sure
    best    : the point that looked best on the replicates chosen by
    verdict : key of `recommend.RULES`: better, noise, default (the baseline looked best itself), few, or
              allowed (the baseline does not meet the constraints, so the best of those that do is taken)
    gain    : the best point's, on the replicates left; None for `few` and `default`
    kept    : the same of the metric that may not get worse; None without one
    chosen_by, estimated_by : number of replicates of each half
    tried   : points compared with the baseline
    tied    : other points that noise does not tell from the best one, on the replicates chosen by
    ties    : which ones
    """

    row: int
    best: int
    verdict: str
    gain: Change | None
    kept: Change | None
    chosen_by: int
    estimated_by: int
    tried: int
    tied: int = 0
    ties: Sequence[int] = field(default_factory=list)


def choose(
    gains: FloatArray,
    kept: FloatArray | None,
    baseline: int,
    changes: NDArray[np.int64],
    tolerance: float,
    feasible: BoolArray | None = None,
) -> Choice:
    """Choose a point and estimate its gain.

    On the first half (replicates 0, 2, ..) the points whose `kept` is not worse than the baseline's by more
    than the tolerance compete; of those that noise does not tell from the best (95 % interval of the paired
    difference) the one with the fewest changed settings is taken. On the second half it must gain: the whole
    interval above 0, and `kept` still within the tolerance. Otherwise the baseline stays, if it is feasible.

    Parameters
    ----------
    gains    : float64 (replicate, point), the metric with its sign such that more is better; NaN = no result
    kept     : likewise, the metric that may not get worse; None = no such condition
    baseline : column of the baseline
    changes  : int64 (point,), settings that differ from the baseline's
    feasible : bool (point,), which points meet the constraints, one at least; None = there are none
    """
    usable = np.asarray(~np.isnan(gains).any(axis=0))
    if kept is not None:
        usable &= ~np.isnan(kept).any(axis=0)
    first, second = np.arange(0, len(gains), 2), np.arange(1, len(gains), 2)
    tried = int(usable.sum()) - 1
    sizes = (len(first), len(second), tried)
    open_to = np.ones(len(usable), np.bool_) if feasible is None else feasible
    if len(gains) < REPLICATES_MIN or not usable[baseline] or tried < 1 or not (usable & open_to).any():
        if open_to[baseline]:
            return Choice(baseline, baseline, "few", None, None, *sizes)
        top = best_mean(gains, open_to)
        return Choice(top, top, "allowed", None, None, *sizes)
    allowed = usable & open_to
    if kept is not None:
        change = relative(kept[first] - kept[first][:, [baseline]], kept[first][:, baseline])
        # Where none of those that meet the constraints keeps it, the constraints come first.
        keeping = allowed & (change >= -tolerance)
        allowed = keeping if keeping.any() else allowed
    allowed[baseline] = open_to[baseline]
    best, ties = simplest_best(gains[first], allowed, baseline, changes)
    if best == baseline:
        return Choice(baseline, baseline, "default", None, None, *sizes, len(ties), ties)
    gain = change_of(gains[second], best, baseline)
    keeps = None if kept is None else change_of(kept[second], best, baseline)
    is_better = gain.low > 0 and (keeps is None or keeps.mean >= -tolerance)
    row, verdict = (best, "better") if is_better else (baseline, "noise")
    if not open_to[row]:
        row, verdict = best, "allowed"
    return Choice(row, best, verdict, gain, keeps, *sizes, len(ties), ties)


def best_mean(gains: FloatArray, open_to: BoolArray) -> int:
    """The open point with the greatest mean over the replicates that it has; without any, the first."""
    known = ~np.isnan(gains)
    total = np.where(known, gains, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    return int(np.argmax(np.where(open_to & known.any(axis=0), total, np.where(open_to, -1e300, -np.inf))))


def relative(difference: FloatArray, base: FloatArray) -> FloatArray:
    """Mean differences (point,) as shares of the baseline's mean."""
    scale = abs(float(base.mean())) or 1.0
    return np.asarray(difference.mean(axis=0) / scale)


def simplest_best(
    gains: FloatArray, allowed: BoolArray, baseline: int, changes: NDArray[np.int64]
) -> tuple[int, list[int]]:
    """Of the allowed points that noise does not tell from the best, the one with the fewest changes.

    The baseline is taken only where it is the best itself: whether the others beat it is what the second
    half is for.

    Returns
    -------
    the point, and the others beside the baseline that noise does not tell from the best
    """
    means = np.where(allowed, gains.mean(axis=0), -np.inf)
    top = int(np.argmax(means))
    behind = gains[:, [top]] - gains
    rivals = allowed & (behind.mean(axis=0) <= half_interval(behind))
    rivals[baseline] = False
    places = np.flatnonzero(rivals)
    if means[top] <= means[baseline]:
        return baseline, places.tolist()
    order = np.lexsort((places, -means[places], changes[places]))
    best = int(places[order[0]])
    return best, [int(place) for place in places if place != best]


def half_interval(pairs: FloatArray) -> Any:
    """Half the width of the Student-t interval of the mean over the first axis."""
    quantile = float(stdtrit(len(pairs) - 1, 0.5 + CONFIDENCE / 2))
    return quantile * pairs.std(axis=0, ddof=1) / math.sqrt(len(pairs))


def change_of(values: FloatArray, point: int, baseline: int) -> Change:
    """Paired change of a point against the baseline, with its Student-t interval.

    The baseline's mean is as noisy as the point's, so the interval is that of a ratio of means: what
    spreads is the difference less the change's share of the baseline's own deviation.

    Source
    ------
    W. G. Cochran, "Sampling Techniques", 3rd ed. (1977), section 6.3: the ratio estimate, linearised
    """
    base = values[:, baseline]
    scale = abs(float(base.mean())) or 1.0
    pairs = (values[:, point] - base) / scale
    mean = float(pairs.mean())
    sign = math.copysign(1.0, float(base.mean()))
    half = float(half_interval(pairs - sign * mean * base / scale))
    return Change(mean, mean - half, mean + half)
