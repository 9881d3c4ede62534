"""A bag of W unit tasks on one of p cores, spread by stealing; and one core to which all the work comes.

Steal half, a question to a random core takes one unit (Tchiboukdjian, Gast and Trystram 2013, Decentralized
list scheduling): at most c p log2 W^2 + p (1 + c / ln 2) questions on the mean, c = 1 / (1 - log2(1 + 1/e)).
Steal half, a question and its answer take `latency` each (Gast, Khatiri, Trystram and Wagner 2018, arXiv
1805.00857): at most W / p + 16.12 latency log2(W / (2 latency)) + 3 latency on the mean (theorem 4.1), and in
their simulations near W / p + 3.8 latency log2(W / latency).
Steal one, and only one core has work: a thief that asks one of p cores, itself included, each `poll` finds it
with probability 1 / p, so that it brings a task in (p - 1) poll + fetch + 1 units on the mean: 1 + (p - 1) /
that is all that is done in a unit of time (ours).
"""

import math


def questions_bound(tasks: int, cores: int) -> float:
    """Questions until the bag is empty, on the mean, at most: steal half, one unit a question."""
    c = 1 / (1 - math.log2(1 + math.exp(-1)))
    return c * cores * 2 * math.log2(tasks) + cores * (1 + c / math.log(2))


def makespan_bound(tasks: int, cores: int, latency: float) -> float:
    """Makespan in units, on the mean, at most: steal half with a latency."""
    return tasks / cores + 16.12 * latency * math.log2(tasks / (2 * latency)) + 3 * latency


def makespan_fit(tasks: int, cores: int, latency: float) -> float:
    """Makespan in units that Gast et al. found in their simulations."""
    return tasks / cores + 3.8 * latency * math.log2(tasks / latency)


def rate_by_one(cores: int, poll: float, fetch: float = 0.0) -> float:
    """Tasks done a unit of time while one core has all the work and thieves take one."""
    return 1 + (cores - 1) / ((cores - 1) * poll + fetch + 1)
