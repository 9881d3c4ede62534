"""Laws of demand as theory needs them: survival, expected excess and moments, in closed form.

All in ns. They are written from their definitions, not from the simulator's draws; a law that is rounded to
whole ns differs from them by less than 1e-4 of its mean anywhere, which no comparison here resolves.
"""

import math
from dataclasses import dataclass
from typing import Protocol

import numpy as np


class Law(Protocol):
    """A positive random demand S; x is float64 of any shape, ns."""

    mean: float
    second: float  # E S^2
    third: float  # E S^3

    def survival(self, x: np.ndarray) -> np.ndarray:
        """P(S > x)."""
        ...

    def excess(self, x: np.ndarray) -> np.ndarray:
        """E max(0, S - x): the integral of the survival from x on."""
        ...


class Moments:
    """The first three moments of a law that can give any of them."""

    def moment(self, n: int) -> float:
        """E S^n."""
        raise NotImplementedError

    @property
    def mean(self) -> float:
        """E S."""
        return self.moment(1)

    @property
    def second(self) -> float:
        """E S^2."""
        return self.moment(2)

    @property
    def third(self) -> float:
        """E S^3."""
        return self.moment(3)


@dataclass(frozen=True)
class Atoms(Moments):
    """Equally likely values; one value is a deterministic demand."""

    values: tuple[float, ...]

    def moment(self, n: int) -> float:
        """E S^n; -1 is the mean of the inverse."""
        return sum(value**n for value in self.values) / len(self.values)

    def survival(self, x: np.ndarray) -> np.ndarray:
        """P(S > x)."""
        return np.mean([np.asarray(x) < value for value in self.values], axis=0)

    def excess(self, x: np.ndarray) -> np.ndarray:
        """E max(0, S - x)."""
        return np.mean([np.maximum(0.0, value - np.asarray(x)) for value in self.values], axis=0)

    def inverse_above(self, x: np.ndarray) -> np.ndarray:
        """E 1/S; S > x."""
        return np.mean([(np.asarray(x) < value) / value for value in self.values], axis=0)


@dataclass(frozen=True)
class Phases(Moments):
    """A mixture of exponentials: of mean means[i] with probability shares[i]."""

    shares: tuple[float, ...]
    means: tuple[float, ...]

    def moment(self, n: int) -> float:
        """E S^n."""
        return math.factorial(n) * sum(p * m**n for p, m in zip(self.shares, self.means, strict=True))

    def survival(self, x: np.ndarray) -> np.ndarray:
        """P(S > x)."""
        return sum(p * np.exp(-np.asarray(x) / m) for p, m in zip(self.shares, self.means, strict=True))

    def excess(self, x: np.ndarray) -> np.ndarray:
        """E max(0, S - x)."""
        return sum(p * m * np.exp(-np.asarray(x) / m) for p, m in zip(self.shares, self.means, strict=True))


def hyperexponential(mean: float, cv: float) -> Phases:
    """Two phases that each bring half of the mean (balanced means; Allen 1990, §5.4)."""
    p = (1 + math.sqrt((cv**2 - 1) / (cv**2 + 1))) / 2
    return Phases((p, 1 - p), (mean / (2 * p), mean / (2 * (1 - p))))


@dataclass(frozen=True)
class BoundedPareto(Moments):
    """Density proportional to x^(-shape - 1) between low and high; shape is none of 1, 2 and 3."""

    low: float
    high: float
    shape: float

    @property
    def scale(self) -> float:
        """low^shape over the share of a Pareto law without a bound that is below high."""
        return self.low**self.shape / (1 - (self.low / self.high) ** self.shape)

    def moment(self, n: int) -> float:
        """E S^n."""
        return float(self.moment_above(np.array(self.low), n))

    def moment_above(self, x: np.ndarray, n: int) -> np.ndarray:
        """E S^n; S > x."""
        x = np.clip(x, self.low, self.high)
        power = n - self.shape
        return self.scale * self.shape / power * (self.high**power - x**power)

    def survival(self, x: np.ndarray) -> np.ndarray:
        """P(S > x)."""
        x = np.clip(x, self.low, self.high)
        return self.scale * (x**-self.shape - self.high**-self.shape)

    def excess(self, x: np.ndarray) -> np.ndarray:
        """E max(0, S - x)."""
        x = np.asarray(x, np.float64)
        return self.moment_above(x, 1) - np.minimum(x, self.high) * self.survival(x)

    def inverse_above(self, x: np.ndarray) -> np.ndarray:
        """E 1/S; S > x."""
        return self.moment_above(x, -1)


@dataclass(frozen=True)
class Shifted:
    """Another law, each demand longer by so much."""

    law: Law
    by: float

    @property
    def mean(self) -> float:
        """E S."""
        return self.law.mean + self.by

    @property
    def second(self) -> float:
        """E S^2."""
        return self.law.second + 2 * self.by * self.law.mean + self.by**2

    @property
    def third(self) -> float:
        """E S^3."""
        return self.law.third + 3 * self.by * (self.law.second + self.by * self.law.mean) + self.by**3

    def survival(self, x: np.ndarray) -> np.ndarray:
        """P(S > x)."""
        x = np.asarray(x)
        return np.where(x < self.by, 1.0, self.law.survival(np.maximum(x - self.by, 0.0)))

    def excess(self, x: np.ndarray) -> np.ndarray:
        """E max(0, S - x)."""
        x = np.asarray(x)
        return np.maximum(self.by - x, 0.0) + self.law.excess(np.maximum(x - self.by, 0.0))
