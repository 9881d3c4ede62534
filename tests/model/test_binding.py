"""Schedulers on hardware cores: bind types, sharing, re-binding, and what it costs."""

import dataclasses
import itertools

import pytest

import sim
from sim.kernels import log as codes
from tests.analytic.machines import machine
from tests.model.lanes import BARE, FREE, Case, Outcome, change, group, run, strict

# 2 sockets x 2 physical cores x 2 threads, numbered thread by thread as a BIOS does: siblings are c, c + 4
SMT = machine(
    8, 8, 8,
    core_smt=[0, 1, 2, 3, 0, 1, 2, 3], core_node=[0, 0, 1, 1, 0, 0, 1, 1],
    core_package=[0, 0, 1, 1, 0, 0, 1, 1], core_cluster=[0, 0, 1, 1, 0, 0, 1, 1],
    cluster_cache_bytes=[1 << 22] * 2, node_os_index=[0, 1], node_memory_bytes=[0, 0],
    node_bandwidth_mb_s=[0, 0], node_distance=[[10, 20], [20, 10]], memory_latency_ns=[[90, 150], [150, 90]],
)  # fmt: skip
# by hand from the keys in erts-scheduler §12.3 (OTP: erl_cpu_topology.c)
ORDERS = {
    "ns": [0, 4, 1, 5, 2, 6, 3, 7],
    "ts": [0, 1, 2, 3, 4, 5, 6, 7],
    "ps": [0, 2, 1, 3, 4, 6, 5, 7],
    "s": [0, 2, 1, 3, 4, 6, 5, 7],
    "nnts": [0, 1, 4, 5, 2, 3, 6, 7],
    "nnps": [0, 1, 4, 5, 2, 3, 6, 7],
    "tnnps": [0, 1, 2, 3, 4, 5, 6, 7],
    "db": [0, 1, 2, 3, 4, 5, 6, 7],
}
SPINNERS = (group(count=8, program=(run(1000),)),)


def cores_of(live: sim.LiveLane, count: int) -> list[int]:
    """Hardware core of each scheduler."""
    return [live.get_scheduler_core(c) for c in range(count)]


@pytest.mark.parametrize("order", ORDERS)
def test_static_binding_is_the_order_of_the_bind_type(order: str) -> None:
    live = Case(SPINNERS, SMT, binding=sim.Binding(order=order)).live()
    assert cores_of(live, 8) == ORDERS[order]
    assert all(live.is_bound(c) for c in range(8))


@pytest.mark.parametrize("order", ORDERS)
def test_few_schedulers_take_the_first_of_the_order(order: str) -> None:
    """Three processes on three schedulers load just these hardware cores."""
    case = Case((group(count=3),), SMT, cost=FREE, binding=sim.Binding(order=order, schedulers=3))
    utilisation = case.result().core_utilisation[0]
    assert {h for h in range(8) if utilisation[h] > 0.9} == set(ORDERS[order][:3])
    assert sum(utilisation) == pytest.approx(3, abs=0.01)


def test_by_core_index_is_the_default() -> None:
    live = Case(SPINNERS, SMT).live()
    assert cores_of(live, 8) == list(range(8))


def shared(schedulers: int, cores: int, quantum_ns: int = 100_000, **fields) -> Case:
    """One process a scheduler that runs for ever; schedulers beyond the cores share them."""
    binding = sim.Binding(schedulers=schedulers, os_quantum_ns=quantum_ns, period_ns=0, **fields)
    classes = (group(count=schedulers, program=(run(1000),)),)
    return Case(classes, machine(cores, cores, cores), cost=FREE, binding=binding).within(
        20_000_000, quantum_reds=1000
    )


def time_by_process(out: Outcome) -> dict[int, int]:
    """Run time of each process."""
    time_ns: dict[int, int] = {}
    for _, _, _, p, _, length in out.entries(codes.SEGMENT):
        time_ns[p] = time_ns.get(p, 0) + length
    return time_ns


@pytest.mark.parametrize("schedulers", [2, 3, 5])
def test_schedulers_on_one_core_share_its_time_equally(schedulers: int) -> None:
    out = shared(schedulers, 1).outcome()
    times = time_by_process(out)
    assert len(times) == schedulers
    assert min(times.values()) / max(times.values()) > 0.96
    assert sum(times.values()) == pytest.approx(20_000_000, rel=0.03)


def test_never_two_at_a_time_on_one_core() -> None:
    entries = shared(3, 1).outcome().entries(codes.SEGMENT)
    segments = sorted((start, start + length) for start, _, _, _, _, length in entries)
    assert all(a[1] <= b[0] for a, b in itertools.pairwise(segments))


def test_who_shares_a_core_gets_half_of_what_the_others_get() -> None:
    """Three schedulers on two cores, nobody moves: 0 and 2 share core 0."""
    times = time_by_process(shared(3, 2).outcome())
    assert times[1] == pytest.approx(20_000_000, rel=0.01)
    assert times[0] == pytest.approx(times[2], rel=0.03)
    assert times[0] == pytest.approx(10_000_000, rel=0.03)


def test_a_switch_between_schedulers_costs_time() -> None:
    """50 us at the core, then 5 us of switch: a share of 1/11 is lost."""
    out = shared(2, 1, 50_000, os_switch_ns=5_000).outcome()
    free = shared(2, 1, 50_000, os_switch_ns=0).outcome()
    assert out["os_switch_ns"] == pytest.approx(20_000_000 / 11, rel=0.12)
    assert out["reductions"] == pytest.approx(free["reductions"] - out["os_switch_ns"] / 10, rel=0.01)
    assert shared(2, 1, 50_000, os_switch_ns=5_000).metrics()["rebind_overhead_share"] > 0.07


def test_a_short_quantum_switches_more_often() -> None:
    switches = [shared(2, 1, quantum).outcome()["os_switch_ns"] for quantum in (20_000, 200_000)]
    assert switches[0] == pytest.approx(10 * switches[1], rel=0.15)


def test_a_scheduler_without_work_leaves_the_core_to_others() -> None:
    case = shared(2, 1)
    out = case.but(classes=(group(count=1, start="first"),)).outcome()
    assert time_by_process(out)[0] == pytest.approx(20_000_000, rel=0.01)
    assert out["os_switch_ns"] == 0


HYBRID = machine(6, 3, 6, core_type=[0, 0, 0, 1, 1, 1], core_speed=[1.0] * 3 + [0.4] * 3)


@pytest.mark.parametrize(
    ("performance", "efficiency", "schedulers", "expected"),
    [
        (None, None, 6, "0* 1* 2* 3* 4* 5*"),
        (1, 1, 6, "0* 1* 3* 2 4 5"),
        (0, 2, 4, "0* 3* 4* 1"),
        (2, 0, 8, "0* 1* 2* 3 4 5 0 1"),
        (1, None, 6, "0* 1* 3* 4* 5* 2"),
    ],
)  # fmt: skip
def test_hybrid_pins_to_core_0_to_p_cores_and_to_e_cores(
    performance, efficiency, schedulers, expected
) -> None:
    binding = sim.Binding(
        mode="hybrid", performance=performance, efficiency=efficiency, schedulers=schedulers
    )
    live = Case(SPINNERS, HYBRID, binding=binding).live()
    found = [f"{live.get_scheduler_core(c)}{'*' * live.is_bound(c)}" for c in range(schedulers)]
    assert " ".join(found) == expected


SLOW_FIRST = machine(4, 2, 4, core_type=[1, 1, 0, 0], core_speed=[0.4, 0.4, 1.0, 1.0])


def upgraded(
    period_ns: int = 50_000, rebind_ns: int = 0, mode: str = "dynamic", cost: sim.Cost = FREE
) -> Case:
    """Two processes on schedulers that begin on slow cores; the fast ones are free."""
    binding = sim.Binding(mode=mode, period_ns=period_ns, rebind_ns=rebind_ns)
    memory = sim.Memory(working_set_bytes=32768, lines_per_reduction=1.0)
    return Case(
        (group(count=2, program=(run(1000),), memory=memory),), SLOW_FIRST, cost=cost, binding=binding
    )


def rebindings(out: Outcome) -> list[tuple[int, int, int]]:
    """Scheduler, old and new hardware core of each re-binding."""
    return [(c, old, new) for _, _, c, _, new, old in out.entries(codes.REBIND)]


def test_dynamic_binding_moves_schedulers_to_faster_free_cores() -> None:
    moved, stayed = upgraded().outcome(), upgraded(0).outcome()
    assert rebindings(moved) == [(0, 0, 2), (1, 1, 3)]
    assert (moved["rebind_count"], stayed["rebind_count"]) == (2, 0)
    assert moved["reductions"] > 2.2 * stayed["reductions"]
    assert moved["migration_count"] == 0


def test_a_batch_moves_several_in_one_pass() -> None:
    for batch, times in ((1, [50_000, 100_000]), (2, [50_000, 50_000])):
        case = upgraded()
        out = case.but(binding=dataclasses.replace(case.binding, batch=batch)).outcome()
        # a running scheduler moves at the end of its slice, of 100 us on a slow core
        assert len(rebindings(out)) == 2
        moments = [row[0] for row in out.entries(codes.REBIND)]
        assert all(at >= asked for at, asked in zip(moments, times, strict=True))
        assert (moments[1] - moments[0] < 50_000) == (batch == 2)


def test_rebinding_is_charged_and_counted() -> None:
    free, dear = upgraded().outcome(), upgraded(rebind_ns=200_000).outcome()
    assert free["rebind_ns"] == 0
    assert dear["rebind_ns"] == dear["rebind_count"] * 200_000 > 0
    assert free["reductions"] - dear["reductions"] == pytest.approx(2 * 20_000, rel=0.05)
    metrics = upgraded(rebind_ns=200_000).metrics()
    assert metrics["rebind_overhead_share"] == pytest.approx(
        400_000 / metrics["utilisation"] / 8_000_000, rel=0.01
    )


def test_a_process_refills_its_caches_where_its_scheduler_went() -> None:
    """32 KiB private, and as the cluster is left nothing else: no migration, but lines to fetch."""
    out = upgraded(cost=sim.Cost(remote_memory=False)).outcome()
    assert (out["follow_count"], out["migration_count"]) == (2, 0)
    assert out["refill_ns"] == pytest.approx(2 * 512 * 45 / 8, rel=0.01)
    assert upgraded(0, cost=sim.Cost()).outcome()["refill_ns"] == 0


CROWD = (change(100_000, "core_offline", "4-7"), change(300_000, "core_online", "4-7"))


def crowded(mode: str, period_ns: int) -> Case:
    """Eight unpinned schedulers lose half of the eight cores for a while."""
    binding = sim.Binding(mode=mode, period_ns=period_ns, rebind_ns=0, os_switch_ns=0, os_quantum_ns=10_000)
    return Case(SPINNERS, machine(8, 8, 8), cost=FREE, changes=CROWD, binding=binding)


@pytest.mark.parametrize("mode", ["dynamic", "none"])
def test_rebinding_spreads_a_crowd_over_free_cores(mode: str) -> None:
    fixed, spread = crowded(mode, 0), crowded(mode, 20_000)
    first = [(4, 4, 0), (5, 5, 1), (6, 6, 2), (7, 7, 3)]
    assert rebindings(fixed.outcome()) == first
    assert len(rebindings(spread.outcome())) >= 8
    # 0.1 ms on eight cores, then four, and eight again from 0.3 ms on
    assert fixed.metrics()["utilisation"] == pytest.approx((0.1 + 1.9 / 2) / 2, abs=0.02)
    assert spread.metrics()["utilisation"] > 0.85


def test_pinned_schedulers_are_not_moved() -> None:
    out = upgraded(mode="static").outcome()
    assert out["rebind_count"] == 0


def test_the_operating_system_moves_unbound_schedulers_now_and_then() -> None:
    """Equal cores, half of them free: nothing to gain, so dynamic binding moves nobody and `none` does.

    It moves what sleeps to a free core: of 8 schedulers 4 sleep, and of 8 cores 3 are free and another
    than its own, so 200 passes make 200 * 4/8 * 3/8 = 37.5 moves, with a standard deviation of 5.5.
    """
    counts = {}
    for mode in ("none", "dynamic"):
        binding = sim.Binding(mode=mode, period_ns=50_000)
        case = Case((group(count=4),), machine(8, 8, 8), cost=FREE, binding=binding)
        counts[mode] = case.within(10_000_000).outcome()["rebind_count"]
    assert counts["dynamic"] == 0
    assert abs(counts["none"] - 37.5) < 4 * 5.5


def live_pair() -> sim.LiveLane:
    """Two processes on the first two of four schedulers."""
    live = Case((group(count=2, program=(run(1000),)),), machine(4, 4, 4), cost=FREE).live()
    live.run_until(100_000)
    return live


def test_schedulers_are_moved_by_hand() -> None:
    """A running one at the end of its slice, a sleeping one at once; not to where it is already."""
    live = live_pair()
    assert live.migrate_scheduler(0, 3)
    assert live.get_scheduler_core(0) == 0
    live.run_until(200_000)
    assert live.get_scheduler_core(0) == 3
    assert not live.migrate_scheduler(0, 3)
    assert live.migrate_scheduler(2, 1)
    assert live.get_scheduler_core(2) == 1
    assert live.metrics()["rebind_count"] == 2


def test_schedulers_are_bound_and_unbound_by_hand() -> None:
    live = live_pair()
    assert live.is_bound(0)
    live.unbind_scheduler(0)
    assert not live.is_bound(0)
    assert live.bind_scheduler_to_core(0, 2)
    assert live.is_bound(0)
    live.run_until(200_000)
    assert live.get_scheduler_core(0) == 2
    assert not live.bind_scheduler_to_core(0, 2)


def test_nobody_is_bound_to_a_core_that_is_offline() -> None:
    case = Case(
        (group(count=2),), machine(4, 4, 4), cost=FREE, changes=(change(50_000, "core_offline", "3"),)
    )
    live = case.live()
    live.run_until(100_000)
    assert not live.bind_scheduler_to_core(0, 3)
    live.run_until(200_000)
    assert live.get_scheduler_core(0) == 0


def test_a_timeline_binds_and_unbinds() -> None:
    """The pass after 50 us asks for a fast core at the end of a slice of 100 us, but by then it is bound to a
    slow one; there it stays until it is unbound."""
    changes = (
        change(100_000, "bind", scheduler=0, core=1),
        change(900_000, "unbind", scheduler=0),
    )
    binding = sim.Binding(mode="dynamic", schedulers=1, period_ns=50_000)
    case = Case((group(program=(run(1000),)),), SLOW_FIRST, cost=FREE, changes=changes, binding=binding)
    out = case.outcome()
    assert rebindings(out) == [(0, 0, 1), (0, 1, 2)]
    times = [row[0] for row in out.entries(codes.REBIND)]
    assert times[0] == 100_000
    assert 900_000 <= times[1] <= 1_000_000


def test_affinity_is_to_hardware_cores_wherever_the_schedulers_stand() -> None:
    """A process bound to core 3 follows the one scheduler that may run it."""
    live = Case((group(affinity=strict("3")),), machine(4, 4, 4), cost=BARE).live()
    live.run_until(100_000)
    assert live.check_affinity(0, 3)
    assert not live.check_affinity(0, 0)
    assert live.migrate_scheduler(0, 3)
    assert live.check_affinity(0, 0)
    assert live.get_affinity(0).current_core == 3
