"""What a log of events must show by itself, whatever made it."""

from collections import defaultdict

import numpy as np

from tests.reference.binding import binding_of, initial_map
from tests.reference.codes import LogCode, Mechanism
from tests.reference.limits import rate_window
from tests.reference.machine import Machine
from tests.reference.plan import parse_cores

FORCED = (Mechanism.AFFINITY, Mechanism.FAILURE, Mechanism.POWER)
ENDS_SLICE = (LogCode.PREEMPT, LogCode.BLOCK, LogCode.WAIT, LogCode.EXIT)
CLOSING, OPENING = ("core_offline", "power_down"), ("core_online", "power_up")


def is_birth(code: int, process: int, known) -> bool:
    """Tell a creation; one that a trace delays shows first by something that happens to it."""
    first = (LogCode.WAKE, LogCode.MIGRATE, LogCode.DENY, LogCode.AFFINITY)
    return code == LogCode.ARRIVE or (code in first and process >= 0 and process not in known)


def check_log(scenario, r) -> None:
    """Times, places and sums that the log alone must show."""
    where, free_at, alive = {}, defaultdict(int), 0
    last = 0
    for time_ns, code, core, process, a, b in r.log:
        assert time_ns >= last
        last = time_ns
        if is_birth(code, process, where):
            where[process] = a if code in (LogCode.MIGRATE, LogCode.DENY) else core
            alive += 1
        match code:
            case LogCode.MIGRATE:
                assert where[process] == a != core
                where[process] = core
            case LogCode.DISPATCH | LogCode.PREEMPT:
                assert where[process] == core
            case LogCode.SEGMENT:
                # Segments of one core, and of one process, do not overlap.
                for key in (("core", core), ("process", process)):
                    assert free_at[key] <= time_ns
                    free_at[key] = time_ns + b
            case LogCode.EXIT:
                alive -= 1
                del where[process]
        if code == LogCode.PREEMPT:  # perhaps before the segment would have ended
            free_at["core", core] = free_at["process", process] = time_ns
    assert alive == len(where)
    if scenario.simulation.warmup_ns == 0:
        check_sums(scenario, r)
    check_counters(r)


def check_sums(scenario, r) -> None:
    """Sums over a log that was measured from its beginning."""
    sum_of = {code: sum(e[1] == code and e[0] > 0 for e in r.log) for code in LogCode}
    segments = [e for e in r.log if e[1] == LogCode.SEGMENT and e[0] + e[5] <= r.end_ns]
    # Else segments that end at the last time may still be pending, or may have been cut.
    if r.status == "HORIZON" and not scenario.timeline.changes:
        assert r.counters["reductions"] == sum(e[4] for e in segments)
    assert r.counters["completed_count"] == sum_of[LogCode.EXIT]
    assert r.counters["preemption_count"] == sum_of[LogCode.PREEMPT]
    assert r.counters["rebind_count"] == sum_of[LogCode.REBIND]
    assert r.counters["migration_count"] == sum_of[LogCode.MIGRATE]
    assert r.counters["gc_ns"] == sum(e[5] for e in r.log if e[1] == LogCode.GC and e[0] > 0)


def check_counters(r) -> None:
    """Sums between counters."""
    c = r.counters
    denied = sum(value for name, value in c.items() if name.startswith("denied_"))
    asked = sum(c["migrations_" + name] for name in ("wake", "steal", "balance"))
    assert c["migration_attempt_count"] == asked + denied
    for names in (
        ("wake", "steal", "balance", "affinity", "failure", "power"),
        ("same_core", "same_cluster", "same_node", "other_node"),
    ):
        assert c["migration_count"] == sum(c["migrations_" + name] for name in names)
    assert c["wasted_ns"] <= c["idle_ns"]
    assert sum(r.busy_ns) == sum(r.hardware_busy_ns) == c["busy_ns"]
    assert c["away_ns"] <= c["preferred_ns"]
    assert c["paid_off_count"] <= c["settled_count"]
    assert c["old_move_count"] <= c["major_gc_count"] <= c["gc_count"]
    for name in ("sojourn", "waiting"):
        assert sum(r.histograms[name].values()) == c["activation_count"]
    # only what ran has a slowdown; tests/unit/sim/test_slowdown.py counts exactly which
    ran = sum(r.histograms["slowdown"].values())
    assert ran <= c["activation_count"]
    assert c["fairness_sum"] <= ran << 16
    assert c["fairness_sum"] ** 2 <= ran * ((c["fairness_squares"] + ran) << 8)  # Cauchy-Schwarz
    for values in r.jain_values.values():
        assert all(0 < value <= 1 + 1e-12 for value in values)


def check_limits(scenario, r) -> None:
    """No window of any length that a limit speaks of holds more migrations than it allows."""
    limits = scenario.policy.limits
    by_core, life, by_process = defaultdict(list), {}, defaultdict(list)
    times: list[int] = []
    for t, code, core, process, a, b in r.log:
        if is_birth(code, process, life):
            life[process] = (process, t, len(by_process))
            by_process[life[process]] = []
        if code == LogCode.EXIT:
            del life[process]
        elif code == LogCode.MIGRATE:
            by_process[life[process]].append((t, b in FORCED))
            if b not in FORCED:
                by_core[core].append(t)
                by_core[a].append(t)
                times.append(t)
    within(rate_window(limits.system), times)
    for at_core in by_core.values():
        within(rate_window(limits.core), at_core)
    for moves in by_process.values():
        check_process_limit(limits.process, moves)
    burst = limits.burst
    if burst.capacity is not None:
        rate = max(1, round(burst.refill_per_s)) / 1e9
        for i, start in enumerate(times):
            for j in range(i, len(times)):
                assert j - i + 1 <= burst.capacity + (times[j] - start) * rate + 1e-6
    check_storms(burst, times)


def check_process_limit(limit, moves: list[tuple[int, bool]]) -> None:
    """Assert the limits of one process at each of its moves that was not forced."""
    for i, (t, is_forced) in enumerate(moves):
        if is_forced:
            continue
        if limit.max_migrations is not None and limit.window_ns is None:
            assert i < limit.max_migrations
        elif limit.max_migrations is not None:
            earlier = [u for u, forced in moves[: i + 1] if not forced and u > t - limit.window_ns]
            assert len(earlier) <= limit.max_migrations
        if i > 0:
            assert t - moves[i - 1][0] >= limit.min_interval_ns


def within(window, times: list[int]) -> None:
    """Assert a rate limit over every window that ends at a migration."""
    if window.count is None:
        return
    for t in times:
        assert sum(t - window.window_ns < u <= t for u in times) <= window.count


def check_storms(burst, times: list[int]) -> None:
    """Assert that every storm is followed by its pause."""
    if burst.storm_count is None:
        return
    recent: list[int] = []
    quiet_until = 0
    for t in times:
        assert t >= quiet_until
        recent = [u for u in recent if u > t - burst.storm_window_ns] + [t]
        if len(recent) >= burst.storm_count:
            recent, quiet_until = [], t + burst.cooldown_ns


class Energy:
    """Energy of each hardware core, told from a log and a timeline alone."""

    def __init__(self, scenario) -> None:
        self.scenario, self.machine = scenario, Machine(scenario.topology, 10.0, True)
        binding = binding_of(scenario.policy, scenario.binding)
        places = initial_map(binding, scenario.topology, self.machine)
        self.place = [hw for hw, _ in places]
        self.is_busy = [False] * len(places)
        self.counted_from_ns = 0
        cores = self.machine.num_cores
        self.is_on, self.is_draining, self.total = [True] * cores, [False] * cores, np.zeros(cores, object)

    def power_mw(self, h: int) -> int:
        """Give the present power of a hardware core."""
        power, machine = self.scenario.cost.power, self.machine
        is_fast = not machine.type_name[h].startswith("E")
        if any(busy for busy, place in zip(self.is_busy, self.place, strict=True) if place == h):
            active = power.performance_active_mw if is_fast else power.efficiency_active_mw
            for _ in range(power.frequency_exponent):
                active = active * machine.mhz[h] // machine.nominal_mhz[h]
            return active
        if not self.is_on[h]:
            return power.off_mw
        return power.performance_idle_mw if is_fast else power.efficiency_idle_mw

    def pass_time(self, start_ns: int, end_ns: int) -> None:
        """Let time pass; what is before counting began does not count."""
        elapsed_ns = max(0, end_ns - max(start_ns, self.counted_from_ns))
        for h in range(len(self.total)):
            self.total[h] += self.power_mw(h) * elapsed_ns

    def see(self, code: int, core: int, a: int) -> None:
        """Take notice of an entry of the log."""
        if code == LogCode.DISPATCH:
            self.is_busy[core] = True
        elif code in ENDS_SLICE:
            self.is_busy[core] = False
            if self.is_draining[self.place[core]]:
                self.is_on[self.place[core]] = self.is_draining[self.place[core]] = False
        elif code == LogCode.REBIND:
            self.place[core] = a
        elif code == LogCode.TIMELINE:
            self.change(self.scenario.timeline.changes[a])

    def change(self, entry) -> None:
        """Do what an entry of the timeline does to hardware cores."""
        for h in sorted(parse_cores(entry.cores, self.machine)) if entry.cores is not None else []:
            busy = any(b for b, place in zip(self.is_busy, self.place, strict=True) if place == h)
            if entry.op == "frequency":
                self.machine.set_frequency(h, entry.mhz)
            elif entry.op in OPENING:
                self.is_on[h], self.is_draining[h] = True, False
            elif entry.op == "core_offline":
                self.is_on[h] = self.is_draining[h] = False
            elif entry.op == "power_down" and self.is_on[h]:
                self.is_on[h] = self.is_draining[h] = busy

    def of_log(self, log, end_ns: int) -> list[int]:
        """Give the energy in pJ from the warm-up to the end.

        Counters begin anew when the warm-up ends: those of a lane that ends before that began at time 0.
        """
        warmup_ns = self.scenario.simulation.warmup_ns
        self.counted_from_ns = warmup_ns if end_ns >= warmup_ns else 0
        before_ns = 0
        for time_ns, code, core, _, a, _ in log:
            self.pass_time(before_ns, time_ns)
            before_ns = time_ns
            self.see(code, core, a)
        self.pass_time(before_ns, end_ns)
        return [int(x) for x in self.total]
