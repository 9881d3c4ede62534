"""Laws that the naive simulator itself must obey, so that agreeing with it means something."""

import dataclasses
import math
from collections import defaultdict
from statistics import mean, stdev

import numpy as np
import pytest

import sim
from tests.reference import LogCode, simulate_reference
from tests.reference.check import check_lane
from tests.reference.compare import run_reference
from tests.reference.limits import rate_window
from tests.reference.machine import Machine
from tests.reference.numbers import below, histogram_bucket, mix, uniform
from tests.reference.plan import plan_workload
from tests.reference.scenarios import random_scenario

SEEDS = range(5000, 5060)
FREE = sim.Cost(
    kind="flat",
    dispatch_cycles=0,
    wake_ns=0,
    context_switch_cycles=0,
    synchronisation_cycles=(0, 0, 0, 0),
    misses=(0, 0, 0, 0),
    remote_accesses=(0, 0, 0, 0),
    numa_crossing_cycles=0,
    remote_memory=False,
)


def flat_topology(num_cores: int) -> sim.Topology:
    """Equal cores in one cluster."""
    n = num_cores
    return sim.Topology(
        name="flat",
        core_type_names=("P",),
        core_type=[0] * n,
        core_speed=[1.0] * n,
        core_frequency_mhz=[2000] * n,
        core_smt=list(range(n)),
        core_cluster=[0] * n,
        core_node=[0] * n,
        core_package=[0] * n,
        core_os_index=list(range(n)),
        private_cache_bytes=[1 << 20] * n,
        cluster_cache_bytes=[1 << 22],
        cache_line_bytes=64,
        node_os_index=[0],
        node_memory_bytes=[0],
        node_bandwidth_mb_s=[0],
        node_distance=[[10]],
        memory_latency_ns=[[100]],
        line_latency_ns=[5, 20, 50, 100],
    )


def open_workload(demand: sim.Distribution, arrival: sim.Arrival) -> sim.Workload:
    """Processes that arrive, run once and exit; a reduction takes 1 ns."""
    program = (sim.Step(op="run", draw=demand), sim.Step(op="exit"))
    short = sim.ProcessClass(name="short", arrival=arrival, program=program)
    return sim.Workload(ns_per_reduction=1.0, classes=(short,))


def sojourns(result) -> list[int]:
    """Times from creation to exit."""
    born, times = {}, []
    for time_ns, code, _, process, _, _ in result.log:
        if code == LogCode.ARRIVE:
            born[process] = time_ns
        elif code == LogCode.EXIT:
            times.append(time_ns - born[process])
    return times


def test_deterministic_arrivals_and_demands_never_wait() -> None:
    workload = open_workload(
        sim.Distribution(kind="deterministic", mean=700),
        sim.Arrival(kind="deterministic", rate_per_s=1e6),
    )
    simulation = sim.Simulation(horizon_ns=10_000, warmup_ns=0, window_ns=1000)
    r = simulate_reference(flat_topology(1), workload, sim.Policy(), FREE, simulation, 1, 0)
    assert [e[0] for e in r.log if e[1] == LogCode.ARRIVE] == list(range(1000, 10_001, 1000))
    assert sojourns(r) == [700] * 9
    assert r.histograms["sojourn"] == {histogram_bucket(700): 9}
    assert r.histograms["waiting"] == {0: 9}
    assert r.histograms["slowdown"] == {histogram_bucket(1024): 9}
    assert r.busy_ns == [6300]
    assert r.counters["idle_ns"] == 3700


def test_overloaded_deterministic_queue_grows_as_computed() -> None:
    workload = open_workload(
        sim.Distribution(kind="deterministic", mean=1500),
        sim.Arrival(kind="deterministic", rate_per_s=1e6),
    )
    simulation = sim.Simulation(horizon_ns=60_000, warmup_ns=0, window_ns=1000, quantum_reds=0)
    r = simulate_reference(flat_topology(1), workload, sim.Policy(), FREE, simulation, 1, 0)
    # Number i (from 0) arrives at 1000 (i + 1) and leaves at 1000 + 1500 (i + 1).
    assert r.counters["completed_count"] == 39
    waits = [e[5] for e in r.log if e[1] == LogCode.DISPATCH]
    assert waits == [500 * i for i in range(len(waits))]


def test_mm1_mean_sojourn_is_theory() -> None:
    workload = open_workload(
        sim.Distribution(kind="exponential", mean=10_000),
        sim.Arrival(kind="poisson", rate_per_s=6e4),
    )
    simulation = sim.Simulation(horizon_ns=50_000_000, warmup_ns=0, quantum_reds=0)
    means = []
    for replicate in range(12):
        parts = (flat_topology(1), workload, sim.Policy(), FREE, simulation, 7, replicate)
        means.append(mean(sojourns(simulate_reference(*parts))[200:]))
    half_width = 4.437 * stdev(means) / math.sqrt(12)  # Student t, 11 degrees, 99.9%
    theory = 10_000 / (1 - 0.6)
    assert abs(mean(means) - theory) < half_width < 0.15 * theory


@pytest.mark.parametrize("num_cores", [2, 5])
def test_no_core_idles_beside_work_when_moves_are_free(num_cores: int) -> None:
    workload = open_workload(
        sim.Distribution(kind="lognormal", mean=10_000, cv=2.0),
        sim.Arrival(kind="poisson", rate_per_s=9e4 * num_cores),
    )
    policy = sim.Policy(
        decision=sim.Decision(rule="always"),
        stealing=sim.Stealing(victim="nearest", attempts=8, wake_idle=True),
    )
    simulation = sim.Simulation(horizon_ns=5_000_000, warmup_ns=0)
    r = simulate_reference(flat_topology(num_cores), workload, policy, FREE, simulation, 3, 0)
    assert r.counters["migrations_steal"] > 20
    assert r.counters["wasted_ns"] == 0


def test_migrate_false_moves_nothing() -> None:
    for seed in SEEDS[:20]:
        scenario = random_scenario(seed)
        policy = dataclasses.replace(scenario.policy, migrate=False)
        r = run_reference(dataclasses.replace(scenario, policy=policy))
        assert r.counters["migration_attempt_count"] == 0
        home = {}
        for _, code, core, process, _, _ in r.log:
            if code == LogCode.ARRIVE:
                home[process] = core
            elif code == LogCode.WAKE:
                home.setdefault(process, core)  # its creation was before the trace's start
            elif code == LogCode.DISPATCH:
                assert home[process] == core


@pytest.mark.parametrize("seed", SEEDS)
def test_invariants_hold_after_every_event(seed: int) -> None:
    scenario = random_scenario(seed)
    r = run_reference(scenario, check=check_lane)
    check_log(scenario, r)
    check_limits(scenario, r)
    assert run_reference(scenario).log == r.log


def is_birth(code: int, process: int, known) -> bool:
    """Tell a creation; one that a trace delays shows first by its wake-up."""
    first = (LogCode.WAKE, LogCode.MIGRATE, LogCode.DENY)
    return code == LogCode.ARRIVE or (code in first and process not in known)


def check_log(scenario, r) -> None:
    """Times, places, affinity and sums that the log alone must show."""
    machine = Machine(scenario.topology, 10.0, False)
    classes, _ = plan_workload(scenario.workload, machine)
    kind_of, where, free_at, alive = {}, {}, defaultdict(int), 0
    last = 0
    for time_ns, code, core, process, a, b in r.log:
        assert time_ns >= last
        last = time_ns
        if is_birth(code, process, where):
            kind_of[process] = classes[a if code == LogCode.ARRIVE else 0]
            where[process] = core if code in (LogCode.ARRIVE, LogCode.WAKE) else a
            alive += 1
        match code:
            case LogCode.MIGRATE:
                assert where[process] == a != core
                where[process] = core
            case LogCode.DISPATCH:
                assert where[process] == core
                kind = kind_of[process]
                assert kind.affinity != "strict" or core in kind.mask
            case LogCode.SEGMENT:
                # Segments of one core, and of one process, do not overlap.
                for key in (("core", core), ("process", process)):
                    assert free_at[key] <= time_ns
                    free_at[key] = time_ns + b
            case LogCode.EXIT:
                alive -= 1
                del where[process]
    assert alive == len(where)
    if scenario.simulation.warmup_ns == 0:
        sum_of = {code: sum(e[1] == code and e[0] > 0 for e in r.log) for code in LogCode}
        segments = [e for e in r.log if e[1] == LogCode.SEGMENT and e[0] + e[5] <= r.end_ns]
        if r.status == "HORIZON":  # else segments that end at the last time may still be pending
            assert r.counters["reductions"] == sum(e[4] for e in segments)
        assert r.counters["completed_count"] == sum_of[LogCode.EXIT]
        assert r.counters["preemption_count"] == sum_of[LogCode.PREEMPT]
    check_counters(r)


def check_counters(r) -> None:
    """Sums between counters."""
    c = r.counters
    denied = sum(value for name, value in c.items() if name.startswith("denied_"))
    assert c["migration_attempt_count"] == c["migration_count"] + denied
    for names in (
        ("wake", "steal", "balance"),
        ("same_core", "same_cluster", "same_node", "other_node"),
    ):
        assert c["migration_count"] == sum(c["migrations_" + name] for name in names)
    assert c["wasted_ns"] <= c["idle_ns"]
    assert sum(r.busy_ns) == c["busy_ns"]
    for name in ("sojourn", "waiting"):
        assert sum(r.histograms[name].values()) == c["activation_count"]
    # only what ran has a slowdown; tests/unit/sim/test_slowdown.py counts exactly which
    assert sum(r.histograms["slowdown"].values()) <= c["activation_count"]
    for values in r.jain_values.values():
        assert all(0 < value <= 1 + 1e-12 for value in values)


def check_limits(scenario, r) -> None:
    """No window of any length that a limit speaks of holds more migrations than it allows."""
    limits = scenario.policy.limits
    moves = [(t, core, process, a) for t, code, core, process, a, _ in r.log if code == LogCode.MIGRATE]
    by_core, life = defaultdict(list), {}
    by_process = defaultdict(list)
    for t, code, core, process, a, _ in r.log:
        if is_birth(code, process, life):
            life[process] = (process, t, len(by_process))
            by_process[life[process]] = []
        if code == LogCode.EXIT:
            del life[process]
        elif code == LogCode.MIGRATE:
            by_process[life[process]].append(t)
            by_core[core].append(t)
            by_core[a].append(t)
    within(rate_window(limits.system), [move[0] for move in moves])
    for times in by_core.values():
        within(rate_window(limits.core), times)
    for times in by_process.values():
        count, window_ns = limits.process.max_migrations, limits.process.window_ns
        if count is not None:
            in_window = [[u for u in times if window_ns is None or t - window_ns < u <= t] for t in times]
            assert all(len(group) <= count for group in in_window)
        gaps = np.diff(times)
        assert (gaps >= limits.process.min_interval_ns).all()
    burst = limits.burst
    if burst.capacity is not None:
        rate = max(1, round(burst.refill_per_s)) / 1e9
        times = [move[0] for move in moves]
        for i, start in enumerate(times):
            for j in range(i, len(times)):
                assert j - i + 1 <= burst.capacity + (times[j] - start) * rate + 1e-6
    check_storms(burst, [move[0] for move in moves])


def within(window, times: list[int]) -> None:
    """Assert a rate limit over every window that ends at a migration."""
    if window.count is None:
        return
    for t in times:
        assert sum(t - window.window_ns < u <= t for u in times) <= window.count


def check_storms(burst, times: list[int]) -> None:
    """Assert that every storm is followed by its pause."""
    if burst.storm_count is None:
        return
    recent: list[int] = []
    quiet_until = 0
    for t in times:
        assert t >= quiet_until
        recent = [u for u in recent if u > t - burst.storm_window_ns] + [t]
        if len(recent) >= burst.storm_count:
            recent, quiet_until = [], t + burst.cooldown_ns


def test_policies_meet_the_same_arrivals_and_demands() -> None:
    workload = open_workload(
        sim.Distribution(kind="exponential", mean=10_000),
        sim.Arrival(kind="poisson", rate_per_s=1e5),
    )
    simulation = sim.Simulation(horizon_ns=2_000_000, warmup_ns=0, quantum_reds=0)
    seen = []
    for spawn in ("parent", "random", "least_loaded"):
        policy = sim.Policy(placement=sim.Placement(spawn=spawn))
        r = simulate_reference(flat_topology(3), workload, policy, FREE, simulation, 1, 0)
        arrivals = [(e[0], e[5]) for e in r.log if e[1] == LogCode.ARRIVE]
        number = {}
        demands = {}
        for _, code, _, process, a, b in r.log:
            if code == LogCode.ARRIVE:
                number[process] = b
            elif code == LogCode.SEGMENT:
                demands[number[process]] = a
        seen.append((arrivals, {n: reds for n, reds in demands.items() if n < 100}))
    assert seen[0] == seen[1] == seen[2]


def test_low_priority_is_passed_over_seven_times() -> None:
    def kind(name: str, priority: str) -> sim.ProcessClass:
        draw = sim.Distribution(kind="deterministic", mean=100)
        return sim.ProcessClass(
            name=name, count=1, priority=priority, program=(sim.Step(op="run", draw=draw),)
        )

    workload = sim.Workload(classes=(kind("low", "low"), kind("normal", "normal")))
    simulation = sim.Simulation(horizon_ns=100_000, warmup_ns=0, window_ns=1000, quantum_reds=100)
    r = simulate_reference(flat_topology(1), workload, sim.Policy(), FREE, simulation, 1, 0)
    order = [e[3] for e in r.log if e[1] == LogCode.DISPATCH]
    # A turn of the normal process comes between any two looks at the head that is low.
    assert order[:9] == [1] * 7 + [0, 1]
    assert order[9:17] == [1] * 7 + [0]


def test_histogram_buckets_are_narrow_and_in_order() -> None:
    points = sorted({*range(5000), *(2**k + d for k in range(12, 40) for d in (-1, 0, 1))})
    buckets = [histogram_bucket(x) for x in points]
    assert buckets == sorted(buckets)
    firsts: dict[int, int] = {}
    for x in range(200_000):
        first = firsts.setdefault(histogram_bucket(x), x)
        assert x - first <= x / 64


def test_numbers_follow_the_published_generator() -> None:
    # SplitMix64 from state 0: Vigna's splitmix64.c gives these first.
    assert [mix(0, n) for n in range(3)] == [
        0xE220A8397B1DCDAF,
        0x6E789E6AA1B965F4,
        0x06C45D188009454F,
    ]
    # The greatest word gives 1.0: 2^53 - 0.5 is no float64. All others lie strictly inside.
    assert uniform(0) > 0
    assert uniform(2**64 - 2**11 - 1) < 1
    assert [below(2**64 - 1, n) for n in (1, 7)] == [0, 6]
    assert below(0, 7) == 0
