"""M/D/1, first come first served."""

from fractions import Fraction

import numpy as np

from tests.analytic.queues import MEAN_NS, demand
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.queue_waits import mean_checks, means, waits
from tests.validation.judge import exact, half_width, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, tail, tail_checks
from tests.validation.theory.queue_demands import Atoms
from tests.validation.theory.queue_md1 import waiting_mean, waiting_tail, waiting_tail_erlang
from tests.validation.theory.queue_mmc import waiting_tail as waiting_tail_mm1

NAME = "M/D/1"
LOADS = (0.2, 0.5, 0.7, 0.9)
DEMANDS = (0.25, 0.75, 1.0, 1.5, 2.0, 4.0)
# In heavy traffic the relaxation time of M/G/1 is 2 rho E S^2 / (E S)^2 / (1 - rho)^2 mean demands (reflected
# Brownian motion): 180 at load 0.9. The warm-up is 20 000 demands, a quarter of it at the quick scale.
CUSTOMERS = 180_000
DRAW, LAW = demand("deterministic"), Atoms((MEAN_NS,))


@case(NAME, "queues", "Erlang 1909; Crommelin 1932; Franx 2001 (waiting distribution)")
def md1(scale: Scale) -> Outcome:
    """One core, Poisson arrivals, the same demand for all, no quantum.

    The mean waiting time is half that of M/M/1. The whole distribution of waiting is known: Erlang's sum,
    here in the form through the embedded queue length, whose terms are all positive; it has an atom of
    1 - rho at 0, a jump of its density at one demand and a kink at two.
    """
    checks: list[Check] = []
    averages, widths = [], []
    for load in LOADS:
        r = means(DRAW, LAW, load, CUSTOMERS, scale, seed_of(f"{NAME} {load}"))
        checks += mean_checks(r, LAW, load, scale, f"load {load}")
        averages.append(r["waiting_mean_ns"].mean() / 1000)
        widths.append(half_width(r["waiting_mean_ns"]) / 1000)
        if scale.is_full and load == 0.7:
            theory = waiting_mean(load) * MEAN_NS
            for wrong in (theory * 0.97, theory * 1.03, 2 * theory):
                checks.append(rejects(f"mean waiting time, load {load}", r["waiting_mean_ns"], wrong))
    grid = np.linspace(0.05, 0.92, 60)
    theory_line = [waiting_mean(load) * MEAN_NS / 1000 for load in grid]
    lines = (
        Series("theory", True, grid.tolist(), theory_line),
        Series("simulated", False, LOADS, averages, widths),
    )
    plots = [Plot("Mean waiting time", "load", "waiting (us)", lines)]
    for load in (0.5, 0.8):
        found, figure = distribution(scale, load)
        checks += found
        plots.append(figure)
    return Outcome([*checks, *two_ways()], plots)


def distribution(scale: Scale, load: float) -> tuple[list[Check], Plot]:
    """The whole distribution of waiting."""
    found = waits(DRAW, LAW, load, CUSTOMERS, scale, seed_of(f"{NAME} tail {load}"))
    edges = [1, *edges_near([share * MEAN_NS for share in DEMANDS])]
    # a wait of whole ns is at least `edge` when the real one is at least about half a ns less
    theory = [waiting_tail(load, (edge - 0.5) / MEAN_NS) for edge in edges]
    checks, lines = tail_checks(f"waiting, load {load}", found, edges, theory, scale, narrow=0.2)
    if scale.is_full:
        at = len(DEMANDS) // 2
        shares = np.array([tail(each, edges[at : at + 1])[0] for each in found])
        wrong = waiting_tail_mm1(1, load, edges[at] / MEAN_NS)
        checks.append(rejects(f"P(waiting >= time), load {load}, as M/M/1", shares, wrong, unit=""))
    title = f"Waiting time, distribution, load {load}"
    return checks, Plot(title, "time (us)", "P(waiting >= time)", lines, is_log_y=True)


def two_ways() -> list[Check]:
    """The theory itself: Erlang's alternating sum in rational numbers gives the same to 12 decimals."""
    return [
        exact(
            f"P(waiting > {float(time):g} demands), load {float(load):g}, to 12 decimals: Erlang's sum",
            round(waiting_tail(float(load), float(time)), 12),
            round(waiting_tail_erlang(load, time), 12),
        )
        for load in (Fraction(1, 2), Fraction(9, 10))
        for time in (Fraction(1, 3), Fraction(5, 2), Fraction(12))
    ]
