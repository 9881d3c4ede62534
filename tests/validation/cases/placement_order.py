"""The order of the rules of placement."""

import itertools

from tests.analytic.queues import SHARE
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.equal_cores import DEMAND_NS, Farm, central_relaxation, placed
from tests.validation.judge import half_width, order
from tests.validation.registry import case, seed_of

NAME = "Order of the rules of placement"
NUM_CORES = 4
CUSTOMERS = 20_000
RULES = {
    "random": placed("random"),
    "round robin": placed("round_robin"),
    "best of 2": placed("best_of", 2),
    "shortest queue": placed("least_loaded"),
    "central queue": SHARE,
}


@case(
    NAME, "placement", "Winston 1977; Ephremides, Varaiya and Walrand 1980; Azar, Broder, Karlin, Upfal 1999"
)
def rules(scale: Scale) -> Outcome:
    """4 cores under five rules, with the same arrivals and demands (common random numbers).

    Mean sojourn falls from random placement to round robin, the best of 2 draws, the shortest queue and one
    central queue (free stealing), at every load: paired differences by replicate, beyond chance.
    """
    loads = (0.5, 0.7, 0.8, 0.9) if scale.is_full else (0.7, 0.8)
    checks: list[Check] = []
    means: dict[str, list[float]] = {name: [] for name in RULES}
    widths: dict[str, list[float]] = {name: [] for name in RULES}
    for load in loads:
        farm = Farm(NUM_CORES, load, scale.length(CUSTOMERS), central_relaxation(1, load))
        seed = seed_of(f"{NAME} {load}")
        sojourns = {name: farm.run(policy, scale, seed)["sojourn_mean_ns"] for name, policy in RULES.items()}
        for slower, faster in itertools.pairwise(RULES):
            quantity = f"mean sojourn, {slower} less {faster}, load {load}"
            checks.append(order(quantity, sojourns[slower], sojourns[faster]))
        for name, values in sojourns.items():
            means[name].append(values.mean() / DEMAND_NS)
            widths[name].append(half_width(values) / DEMAND_NS)
    lines = [Series(name, False, loads, means[name], widths[name]) for name in RULES]
    return Outcome(checks, [Plot("Rules of placement", "load", "mean sojourn time (demands)", lines)])
