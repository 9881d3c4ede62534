"""The parts of a migration's price: the flat table, batches, and that what is reported adds up."""

import pytest

import sim
from tests.analytic.machines import machine
from tests.model.lanes import ALWAYS, FREE, QUIET, Case, block, group, move, run, strict

SMT = machine(
    8,
    4,
    4,
    core_smt=[0, 0, 1, 2, 3, 4, 5, 6],
    core_cluster=[0, 0, 0, 1, 2, 2, 3, 3],
    cluster_cache_bytes=[1 << 22] * 4,
)
FLAT = sim.Cost(
    kind="flat",
    context_switch_cycles=150,
    synchronisation_cycles=(7, 50, 80, 120),
    misses=(9, 1, 3, 4),
    miss_cycles=200,
    remote_accesses=(5, 0, 2, 1),
    remote_access_cycles=350,
    numa_crossing_cycles=1000,
)
# core it goes to from core 0: context switch, synchronisation, misses, remote, crossing
FLAT_PARTS = {
    "same_core": ("1", (0, 0, 0, 0, 0)),
    "same_cluster": ("2", (150, 50, 200, 0, 0)),
    "same_node": ("3", (150, 80, 600, 700, 0)),
    "other_node": ("4", (150, 120, 800, 350, 1000)),
}
PARTS = ("context_switch", "synchronisation", "misses", "remote", "crossing")


def one_move(core: str, cost: sim.Cost, topology: sim.Topology = SMT) -> Case:
    """A process on core 0 that must go to another core once."""
    return Case((group(affinity=strict("0")),), topology, cost=cost, changes=(move(500_000, core),))


@pytest.mark.parametrize("distance", FLAT_PARTS)
def test_flat_model_is_a_table_by_distance(distance: str) -> None:
    core, parts = FLAT_PARTS[distance]
    out = one_move(core, FLAT).outcome()
    assert tuple(out[f"{part}_cycles"] for part in PARTS) == parts
    assert out["realised_cycles"] == out["estimated_cycles"] == sum(parts)
    assert out[f"realised_{distance}"] == out["realised_cycles"]
    assert out[f"migrations_{distance}"] == out["migration_count"] == 1
    assert out["direct_ns"] == -(-sum(parts) // 3)  # 3000 MHz, rounded up
    assert out["refill_ns"] == 0


@pytest.mark.parametrize("name", [f"{part}_cycles" for part in PARTS])
def test_every_part_of_the_flat_price_is_a_metric(name: str) -> None:
    metrics = one_move("4", FLAT).metrics()
    assert (
        metrics[f"migration_{name}"] == FLAT_PARTS["other_node"][1][PARTS.index(name.removesuffix("_cycles"))]
    )


def test_parts_of_the_mechanistic_price_add_up() -> None:
    cost = sim.Cost(context_switch_cycles=300, sync_lines=3)
    memory = sim.Memory(working_set_bytes=65536, lines_per_reduction=64.0, pattern="dependent")
    case = one_move("4", cost).but(classes=(group(affinity=strict("0"), memory=memory),))
    out, metrics = case.outcome(), case.metrics()
    assert metrics["migration_context_switch_cycles"] == 300
    assert metrics["migration_synchronisation_cycles"] == 3 * 120 * 3
    assert metrics["migration_refill_private_ns"] == 512 * 120
    assert metrics["migration_refill_shared_ns"] == 512 * 120
    refill_cycles = 1024 * 120 * 3
    assert out["realised_cycles"] == 300 + 1080 + refill_cycles
    # of each line's 120 ns, 75 are beyond what one from this node takes
    assert metrics["migration_crossing_cycles"] == refill_cycles // 120 * (120 - 45)
    assert metrics["migration_misses_cycles"] == metrics["migration_remote_cycles"] == 0
    assert out["direct_ns"] == (300 + 1080) // 3
    assert out["refill_ns"] == 1024 * 120


def test_shares_of_overhead_add_up() -> None:
    metrics = one_move("4", sim.Cost()).metrics()
    parts = [metrics[f"{part}_overhead_share"] for part in ("direct", "refill", "remote")]
    assert min(parts) > 0
    assert metrics["migration_overhead_share"] == pytest.approx(sum(parts))


def test_the_charge_takes_the_measured_pair_and_the_estimate_the_class() -> None:
    latency = [[0 if i == j else 50 + 10 * i + j for j in range(8)] for i in range(8)]
    cost = sim.Cost(context_switch_cycles=0, shared_cache=False)
    out = one_move("5", cost, machine(8, 2, 4, core_latency_ns=latency)).outcome()
    lines, pair = 3 + 41 / 8, 55
    assert out["realised_cycles"] == pytest.approx(lines * pair * 3, rel=0.01)
    assert out["estimated_cycles"] == pytest.approx(lines * 120 * 3, rel=0.01)


def stolen_at_once(amount: str, share: float) -> sim.Cost:
    """Counters of one steal: core 0 has ten processes, its neighbour wakes up and takes some."""
    policy = sim.Policy(stealing=sim.Stealing(amount=amount, batch=4), decision=ALWAYS)
    cost = sim.Cost(context_switch_cycles=1000, batch_share=share, wake_ns=100)
    case = Case((group(count=10, start="first"),), machine(2, 2, 2), policy, cost)
    return case.within(1000, window_ns=1000).outcome()


@pytest.mark.parametrize(("amount", "taken"), [("one", 1), ("half", 4), ("batch", 4)])
@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_later_ones_of_a_steal_cost_a_share(amount: str, taken: int, share: float) -> None:
    out = stolen_at_once(amount, share)
    assert out.mechanisms() == {"steal": taken}
    assert out["context_switch_cycles"] == 1000 + (taken - 1) * 1000 * share
    assert out["synchronisation_cycles"] == 180 + (taken - 1) * 180 * share


@pytest.mark.parametrize("share", [0.0, 0.25, 1.0])
def test_later_ones_of_a_balancing_pass_cost_a_share(share: float) -> None:
    policy = sim.Policy(
        stealing=sim.Stealing(victim="off"),
        balancing=sim.Balancing(period_ns=10_000, batch=4),
        decision=ALWAYS,
    )
    cost = sim.Cost(context_switch_cycles=1000, batch_share=share)
    out = (
        Case((group(count=12, start="first"),), machine(2, 2, 2), policy, cost)
        .within(10_500, window_ns=10_000)
        .outcome()
    )
    assert out.mechanisms() == {"balance": 4}
    assert out["context_switch_cycles"] == 1000 + 3 * 1000 * share


def test_batches_of_another_target_begin_anew() -> None:
    """One pass that serves two idle cores in turn pays the full price each time."""
    policy = QUIET
    policy = sim.Policy(
        stealing=policy.stealing, balancing=sim.Balancing(period_ns=10_000, batch=4), decision=ALWAYS
    )
    cost = sim.Cost(context_switch_cycles=1000, batch_share=0.0)
    out = (
        Case((group(count=12, start="first"),), machine(3, 3, 3), policy, cost)
        .within(10_500, window_ns=10_000)
        .outcome()
    )
    assert out.moves() == [(0, 1), (0, 2), (0, 1), (0, 2)]
    assert out["context_switch_cycles"] == 4000


def test_batch_share_applies_to_the_estimate_too() -> None:
    costs = [row["cost_cycles"] for row in stolen_at_once("batch", 0.25).decisions]
    full = 1000 + 180
    refill = costs[0] - full
    assert costs == [full + refill] + [full // 4 + refill] * 3


def test_prices_in_cycles_take_longer_on_a_slow_clock() -> None:
    slow = machine(8, 4, 4, core_frequency_mhz=[3000] * 4 + [1000] * 4)
    fast, late = (one_move(core, FLAT, slow).outcome()["direct_ns"] for core in ("1", "4"))
    assert fast == 134  # 150 + 50 + 200 cycles at 3 GHz
    assert late == 120 + 150 + 800 + 350 + 1000


def test_dispatch_and_wake_have_a_price() -> None:
    """Two processes that take turns pay the dispatch each time; a sleeping core is woken after wake_ns."""
    case = Case(
        (group(count=2, start="first"),), machine(1, 1, 1), cost=sim.Cost(dispatch_cycles=3000, wake_ns=0)
    )
    out = case.outcome()
    assert out["busy_ns"] == 2_000_000 - 0
    assert out["reductions"] == pytest.approx(2_000_000 / (40_000 + 1000) * 4000, rel=0.02)
    sleeper = Case((group(program=(run(100), block(9000))),), machine(1, 1, 1))
    counts = [
        sleeper.but(cost=cost).outcome()["activation_count"] for cost in (FREE, sim.Cost(dispatch_cycles=0))
    ]
    assert counts == [2_000_000 // 10_000, pytest.approx(2_000_000 / 13_000, abs=2)]
