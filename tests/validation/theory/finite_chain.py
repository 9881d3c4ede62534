"""Stationary law of a Markov chain of a few equal cores, solved as linear equations.

A state is the processes (queued and running) of each core, longest first: cores are exchangeable, so states
that differ in their order are one. A number below 0 is an idle core too, in a phase of its idle time. The
chain is cut off at a greatest number a core; `moves` leaves out what would exceed it, and the probability of
standing there tells what that costs.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import spsolve
from scipy.special import gammaincc

State = tuple[int, ...]
Moves = Callable[[State], Iterable[tuple[State, float]]]


@dataclass(frozen=True)
class Chain:
    """States, int64 (state, core), and their stationary probabilities, float64 (state,)."""

    states: np.ndarray
    share: np.ndarray

    def mean(self, value: np.ndarray) -> float:
        """Expectation of a value given for each state."""
        return float(self.share @ value)

    @property
    def length(self) -> float:
        """Mean number of processes of a core."""
        return self.mean(np.maximum(self.states, 0).mean(axis=1))

    def at_least(self, count: int) -> float:
        """Probability that a core has at least `count`."""
        return self.mean((self.states >= count).mean(axis=1))

    def at_bound(self) -> float:
        """Probability that some core stands at the cut-off: an indication of what it leaves out."""
        return self.mean(self.states[:, 0] == self.states.max())


def sorted_state(state: Iterable[int]) -> State:
    """Longest first."""
    return tuple(sorted(state, reverse=True))


def changed(state: State, core: int, by: int) -> State:
    """One core longer or shorter."""
    return sorted_state((*state[:core], state[core] + by, *state[core + 1 :]))


def solve(num_cores: int, moves: Moves) -> Chain:
    """The stationary law over all states that are reached from the empty one."""
    empty = (0,) * num_cores
    index, found = {empty: 0}, [empty]
    rows, columns, rates = [], [], []
    for state in found:  # grows while it is read
        here = index[state]
        for target, rate in moves(state):
            if target not in index:
                index[target] = len(found)
                found.append(target)
            rows += [index[target], here]
            columns += [here, here]
            rates += [rate, -rate]
    size = len(found)
    flow = sparse.coo_matrix((rates, (rows, columns)), shape=(size, size)).tocsc()
    # the empty state has weight 1 and its own equation follows from the others, so the matrix stays sparse
    others = spsolve(flow[1:, 1:], -flow[1:, [0]].toarray().ravel())
    weight = np.concatenate([[1.0], others])
    return Chain(np.array(found), weight / weight.sum())


def erlang_tail(found: np.ndarray, times: np.ndarray) -> np.ndarray:
    """P(sojourn >= time) of first come first served; found[m] = P(an arrival joins a core that has m).

    The sojourn is then the sum of m + 1 exponential demands of mean 1: memorylessness of the one in service.
    """
    stages = np.arange(1, len(found) + 1)
    return gammaincc(stages[:, None], np.asarray(times)[None, :]).T @ found
