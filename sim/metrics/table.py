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


def counts(names: str, text: str) -> list[Metric]:
    """Metrics that are whole numbers; {} in the text is what follows the first underscore of the name."""
    return [
        Metric(n, "1", text.format(n.split("_", 1)[1].replace("_", " ")), is_count=True)
        for n in names.split()
    ]


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
    Metric("migration_rate_per_s", "1/s", "migrations a second", better="low"),
    Metric("migration_success_rate", "1", "migrations / attempts; null without attempts", 0, 1),
    Metric("migration_cost_estimated_cycles", "cycles", "mean estimate; null without migrations",
           better="low"),
    Metric("migration_cost_realised_cycles", "cycles", "mean charge; null without migrations", better="low"),
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
    *counts("migrations_wake migrations_steal migrations_balance", "migrations by {}"),
    *counts(
        "migrations_same_core migrations_same_cluster migrations_same_node migrations_other_node",
        "migrations over distance {}",
    ),
    *counts(
        "denied_mask denied_capacity denied_process_limit denied_core_limit denied_system_limit denied_storm "
        "denied_burst denied_benefit", "attempts refused by {}",
    ),
    *counts("migration_count migration_attempt_count", "migrations: {}"),
    *counts(
        "event_count dispatch_count preemption_count created_count completed_count activation_count "
        "refused_count message_count lost_message_count storm_count failed_steal_count adjustment_count",
        "{} after the warm-up",
    ),
]  # fmt: skip

METRICS: dict[str, Metric] = {metric.name: metric for metric in ALL}
"""Every column of a result, in order, by name."""
