"""Random placement: every core is a queue of its own, and knows nothing of the others."""

import math

import numpy as np

from tests.analytic.queues import erlang_c
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.equal_cores import DEMAND_NS, Farm, central_relaxation, placed
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, tail_checks

NAME = "Random placement"
LOADS = (0.3, 0.6, 0.9)
SIZES = (2, 8)
CUSTOMERS = 60_000
POLICY = placed("random")


@case(NAME, "placement", "Kleinrock 1975, Queueing Systems 1, §3.2, §4.1 (a Poisson stream split at random)")
def random_placement(scale: Scale) -> Outcome:
    """2 and 8 cores, Poisson arrivals to a core drawn at random, exponential demands, no migration.

    The cores are independent M/M/1 queues: mean processes a core load / (1 - load), mean sojourn
    1 / (1 - load) demands, sojourn exponential. Of their independence: a core is idle while some process
    waits elsewhere for a share (1 - load) (1 - (1 - load^2)^(cores - 1)) of the time.
    """
    checks: list[Check] = []
    loads = LOADS if scale.is_full else LOADS[:2]
    lines = [theory_line()]
    for num_cores in SIZES:
        means, widths = [], []
        for load in loads:
            # the relaxation time is that of one M/M/1
            farm = Farm(num_cores, load, scale.length(CUSTOMERS), central_relaxation(1, load))
            r = farm.run(POLICY, scale, seed_of(f"{NAME} {num_cores} {load}"))
            at = f"{num_cores} cores, load {load}"
            slope = 1 / (1 - load) ** 2
            sojourn = farm.at_load(r, r["sojourn_mean_ns"], slope * DEMAND_NS)
            length = farm.at_load(r, r["queue_core_mean"], slope)
            wasted = (1 - load) * (1 - (1 - load**2) ** (num_cores - 1))
            checks += [
                interval(f"mean sojourn time, {at}", sojourn, DEMAND_NS / (1 - load), scale),
                interval(f"mean processes a core, {at}", length, load / (1 - load), scale, unit=""),
                interval(f"idle beside waiting work, {at}", r["wasted_core_share"], wasted, scale, unit=""),
                interval(f"utilisation, {at}", r["utilisation"], load, scale, unit="", narrow=0.02),
            ]
            means.append(sojourn.mean() / DEMAND_NS)
            widths.append(half_width(sojourn) / DEMAND_NS)
            if scale.is_full and load == 0.6:
                central = (1 + erlang_c(num_cores, num_cores * load) / (num_cores * (1 - load))) * DEMAND_NS
                checks += [
                    rejects(f"mean sojourn time as a central queue, {at}", sojourn, central),
                    rejects(f"mean sojourn time 4 % too long, {at}", sojourn, 1.04 * DEMAND_NS / (1 - load)),
                ]
        lines.append(Series(f"simulated, {num_cores} cores", False, loads, means, widths))
    found, figure = distribution(scale)
    plot = Plot("Mean sojourn time", "load", "mean sojourn time (demands)", lines)
    return Outcome([*checks, *found], [plot, figure])


def theory_line() -> Series:
    """Mean sojourn by load."""
    grid = np.linspace(0.2, 0.92, 60)
    return Series("theory", True, grid.tolist(), (1 / (1 - grid)).tolist())


def distribution(scale: Scale, num_cores: int = 4, load: float = 0.7) -> tuple[list[Check], Plot]:
    """The whole distribution of the sojourn time."""
    farm = Farm(num_cores, load, scale.length(3 * CUSTOMERS), central_relaxation(1, load))
    mean = DEMAND_NS / (1 - load)
    edges = edges_near([share * mean for share in (0.05, 0.25, 0.5, 1, 2, 3, 4.6)])
    found = farm.histograms(POLICY, scale, seed_of(f"{NAME} tail"), "sojourn")
    theory = [math.exp(-edge / mean) for edge in edges]
    named = f"sojourn, {num_cores} cores, load {load}"
    checks, lines = tail_checks(named, found, edges, theory, scale, narrow=0.2)
    return checks, Plot("Sojourn time, distribution", "time (us)", "P(sojourn >= time)", lines, is_log_y=True)
