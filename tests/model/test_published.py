"""Published results as the experiments conf/experiment/published_*.yaml have them: rankings and numbers.

Small sizes, through the same configuration; tests/validation has them at full size, with intervals, and
sim/PUBLISHED.md says what was claimed, by whom, and what was not reproduced.
"""

import itertools
from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np
import pytest

from tests.validation.cases.published_experiments import Point, one, points

REPLICATES = 6


@cache
def run(experiment: str, *words: str, replicates: int = REPLICATES) -> tuple[Point, ...]:
    """The points of an experiment, each run a few times."""
    return tuple(points(f"published_{experiment}", *words, replicates=replicates, seed=1))


def mean(found: tuple[Point, ...], metric: str, **settings: Any) -> float:
    """Mean of a metric over the replicates of the first point with these settings."""
    return float(one(found, **settings)[metric].mean())


def is_above(greater: np.ndarray, less: np.ndarray) -> bool:
    """Greater with the same random numbers, in every replicate."""
    return bool((np.asarray(greater) > np.asarray(less)).all())


# --- the power of two choices ----------------------------------------------------------------------

SHORT = ("simulation.horizon_ns=9_000_000", "simulation.warmup_ns=2_000_000")


def choices(load: float) -> list[Mapping[str, np.ndarray]]:
    """The points with 1, 2 and 3 choices at a load."""
    found = run("power_of_two", *SHORT, replicates=4)
    single = next(p for p in found if p.is_baseline and p.chosen["load"] == load)
    return [single, one(found, load=load, choices=2), one(found, load=load, choices=3)]


@pytest.mark.parametrize(("load", "times"), [(0.5, 3), (0.7, 4), (0.9, 6)])
def test_the_second_choice_gains_several_times_what_the_third_does(load: float, times: int) -> None:
    first, second, third = (point["sojourn_mean_ns"] for point in choices(load))
    assert is_above(first - second, times * (second - third))
    assert is_above(second, third)


def test_two_choices_take_what_the_mean_field_says() -> None:
    # sum of load^(2^i - 2) = 1.2657 and 1.6145 of a mean demand of 10 us; 64 cores add 0.7 and 1.2 % (1/N)
    for load, theory in ((0.5, 1.2748), (0.7, 1.6334)):
        assert choices(load)[1]["sojourn_mean_ns"].mean() / 10_000 == pytest.approx(theory, rel=0.03)


def test_two_choices_cut_the_tail() -> None:
    one_choice, two_choices, _ = (point["sojourn_p999_ns"].mean() for point in choices(0.9))
    assert one_choice > 3 * two_choices


# --- push against pull -----------------------------------------------------------------------------


def push_and_pull() -> tuple[Point, ...]:
    """The experiment, somewhat shorter."""
    return run(
        "push_pull", "simulation.horizon_ns=22_000_000", "simulation.warmup_ns=4_000_000", replicates=4
    )


def times_of(load: float) -> tuple[np.ndarray, np.ndarray]:
    """Mean times of push and pull at a load of the cores that are on."""
    found = push_and_pull()
    push = one(found, load=load / 4, spawn="probe")
    pull = one(found, load=load / 4, spawn="parent", policy="published_free")
    return push["sojourn_mean_ns"], pull["sojourn_mean_ns"]


@pytest.mark.parametrize(("load", "push_is_better"), [(0.55, True), (0.6, True), (0.7, False), (0.75, False)])
def test_push_is_better_below_a_load_of_about_0_63_and_pull_above(load: float, push_is_better: bool) -> None:
    push, pull = times_of(load)
    assert (push.mean() < pull.mean()) == push_is_better
    if load in (0.55, 0.75):
        assert is_above(*((pull, push) if push_is_better else (push, pull)))


def test_both_are_better_than_staying() -> None:
    found = push_and_pull()
    stay = one(found, load=0.1875, policy="none")["sojourn_mean_ns"]
    for values in times_of(0.75):
        assert is_above(stay, values)


def test_pull_probes_as_often_as_push() -> None:
    # push: a request in four that comes to a core with work, R = load^2 / 4 a core and mean demand
    found = push_and_pull()
    for load in (0.55, 0.65, 0.75):
        point = one(found, load=load / 4, spawn="parent", policy="published_free")
        draws = point["failed_steal_count"] + point["migrations_steal"]
        assert draws.mean() / 4 / (64 * 1800) == pytest.approx(load**2 / 4, rel=0.03)


# --- steal half against steal one ------------------------------------------------------------------


def test_half_spreads_a_bag_of_tasks_in_a_fraction_of_the_time() -> None:
    found = run("steal_half", replicates=2)
    for poll in (10_000, 20_000, 100_000):
        by_one, half = (
            mean(found, "sojourn_p999_ns", amount=amount, victim="random", poll_ns=poll)
            for amount in ("one", "half")
        )
        assert by_one > 8 * half
        assert half > 640_000


def test_half_gains_nothing_where_no_question_fails_and_taking_is_free() -> None:
    found = run("steal_half", replicates=2)
    by_one, half = (one(found, amount=amount, victim="longest") for amount in ("one", "half"))
    for metric in ("sojourn_mean_ns", "sojourn_p999_ns"):
        assert (by_one[metric] == half[metric]).all()
    assert (by_one["migrations_steal"] == 4032).all()  # each task but those of the first core, once
    assert (half["migrations_steal"] > 2 * by_one["migrations_steal"]).all()


def test_steal_one_cannot_empty_a_hot_spot_and_steal_half_can() -> None:
    found = run("hot_spot", "simulation.horizon_ns=22_000_000", replicates=4)
    for load in (0.04, 0.25, 0.5):
        rates = [
            mean(found, "departure_rate_per_s", amount=amount, load=load) * 1e-5 for amount in ("one", "half")
        ]
        assert rates[0] == pytest.approx(2 - 1 / 64, rel=0.05)
        assert rates[1] == pytest.approx(64 * load, rel=0.05)


# --- microsecond tasks -----------------------------------------------------------------------------


@pytest.mark.parametrize("load", [0.1, 0.3, 0.5, 0.7, 0.8, 0.9])
def test_stealing_is_better_than_two_choices_at_each_load(load: float) -> None:
    found = run("microseconds", "simulation.horizon_ns=2_000_000", replicates=4)
    steal = one(found, load=load, victim="random", policy="published_free")
    paid = one(found, load=load, spawn="best_of", dispatch_cycles=250)
    free = one(found, load=load, spawn="best_of", dispatch_cycles=0)
    assert is_above(paid["sojourn_mean_ns"], steal["sojourn_mean_ns"])
    assert paid["sojourn_p99_ns"].mean() > steal["sojourn_p99_ns"].mean()
    if load >= 0.3:
        assert is_above(free["sojourn_mean_ns"], steal["sojourn_mean_ns"])


def test_at_low_load_stealing_looks_into_ninety_queues_for_each_task() -> None:
    found = run("microseconds", "simulation.horizon_ns=2_000_000", replicates=4)
    looks = {}
    for load in (0.1, 0.5, 0.9):
        point = one(found, load=load, victim="random", policy="published_free")
        looks[load] = float((point["failed_steal_count"] / point["completed_count"]).mean())
    assert looks[0.1] == pytest.approx(90, rel=0.05)
    assert looks[0.1] > 8 * looks[0.5] > 8 * 8 * looks[0.9]


# --- lifetimes -------------------------------------------------------------------------------------


def slowdowns() -> dict[str, dict[int, np.ndarray]]:
    """Mean slowdowns by rule and cost of a move in ns."""
    found = run("lifetimes", "simulation.horizon_ns=600_000_000", "simulation.warmup_ns=100_000_000")
    rules = {
        "age": {"rule": "remaining_life"},
        "any": {"rule": "always", "wake": "last", "policy": "published_free"},
        "new": {"wake": "least_loaded"},
        "none": {"policy": "none"},
    }
    return {
        name: {
            cost: one(found, context_switch_cycles=cost, **settings)["slowdown_mean"]
            for cost in (0, 100_000, 400_000, 1_600_000)
            if name != "new" or cost < 1_600_000
        }
        for name, settings in rules.items()
    }


def test_old_processes_are_those_to_move_when_a_move_costs_a_lifetime() -> None:
    found = slowdowns()
    assert is_above(found["new"][400_000], found["age"][400_000])
    assert found["none"][400_000].mean() > found["age"][400_000].mean()
    assert is_above(found["any"][1_600_000], found["age"][1_600_000])


def test_placement_of_new_processes_is_better_when_it_is_free() -> None:
    found = slowdowns()
    assert is_above(found["age"][0], found["new"][0])


def test_migration_by_age_gains_less_the_more_it_costs() -> None:
    by_cost = list(slowdowns()["age"].values())
    for less, greater in itertools.pairwise(by_cost):
        assert is_above(greater, less)


# --- node averages ---------------------------------------------------------------------------------


def test_the_average_of_a_node_hides_its_idle_cores() -> None:
    found = run("node_averages", "simulation.horizon_ns=500_000_000", "simulation.warmup_ns=100_000_000")
    hidden = one(found, scope="node_average", victim="off")
    assert hidden["wasted_core_share"] == pytest.approx(np.full(REPLICATES, 2 / 16), abs=0.002)
    for remedy in (one(found, scope="machine"), one(found, victim="nearest")):
        assert remedy["wasted_core_share"].max() < 0.01
        assert remedy["departure_rate_per_s"].mean() > 1.2 * hidden["departure_rate_per_s"].mean()
