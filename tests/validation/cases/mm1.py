"""M/M/1, first come first served."""

import math

import numpy as np

from tests.analytic.queues import MEAN_NS, STAY, cores, customers, demand, horizon, waiting_mg1, waiting_mmc
from tests.validation.case import Outcome, Plot, Scale, Series
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, histograms, replicates, tail_checks

NAME = "M/M/1"
RATE = 1e9 / MEAN_NS  # customers a second that a core serves
LOADS = (0.1, 0.3, 0.5, 0.7, 0.8, 0.9)
CUSTOMERS = 300_000


@case(NAME, "queues", "Kleinrock 1975, Queueing Systems 1, §3.2 and §5.7 (waiting distribution)", rank=0)
def mm1(scale: Scale) -> Outcome:
    """One core, Poisson arrivals, exponential demands, no quantum.

    Mean waiting time rho / (1 - rho) of a mean demand, utilisation rho; the sojourn is exponential with mean
    1 / (1 - rho) demands, and the waiting time has an atom of 1 - rho at zero.
    """
    checks, means, widths = [], [], []
    for load in LOADS:
        workload = customers(demand(), rate_per_s=load * RATE)
        simulation = horizon(scale.length(CUSTOMERS), load * RATE)
        r = replicates(cores(1), workload, STAY, simulation, scale, seed_of(f"{NAME} {load}"))
        waiting = waiting_mmc(1, load)
        at = f"load {load}"
        checks += [
            interval(f"mean waiting time, {at}", r["waiting_mean_ns"], waiting, scale, narrow=0.06),
            interval(f"mean sojourn time, {at}", r["sojourn_mean_ns"], waiting + MEAN_NS, scale, narrow=0.06),
            interval(f"utilisation, {at}", r["utilisation"], load, scale, unit="", narrow=0.02),
        ]
        means.append(r["sojourn_mean_ns"].mean() / 1000)
        widths.append(half_width(r["sojourn_mean_ns"]) / 1000)
        if load == 0.8 and scale.is_full:
            checks += [
                rejects("mean waiting time, load 0.8", r["waiting_mean_ns"], waiting * 1.03),
                rejects(
                    "mean waiting time as M/D/1",
                    r["waiting_mean_ns"],
                    waiting_mg1(load, MEAN_NS, MEAN_NS**2),
                ),
            ]
    grid = np.linspace(0.05, 0.92, 60)
    theory = [MEAN_NS / (1 - x) / 1000 for x in grid]
    lines = (Series("theory", True, grid.tolist(), theory), Series("simulated", False, LOADS, means, widths))
    plots = [Plot("Mean sojourn time", "load", "mean sojourn time (us)", lines)]
    found, figure = distribution(scale)
    return Outcome([*checks, *found], [*plots, figure])


def distribution(scale: Scale, load: float = 0.8) -> tuple[list, Plot]:
    """The whole distribution of the sojourn time at one load."""
    workload = customers(demand(), rate_per_s=load * RATE)
    simulation = horizon(scale.length(CUSTOMERS), load * RATE)
    mean = MEAN_NS / (1 - load)
    edges = edges_near([share * mean for share in (0.05, 0.25, 0.5, 1, 2, 3, 4.6)])
    found = histograms(cores(1), workload, STAY, simulation, scale, seed_of(f"{NAME} tail"))
    # a sojourn of whole ns is at least `edge` when the real one is at least half a ns below: nothing here
    theory = [math.exp(-edge / mean) for edge in edges]
    checks, lines = tail_checks(f"sojourn, load {load}", found, edges, theory, scale, narrow=0.2)
    return checks, Plot("Sojourn time, distribution", "time (us)", "P(sojourn >= time)", lines, is_log_y=True)
