"""Round robin of a Poisson stream over c cores with exponential demands: each core is E_c/M/1.

Every c-th arrival goes to a core, so the times between its arrivals are Erlang of c stages. An arrival at a
GI/M/1 queue finds a geometric number, with the root s of s = A*(1 - s) in (0, 1), A* the transform of the
time between arrivals in mean demands; its sojourn is exponential of mean 1 / (1 - s) (Kleinrock 1975, §6.4).
"""

from scipy.optimize import brentq


def root(num_cores: int, load: float) -> float:
    """The root s: the share of customers that wait."""

    def surplus(s: float) -> float:
        return (1 + (1 - s) / (num_cores * load)) ** -num_cores - s

    return float(brentq(surplus, 0.0, 1 - (1 - load) / 10, xtol=1e-15))
