"""M/H2/1 under round robin with a cost of switching: there is a best quantum."""

from dataclasses import astuple, replace
from functools import cache

import numpy as np

from tests.analytic.queues import MEAN_NS, demand
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.queue_switches import queue_checks, switching
from tests.validation.judge import half_width, order, rejects
from tests.validation.registry import case, seed_of
from tests.validation.theory.queue_demands import hyperexponential
from tests.validation.theory.queue_round_robin import round_robin
from tests.validation.theory.queue_switch_cost import SwitchCost
from tests.validation.theory.queue_switch_cost_types import TypedRoundRobin

NAME = "M/H2/1 round robin with a cost of switching: the best quantum"
LOAD = 0.25
COST_NS = 1000
QUANTA = (3000, 6000, 12_000, 20_000, 40_000, 100_000)
BEST_NS = 12_000  # the best of them, by theory and by simulation
LAW = hyperexponential(1.0, 2.0)
# The relaxation time of the work is 2 rho E S^2 / (E S)^2 / (1 - rho)^2 = 7 mean demands at the load of
# 0.36 that switching makes at most. The warm-up is 28 000 demands, 7000 at the quick scale.
CUSTOMERS = 70_000


@cache
def chain(quantum: float, present: int) -> np.ndarray:
    """Sojourn in ns, utilisation, slices and switches, when so many customers are kept."""
    found = TypedRoundRobin(LAW, LOAD, quantum, COST_NS / MEAN_NS, present).solve()
    return np.array(astuple(replace(found, sojourn=found.sojourn * MEAN_NS)))


def theory_of(quantum: float, present: int) -> tuple[SwitchCost, SwitchCost]:
    """The measures, and the error of each: what the chain leaves out falls geometrically with `present`."""
    last, before, first = (chain(quantum, present - i) for i in range(3))
    ratio = np.abs((last - before) / (before - first))
    return SwitchCost(*last), SwitchCost(*(np.abs(last - before) * ratio / (1 - ratio)))


@case(NAME, "queues", "derived here from sim/DESIGN.md §4: a chain of the types of all customers, in order")
def best_quantum(scale: Scale) -> Outcome:
    """One core, hyper-exponential demands (cv 2), load 0.25; switching costs a tenth of the mean demand.

    The types of the customers in the order of the queue are a Markov chain at the dispatches. A short
    quantum pays for switches, a long one lets short demands wait behind long ones: between them the mean
    sojourn has a least value, here near 1.2 mean demands, and the simulator finds the same curve. At most
    eleven customers are kept in the chain; what this leaves out falls geometrically with their number, and
    its rest, estimated from nine, ten and eleven, is the slack.
    """
    checks: list[Check] = []
    quanta, present = (QUANTA, 11) if scale.is_full else ((3000, BEST_NS, 100_000), 9)
    sojourns = {}
    for quantum in quanta:
        # the same customers for every quantum: their means are compared in pairs
        r = switching(
            demand("hyperexponential", cv=2.0), LOAD, quantum, COST_NS,
            scale.length(CUSTOMERS), scale, seed_of(NAME),
        )  # fmt: skip
        theory, slack = theory_of(quantum / MEAN_NS, present)
        checks += queue_checks(r, theory, scale, f"quantum {quantum / 1000:g} us", slack)
        sojourns[quantum] = r["sojourn_mean_ns"]
        if scale.is_full and quantum == BEST_NS:
            free = round_robin(LOAD, LAW, BEST_NS / MEAN_NS).sojourn_mean_ns * MEAN_NS
            checks.append(rejects("mean sojourn, as if switching were free", sojourns[quantum], free))
    checks += [
        order(
            f"mean sojourn at quantum {quantum / 1000:g} us above that at {BEST_NS / 1000:g} us",
            sojourns[quantum],
            sojourns[BEST_NS],
        )
        for quantum in quanta
        if quantum != BEST_NS
    ]
    return Outcome(checks, [plot(sojourns, present, 12 if scale.is_full else 0)])


def plot(sojourns: dict[int, np.ndarray], present: int, count: int) -> Plot:
    """Mean sojourn against the quantum; theory at the quanta simulated and at so many others."""
    between = np.geomspace(min(sojourns), max(sojourns), count + 2)[1:-1]
    grid = np.sort(np.concatenate([list(sojourns), between]))
    theory = [chain(float(quantum) / MEAN_NS, present)[0] / 1000 for quantum in grid]
    means = [each.mean() / 1000 for each in sojourns.values()]
    widths = [half_width(each) / 1000 for each in sojourns.values()]
    lines = (
        Series("theory", True, (grid / 1000).tolist(), theory),
        Series("simulated", False, [quantum / 1000 for quantum in sojourns], means, widths),
    )
    return Plot("Mean sojourn", "quantum (us)", "mean sojourn (us)", lines, is_log_x=True)
