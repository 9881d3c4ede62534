"""Limits on migrations within a time, under requests that come as a Poisson process.

At most N in any window W: each migration holds one of N places for exactly W, and who finds none is denied:
the Erlang loss system M/D/N/N, of whose holding time only the mean matters (Erlang 1917; Sevastyanov 1957).
The same on cores, each migration holding a place on two of them: a loss network with a product form, likewise
insensitive (Kelly 1986, Blocking probabilities in large circuit-switched networks, §1; Burman 1984).
"""

import math
from collections.abc import Iterator
from itertools import combinations

import numpy as np
from scipy.integrate import solve_ivp


def held(pairs: list[tuple[int, int]], free: list[int]) -> Iterator[list[int]]:
    """Every way to hold places, as a number for each pair of cores with `free` places left."""
    if not pairs:
        yield []
        return
    a, b = pairs[0]
    for number in range(min(free[a], free[b]) + 1):
        left = list(free)
        left[a] -= number
        left[b] -= number
        for rest in held(pairs[1:], left):
            yield [number, *rest]


def network(num_cores: int, places: int, offered: float) -> float:
    """Denied share where each migration holds one of `places` on both of its cores, `offered` a pair."""
    pairs = list(combinations(range(num_cores), 2))
    total = blocked = 0.0
    for numbers in held(pairs, [places] * num_cores):
        weight = math.prod(offered**n / math.factorial(n) for n in numbers)
        used = [sum(n for n, pair in zip(numbers, pairs, strict=True) if core in pair) for core in (0, 1)]
        total += weight
        blocked += weight * (max(used) == places)
    return blocked / total


def dead_time(offered: float) -> float:
    """Denied share where each migration closes the door for a time; a counter of type I (Feller 1948)."""
    return offered / (1 + offered)


def returns(num_cores: int, offered: float) -> float:
    """Share of migrations that go back to the core last left within a time, none being forbidden.

    `offered` = a process's request rate x that time; targets are equally likely.
    """
    return -math.expm1(-offered) / (num_cores - 1)


def forbidden_returns(num_cores: int, offered: float) -> float:
    """Denied share where such a return is forbidden: a renewal argument from migration to migration.

    Within the time only one of num_cores - 1 targets is denied, later none.
    """
    hazard = offered * (num_cores - 2) / (num_cores - 1)
    within = -math.expm1(-hazard) / hazard if hazard else 1.0  # mean part of the cycle within the time
    cycle = within + math.exp(-hazard) / offered
    return within / (num_cores - 1) / cycle


def until_storm(count: int, offered: float) -> float:
    """Mean number of requests, all granted, until first `count` of them come within a time.

    `offered` = request rate x that time. One: the first. Two: the first gap that is short is geometric.
    Three, with f(x) the mean number still to come after a gap of x, f(x) = 1 + the mean of f(y) over gaps y
    that do not make a storm, y >= 1 - x; so f' = a exp(-a (1 - x)) f(1 - x), which is linear in f(x) and
    f(1 - x).
    """
    if count == 1:
        return 1.0
    if count == 2:
        return 1 - 1 / math.expm1(-offered)

    def slopes(x: float, both: np.ndarray) -> list[float]:
        ahead, behind = both
        return [offered * math.exp(-offered * (1 - x)) * behind, -offered * math.exp(-offered * x) * ahead]

    ends = [
        solve_ivp(slopes, (0, 1), begin, rtol=1e-11, atol=1e-12).y[0, -1]
        for begin in ([1.0, 0.0], [0.0, 1.0])
    ]
    # f(1) = ends[0] f(0) + ends[1] f(1), and f(0) = 1 + exp(-a) f(1)
    last = ends[0] / (1 - ends[1] - ends[0] * math.exp(-offered))
    return float(1 + last)


def storm(count: int, offered: float, pause: float) -> float:
    """Denied share where `count` migrations within a time close the door for a pause.

    `pause` = request rate x length of the pause; then all is as at the start.
    """
    return pause / (until_storm(count, offered) + pause)
