"""Round-robin placement: arrivals at a core are spread more evenly than by chance."""

import math

import numpy as np

from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.equal_cores import (
    DEMAND_NS,
    Farm,
    central_relaxation,
    derivative,
    placed,
    positive_waits,
)
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, tail_checks
from tests.validation.theory.finite_round_robin import root

NAME = "Round-robin placement"
LOADS = (0.5, 0.7, 0.9)
SIZES = (2, 4, 16)
CUSTOMERS = 45_000
POLICY = placed("round_robin")


def sojourn_mean(num_cores: int, load: float) -> float:
    """Mean sojourn in mean demands."""
    return 1 / (1 - root(num_cores, load))


@case(NAME, "placement", "Kleinrock 1975, Queueing Systems 1, §6.4 (GI/M/1); Erlang arrivals")
def round_robin_placement(scale: Scale) -> Outcome:
    """2, 4 and 16 cores, Poisson arrivals dealt out in turn, exponential demands, no migration.

    Each core is E_c/M/1. With the root s of s = A*(1 - s), a share s of the customers waits, and the sojourn
    is exponential with mean 1 / (1 - s) demands.
    """
    checks: list[Check] = []
    loads = LOADS if scale.is_full else LOADS[:2]
    grid = np.linspace(0.3, 0.92, 40)
    lines = []
    for num_cores in SIZES:
        means, widths = [], []
        for load in loads:
            # evener arrivals relax faster than the M/M/1 whose time is taken here
            farm = Farm(num_cores, load, scale.length(CUSTOMERS), central_relaxation(1, load))
            r = farm.run(POLICY, scale, seed_of(f"{NAME} {num_cores} {load}"))
            at = f"{num_cores} cores, load {load}"
            theory = sojourn_mean(num_cores, load)
            slope = derivative(lambda x, n=num_cores: sojourn_mean(n, x), load)
            sojourn = farm.at_load(r, r["sojourn_mean_ns"], slope * DEMAND_NS)
            length = farm.at_load(r, r["queue_core_mean"], load * slope + theory)
            checks += [
                interval(f"mean sojourn time, {at}", sojourn, theory * DEMAND_NS, scale),
                interval(f"mean processes a core, {at}", length, load * theory, scale, unit=""),
            ]
            means.append(sojourn.mean() / DEMAND_NS)
            widths.append(half_width(sojourn) / DEMAND_NS)
            if scale.is_full and num_cores == 4:
                wrong = sojourn_mean(5, load) * DEMAND_NS
                checks.append(rejects(f"mean sojourn time as with 5 stages, {at}", sojourn, wrong))
        curve = [sojourn_mean(num_cores, x) for x in grid]
        lines.append(Series(f"theory, {num_cores} cores", True, grid.tolist(), curve))
        lines.append(Series(f"simulated, {num_cores} cores", False, loads, means, widths))
    found, figure = distribution(scale)
    plot = Plot("Mean sojourn time", "load", "mean sojourn time (demands)", lines)
    return Outcome([*checks, *found], [plot, figure])


def distribution(scale: Scale, num_cores: int = 4, load: float = 0.8) -> tuple[list[Check], Plot]:
    """The whole distribution of the sojourn time, and the share that waits."""
    farm = Farm(num_cores, load, scale.length(3 * CUSTOMERS), central_relaxation(1, load))
    seed, at = seed_of(f"{NAME} tail"), f"{num_cores} cores, load {load}"
    mean = DEMAND_NS * sojourn_mean(num_cores, load)
    edges = edges_near([share * mean for share in (0.05, 0.25, 0.5, 1, 2, 3, 4.6)])
    found = farm.histograms(POLICY, scale, seed, "sojourn")
    theory = [math.exp(-edge / mean) for edge in edges]
    checks, lines = tail_checks(f"sojourn, {at}", found, edges, theory, scale, narrow=0.2)
    waited = positive_waits(farm.histograms(POLICY, scale, seed, "waiting"))
    share = interval(f"P(wait > 0), {at}", waited, root(num_cores, load), scale, unit="", narrow=0.02)
    return [*checks, share], Plot(
        "Sojourn time, distribution", "time (us)", "P(sojourn >= time)", lines, is_log_y=True
    )
