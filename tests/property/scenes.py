"""Small random configurations for Hypothesis, and what the event log of one says."""

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np
from hypothesis import strategies as st

import sim
from sim.kernels import log as codes
from tests.analytic.machines import machine

CAPACITY = 200_000


@dataclass(frozen=True)
class Scene:
    """All that fixes one lane."""

    topology: sim.Topology
    workload: sim.Workload
    policy: sim.Policy
    cost: sim.Cost
    simulation: sim.Simulation
    seed: int = 1

    def logged(self) -> tuple[np.ndarray, dict]:
        """Event log and counters."""
        lane = sim.Lane(self.policy, self.cost, self.seed)
        log, counters = sim.simulate_logged(
            self.topology, self.workload, lane, self.simulation, capacity=CAPACITY
        )
        assert len(log) < CAPACITY
        return log, counters

    def with_policy(self, **parts) -> "Scene":
        """The same with other parts of the policy."""
        return replace(self, policy=replace(self.policy, **parts))


MACHINES = [
    machine(1, 1, 1),
    machine(3, 2, 3),
    machine(8, 2, 4),
    machine(6, 3, 3, core_smt=[0, 0, 1, 2, 2, 3], core_speed=[1.0, 1.0, 0.5, 1.0, 1.0, 0.5]),
]
DRAWS = st.sampled_from([
    sim.Distribution(kind="exponential", mean=400.0),
    sim.Distribution(kind="deterministic", mean=500.0),
    sim.Distribution(kind="lognormal", mean=700.0, cv=2.0),
])  # fmt: skip
COSTS = st.sampled_from([
    sim.Cost(),
    sim.Cost(kind="flat"),
    sim.Cost(wake_ns=0, dispatch_cycles=0, message_cycles=(10, 20, 30, 400)),
])  # fmt: skip


def affinities(num_cores: int) -> st.SearchStrategy[sim.Affinity]:
    """None, preferred or strict, over a random span of cores."""
    span = st.tuples(st.integers(0, num_cores - 1), st.integers(0, num_cores - 1)).map(sorted)
    masks = span.map(lambda ends: f"{ends[0]}-{ends[1]}")
    bound = st.builds(sim.Affinity, type=st.sampled_from(["preferred", "strict"]), cores=masks)
    return st.one_of(st.just(sim.Affinity()), bound)


@st.composite
def workloads(draw, num_cores: int) -> sim.Workload:
    """Loops that run and block, a server with callers, parents with children, and arrivals."""
    run = sim.Step(op="run", draw=draw(DRAWS))
    affinity = affinities(num_cores)
    shared = {"start": draw(st.sampled_from(["spread", "first", "random"]))}
    programs = {
        "looper": (run, sim.Step(op="block", draw=draw(DRAWS))),
        "caller": (run, sim.Step(op="call", to="server")),
        "server": (sim.Step(op="receive"), run, sim.Step(op="reply")),
        "parent": (run, sim.Step(op="spawn", to="child", count=2), sim.Step(op="block", draw=draw(DRAWS))),
        "child": (run, sim.Step(op="exit")),
        "guest": (run, sim.Step(op="block", draw=draw(DRAWS)), run, sim.Step(op="exit")),
    }
    counts = {name: draw(st.integers(1, 6)) for name in ("looper", "caller", "server")}
    counts["parent"] = draw(st.integers(0, 2))
    arrival = draw(st.sampled_from([
        sim.Arrival(),
        sim.Arrival(kind="poisson", rate_per_s=3e5),
        sim.Arrival(kind="deterministic", rate_per_s=1e5),
    ]))  # fmt: skip
    classes = [
        sim.ProcessClass(
            name=name,
            program=program,
            count=counts.get(name, 0),
            affinity=draw(affinity),
            priority=draw(st.sampled_from(["max", "high", "normal", "low"])),
            arrival=arrival if name == "guest" else sim.Arrival(),
            **shared,
        )
        for name, program in programs.items()
    ]
    return sim.Workload(ns_per_reduction=10.0, classes=tuple(classes))


@st.composite
def policies(draw, limits: sim.Limits | None = None) -> sim.Policy:
    """Every kind of part, mixed."""
    return sim.Policy(
        threshold_factor=draw(st.sampled_from([0.0, 0.5, 1.0, 4.0])),
        placement=sim.Placement(
            spawn=draw(st.sampled_from(sim.spec.policy.PLACEMENTS_SPAWN)),
            wake=draw(st.sampled_from(sim.spec.policy.PLACEMENTS_WAKE)),
        ),
        stealing=sim.Stealing(
            victim=draw(st.sampled_from(sim.spec.policy.VICTIMS)),
            amount=draw(st.sampled_from(sim.spec.policy.AMOUNTS)),
            batch=draw(st.integers(1, 3)),
            poll_ns=draw(st.sampled_from([0, 7000])),
            wake_idle=draw(st.booleans()),
        ),
        balancing=sim.Balancing(
            period_ns=draw(st.sampled_from([0, 9000])),
            scope=draw(st.sampled_from(sim.spec.policy.SCOPES)),
        ),
        decision=sim.Decision(rule=draw(st.sampled_from(sim.spec.policy.DECISIONS))),
        limits=limits or sim.Limits(),
    )


@st.composite
def scenes(draw, limits: st.SearchStrategy[sim.Limits] | None = None, migrating: bool = False) -> Scene:
    """A lane of a few hundred microseconds; `migrating` makes every candidate worth it."""
    topology = draw(st.sampled_from(MACHINES[1:] if migrating else MACHINES))
    policy = draw(policies(None if limits is None else draw(limits)))
    if migrating:
        policy = replace(policy, decision=sim.Decision(rule="always"))
    simulation = sim.Simulation(
        horizon_ns=400_000, warmup_ns=0, window_ns=50_000,
        quantum_reds=draw(st.sampled_from([0, 100, 1000])), max_processes=400,
    )  # fmt: skip
    return Scene(
        topology,
        draw(workloads(topology.num_cores)),
        policy,
        draw(COSTS),
        simulation,
        draw(st.integers(0, 9)),
    )


def lives(log: np.ndarray) -> np.ndarray:
    """Which process each entry is about (slots are used again), by order of creation; -1 without one."""
    number, current = -1, {}
    out = np.full(len(log), -1)
    for i, (_, code, _, slot, _, _) in enumerate(log.tolist()):
        if code == codes.ARRIVE:
            number += 1
            current[slot] = number
        if slot >= 0:
            out[i] = current[slot]
    return out


def moves(log: np.ndarray) -> tuple[list[int], dict[int, list[int]], dict[int, list[int]]]:
    """Times of all migrations, by core (both ends), and by process."""
    chosen = log[:, 1] == codes.MIGRATE
    by_core, by_process = defaultdict(list), defaultdict(list)
    for (t, _, target, _, source, _), life in zip(log[chosen].tolist(), lives(log)[chosen], strict=True):
        by_core[target].append(t)
        by_core[source].append(t)
        by_process[int(life)].append(t)
    return log[chosen][:, 0].tolist(), by_core, by_process
