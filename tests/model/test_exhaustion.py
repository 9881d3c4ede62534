"""What is full is counted, and named in the lane's status; nothing breaks."""

import pytest

import sim
from tests.analytic.machines import machine
from tests.model.lanes import FREE, QUIET, Case, block, group, run

FOR_EVER = (run(1000),)
TINY = sim.Simulation(horizon_ns=2_000_000, warmup_ns=0, window_ns=100_000)


def arriving(program: tuple[sim.Step, ...], **fields) -> sim.ProcessClass:
    """Ten processes a millisecond... a hundred, one each 10 us."""
    arrival = sim.Arrival(kind="deterministic", rate_per_s=100_000)
    return sim.ProcessClass(name="guest", arrival=arrival, program=program, **fields)


def full_table() -> Case:
    """200 arrive and never exit; 50 fit."""
    return Case((arriving(FOR_EVER),), cost=FREE).within(2_000_000, max_processes=50)


def full_queue() -> Case:
    """Twelve on one core whose queue takes five."""
    classes = (group(count=12, program=(block(1000), run(1000))),)
    return Case(classes, machine(1, 1, 1), cost=FREE).within(2_000_000, queue_capacity=5)


def full_mailbox(capacity: int | None = 3) -> Case:
    """A sender that is faster than the receiver."""
    sender = group("sender", 1, (run(100), sim.Step(op="send", to="sink")))
    sink = group("sink", 1, (sim.Step(op="receive"), run(10_000)), start="random")
    return Case((sender, sink), machine(2, 2, 2), cost=FREE).within(2_000_000, mailbox_capacity=capacity)


def full_memory() -> Case:
    """Ten of 100 kB, two nodes of 400 kB."""
    memory = sim.Memory(working_set_bytes=100_000)
    return Case((group(count=10, memory=memory),), cost=sim.Cost()).within(
        2_000_000, node_memory_bytes=400_000
    )


def full_pool() -> Case:
    """Nobody takes these messages."""
    sender = group("sender", 1, (run(1), sim.Step(op="send", to="sink", count=100)))
    sink = group("sink", 1, (run(10**9),))
    return Case((sender, sink), machine(2, 2, 2), cost=FREE).within(2_000_000, max_processes=2)


# case, flag, counter that counts it, what the status tells one to raise
FULL = {
    "process_table": (full_table(), "PROCESS_LIMIT", "refused_count", "max_processes"),
    "queue": (full_queue(), "QUEUE_LIMIT", "queue_overflow_count", "queue_capacity"),
    "mailbox": (full_mailbox(), "MAILBOX_LIMIT", "mailbox_overflow_count", "mailbox_capacity"),
    "node_memory": (full_memory(), "MEMORY_LIMIT", "memory_overflow_count", "node_memory_bytes"),
    "message_pool": (full_pool(), "MESSAGE_LIMIT", "lost_message_count", "max_processes"),
}


@pytest.mark.parametrize("what", FULL)
def test_it_is_counted_named_and_survived(what: str) -> None:
    case, flag, counter, advice = FULL[what]
    out = case.outcome(capacity=0, decisions=0)
    assert out[counter] > 0
    assert out.status() == sim.LaneStatus.COMPLETED | sim.LaneStatus[flag]
    assert out.status().is_failure
    assert advice in out.status().describe()
    assert case.metrics()[counter] == out[counter]
    assert case.result().columns["status"][0] == out["status"]


def test_the_process_table_refuses_what_does_not_fit() -> None:
    out = full_table().outcome()
    assert out["created_count"] == 50
    assert out["refused_count"] == pytest.approx(150, abs=1)


def test_slots_of_those_who_exit_are_used_again() -> None:
    case = Case((arriving((run(100), sim.Step(op="exit"))),), cost=FREE).within(2_000_000, max_processes=3)
    out = case.outcome()
    assert out["completed_count"] == pytest.approx(200, abs=1)
    assert out["refused_count"] == 0
    assert not out.status().is_failure


def test_a_full_queue_takes_them_all_the_same() -> None:
    """Nothing is lost: the overflow is a warning that the lane is not what one meant."""
    full, roomy = full_queue().outcome(), full_queue().within(2_000_000, queue_capacity=None).outcome()
    assert full["reductions"] == roomy["reductions"]
    assert roomy["queue_overflow_count"] == 0


def test_a_full_mailbox_loses_what_comes() -> None:
    out, roomy = full_mailbox().outcome(), full_mailbox(None).outcome()
    assert out["lost_message_count"] == out["mailbox_overflow_count"] > 500
    assert roomy["lost_message_count"] == roomy["mailbox_overflow_count"] == 0
    assert not roomy.status().is_failure


def test_a_call_to_a_full_mailbox_ends_at_once() -> None:
    """Nine callers of a server that answers one each millisecond and keeps two: seven go on calling."""
    caller = group("caller", 9, (run(1000), sim.Step(op="call", to="server")))
    server = group("server", 1, (sim.Step(op="receive"), run(100_000), sim.Step(op="reply")))
    case = Case((caller, server), machine(4, 4, 4), cost=FREE, policy=QUIET)
    out = case.within(2_000_000, mailbox_capacity=2).outcome()
    patient = case.outcome()
    assert out["mailbox_overflow_count"] > 50
    assert out["reductions"] > 1.5 * patient["reductions"]
    assert patient["lost_message_count"] == 0


@pytest.mark.parametrize("entries", [1, 7, 100])
def test_a_full_event_log_keeps_its_first_entries(entries: int) -> None:
    case = Case((group(count=4),))
    out, whole = case.outcome(capacity=entries), case.outcome()
    assert sim.LaneStatus.LOG_FULL in out.status()
    assert "event log" in out.status().describe()
    assert not out.status().is_failure
    assert out.log.tolist() == whole.log[:entries].tolist()


@pytest.mark.parametrize("rows", [1, 20])
def test_a_full_decision_log_keeps_its_first_rows(rows: int) -> None:
    policy = sim.Policy(placement=sim.Placement(wake="random"), balancing=sim.Balancing(period_ns=10_000))
    pause = sim.Step(op="block", draw=sim.Distribution(mean=5_000.0))
    program = (sim.Step(op="run", draw=sim.Distribution(mean=500.0)), pause)
    case = Case((group(count=20, program=program),), policy=policy)
    out, whole = case.outcome(decisions=rows), case.outcome()
    assert sim.LaneStatus.DECISIONS_FULL in out.status()
    assert "decision log" in out.status().describe()
    assert not out.status().is_failure
    assert len(whole.decisions) > rows
    assert out.decisions == whole.decisions[:rows]
    assert out["migration_attempt_count"] == whole["migration_attempt_count"]


def test_the_limit_of_events_stops_a_lane() -> None:
    out = Case((group(count=4),)).within(2_000_000, max_events=30).outcome()
    assert sim.LaneStatus.EVENT_LIMIT in out.status()
    assert sim.LaneStatus.COMPLETED not in out.status()
    assert "max_events" in out.status().describe()


def test_several_at_once_are_all_named() -> None:
    memory = sim.Memory(working_set_bytes=100_000)
    case = Case((arriving(FOR_EVER, memory=memory, start="first"),), machine(1, 1, 1), cost=FREE)
    out = case.within(2_000_000, max_processes=20, queue_capacity=3, node_memory_bytes=500_000).outcome()
    flags = sim.LaneStatus.PROCESS_LIMIT | sim.LaneStatus.QUEUE_LIMIT | sim.LaneStatus.MEMORY_LIMIT
    assert out.status() == flags | sim.LaneStatus.COMPLETED
    text = out.status().describe()
    assert all(name in text for name in ("max_processes", "queue_capacity", "node_memory_bytes"))
