"""Counters and histograms of one lane to its metrics."""

import math

import numpy as np

from sim.arena import Arena
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
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
    """Rates, success, cost and worth of migrations."""
    count = c["migration_count"]
    row = {
        "migration_rate_per_s": count / span_s,
        "migration_success_rate": ratio(count - forced(c), c["migration_attempt_count"]),
        "migration_cost_estimated_cycles": ratio(c["estimated_cycles"], count),
        "migration_cost_realised_cycles": ratio(c["realised_cycles"], count),
        "migration_refill_private_ns": ratio(c["refill_private_ns"], count),
        "migration_refill_shared_ns": ratio(c["refill_shared_ns"], count),
        "migration_benefit_estimated_cycles": ratio(c["estimated_benefit_cycles"], count - forced(c)),
        "migration_benefit_realised_ns": ratio(c["realised_benefit_ns"], c["settled_count"]),
        "migration_paid_off_share": ratio(c["paid_off_count"], c["settled_count"]),
        "return_share": ratio(c["return_count"], count),
    }
    for part in ("context_switch", "synchronisation", "misses", "remote", "crossing"):
        row[f"migration_{part}_cycles"] = ratio(c[f"{part}_cycles"], count)
    for d in DISTANCES:
        row[f"realised_cycles_{d}"] = ratio(c[f"realised_{d}"], c[f"migrations_{d}"])
    return row


def forced(c: dict[str, int]) -> int:
    """Migrations that no check could refuse."""
    return c["migrations_affinity"] + c["migrations_failure"] + c["migrations_power"]


def domain_max(values: np.ndarray, domain: np.ndarray) -> float:
    """Mean of a value over the members of each domain: that of the greatest; NaN without members."""
    if not values.size:
        return math.nan
    sums, sizes = np.bincount(domain, values), np.bincount(domain)
    return float((sums[sizes > 0] / sizes[sizes > 0]).max())


def domain_metrics(arena: Arena, utilisation: np.ndarray, span_ns: int) -> dict[str, float]:
    """What a mean over the machine hides: the fullest core, cluster and node, and each type of core."""
    hardware, cores = arena.hardware(), arena.cores()
    windows = int(arena.z[S.WINDOWS]) - 1
    present = cores[:, C.PRESENT_NS] / max(1, windows * int(arena.z[K.WINDOW_NS]))
    slow = hardware[:, H.IS_EFFICIENCY] == 1
    return {
        "utilisation_min": float(utilisation.min()),
        "utilisation_max": float(utilisation.max()),
        "utilisation_performance": mean(utilisation[~slow]),
        "utilisation_efficiency": mean(utilisation[slow]),
        "utilisation_cluster_max": domain_max(utilisation, hardware[:, H.CLUSTER]),
        "utilisation_node_max": domain_max(utilisation, hardware[:, H.NODE]),
        "queue_core_mean": mean(present),
        "queue_core_max": float(present.max()),
        "queue_cluster_max": domain_max(present, cores[:, C.CLUSTER]),
        "queue_node_max": domain_max(present, cores[:, C.NODE]),
        "energy_j": joules(hardware[:, H.ENERGY_PJ]),
        "energy_performance_j": joules(hardware[~slow, H.ENERGY_PJ]),
        "energy_efficiency_j": joules(hardware[slow, H.ENERGY_PJ]),
    }


def mean(values: np.ndarray) -> float:
    """Mean; NaN of nothing."""
    return float(values.mean()) if values.size else math.nan


def joules(energy_pj: np.ndarray) -> float:
    """Sum of energies; a sum of int64 could wrap where a machine has many cores and a day."""
    return float(energy_pj.astype(np.float64).sum()) / 1e12


def node_memory_max(arena: Arena) -> float:
    """Used / available memory of the fullest node that has some; NaN without a limit."""
    nodes = arena.plan.tables.num_nodes
    capacity = arena.part(S.NODE_CAPACITY, nodes).astype(np.float64)
    has_memory = capacity > 0
    if not arena.z[K.HAS_MEMORY] or not has_memory.any():
        return math.nan
    return float((arena.part(S.NODE_USED, nodes)[has_memory] / capacity[has_memory]).max())


def fairness(c: dict[str, int], count: int) -> float:
    """Jain's index (Jain, Chiu and Hawe 1984) of time alone / sojourn over `count` activations that ran."""
    total, squares = c["fairness_sum"], c["fairness_squares"] << 8
    return min(1.0, ratio(total * total, count * squares))


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
        "rebind_overhead_share": ratio(c["rebind_ns"] + c["os_switch_ns"], busy),
        "spin_share": c["spin_ns"] / scheduler_ns,
        "gc_share": ratio(c["gc_ns"], busy),
        "away_share": ratio(c["away_ns"], c["preferred_ns"]),
        "stranded_mean": c["stranded_ns"] / span_ns,
        "fairness": fairness(c, int(histograms[N.SLOWDOWN].sum())),
        "node_memory_max": node_memory_max(arena),
        "throughput_per_s": c["activation_count"] / span_s,
        "departure_rate_per_s": c["completed_count"] / span_s,
        "reductions_per_s": c["reductions"] / span_s,
    }
    row |= migration_metrics(c, span_s) | memory_metrics(c) | domain_metrics(arena, utilisation, span_ns)
    row["energy_per_activation_j"] = ratio(row["energy_j"], c["activation_count"])
    row |= spread("sojourn", True, c["sojourn_sum_ns"], histograms[N.SOJOURN], 1)
    row |= spread("waiting", True, c["waiting_sum_ns"], histograms[N.WAITING], 1)
    row |= spread("slowdown", False, c["slowdown_sum_q10"], histograms[N.SLOWDOWN], 1024)
    return {name: row.get(name, c.get(name, math.nan)) for name in METRICS}
