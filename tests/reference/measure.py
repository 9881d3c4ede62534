"""Counters, integrals over time, and histograms (DESIGN §10)."""

from collections import Counter

from tests.reference.codes import CoreState
from tests.reference.numbers import histogram_bucket

COUNTERS = """
event_count dispatch_count preemption_count migration_count migration_attempt_count denied_offline
denied_mask denied_capacity denied_memory denied_process_limit denied_return denied_core_limit
denied_system_limit denied_storm denied_burst denied_benefit migrations_wake migrations_steal
migrations_balance migrations_affinity migrations_failure migrations_power
migrations_same_core migrations_same_cluster migrations_same_node migrations_other_node
estimated_cycles realised_cycles direct_ns refill_ns remote_ns busy_ns wasted_ns idle_ns
created_count completed_count activation_count refused_count lost_message_count message_count
storm_count failed_steal_count adjustment_count reductions local_reds remote_reds
return_count settled_count paid_off_count realised_benefit_ns estimated_benefit_cycles
context_switch_cycles synchronisation_cycles misses_cycles remote_cycles crossing_cycles
refill_private_ns refill_shared_ns follow_count rebind_count rebind_ns os_switch_ns
gc_count major_gc_count gc_ns young_move_count old_move_count memory_spill_count
memory_overflow_count queue_overflow_count mailbox_overflow_count affinity_count
balance_count compact_count wake_one_count spin_ns scheduler_change_count
affinity_refused_count away_ns preferred_ns stranded_count stranded_ns fairness_sum fairness_squares
""".split()


class Measure:
    """What a lane has measured since the last reset, and what the adaptive rule looks at."""

    def __init__(self, num_cores: int) -> None:
        self.num_cores = num_cores
        self.period_overhead_ns = self.period_busy_ns = self.period_wasted_ns = 0
        self.reset()

    def reset(self) -> None:
        """Forget everything measured (not what the adaptive rule looks at)."""
        self.counters = Counter(dict.fromkeys(COUNTERS, 0))
        self.histograms = {name: Counter() for name in ("sojourn", "waiting", "slowdown")}
        self.sums = Counter(dict.fromkeys(self.histograms, 0))
        self.busy_ns = [0] * self.num_cores
        self.jain_values: dict[str, list[float]] = {"load_balance": [], "queue_balance": []}
        self.start_window()

    def start_window(self) -> None:
        """Begin a metric window."""
        self.busy_area = [0] * self.num_cores
        self.queue_area = [0] * self.num_cores

    def advance(self, cores, elapsed_ns: int) -> None:
        """Add a stretch of time in which nothing changed."""
        if elapsed_ns == 0:
            return
        queued = [(core, process) for core in cores if core.queue_length() for process in core.queued()]
        for core in cores:
            self.queue_area[core.index] += core.load() * elapsed_ns
            if core.state == CoreState.RUNNING:
                self.busy_ns[core.index] += elapsed_ns
                self.busy_area[core.index] += elapsed_ns
                self.counters["busy_ns"] += elapsed_ns
            elif core.state == CoreState.IDLE:
                self.counters["idle_ns"] += elapsed_ns
                if any(process.may_run_on(core.hw) for other, process in queued if other is not core):
                    self.counters["wasted_ns"] += elapsed_ns
                    self.period_wasted_ns += elapsed_ns

    def end_window(self, cores, length_ns: int) -> None:
        """Take Jain's index of busy time, and of load, by core over the window; and utilisation."""
        for core in cores:
            core.util_q16 = (self.busy_area[core.index] << 16) // length_ns
        areas = {"load_balance": self.busy_area, "queue_balance": self.queue_area}
        for name, area in areas.items():
            total = sum(float(x) for x in area)
            squares = sum(float(x) * float(x) for x in area)
            if total > 0:
                self.jain_values[name].append(total * total / (self.num_cores * squares))
        self.start_window()

    def end_activation(self, process, now: int) -> None:
        """Record an activation that ends now."""
        sojourn = now - process.activation_ns
        values = {"sojourn": sojourn, "waiting": process.waiting_ns}
        if process.ideal_ns > 0:
            values["slowdown"] = sojourn * 1024 // process.ideal_ns
            x = min(1 << 16, (process.ideal_ns << 16) // max(1, sojourn))
            self.counters["fairness_sum"] += x
            self.counters["fairness_squares"] += (x * x) >> 8
        for name, value in values.items():
            self.histograms[name][histogram_bucket(value)] += 1
            self.sums[name] += value
        self.counters["activation_count"] += 1

    def book_segment(self, segment) -> None:
        """Book what a segment that ends has cost."""
        self.counters["reductions"] += segment.reds
        self.counters["direct_ns"] += segment.direct_ns
        self.counters["refill_ns"] += segment.refill_ns
        self.counters["remote_ns"] += segment.remote_ns
        overhead = segment.direct_ns + segment.refill_ns + segment.remote_ns
        self.period_overhead_ns += overhead
        self.period_busy_ns += segment.length_ns

    def start_period(self) -> None:
        """Begin a period of the adaptive rule."""
        self.period_overhead_ns = self.period_busy_ns = self.period_wasted_ns = 0
