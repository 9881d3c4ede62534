"""What happens to the machine and its load at given times (sim/DESIGN.md §15)."""

from dataclasses import dataclass

from sim.spec.base import Spec, SpecError, choice, members, number, other
from sim.spec.policy import DAY_NS
from sim.spec.workload import Affinity

OPS = (
    "core_offline", "core_online", "power_down", "power_up", "frequency", "affinity", "bind",
    "unbind", "load", "schedulers_online",
)  # fmt: skip
NEEDS = {
    "core_offline": {"cores"},
    "core_online": {"cores"},
    "power_down": {"cores"},
    "power_up": {"cores"},
    "frequency": {"cores", "mhz"},
    "affinity": {"affinity"},
    "bind": {"scheduler", "core"},
    "unbind": {"scheduler"},
    "load": {"factor"},
    "schedulers_online": {"count"},
}
MAY = {"affinity": {"process_class"}, "load": {"process_class"}}
FIELDS = ("cores", "mhz", "process_class", "affinity", "scheduler", "core", "factor", "count")
ENTRIES_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class Change(Spec):
    """One entry of a timeline.

    `cores` is a list like "0-3,8", or "type:P", "node:0", "cluster:2", "package:1", comma-separated: a node
    that goes offline is `cores: "node:1"`.
    """

    time_ns: int = number(0, 0, DAY_NS, "when", unit="ns")
    op: str = choice(None, OPS, "what happens")
    cores: str | None = other("hardware cores", default=None)
    mhz: int | None = number(None, 1, 100_000, "frequency: the new clock", optional=True, unit="MHz")
    process_class: str | None = other("affinity, load: a class; null = every one", default=None)
    affinity: Affinity | None = other("affinity: the new one", default=None)
    scheduler: int | None = number(None, 0, 4095, "bind, unbind: the scheduler", optional=True)
    core: int | None = number(None, 0, 4095, "bind: the hardware core", optional=True)
    factor: float | None = number(None, 1e-3, 1e3, "load: arrivals times this", optional=True)
    count: int | None = number(
        None, 1, 4096, "schedulers_online: those below this number work, the others rest", optional=True
    )

    def check(self) -> None:
        for name in FIELDS:
            value = getattr(self, name)
            if name in NEEDS[self.op] and value is None:
                raise SpecError(name, value, f"given for op {self.op}")
            if name not in NEEDS[self.op] | MAY.get(self.op, set()) and value is not None:
                raise SpecError(name, value, f"left out for op {self.op}")
        if self.affinity is not None and (
            not isinstance(self.affinity, Affinity) or self.affinity.type == "inherit"
        ):
            raise SpecError("affinity", self.affinity, "an Affinity of another type than inherit")


@dataclass(frozen=True, kw_only=True)
class Timeline(Spec):
    """Faults, power and changes, in the order of their times; entries at equal times keep their order."""

    name: str = other("name shown in tables", default="none")
    changes: tuple[Change, ...] = other("entries, at most 10000", default=())

    def check(self) -> None:
        changes = members("changes", self.changes, Change, "a list of Change")
        if len(changes) > ENTRIES_MAX:
            raise SpecError("changes", f"{len(changes)} entries", f"at most {ENTRIES_MAX}")
        object.__setattr__(self, "changes", tuple(sorted(changes, key=lambda change: change.time_ns)))
