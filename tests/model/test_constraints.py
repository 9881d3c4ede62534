"""What keeps migrations rare: no ping-pong, room at the target, limits and the storm detector."""

import itertools
from collections.abc import Iterable

import pytest

import sim
from sim.kernels import log as codes
from tests.analytic.machines import machine
from tests.model.lanes import (
    ALWAYS,
    BARE,
    NO_STEALING,
    TWO_SOCKETS,
    Case,
    Outcome,
    block,
    group,
    move,
    run,
    strict,
)

DRAWN = sim.Step(op="run", draw=sim.Distribution(mean=500.0))
PAUSE = sim.Step(op="block", draw=sim.Distribution(mean=5_000.0))


def restless(limits: sim.Limits | None = None, topology: sim.Topology = TWO_SOCKETS) -> Case:
    """Woken anywhere, sixteen processes migrate as often as they may."""
    policy = sim.Policy(
        placement=sim.Placement(wake="random"), decision=ALWAYS, limits=limits or sim.Limits(),
        stealing=NO_STEALING,
    )  # fmt: skip
    return Case((group(count=16, program=(DRAWN, PAUSE)),), topology, policy, BARE)


def times(out: Outcome) -> list[int]:
    """Times of all migrations."""
    return [row[0] for row in out.entries(codes.MIGRATE)]


def fullest(moments: Iterable[int], window_ns: int) -> int:
    """Most of these moments in any window of a length."""
    moments = sorted(moments)
    first, most = 0, 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - window_ns:
            first += 1
        most = max(most, last - first + 1)
    return most


def returns(out: Outcome, window_ns: int) -> int:
    """Migrations to the core that the process's last one left, by the log."""
    left: dict[int, tuple[int, int]] = {}
    count = 0
    for time_ns, _, target, p, source, _ in out.entries(codes.MIGRATE):
        count += p in left and left[p][0] == target and time_ns - left[p][1] < window_ns
        left[p] = (source, time_ns)
    return count


@pytest.mark.parametrize("window_ns", [0, 10_000, 50_000, 1_000_000])
def test_ping_pong_is_counted_in_any_case(window_ns: int) -> None:
    out = restless(
        sim.Limits(process=sim.ProcessLimit(return_window_ns=window_ns)), machine(3, 3, 3)
    ).outcome()
    assert out["return_count"] == returns(out, window_ns)
    assert out["return_count"] > 100 or window_ns <= 10_000
    assert out["denied_return"] == 0


@pytest.mark.parametrize("window_ns", [50_000, 1_000_000])
def test_ping_pong_can_be_forbidden(window_ns: int) -> None:
    limit = sim.ProcessLimit(return_window_ns=window_ns, forbid_return=True)
    out = restless(sim.Limits(process=limit), machine(3, 3, 3)).outcome()
    assert out["denied_return"] > 0
    assert out["return_count"] == returns(out, window_ns) == 0
    assert out["migration_count"] > 100


def test_other_limits_do_not_forbid_returns() -> None:
    limit = sim.ProcessLimit(return_window_ns=1_000_000, max_migrations=1_000_000)
    out = restless(sim.Limits(process=limit), machine(3, 3, 3)).outcome()
    assert out["return_count"] == returns(out, 1_000_000) > 100
    assert out["denied_return"] == 0


def test_on_two_cores_forbidding_returns_holds_a_process_for_the_window() -> None:
    limit = sim.ProcessLimit(return_window_ns=100_000, forbid_return=True)
    out = restless(sim.Limits(process=limit), machine(2, 2, 2)).outcome()
    by_process: dict[int, list[int]] = {}
    for time_ns, _, _, p, _, _ in out.entries(codes.MIGRATE):
        by_process.setdefault(p, []).append(time_ns)
    assert all(fullest(moments, 100_000) == 1 for moments in by_process.values())
    assert len(by_process) == 16


def test_forced_moves_may_return() -> None:
    changes = tuple(move(100_000 * (i + 1), str(1 - i % 2)) for i in range(6))
    limits = sim.Limits(process=sim.ProcessLimit(forbid_return=True, max_migrations=0))
    case = Case((group(affinity=strict("0")),), policy=sim.Policy(limits=limits), changes=changes)
    out = case.outcome()
    assert (out["migration_count"], out["return_count"], out["denied_return"]) == (6, 5, 0)
    assert case.metrics()["return_share"] == pytest.approx(5 / 6)


@pytest.mark.parametrize("capacity", [1, 2])
def test_nobody_migrates_into_a_full_queue(capacity: int) -> None:
    case = restless(topology=machine(2, 2, 2)).but(classes=(group(count=6, program=(DRAWN, PAUSE)),))
    for each, holds in ((case.within(2_000_000, queue_capacity=capacity), True), (case, False)):
        out = each.outcome()
        loads = [row["target_load"] for row in out.decisions if row["verdict"] == -1]
        assert (max(loads) <= capacity) == holds  # of them one runs, or the core sleeps
        assert (out["denied_capacity"] > 0) == holds
        assert len(loads) > 20


def test_a_thief_outside_the_mask_is_refused() -> None:
    classes = (group("p", 6, affinity=strict("0-1")), group("q", 1))
    policy = sim.Policy(decision=ALWAYS, stealing=sim.Stealing(poll_ns=5_000))
    out = Case(classes, policy=policy).outcome()
    assert out["denied_mask"] > 0
    assert {row[2] for row in out.entries(codes.MIGRATE) if row[3] < 6} <= {0, 1}


@pytest.mark.parametrize("count", [1, 3])
def test_a_process_migrates_so_often_in_its_window(count: int) -> None:
    limit = sim.Limits(process=sim.ProcessLimit(max_migrations=count, window_ns=200_000))
    for case, holds in ((restless(limit), True), (restless(), False)):
        out = case.outcome()
        moments = [[row[0] for row in out.entries(codes.MIGRATE) if row[3] == p] for p in range(16)]
        most = max(fullest(each, 200_000) for each in moments)
        assert (most <= count) == holds
        assert (out["denied_process_limit"] > 0) == holds


def test_a_process_waits_between_migrations() -> None:
    out = restless(sim.Limits(process=sim.ProcessLimit(min_interval_ns=100_000))).outcome()
    for p in range(16):
        moments = [row[0] for row in out.entries(codes.MIGRATE) if row[3] == p]
        assert len(moments) > 3
        assert min(b - a for a, b in itertools.pairwise(moments)) >= 100_000


@pytest.mark.parametrize("rate_per_s", [20_000.0, 100_000.0])
def test_a_core_takes_part_in_so_many(rate_per_s: float) -> None:
    limit = sim.Limits(core=sim.RateLimit(rate_per_s=rate_per_s, window_ns=100_000))
    for case, holds in ((restless(limit), True), (restless(), False)):
        out = case.outcome()
        ends = [[row[0] for row in out.entries(codes.MIGRATE) for end in (row[2], row[4]) if end == core]
                for core in range(8)]  # fmt: skip
        most = max(fullest(each, 100_000) for each in ends)
        assert (most <= rate_per_s / 10_000) == holds
        assert (out["denied_core_limit"] > 0) == holds


@pytest.mark.parametrize("rate_per_s", [50_000.0, 200_000.0])
def test_the_machine_does_so_many(rate_per_s: float) -> None:
    limit = sim.Limits(system=sim.RateLimit(rate_per_s=rate_per_s, window_ns=100_000))
    for case, holds in ((restless(limit), True), (restless(), False)):
        out = case.outcome()
        assert (fullest(times(out), 100_000) <= rate_per_s / 10_000) == holds
        assert (out["denied_system_limit"] > 0) == holds


def test_a_rate_of_zero_is_never() -> None:
    for limit in (
        sim.Limits(system=sim.RateLimit(rate_per_s=0)),
        sim.Limits(core=sim.RateLimit(rate_per_s=0)),
    ):
        assert restless(limit).outcome()["migration_count"] == 0


def test_a_burst_takes_the_tokens_and_then_the_refill() -> None:
    """Ten at once, then one each 50 us: 10 + 40 in 2 ms."""
    limit = sim.Limits(burst=sim.BurstLimit(capacity=10, refill_per_s=20_000.0))
    out = restless(limit).outcome()
    assert len(times(out)) == pytest.approx(50, abs=2)
    assert times(out)[9] < 30_000
    assert fullest(times(out)[10:], 50_000) <= 2
    assert out["denied_burst"] > 0


def test_a_storm_is_stopped_for_a_while() -> None:
    """The same workload storms without the detector: more than 50 migrations in 100 us."""
    burst = sim.BurstLimit(storm_count=20, storm_window_ns=100_000, cooldown_ns=400_000)
    wild, calm = restless().outcome(), restless(sim.Limits(burst=burst)).outcome()
    assert fullest(times(wild), 100_000) > 50
    assert wild["storm_count"] == wild["denied_storm"] == 0
    assert calm["storm_count"] >= 3
    assert calm["denied_storm"] > 100
    assert fullest(times(calm), 100_000) == 20
    gaps = [b - a for a, b in zip(times(calm), times(calm)[1:], strict=False)]
    assert sum(gap >= 400_000 for gap in gaps) in (calm["storm_count"], calm["storm_count"] - 1)


def test_a_storm_is_counted_once() -> None:
    """Its history is cleared: in a window without end, every twentieth migration is a storm."""
    burst = sim.BurstLimit(storm_count=20, storm_window_ns=10_000_000, cooldown_ns=1_000)
    out = restless(sim.Limits(burst=burst)).outcome()
    assert out["storm_count"] == out["migration_count"] // 20 > 5


def test_the_storm_detector_leaves_a_calm_workload_alone() -> None:
    burst = sim.BurstLimit(storm_count=20, storm_window_ns=100_000)
    program = (run(500), block(500_000))
    case = restless(sim.Limits(burst=burst))
    out = case.but(classes=(group(count=4, program=program),)).outcome()
    assert out["migration_count"] > 5
    assert out["storm_count"] == out["denied_storm"] == 0
