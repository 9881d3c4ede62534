"""Power of d choices on many cores: the fixed point, and the way to it."""

from functools import partial

from tests.validation.case import Check, Outcome, Plot, Scale
from tests.validation.cases.equal_cores import placed
from tests.validation.cases.equal_cores_growth import Growth, by_inverse
from tests.validation.registry import case
from tests.validation.theory.mean_field_choices import length, power_of_choices

NAME = "Power of d choices, many cores"
TERM_NAME = "Power of d choices, the 1/N term"
SOURCE = "Vvedenskaya, Dobrushin and Karpelevich 1996; Mitzenmacher 2001; Gast and Van Houdt 2017"
QUANTITY = "mean processes a core"
METRIC = "queue_core_mean"
CUSTOMERS = 50_000


def growth(case_name: str, load: float, choices: int) -> Growth:
    """The rule at a load, with random numbers of a case's own."""
    model = partial(power_of_choices, choices=choices)
    return Growth(f"load {load}, d = {choices}", load, model, placed("best_of", choices), case_name)


@case(NAME, "placement", SOURCE)
def many_cores(scale: Scale) -> Outcome:
    """32 to 256 cores, each arrival joins the least loaded of d cores drawn with replacement.

    With infinitely many cores the share with at least i processes is load^((d^i - 1) / (d - 1)). With N
    the mean is greater by V/N and less than 1/N^2; V comes from a Lyapunov equation, and what is compared is
    the limit with this term. The limit alone must be refused where N is small.
    """
    sizes = {(0.9, 2): [32, 64, 128, 256]} if scale.is_full else {(0.8, 2): [32, 128], (0.8, 3): [64]}
    if scale.is_full:
        sizes |= {(load, d): [32, 128] for load, d in ((0.7, 2), (0.95, 2), (0.7, 3), (0.9, 3))}
    checks: list[Check] = []
    plots = []
    for (load, choices), every in sizes.items():
        rule = growth(NAME, load, choices)
        found = []
        for num_cores in every:
            values, _ = rule.values(length, METRIC, num_cores, scale.length(CUSTOMERS), scale)
            found.append(values)
            checks.append(rule.check(QUANTITY, length, values, num_cores, scale))
            if scale.is_full and num_cores <= 64:
                checks.append(rule.limit_refused(QUANTITY, length, values, num_cores))
        lines = by_inverse(rule, length, every, found)
        plots.append(Plot(f"{rule.setting}: approach to the limit", "1 / cores", QUANTITY, lines))
    return Outcome(checks, plots)


@case(TERM_NAME, "placement", SOURCE)
def inverse_term(scale: Scale) -> Outcome:
    """The factor V of 1/N in the mean number of processes a core, from 16 and 32 cores.

    4N (mean of 2N cores - limit) - N (mean of N cores - limit) is V with an error of order 1/N^2. The quick
    replicates are too short for V, so there the means alone are compared.
    """
    num_cores = 16
    settings = [(0.7, 2), (0.8, 2), (0.9, 2), (0.8, 3)] if scale.is_full else [(0.7, 2)]
    checks: list[Check] = []
    lines = []
    for load, choices in settings:
        rule = growth(TERM_NAME, load, choices)
        few, many = (
            rule.values(length, METRIC, n, scale.length(2.4 * CUSTOMERS), scale)[0]
            for n in (num_cores, 2 * num_cores)
        )
        if scale.is_full:
            checks.append(rule.coefficient_check(QUANTITY, length, few, many, num_cores, scale))
        else:
            sizes = ((num_cores, few), (2 * num_cores, many))
            checks += [rule.check(QUANTITY, length, values, n, scale) for n, values in sizes]
        lines += by_inverse(rule, length, [num_cores, 2 * num_cores], [few, many])
    return Outcome(checks, [Plot("The 1/N term", "1 / cores", QUANTITY, lines)])
