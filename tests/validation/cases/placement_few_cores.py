"""Placement on two or three cores against its chain: the shortest queue, and power of choices."""

import math
from functools import cache

import numpy as np

from tests.analytic.queues import erlang_c
from tests.validation.case import Check, Plot, Scale, Series
from tests.validation.cases.equal_cores import (
    DEMAND_NS,
    Farm,
    central_relaxation,
    derivative,
    placed,
    positive_waits,
)
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import seed_of
from tests.validation.simulation import edges_near, tail_checks
from tests.validation.theory.finite_chain import Chain, erlang_tail
from tests.validation.theory.finite_placement import SHORTEST, joined, placement_chain

NEGLIGIBLE = 1e-6
SPREAD = 8


def chain(num_cores: int, load: float, choices: int) -> Chain:
    """The stationary law, cut off where the processes of all cores together have a negligible probability.

    Where all cores are busy their number n goes up at `load` times the rate of going down, so it falls off
    about as load^n; the notes of a case tell the probability that is left at the cut-off.
    """
    bound = math.ceil(math.log(NEGLIGIBLE) / math.log(load) / num_cores) + SPREAD
    return placement_chain(num_cores, load, choices, bound)


@cache
def length(num_cores: int, load: float, choices: int) -> float:
    """Mean processes a core."""
    return chain(num_cores, load, choices).length


def wasted(law: Chain) -> float:
    """Share of cores that are idle while some process waits elsewhere."""
    return law.mean((law.states == 0).mean(axis=1) * (law.states[:, 0] >= 2))


def mean_checks(
    name: str, num_cores: int, load: float, choices: int, scale: Scale, customers: float
) -> tuple[list[Check], np.ndarray, str]:
    """Checks of means at one setting, the sojourn in demands by replicate, and a note on the cut-off."""
    law = chain(num_cores, load, choices)
    policy = placed("best_of", choices) if choices != SHORTEST else placed("least_loaded")
    farm = Farm(num_cores, load, scale.length(customers), central_relaxation(1, load))
    at = f"{num_cores} cores, load {load}" + (f", d = {choices}" if choices != SHORTEST else "")
    r = farm.run(policy, scale, seed_of(f"{name} {at}"))
    slope = derivative(lambda x: length(num_cores, x, choices), load)
    found = farm.at_load(r, r["queue_core_mean"], slope)
    theory = law.length / load
    sojourn = farm.at_load(r, r["sojourn_mean_ns"], (slope - theory) / load * DEMAND_NS)
    waste = r["wasted_core_share"]
    checks = [
        interval(f"mean processes a core, {at}", found, law.length, scale, unit=""),
        interval(f"mean sojourn time, {at}", sojourn, theory * DEMAND_NS, scale),
        interval(f"idle beside waiting work, {at}", waste, wasted(law), scale, unit=""),
    ]
    if scale.is_full and load <= 0.8:
        central = 1 + erlang_c(num_cores, num_cores * load) / (num_cores * (1 - load))
        others = {"a central queue": central, "random placement": 1 / (1 - load)}
        checks += [
            rejects(f"mean sojourn time as with {other}, {at}", sojourn, wrong * DEMAND_NS)
            for other, wrong in others.items()
        ]
    return checks, sojourn / DEMAND_NS, f"Chain of {at}: P(a core at the cut-off) = {law.at_bound():.2g}."


def theory_curve(num_cores: int, choices: int, scale: Scale) -> Series:
    """Mean sojourn by load."""
    few = 4 if num_cores == 3 else 10
    grid = np.linspace(0.3, 0.8 if num_cores == 3 else 0.9, 2 * few if scale.is_full else few)
    curve = [length(num_cores, x, choices) / x for x in grid.tolist()]
    draws = f", d = {choices}" if choices != SHORTEST else ""
    return Series(f"theory, {num_cores} cores{draws}", True, grid.tolist(), curve)


def mean_points(name: str, loads: list[float], sojourns: list[np.ndarray]) -> Series:
    """Simulated means with their intervals."""
    means = [float(each.mean()) for each in sojourns]
    return Series(f"simulated, {name}", False, loads, means, [half_width(each) for each in sojourns])


def distribution(
    name: str, num_cores: int, load: float, choices: int, scale: Scale, customers: float
) -> tuple[list[Check], Plot]:
    """The whole distribution of the sojourn time, and the share that waits."""
    farm = Farm(num_cores, load, scale.length(customers), central_relaxation(1, load))
    policy = placed("best_of", choices) if choices != SHORTEST else placed("least_loaded")
    seed, at = seed_of(f"{name} tail"), f"{num_cores} cores, load {load}"
    met = joined(chain(num_cores, load, choices), choices)
    edges = edges_near([share * DEMAND_NS for share in (0.1, 0.5, 1, 2, 4, 6, 9)])
    theory = erlang_tail(met, np.array(edges) / DEMAND_NS)
    found = farm.histograms(policy, scale, seed, "sojourn")
    checks, lines = tail_checks(f"sojourn, {at}", found, edges, theory.tolist(), scale, narrow=0.2)
    waited = positive_waits(farm.histograms(policy, scale, seed, "waiting"))
    checks.append(interval(f"P(wait > 0), {at}", waited, 1 - met[0], scale, unit="", narrow=0.03))
    return checks, Plot(
        f"Sojourn time, distribution, {at}", "time (us)", "P(sojourn >= time)", lines, is_log_y=True
    )
