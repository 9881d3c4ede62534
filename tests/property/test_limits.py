"""The four rate limits hold in every window; a limit that never binds changes nothing."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from tests.analytic.machines import machine
from tests.property.scenes import Scene, moves, scenes

rates = st.one_of(st.none(), st.sampled_from([0.0, 3000.0, 25_000.0, 150_000.0]))
windows = st.sampled_from([1, 20_000, 100_000, 1_000_000])
LIMITS = st.builds(
    sim.Limits,
    process=st.builds(
        sim.ProcessLimit,
        max_migrations=st.one_of(st.none(), st.integers(0, 4)),
        window_ns=st.one_of(st.none(), st.sampled_from([30_000, 100_000])),
        min_interval_ns=st.sampled_from([0, 0, 20_000]),
    ),
    core=st.builds(sim.RateLimit, rate_per_s=rates, window_ns=windows),
    system=st.builds(sim.RateLimit, rate_per_s=rates, window_ns=windows),
    burst=st.builds(
        sim.BurstLimit,
        capacity=st.one_of(st.none(), st.integers(0, 5)),
        refill_per_s=st.sampled_from([1e3, 7e4]),
        storm_count=st.one_of(st.none(), st.integers(1, 4)),
        storm_window_ns=st.sampled_from([1, 10_000, 50_000]),
        cooldown_ns=st.sampled_from([0, 40_000]),
    ),
)


def most_in_window(times: list[int], window_ns: int) -> int:
    """Greatest number of times in any half-open window of a length, by brute force over where it begins."""
    return max((sum(start <= t < start + window_ns for t in times) for start in times), default=0)


def assert_rate(limit: sim.RateLimit, times: list[int]) -> None:
    """Assert a rate limit (DESIGN §6) over every window."""
    if limit.rate_per_s is None:
        return
    if limit.rate_per_s == 0:
        assert not times
        return
    count = max(1, math.floor(limit.rate_per_s * limit.window_ns / 1e9))
    assert most_in_window(times, max(1, math.floor(count * 1e9 / limit.rate_per_s))) <= count


def assert_process(limit: sim.ProcessLimit, times: list[int]) -> None:
    """Assert the limits of one process over its life."""
    if limit.max_migrations is not None:
        found = len(times) if limit.window_ns is None else most_in_window(times, limit.window_ns)
        assert found <= limit.max_migrations
    assert all(later - earlier >= limit.min_interval_ns for earlier, later in pairwise(times))


def assert_burst(limit: sim.BurstLimit, times: list[int]) -> None:
    """Assert the bound of a token bucket over every interval, and quiet after each storm."""
    if limit.capacity is not None:
        rate = max(1, round(limit.refill_per_s))
        for i, start in enumerate(times):
            for j in range(i, len(times)):
                assert (j - i + 1) * 10**9 <= limit.capacity * 10**9 + (times[j] - start) * rate
    if limit.storm_count is not None:
        recent: list[int] = []
        for t, later in pairwise([*times, 2**62]):
            recent = [*(u for u in recent if u > t - limit.storm_window_ns), t]
            if len(recent) == limit.storm_count:
                recent = []
                assert later >= t + limit.cooldown_ns


@settings(max_examples=120)
@given(scenes(LIMITS, migrating=True))
def test_no_limit_is_exceeded_in_any_window(scene: Scene) -> None:
    log, _ = scene.logged()
    times, by_core, by_process = moves(log)
    limits = scene.policy.limits
    assert_rate(limits.system, times)
    for own in by_core.values():
        assert_rate(limits.core, own)
    for own in by_process.values():
        assert_process(limits.process, own)
    assert_burst(limits.burst, times)


BINDING = {
    "denied_process_limit": sim.Limits(process=sim.ProcessLimit(max_migrations=1)),
    "denied_core_limit": sim.Limits(core=sim.RateLimit(rate_per_s=20_000.0, window_ns=50_000)),
    "denied_system_limit": sim.Limits(system=sim.RateLimit(rate_per_s=20_000.0, window_ns=100_000)),
    "denied_burst": sim.Limits(burst=sim.BurstLimit(capacity=2, refill_per_s=1000.0)),
    "denied_storm": sim.Limits(burst=sim.BurstLimit(storm_count=3, storm_window_ns=100_000)),
}
LOOSE = sim.Limits(
    process=sim.ProcessLimit(max_migrations=1_000_000),
    core=sim.RateLimit(rate_per_s=1e8, window_ns=40_000),
    system=sim.RateLimit(rate_per_s=1e8, window_ns=400_000),
    burst=sim.BurstLimit(capacity=1_000_000, refill_per_s=1e9, storm_count=65_536, storm_window_ns=1),
)


def busy_scene() -> Scene:
    """Four cores and thirty processes that wake wherever chance says."""
    run = sim.Step(op="run", draw=sim.Distribution(mean=100.0))
    block = sim.Step(op="block", draw=sim.Distribution(mean=4000.0))
    kind = sim.ProcessClass(name="one", count=30, program=(run, block))
    policy = sim.Policy(decision=sim.Decision(rule="always"), placement=sim.Placement(wake="random"))
    simulation = sim.Simulation(horizon_ns=300_000, warmup_ns=0, window_ns=50_000)
    return Scene(machine(4, 2, 4), sim.Workload(classes=(kind,)), policy, sim.Cost(), simulation)


@pytest.mark.parametrize("reason", BINDING)
def test_each_limit_binds_and_is_counted_under_its_name(reason: str) -> None:
    free, bound = busy_scene(), busy_scene().with_policy(limits=BINDING[reason])
    (_, without), (_, counters) = free.logged(), bound.logged()
    assert counters["migration_count"] < without["migration_count"]
    denied = {name: value for name, value in counters.items() if name.startswith("denied_")}
    assert denied[reason] == sum(denied.values()) > 0


@settings(max_examples=30)
@given(scenes(migrating=True))
def test_a_limit_that_never_binds_changes_nothing(scene: Scene) -> None:
    (log, counters), (other, others) = scene.logged(), scene.with_policy(limits=LOOSE).logged()
    assert log.shape == other.shape
    assert (log == other).all()
    assert (counters.pop("decisions") == others.pop("decisions")).all()
    assert counters == others


@settings(max_examples=30)
@given(scenes())
def test_an_infinite_threshold_is_no_migration_for_benefit(scene: Scene) -> None:
    never = scene.with_policy(threshold_factor=math.inf, decision=sim.Decision())
    log, counters = never.logged()
    assert counters["migration_count"] == 0
    assert moves(log)[0] == []
    assert counters["migration_attempt_count"] == sum(
        counters[f"denied_{reason}"] for reason in ("mask", "capacity", "benefit")
    )


def test_an_infinite_threshold_still_lets_always_through() -> None:
    scene = busy_scene()
    one, other = (
        scene.logged(),
        replace(scene, policy=replace(scene.policy, threshold_factor=math.inf)).logged(),
    )
    assert (one[0] == other[0]).all()
    assert one[1]["migration_count"] > 0
