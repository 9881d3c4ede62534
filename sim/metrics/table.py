"""The written definition of every metric: name, unit, meaning and range."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One metric. `better` is "low", "high" or "" (neither); `low` and `high` bound its values."""

    name: str
    unit: str
    text: str
    low: float = 0.0
    high: float = float("inf")
    better: str = ""
    is_count: bool = False


COUNTED = {
    "event": "events handled", "dispatch": "slices begun", "preemption": "slices ended by the quantum",
    "created": "processes created", "completed": "processes exited", "activation": "activations ended",
    "refused": "creations refused, the process table being full", "message": "messages sent",
    "lost_message": "messages that reached nobody", "storm": "storms detected",
    "failed_steal": "steals that found nothing", "adjustment": "adjustments of the adaptive law",
    "return": "migrations back to the core last left, within return_window_ns",
    "follow": "slices begun on another hardware core because the scheduler was re-bound",
    "rebind": "re-bindings of schedulers", "gc": "garbage collections", "major_gc": "major collections",
    "young_move": "young heaps moved to another node", "old_move": "old heaps moved to another node",
    "memory_spill": "processes allocated on another node for lack of memory",
    "memory_overflow": "processes for which no node had memory",
    "queue_overflow": "processes queued beyond queue_capacity",
    "mailbox_overflow": "messages lost to a full mailbox",
    "affinity": "changes of affinity", "affinity_refused": "changes of affinity refused",
    "stranded": "times that a process was stranded", "settled": "migrations settled",
    "paid_off": "settled migrations that were worth it",
    "scheduler_change": "slices begun on another scheduler than the one before",
    "balance": "erts: balance calls that laid new migration paths",
    "compact": "erts: balance calls that left some run queues inactive",
    "wake_one": "erts: schedulers woken or activated for work that waits elsewhere",
    "migration": "migrations done", "migration_attempt": "candidates checked",
}  # fmt: skip


def counts(names: str, text: str) -> list[Metric]:
    """Metrics that are whole numbers; {} in the text is what follows the first underscore of the name."""
    return [
        Metric(n, "1", text.format(n.split("_", 1)[1].replace("_", " ")), is_count=True)
        for n in names.split()
    ]


def counted(names: str) -> list[Metric]:
    """Metrics named <stem>_count, with the sentence of their stem."""
    return [Metric(f"{n}_count", "1", COUNTED[n], is_count=True) for n in names.split()]


def spread(stem: str, unit: str, text: str) -> list[Metric]:
    """Mean and percentiles of a quantity measured once an activation."""
    tails = {"mean": "mean", "p50": "median", "p90": "90 %", "p99": "99 %", "p999": "99.9 %"}
    suffix = "_ns" if unit == "ns" else ""
    return [Metric(f"{stem}_{t}{suffix}", unit, f"{text}: {name}", better="low") for t, name in tails.items()]


ALL = [
    Metric("load_balance", "1", "Jain's index of busy time by core, mean over windows; 1 = perfect",
           0, 1, "high"),
    Metric("load_imbalance", "1", "1 - load_balance", 0, 1, "low"),
    Metric("queue_balance", "1", "Jain's index of processes queued or running by core, mean over windows",
           0, 1, "high"),
    Metric("migration_overhead_share", "1",
           "time spent because of migrations (direct, refill, remote memory) / busy time", 0, 1, "low"),
    Metric("direct_overhead_share", "1", "direct part of migrations / busy time", 0, 1, "low"),
    Metric("refill_overhead_share", "1", "refill of caches after migrations / busy time", 0, 1, "low"),
    Metric("remote_overhead_share", "1", "slowdown by remote memory / busy time", 0, 1, "low"),
    Metric("wasted_core_share", "1", "core time idle while a process that may run there waits elsewhere",
           0, 1, "low"),
    Metric("idle_share", "1", "core time idle", 0, 1),
    Metric("utilisation", "1", "busy core time / core time", 0, 1),
    Metric("utilisation_min", "1", "utilisation of the least used core", 0, 1),
    Metric("utilisation_max", "1", "utilisation of the most used core", 0, 1),
    Metric("utilisation_performance", "1", "utilisation of the P cores; null without", 0, 1),
    Metric("utilisation_efficiency", "1", "utilisation of the E cores; null without", 0, 1),
    Metric("utilisation_cluster_max", "1", "utilisation of the most used cluster", 0, 1),
    Metric("utilisation_node_max", "1", "utilisation of the most used node", 0, 1),
    Metric("queue_core_mean", "1", "processes queued or running by core, mean over time", better="low"),
    Metric("queue_core_max", "1", "the same of the fullest core", better="low"),
    Metric("queue_cluster_max", "1", "the same by core in the fullest cluster", better="low"),
    Metric("queue_node_max", "1", "the same by core in the fullest node", better="low"),
    Metric("fairness", "1", "Jain's index over activations of time alone / sojourn; null without any",
           0, 1, "high"),
    Metric("away_share", "1", "run time of processes that prefer a core, spent elsewhere; null without such",
           0, 1, "low"),
    Metric("rebind_overhead_share", "1", "re-binding and switching of schedulers / busy time", 0, 1, "low"),
    Metric("spin_share", "1", "erts: scheduler time spent spinning before sleep", 0, 1, "low"),
    Metric("gc_share", "1", "garbage collection / busy time", 0, 1),
    Metric("stranded_mean", "1", "processes that wait where they cannot run, mean over time", better="low"),
    Metric("energy_j", "J", "energy of all cores", better="low"),
    Metric("energy_performance_j", "J", "energy of the P cores", better="low"),
    Metric("energy_efficiency_j", "J", "energy of the E cores", better="low"),
    Metric("energy_per_activation_j", "J", "energy / activations ended; null without any", better="low"),
    Metric("node_memory_max", "1", "used / available memory of the fullest node at the end, if limited",
           0, better="low"),
    Metric("migration_rate_per_s", "1/s", "migrations a second", better="low"),
    Metric("migration_success_rate", "1", "migrations / attempts; null without attempts", 0, 1),
    Metric("migration_cost_estimated_cycles", "cycles", "mean estimate; null without migrations",
           better="low"),
    Metric("migration_cost_realised_cycles", "cycles", "mean charge; null without migrations", better="low"),
    *[Metric(f"migration_{part}_cycles", "cycles", f"mean {text} in a migration's charge", better="low")
      for part, text in (("context_switch", "context switch"), ("synchronisation", "synchronisation"),
                         ("misses", "cache misses (flat)"), ("remote", "remote accesses (flat)"),
                         ("crossing", "crossing of nodes (cache: part of the refill)"))],
    Metric("migration_refill_private_ns", "ns", "mean refill of private caches in a charge", better="low"),
    Metric("migration_refill_shared_ns", "ns", "mean refill of what a shared cache held", better="low"),
    Metric("migration_benefit_estimated_cycles", "cycles", "mean expected benefit", float("-inf"),
           better="high"),
    Metric("migration_benefit_realised_ns", "ns", "mean benefit that came of a settled migration",
           float("-inf"), better="high"),
    Metric("migration_paid_off_share", "1", "settled migrations whose benefit exceeded their cost", 0, 1,
           "high"),
    Metric("return_share", "1", "migrations back to the core last left, within the return window", 0, 1,
           "low"),
    *[Metric(f"realised_cycles_{d}", "cycles", f"mean charge, distance {d.replace('_', ' ')}", better="low")
      for d in ("same_core", "same_cluster", "same_node", "other_node")],
    Metric("throughput_per_s", "1/s", "activations ended a second", better="high"),
    Metric("departure_rate_per_s", "1/s", "processes exited a second"),
    Metric("reductions_per_s", "1/s", "work done a second", better="high"),
    Metric("cache_hit_rate", "1", "lines touched that no migration had made cold", 0, 1, "high"),
    Metric("memory_latency_local_ns", "ns", "mean latency of work on the home node"),
    Metric("memory_latency_remote_ns", "ns", "mean latency of work away from the home node"),
    Metric("remote_work_share", "1", "reductions run away from the home node", 0, 1, "low"),
    Metric("message_remote_share", "1", "messages that crossed a NUMA node", 0, 1, "low"),
    *spread("sojourn", "ns", "activation: ready to blocked, waiting or gone"),
    *spread("waiting", "ns", "ready but not running, in an activation"),
    *spread("slowdown", "1", "sojourn / time alone on the fastest core, of activations that ran"),
    *counts(
        "migrations_wake migrations_steal migrations_balance migrations_affinity migrations_failure "
        "migrations_power", "migrations by {}",
    ),
    *counts(
        "migrations_same_core migrations_same_cluster migrations_same_node migrations_other_node",
        "migrations over distance {}",
    ),
    *counts(
        "denied_offline denied_mask denied_capacity denied_memory denied_process_limit denied_return "
        "denied_core_limit denied_system_limit denied_storm denied_burst denied_benefit",
        "attempts refused by {}",
    ),
    *counted(
        "migration migration_attempt event dispatch preemption created completed activation refused message "
        "lost_message storm failed_steal adjustment return follow rebind gc major_gc young_move old_move "
        "memory_spill memory_overflow queue_overflow mailbox_overflow affinity affinity_refused stranded "
        "settled paid_off scheduler_change balance compact wake_one",
    ),
]  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in ALL}
"""Every column of a result, in order, by name."""
