"""The decision log says the same as the counters."""

from collections import Counter

import pytest

import sim
from sim.kernels import log as codes
from tests.model.lanes import TWO_SOCKETS, Case, block, change, group, move, run


def busy(rule: str) -> Case:
    """Waking, stealing, balancing, limits, faults and affinity changes at once."""
    policy = sim.Policy(
        placement=sim.Placement(spawn="random", wake="random"),
        balancing=sim.Balancing(period_ns=30_000),
        decision=sim.Decision(rule=rule),
        limits=sim.Limits(
            process=sim.ProcessLimit(min_interval_ns=20_000, forbid_return=True),
            burst=sim.BurstLimit(capacity=20, refill_per_s=2e5, storm_count=15, storm_window_ns=30_000,
                                 cooldown_ns=20_000),
        ),
    )  # fmt: skip
    drawn = sim.Step(op="run", draw=sim.Distribution(mean=800.0))
    pause = sim.Step(op="block", draw=sim.Distribution(mean=9000.0))
    classes = (
        group("p", 12, (drawn, pause)),
        group(
            "q", 12, (drawn, block(3000)), start="first", affinity=sim.Affinity(type="strict", cores="0-5")
        ),
        group("r", 4, (run(2000),), start="first"),
    )
    changes = (
        move(300_000, "2-3"),
        change(500_000, "core_offline", "1"),
        change(700_000, "core_online", "1"),
        change(900_000, "power_down", "6-7"),
    )
    cost = sim.Cost(wake_ns=500)
    return Case(classes, TWO_SOCKETS, policy, cost, changes=changes).within(1_500_000, quantum_reds=500)


@pytest.mark.parametrize("rule", ["cost_benefit", "always", "remaining_life"])
def test_rows_add_up_to_the_counters(rule: str) -> None:
    out = busy(rule).outcome()
    rows = out.decisions
    verdicts = Counter(row["verdict"] for row in rows)
    assert not out.status() & sim.LaneStatus.DECISIONS_FULL
    assert len(out.denials()) >= 4
    for i, reason in enumerate(sim.REASONS):
        assert verdicts[i] == out[f"denied_{reason}"], reason
    forced = sum(out[f"migrations_{name}"] for name in ("affinity", "failure", "power"))
    assert forced > 0
    assert verdicts[-2] == forced
    assert verdicts[-1] == out["migration_count"] - forced > 0
    assert len(rows) - forced == out["migration_attempt_count"]
    by_mechanism = Counter(sim.MECHANISMS[row["mechanism"]] for row in rows if row["verdict"] < 0)
    assert by_mechanism == out.mechanisms()
    assert sum(row["cost_cycles"] for row in rows if row["verdict"] < 0) == out["estimated_cycles"]
    assert (
        sum(row["benefit_cycles"] for row in rows if row["verdict"] == -1) == out["estimated_benefit_cycles"]
    )


def test_rows_are_those_of_the_event_log() -> None:
    out = busy("cost_benefit").outcome()
    logged = [
        (time_ns, process, source, target, reason if code == codes.DENY else None)
        for time_ns, code, target, process, source, reason in out.log.tolist()
        if code in (codes.MIGRATE, codes.DENY)
    ]
    rows = [
        (row["time_ns"], row["process"], row["source"], row["target"],
         row["verdict"] if row["verdict"] >= 0 else None)
        for row in out.decisions
    ]  # fmt: skip
    assert rows == logged


def test_what_passed_is_worth_it_and_what_was_refused_for_its_benefit_is_not() -> None:
    rows = busy("cost_benefit").outcome().decisions
    worth = {row["verdict"]: set() for row in rows if row["verdict"] in (-1, sim.REASONS.index("benefit"))}
    for row in rows:
        if row["verdict"] in worth:
            worth[row["verdict"]].add(row["benefit_cycles"] << 16 > row["cost_cycles"] * row["factor_q16"])
    assert worth == {-1: {True}, sim.REASONS.index("benefit"): {False}}


def test_keeping_a_log_changes_nothing() -> None:
    case = busy("cost_benefit")
    with_log, without = case.outcome(), case.outcome(capacity=0, decisions=0)
    assert {name: value for name, value in with_log.items() if name not in ("decisions", "status")} == {
        name: value for name, value in without.items() if name not in ("decisions", "status")
    }
    # a log without room is full at its first entry
    assert not with_log.status() & (sim.LaneStatus.LOG_FULL | sim.LaneStatus.DECISIONS_FULL)
