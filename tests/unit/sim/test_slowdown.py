"""Slowdown is measured of what ran, and of nothing else."""

import sim
from sim.kernels import log as codes
from tests.analytic.machines import machine

ENDS = (codes.BLOCK, codes.WAIT, codes.EXIT)


def test_activations_that_run_nothing_have_no_slowdown() -> None:
    """A client takes its reply and blocks: an activation without work, between activations with some."""
    draw = sim.Distribution(kind="exponential", mean=2000.0)
    client = sim.ProcessClass(
        name="client",
        count=6,
        program=(
            sim.Step(op="run", draw=draw),
            sim.Step(op="call", to="server"),
            sim.Step(op="block", draw=draw),
        ),
    )
    steps = (sim.Step(op="receive"), sim.Step(op="run", draw=draw), sim.Step(op="reply"))
    server = sim.ProcessClass(name="server", count=1, program=steps)
    workload = sim.Workload(classes=(client, server))
    simulation = sim.Simulation(horizon_ns=5_000_000, warmup_ns=0, window_ns=1_000_000)
    log, counters = sim.simulate_logged(machine(3, 3, 3), workload, sim.Lane(sim.Policy()), simulation)
    ran: dict[int, int] = {}
    with_work, without = 0, 0
    for time_ns, code, _, process, reds, _ in log.tolist():
        if code == codes.SEGMENT:
            ran[process] = ran.get(process, 0) + reds
        elif code in ENDS:
            did_run = ran.pop(process, 0) > 0
            # what ended at time 0 was counted before the measurement began
            with_work += did_run and time_ns > 0
            without += not did_run and time_ns > 0
    assert without > 50
    assert sum(counters["histogram_slowdown"].values()) == with_work
    assert counters["activation_count"] == with_work + without
