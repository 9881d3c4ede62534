"""One server, classes of customers by priority, nobody interrupted: mean waits and whole distributions.

Means: Cobham 1954. Distributions: Kesten and Runnenburg 1957; Conway, Maxwell and Miller 1967, Theory of
Scheduling, §8-6, as Laplace transforms, inverted by Abate and Whitt 1995, Numerical inversion of Laplace
transforms of probability distributions (their Euler method, good to some 1e-8 for smooth tails).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Kind:
    """Customers of one priority: Poisson at `rate`, service a mixture of exponentials (shares, means)."""

    rate: float
    shares: tuple[float, ...]
    means: tuple[float, ...]

    @property
    def load(self) -> float:
        """Share of the server that they want."""
        return self.rate * sum(p * m for p, m in zip(self.shares, self.means, strict=True))

    @property
    def second(self) -> float:
        """Second moment of their service."""
        return sum(2 * p * m * m for p, m in zip(self.shares, self.means, strict=True))

    def transform(self, s: complex) -> complex:
        """Laplace transform of their service."""
        return sum(p / (1 + m * s) for p, m in zip(self.shares, self.means, strict=True))


def residual(kinds: Sequence[Kind]) -> float:
    """Mean rest of the service that an arriving customer finds under way."""
    return sum(kind.rate * kind.second for kind in kinds) / 2


def waits(kinds: Sequence[Kind]) -> list[float]:
    """Mean waiting time of each class, the first being the most urgent."""
    found, before = [], 0.0
    for kind in kinds:
        upto = before + kind.load
        found.append(residual(kinds) / ((1 - before) * (1 - upto)))
        before = upto
    return found


def in_order(kinds: Sequence[Kind]) -> float:
    """Mean waiting time of everybody, if all were served in order of arrival."""
    return residual(kinds) / (1 - sum(kind.load for kind in kinds))


def first_if_preemptive(kinds: Sequence[Kind]) -> float:
    """Mean waiting time of the first class if it interrupted the others."""
    return residual(kinds[:1]) / (1 - kinds[0].load)


def delayed(s: complex, urgent: Sequence[Kind]) -> complex:
    """s + rate - rate x busy(s), busy the transform of a busy period of the more urgent classes.

    Its fixed point is found by substitution, a contraction where the real part of s is positive.
    """
    rate = sum(kind.rate for kind in urgent)
    point = s + rate
    for _ in range(100_000):
        after = s + rate - sum(kind.rate * kind.transform(point) for kind in urgent)
        if abs(after - point) < 1e-15 * abs(after):
            break
        point = after
    return point


def transform(s: complex, kinds: Sequence[Kind], number: int) -> complex:
    """Laplace transform of the waiting time of class `number`."""
    own, later = kinds[number], kinds[number + 1 :]
    point = delayed(s, kinds[:number]) if number else s
    free = 1 - sum(kind.load for kind in kinds)
    behind = sum(kind.rate * (1 - kind.transform(point)) for kind in later)
    return (free * point + behind) / (s - own.rate + own.rate * own.transform(point))


def tail(time: float, kinds: Sequence[Kind], number: int) -> float:
    """P(waiting time of class `number` > time), time > 0."""
    accuracy, direct, averaged = 18.4, 30, 14  # discretisation error e^-18.4; terms; terms in the average

    def value(s: complex) -> float:
        return ((1 - transform(s, kinds, number)) / s).real

    scaled = math.exp(accuracy / 2) / time
    total = scaled / 2 * value(accuracy / (2 * time))
    sums = []
    for k in range(1, direct + averaged + 1):
        total += (-1) ** k * scaled * value((accuracy + 2j * k * math.pi) / (2 * time))
        if k >= direct:
            sums.append(total)
    weights = np.array([math.comb(averaged, j) for j in range(averaged + 1)]) / 2.0**averaged
    return float(weights @ np.array(sums))
