"""Steal on idle with a threshold on many cores: the fixed point, and the way to it."""

from functools import partial

import numpy as np

from tests.validation.case import Check, Outcome, Plot, Scale
from tests.validation.cases.core_lengths import length_checks
from tests.validation.cases.equal_cores import DEMAND_NS, on_idle
from tests.validation.cases.equal_cores_growth import Growth, by_inverse
from tests.validation.judge import rejects
from tests.validation.registry import case
from tests.validation.theory.mean_field_stealing import length, steal_on_idle, steal_rate

NAME = "Steal on idle, many cores"
TERM_NAME = "Steal on idle, the 1/N term and the lengths of queues"
SOURCE = "Mitzenmacher 1998, Analyses of load stealing models; Gast and Van Houdt 2017"
QUANTITY = "mean processes a core"
STEALS = "steals a core and a demand"
METRIC = "queue_core_mean"
CUSTOMERS = 40_000


def growth(load: float, threshold: int) -> Growth:
    """The rule at a load."""
    model = partial(steal_on_idle, threshold=threshold)
    return Growth(f"load {load}, threshold {threshold}", load, model, on_idle(threshold))


def steals(r: dict[str, np.ndarray], num_cores: int) -> np.ndarray:
    """Migrations a core and a mean demand, by replicate."""
    return r["migration_rate_per_s"] * DEMAND_NS / 1e9 / num_cores


@case(NAME, "stealing", SOURCE)
def many_cores(scale: Scale) -> Outcome:
    """32 to 256 cores, random placement; a core that empties draws one core, and steals if it holds enough.

    With infinitely many cores the queue lengths are geometric above the threshold, with the ratio load /
    (1 + load - share of cores with at least 2). What is compared is this limit with its 1/N term, from a
    Lyapunov equation: mean processes a core, and the rate of steals.
    """
    sizes = {(0.9, 2): [32, 64, 128]} if scale.is_full else {(0.7, 2): [32, 64]}
    if scale.is_full:
        sizes |= {(0.8, 2): [64], (0.7, 3): [32, 128], (0.8, 4): [64], (0.95, 2): [32]}
    checks: list[Check] = []
    plots = []
    for (load, threshold), every in sizes.items():
        rule = growth(load, threshold)
        found = []
        stolen = partial(steal_rate, threshold=threshold)
        for num_cores in every:
            values, r = rule.values(length, METRIC, num_cores, scale.length(CUSTOMERS), scale)
            found.append(values)
            rate = rule.without_chance(r, steals(r, num_cores), stolen, num_cores)
            checks += [
                rule.check(QUANTITY, length, values, num_cores, scale),
                rule.check(STEALS, stolen, rate, num_cores, scale),
            ]
            if scale.is_full and num_cores <= 64 and threshold == 2:
                checks.append(rule.limit_refused(STEALS, stolen, rate, num_cores))
            if scale.is_full and num_cores == 64 and load == 0.9:
                other = growth(load, threshold + 1).expected(length, num_cores)
                named = f"{QUANTITY} with a threshold one greater, {num_cores} cores, {rule.setting}"
                checks.append(rejects(named, values, other, unit=""))
        lines = by_inverse(rule, length, every, found)
        plots.append(Plot(f"{rule.setting}: approach to the limit", "1 / cores", QUANTITY, lines))
    return Outcome(checks, plots)


@case(TERM_NAME, "stealing", SOURCE)
def inverse_term(scale: Scale) -> Outcome:
    """The factor V of 1/N in the rate of steals, and the distribution of queue length.

    From 8 and 16 cores: 4N (rate with 2N cores - limit) - N (rate with N cores - limit) is V with an error of
    order 1/N^2; the quick replicates are too short for it. On 64 cores: the shares of cores with at least i
    processes, from the event log.
    """
    num_cores = 8
    checks: list[Check] = []
    lines = []
    threshold = 2
    # the lower the load, the smaller the term, and the more customers it takes to see it
    for load, length_factor in [(0.7, 3.5), (0.8, 2.0), (0.9, 1.2)] if scale.is_full else [(0.7, 1.0)]:
        rule = growth(load, threshold)
        stolen = partial(steal_rate, threshold=threshold)
        sizes = [num_cores, 2 * num_cores]
        pair = []
        for size in sizes:
            _, r = rule.values(length, METRIC, size, scale.length(length_factor * CUSTOMERS), scale)
            pair.append(rule.without_chance(r, steals(r, size), stolen, size))
        if scale.is_full:
            checks.append(rule.coefficient_check(STEALS, stolen, pair[0], pair[1], num_cores, scale))
        lines += by_inverse(rule, stolen, sizes, pair)
    plots = [Plot("The 1/N term", "1 / cores", STEALS, lines)]
    for load, threshold in [(0.9, 2), (0.8, 3)] if scale.is_full else [(0.7, 2)]:
        rule = growth(load, threshold)
        found, figure = length_checks(rule, 64, range(2, 8), scale.length(CUSTOMERS), scale)
        checks += found
        plots.append(figure)
    return Outcome(checks, plots)
