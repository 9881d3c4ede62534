"""M/M/c, first come first served: who waits, and how long (Erlang 1917; Kleinrock 1975, §3.5 and §5.7).

All times in mean demands.
"""

import math


def erlang_b(num_cores: int, offered: float) -> float:
    """Share lost in M/G/c/c, whatever the law of demands, by the recursion over the number of cores."""
    blocked = 1.0
    for c in range(1, num_cores + 1):
        blocked = offered * blocked / (c + offered * blocked)
    return blocked


def wait_probability(num_cores: int, offered: float) -> float:
    """P(W > 0), Erlang's C, from his B: C = B / (1 - rho (1 - B))."""
    blocked = erlang_b(num_cores, offered)
    return blocked / (1 - offered / num_cores * (1 - blocked))


def waiting_mean(num_cores: int, load: float) -> float:
    """E W, whatever the order of service, as long as it does not look at the demands."""
    return wait_probability(num_cores, num_cores * load) / (num_cores * (1 - load))


def waiting_tail(num_cores: int, load: float, time: float) -> float:
    """P(W > time) in the order of arrival: those who wait do so for an exponential time."""
    return wait_probability(num_cores, num_cores * load) * math.exp(-num_cores * (1 - load) * time)
