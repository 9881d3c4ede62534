"""Migration of old processes against placement of new ones, as experiment=published_lifetimes has them."""

import numpy as np

from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.published_experiments import Point, one, points, series
from tests.validation.judge import order
from tests.validation.registry import case, seed_of

NAME = "Published: migration of old processes"
SOURCE = "Harchol-Balter and Downey 1996, 1997 (ACM TOCS 15:3)"
LIFE_NS = 400_000
LOAD = 0.5
# The warm-up is 250 mean lifetimes: load 0.5 forgets its start in some 10, but for the few that live 100 ms.
WARMUP_NS, SPAN_NS = 100_000_000, 1_000_000_000
COSTS = {0: "free", 100_000: "cost 1/4", 400_000: "cost 1", 1_600_000: "cost 4"}


@case(NAME, "published", SOURCE)
def old_processes(scale: Scale) -> Outcome:
    """Six time-sharing hosts at load 0.5, lifetimes Pareto of index 1 from 1/8 to 372 of their mean.

    Claimed (abstract): preemptive migration reduces the mean delay by 35 to 50 % against non-preemptive, even
    when memory transfer is dear. Preemptive here: each 2.5 mean lifetimes the last process of the fullest
    host moves to the emptiest if its age exceeds cost / (processes here - processes there). Non-preemptive:
    each new process goes to the least loaded host at once, at the same cost. Delay is time beyond the
    lifetime. Without any migration the mean delay is that of M/G/1 processor sharing, load / (1 - load)
    lifetimes; a replicate is too short for the mean of such lifetimes: this is drawn, and not checked.
    """
    span = WARMUP_NS + int((SPAN_NS - WARMUP_NS) * scale.size)
    words = (f"simulation.horizon_ns={span}", f"simulation.warmup_ns={WARMUP_NS}")
    found = points(
        "published_lifetimes", *words, replicates=scale.replicates, seed=seed_of(NAME),
        is_wanted={"policy": "published_free"},
    )  # fmt: skip
    still = (*words, "baseline={policy: none}", "sweep.axes={}", "sweep.also=[]")
    alone = points(
        "published_lifetimes", *still, replicates=scale.replicates, seed=seed_of(NAME),
        is_wanted={"policy": "none"},
    )[0]  # fmt: skip
    none = delay(alone)
    age = {c: delay(one(found, rule="remaining_life", context_switch_cycles=c)) for c in COSTS}
    any_ = {c: delay(one(found, rule="always", wake="last", context_switch_cycles=c)) for c in COSTS}
    new = {c: delay(one(found, wake="least_loaded", context_switch_cycles=c)) for c in list(COSTS)[:3]}
    pairs = [
        ("65 % of the delay of placement above that of age, cost 1", 0.65 * new[400_000], age[400_000]),
        ("mean delay: any process above an old one, cost 4", any_[1_600_000], age[1_600_000]),
        ("mean delay: age above placement, free", age[0], new[0]),
        ("mean delay of age: cost 4 above cost 1", age[1_600_000], age[400_000]),
    ]
    if scale.is_full:
        pairs += [
            ("mean delay: no migration above age, cost 1/4", none, age[100_000]),
            ("mean delay: no migration above age, cost 1", none, age[400_000]),
            ("mean delay of age: cost 1 above free", age[400_000], age[0]),
        ]
    checks: list[Check] = [order(name, greater, less, unit="lifetimes") for name, greater, less in pairs]
    x = [cost / LIFE_NS for cost in COSTS]
    lines = (
        Series("M/G/1 processor sharing", True, [0.0, 4.0], [LOAD / (1 - LOAD)] * 2),
        series("old processes migrate", x, list(age.values())),
        series("any process migrates", x, list(any_.values())),
        series("new processes are placed", x[:3], list(new.values())),
        series("no migration", [0.0], [none]),
    )
    plot = Plot("Mean delay by the cost of a move", "cost (mean lifetimes)", "delay (mean lifetimes)", lines)
    gains = [1 - age[cost].mean() / new[cost].mean() for cost in new]
    kept = [1 - age[cost].mean() / none.mean() for cost in (100_000, 400_000)]
    note = (
        f"Against no migration, migration by age takes {kept[0]:.0%} of the delay away at cost 1/4 and "
        f"{kept[1]:.0%} at cost 1; against placement at the same cost {gains[2]:.0%} at cost 1, "
        f"{gains[1]:.0%} at cost 1/4, {gains[0]:.0%} if moves are free."
    )
    return Outcome(checks, [plot], [note])


def delay(point: Point) -> np.ndarray:
    """Mean time beyond the lifetime, in mean lifetimes; birth and life are two activations of a process."""
    stays = point["sojourn_mean_ns"] * point["activation_count"] / point["completed_count"]
    lived = point["utilisation"] * (1 - point["migration_overhead_share"]) / LOAD
    return np.asarray(stays / LIFE_NS - lived)
