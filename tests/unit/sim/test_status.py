"""Conditions that stop or mark a lane: each occurs, is reported in a sentence, and leaves usable columns."""

import numpy as np
import pytest

import sim
from sim.arena import Arena
from sim.layout import step as T
from sim.layout import table as G
from sim.layout.status import SENTENCES
from sim.plan import plan_of
from sim.simulate import run_one
from sim.workload.replay import ReplayOp
from tests.analytic.machines import machine

RUN = sim.Step(op="run", draw=sim.Distribution(kind="deterministic", mean=100.0))
EXIT = sim.Step(op="exit")
Status = sim.LaneStatus


def simulate(*classes: sim.ProcessClass, **fields) -> tuple[Status, dict[str, float]]:
    """Status and metrics of one lane on two cores."""
    simulation = sim.Simulation(**{"horizon_ns": 2_000_000, "warmup_ns": 0, "window_ns": 100_000, **fields})
    workload = sim.Workload(classes=classes)
    result = sim.simulate(machine(2, 2, 2), workload, [sim.Lane(sim.Policy())], simulation)
    assert result.core_utilisation.shape == (1, 2)
    assert np.isfinite(result.core_utilisation).all()
    return Status(int(result.columns["status"][0])), {
        name: column[0] for name, column in result.columns.items()
    }


def test_completed() -> None:
    status, metrics = simulate(sim.ProcessClass(name="one", count=3, program=(RUN,)))
    assert status == Status.COMPLETED
    assert not status.is_failure
    assert status.describe() == "The lane reached its horizon."
    assert metrics["utilisation"] > 0.9


@pytest.mark.parametrize("limit", [1, 2, 77, 1000])
def test_event_limit(limit: int) -> None:
    status, metrics = simulate(sim.ProcessClass(name="one", count=3, program=(RUN,)), max_events=limit)
    assert status == Status.EVENT_LIMIT
    assert status.is_failure
    assert "max_events" in status.describe()
    assert metrics["event_count"] <= limit


def test_process_limit_of_arrivals() -> None:
    arrival = sim.Arrival(kind="poisson", rate_per_s=1e7)
    status, metrics = simulate(
        sim.ProcessClass(name="one", arrival=arrival, program=(RUN, EXIT)), max_processes=20
    )
    assert status == Status.COMPLETED | Status.PROCESS_LIMIT
    assert status.is_failure
    assert "max_processes" in status.describe()
    assert metrics["refused_count"] > 1000
    assert metrics["completed_count"] > 100


def test_process_limit_of_children() -> None:
    parent = sim.ProcessClass(
        name="parent", count=2, program=(RUN, sim.Step(op="spawn", to="child", count=50))
    )
    child = sim.ProcessClass(name="child", program=(RUN, RUN, EXIT))
    status, metrics = simulate(parent, child, max_processes=30)
    assert Status.PROCESS_LIMIT in status
    assert Status.COMPLETED in status
    assert metrics["refused_count"] > 0


def test_message_limit() -> None:
    """Nobody takes these messages: the pool ends."""
    flood = sim.Step(op="send", to="sink", count=10_000)
    sender = sim.ProcessClass(name="sender", count=1, program=(RUN, flood))
    sink = sim.ProcessClass(name="sink", count=1, program=(RUN,))
    status, metrics = simulate(sender, sink)
    assert status == Status.COMPLETED | Status.MESSAGE_LIMIT
    assert status.is_failure
    assert metrics["lost_message_count"] > 0
    assert "messages were lost" in status.describe()


def chatter(sends: int) -> sim.ReplayTrace:
    """A process of a trace that sends so often before it runs; a class program cannot, it ends or runs."""
    rows = [(ReplayOp.BEGIN, 2616), *[(ReplayOp.SEND, -1)] * sends, (ReplayOp.RUN, 500)]
    op, value = (
        np.array(column, kind) for column, kind in zip(zip(*rows, strict=True), ("i1", "i8"), strict=True)
    )
    nobody, first = np.full(op.size, -1, np.int32), np.zeros(op.size, np.int32)
    return sim.ReplayTrace("chatter", first, op, value, nobody, 10_000, 10.0, schedulers=1, busy_ns=500)


def test_a_trace_may_send_as_often_as_it_likes() -> None:
    replay = sim.Replay(trace=chatter(100_001), stagger_ns=0)
    simulation = sim.Simulation(horizon_ns=10_000, warmup_ns=0, window_ns=1000)
    result = sim.simulate(machine(2, 2, 2), replay, [sim.Lane(sim.Policy())], simulation)
    assert result.columns["status"].tolist() == [Status.COMPLETED]
    assert result.columns["activation_count"].tolist() == [1]


def test_stuck_program() -> None:
    """No valid program gets stuck: it runs in every turn, or exits. So one is bent after it was checked."""
    program = (RUN, sim.Step(op="reply"))
    workload = sim.Workload(classes=(sim.ProcessClass(name="one", count=2, program=program),))
    simulation = sim.Simulation(horizon_ns=10_000, warmup_ns=0, window_ns=1000)
    plan = plan_of(machine(2, 2, 2), workload, [sim.Lane(sim.Policy())], simulation)
    steps = plan.tables.whole[plan.tables.whole[G.STEPS] :]
    assert steps[T.OP] == T.RUN
    steps[T.OP] = T.REPLY
    number, metrics, _ = run_one(plan, Arena(plan), 0)
    status = Status(number)
    assert status == Status.STUCK
    assert status.is_failure
    assert "run step" in status.describe()
    assert metrics["completed_count"] <= 1


def test_log_full_keeps_the_first_entries() -> None:
    workload = sim.Workload(classes=(sim.ProcessClass(name="one", count=3, program=(RUN,)),))
    simulation = sim.Simulation(horizon_ns=100_000, warmup_ns=0, window_ns=10_000)
    parts = (machine(2, 2, 2), workload, sim.Lane(sim.Policy()), simulation)
    short, counters = sim.simulate_logged(*parts, capacity=10)
    whole, others = sim.simulate_logged(*parts, capacity=10_000)
    assert Status(counters["status"]) == Status.COMPLETED | Status.LOG_FULL
    assert len(short) == 10
    assert (short == whole[:10]).all()
    assert not Status(counters["status"]).is_failure
    assert Status(others["status"]) == Status.COMPLETED


def test_an_idle_lane_has_no_ratios_and_no_crash() -> None:
    arrival = sim.Arrival(kind="deterministic", rate_per_s=1e-3)
    status, metrics = simulate(sim.ProcessClass(name="one", arrival=arrival, program=(RUN, EXIT)))
    assert status == Status.COMPLETED
    assert metrics["idle_share"] == 1.0
    assert metrics["utilisation"] == 0.0
    assert np.isnan(metrics["sojourn_mean_ns"])
    assert np.isnan(metrics["migration_success_rate"])


def test_every_condition_has_a_sentence() -> None:
    assert set(SENTENCES) == set(Status)
    assert all(len(Status.describe(status)) > 10 for status in Status)
    assert Status(0).is_failure


def test_columns_are_those_of_the_table_and_within_their_ranges() -> None:
    _, metrics = simulate(
        sim.ProcessClass(
            name="one", count=9, program=(RUN, sim.Step(op="block", draw=sim.Distribution(mean=500.0)))
        )
    )
    assert list(metrics) == ["status", *sim.METRICS]
    for name, metric in sim.METRICS.items():
        value = metrics[name]
        assert np.isnan(value) or metric.low <= value <= metric.high, name
