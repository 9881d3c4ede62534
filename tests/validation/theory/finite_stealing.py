"""Chains of a few cores with random placement, where a core that empties tries one random victim.

The victim is drawn among all N cores, the thief among them (then nothing is found), and loses one process if
it has at least `threshold` (queued and running). Exponential demands of mean 1, `load` arrivals a core.
"""

from functools import cache

from tests.validation.theory.finite_chain import Chain, Moves, State, changed, solve


def stealing_moves(load: float, threshold: int, bound: int) -> Moves:
    """Arrivals, departures that leave work, departures that empty a core and what it then steals."""

    def moves(state: State) -> list[tuple[State, float]]:
        num_cores = len(state)
        found = [(changed(state, core, 1), load) for core in range(num_cores) if state[core] < bound]
        for core in range(num_cores):
            if state[core] > 1:
                found.append((changed(state, core, -1), 1.0))
            elif state[core] == 1:
                # the thief goes from 1 to 0 and back to 1; it had less than the threshold itself
                victims = [v for v in range(num_cores) if state[v] >= threshold]
                found += [(changed(state, v, -1), 1 / num_cores) for v in victims]
                found.append((changed(state, core, -1), 1 - len(victims) / num_cores))
        return found

    return moves


@cache
def stealing_chain(num_cores: int, load: float, threshold: int, bound: int) -> Chain:
    """The stationary law."""
    return solve(num_cores, stealing_moves(load, threshold, bound))


def steal_rate(chain: Chain, threshold: int) -> float:
    """Steals that succeed, a core and a mean demand: emptyings times the share of victims."""
    ones = (chain.states == 1).sum(axis=1)
    victims = (chain.states >= threshold).mean(axis=1)
    return chain.mean(ones * victims) / chain.states.shape[1]


def failure_rate(chain: Chain, threshold: int) -> float:
    """Attempts that find nothing, a core and a mean demand: the other emptyings."""
    return chain.mean((chain.states == 1).mean(axis=1)) - steal_rate(chain, threshold)
