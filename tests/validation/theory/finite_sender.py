"""Chains of a few cores under sender-initiated probing (Eager, Lazowska and Zahorjan 1986, threshold policy).

An arrival at a random core with fewer than `threshold` processes stays; else cores are drawn from all, with
replacement, up to `probes` times, and it goes to the first drawn with fewer, else stays where it came.
"""

from functools import cache

import numpy as np

from tests.validation.theory.finite_chain import Chain, Moves, State, changed, solve
from tests.validation.theory.finite_placement import departures


def lands(state: State, probes: int, threshold: int) -> list[float]:
    """Probability that an arrival is queued on each core."""
    num_cores = len(state)
    low = sum(1 for length in state if length < threshold)
    lost = (1 - low / num_cores) ** probes  # no draw finds a core below the threshold
    sent = (num_cores - low) / num_cores * (1 - lost)
    return [1 / num_cores + sent / low if length < threshold else lost / num_cores for length in state]


def sender_moves(load: float, probes: int, threshold: int, bound: int) -> Moves:
    """Arrivals and departures."""

    def moves(state: State) -> list[tuple[State, float]]:
        shares = lands(state, probes, threshold)
        arrivals = [
            (changed(state, core, 1), load * len(state) * share)
            for core, share in enumerate(shares)
            if state[core] < bound and share > 0
        ]
        return arrivals + departures(state)

    return moves


@cache
def sender_chain(num_cores: int, load: float, probes: int, threshold: int, bound: int) -> Chain:
    """The stationary law."""
    return solve(num_cores, sender_moves(load, probes, threshold, bound))


def joined(chain: Chain, probes: int, threshold: int) -> np.ndarray:
    """P(an arrival joins a core that has m), m = 0, 1, ..: Poisson arrivals see time averages."""
    found = np.zeros(int(chain.states.max()) + 1)
    for state, share in zip(map(tuple, chain.states.tolist()), chain.share, strict=True):
        for core, part in enumerate(lands(state, probes, threshold)):
            found[state[core]] += share * part
    return found
