"""Schedulers that spin, moves by the system, and recorded processes that begin away, counted by hand."""

import dataclasses

import numpy as np

import sim
from sim.workload.replay import NO_PEER, ReplayOp
from tests.oracle.corners import QUIET, exact
from tests.oracle.erts_corners import beam
from tests.oracle.handmade import machine, scenario, workload
from tests.reference import LogCode
from tests.reference.compare import run_reference

QUANTUM_NS = 12_000


def sharing(spin_ns: int):
    """Two schedulers that do not steal, on one core; each has a process that runs 1 us and sleeps 6 us."""
    policy = dataclasses.replace(beam(S="2", sbt="u"), stealing=sim.Stealing(victim="off"))
    cost = dataclasses.replace(QUIET, spin_ns=spin_ns, spin_wake_ns=0)
    base = scenario(
        machine(1),
        workload(exact(2, 100, 6000)),
        policy,
        cost,
        warmup_ns=0,
        horizon_ns=14_900,
        window_ns=10_000,
    )
    binding = sim.Binding(period_ns=0, os_quantum_ns=QUANTUM_NS, os_switch_ns=0)
    return dataclasses.replace(base, binding=binding)


def times(r, code: LogCode, index: int) -> list[int]:
    """Times of entries: stalls of a scheduler, else what happens to a process."""
    column = 2 if code == LogCode.STALL else 3
    return [entry[0] for entry in r.log if entry[1] == code and entry[column] == index]


def test_who_spins_keeps_the_core_until_its_quantum_ends() -> None:
    r = run_reference(sharing(spin_ns=10_000))
    # Scheduler 0 has the poll role when it rests at 1000: it leaves the core to 1, which spins from 2000 and
    # again from 9000. Woken at 7000, 0 waits until 1 has had the core from 1000 on for a quantum.
    assert times(r, LogCode.DISPATCH, 1) == [1000, 8000]
    assert times(r, LogCode.DISPATCH, 0) == [0, 1000 + QUANTUM_NS]
    assert times(r, LogCode.STALL, 0) == [7000]
    assert times(r, LogCode.STALL, 1) == [0]


def test_who_has_spun_does_not_keep_the_core() -> None:
    r = run_reference(sharing(spin_ns=4500))
    assert times(r, LogCode.DISPATCH, 0) == [0, 7000, 14_000]
    assert times(r, LogCode.DISPATCH, 1) == [1000, 8000]
    assert times(r, LogCode.STALL, 0) == []


def test_the_beam_does_not_poll() -> None:
    base = sharing(spin_ns=0)
    policy = dataclasses.replace(base.policy, stealing=sim.Stealing(victim="erts", poll_ns=100))
    polling = run_reference(dataclasses.replace(base, policy=policy))
    policy = dataclasses.replace(base.policy, stealing=sim.Stealing(victim="erts", poll_ns=0))
    assert polling.log == run_reference(dataclasses.replace(base, policy=policy)).log
    assert polling.counters["event_count"] < 30


def test_the_system_moves_only_what_does_not_run_and_only_to_idle_cores() -> None:
    base = scenario(machine(3), workload(exact(2, 1e9)), warmup_ns=0)
    full = dataclasses.replace(base, binding=sim.Binding(mode="none", schedulers=3, period_ns=1000))
    moved = {entry[2] for entry in run_reference(full).log if entry[1] == LogCode.REBIND}
    assert moved == set()  # the third stands on the only core to go to
    wide = dataclasses.replace(full, topology=machine(4))
    moved = {entry[2] for entry in run_reference(wide).log if entry[1] == LogCode.REBIND}
    assert moved == {2}


def away(stagger_ns: int = 0):
    """One recorded process that sleeps first, and one that waits for it first."""
    rows = [
        (0, ReplayOp.BEGIN, 2616, NO_PEER),
        (0, ReplayOp.BLOCK, 700, NO_PEER),
        (0, ReplayOp.RUN, 1000, NO_PEER),
        (0, ReplayOp.SEND, 0, 1),
        (1, ReplayOp.BEGIN, 2616, NO_PEER),
        (1, ReplayOp.WAIT, 0, 0),
        (1, ReplayOp.RUN, 100, NO_PEER),
    ]
    process, op, value, peer = (list(column) for column in zip(*rows, strict=True))
    trace = sim.ReplayTrace(
        name="away",
        process=np.array(process, np.int32),
        op=np.array(op, np.int8),
        value=np.array(value, np.int64),
        peer=np.array(peer, np.int32),
        window_ns=10_000,
        ns_per_reduction=10.0,
        schedulers=2,
        busy_ns=1100,
    )
    cost = dataclasses.replace(QUIET, message_cycles=(0, 0, 0, 0))
    load = sim.Replay(trace=trace, stagger_ns=stagger_ns)
    return scenario(machine(2), load, cost=cost, warmup_ns=0, horizon_ns=20_000, window_ns=10_000)


def test_recorded_processes_that_are_away_begin_away() -> None:
    r = run_reference(away())
    assert [entry[0] for entry in r.log if entry[1] == LogCode.ARRIVE] == []
    assert times(r, LogCode.WAKE, 0) == [700]
    assert times(r, LogCode.WAKE, 1) == [1700]
    assert r.counters["activation_count"] == 2
    assert [entry[2] for entry in r.log if entry[1] == LogCode.WAKE] == [0, 1]


def test_the_delay_of_a_copy_comes_before_its_first_sleep() -> None:
    [first] = times(run_reference(away(stagger_ns=5000)), LogCode.WAKE, 0)
    [second] = times(run_reference(away(stagger_ns=5000)), LogCode.WAKE, 1)
    assert 700 < first <= 5700
    assert second == first + 1000
