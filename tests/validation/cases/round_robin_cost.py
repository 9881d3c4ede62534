"""M/M/1 under round robin when putting another process on the core costs something."""

from dataclasses import replace
from functools import cache

import numpy as np

from tests.analytic.queues import MEAN_NS, demand
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.queue_switches import queue_checks, switching
from tests.validation.judge import half_width, order, rejects
from tests.validation.registry import case, seed_of
from tests.validation.theory.queue_switch_cost import SwitchCost, round_robin_with_cost

NAME = "M/M/1 round robin with a cost of switching"
# The relaxation time is about that of M/M/1 at the utilisation that switching makes of the load, at most 0.76
# here: 1 / (1 - sqrt(0.76))^2 = 61 demands with their costs. The warm-up, a tenth of the customers, is 10 000
# mean demands and more, a quarter of it at the quick scale.
CUSTOMERS = 50_000
SETTINGS = (
    (500, 0.6, (2000, 5000, 10_000, 40_000)),
    (2000, 0.4, (4000, 10_000, 40_000)),
)  # cost, load, quanta


@cache
def open_theory(load: float, quantum: float, cost: float) -> SwitchCost:
    """M/M/1, in mean demands, sojourn in ns."""
    found = round_robin_with_cost(load, quantum, cost)
    return replace(found, sojourn=found.sojourn * MEAN_NS)


@case(NAME, "queues", "derived here from sim/DESIGN.md §4; embedded chain as in Coffman and Denning 1973, §4")
def round_robin(scale: Scale) -> Outcome:
    """One core, exponential demands; another process than the last one costs d (`cost.dispatch_cycles`).

    A slice is charged unless its process was the last one to run, and only one that is preempted while
    nobody else is there goes on so; a new customer is another process even where it gets the slot of one
    that has left. Number present and charge at the dispatches are a Markov chain, solved numerically:
    known are the mean sojourn, the utilisation, and the slices and switches of a customer. With
    exponential demands no order of service gains anything, so the mean sojourn falls as the quantum grows:
    the best one is infinite.
    """
    checks: list[Check] = []
    lines = []
    for cost_ns, load, quanta in SETTINGS:
        d = cost_ns / MEAN_NS
        sojourns: list[np.ndarray] = []
        for quantum in quanta:
            seed = seed_of(f"{NAME} {cost_ns} {load} {quantum}")
            r = switching(demand(), load, quantum, cost_ns, scale.length(CUSTOMERS), scale, seed)
            theory = open_theory(load, quantum / MEAN_NS, d)
            at = f"load {load}, quantum {quantum / 1000:g} us, cost {cost_ns / 1000:g} us"
            checks += queue_checks(r, theory, scale, at)
            if scale.is_full and sojourns:
                what = f"mean sojourn at the next shorter quantum above that, {at}"
                checks.append(order(what, sojourns[-1], r["sojourn_mean_ns"]))
            if scale.is_full and quantum == 10_000:
                checks += refused(r, load, quantum, at)
            sojourns.append(r["sojourn_mean_ns"])
        grid = np.geomspace(quanta[0] / MEAN_NS, 4, 40 if scale.is_full else 10)
        theory_line = [open_theory(load, q, d).sojourn / 1000 for q in grid]
        name = f"load {load}, cost {cost_ns / 1000:g} us"
        x = [quantum / 1000 for quantum in quanta]
        lines.append(Series(f"theory, {name}", True, (grid * MEAN_NS / 1000).tolist(), theory_line))
        means, widths = [y.mean() / 1000 for y in sojourns], [half_width(y) / 1000 for y in sojourns]
        lines.append(Series(f"simulated, {name}", False, x, means, widths))
    plot = Plot("Mean sojourn", "quantum (us)", "mean sojourn (us)", lines, is_log_x=True, is_log_y=True)
    return Outcome(checks, [plot])


def refused(r: dict[str, np.ndarray], load: float, quantum: int, at: str) -> list[Check]:
    """Wrong theories: switching is free; every slice is charged, even of one alone; only the first is."""
    slices = 1 / (1 - np.exp(-quantum / MEAN_NS))  # of a customer, whatever is charged
    return [
        rejects(f"mean sojourn, {at}, as if free", r["sojourn_mean_ns"], MEAN_NS / (1 - load)),
        rejects(f"switches, {at}, as if once a slice", r["charges"], slices, unit=""),
        rejects(f"switches, {at}, as if once a customer", r["charges"], 1.0, unit=""),
    ]
