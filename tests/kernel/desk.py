"""An arena with nothing in it, to try one part of the kernel at a time."""

import numpy as np

import sim
from sim.arena import Arena
from sim.layout import lane as S
from sim.layout import process as P
from sim.plan import plan_of
from tests.analytic.machines import machine

POISON = -7_777_777_777


class Desk:
    """Arrays z, g, f as the kernel takes them; the process rows hold poison until a test fills them."""

    def __init__(self, topology: sim.Topology | None = None, processes: int = 40, **policy) -> None:
        self.topology = topology or machine(8, 2, 4)
        run = sim.Step(op="run", draw=sim.Distribution(mean=100.0))
        kinds = tuple(
            sim.ProcessClass(name=name, count=processes, program=(run,), priority=name)
            for name in ("max", "high", "normal", "low")
        )
        plan = plan_of(
            self.topology, sim.Workload(classes=kinds), [sim.Lane(sim.Policy(**policy))], sim.Simulation()
        )
        self.arena = Arena(plan)
        self.arena.clear(0)
        self.z, self.g, self.f = self.arena.z, plan.tables.whole, plan.tables.real
        self.rows = self.z[self.z[S.PROCESSES] :][: self.arena.slots * P.WIDTH].reshape(-1, P.WIDTH)
        self.rows[:] = POISON
        self.cores = self.arena.cores()

    @property
    def zgf(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The three arrays."""
        return self.z, self.g, self.f

    def process(self, slot: int, level: int = 2, low: int = 0) -> int:
        """A process that no queue holds."""
        self.rows[slot, [P.LEVEL, P.LOW, P.MASK, P.AFFINITY, P.MIGRATIONS]] = level, low, 0, 0, 0
        self.rows[slot, P.WINDOW_POSITION] = 0
        return slot

    def put(self, base: int, members: set[int]) -> None:
        """Make the set at a base hold just these cores."""
        words = np.zeros(self.z[S.WORDS], np.uint64)
        for c in members:
            words[c // 64] |= np.uint64(1) << np.uint64(c % 64)
        self.z[base : base + words.size] = words.view(np.int64)

    def get(self, base: int) -> set[int]:
        """The cores of the set at a base."""
        words = self.z[base : base + self.z[S.WORDS]].view(np.uint64)
        return {64 * i + b for i, word in enumerate(words.tolist()) for b in range(64) if word >> b & 1}
