"""Coreshift's side of a comparison: one lane of a system, again and again, in CPU time of one thread."""

import hashlib
import json
import time

import sim
from sim.arena import Arena
from sim.plan import plan_of
from sim.simulate import run_one
from tests.bench.systems import System


def digest_of(metrics: dict[str, float]) -> str:
    """The first 16 hex digits of SHA-256 over a lane's metrics: the same on every machine.

    It stands in the table so that nobody makes the kernel faster by changing what it computes.
    """
    return hashlib.sha256(json.dumps(metrics, sort_keys=True).encode()).hexdigest()[:16]


class Kernel:
    """A lane that is ready to run; making it compiles the kernel if need be, and touches its memory.

    metrics    : of the lane
    arena_bytes: memory of the lane
    """

    def __init__(self, system: System, seed: int = 1) -> None:
        self.system = system
        lane = sim.Lane(system.policy, system.cost, seed)
        self._plan = plan_of(system.topology, system.workload, [lane], system.simulation)
        self._arena = Arena(self._plan)
        self.arena_bytes = int(self._arena.z.nbytes)
        self.metrics = self._run()
        self.digest = digest_of(self.metrics)

    def _run(self) -> dict[str, float]:
        status, metrics, _ = run_one(self._plan, self._arena, 0)
        if status != sim.LaneStatus.COMPLETED:
            raise RuntimeError(f"{self.system.name}: {sim.LaneStatus(status).describe()}")
        return metrics

    @property
    def count(self) -> int:
        """Events, or customers."""
        return int(self.metrics[self.system.unit])

    def speed(self) -> float:
        """Events (or customers) a second of CPU time, of one run.

        Raises
        ------
        RuntimeError if the lane does not give the same numbers again.
        """
        began = time.process_time()
        again = self._run()
        seconds = time.process_time() - began
        if digest_of(again) != self.digest:
            raise RuntimeError(f"{self.system.name}: the same lane gave other numbers")
        return self.count / max(1e-9, seconds)
