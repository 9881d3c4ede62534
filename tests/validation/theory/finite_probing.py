"""Chains of a few cores with random placement, whose idle cores probe one random core at once and then again.

The time between an idle core's probes is that of a chain: `phases` exponential stages of mean poll / phases
each, an Erlang law. It approaches a deterministic time as 1 / phases, so that twice the value with 2k phases
less that with k has an error of order 1 / k^2 only. An idle core in its stage j is a state of -j.
"""

import math
from dataclasses import dataclass
from functools import cache

from tests.validation.theory.finite_chain import Chain, Moves, State, solve, sorted_state

VICTIM = 2
"""Least processes of a core that is stolen from: one runs, one waits."""


def replaced(state: State, core: int, now: int) -> State:
    """One core changed."""
    return sorted_state((*state[:core], now, *state[core + 1 :]))


def probe(state: State, thief: int, rate: float, left: int) -> list[tuple[State, float]]:
    """Transitions of a probe at a rate: the thief runs what it took, or is `left` without."""
    num_cores = len(state)
    victims = [core for core in range(num_cores) if core != thief and state[core] >= VICTIM]
    found = []
    for victim in victims:
        after = list(state)
        after[victim] -= 1
        after[thief] = 1
        found.append((sorted_state(after), rate / num_cores))
    return [*found, (replaced(state, thief, left), rate * (1 - len(victims) / num_cores))]


def probing_moves(load: float, poll: float, phases: int, bound: int) -> Moves:
    """Arrivals, departures, stages of idle times."""

    def moves(state: State) -> list[tuple[State, float]]:
        found = []
        for core, here in enumerate(state):
            if here < bound:
                found.append((replaced(state, core, max(here, 0) + 1), load))
            if here > 1:
                found.append((replaced(state, core, here - 1), 1.0))
            elif here == 1:
                found += probe(state, core, 1.0, 0)
            elif here > 1 - phases:
                found.append((replaced(state, core, here - 1), phases / poll))
            else:
                found += probe(state, core, phases / poll, 0)
        return found

    return moves


@dataclass(frozen=True)
class Found:
    """Mean processes a core; steals and failed probes a core and a mean demand; P(a core at the cut-off)."""

    length: float
    steals: float
    failures: float
    at_bound: float


def rates(chain: Chain, poll: float, phases: int) -> Found:
    """Probes come at the end of a core's only process, and of its last stage."""
    states, num_cores = chain.states, chain.states.shape[1]
    probes = (states == 1) + (states == 1 - phases) * phases / poll
    victims = (states >= VICTIM).sum(axis=1) / num_cores
    steals = chain.mean(probes.mean(axis=1) * victims)
    return Found(chain.length, steals, chain.mean(probes.mean(axis=1)) - steals, chain.at_bound())


@cache
def staged(num_cores: int, load: float, poll: float, phases: int, bound: int) -> Found:
    """Times between probes of an Erlang law; exponential with one phase."""
    return rates(solve(num_cores, probing_moves(load, poll, phases, bound)), poll, phases)


def probing_chain(num_cores: int, load: float, poll: float, phases: int, bound: int) -> Found:
    """Deterministic times between probes, from `phases` and twice as many stages (at least 2)."""
    few, many = (staged(num_cores, load, poll, k, bound) for k in (phases, 2 * phases))
    return Found(
        2 * many.length - few.length,
        2 * many.steals - few.steals,
        2 * many.failures - few.failures,
        many.at_bound,
    )


def failures(load: float, poll: float) -> float:
    """Probes that find nothing, a core and a mean demand, exactly and for any number of cores (ours).

    Each begins a time that ends with the next probe or an arrival: min(poll, exponential of rate load) in the
    mean, (1 - exp(-load poll)) / load. A core is idle in such times only, for a share 1 - load.
    """
    return load * (1 - load) / -math.expm1(-load * poll)
