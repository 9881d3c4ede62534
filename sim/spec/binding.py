"""How schedulers stand on hardware cores (sim/DESIGN.md §12)."""

from dataclasses import dataclass

from sim.spec.base import Spec, choice, number
from sim.spec.policy import DAY_NS, SECOND_NS

MODES = ("static", "dynamic", "hybrid", "none")
ORDERS = ("cores", "ns", "ts", "ps", "s", "nnts", "nnps", "tnnps", "db")


@dataclass(frozen=True, kw_only=True)
class Binding(Spec):
    """Which scheduler runs on which core, and what moves it.

    static  : pinned in the order of a bind type of the BEAM, or of the core indexes; schedulers beyond the
              cores stay unbound
    dynamic : unbound; a periodic pass re-binds them to free and to faster cores
    hybrid  : scheduler 0 on core 0, performance schedulers on P cores, efficiency schedulers on E cores,
              the rest dynamic
    none    : unbound; the operating system spreads them over free cores, and moves one now and then
    """

    mode: str = choice("static", MODES, "what decides where a scheduler runs")
    order: str = choice("cores", ORDERS, "static: bind type as +sbt takes it; cores = by core index")
    schedulers: int | None = number(None, 1, 4096, "as +S; null = one a core", optional=True)
    performance: int | None = number(None, 0, 4096, "hybrid: schedulers pinned to P cores", optional=True)
    efficiency: int | None = number(None, 0, 4096, "hybrid: schedulers pinned to E cores", optional=True)
    period_ns: int = number(
        1_000_000, 0, 3600 * SECOND_NS, "time between re-binding passes; 0 = off", unit="ns"
    )
    batch: int = number(1, 1, 4096, "re-bindings in one pass at most")
    rebind_ns: int = number(40_000, 0, SECOND_NS, "cost of re-binding a scheduler", unit="ns")
    os_quantum_ns: int = number(
        1_000_000, 0, DAY_NS, "time that a scheduler keeps a core that others want", unit="ns"
    )
    os_switch_ns: int = number(2_000, 0, SECOND_NS, "switch between schedulers on one core", unit="ns")
