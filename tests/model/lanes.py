"""Small lanes for tests of one mechanism at a time: the same lane again with one thing changed."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import sim
from sim.kernels import log as codes
from tests.analytic.machines import machine

CAPACITY = 200_000
NO_STEALING = sim.Stealing(victim="off")
QUIET = sim.Policy(stealing=NO_STEALING)
ALWAYS = sim.Decision(rule="always")
FREE = sim.Cost(dispatch_cycles=0, wake_ns=0, context_switch_cycles=0, sync_lines=0)
# nothing but the work and what memory far away adds to it
BARE = sim.Cost(
    kind="flat",
    dispatch_cycles=0,
    wake_ns=0,
    context_switch_cycles=0,
    synchronisation_cycles=(0, 0, 0, 0),
    misses=(0, 0, 0, 0),
    remote_accesses=(0, 0, 0, 0),
    numa_crossing_cycles=0,
)
SHORT = sim.Simulation(horizon_ns=2_000_000, warmup_ns=0, window_ns=100_000)
TWO_SOCKETS = machine(8, 2, 4)  # node 0: clusters {0, 1} and {2, 3}; node 1: {4, 5} and {6, 7}


def fixed(mean: float) -> sim.Distribution:
    """The same number each time."""
    return sim.Distribution(kind="deterministic", mean=mean)


def run(reductions: float) -> sim.Step:
    """Run so many reductions."""
    return sim.Step(op="run", draw=fixed(reductions))


def block(time_ns: float) -> sim.Step:
    """Block for so long."""
    return sim.Step(op="block", draw=fixed(time_ns))


EXIT = sim.Step(op="exit")
SPIN = (run(10_000),)


def group(
    name: str = "p", count: int = 1, program: tuple[sim.Step, ...] = SPIN, **fields
) -> sim.ProcessClass:
    """A class of processes that are present from the start."""
    return sim.ProcessClass(name=name, count=count, program=program, **fields)


def strict(cores: str, **fields) -> sim.Affinity:
    """Only there."""
    return sim.Affinity(type="strict", cores=cores, **fields)


def move(time_ns: int, cores: str, process_class: str = "p") -> sim.Change:
    """A class must go to these cores."""
    return sim.Change(time_ns=time_ns, op="affinity", process_class=process_class, affinity=strict(cores))


def change(time_ns: int, op: str, cores: str | None = None, **fields) -> sim.Change:
    """Any other entry of a timeline."""
    return sim.Change(time_ns=time_ns, op=op, cores=cores, **fields)


class Outcome(dict):
    """Counters of a lane by name, and its logs as attributes."""

    def __init__(self, log: np.ndarray, counters: dict[str, Any]) -> None:
        super().__init__(counters)
        self.log = log
        self.decisions = [dict(zip(sim.DECISION_COLUMNS, row, strict=True))
                          for row in counters["decisions"].tolist()]  # fmt: skip

    def entries(self, code: int) -> list[list[int]]:
        """Log entries of one code: time_ns, code, core, process, a, b."""
        return self.log[self.log[:, 1] == code].tolist()

    def moves(self) -> list[tuple[int, int]]:
        """Source and target scheduler of every migration, in order."""
        return [(source, target) for _, _, target, _, source, _ in self.entries(codes.MIGRATE)]

    def work_ns(self, process: int = 0) -> list[int]:
        """Lengths of the segments in which a process ran reductions."""
        return [b for _, _, _, p, a, b in self.entries(codes.SEGMENT) if p == process and a > 0]

    def status(self) -> sim.LaneStatus:
        """How the lane ended."""
        return sim.LaneStatus(self["status"])

    def mechanisms(self) -> dict[str, int]:
        """Migrations of each mechanism that moved something."""
        return {name: self[f"migrations_{name}"] for name in sim.MECHANISMS if self[f"migrations_{name}"]}

    def denials(self) -> dict[str, int]:
        """Denials of each reason that denied something."""
        return {name: self[f"denied_{name}"] for name in sim.REASONS if self[f"denied_{name}"]}


@dataclass(frozen=True)
class Case:
    """All that fixes one lane; `but` is the same with something changed."""

    classes: tuple[sim.ProcessClass, ...]
    topology: sim.Topology = TWO_SOCKETS
    policy: sim.Policy = QUIET
    cost: sim.Cost = FREE
    simulation: sim.Simulation = SHORT
    changes: tuple[sim.Change, ...] = ()
    binding: sim.Binding = sim.Binding()
    seed: int = 1
    ns_per_reduction: float = 10.0

    def but(self, **parts) -> "Case":
        """The same lane with other parts."""
        return replace(self, **parts)

    def policy_but(self, **parts) -> "Case":
        """The same lane with other parts of the policy."""
        return replace(self, policy=replace(self.policy, **parts))

    def within(self, horizon_ns: int, **parts) -> "Case":
        """The same lane, longer or shorter."""
        return replace(self, simulation=replace(self.simulation, horizon_ns=horizon_ns, **parts))

    @property
    def workload(self) -> sim.Workload:
        """The classes as a workload."""
        return sim.Workload(classes=self.classes, ns_per_reduction=self.ns_per_reduction)

    @property
    def lane(self) -> sim.Lane:
        """Policy, cost, binding and seed."""
        return sim.Lane(self.policy, self.cost, self.seed, binding=self.binding)

    @property
    def timeline(self) -> sim.Timeline:
        """The changes as a timeline."""
        return sim.Timeline(changes=self.changes)

    def outcome(self, **keywords) -> Outcome:
        """Counters and logs."""
        capacity = {"capacity": CAPACITY, "decisions": 20_000} | keywords
        log, counters = sim.simulate_logged(
            self.topology, self.workload, self.lane, self.simulation, self.timeline, **capacity
        )
        return Outcome(log, counters)

    def result(self) -> sim.Result:
        """The columns of the one lane."""
        return sim.simulate(self.topology, self.workload, [self.lane], self.simulation, self.timeline)

    def metrics(self) -> dict[str, float]:
        """The metrics of the one lane."""
        return {name: column[0].item() for name, column in self.result().columns.items()}

    def live(self) -> sim.LiveLane:
        """The lane, to be stepped."""
        return sim.LiveLane(self.topology, self.workload, self.lane, self.simulation, self.timeline)
