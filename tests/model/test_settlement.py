"""Was it worth it: what a migration was expected to bring, and what came of it."""

import dataclasses

import pytest

import sim
from tests.analytic.machines import machine
from tests.model.lanes import ALWAYS, BARE, NO_STEALING, Case, block, group, move, run, strict

WORK = (run(20_000), sim.Step(op="exit"))
PAIR = machine(2, 2, 2)
SLOW_THERE = machine(2, 2, 2, core_speed=[1.0, 0.25], core_type=[0, 1])


def one_move(topology: sim.Topology = PAIR, cycles: int = 0, **fields) -> Case:
    """Four of 200 us on core 0, in slices of 40 us; the balancing pass after 100 us moves the last."""
    policy = sim.Policy(
        stealing=NO_STEALING,
        balancing=sim.Balancing(period_ns=100_000, batch=1, imbalance=4),
        decision=ALWAYS,
    )
    cost = dataclasses.replace(BARE, context_switch_cycles=cycles)
    fields = {"count": 4, "program": WORK, "start": "first"} | fields
    return Case((group(**fields),), topology, policy, cost)


def test_a_free_move_out_of_a_long_queue_pays_off() -> None:
    """Three slices of 40 us come before it here, nothing there; and that is what was estimated."""
    out = one_move().outcome()
    assert (out["migration_count"], out["settled_count"], out["paid_off_count"]) == (1, 1, 1)
    assert out["realised_benefit_ns"] == 3 * 40_000
    assert out["estimated_benefit_cycles"] == 3 * 40_000 * 3


def test_a_move_dearer_than_the_wait_does_not_pay_off() -> None:
    out = one_move(cycles=3_000_000).outcome()  # 1 ms
    assert (out["migration_count"], out["settled_count"], out["paid_off_count"]) == (1, 1, 0)
    assert out["realised_benefit_ns"] == 3 * 40_000


@pytest.mark.parametrize(("cycles", "pays"), [(359_990, 1), (360_010, 0)])
def test_it_pays_off_if_the_benefit_exceeds_the_cost(cycles: int, pays: int) -> None:
    assert one_move(cycles=cycles).outcome()["paid_off_count"] == pays


def test_a_move_to_a_slow_core_does_not_pay_off() -> None:
    """It saves 120 us of waiting and then runs 16 000 reductions 30 ns slower each: 480 us."""
    out = one_move(SLOW_THERE).outcome()
    assert out["paid_off_count"] == 0
    assert out["realised_benefit_ns"] == 3 * 40_000 - 16_000 * 30
    # the estimate takes the class's mean, 20 000 reductions
    assert out["estimated_benefit_cycles"] == (3 * 40_000 - 20_000 * 30) * 3


def test_metrics_are_the_counters_by_migration() -> None:
    metrics = one_move(SLOW_THERE).metrics()
    assert metrics["migration_paid_off_share"] == 0.0
    assert metrics["migration_benefit_realised_ns"] == -360_000
    assert metrics["migration_benefit_estimated_cycles"] == -480_000 * 3
    assert one_move().metrics()["migration_paid_off_share"] == 1.0


def test_waiting_after_the_move_is_subtracted() -> None:
    """Another process is on core 1 when it comes: it waits for the rest of that one's slice."""
    other = group("other", 1, (run(4_000),), affinity=strict("1"))
    case = one_move(count=5)
    out = case.but(classes=(*case.classes, other)).within(1_000_000).outcome()
    assert out["settled_count"] == 1
    assert out["realised_benefit_ns"] == 4 * 40_000 - 20_000


def test_a_move_is_settled_by_the_next_one() -> None:
    """Forced to and fro, expecting nothing: each is settled when the next comes, the last one never."""
    changes = tuple(move(100_000 * (i + 1), str(1 - i % 2)) for i in range(5))
    case = Case((group(affinity=strict("0"), program=(run(10_000),)),), PAIR, cost=BARE, changes=changes)
    out = case.outcome()
    assert (out["migration_count"], out["settled_count"], out["paid_off_count"]) == (5, 4, 0)
    assert out["estimated_benefit_cycles"] == 0


def test_a_move_is_settled_when_the_process_blocks() -> None:
    case = one_move(program=(run(20_000), block(10**9)))
    assert case.outcome()["settled_count"] == 1
    assert case.within(150_000).outcome()["settled_count"] == 0


def test_a_forced_move_to_a_fast_core_brings_its_speed() -> None:
    """Expected nothing, gains 30 ns on each reduction that was left."""
    changes = (move(400_000, "0"),)
    case = Case((group(program=WORK, affinity=strict("1")),), SLOW_THERE, cost=BARE, changes=changes)
    out = case.outcome()
    assert (out["migration_count"], out["paid_off_count"]) == (1, 1)
    left = 20_000 - 12_000  # slices of 4000 take 160 us there: the third ends after 480 us
    assert out["realised_benefit_ns"] == left * 30


def test_a_good_policy_pays_off_more_often_than_a_careless_one() -> None:
    """Dear migrations: those that pass a test of cost against benefit are worth it more often."""
    program = (sim.Step(op="run", draw=sim.Distribution(mean=3000.0)), block(60_000))
    policy = sim.Policy(placement=sim.Placement(wake="random"), stealing=NO_STEALING)
    cost = dataclasses.replace(BARE, context_switch_cycles=90_000)
    case = Case((group(count=24, program=program),), policy=policy, cost=cost).within(20_000_000)
    weighed, careless = case.metrics(), case.policy_but(decision=ALWAYS).metrics()
    assert weighed["settled_count"] > 100
    assert weighed["migration_paid_off_share"] > careless["migration_paid_off_share"] + 0.2
    assert weighed["sojourn_mean_ns"] < careless["sojourn_mean_ns"]
