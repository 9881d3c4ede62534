"""Cases with an answer to the nanosecond, and identities that hold for any lane."""

import numpy as np
import pytest

import sim
from sim.kernels import log as codes
from tests.analytic.queues import FREE, SHARE, STAY, cores, customers, demand

STEADY = {"kind": "deterministic", "rate_per_s": 1e6}


def logged(topology, workload, policy=STAY, **simulation):
    """Log and counters of one lane without warm-up."""
    fields = {"warmup_ns": 0, "window_ns": 1000, "quantum_reds": 0, "max_processes": 1000, **simulation}
    return sim.simulate_logged(topology, workload, sim.Lane(policy, FREE), sim.Simulation(**fields))


def of(log: np.ndarray, code: int) -> np.ndarray:
    """Entries of one kind."""
    return log[log[:, 1] == code]


def test_dd1_never_waits() -> None:
    workload = customers(demand("deterministic", mean=700), **STEADY)
    log, counters = logged(cores(1), workload, horizon_ns=100_000)
    assert of(log, codes.ARRIVE)[:, 0].tolist() == list(range(1000, 100_001, 1000))
    assert of(log, codes.EXIT)[:, 0].tolist() == list(range(1700, 100_000, 1000))
    assert counters["histogram_waiting"] == {0: 99}
    assert counters["sojourn_sum_ns"] == 99 * 700
    assert counters["reductions"] == 99 * 700
    assert counters["busy_ns"] == 99 * 700
    assert counters["idle_ns"] == 100_000 - 99 * 700


def test_dd1_overloaded_grows_by_the_difference() -> None:
    workload = customers(demand("deterministic", mean=1500), **STEADY)
    log, counters = logged(cores(1), workload, horizon_ns=150_000)
    assert of(log, codes.DISPATCH)[:, 5].tolist() == [500 * i for i in range(100)]
    # number i of the customers arrives at 1000 (i + 1) and leaves at 1000 + 1500 (i + 1)
    assert of(log, codes.EXIT)[:, 0].tolist() == [1000 + 1500 * (i + 1) for i in range(99)]
    assert counters["idle_ns"] == 1000
    assert counters["busy_ns"] == 149_000


def test_a_slow_core_takes_longer_by_its_speed() -> None:
    workload = customers(demand("deterministic", mean=200), **STEADY)
    log, _ = logged(cores(1, core_speed=[0.25]), workload, horizon_ns=10_000)
    assert (of(log, codes.SEGMENT)[:, 5] == 800).all()


def test_rates_that_are_no_whole_number_of_ns_do_not_drift() -> None:
    workload = customers(demand("deterministic", mean=10), kind="deterministic", rate_per_s=3e6)
    log, _ = logged(cores(1), workload, horizon_ns=1_000_000)
    assert of(log, codes.ARRIVE)[:, 0].tolist() == [(1000 * k + 1) // 3 for k in range(1, 3001)]


def test_a_fork_on_free_cores_ends_with_its_longest_path() -> None:
    """Two cores, one parent: list scheduling gives 2 children a core, one after the other."""
    run = sim.Step(op="run", draw=demand("deterministic", mean=1000))
    child = sim.ProcessClass(name="child", program=(run, sim.Step(op="exit")))
    fork = sim.ProcessClass(
        name="parent",
        count=1,
        program=(run, sim.Step(op="spawn", to="child", count=3), run, sim.Step(op="exit")),
    )
    workload = sim.Workload(ns_per_reduction=1.0, classes=(fork, child))
    log, counters = logged(cores(2), workload, SHARE, horizon_ns=10_000)
    assert of(log, codes.EXIT)[:, 0].tolist() == [2000, 2000, 3000, 3000]
    assert counters["busy_ns"] == 5000


def test_cores_share_a_quantum_in_turn() -> None:
    """Three equal processes, a third of their demand at a time, end one quantum after the other."""
    run = sim.Step(op="run", draw=demand("deterministic", mean=900))
    kind = sim.ProcessClass(name="one", count=3, program=(run, sim.Step(op="exit")))
    workload = sim.Workload(ns_per_reduction=1.0, classes=(kind,))
    log, counters = logged(cores(1), workload, horizon_ns=10_000, quantum_reds=300)
    assert of(log, codes.DISPATCH)[:, [0, 3]].tolist() == [[300 * i, i % 3] for i in range(9)]
    assert of(log, codes.EXIT)[:, 0].tolist() == [2100, 2400, 2700]
    assert counters["preemption_count"] == 6


@pytest.mark.parametrize("policy", [STAY, SHARE], ids=["stay", "share"])
def test_littles_law_is_an_identity_of_the_log(policy: sim.Policy) -> None:
    """The integral of the number present is the sum of the times spent, once all have left (Little 1961)."""
    run = sim.Step(op="run", draw=demand())
    program = (run, sim.Step(op="spawn", to="child", count=2), run, sim.Step(op="exit"))
    parents = sim.ProcessClass(name="parent", count=30, program=program, start="random")
    child = sim.ProcessClass(name="child", program=(run, sim.Step(op="exit")))
    workload = sim.Workload(ns_per_reduction=1.0, classes=(parents, child))
    log, counters = logged(cores(4), workload, policy, horizon_ns=10_000_000, quantum_reds=3000)
    changes = np.where(log[:, 1] == codes.ARRIVE, 1, np.where(log[:, 1] == codes.EXIT, -1, 0))
    present = np.cumsum(changes)
    assert present[-1] == 0
    assert counters["completed_count"] == 90
    assert int((present[:-1] * np.diff(log[:, 0])).sum()) == counters["sojourn_sum_ns"]
