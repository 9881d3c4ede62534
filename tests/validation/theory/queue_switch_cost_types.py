"""M/H2/1 under round robin with a cost of switching: the chain of queue_switch_cost with a type a customer.

A customer of type i has an exponential demand of mean means[i], so what is left of it is exponential given
its type. The state at a dispatch is the types of those present, in the order of the queue, and whether the
slice is charged: 2 + 4 + ... + 2^present states, and 2 for one alone that goes on uncharged. With mixed
demands there is a best quantum: a short one costs switches, a long one lets long demands stand before
short ones.

The vector of n customers has 2^n entries, the first customer's type being the leading bit. Customers that
come are of either type independently of all else, so they multiply a vector on the right by the law of types.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.sparse.linalg import LinearOperator, gmres

from tests.validation.theory.queue_demands import Phases
from tests.validation.theory.queue_switch_cost import SwitchCost, slice_arrivals, slice_moments


@dataclass(frozen=True)
class TypedRoundRobin:
    """Times in one unit; rate : of arrivals; present : most customers that are kept."""

    law: Phases
    rate: float
    quantum: float
    cost: float
    present: int

    @cached_property
    def arrivals(self) -> dict[tuple[int, bool], tuple[np.ndarray, np.ndarray]]:
        """By type and whether it is charged: P(a slice ends its demand and k come), P(not so and k come)."""
        return {
            (head, is_charged): slice_arrivals(self.rate, mean, self.quantum, self.cost * is_charged)
            for head, mean in enumerate(self.law.means)
            for is_charged in (True, False)
        }

    def split(self, flat: np.ndarray) -> list[np.ndarray]:
        """Views of the vectors: [n] of n customers, charged; [0] of one alone, uncharged."""
        charged = [flat[2**n - 2 : 2 ** (n + 1) - 2] for n in range(1, self.present + 1)]
        return [flat[-2:], *charged]

    def step(self, flat: np.ndarray) -> np.ndarray:
        """Probabilities after a slice."""
        after = np.zeros_like(flat)
        states = self.split(after)
        idle = self.slice_of(self.split(flat), states)
        states[1] += idle * np.array(self.law.shares)  # the next one comes, a new customer: charged
        return after

    def slice_of(self, before: list[np.ndarray], after: list[np.ndarray]) -> float:
        """Add to `after` where slices lead; returns the probability that nobody is left."""
        idle = 0.0
        for n, vector in enumerate(before):
            for head in (0, 1):
                leaving, staying = self.arrivals[head, n > 0]
                rest = vector.reshape(2, -1)[head]
                others = max(n, 1) - 1
                for k in range(self.present - others + 1):
                    is_last = others + k == self.present  # more do not fit: as if no more had come
                    ends = leaving[k:].sum() if is_last else leaving[k]
                    if others + k == 0:
                        idle += ends * rest[0]
                    else:
                        after[others + k] += ends * rest
                    if not is_last:
                        stays = staying[k:].sum() if others + k + 1 == self.present else staying[k]
                        self.requeue(after, stays * rest, others + k, head)
                        rest = np.multiply.outer(rest, self.law.shares).ravel()
        return idle

    def requeue(self, after: list[np.ndarray], vector: np.ndarray, others: int, head: int) -> None:
        """The preempted customer goes behind the others; alone, it goes on uncharged."""
        if others == 0:
            after[0][head] += vector[0]
        else:
            after[others + 1].reshape(-1, 2)[:, head] += vector

    def solve(self) -> SwitchCost:
        """The stationary queue; sojourn in the unit of time."""
        size = 2 ** (self.present + 1)
        start = np.full(size, 1 / size)
        system = LinearOperator((size, size), lambda x: x - self.step(x) + start * x.sum(), dtype=np.float64)
        flat, failed = gmres(system, start, rtol=1e-11, restart=80, maxiter=20)
        if failed:
            raise RuntimeError(f"the stationary equations did not converge: {failed}")
        return self.measures(self.split(flat))

    def measures(self, states: list[np.ndarray]) -> SwitchCost:
        """Renewal-reward over slices and idle times, then Little's law."""
        busy = area = 0.0
        for n, vector in enumerate(states):
            for head, mean in enumerate(self.law.means):
                first, second = slice_moments(mean, self.quantum, self.cost * (n > 0))
                mass = vector.reshape(2, -1)[head].sum()
                busy += mass * first
                area += mass * (max(n, 1) * first + self.rate * second / 2)
        idle = self.slice_of(states, [np.zeros_like(vector) for vector in states])
        time = busy + idle / self.rate
        each = 1 / (self.rate * time)
        return SwitchCost(
            area / time / self.rate,
            busy / time,
            each,
            each * (1 - states[0].sum() / sum(map(np.sum, states))),
        )
