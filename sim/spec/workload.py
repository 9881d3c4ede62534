"""Workloads: process classes with populations, arrivals, memory, affinity and a program (design §2.4)."""

from dataclasses import dataclass
from typing import Any

from sim.spec.base import Spec, SpecError, choice, members, number, other, part
from sim.spec.policy import DAY_NS

KINDS = (
    "deterministic", "exponential", "uniform", "lognormal", "hyperexponential", "bounded_pareto",
    "weibull", "empirical",
)  # fmt: skip
NEEDS = {
    "deterministic": {"mean"},
    "exponential": {"mean"},
    "uniform": {"low", "high"},
    "lognormal": {"mean", "cv"},
    "hyperexponential": {"mean", "cv"},
    "bounded_pareto": {"low", "high", "shape"},
    "weibull": {"mean", "shape"},
    "empirical": {"values"},
}
OPS = ("run", "block", "send", "receive", "call", "reply", "spawn", "exit", "affinity")
PICKS = ("random", "same", "next", "group", "sender", "parent")
ARRIVALS = ("none", "poisson", "deterministic", "on_off")
STARTS = ("spread", "first", "random")
PRIORITIES = ("max", "high", "normal", "low")
AFFINITIES = ("inherit", "none", "preferred", "strict", "dynamic")
SPAWN_AFFINITIES = ("class", "inherit", "none")
PATTERNS = {"dependent": 1.0, "mixed": 8.0, "streaming": 36.0}
BOUNDS = ("auto", "cpu", "io")
LARGEST_DRAW = 2**40


@dataclass(frozen=True, kw_only=True)
class Distribution(Spec):
    """A positive random quantity, in the unit of the place where it stands (reductions or ns).

    Draws are rounded to the nearest whole number, never below 1 and never above 2^40.
    """

    kind: str = choice("exponential", KINDS, "the family")
    mean: float | None = number(None, 1e-3, 1e12, "mean", optional=True)
    cv: float | None = number(None, 1e-3, 1e3, "coefficient of variation", optional=True)
    low: float | None = number(None, 0.0, 1e12, "least value", optional=True)
    high: float | None = number(None, 1e-3, 1e12, "greatest value", optional=True)
    shape: float | None = number(None, 0.05, 100.0, "tail index (Pareto), shape (Weibull)", optional=True)
    values: tuple[float, ...] | None = other("empirical: equally likely values", default=None)

    def check(self) -> None:
        for name in ("mean", "cv", "low", "high", "shape", "values"):
            given, needed = getattr(self, name) is not None, name in NEEDS[self.kind]
            if given != needed:
                takes = " and ".join(sorted(NEEDS[self.kind]))
                raise SpecError(
                    name,
                    getattr(self, name),
                    f"{'given' if needed else 'left out'}",
                    f"{self.kind} takes {takes}",
                )
        if self.low is not None and self.high is not None and not self.low < self.high:
            raise SpecError("low", self.low, f"below high = {self.high:g}")
        if self.kind == "bounded_pareto" and not (self.low or 0) > 0:
            raise SpecError("low", self.low, "above 0")
        if self.kind == "hyperexponential" and not (self.cv or 0) >= 1:
            raise SpecError("cv", self.cv, "at least 1", "use lognormal for less variation")
        if self.values is not None:
            object.__setattr__(
                self, "values", members("values", self.values, (int, float), "a list of numbers")
            )
            if not 1 <= len(self.values) <= 100_000 or not all(
                isinstance(v, (int, float)) and 0 <= v <= LARGEST_DRAW for v in self.values
            ):
                raise SpecError("values", self.values, "1 to 100000 numbers between 0 and 2^40")


@dataclass(frozen=True, kw_only=True)
class Affinity(Spec):
    """Where a process may or would rather run (sim/DESIGN.md §13).

    inherit   : as its parent at the spawn; none without a parent
    none      : anywhere
    preferred : rather in the mask, and on the preferred core
    strict    : only in the mask
    dynamic   : as preferred, but the preferred core follows the process wherever it migrates

    `cores` is a list like "0-3,8", or "type:P", "node:0", "cluster:2", "package:1", comma-separated.
    """

    type: str = choice("inherit", AFFINITIES, "strict never leaves the mask; preferred would rather not")
    cores: str | None = other("the mask", default=None)
    preferred_core: int | None = number(None, 0, 4095, "hardware core it would rather be on", optional=True)
    max_migrations: int | None = number(None, 0, 1_000_000, "of one process, in its lifetime", optional=True)

    def check(self) -> None:
        takes = self.type in ("preferred", "strict", "dynamic")
        needs = self.type == "strict" or (self.type == "preferred" and self.preferred_core is None)
        if (needs and self.cores is None) or (not takes and self.cores is not None):
            raise SpecError(
                "cores",
                self.cores,
                f"{'a list of cores' if takes else 'left out'} for type {self.type}",
            )
        if self.preferred_core is not None and not takes:
            raise SpecError("preferred_core", self.preferred_core, f"left out for type {self.type}")


@dataclass(frozen=True, kw_only=True)
class Step(Spec):
    """One step of a program."""

    op: str = choice(None, OPS, "what the process does")
    draw: Distribution | None = other("run: reductions; block: nanoseconds", default=None)
    to: str | None = other("send, call, spawn: a class", default=None)
    pick: str = choice("random", PICKS, "which member of the class")
    count: int = number(1, 1, 10_000, "messages or children, or messages to receive")
    affinity: "Affinity | str | None" = other(
        "affinity: the new Affinity of the process; spawn: class (default), inherit or none", default=None
    )

    def check(self) -> None:
        if (self.draw is not None) != (self.op in ("run", "block")):
            raise SpecError(
                "draw", self.draw, f"{'given' if self.draw is None else 'left out'} for op {self.op}"
            )
        named = self.op == "spawn" or (self.op in ("send", "call") and self.pick not in ("sender", "parent"))
        if (self.to is not None) != named:
            raise SpecError(
                "to", self.to, f"{'a class name' if named else 'left out'} for op {self.op}, pick {self.pick}"
            )
        if self.op == "affinity" and (
            not isinstance(self.affinity, Affinity) or self.affinity.type == "inherit"
        ):
            raise SpecError("affinity", self.affinity, "an Affinity of another type than inherit")
        if self.op == "spawn" and self.affinity not in (None, *SPAWN_AFFINITIES):
            raise SpecError("affinity", self.affinity, "one of " + ", ".join(SPAWN_AFFINITIES))
        if self.op not in ("affinity", "spawn") and self.affinity is not None:
            raise SpecError("affinity", self.affinity, f"left out for op {self.op}")
        if self.op == "call" and self.pick == "sender":
            raise SpecError(
                "pick", self.pick, "one of " + ", ".join(PICKS[:4]), "answer a caller with op: reply"
            )


@dataclass(frozen=True, kw_only=True)
class Arrival(Spec):
    """An open population: processes that come from outside."""

    kind: str = choice("none", ARRIVALS, "none = closed population")
    rate_per_s: float | None = number(None, 1e-6, 1e10, "arrivals a second (on_off: while on)", optional=True)
    load: float | None = number(None, 1e-6, 100.0, "instead: demand / capacity of the machine", optional=True)
    on_ns: float = number(1e6, 1.0, 1e12, "on_off: mean burst (exponential)", unit="ns")
    off_ns: float = number(1e6, 1.0, 1e12, "on_off: mean pause (exponential)", unit="ns")

    def check(self) -> None:
        given = (self.rate_per_s is not None) + (self.load is not None)
        if given != (self.kind != "none"):
            raise SpecError("rate_per_s", self.rate_per_s, "given, or load, but not both, unless kind = none")


@dataclass(frozen=True, kw_only=True)
class Memory(Spec):
    """What a process keeps in caches and memory."""

    working_set_bytes: int = number(2616, 0, 2**40, "bytes touched again and again", unit="bytes")
    intensity: float = number(0.2, 0.0, 1.0, "share of run time that waits for memory")
    lines_per_reduction: float = number(0.5, 0.0, 64.0, "cache lines touched a reduction")
    pattern: str = choice("mixed", tuple(PATTERNS), "of access: fixes how many misses overlap")
    overlap: float | None = number(None, 1.0, 64.0, "misses in flight, instead of pattern", optional=True)
    heap_words: int = number(233, 1, 2**37, "young heap, 8-byte words: a collection when it is full")
    words_per_reduction: float = number(0.0, 0.0, 64.0, "words allocated a reduction; 0 = no collections")
    survivors: float = number(0.5, 0.0, 1.0, "share of the young heap that a collection copies")
    old_share: float = number(0.3, 0.0, 1.0, "share of memory accesses that go to the old heap")
    fullsweep_after: int = number(65535, 1, 65535, "every how many collections one is major")

    @property
    def misses_in_flight(self) -> float:
        """Overlap of cache misses: as given, or that of the pattern (1 dependent, 8 mixed, 36 streaming)."""
        return PATTERNS[self.pattern] if self.overlap is None else self.overlap


@dataclass(frozen=True, kw_only=True)
class ProcessClass(Spec):
    """A kind of process: how many, how they come, what they do."""

    name: str = other("name, unique in the workload")
    count: int = number(0, 0, 1_000_000, "processes present at the start (closed population)")
    arrival: Arrival = part(Arrival, "open population")
    start: str = choice("spread", STARTS, "first core of a process without a parent")
    group_size: int = number(1, 1, 1_000_000, "members i // group_size are peers (pick: group)")
    priority: str = choice("normal", PRIORITIES, "of its run queue")
    bound: str = choice("auto", BOUNDS, "CPU-bound or I/O-bound; auto = by its program")
    affinity: Affinity = part(Affinity, "mask and type")
    memory: Memory = part(Memory, "memory")
    program: tuple[Step, ...] = other("steps, in a loop unless they end with exit")

    def check(self) -> None:
        object.__setattr__(self, "program", members("program", self.program, Step, "a list of Step"))
        ops = [step.op for step in self.program]
        if not 1 <= len(ops) <= 256:
            raise SpecError("program", ops, "1 to 256 steps")
        if "run" not in ops and not (ops[-1] == "exit" and len(ops) <= 256):
            raise SpecError("program", ops, "a loop with at least one run", "a loop without run never ends")
        if "exit" in ops[:-1]:
            raise SpecError("program", ops, "without steps after exit")


@dataclass(frozen=True, kw_only=True)
class Workload(Spec):
    """Process classes that share a machine."""

    name: str = other("name shown in tables", default="custom")
    ns_per_reduction: float = number(10.0, 1e-3, 1e5, "at speed 1.0", unit="ns")
    classes: tuple[ProcessClass, ...] = other("1 to 64 classes")

    def check(self) -> None:
        object.__setattr__(
            self, "classes", members("classes", self.classes, ProcessClass, "a list of ProcessClass")
        )
        names = [c.name for c in self.classes]
        if not 1 <= len(names) <= 64 or len(set(names)) != len(names):
            raise SpecError("classes", names, "1 to 64 classes with different names")
        if not any(c.count or c.arrival.kind != "none" for c in self.classes):
            raise SpecError("classes", names, "with a count or an arrival in at least one class")
        for index, member in enumerate(self.classes):
            for place, step in enumerate(member.program):
                where = f"classes.{index}.program.{place}.to"
                if step.to is not None and step.to not in names:
                    raise SpecError(where, step.to, "one of the classes " + ", ".join(names))
                if step.op in ("send", "call") and step.to is not None:
                    target = self.classes[names.index(step.to)]
                    if not target.count:
                        raise SpecError(where, step.to, "a class with a count", "others come and go")


@dataclass(frozen=True, kw_only=True)
class Replay(Spec):
    """A recorded BEAM trace, replayed with its dependencies on any machine.

    `copies` independent copies, or as many as give the offered `load`; copy k starts within `stagger_ns`.
    """

    name: str = other("name shown in tables", default="replay")
    trace: Any = other("sim.ReplayTrace")
    copies: int | None = number(
        None, 1, 4096, "independent copies; null = as many as give the load, or one", optional=True
    )
    load: float | None = number(None, 1e-6, 100.0, "instead: demand / capacity", optional=True)
    stagger_ns: int = number(10_000_000, 0, DAY_NS, "copies start within this time", unit="ns")
    memory: Memory = part(Memory, "intensity, density and overlap (the working set is the trace's)")
    affinity: Affinity = part(Affinity, "mask and type of every process")
    bound: str = choice("auto", BOUNDS, "CPU-bound or I/O-bound; auto = io")

    def check(self) -> None:
        if self.copies is not None and self.load is not None:
            raise SpecError("copies", self.copies, "given, or load, but not both", "set the other to null")
        if self.copies is None and self.load is None:
            object.__setattr__(self, "copies", 1)
