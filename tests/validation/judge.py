"""Checks made from replicates: Student-t intervals at one error rate (replication/deletion: Law 2015, ch. 9).

Replicates are independent and equal in law, each with its own warm-up deleted, so their means are independent
draws of one distribution that is close to normal, and the interval of their mean is Student's. A right
simulator and a right theory fail an interval with probability ERROR_RATE, whatever the number of replicates.
"""

import math

import numpy as np
from scipy import stats

from tests.validation.case import Check, Scale

ERROR_RATE = 1e-4


def standard_error(values: np.ndarray) -> float:
    """Of the mean of independent values."""
    return float(np.std(values, ddof=1) / math.sqrt(len(values)))


def half_width(values: np.ndarray, error_rate: float = ERROR_RATE) -> float:
    """Half of the Student-t interval of the mean of independent values, at level 1 - error_rate."""
    return float(stats.t.ppf(1 - error_rate / 2, len(values) - 1)) * standard_error(values)


def finite(quantity: str, values: np.ndarray) -> np.ndarray:
    """The values of the replicates, of which none may be missing."""
    found = np.asarray(values, np.float64)
    if not np.isfinite(found).all():
        raise ValueError(f"{quantity}: values of replicates that are no numbers: {found}")
    return found


def interval(
    quantity: str,
    values: np.ndarray,
    theory: float,
    scale: Scale,
    *,
    unit: str = "ns",
    narrow: float = 0.05,
    slack: float = 0.0,
    note: str = "",
) -> Check:
    """Does theory lie in the interval of the mean of the replicates' values?

    Parameters
    ----------
    values : float64 (replicate,), independent
    narrow : the half width may be so much of the theory (times scale.narrow), else the check fails: it
             would not tell a wrong value from the right one
    slack  : known systematic error, in `unit`, said in `note`
    """
    values = finite(quantity, values)
    mean, error, width = float(values.mean()), standard_error(values), half_width(values)
    distance = max(0.0, abs(mean - theory) - slack)
    score = distance / error if error > 0 else math.inf if distance > 0 else 0.0
    z = math.copysign(score, mean - theory)
    p = float(2 * stats.t.sf(abs(z), len(values) - 1))
    is_narrow = width + slack <= narrow * scale.narrow * abs(theory)
    is_ok = distance <= width and is_narrow
    told = note if is_narrow else f"{note} the interval is too wide to say anything".strip()
    return Check(quantity, unit, "interval", theory, mean, width, z, p, len(values), is_ok, slack, told)


def order(
    quantity: str,
    greater: np.ndarray,
    less: np.ndarray,
    *,
    unit: str = "ns",
    margin: float = 0.0,
    note: str = "",
) -> Check:
    """Is one greater than another by more than `margin`, replicate by replicate, beyond chance?

    Paired: the lower end of the one-sided interval of the differences at the suite's level is above 0.
    """
    differences = finite(quantity, np.asarray(greater) - np.asarray(less)) - margin
    mean, error = float(differences.mean()), standard_error(differences)
    z = mean / error if error > 0 else math.copysign(math.inf, mean) if mean else 0.0
    p = float(stats.t.sf(z, len(differences) - 1))
    width = half_width(differences, 2 * ERROR_RATE)
    return Check(
        quantity, unit, "order", 0.0, mean, width, z, p, len(differences), mean - width > 0, 0.0, note
    )


def exact(quantity: str, simulated: float, theory: float, *, unit: str = "", note: str = "") -> Check:
    """Are two numbers the same, to the bit?"""
    is_ok = simulated == theory
    z = 0.0 if is_ok else math.inf
    return Check(quantity, unit, "exact", theory, simulated, 0.0, z, math.nan, 1, is_ok, 0.0, note)


def rejects(quantity: str, values: np.ndarray, wrong: float, *, unit: str = "ns", note: str = "") -> Check:
    """Is a wrong theory refused by the same data? A suite that refuses nothing shows nothing.

    An order: |mean - wrong| is greater than 0 beyond chance, at the suite's level.
    """
    values = np.asarray(values, np.float64)
    sign = 1.0 if values.mean() > wrong else -1.0
    told = f"{quantity}: distance from the wrong value {wrong:.6g}"
    wrongs = np.full(len(values), sign * wrong)
    return order(
        told, sign * values, wrongs, unit=unit, note=note or "a wrong theory that the data must refuse"
    )
