"""Counters and histograms of one lane to its metrics."""

import math

import numpy as np

from sim.arena import Arena
from sim.layout import counter as N
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.metrics.table import METRICS

DISTANCES = ("same_core", "same_cluster", "same_node", "other_node")


def ratio(part: float, whole: float) -> float:
    """part / whole, NaN (no such thing) when the whole is zero."""
    return part / whole if whole else math.nan


def bucket_middle(index: int) -> float:
    """Middle of the values of a histogram bucket (DESIGN §10)."""
    e = max(0, index // 64 - 1)
    low = index if index < 128 else (index - 64 * e) << e
    return low + ((1 << e) - 1) / 2


def percentile(histogram: np.ndarray, share: float) -> float:
    """Value below or at which `share` of the counts lie, within 1/64 of itself; NaN without counts."""
    total = int(histogram.sum())
    if total == 0:
        return math.nan
    rank = max(1, math.ceil(share * total))
    return bucket_middle(int(np.searchsorted(np.cumsum(histogram), rank)))


def spread(name: str, unit_ns: bool, total: float, histogram: np.ndarray, scale: float) -> dict[str, float]:
    """Mean and percentiles of one histogram."""
    tail = "_ns" if unit_ns else ""
    row = {f"{name}_mean{tail}": ratio(total / scale, int(histogram.sum()))}
    for label, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99), ("p999", 0.999)):
        row[f"{name}_{label}{tail}"] = percentile(histogram, share) / scale
    return row


def migration_metrics(c: dict[str, int], span_s: float) -> dict[str, float]:
    """Rates, success and mean cost of migrations."""
    count = c["migration_count"]
    row = {
        "migration_rate_per_s": count / span_s,
        "migration_success_rate": ratio(count, c["migration_attempt_count"]),
        "migration_cost_estimated_cycles": ratio(c["estimated_cycles"], count),
        "migration_cost_realised_cycles": ratio(c["realised_cycles"], count),
    }
    for d in DISTANCES:
        row[f"realised_cycles_{d}"] = ratio(c[f"realised_{d}"], c[f"migrations_{d}"])
    return row


def memory_metrics(c: dict[str, int]) -> dict[str, float]:
    """Cache hits, latency and distance of work and messages."""
    reds = c["local_reds"] + c["remote_reds"]
    messages = sum(c[f"messages_{d}"] for d in DISTANCES)
    return {
        "cache_hit_rate": 1.0 - ratio(c["lines_refilled"], c["lines_touched"]),
        "memory_latency_local_ns": ratio(c["local_latency_ns"], c["local_reds"]),
        "memory_latency_remote_ns": ratio(c["remote_latency_ns"], c["remote_reds"]),
        "remote_work_share": ratio(c["remote_reds"], reds),
        "message_remote_share": ratio(c["messages_other_node"], messages),
    }


def metrics_of(arena: Arena, span_ns: int) -> dict[str, float]:
    """All metrics of the lane that just ran in `arena`; `span_ns` is the measured time."""
    c, histograms, hardware = arena.counters(), arena.histograms(), arena.hardware()
    span_s, busy = span_ns / 1e9, c["busy_ns"]
    core_ns, scheduler_ns = hardware.shape[0] * span_ns, arena.num_now * span_ns
    utilisation = hardware[:, H.BUSY_NS] / span_ns
    overhead = c["direct_ns"] + c["refill_ns"] + c["remote_ns"]
    balance = ratio(int(arena.z[S.JAIN_Q32]) / 2**32, int(arena.z[S.JAIN_WINDOWS]))
    queues = ratio(int(arena.z[S.QUEUE_JAIN_Q32]) / 2**32, int(arena.z[S.QUEUE_JAIN_WINDOWS]))
    row: dict[str, float] = {
        "load_balance": balance,
        "load_imbalance": 1.0 - balance,
        "queue_balance": queues,
        "migration_overhead_share": ratio(overhead, busy),
        "direct_overhead_share": ratio(c["direct_ns"], busy),
        "refill_overhead_share": ratio(c["refill_ns"], busy),
        "remote_overhead_share": ratio(c["remote_ns"], busy),
        "wasted_core_share": c["wasted_ns"] / scheduler_ns,
        "idle_share": c["idle_ns"] / scheduler_ns,
        "utilisation": busy / core_ns,
        "utilisation_min": float(utilisation.min()),
        "utilisation_max": float(utilisation.max()),
        "throughput_per_s": c["activation_count"] / span_s,
        "departure_rate_per_s": c["completed_count"] / span_s,
        "reductions_per_s": c["reductions"] / span_s,
    }
    row |= migration_metrics(c, span_s) | memory_metrics(c)
    row |= spread("sojourn", True, c["sojourn_sum_ns"], histograms[N.SOJOURN], 1)
    row |= spread("waiting", True, c["waiting_sum_ns"], histograms[N.WAITING], 1)
    row |= spread("slowdown", False, c["slowdown_sum_q10"], histograms[N.SLOWDOWN], 1024)
    return {name: row.get(name, c.get(name, math.nan)) for name in METRICS}
