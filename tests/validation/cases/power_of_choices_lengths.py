"""Power of two choices on many cores: the distributions of queue length and of sojourn."""

from functools import partial

import numpy as np

from tests.validation.case import Check, Outcome, Plot, Scale
from tests.validation.cases.core_lengths import length_checks
from tests.validation.cases.equal_cores import DEMAND_NS
from tests.validation.cases.power_of_choices_many import SOURCE, growth
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, tail_checks
from tests.validation.theory.finite_chain import erlang_tail

NAME = "Power of two choices, whole distributions"
NUM_CORES = 64
CHOICES = 2
COUNTS = (2, 3, 4, 5)


def longer_than(x: np.ndarray, time: float) -> np.ndarray:
    """P(sojourn >= time), in demands: an arrival joins a core with m with probability x[m-1]^d - x[m]^d."""
    powers = np.concatenate([[1.0], x**CHOICES, [0.0]])
    return erlang_tail(powers[:-1] - powers[1:], np.array([time]))[0]


@case(NAME, "placement", SOURCE)
def distributions(scale: Scale) -> Outcome:
    """64 cores, each arrival joins the less loaded of two cores drawn with replacement.

    The share of cores with at least i processes, integrated from the event log, and P(sojourn >= t), a
    mixture of Erlang laws over what an arrival meets; both as the limit with its 1/N term. Where the share
    is small the unknown terms in 1/N^2 are not, so there it is shown and not judged.
    """
    loads = (0.7, 0.9) if scale.is_full else (0.7,)
    checks: list[Check] = []
    plots = []
    for load in loads:
        found, figure = length_checks(
            growth(NAME, load, CHOICES), NUM_CORES, COUNTS, scale.length(30_000), scale
        )
        more, other = sojourns(load, scale)
        checks += [*found, *more]
        plots += [figure, other]
    return Outcome(checks, plots)


def sojourns(load: float, scale: Scale) -> tuple[list[Check], Plot]:
    """The sojourn's tail."""
    rule = growth(NAME, load, CHOICES)
    farm = rule.farm(NUM_CORES, scale.length(60_000))
    edges = edges_near([share * DEMAND_NS for share in (0.1, 0.5, 1, 2, 4, 7)])
    values = [partial(longer_than, time=edge / DEMAND_NS) for edge in edges]
    theory = [rule.expected(value, NUM_CORES) for value in values]
    slack = max(rule.slack(value, NUM_CORES) for value in values)
    found = farm.histograms(rule.policy, scale, seed_of(f"{NAME} sojourn {load}"), "sojourn")
    named = f"sojourn, {NUM_CORES} cores, load {load}"
    checks, lines = tail_checks(named, found, edges, theory, scale, narrow=0.1, slack=slack)
    title = f"Sojourn time, {NUM_CORES} cores, load {load}"
    return checks, Plot(title, "time (us)", "P(sojourn >= time)", lines, is_log_y=True)
