"""What a migration costs: the estimate of the policy and the charge (DESIGN §7)."""

from dataclasses import dataclass

from tests.reference.numbers import exp, nearest

DECAY = [nearest(65536 * exp(-i / 32)) for i in range(385)]
REMEMBERED_MAX = 4


@dataclass(frozen=True)
class Price:
    """The direct part and the refill of one migration."""

    direct_cycles: int
    lines: int
    price_q10: int

    def cycles(self, mhz: int) -> int:
        """Sum up in cycles of the target."""
        return self.direct_cycles + ((self.lines * self.price_q10) >> 10) * mhz // 1000


def estimate(lane, process, source: int, target: int) -> Price:
    """Price a migration as the policy sees it: by class of distance, nothing warm."""
    d = lane.machine.distance(source, target)
    return price(lane, process, source, target, lane.machine.line_latency_ns[d], 0)


def price(lane, process, source: int, target: int, latency_ns: int, warm_q16: int) -> Price:
    """Price a migration with a given latency of a line and share of lines still warm."""
    cost, machine = lane.cost, lane.machine
    d = machine.distance(source, target)
    if cost.kind == "flat":
        return Price(flat_cycles(cost, d), 0, 0)
    direct = cost.context_switch_cycles
    if d == 0:
        return Price(direct, 0, 0)
    direct += cost.sync_lines * latency_ns * machine.mhz[target] // 1000
    held = min(process.working_set_bytes, machine.private_cache_bytes[source])
    lines = (held + machine.line_bytes - 1) // machine.line_bytes
    cold = lines - ((lines * warm_q16) >> 16)
    return Price(direct, cold, nearest(latency_ns * 1024 / process.kind.overlap))


def flat_cycles(cost, d: int) -> int:
    """Give the cycles of the flat model by class of distance."""
    if d == 0:
        return 0
    cycles = cost.context_switch_cycles + cost.synchronisation_cycles[d]
    cycles += cost.misses[d] * cost.miss_cycles
    cycles += cost.remote_accesses[d] * cost.remote_access_cycles
    return cycles + (cost.numa_crossing_cycles if d == 3 else 0)


def charge(lane, process, source: int, target: int) -> int:
    """Make the process owe what its migration really costs; give it in cycles."""
    machine = lane.machine
    d = machine.distance(source, target)
    warm_q16 = 0
    if lane.cost.kind == "cache" and d > 0:
        remember(lane, process, source)
        warm_q16 = use_up_warmth(lane, process, target)
    latency_ns = machine.measured_latency_ns(source, target)
    real = price(lane, process, source, target, latency_ns, warm_q16)
    process.debt_ns += machine.cycles_to_ns(real.direct_cycles, target)
    if lane.cost.kind == "cache" and d > 0:
        process.refill_lines, process.refill_price_q10 = real.lines, real.price_q10
    return real.cycles(machine.mhz[target])


def remember(lane, process, source: int) -> None:
    """Note what was in the cache of the source as the last slice there began."""
    if process.footprint is None:
        return  # it has not run there: nothing of it is in that cache
    place = lane.machine.smt[source]
    kept = [entry for entry in process.remembered if entry[0] != place]
    process.remembered = [*kept, (place, process.footprint)][-REMEMBERED_MAX:]


def use_up_warmth(lane, process, target: int) -> int:
    """Give the share of lines still in the cache of the target (Q16), and forget it."""
    place = lane.machine.smt[target]
    cache = lane.machine.private_cache_bytes[target]
    process.footprint = None
    for entry in process.remembered:
        if entry[0] == place:
            process.remembered.remove(entry)
            # Should it leave again before it runs, this is what it left there.
            process.footprint = entry[1]
            if cache == 0:
                return 0
            return DECAY[min(384, (lane.footprint[place] - entry[1]) * 32 // cache)]
    return 0


def touch(lane, core, process) -> None:
    """Count the bytes that a slice of a new process brings into the physical core's cache."""
    place = lane.machine.smt[core.index]
    if core.last_process is not process:
        cache = lane.machine.private_cache_bytes[core.index]
        lane.footprint[place] += min(process.working_set_bytes, cache)
    process.footprint = lane.footprint[place]


def refill_of_segment(process, reds: int) -> int:
    """Give the lines that a segment fetches of those that are owed."""
    if process.refill_lines == 0 or reds == 0:
        return 0
    lines = max(1, (reds * process.kind.density_q16) >> 16)
    return min(process.refill_lines, lines)
