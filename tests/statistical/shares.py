"""Checks of a share: how often something happened in independent repetitions, against what it should be.

Binomial and exact: a right statement fails a check with probability ERROR_RATE at most, whatever the number
of repetitions. A share that is only bounded (at least, at most) is held against its bound, beyond chance.
"""

import math
import zlib

import numpy as np
from scipy import stats

from tests.validation.case import Check, Scale
from tests.validation.judge import ERROR_RATE

LEVEL = 0.95


def tolerance(share: float, count: int, error_rate: float = ERROR_RATE) -> float:
    """How far a share of `count` repetitions may lie from the true one (normal approximation, for plots)."""
    return float(stats.norm.ppf(1 - error_rate / 2)) * math.sqrt(share * (1 - share) / count)


def share_is(
    quantity: str, happened: np.ndarray, share: float, scale: Scale, *, narrow: float = 0.5, note: str = ""
) -> Check:
    """Is the share of repetitions the stated one? Two-sided.

    Parameters
    ----------
    narrow : the half width may be so much of the share, or of what is left of it where that is less (times
             scale.narrow), else the check fails: it would not tell a wrong share from the right one
    """
    count, found = len(happened), float(np.mean(happened))
    error, width = math.sqrt(share * (1 - share) / count), tolerance(share, count)
    exact = float(stats.binomtest(int(happened.sum()), count, share).pvalue)
    is_narrow = width <= narrow * scale.narrow * min(share, 1 - share)
    told = note if is_narrow else f"{note} the interval is too wide to say anything".strip()
    p = uniform_p(quantity, int(happened.sum()), count, share)
    is_ok = exact > ERROR_RATE and is_narrow
    return Check(
        quantity, "", "interval", share, found, width, (found - share) / error, p, count, is_ok, 0.0, told
    )


def uniform_p(quantity: str, happened: int, count: int, share: float) -> float:
    """A p-value that is uniform if the share is right, as those of other intervals are.

    Counts come in steps, so a binomial p-value is not uniform; the step that was met is divided at a place
    that belongs to the quantity's name (Lehmann and Romano 2005, Testing Statistical Hypotheses, §3.2).
    """
    law = stats.binom(count, share)
    place = zlib.crc32(quantity.encode()) / 2**32
    below = float(law.cdf(happened - 1) + place * law.pmf(happened))
    return 2 * min(below, 1 - below)


def share_at_least(quantity: str, happened: np.ndarray, share: float, *, note: str = "") -> Check:
    """Is the share greater than a bound, beyond chance?"""
    return bounded(f"{quantity}: above {share:.6g}", happened, share, 1, note)


def share_at_most(
    quantity: str, happened: np.ndarray, share: float, *, broken: float | None = None, note: str = ""
) -> Check:
    """Is the share less than a bound, beyond chance?

    Parameters
    ----------
    broken : share of a method that is wrong; the note says how surely the check would refuse it
    """
    if broken is not None:
        refused = refusal(len(happened), share, broken)
        note = f"{note} a method whose share is {broken:.4g} fails with probability {refused:.6g}".strip()
    return bounded(f"{quantity}: below {share:.6g}", happened, share, -1, note)


def refusal(count: int, share: float, broken: float) -> float:
    """Probability that `share_at_most` fails if the true share is `broken`: its power."""
    passing = int((stats.binom.cdf(np.arange(count + 1), count, share) < ERROR_RATE).sum())
    return float(stats.binom.sf(passing - 1, count, broken))


def bounded(quantity: str, happened: np.ndarray, share: float, direction: int, note: str) -> Check:
    """An order: the share is above its bound (direction 1) or below it (-1); it shows by how much."""
    count, found = len(happened), float(np.mean(happened))
    side = "greater" if direction > 0 else "less"
    p = float(stats.binomtest(int(happened.sum()), count, share, alternative=side).pvalue)
    beyond, error = direction * (found - share), math.sqrt(share * (1 - share) / count)
    told = f"the share is {found:.4g}" + (f"; {note}" if note else "")
    width = tolerance(share, count, 2 * ERROR_RATE)
    return Check(
        quantity, "", "order", 0.0, beyond, width, beyond / error, p, count, p < ERROR_RATE, 0.0, told
    )
