"""Requests to migrate as a Poisson process, by configuration: what the cases on limits share.

A process that wakes is put on a core drawn at random (placement.wake = random), and if that is another one
than its last, it asks to migrate; decision.rule = always, stealing = off, so that nothing but a limit denies
it. A process runs 1 ns between two blocks of half a million ns or more: no core is ever in the way.
"""

import numpy as np

import sim
from tests.analytic.queues import FREE
from tests.validation.case import Scale

NUM_CORES = 16
GAP_NS = 100_000  # mean time between two requests of the machine: a ns is then nothing
MOMENT = sim.Step(op="run", draw=sim.Distribution(kind="deterministic", mean=1))
MIGRATE = 8  # code of the event log (sim/kernels/log.py)


def policy(limits: sim.Limits) -> sim.Policy:
    """Every wake-up that is put on another core asks; the limits decide."""
    return sim.Policy(
        name="limited",
        placement=sim.Placement(wake="random"),
        decision=sim.Decision(rule="always"),
        stealing=sim.Stealing(victim="off"),
        limits=limits,
    )


def sleepers(count: int, gap_ns: float, num_cores: int = NUM_CORES) -> sim.Workload:
    """Closed processes that block exponential times: together they ask once in gap_ns on the average.

    Each is a Poisson process but for the 1 ns that it runs, at most 1e-6 of the time that it blocks, and a
    wake-up is a request with probability 1 - 1 / num_cores, independently: Poisson again.
    """
    block = sim.Distribution(kind="exponential", mean=count * gap_ns * (1 - 1 / num_cores))
    kind = sim.ProcessClass(name="sleeper", count=count, program=(MOMENT, sim.Step(op="block", draw=block)))
    return sim.Workload(ns_per_reduction=1.0, classes=(kind,))


def visitors(gap_ns: float, num_cores: int, pause: sim.Distribution) -> sim.Workload:
    """Open processes that come at a random core, block once and go: exactly Poisson, whatever the pause.

    Each asks at most once, so its core does not depend on what was denied before.
    """
    program = (MOMENT, sim.Step(op="block", draw=pause), MOMENT, sim.Step(op="exit"))
    arrival = sim.Arrival(kind="poisson", rate_per_s=1e9 / gap_ns / (1 - 1 / num_cores))
    kind = sim.ProcessClass(name="visitor", arrival=arrival, program=program, start="random")
    return sim.Workload(ns_per_reduction=1.0, classes=(kind,))


def span(scale: Scale, requests: float, gap_ns: float = GAP_NS) -> sim.Simulation:
    """Time for so many requests.

    The tenth of it that warms up is at least 37 of the longest windows, intervals or pauses here, each of
    which forgets what was before the last one, and 80 times 16^2 tokens / 5, the relaxation time of a bucket
    (a quarter of that in the quick suite).
    """
    span_ns = int(scale.length(requests) * gap_ns)
    return sim.Simulation(
        horizon_ns=span_ns, warmup_ns=span_ns // 10, window_ns=span_ns // 10, quantum_reds=0,
        max_processes=20_000,
    )  # fmt: skip


def gaps_ns(
    topology: sim.Topology,
    workload: sim.Workload,
    limits: sim.Limits,
    simulation: sim.Simulation,
    scale: Scale,
    seed: int,
) -> list[np.ndarray]:
    """Times between successive migrations of the machine, by replicate, from the event log."""  # fmt: skip
    found = []
    for number in range(scale.replicates):
        lane = sim.Lane(policy(limits), FREE, seed, number)
        capacity = 10 * int(simulation.horizon_ns / GAP_NS)
        log, counters = sim.simulate_logged(topology, workload, lane, simulation, capacity=capacity)
        if counters["status"] != sim.LaneStatus.COMPLETED:
            raise RuntimeError(f"a lane that did not complete: status {counters['status']}")
        times = log[log[:, 1] == MIGRATE, 0]
        found.append(np.diff(times[times >= simulation.warmup_ns]))
    return found
