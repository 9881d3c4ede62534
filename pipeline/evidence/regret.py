"""What a setting loses in a study cell against the cell's own choice, under the same rule."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.evidence.cell import Cell
from pipeline.evidence.front import RESAMPLES, draw_means
from pipeline.evidence.knee import Ruler, ruler_of

FloatArray = NDArray[np.float64]
LOW, HIGH = 2.5, 97.5
SPLITS = 50
STREAM = 0x5EED
# Two replicates a half are the least whose means differ in more than one number.
REPLICATES_MIN = 4


@dataclass(frozen=True)
class Regret:
    """A loss with its 95 % interval; NaN where there is none."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Measure:
    """What the points of a cell are scored by, less is better.

    values : float64 (point, objective), means
    lanes  : float64 (replicate, point, objective)
    ruler  : means -> scores
    seed   : of the resamples
    """

    values: FloatArray
    lanes: FloatArray
    ruler: Ruler
    seed: int

    def scores(self) -> FloatArray:
        """The score of each point: float64 (point,)."""
        return self.ruler.scores(self.values)


def front_measure(cell: Cell) -> Measure:
    """What the cell's own rule minimised: 1 is as far as its front reaches in every objective."""
    ruler = ruler_of(cell.values, cell.mask, cell.knee.rule, cell.rule.weights)
    return Measure(cell.values, cell.lanes[:, :, : cell.rule.objectives], ruler, cell.seed)


def metric_measure(lanes: FloatArray, means: FloatArray, own: int, seed: int) -> Measure:
    """One metric with its sign: a score of 0.01 is a hundredth of its mean at the cell's own choice.

    Parameters
    ----------
    lanes : float64 (replicate, point)
    means : float64 (point,)
    own   : row of the choice
    """
    scale = abs(float(means[own]))
    ruler = Ruler(np.zeros(1), np.array([scale if scale > 0 else 1.0]), np.ones(1))
    return Measure(means[:, None], lanes[:, :, None], ruler, seed)


def regret_of(measure: Measure, row: int, own: int) -> Regret:
    """Loss of a point against another one of the same cell: the difference of their scores.

    Within a resample both means move together, as the lanes of a replicate share random numbers.
    """
    pair = measure.ruler.scores(measure.values[[row, own]])
    value = float(pair[0] - pair[1])
    if row == own:
        return Regret(value, value, value)
    if len(measure.lanes) < 2 or np.isnan(value):
        return Regret(value, np.nan, np.nan)
    lanes = np.ascontiguousarray(measure.lanes[:, [row, own]])
    scores = (measure.ruler.scores(means) for means in draw_means(lanes, measure.seed, RESAMPLES))
    low, high = np.percentile([one - other for one, other in scores], [LOW, HIGH])
    return Regret(value, float(low), float(high))


@dataclass(frozen=True)
class SeedCheck:
    """The rule followed on one half of the replicates, and looked at on the other half.

    splits : halves that were tried
    same   : share of them in which the other half chooses the same setting
    regret : loss of the choice on the half that had no part in it, against that half's own choice: the mean
             over the splits, with the 2.5 and 97.5 per cent points
    """

    splits: int
    same: float
    regret: Regret


def check_seeds(cell: Cell) -> SeedCheck | None:
    """How well a choice holds on other seeds; None with fewer than REPLICATES_MIN replicates.

    Halves are drawn at random, each with its complement, under the study's seed.
    """
    count = len(cell.lanes)
    if count < REPLICATES_MIN or cell.knee.row < 0:
        return None
    ruler = front_measure(cell).ruler
    same, losses = [], []
    for half in halves(count, cell.seed):
        means = [half_means(cell, half), half_means(cell, ~half)]
        rows = [cell.rule.choose(one)[1].row for one in means]
        if min(rows) < 0:
            continue
        first, second = means[1][rows[0]], means[1][rows[1]]
        objectives = slice(0, cell.rule.objectives)
        same.append(bool((cell.means[rows[0]] == cell.means[rows[1]]).all()))
        scores = ruler.scores(np.array([first[objectives], second[objectives]]))
        losses.append(float(scores[0] - scores[1]))
    if not same:
        return None
    low, high = np.percentile(losses, [LOW, HIGH])
    mean = sum(losses) / len(losses)
    return SeedCheck(len(same), sum(same) / len(same), Regret(mean, float(low), float(high)))


def halves(count: int, seed: int) -> list[NDArray[np.bool_]]:
    """Masks of half the replicates and their complements, SPLITS of them at most, none twice."""
    generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, STREAM])))
    even = np.arange(count) % 2 == 0
    found = {even.tobytes(): even, (~even).tobytes(): ~even}
    for _ in range(4 * SPLITS):
        if len(found) >= SPLITS:
            break
        half = np.zeros(count, np.bool_)
        half[generator.permutation(count)[: count // 2]] = True
        for one in (half, ~half):
            found.setdefault(one.tobytes(), one)
    return list(found.values())


def half_means(cell: Cell, half: NDArray[np.bool_]) -> FloatArray:
    """Means over some replicates: (point, column); sums in the order of the replicates."""
    lanes = cell.lanes[half]
    known = ~np.isnan(lanes)
    total = sum(np.where(known[r], lanes[r], 0.0) for r in range(len(lanes)))
    number = known.sum(axis=0)
    return np.asarray(np.where(number > 0, total / np.maximum(number, 1), np.nan))
