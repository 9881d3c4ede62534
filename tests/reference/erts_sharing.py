"""Schedulers of the BEAM that share hardware cores, and spin on what others wait for."""

from dataclasses import replace
from random import Random

import sim
from tests.reference.programs import random_draw, random_memory

GRID_NS = 500  # on a grid, many things happen at the same time
PRESENT_MAX = 40


def share_cores(rng: Random, scenario):
    """Let more schedulers than cores spin on what they share: for less and for more than their quantum."""
    cores = scenario.topology.num_cores
    created = min(cores + 8, rng.choice((cores + 1, 2 * cores, 2 * cores, 3 * cores)))
    online = rng.choice((created, created, created, created, rng.randint(1, created)))
    rule = replace(
        scenario.policy.erts,
        S=f"{created}:{online}",
        sbt=rng.choice(("u", "u", "db", "ns", "tnnps")),
        sbwt=rng.choice(("very_long", "long", "medium", "medium", "short", "very_short")),
    )
    binding = replace(
        scenario.binding,
        period_ns=rng.choice((0, 0, 1_300, 7_000, 30_000)),
        os_quantum_ns=rng.choice((0, 500, 1_000, 4_000, 4_000, 15_000, 15_000, 60_000, 400_000)),
        os_switch_ns=rng.choice((0, 100, 2_000)),
    )
    cost = replace(scenario.cost, spin_ns=rng.choice((150, 1_000, 4_000, 20_000, 100_000)))
    is_on_grid = rng.random() < 0.3
    if is_on_grid:
        binding = replace(binding, rebind_ns=0, os_switch_ns=0, period_ns=rng.choice((0, 3 * GRID_NS)))
        cost = on_grid(rng, cost)
    policy = replace(scenario.policy, erts=rule)
    scenario = replace(scenario, policy=policy, binding=binding, cost=cost)
    if isinstance(scenario.workload, sim.Workload) and (is_on_grid or rng.random() < 0.7):
        scenario = with_sleepers(rng, scenario, created, is_on_grid)
    return scenario


def on_grid(rng: Random, cost: sim.Cost) -> sim.Cost:
    """Let whatever costs time cost none, or some steps of the grid."""
    return replace(
        cost,
        kind="flat",
        dispatch_cycles=0,
        context_switch_cycles=0,
        synchronisation_cycles=(0, 0, 0, 0),
        numa_crossing_cycles=0,
        message_cycles=(0, 0, 0, 0),
        remote_memory=False,
        wake_ns=rng.choice((0, GRID_NS, 4 * GRID_NS)),
        spin_wake_ns=rng.choice((0, GRID_NS)),
        spin_ns=rng.choice((2, 4, 10, 40)) * GRID_NS,
    )


def with_sleepers(rng: Random, scenario, created: int, is_on_grid: bool):
    """Let processes run and sleep often, so that schedulers rest beside others that have work."""
    classes = [sleeper(rng, name, created, is_on_grid) for name in ("a", "b", "c")[: rng.randint(1, 3)]]
    if rng.random() < 0.3:
        arrival = sim.Arrival(kind="poisson", rate_per_s=rng.choice((3e4, 1e5)))
        program = (run_for(rng, is_on_grid), sim.Step(op="exit"))
        classes.append(sim.ProcessClass(name="guest", arrival=arrival, program=program))
    simulation = replace(scenario.simulation, max_processes=100 + PRESENT_MAX, max_events=4000)
    changes = [replace(change, process_class=None) for change in scenario.timeline.changes]
    workload = replace(scenario.workload, classes=tuple(classes))
    if is_on_grid:
        workload = replace(workload, ns_per_reduction=10.0)
    return replace(
        scenario,
        workload=workload,
        simulation=simulation,
        timeline=replace(scenario.timeline, changes=tuple(changes)),
    )


def sleeper(rng: Random, name: str, created: int, is_on_grid: bool) -> sim.ProcessClass:
    """Make processes that are seldom awake, or often."""
    count = rng.choice((1, 2, max(1, created // 2), created, created))
    program = [run_for(rng, is_on_grid), sleep_for(rng, is_on_grid)]
    if rng.random() < 0.3:
        program.append(sim.Step(op="send", to=name))
    return sim.ProcessClass(
        name=name,
        count=min(count, PRESENT_MAX // 3),
        start=rng.choice(("spread", "spread", "first", "random")),
        memory=sim.Memory() if is_on_grid else random_memory(rng),
        program=tuple(program),
    )


def run_for(rng: Random, is_on_grid: bool) -> sim.Step:
    """Make a run of some microseconds."""
    if is_on_grid:
        mean = float(rng.choice((1, 1, 2, 4)) * GRID_NS // 10)
        return sim.Step(op="run", draw=sim.Distribution(kind="deterministic", mean=mean))
    return sim.Step(op="run", draw=random_draw(rng, rng.choice((20.0, 80.0, 400.0))))


def sleep_for(rng: Random, is_on_grid: bool) -> sim.Step:
    """Make a sleep that is shorter or longer than what schedulers spin for."""
    if is_on_grid:
        mean = float(rng.choice((2, 5, 10, 37)) * GRID_NS)
        return sim.Step(op="block", draw=sim.Distribution(kind="deterministic", mean=mean))
    return sim.Step(op="block", draw=random_draw(rng, rng.choice((2000.0, 6000.0, 20_000.0))))
