"""How long, how finely and within which bounds a lane is simulated."""

from dataclasses import dataclass

from sim.spec.base import Spec, SpecError, number
from sim.spec.policy import DAY_NS


@dataclass(frozen=True, kw_only=True)
class Simulation(Spec):
    """Horizon, warm-up, metric windows, quantum and capacities of every lane of a study."""

    horizon_ns: int = number(100_000_000, 1, DAY_NS, "simulated time at which a lane stops", unit="ns")
    warmup_ns: int = number(20_000_000, 0, DAY_NS, "prefix that no metric sees", unit="ns")
    window_ns: int = number(1_000_000, 1, DAY_NS, "window of the load-balance index", unit="ns")
    quantum_reds: int = number(4000, 0, 2**31 - 1, "reductions before preemption; 0 = run to the end")
    queue_capacity: int | None = number(
        None, 1, 10_000_000, "processes a run queue takes from elsewhere", optional=True
    )
    mailbox_capacity: int | None = number(
        None, 1, 10_000_000, "messages a mailbox holds; beyond, they are lost", optional=True
    )
    node_memory_bytes: int | None = number(
        None, 1, 2**50, "memory of every node, instead of the topology's", optional=True, unit="bytes"
    )
    max_processes: int = number(100_000, 1, 4_000_000, "live processes; beyond, creations are refused")
    max_events: int = number(10**12, 1, 10**15, "events after which a lane is stopped and marked")

    def check(self) -> None:
        if self.warmup_ns >= self.horizon_ns:
            raise SpecError("warmup_ns", self.warmup_ns, f"below horizon_ns = {self.horizon_ns}")
        if self.window_ns > self.horizon_ns - self.warmup_ns:
            raise SpecError(
                "window_ns",
                self.window_ns,
                f"at most horizon_ns - warmup_ns = {self.horizon_ns - self.warmup_ns}",
            )
