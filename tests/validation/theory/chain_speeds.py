"""Servers of different speeds behind one queue: M/M/c with rates mu_1, mu_2, .. taken in a written order.

Sources: Gumbel 1960, Waiting lines with heterogeneous servers; Singh 1970, Two-server Markovian queues with
balking: heterogeneous vs homogeneous servers; Larsen and Agrawala 1983 (the slow server problem). Solved here
as a chain on the set of busy servers; while all are busy it is a birth-and-death chain with a geometric tail.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
from scipy.special import gammaincc


@dataclass(frozen=True)
class Solution:
    """What is known of it; times in the unit of 1 / rate.

    busy         : P(server i is busy)
    mean_number  : customers in the system
    sojourn      : mean time in the system
    full         : P(all are busy and nobody waits)
    ratio        : arrival rate / total rate
    starts       : P(an arriving customer is taken by server i at once)
    """

    busy: np.ndarray
    mean_number: float
    sojourn: float
    full: float
    ratio: float
    starts: np.ndarray


def solve(arrival: float, rates: Sequence[float], is_random: bool = False) -> Solution:
    """Stationary solution; an arriving customer takes the first idle server, or any of them at random."""
    count, total = len(rates), float(sum(rates))
    ratio = arrival / total
    states = list(product((0, 1), repeat=count))  # of the servers, 1 is busy
    number = {state: i for i, state in enumerate(states)}
    generator = np.zeros((len(states), len(states)))
    choice = np.zeros((len(states), count))
    for state, i in number.items():
        idle = [server for server in range(count) if not state[server]]
        for server in idle if is_random else idle[:1]:
            choice[i, server] = 1 / len(idle) if is_random else 1
        for server in range(count):
            changed = number[(*state[:server], 1 - state[server], *state[server + 1 :])]
            generator[i, changed] += rates[server] if state[server] else arrival * choice[i, server]
    # with somebody waiting the chain goes up with `arrival` and comes down with `total` to where it was:
    # these states are a geometric tail on top of the last one, and leave the balance of the others alone
    generator -= np.diag(generator.sum(axis=1))
    equations = np.vstack([generator.T[:-1], np.ones(len(states))])
    equations[-1, -1] = 1 / (1 - ratio)
    found = np.linalg.solve(equations, np.eye(len(states))[-1])
    full = float(found[-1])
    sums = np.array([sum(state) for state in states])
    waiting = full * ratio / (1 - ratio) ** 2
    mean_number = float(found @ sums) + full * ratio / (1 - ratio) * count + waiting
    busy = found @ np.array(states) + full * ratio / (1 - ratio)
    return Solution(busy, mean_number, mean_number / arrival, full, ratio, found @ choice)


def sojourn_tail(time: float, arrival: float, rates: Sequence[float]) -> float:
    """P(sojourn >= time), first come first served, an arriving customer taking the first idle server.

    He is served at once by server i with probability `starts`, else waits Exp(total - arrival), and then is
    taken by server i with probability rate_i / total, whatever he waited.
    """
    known, total = solve(arrival, rates), float(sum(rates))
    waits, drain = known.full / (1 - known.ratio), total - arrival
    share = 0.0
    for start, rate in zip(known.starts, rates, strict=True):
        alone = np.exp(-rate * time)
        if abs(drain - rate) < 1e-9 * rate:
            after = float(gammaincc(2, rate * time))  # Erlang of two phases
        else:
            after = (drain * alone - rate * np.exp(-drain * time)) / (drain - rate)
        share += start * alone + waits * rate / total * after
    return float(share)
