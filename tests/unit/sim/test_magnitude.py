"""Extreme but allowed numbers neither wrap around nor pass silently."""

from dataclasses import replace

import pytest

import sim
from tests.analytic.machines import machine


def workload(mean: float, ns_per_reduction: float, working_set_bytes: int = 2616) -> sim.Workload:
    run = sim.Step(op="run", draw=sim.Distribution(mean=mean))
    block = sim.Step(op="block", draw=sim.Distribution(mean=1000.0))
    kind = sim.ProcessClass(
        name="one",
        count=12,
        start="first",
        memory=sim.Memory(working_set_bytes=working_set_bytes, overlap=1.0),
        program=(run, block),
    )
    return sim.Workload(ns_per_reduction=ns_per_reduction, classes=(kind,))


def test_a_demand_that_does_not_fit_into_time_is_refused() -> None:
    with pytest.raises(sim.SpecError, match="reductions here") as caught:
        sim.simulate(machine(1, 1, 1), workload(1e9, 1e5), [sim.Lane(sim.Policy())])
    assert caught.value.where == "workload.classes.0.program.0.draw"


def test_the_largest_demand_that_fits_moves_time_forward_only() -> None:
    simulation = sim.Simulation(quantum_reds=0, horizon_ns=10**12, warmup_ns=0, window_ns=10**9)
    log, _ = sim.simulate_logged(machine(1, 1, 1), workload(1e10, 1.0), sim.Lane(sim.Policy()), simulation)
    assert (log[1:, 0] >= log[:-1, 0]).all()
    assert (log[log[:, 1] == 10][:, 5] > 0).all()


@pytest.mark.parametrize("factor", [1.0, 1e4])
def test_a_cost_beyond_all_numbers_denies(factor: float) -> None:
    """1 TiB at 10 ms a line: cost x factor is far beyond int64, and no benefit reaches it."""
    topology = machine(4, 1, 1)
    far = replace(
        topology,
        line_latency_ns=[10, 10**7, 10**7, 10**7],
        private_cache_bytes=[2**40] * topology.num_cores,
    )
    policy = sim.Policy(
        threshold_factor=factor, decision=sim.Decision(same_cluster_factor=1e4, same_node_factor=1e4)
    )
    simulation = sim.Simulation(horizon_ns=5_000_000, warmup_ns=0, window_ns=1_000_000)
    result = sim.simulate(far, workload(10_000, 10.0, 2**40), [sim.Lane(policy)], simulation)
    assert result.columns["migration_attempt_count"][0] > 0
    assert result.columns["migration_count"][0] == 0
