"""By how much a paired comparison beats an unpaired one, on the default study's machine and policies."""

import math

import numpy as np
from scipy import stats

from tests.statistical.study_lanes import study_lanes
from tests.validation.case import Outcome, Plot, Scale, Series
from tests.validation.judge import half_width, order
from tests.validation.registry import case, seed_of

SOURCE = "Law 2015, Simulation Modeling and Analysis, §10.2 and §11.2 (paired-t, common random numbers)"
METRICS = (
    "load_imbalance", "migration_overhead_share", "wasted_core_share", "slowdown_mean", "slowdown_p99",
    "sojourn_mean_ns", "sojourn_p99_ns", "throughput_per_s", "utilisation", "cache_hit_rate",
    "migration_rate_per_s",
)  # fmt: skip
AXES = ("policy=balanced", "sweep=none", "policy.threshold_factor=1,16")
# What requests bring is the same under every policy, so these follow it closely.
GAINING = ("load_imbalance", "wasted_core_share", "sojourn_mean_ns", "throughput_per_s", "utilisation")
DEFAULT_REPLICATES = 3


def log_factors(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Jackknife pseudo-values of the log of (variance of x - y if unpaired) / (variance of x - y as paired).

    Their mean is the log of the factor in replicates, and they are near independent (Tukey 1958; Miller 1974,
    "The jackknife - a review", Biometrika 61), so that a Student-t interval holds.
    """
    count = len(x)

    def log_factor(a: np.ndarray, b: np.ndarray) -> float:
        return math.log((a.var(ddof=1) + b.var(ddof=1)) / (a - b).var(ddof=1))

    kept = ~np.eye(count, dtype=bool)
    without = np.array([log_factor(x[row], y[row]) for row in kept])
    return count * log_factor(x, y) - (count - 1) * without


def break_even(replicates: int) -> float:
    """Factor from which on a paired interval is the narrower one: it has half the degrees of freedom."""
    paired, unpaired = (stats.t.ppf(0.975, freedom) for freedom in (replicates - 1, 2 * replicates - 2))
    return float((paired / unpaired) ** 2)


def factors(columns: list[dict[str, np.ndarray]], pair: tuple[int, int]) -> dict[str, np.ndarray]:
    """Pseudo-values of every metric that varies under both settings."""
    found = {}
    for name in METRICS:
        x, y = (np.asarray(columns[point][name], np.float64) for point in pair)
        if x.std() > 0 and y.std() > 0 and (x - y).std() > 0:
            found[name] = log_factors(x, y)
    return found


def series_of(name: str, found: dict[str, np.ndarray]) -> Series:
    """Factors by the number of the metric; the interval is that of the log, made even."""
    names = [metric for metric in METRICS if metric in found]
    x = [METRICS.index(metric) + 1 for metric in names]
    y = [math.exp(found[metric].mean()) for metric in names]
    widths = [math.exp(found[m].mean()) * math.sinh(min(half_width(found[m], 0.05), 3)) for m in names]
    return Series(name, False, x, y, widths)


def sentence(name: str, found: dict[str, np.ndarray]) -> str:
    """Factor and narrowing of each metric in words."""
    parts = []
    for metric, values in found.items():
        factor = math.exp(values.mean())
        low, high = (math.exp(values.mean() + side * half_width(values, 0.05)) for side in (-1, 1))
        parts.append(f"{metric} {factor:.3g} ({low:.2g} to {high:.2g})")
    return f"{name}: factor in replicates (95 % interval): {', '.join(parts)}."


@case("Paired against unpaired", "statistics", SOURCE)
def pairing(scale: Scale) -> Outcome:
    """Two settings of the default study's policy (threshold_factor 1 and 16), and `none`, on its machine.

    Under common random numbers the difference within a replicate has less variance than two independent runs
    would give. The ratio of these variances is the factor in replicates that pairing is worth; the half width
    of the interval shrinks by its root. Workloads: Poisson requests (`steady`), where arrivals and demands
    are the same under both settings, and the default study's replayed program.
    """
    count = 30 if scale.is_full else 12
    seed = f"seed={seed_of('pairing')}"
    horizon = 20_000_000 if scale.is_full else 6_000_000
    times = (f"simulation.horizon_ns={horizon}", f"simulation.warmup_ns={horizon * 2 // 5}")
    requests = study_lanes([*AXES, *times, seed, f"replicates={count}", "workload=steady"])
    near = factors(requests, (0, 1))
    checks = [
        order(f"log factor in replicates, requests, {name}", near[name], np.zeros(count), unit="")
        for name in (GAINING if scale.is_full else GAINING[3:])
    ]
    lines = {
        "requests: factor 1 against 16": near,
        "requests: factor 1 against none": factors(requests, (0, 2)),
    }
    notes = [sentence(name, found) for name, found in lines.items()]
    if scale.is_full:
        replay, more = replayed(seed)
        lines |= replay
        notes += more
    places = list(range(1, len(METRICS) + 1))
    even = Series("no gain", True, places, [1.0] * len(places))
    worth = Series("break-even of 3 replicates", True, places, [break_even(DEFAULT_REPLICATES)] * len(places))
    titles = ", ".join(f"{place} {name}" for place, name in zip(places, METRICS, strict=True))
    shown = [series_of(name, found) for name, found in lines.items()]
    plot = Plot("What pairing is worth", titles, "factor in replicates", [even, worth, *shown], is_log_y=True)
    return Outcome(checks, [plot], notes)


def replayed(seed: str) -> tuple[dict[str, dict[str, np.ndarray]], list[str]]:
    """Factors on the default study's replayed program, and what they mean."""
    rate = "policy.limits.system.rate_per_s=6000000"
    times = ("simulation.horizon_ns=30000000", "simulation.warmup_ns=12000000")
    columns = study_lanes([*AXES, rate, *times, seed, "replicates=20"])
    found = {
        "replay: factor 1 against 16": factors(columns, (0, 1)),
        "replay: factor 1 against none": factors(columns, (0, 2)),
    }
    skews = [abs(float(stats.skew(columns[0][name]))) for name in METRICS]
    ends = ", ".join(f"{break_even(n):.3g} for {n}" for n in (3, 5, 8, 16))
    notes = [sentence(name, each) for name, each in found.items()]
    welch = (
        "Pairing is always right. It is narrower than an unpaired interval (Welch) where the factor is above "
        f"{ends} replicates, as it has half the degrees of freedom."
    )
    limits = (
        "Where it does not help: a replayed program draws nothing but the shift of its copies, and its lanes "
        "soon part under different settings; a metric that is constant under one of them (no migration, a "
        "percentile within one bucket of its histogram) has nothing to share; what migrations cost is a "
        "policy's own. Below 1 the settings answer a hard replicate in opposite ways, and an unpaired "
        "interval would be too narrow."
    )
    skew = (
        f"Of the replay at factor 1 the metrics' skewness over replicates is {np.median(skews):.2g} in the "
        f"middle and {max(skews):.2g} at most."
    )
    return found, [*notes, welch, limits, skew]
