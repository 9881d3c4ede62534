"""Two cores that steal from each other, where a stolen customer costs more: the exact Markov chain.

Customers come to each core as a Poisson process and queue there; services are exponential, the unit of time
is their mean. A core without customers takes the head of the other's queue when at least `least` wait
there: as soon as it has finished its last one, or when one comes to the other. Who is stolen is served at
once, to the end, but passes through phases first, or is served at another rate (Stolen). The state is
(customers, phase of the one in service) of both cores; core order does not matter, so that half of the
states are enough.

Source of the model: Eager, Lazowska and Zahorjan 1986, A comparison of receiver-initiated and sender-
initiated adaptive load sharing (transfers that cost processor time); Mirchandaney, Towsley and Stankovic
1989, Analysis of the effects of delays on load sharing (two nodes, Markov chains). A fixed delay by
Erlang's method of phases.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.sparse.linalg import expm_multiply

from tests.validation.theory.chain_solve import stationary

State = tuple[int, int, int, int]


@dataclass(frozen=True)
class Stolen:
    """How a stolen customer is served: phases first, .., 1, 0; who is not stolen begins at phase 0.

    ahead   : rate from each phase to the one below, by phase; that of phase 0 means nothing
    leaving : rate at which a customer in that phase is finished, by phase; that of phase 0 is 1
    """

    ahead: tuple[float, ...]
    leaving: tuple[float, ...]

    @property
    def first(self) -> int:
        """Phase at which a stolen customer begins."""
        return len(self.ahead) - 1


def slower(stretch: float) -> Stolen:
    """A stolen customer needs `stretch` times as long."""
    return Stolen((0.0, 0.0), (1.0, 1 / stretch))


def delayed(delay: float, phases: int) -> Stolen:
    """A stolen customer occupies the thief for a delay, Erlang of so many phases, before it is served."""
    if delay == 0:
        return Stolen((0.0,), (1.0,))
    return Stolen((0.0, *[phases / delay] * phases), (1.0, *[0.0] * phases))


@dataclass(frozen=True)
class Pair:
    """The two cores. arrival : rate at each; most : customers at both, beyond which none comes."""

    arrival: float
    stolen: Stolen
    least: int = 1
    most: int = 60

    def moves(self, state: State) -> Iterator[tuple[float, State, bool]]:
        """Rate, next state, and whether it is a steal."""
        for mine, phase, other, phase_there in (state, state[2:] + state[:2]):
            if mine + other < self.most:
                yield self.arrival, *self.come(mine, phase, other, phase_there)
            if mine:
                yield self.stolen.ahead[phase], ordered((mine, phase - 1, other, phase_there)), False
                yield self.stolen.leaving[phase], *self.go(mine, other, phase_there)

    def come(self, mine: int, phase: int, other: int, phase_there: int) -> tuple[State, bool]:
        """One more at my core; an idle other core takes one if `least` wait now."""
        if mine and not other and mine >= self.least:
            return ordered((mine, phase, 1, self.stolen.first)), True
        return ordered((mine + 1, phase, other, phase_there)), False

    def go(self, mine: int, other: int, phase_there: int) -> tuple[State, bool]:
        """My core has finished one: its own next, else one of the other's, else nothing."""
        if mine == 1 and other - 1 >= self.least:
            return ordered((1, self.stolen.first, other - 1, phase_there)), True
        return ordered((mine - 1, 0, other, phase_there)), False

    @cached_property
    def known(self) -> dict[State, float]:
        """Stationary probability of each state."""
        return stationary((0, 0, 0, 0), lambda state: ((rate, to) for rate, to, _ in self.moves(state)))

    @property
    def number(self) -> float:
        """Mean number of customers at both cores."""
        return sum(share * (state[0] + state[2]) for state, share in self.known.items())

    @property
    def sojourn(self) -> float:
        """Mean time from coming to going, by Little's law."""
        return self.number / (2 * self.arrival)

    @property
    def utilisation(self) -> float:
        """Share of time that a core is busy, with customers or with a delay."""
        return sum(p * ((s[0] > 0) + (s[2] > 0)) for s, p in self.known.items()) / 2

    @property
    def waiting(self) -> float:
        """Mean time until a core takes him."""
        return self.sojourn - self.utilisation / self.arrival

    @property
    def steals(self) -> float:
        """Customers stolen a unit of time."""
        return sum(p * rate for s, p in self.known.items() for rate, _, stolen in self.moves(s) if stolen)


def ordered(state: State) -> State:
    """The same state with the fuller core first."""
    return state if state[:2] >= state[2:] else state[2:] + state[:2]


def sojourn_tail(pair: Pair, times: list[float]) -> list[float]:
    """P(sojourn >= time) of a customer, for `least` = 1: he is followed until he goes.

    While he waits, with `ahead` before him in his queue, the other core is busy, and what comes behind him
    does not matter. States: (ahead, phase at his core, customers at the other, phase there), or (phase,)
    when he is served. By PASTA he finds the stationary state.
    """
    stolen = pair.stolen

    def moves(state: tuple[int, ...]) -> Iterator[tuple[float, tuple[int, ...]]]:
        if len(state) == 1:
            yield stolen.ahead[state[0]], (state[0] - 1,)
            yield stolen.leaving[state[0]], ()
            return
        ahead, phase, other, there = state
        if other < pair.most:
            yield pair.arrival, (ahead, phase, other + 1, there)
        yield stolen.ahead[phase], (ahead, phase - 1, other, there)
        yield stolen.leaving[phase], (ahead - 1, 0, other, there) if ahead else (0,)
        yield stolen.ahead[there], (ahead, phase, other, there - 1)
        if other > 1:
            yield stolen.leaving[there], (ahead, phase, other - 1, 0)
        else:
            yield stolen.leaving[there], (ahead - 1, phase, 1, stolen.first) if ahead else (stolen.first,)

    begin: dict[tuple[int, ...], float] = {}
    for state, share in pair.known.items():
        for mine, phase, other, there in (state, state[2:] + state[:2]):
            if mine and other:
                met: tuple[int, ...] = (mine - 1, phase, other, there)
            else:
                met = (stolen.first,) if mine else (0,)
            begin[met] = begin.get(met, 0.0) + share / 2
    numbers = {state: i for i, state in enumerate(begin)}
    states = list(begin)
    rows, columns, rates = [], [], []
    for state in states:  # grows while new states are found
        for rate, target in moves(state):
            if rate <= 0:
                continue
            rows.append(numbers[state])
            columns.append(numbers[state])
            rates.append(-rate)
            if not target:
                continue
            if target not in numbers:
                numbers[target] = len(states)
                states.append(target)
            rows.append(numbers[state])
            columns.append(numbers[target])
            rates.append(rate)
    flow = sparse.coo_matrix((rates, (columns, rows)), (len(states), len(states))).tocsr()
    now, at, tails = np.zeros(len(states)), 0.0, []
    now[: len(begin)] = list(begin.values())
    for time in times:
        now = expm_multiply(flow * (time - at), now)
        at = time
        tails.append(float(now.sum()))
    return tails
