"""Laws that the naive simulator itself must obey, so that agreeing with it means something."""

import dataclasses
import math
from collections import defaultdict
from statistics import mean, stdev

import pytest

import sim
from tests.oracle.corners import CORNERS
from tests.oracle.erts_corners import ERTS_CORNERS
from tests.oracle.laws import Energy, check_limits, check_log
from tests.reference import LogCode, Mechanism, simulate_reference, slices, steps
from tests.reference.check import check_lane
from tests.reference.codes import FORCED
from tests.reference.compare import run_reference
from tests.reference.numbers import below, histogram_bucket, mix, uniform
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


@pytest.mark.parametrize("seed", SEEDS[:25])
def test_energy_is_what_the_log_tells(seed: int) -> None:
    scenario = random_scenario(seed)
    r = run_reference(scenario)
    assert Energy(scenario).of_log(r.log, r.end_ns) == r.energy_pj


@pytest.mark.parametrize("name", [*CORNERS, *ERTS_CORNERS])
def test_laws_hold_in_the_corners(name: str) -> None:
    scenario = (CORNERS | ERTS_CORNERS)[name]
    r = run_reference(scenario, check=check_lane)
    check_log(scenario, r)
    check_limits(scenario, r)
    assert Energy(scenario).of_log(r.log, r.end_ns) == r.energy_pj


@pytest.mark.parametrize("seed", SEEDS[:25])
def test_reductions_drawn_are_run_or_remain(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: dict = defaultdict(int)

    def execute(lane, core, process):
        following = steps.execute(lane, core, process)
        drawn[process] += process.remaining
        return following

    def check(lane) -> None:
        for process in lane.slots:
            if process is not None:
                assert drawn[process] == process.run_reds + process.remaining

    monkeypatch.setattr(slices, "execute", execute)
    run_reference(random_scenario(seed), check=check)


@pytest.mark.parametrize("seed", SEEDS[:25])
def test_no_strict_process_is_dispatched_outside_its_mask(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    start_slice = slices.start_slice

    def strictly(lane, core, process) -> None:
        assert process.affinity.type != "strict" or core.hw in process.affinity.mask
        assert lane.hardware[core.hw].is_open
        start_slice(lane, core, process)

    monkeypatch.setattr(slices, "start_slice", strictly)
    run_reference(random_scenario(seed))


def test_a_decision_is_written_for_each_candidate_and_forced_move() -> None:
    for seed in SEEDS[:30]:
        r = run_reference(random_scenario(seed))
        moves = [(e[0], e[3], e[4], e[2], e[5]) for e in r.log if e[1] == LogCode.MIGRATE]
        denials = [(e[0], e[3], e[4], e[2], e[5]) for e in r.log if e[1] == LogCode.DENY]
        done = [row for row in r.decisions if row[6] < 0]
        assert [(row[0], row[1], row[3], row[4], row[5]) for row in done] == moves
        assert all((row[6] == FORCED) == (row[5] >= Mechanism.AFFINITY) for row in done)
        refused = [row for row in r.decisions if row[6] >= 0]
        assert [(row[0], row[1], row[3], row[4], row[6]) for row in refused] == denials


def test_nothing_is_lost_when_the_whole_machine_fails_again_and_again() -> None:
    base = random_scenario(7, replay=False, parts=())
    cores = f"0-{base.topology.num_cores - 1}"
    changes = [
        sim.Change(
            time_ns=2000 * i, op=("core_offline", "power_up", "power_down", "core_online")[i % 4], cores=cores
        )
        for i in range(40)
    ]
    scenario = dataclasses.replace(base, timeline=sim.Timeline(changes=tuple(changes)))
    r = run_reference(scenario, check=check_lane)
    check_log(scenario, r)
    assert {LogCode.OFFLINE, LogCode.ONLINE} <= {e[1] for e in r.log}


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
