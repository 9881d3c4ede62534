"""What a migration costs: the estimate of the policy and the charge (DESIGN §7)."""

from dataclasses import dataclass

from tests.reference.codes import NONE
from tests.reference.numbers import nearest
from tests.reference.warmth import use_up_warmth

REFILL_MAX_NS = 1 << 46
WHOLE_Q16 = 1 << 16
COMPONENTS = ("context_switch", "synchronisation", "misses", "remote", "crossing")


@dataclass(frozen=True)
class Refill:
    """Cache lines to fetch anew."""

    distance: int = 0
    cold: int = 0  # of the private cache
    total: int = 0
    price_q10: int = 0
    latency_ns: int = 0

    @property
    def length_ns(self) -> int:
        """Give the time that all lines take."""
        return refill_time_ns(self.total, self.price_q10)


@dataclass(frozen=True)
class Price:
    """The direct part, by component, and the refill of one migration."""

    components: tuple[int, ...]
    refill: Refill

    @property
    def direct_cycles(self) -> int:
        """Sum up the direct part."""
        return sum(self.components)

    def cycles(self, mhz: int) -> int:
        """Sum up in cycles of the target."""
        return self.direct_cycles + self.refill.length_ns * mhz // 1000


@dataclass(frozen=True)
class Charge:
    """What a migration has really cost."""

    cycles: int
    length_ns: int


def refill_time_ns(lines: int, price_q10: int) -> int:
    """Give the time that lines take."""
    return min((lines * price_q10) >> 10, REFILL_MAX_NS)


def lines_of(lane, size: int) -> int:
    """Give the cache lines that hold so many bytes."""
    return (size + lane.machine.line_bytes - 1) // lane.machine.line_bytes


def places(lane, process, source: int, target: int) -> tuple[int, int]:
    """Give the hardware cores that the lines come from and go to."""
    here = lane.cores[source].hw if process.place == NONE else process.place
    return here, lane.cores[target].hw


def estimate(lane, process, source: int, target: int, share_q16: int = WHOLE_Q16) -> Price:
    """Price a migration as the policy sees it: by class of distance, nothing warm."""
    machine = lane.machine
    by_class = machine.line_latency_ns
    direct = direct_part(lane, source, target, by_class[lane.distance(source, target)], share_q16)
    here, there = places(lane, process, source, target)
    latency_ns = by_class[machine.distance(here, there)]
    return Price(direct, refill_part(lane, process, here, there, latency_ns, (0, 0)))


def direct_part(lane, source: int, target: int, latency_ns: int, share_q16: int) -> tuple[int, ...]:
    """Give the components of the direct part in cycles of the target."""
    cost, d = lane.cost, lane.distance(source, target)
    context, synchronisation, misses, remote, crossing = cost.context_switch_cycles, 0, 0, 0, 0
    if cost.kind == "cache":
        if d > 0:
            mhz = lane.machine.mhz[lane.cores[target].hw]
            synchronisation = cost.sync_lines * latency_ns * mhz // 1000
    elif d == 0:
        context = 0
    else:
        synchronisation = cost.synchronisation_cycles[d]
        misses = cost.misses[d] * cost.miss_cycles
        remote = cost.remote_accesses[d] * cost.remote_access_cycles
        crossing = cost.numa_crossing_cycles if d == 3 else 0
    whole = (context, synchronisation, misses, remote, crossing)
    return tuple((cycles * share_q16) >> 16 for cycles in whole)


def refill_part(lane, process, here: int, there: int, latency_ns: int, warm: tuple[int, int]) -> Refill:
    """Give the lines that a process fetches anew, with `warm` = shares still there (Q16)."""
    cost, machine, size = lane.cost, lane.machine, process.working_set_bytes
    distance = machine.distance(here, there)
    if cost.kind != "cache" or distance == 0:
        return Refill()
    if cost.line_homes and distance == 2 and process.home >= 0:
        row = machine.memory_latency_ns[machine.node[there]]
        local_ns = max(1, row[machine.node[there]])
        latency_ns = max(latency_ns, latency_ns * row[process.home] // local_ns)
    private = lines_of(lane, min(size, machine.private_cache_bytes[here]))
    shared = 0
    if cost.shared_cache and distance >= 2:
        cluster_bytes = machine.cluster_cache_bytes[machine.cluster[here]]
        shared = max(0, lines_of(lane, min(size, cluster_bytes)) - private)
    warm_q16, near_q16 = warm
    cold = private - ((private * warm_q16) >> 16)
    near = (cold * near_q16) >> 16 if distance >= 2 else 0
    total = cold + shared - ((shared * near_q16) >> 16)
    price_q10 = 0
    if total > 0:
        overlap = process.kind.memory.misses_in_flight
        close = nearest(machine.line_latency_ns[1] * 1024 / overlap)
        far = nearest(latency_ns * 1024 / overlap)
        price_q10 = (near * close + (total - near) * far) // total
    return Refill(distance, cold, total, price_q10, latency_ns)


def charge(lane, process, source: int, target: int, share_q16: int) -> Charge:
    """Make the process owe what its migration really costs."""
    machine = lane.machine
    here, there = places(lane, process, source, target)
    latency_ns = machine.measured_latency_ns(lane.cores[source].hw, there)
    direct = direct_part(lane, source, target, latency_ns, share_q16)
    real = Price(direct, charge_refill(lane, process, here, there))
    for name, cycles in zip(COMPONENTS, direct, strict=True):
        lane.count(f"{name}_cycles", cycles)
    direct_ns = machine.cycles_to_ns(real.direct_cycles, there)
    process.debt_ns += direct_ns
    process.place = there
    return Charge(real.cycles(machine.mhz[there]), direct_ns + real.refill.length_ns)


def charge_refill(lane, process, here: int, there: int) -> Refill:
    """Make the process owe its cache lines; they replace those that it still owed."""
    machine = lane.machine
    if lane.cost.kind != "cache" or machine.distance(here, there) == 0:
        return Refill()
    warm = use_up_warmth(lane, process, here, there)
    latency_ns = machine.measured_latency_ns(here, there)
    refill = refill_part(lane, process, here, there, latency_ns, warm)
    process.refill_lines, process.refill_price_q10 = refill.total, refill.price_q10
    private_ns = refill_time_ns(refill.cold, refill.price_q10)
    lane.count("refill_private_ns", private_ns)
    lane.count("refill_shared_ns", refill.length_ns - private_ns)
    if refill.distance == 3 and refill.latency_ns > 0:
        cycles = refill.length_ns * machine.mhz[there] // 1000
        beyond_ns = max(0, refill.latency_ns - machine.line_latency_ns[2])
        lane.count("crossing_cycles", cycles // refill.latency_ns * beyond_ns)
    return refill


def follow(lane, process, hw: int) -> None:
    """Let a process's lines follow it to where its scheduler stands by now."""
    here, process.place = process.place, hw
    if here in (NONE, hw):
        return
    if charge_refill(lane, process, here, hw).distance > 0:
        lane.count("follow_count")


def refill_of_segment(process, reds: int) -> int:
    """Give the lines that a segment fetches of those that are owed."""
    if process.refill_lines == 0 or reds == 0:
        return 0
    lines = max(1, (reds * process.kind.density_q16) >> 16)
    return min(process.refill_lines, lines)
