"""What policies are for: the adaptive one settles, the NUMA-aware one stays near."""

import dataclasses
import itertools

import pytest

import sim
from sim.kernels import log as codes
from tests.analytic.machines import machine
from tests.model.lanes import ALWAYS, BARE, Case, block, group, run

STEP = 1.25


def adapting(threshold: float, **adaptive) -> Case:
    """Processes of 10 us come every 8 us to core 0 of two; a migration of one that saves 10 us costs 1 us.

    Up to the threshold 10 all excess is stolen, at 1 us in each 10 us of the thief: an overhead of some 1 %
    of busy time and more. Beyond 10 nothing is, and core 1 idles beside a queue.
    """
    control = {"period_ns": 200_000, "overhead_target": 0.005, "waste_target": 0.02} | adaptive
    policy = sim.Policy(
        threshold_factor=threshold,
        stealing=sim.Stealing(scan=1, poll_ns=5_000),
        decision=sim.Decision(speed_weight=0.0),
        adaptive=sim.Adaptive(mode="feedback", step=STEP, span=1024.0, **control),
    )
    guests = sim.ProcessClass(
        name="p", start="first", program=(run(1000), sim.Step(op="exit")),
        arrival=sim.Arrival(kind="deterministic", rate_per_s=125_000),
    )  # fmt: skip
    cost = dataclasses.replace(BARE, context_switch_cycles=3000)
    return Case((guests,), machine(2, 2, 2), policy, cost).within(20_000_000)


def thresholds(case: Case) -> list[float]:
    """The threshold after each adjustment."""
    return [row[4] / 65536 for row in case.outcome().entries(codes.ADJUST)]


@pytest.mark.parametrize("start", [0.2, 10.0, 500.0], ids=["too_low", "right", "too_high"])
def test_the_threshold_settles_around_what_is_worth_it(start: float) -> None:
    """From any start it ends within one step of the ratio of benefit to cost, 10, and stays there."""
    path = thresholds(adapting(start))
    settled = path[len(path) // 2 :]
    assert len(settled) >= 40
    assert min(settled) >= 10 / STEP / 1.01
    assert max(settled) <= 10 * STEP * 1.01


@pytest.mark.parametrize("start", [0.2, 500.0], ids=["up", "down"])
def test_the_way_there_is_one_step_a_period(start: float) -> None:
    path = thresholds(adapting(start))
    ratio = STEP if start < 10 else 1 / STEP
    there = next(i for i, value in enumerate(path) if 10 / STEP < value < 10 * STEP)
    assert there >= 8
    for before, after in itertools.pairwise(path[:there]):
        assert after / before == pytest.approx(ratio, rel=1e-3)


def test_targets_that_nothing_violates_change_nothing() -> None:
    calm = adapting(3.0, overhead_target=1.0, waste_target=1.0)
    assert set(thresholds(calm)) <= {3.0}
    assert calm.outcome()["adjustment_count"] == 0


def test_threshold_and_period_stay_within_the_span() -> None:
    for overhead, waste, limit in ((0.0, 1.0, 4.0), (1.0, 0.0, 0.25)):
        case = adapting(1.0, overhead_target=overhead, waste_target=waste)
        adaptive = dataclasses.replace(case.policy.adaptive, span=4.0)
        balancing = sim.Balancing(period_ns=100_000)
        threshold = 1.0 if limit > 1 else 40.0
        case = case.policy_but(adaptive=adaptive, balancing=balancing, threshold_factor=threshold)
        rows = case.outcome().entries(codes.ADJUST)
        assert rows[-1][4] / 65536 == pytest.approx(threshold * limit, rel=0.01)
        assert rows[-1][5] == pytest.approx(100_000 * limit, rel=0.01)


def test_settling_beats_both_wrong_thresholds() -> None:
    """A threshold too high wastes the second core; the adaptive policy that began there hardly does."""
    stubborn = adapting(500.0).policy_but(adaptive=sim.Adaptive())
    waste = [case.metrics()["wasted_core_share"] for case in (stubborn, adapting(500.0))]
    assert waste[0] > 0.4
    assert waste[1] < 0.6 * waste[0]


NODES = machine(16, 4, 8, line_latency_ns=[8, 25, 110, 250])
UNAWARE = sim.Policy(
    placement=sim.Placement(wake="least_loaded"),
    stealing=sim.Stealing(victim="random", attempts=16),
    decision=ALWAYS,
)
AWARE = sim.Policy(
    placement=sim.Placement(spawn="numa_local", wake="numa_local"),
    stealing=sim.Stealing(victim="nearest", attempts=16),
    balancing=sim.Balancing(period_ns=500_000, batch=8, scope="hierarchical"),
    decision=sim.Decision(same_node_factor=2.0, other_node_factor=8.0),
)


def clustered(topology: sim.Topology, policy: sim.Policy, count: int = 40) -> Case:
    """Processes that run and block, more than cores, each with 64 KiB."""
    program = (
        sim.Step(op="run", draw=sim.Distribution(mean=3000.0)),
        sim.Step(op="block", draw=sim.Distribution(mean=40_000.0)),
    )
    memory = sim.Memory(working_set_bytes=65536, lines_per_reduction=1.0)
    case = Case((group(count=count, program=program, memory=memory),), topology, policy, sim.Cost())
    return case.within(10_000_000)


def test_a_numa_aware_policy_moves_within_clusters_and_seldom_across_nodes() -> None:
    aware, unaware = clustered(NODES, AWARE).outcome(), clustered(NODES, UNAWARE).outcome()
    near, far = "migrations_same_cluster", "migrations_other_node"
    assert aware["migration_count"] > 100
    assert aware[near] > 5 * aware[far]
    assert aware[far] / aware["migration_count"] < unaware[far] / unaware["migration_count"] / 3


def test_being_aware_pays_in_remote_work_and_refill() -> None:
    aware, unaware = clustered(NODES, AWARE).metrics(), clustered(NODES, UNAWARE).metrics()
    for name in ("remote_work_share", "remote_overhead_share", "refill_overhead_share"):
        assert aware[name] < unaware[name] / 2, name


APPLE = machine(
    10, 5, 10,
    core_type=[0] * 5 + [1] * 5,
    core_speed=[1.0] * 5 + [0.4] * 5,
    line_latency_ns=[4, 40, 160, 160],
)  # fmt: skip


def test_with_unified_memory_numa_local_stays_in_the_cluster() -> None:
    """One node: the cluster takes its place."""
    local = sim.Policy(
        placement=sim.Placement(spawn="numa_local", wake="numa_local"),
        stealing=sim.Stealing(victim="off"), decision=ALWAYS,
    )  # fmt: skip
    anywhere = dataclasses.replace(local, placement=sim.Placement(spawn="numa_local", wake="least_loaded"))
    near, free = clustered(APPLE, local, 25).outcome(), clustered(APPLE, anywhere, 25).outcome()
    assert near["migrations_same_cluster"] > 100
    assert near["migrations_same_node"] == 0
    assert free["migrations_same_node"] > 100


def test_balancing_by_hierarchy_stays_in_clusters_most_of_the_time() -> None:
    """Every fourth pass looks at nodes, every sixteenth at the machine."""
    program = (sim.Step(op="run", draw=sim.Distribution(mean=4000.0)), block(30_000))
    shares = []
    for scope in ("hierarchical", "machine"):
        policy = sim.Policy(
            stealing=sim.Stealing(victim="off"), decision=ALWAYS,
            balancing=sim.Balancing(period_ns=20_000, imbalance=1, scope=scope),
        )  # fmt: skip
        out = Case((group(count=48, program=program),), NODES, policy).within(10_000_000).outcome()
        assert out["migrations_balance"] > 100
        shares.append(out["migrations_same_cluster"] / out["migration_count"])
    assert shares[0] > 2 * shares[1]
