"""When a point has lost a race: the rule by which `sweep=race` drops points, and the chance of its error.

The target is the front of the points that meet every constraint, in true means (those of endless
replicates). Replicate r meets the same arrivals, demands and targets in every point (common random
numbers), so two points are compared by their differences within replicates, as pairs. With n replicates of
both, a difference is *clear* where a one-sided paired Student-t interval at the level a excludes zero.

Point i is dropped after a round if
- it clearly breaks a constraint: the interval of its mean lies wholly on the wrong side of the bound; or
- some other point k is clearly better in every objective, and clearly meets every constraint.

Why a member of the front is safe: if k does not dominate i truly, then k is truly no better in some
objective, and all objectives must be clear at once, so one true "no better" has to look clear: chance a
at most (an intersection-union test needs no correction over objectives). If k does dominate i, then k truly
breaks a constraint, as i is on the front, and has to look as if it met it: chance a again. A member meets
P - 1 rivals and C constraints of its machine and load after each of L rounds; the level of each is

    a = error / (L (P - 1 + C))

so that by the union bound each member of the front is dropped with a chance of `error` at most, and of all
members a share of `error` at most is lost on average, as far as Student's law holds for means of
differences of replicates. Rivals may be chosen by looking at the results, as the bound covers all of them.

Source
------
M. Birattari, T. Stuetzle, L. Paquete, K. Varrentrapp, "A racing algorithm for configuring metaheuristics",
GECCO 2002, pp. 11-18 (races: drop what is worse with confidence, give the rest more); R. L. Berger,
"Multiparameter hypothesis testing and acceptance sampling", Technometrics 24 (1982) 295-300 (the
intersection-union test); L. H. Lee, E. P. Chew, S. Teng, D. Goldsman, "Finding the non-dominated Pareto set
for multi-objective simulation models", IIE Transactions 42 (2010) 656-674 (replicates for a front: MOCBA,
which shares a budget so as to err little, and states no level). Ours is the rule for a front under
constraints with paired differences and a stated level; F-race has one objective and does not correct
for its rounds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.special import stdtrit

from pipeline.config.goals import Constraint
from pipeline.evidence.front import pareto_mask

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]
# Of the numbers that are compared: far above their rounding, far below what noise moves.
SLACK = 1e-9
NOBODY = -1


@dataclass(frozen=True)
class Verdict:
    """What a round says of the points that are alive.

    dropped   : bool array (point,), those that have lost
    rival     : int64 array (point,), the point that is clearly better; NOBODY where a constraint decided
    broken    : int64 array (point,), index of the constraint that is clearly broken, or NOBODY
    contested : bool array (point,), those of which more replicates may tell more
    """

    dropped: BoolArray
    rival: NDArray[np.int64]
    broken: NDArray[np.int64]
    contested: BoolArray


def level_of(error: float, looks: int, points: int, constraints: int) -> float:
    """The level of each comparison, so that a member of the front is dropped with `error` as chance at most.

    Parameters
    ----------
    looks  : rounds after which points are dropped
    points : of the member's machine and load
    """
    return error / max(looks * (points - 1 + constraints), 1)


def quantiles_of(level: float, replicates: int) -> FloatArray:
    """One-sided Student-t quantile for 0, 1, .. replicates; infinite below two."""
    found = np.full(replicates + 1, np.inf)
    freedom = np.arange(1.0, replicates)
    # Rounded, so that the last bit of a machine's library moves nothing.
    found[2:] = [float(f"{-stdtrit(d, level):.9g}") for d in freedom]
    return found


@dataclass(frozen=True)
class Spread:
    """Means with half their interval: float64 arrays of one shape; NaN and infinite where unknown."""

    mean: FloatArray
    half: FloatArray


def spread_of(values: FloatArray, quantiles: FloatArray) -> Spread:
    """Mean and half interval over the replicates, the first axis; NaN replicates do not count."""
    known = ~np.isnan(values)
    number = known.sum(axis=0)
    # Replicate by replicate, as the order of a library's own sum depends on the machine.
    total = sum(np.where(row, value, 0.0) for row, value in zip(known, values, strict=True))
    mean = np.where(number > 0, total / np.maximum(number, 1), np.nan)
    squares = sum(np.where(row, (value - mean) ** 2, 0.0) for row, value in zip(known, values, strict=True))
    error = np.sqrt(squares / np.maximum(number * (number - 1), 1))
    enough = number > 1
    return Spread(mean, np.where(enough, error * np.where(enough, quantiles[number], 0.0), np.inf))


def judge(
    values: FloatArray,
    limited: FloatArray,
    constraints: Sequence[Constraint],
    quantiles: FloatArray,
    kept: BoolArray,
) -> Verdict:
    """Drop what has lost among some points, and say which are contested yet.

    Contested is a point unless it is known whether it belongs to the front: it is dropped; or it clearly
    meets the constraints, nothing looks better, and against each rival it is clearly better in some
    objective (or the same in every replicate, which more of them would not change). What is known of a
    point that is never dropped is that it is clearly worse, or as above.

    Parameters
    ----------
    values      : float64 array (replicate, point, objective), smaller is better; NaN without a result
    limited     : float64 array (replicate, point, constraint), metrics as they are
    quantiles   : by number of replicates, as `quantiles_of` gives them
    kept        : bool array (point,), never dropped: baselines

    Complexity and determinism
    --------------------------
    O(points x points that look as if they were on the front x replicates); no randomness
    """
    count = values.shape[1]
    meets, breaks, looks_good = hold_constraints(limited, constraints, quantiles)
    broken = np.where(breaks.any(axis=1), breaks.argmax(axis=1), NOBODY) if constraints else full(count)
    means = spread_of(values, quantiles).mean
    shown = pareto_mask(np.where(looks_good[:, None], means, np.nan))
    rival, settled = full(count), shown & meets
    for k in np.flatnonzero(shown):
        pairs = values - values[:, k : k + 1]
        found = spread_of(pairs, quantiles)
        slack = SLACK * (np.abs(means) + np.abs(means[k]))
        if meets[k]:
            worse = (found.mean - found.half > slack).all(axis=1)
            rival[(rival == NOBODY) & worse] = k
        better = (found.mean + found.half < -slack).any(axis=1)
        twins = (pairs == 0.0).all(axis=(0, 2))
        settled &= better | twins
    lost = (rival != NOBODY) | (broken != NOBODY)
    rival[broken != NOBODY] = NOBODY
    return Verdict(lost & ~kept, rival, broken, ~(lost | settled))


def full(count: int) -> NDArray[np.int64]:
    """NOBODY for each point."""
    return np.full(count, NOBODY)


def hold_constraints(
    limited: FloatArray, constraints: Sequence[Constraint], quantiles: FloatArray
) -> tuple[BoolArray, BoolArray, BoolArray]:
    """Points that clearly meet all; (point, constraint) clearly broken; points that seem to meet all."""
    found = spread_of(limited, quantiles)
    shape = found.mean.shape
    meets, breaks = np.ones(shape, np.bool_), np.zeros(shape, np.bool_)
    seems = np.ones(shape, np.bool_)
    for place, one in enumerate(constraints):
        mean, half = found.mean[:, place], found.half[:, place]
        # Upwards is worse where the bound is one from above.
        sign = 1.0 if one.sign in ("<=", "<") else -1.0
        over = sign * (mean - one.bound)
        slack = SLACK * (np.abs(mean) + abs(one.bound))
        meets[:, place], breaks[:, place] = over + half <= 0, over - half > slack
        seems[:, place] = one.holds(mean)
    return np.asarray(meets.all(axis=1)), breaks, np.asarray(seems.all(axis=1))
