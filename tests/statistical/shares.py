"""Checks of a share: how often something happened in independent repetitions, against what it should be.

Binomial and exact: a right statement fails a check with probability ERROR_RATE at most, whatever the number
of repetitions. A share that is only bounded (at least, at most) is held against its bound, beyond chance.
"""

import math
import zlib

import numpy as np
from scipy import stats

from tests.validation.case import Check
from tests.validation.judge import ERROR_RATE

LEVEL = 0.95


def tolerance(share: float, count: int, error_rate: float = ERROR_RATE) -> float:
    """How far a share of `count` repetitions may lie from the true one (normal approximation, for plots)."""
    return float(stats.norm.ppf(1 - error_rate / 2)) * math.sqrt(share * (1 - share) / count)


def share_is(quantity: str, happened: np.ndarray, share: float, *, note: str = "") -> Check:
    """Is the share of repetitions the stated one? Two-sided."""
    exact = float(stats.binomtest(int(happened.sum()), len(happened), share).pvalue)
    p = uniform_p(quantity, int(happened.sum()), len(happened), share)
    return made(quantity, happened, share, p, exact > ERROR_RATE, note)


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
    p = float(stats.binomtest(int(happened.sum()), len(happened), share, alternative="greater").pvalue)
    return made(f"{quantity}: above {share:.6g}", happened, share, p, p < ERROR_RATE, note, is_bound=True)


def share_at_most(quantity: str, happened: np.ndarray, share: float, *, note: str = "") -> Check:
    """Is the share less than a bound, beyond chance?"""
    p = float(stats.binomtest(int(happened.sum()), len(happened), share, alternative="less").pvalue)
    return made(f"{quantity}: below {share:.6g}", happened, share, p, p < ERROR_RATE, note, is_bound=True)


def made(
    quantity: str,
    happened: np.ndarray,
    share: float,
    p: float,
    is_ok: bool,
    note: str,
    is_bound: bool = False,
) -> Check:
    """A check of the suite's kind: an interval, or an order where `share` is a bound."""
    count, found = len(happened), float(np.mean(happened))
    z, width = (found - share) / math.sqrt(share * (1 - share) / count), tolerance(share, count)
    kind, theory = ("order", 0.0) if is_bound else ("interval", share)
    note = note or (f"the share is {found:.4g}" if is_bound else "")
    simulated = abs(found - share) if is_bound else found
    return Check(quantity, "", kind, theory, simulated, width, z, p, count, is_ok, 0.0, note)
