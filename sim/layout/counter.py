"""Positions of a lane's counters in the arena, behind its scalars; they begin at the end of the warm-up."""

from sim.layout import lane as S

BASE = S.WIDTH

NAMES = (
    "event_count", "dispatch_count", "preemption_count", "migration_count", "migration_attempt_count",
    "denied_offline", "denied_mask", "denied_capacity", "denied_memory", "denied_process_limit",
    "denied_return", "denied_core_limit", "denied_system_limit", "denied_storm", "denied_burst",
    "denied_benefit",
    "migrations_wake", "migrations_steal", "migrations_balance",
    "migrations_affinity", "migrations_failure", "migrations_power",
    "migrations_same_core", "migrations_same_cluster", "migrations_same_node", "migrations_other_node",
    "estimated_cycles", "realised_cycles", "direct_ns", "refill_ns", "remote_ns", "busy_ns", "wasted_ns",
    "idle_ns", "created_count", "completed_count", "activation_count", "refused_count",
    "lost_message_count", "message_count", "storm_count", "failed_steal_count", "adjustment_count",
    "reductions", "sojourn_sum_ns", "waiting_sum_ns", "slowdown_sum_q10", "lines_touched", "lines_refilled",
    "messages_same_core", "messages_same_cluster", "messages_same_node", "messages_other_node",
    "local_reds", "remote_reds", "estimated_same_core", "estimated_same_cluster",
    "estimated_same_node", "estimated_other_node", "realised_same_core", "realised_same_cluster",
    "realised_same_node", "realised_other_node", "local_latency_ns", "remote_latency_ns",
    "context_switch_cycles", "synchronisation_cycles", "misses_cycles", "remote_cycles", "crossing_cycles",
    "refill_private_ns", "refill_shared_ns", "follow_count", "return_count",
    "settled_count", "paid_off_count", "realised_benefit_ns", "estimated_benefit_cycles",
    "rebind_count", "rebind_ns", "os_switch_ns", "gc_count", "major_gc_count", "gc_ns",
    "young_move_count", "old_move_count", "memory_spill_count", "memory_overflow_count",
    "queue_overflow_count", "mailbox_overflow_count", "affinity_count", "affinity_refused_count",
    "away_ns", "preferred_ns", "stranded_count", "stranded_ns", "fairness_sum", "fairness_squares",
    "scheduler_change_count", "balance_count", "compact_count", "wake_one_count", "spin_ns",
)  # fmt: skip
_AT = {name: BASE + position for position, name in enumerate(NAMES)}

EVENTS = _AT["event_count"]
DISPATCHES = _AT["dispatch_count"]
PREEMPTIONS = _AT["preemption_count"]
MIGRATIONS = _AT["migration_count"]
ATTEMPTS = _AT["migration_attempt_count"]
DENIED = _AT["denied_offline"]  # .. denied_benefit, in the order of checks
BY_MECHANISM = _AT["migrations_wake"]  # .. migrations_balance
BY_DISTANCE = _AT["migrations_same_core"]  # .. migrations_other_node
ESTIMATED_CYCLES = _AT["estimated_cycles"]
REALISED_CYCLES = _AT["realised_cycles"]
DIRECT_NS = _AT["direct_ns"]
REFILL_NS = _AT["refill_ns"]
REMOTE_NS = _AT["remote_ns"]
BUSY_NS = _AT["busy_ns"]
WASTED_NS = _AT["wasted_ns"]
IDLE_NS = _AT["idle_ns"]
CREATED = _AT["created_count"]
COMPLETED = _AT["completed_count"]
ACTIVATIONS = _AT["activation_count"]
REFUSED = _AT["refused_count"]
LOST_MESSAGES = _AT["lost_message_count"]
MESSAGES = _AT["message_count"]
STORMS = _AT["storm_count"]
FAILED_STEALS = _AT["failed_steal_count"]
ADJUSTMENTS = _AT["adjustment_count"]
REDUCTIONS = _AT["reductions"]
SOJOURN_SUM_NS = _AT["sojourn_sum_ns"]
WAITING_SUM_NS = _AT["waiting_sum_ns"]
SLOWDOWN_SUM_Q10 = _AT["slowdown_sum_q10"]
LINES_TOUCHED = _AT["lines_touched"]
LINES_REFILLED = _AT["lines_refilled"]
MESSAGES_BY_DISTANCE = _AT["messages_same_core"]
LOCAL_REDS = _AT["local_reds"]
REMOTE_REDS = _AT["remote_reds"]
ESTIMATED_BY_DISTANCE = _AT["estimated_same_core"]
REALISED_BY_DISTANCE = _AT["realised_same_core"]
LOCAL_LATENCY_NS = _AT["local_latency_ns"]
REMOTE_LATENCY_NS = _AT["remote_latency_ns"]
COMPONENTS = _AT["context_switch_cycles"]  # .. crossing_cycles
CROSSING_CYCLES = _AT["crossing_cycles"]
REFILL_PRIVATE_NS = _AT["refill_private_ns"]
REFILL_SHARED_NS = _AT["refill_shared_ns"]
FOLLOWS = _AT["follow_count"]
RETURNS = _AT["return_count"]
SETTLED = _AT["settled_count"]
PAID_OFF = _AT["paid_off_count"]
REALISED_BENEFIT_NS = _AT["realised_benefit_ns"]
ESTIMATED_BENEFIT = _AT["estimated_benefit_cycles"]
REBINDS = _AT["rebind_count"]
REBIND_NS = _AT["rebind_ns"]
OS_SWITCH_NS = _AT["os_switch_ns"]
COLLECTIONS = _AT["gc_count"]
MAJORS = _AT["major_gc_count"]
GC_NS = _AT["gc_ns"]
YOUNG_MOVES = _AT["young_move_count"]
OLD_MOVES = _AT["old_move_count"]
SPILLS = _AT["memory_spill_count"]
MEMORY_OVERFLOWS = _AT["memory_overflow_count"]
QUEUE_OVERFLOWS = _AT["queue_overflow_count"]
MAILBOX_OVERFLOWS = _AT["mailbox_overflow_count"]
AFFINITIES = _AT["affinity_count"]
AFFINITIES_REFUSED = _AT["affinity_refused_count"]
AWAY_NS = _AT["away_ns"]
PREFERRED_NS = _AT["preferred_ns"]
STRANDED = _AT["stranded_count"]
STRANDED_NS = _AT["stranded_ns"]
FAIRNESS_SUM = _AT["fairness_sum"]
FAIRNESS_SQUARES = _AT["fairness_squares"]
SCHEDULER_CHANGES = _AT["scheduler_change_count"]
BALANCE_CALLS = _AT["balance_count"]
COMPACTIONS = _AT["compact_count"]
WAKE_ONES = _AT["wake_one_count"]
SPIN_NS = _AT["spin_ns"]
WIDTH = 112
assert len(NAMES) <= WIDTH

# reasons of denial, in the order of the checks
REASONS = (
    "offline", "mask", "capacity", "memory", "process_limit", "return",
    "core_limit", "system_limit", "storm", "burst", "benefit",
)  # fmt: skip
(
    OFFLINE, OUTSIDE_MASK, CAPACITY, MEMORY, PROCESS_LIMIT, RETURN,
    CORE_LIMIT, SYSTEM_LIMIT, STORM, BURST, BENEFIT,
) = range(11)  # fmt: skip
PASSED, FORCED = -1, -2
MECHANISMS = ("wake", "steal", "balance", "affinity", "failure", "power")
WAKE, STEAL, BALANCE, AFFINITY, FAILURE, POWER = range(6)
SOJOURN, WAITING, SLOWDOWN = 0, 1, 2  # histograms
HISTOGRAM_WIDTH = 64 * 58  # buckets of every x below 2^63 (DESIGN §10)
