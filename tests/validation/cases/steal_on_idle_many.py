"""Steal on idle with a threshold on many cores: the fixed point, and the way to it."""

from functools import partial

from tests.validation.case import Check, Outcome, Plot, Scale
from tests.validation.cases.core_lengths import length_checks
from tests.validation.cases.equal_cores import DEMAND_NS, derivative, on_idle
from tests.validation.cases.equal_cores_growth import Growth, by_inverse
from tests.validation.judge import rejects
from tests.validation.registry import case
from tests.validation.theory.mean_field_stealing import length, steal_on_idle, steal_rate

NAME = "Steal on idle, many cores"
TERM_NAME = "Steal on idle, the 1/N term and the lengths of queues"
SOURCE = "Mitzenmacher 1998, Analyses of load stealing models based on differential equations; Gast and Van Houdt 2017"
QUANTITY = "mean processes a core"
STEALS = "steals a core and a demand"
METRIC = "queue_core_mean"
CUSTOMERS = 50_000


def growth(load: float, threshold: int) -> Growth:
    """The rule at a load."""
    model = partial(steal_on_idle, threshold=threshold)
    return Growth(f"load {load}, threshold {threshold}", load, model, on_idle(threshold))


@case(NAME, "stealing", SOURCE)
def many_cores(scale: Scale) -> Outcome:
    """32 to 256 cores, random placement; a core that empties draws one core and robs it if it holds enough.

    With infinitely many cores the queue lengths are geometric above the threshold, with the ratio load /
    (1 + load - share of cores with at least 2). What is compared is this limit with its 1/N term, from a
    Lyapunov equation: mean processes a core, and the rate of steals.
    """
    sizes = {(0.9, 2): [32, 64, 128, 256]} if scale.is_full else {(0.7, 2): [32, 64]}
    if scale.is_full:
        sizes |= {(0.7, 3): [32, 128], (0.8, 4): [32, 128], (0.95, 2): [64]}
    checks: list[Check] = []
    plots = []
    for (load, threshold), every in sizes.items():
        rule = growth(load, threshold)
        found = []
        stolen = partial(steal_rate, threshold=threshold)
        for num_cores in every:
            values, r = rule.values(length, METRIC, num_cores, scale.length(CUSTOMERS), scale)
            found.append(values)
            slope = derivative(partial(rule.expected, stolen, num_cores), load)
            rate = r["migration_rate_per_s"] * DEMAND_NS / 1e9 / num_cores
            rate = rate - slope * (r["utilisation"] - load)
            checks += [
                rule.check(QUANTITY, length, values, num_cores, scale),
                rule.check(STEALS, stolen, rate, num_cores, scale),
            ]
            if scale.is_full and num_cores <= 64:
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
    """The factor V of 1/N in the mean number of processes a core, and the distribution of queue length.

    From 16 and 32 cores: 4N (mean of 2N cores - limit) - N (mean of N cores - limit) is V with an error of
    order 1/N^2. On 64 cores: the shares of cores with at least i processes, from the event log.
    """
    num_cores = 16
    settings = [(0.9, 2), (0.95, 2)] if scale.is_full else [(0.7, 2)]
    checks: list[Check] = []
    lines = []
    for load, threshold in settings if scale.is_full else []:
        rule = growth(load, threshold)
        few, many = (
            rule.values(length, METRIC, n, scale.length(4 * CUSTOMERS), scale)[0]
            for n in (num_cores, 2 * num_cores)
        )
        checks.append(rule.coefficient_check(QUANTITY, length, few, many, num_cores, scale))
        lines += by_inverse(rule, length, [num_cores, 2 * num_cores], [few, many])
    plots = [Plot("The 1/N term", "1 / cores", QUANTITY, lines)] if lines else []
    for load, threshold in [(0.9, 2), (0.8, 3)] if scale.is_full else settings:
        rule = growth(load, threshold)
        found, figure = length_checks(rule, 64, range(2, 9), scale.length(0.6 * CUSTOMERS), scale)
        checks += found
        plots.append(figure)
    return Outcome(checks, plots)
