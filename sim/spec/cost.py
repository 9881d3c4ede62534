"""Cost models: what a migration, a dispatch and a message cost (design §2.6)."""

from dataclasses import dataclass

from sim.spec.base import Spec, SpecError, choice, members, number, other, part

KINDS = ("flat", "cache")
CLASSES_MAX = 10_000


@dataclass(frozen=True, kw_only=True)
class Power(Spec):
    """Power of one hardware core by type; E cores are those whose type's name begins with E.

    Active power goes with (frequency / nominal)^frequency_exponent; see sim/DESIGN.md §16.
    """

    performance_active_mw: int = number(5000, 0, 10**6, "a busy P core", unit="mW")
    performance_idle_mw: int = number(500, 0, 10**6, "an idle P core", unit="mW")
    efficiency_active_mw: int = number(1000, 0, 10**6, "a busy E core", unit="mW")
    efficiency_idle_mw: int = number(100, 0, 10**6, "an idle E core", unit="mW")
    off_mw: int = number(0, 0, 10**6, "a core that is offline", unit="mW")
    frequency_exponent: int = number(3, 0, 3, "3 = voltage follows frequency, 1 = it does not")


@dataclass(frozen=True, kw_only=True)
class ClassTime(Spec):
    """How long a reduction of one class of processes takes, as `pipeline.calibrate` finds it."""

    process_class: str = other("name of the class; one that a workload has not is passed over", default="")
    ns_per_reduction: float = number(None, 1e-3, 1e6, "on a core of speed 1", unit="ns")

    def check(self) -> None:
        if not isinstance(self.process_class, str) or not self.process_class:
            raise SpecError("process_class", self.process_class, "the name of a class")


@dataclass(frozen=True, kw_only=True)
class Cost(Spec):
    """Prices in cycles of the destination core, by distance class where a field is a list of four.

    The classes are: same core, same cluster, other cluster in the node, other node.

    flat : context_switch + synchronisation[d] + misses[d] x miss_cycles + remote_accesses[d] x
           remote_access_cycles + numa_crossing_cycles if d is "other node"; nothing at the same core.
    cache: context_switch + line transfers (sync_lines) at the measured latency, then the working set,
           bounded by the private cache, fetched once as a debt; see sim/DESIGN.md §7.
    """

    kind: str = choice("cache", KINDS, "flat = a table by distance; cache = mechanistic")
    dispatch_cycles: int = number(300, 0, 10**9, "putting another process on a core", unit="cycles")
    wake_ns: int = number(3000, 0, 10**9, "waking a sleeping core", unit="ns")
    spin_ns: int = number(
        200_000, 0, 10**9, "erts: how long +sbwt medium spins (10 000 iterations)", unit="ns"
    )
    spin_wake_ns: int = number(300, 0, 10**9, "erts: waking a scheduler that spins", unit="ns")
    ns_per_reduction: float | None = number(
        None, 1e-3, 1e6, "time of a reduction; null = as the workload says; a replay keeps its own",
        optional=True, unit="ns",
    )  # fmt: skip
    class_times: tuple[ClassTime, ...] = other(
        "times of a reduction by class of the workload, at most 10000", default=()
    )
    context_switch_cycles: int = number(150, 0, 10**9, "direct part of a migration", unit="cycles")
    synchronisation_cycles: tuple[int, ...] = other("flat: locks and flags", default=(0, 50, 80, 120))
    misses: tuple[int, ...] = other("flat: cache misses after a move", default=(0, 1, 3, 4))
    miss_cycles: int = number(200, 0, 10**6, "flat: one cache miss", unit="cycles")
    remote_accesses: tuple[int, ...] = other("flat: remote accesses after a move", default=(0, 0, 0, 1))
    remote_access_cycles: int = number(350, 0, 10**6, "flat: one remote access", unit="cycles")
    numa_crossing_cycles: int = number(1000, 0, 10**9, "flat: leaving the node", unit="cycles")
    sync_lines: int = number(3, 0, 1000, "cache: cache-line transfers of a run-queue move")
    shared_cache: bool = other("cache: leaving a cluster loses what its shared cache held", default=True)
    line_homes: bool = other("cache: lines whose memory is on another node cost more", default=True)
    batch_share: float = number(0.3, 0.0, 1.0, "direct cost of the later ones of a batch, as a share")
    remote_memory: bool = other("heap far from its node slows memory-bound work", default=True)
    message_cycles: tuple[int, ...] = other("a message, paid by its sender", default=(0, 0, 0, 0))
    message_lines: int = number(2, 0, 1000, "cache: cache-line transfers of a message to another core")
    power: Power = part(Power, "power by core type")

    def check(self) -> None:
        for name in ("synchronisation_cycles", "misses", "remote_accesses", "message_cycles"):
            value = getattr(self, name)
            good = isinstance(value, (tuple, list)) and len(value) == 4
            good = good and all(type(v) is int and 0 <= v <= 10**6 for v in value)
            if not good:
                raise SpecError(name, value, "four whole numbers between 0 and 1000000, one a distance class")
            object.__setattr__(self, name, tuple(value))
        times = members("class_times", self.class_times, ClassTime, "a list of ClassTime")
        names = [time.process_class for time in times]
        if len(names) > CLASSES_MAX or len(set(names)) < len(names):
            raise SpecError("class_times", names[:20], f"at most {CLASSES_MAX} classes, each named once")
        object.__setattr__(self, "class_times", times)
