"""M/M/1 under round robin when putting another customer on the core costs d: the chain at dispatches.

What the simulator does (sim/DESIGN.md §4), times in mean demands, rho the arrival rate:

- A slice pays d first if its customer was not the last one to run, then at most a quantum q of demand.
- A customer whose quantum is over goes to the tail, behind those who came during its slice. So the next slice
  is a charged one, whoever gets it, unless nobody else is there: then the same customer goes on, uncharged.
- A customer that ends its demand goes; the next one is another customer, so it is charged; so is one that
  finds the core idle: each arrival is a new process, whatever slot of the table it gets.

Demands being exponential, what is left of one is exponential at every dispatch. So (n present, charged or
not) at dispatches is a Markov chain, uncharged only with n = 1. Renewal-reward over slices and idle times
gives the mean number of customers, and Little's law the mean sojourn.
"""

import math
from dataclasses import dataclass

import numpy as np

PRESENT = 160  # most customers that are kept
NODES, WEIGHTS = np.polynomial.legendre.leggauss(120)


@dataclass(frozen=True)
class SwitchCost:
    """Mean sojourn, in mean demands; share of time busy; slices and charged slices a customer."""

    sojourn: float
    busy: float
    slices: float
    charges: float


def poisson(mean: float | np.ndarray, most: int) -> np.ndarray:
    """P(k arrive), k = 0..most, along the last axis."""
    mean = np.asarray(mean, np.float64)[..., None]
    k = np.arange(most + 1)
    logs = np.array([math.lgamma(i + 1) for i in k])
    return np.exp(k * np.log(mean) - mean - logs)


def slice_arrivals(rate: float, served: float, quantum: float, paid: float) -> tuple[np.ndarray, np.ndarray]:
    """P(the customer ends and k arrive), P(it is preempted and k arrive), for a demand of mean `served`."""
    lengths = (NODES + 1) / 2 * quantum
    ends = np.exp(-lengths / served) / served * WEIGHTS * quantum / 2
    leaving = ends @ poisson(rate * (paid + lengths), PRESENT)
    return leaving, math.exp(-quantum / served) * poisson(rate * (paid + quantum), PRESENT)


def slice_moments(served: float, quantum: float, paid: float) -> tuple[float, float]:
    """E L and E L^2 of a slice: what is paid and min(demand, quantum)."""
    gone = math.exp(-quantum / served)
    first = served * (1 - gone)
    second = 2 * served * (first - quantum * gone)
    return paid + first, paid**2 + 2 * paid * first + second


def round_robin_with_cost(rate: float, quantum: float, cost: float) -> SwitchCost:
    """Solve the chain. State n - 1 is n present and charged, the last state is one present and uncharged."""
    alone = PRESENT
    step = np.zeros((PRESENT + 1, PRESENT + 1))
    charged, free = (slice_arrivals(rate, 1.0, quantum, paid) for paid in (cost, 0.0))
    come = np.arange(PRESENT + 1)
    for state in range(PRESENT + 1):
        present = 1 if state == alone else state + 1
        leaving, staying = free if state == alone else charged
        after = np.clip(present - 1 + come, 1, PRESENT)  # nobody: idle until the next one comes
        np.add.at(step[state], after - 1, leaving)
        after = np.minimum(present + come, PRESENT)
        np.add.at(step[state], np.where(after == 1, alone, after - 1), staying)
    step /= step.sum(axis=1, keepdims=True)
    share = stationary(step)
    present = np.append(np.arange(1, PRESENT + 1), 1)
    first, second = np.array(
        [slice_moments(1.0, quantum, cost)] * PRESENT + [slice_moments(1.0, quantum, 0.0)]
    ).T
    idle = share[0] * charged[0][0] + share[alone] * free[0][0]
    time = share @ first + idle / rate
    customers = share @ (present * first + rate * second / 2) / time
    each = 1 / (rate * time)  # slices a customer
    return SwitchCost(customers / rate, share @ first / time, each, each * (1 - share[alone]))


def stationary(step: np.ndarray) -> np.ndarray:
    """Probabilities that a step leaves as they are."""
    system = np.vstack([(step.T - np.eye(len(step)))[1:], np.ones(len(step))])
    return np.linalg.solve(system, np.append(np.zeros(len(step) - 1), 1.0))
