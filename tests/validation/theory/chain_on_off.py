"""Poisson arrivals that are switched on and off: an interrupted Poisson process before exponential servers.

The times between arrivals are independent and hyper-exponential (Kuczura 1973, The interrupted Poisson
process as an overflow process), so that one server is H2/M/1, and GI/M/1 is solved by one root (Kleinrock
1975, Queueing Systems 1, §6.4). Several servers: the chain on (on or off, customers), with a matrix-geometric
tail. The unit of time is a mean service.
"""

from dataclasses import dataclass

import numpy as np
from scipy.optimize import brentq


@dataclass(frozen=True)
class Source:
    """Arrivals: Poisson at `rate` during exponential bursts of mean `on`, between pauses of mean `off`."""

    rate: float
    on: float
    off: float

    @property
    def mean_rate(self) -> float:
        """Arrivals a unit of time."""
        return self.rate * self.on / (self.on + self.off)

    def phases(self) -> tuple[float, float, float]:
        """Time between arrivals: Exp(first) with probability p, else Exp(second); p, first, second."""
        stop, go = 1 / self.on, 1 / self.off
        total = self.rate + stop + go
        root = float(np.sqrt(total**2 - 4 * self.rate * go))
        first, second = (total + root) / 2, (total - root) / 2
        return (self.rate - second) / (first - second), first, second

    def variation(self) -> float:
        """Squared coefficient of variation of the time between arrivals."""
        p, first, second = self.phases()
        mean = p / first + (1 - p) / second
        return float(2 * (p / first**2 + (1 - p) / second**2) / mean**2 - 1)


def root(source: Source) -> float:
    """sigma = A*(1 - sigma), A* the transform of the time between arrivals: P(an arrival must wait)."""
    p, first, second = source.phases()

    def excess(sigma: float) -> float:
        s = 1 - sigma
        return p * first / (first + s) + (1 - p) * second / (second + s) - sigma

    # sigma = 1 is a root too; below it the least one is the right one
    return float(brentq(excess, 0.0, 1 - 1e-9, xtol=1e-14))


def sojourn(source: Source) -> float:
    """Mean sojourn at one server."""
    return 1 / (1 - root(source))


def sojourn_tail(source: Source, time: float) -> float:
    """P(sojourn >= time) at one server: exponential."""
    return float(np.exp(-(1 - root(source)) * time))


def waiting_tail(source: Source, time: float) -> float:
    """P(waiting >= time > 0) at one server: an atom of 1 - sigma at 0, else as the sojourn."""
    return root(source) * sojourn_tail(source, time)


def number(source: Source, servers: int) -> float:
    """Mean number of customers before several servers: quasi-birth-and-death (Neuts 1981).

    Above `servers` customers the probabilities of the phases (on, off) go with powers of a matrix R.
    """
    stop, go = 1 / source.on, 1 / source.off
    switch = np.array([[-stop, stop], [go, -go]])
    up, down = np.diag([source.rate, 0.0]), float(servers) * np.eye(2)
    local = switch - up - down
    r = np.zeros((2, 2))
    for _ in range(100_000):
        after = -(up + r @ r @ down) @ np.linalg.inv(local)
        if np.abs(after - r).max() < 1e-15:
            break
        r = after
    size = 2 * (servers + 1)
    balance = np.zeros((size, size))
    for n in range(servers + 1):
        at = slice(2 * n, 2 * n + 2)
        balance[at, at] = switch - up - n * np.eye(2)
        if n < servers:
            balance[at, 2 * n + 2 : 2 * n + 4] = up
        if n > 0:
            balance[at, 2 * n - 2 : 2 * n] = n * np.eye(2)
    last = slice(size - 2, size)
    balance[last, last] += r @ down
    tail = np.linalg.inv(np.eye(2) - r)
    weights = np.ones(size)
    weights[last] = tail.sum(axis=1)
    equations = np.column_stack([balance[:, 1:], weights]).T
    found = np.linalg.solve(equations, np.eye(size)[-1])
    levels = np.repeat(np.arange(servers + 1), 2).astype(float)
    end = found[last]
    below = float(found[: size - 2] @ levels[: size - 2])
    return below + float(end @ (servers * tail + r @ tail @ tail).sum(axis=1))
