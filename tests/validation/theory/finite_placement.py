"""Chains of a few cores under placement by queue length: the shortest queue, and the best of d draws.

Arrivals come as a Poisson stream of `load` a core, demands are exponential of mean 1, each core serves first
come first served. Power of d choices: each draw is uniform over all cores, with replacement, and the least
loaded of the drawn is joined (Vvedenskaya, Dobrushin and Karpelevich 1996; Mitzenmacher 2001). So with N
cores of which n have at least m, the joined one has at least m with probability (n / N)^d.
The shortest queue: Haight 1958, Flatto and McKean 1977; here as a chain.
"""

from functools import cache

import numpy as np

from tests.validation.theory.finite_chain import Chain, Moves, State, changed, solve

SHORTEST = 0
"""As a number of draws: all queues are looked at."""


def departures(state: State) -> list[tuple[State, float]]:
    """Each busy core ends one at rate 1."""
    return [(changed(state, core, -1), 1.0) for core in range(len(state)) if state[core] > 0]


def joins(state: State, choices: int) -> list[tuple[int, float]]:
    """Where an arrival goes: (a core of the least length, probability), one entry a length."""
    num_cores = len(state)
    if choices == SHORTEST:
        return [(num_cores - 1, 1.0)]
    places = []
    for core in range(num_cores):  # longest first: the cores up to and with this one have at least its length
        if core + 1 == num_cores or state[core + 1] < state[core]:
            longer = sum(1 for length in state if length > state[core])
            places.append((core, ((core + 1) / num_cores) ** choices - (longer / num_cores) ** choices))
    return places


def placement_moves(load: float, choices: int, bound: int) -> Moves:
    """Arrivals and departures."""

    def moves(state: State) -> list[tuple[State, float]]:
        arrivals = [
            (changed(state, core, 1), load * len(state) * share)
            for core, share in joins(state, choices)
            if state[core] < bound
        ]
        return arrivals + departures(state)

    return moves


@cache
def placement_chain(num_cores: int, load: float, choices: int, bound: int) -> Chain:
    """The stationary law; choices = SHORTEST: join the shortest queue."""
    return solve(num_cores, placement_moves(load, choices, bound))


def joined(chain: Chain, choices: int) -> np.ndarray:
    """P(an arrival joins a core that has m), m = 0, 1, ..: Poisson arrivals see time averages."""
    found = np.zeros(int(chain.states.max()) + 1)
    for state, share in zip(map(tuple, chain.states.tolist()), chain.share, strict=True):
        for core, part in joins(state, choices):
            found[state[core]] += share * part
    return found
