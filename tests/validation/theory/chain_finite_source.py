"""M/M/c//N, the finite-source or machine-repair model: N customers that think, then want one of c servers.

Sources: Palm 1947 (the chain); Bunday and Scraton 1980 (of the thinking time only the mean matters); Sevcik
and Mitrani 1981, Lavenberg and Reiser 1980 (arrival theorem: who arrives sees the system without himself).
Times are in mean services.
"""

import numpy as np
from scipy.stats import gamma


def wanting(servers: int, population: int, think: float) -> np.ndarray:
    """P(k of the customers want a server or have one), k = 0..population."""
    weights = np.ones(population + 1)
    for k in range(1, population + 1):
        weights[k] = weights[k - 1] * (population - k + 1) / (think * min(k, servers))
    return weights / weights.sum()


def busy(servers: int, population: int, think: float) -> float:
    """Mean number of busy servers: the throughput too."""
    return float(wanting(servers, population, think) @ np.minimum(np.arange(population + 1), servers))


def sojourn(servers: int, population: int, think: float) -> float:
    """Mean time from wanting a server to leaving it: Little's law round the cycle."""
    return population / busy(servers, population, think) - think


def seen(population: int, think: float, is_outsider: bool = False) -> np.ndarray:
    """P(k before him) as an arriving customer finds one server; what an outsider finds is a wrong theory."""
    return wanting(1, population if is_outsider else population - 1, think)


def sojourn_tail(found: np.ndarray, time: float) -> float:
    """P(sojourn >= time) at one server, first come first served, with `found` before him: Erlang(k + 1)."""
    return float(found @ gamma.sf(time, np.arange(len(found)) + 1))
