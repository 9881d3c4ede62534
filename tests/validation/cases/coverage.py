"""Do 95 % of the summary's 95 % intervals contain the truth? On queues whose means are known."""

import math
from dataclasses import replace

import numpy as np

import sim
from tests.analytic.queues import (
    FREE,
    MEAN_NS,
    SHARE,
    STAY,
    cores,
    customers,
    demand,
    finite_source,
    horizon,
    waiting_mg1,
    waiting_mmc,
)
from tests.statistical.repetitions import difference_intervals, gain_hits, hits, mean_intervals
from tests.statistical.shares import LEVEL, share_at_least, share_at_most, share_is, tolerance
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.registry import case, seed_of

SOURCE = "Student 1908; Law 2015, Simulation Modeling and Analysis, §9.4 (replication/deletion, coverage)"
RATE = 1e9 / MEAN_NS  # customers a second that a core serves
REPLICATES = (3, 5, 8, 16)
STUDIES = 2000
# Coverage of skewed metrics that is held against a bound; few repetitions cannot show more than half.
LEAST = {"full": 0.88, "quick": 0.5}
LEAST_HEAVY = {"full": 0.8, "quick": 0.5}
Columns = dict[str, np.ndarray]
Found = dict[str, list[tuple[float, np.ndarray]]]


def lanes(
    name: str, count: int, scale: Scale, model: tuple[sim.Topology, sim.Workload, sim.Policy, sim.Simulation]
) -> Columns:
    """Columns of independent lanes: `count` in the full suite, a sixteenth of them in the quick one."""
    topology, workload, policy, simulation = model
    number = count if scale.is_full else count // 16
    every = [sim.Lane(policy, FREE, seed_of(name), replicate) for replicate in range(number)]
    columns = sim.simulate(topology, workload, every, replace(simulation, max_processes=5000)).columns
    if not (columns["status"] == sim.LaneStatus.COMPLETED).all():
        raise RuntimeError(f"lanes that did not complete: status {np.unique(columns['status'])}")
    return columns


def queue(
    load: float,
    length: float,
    num_cores: int = 1,
    policy: sim.Policy = STAY,
    draw: sim.Distribution | None = None,
) -> tuple[sim.Topology, sim.Workload, sim.Policy, sim.Simulation]:
    """An open queue with Poisson arrivals, `length` customers long, the first tenth left out."""
    rate = num_cores * load * RATE
    workload = customers(draw or demand(), rate_per_s=rate, start="random")
    return cores(num_cores), workload, policy, horizon(length, rate)


def covering(values: np.ndarray, truth: float, replicates: int) -> np.ndarray:
    """Which repetitions of a study have the truth in the summary's interval of the mean."""
    return hits(mean_intervals(values, replicates), truth)


def coverage_plot(title: str, found: Found, x_title: str = "replicates") -> Plot:
    """Coverage over the number of replicates, or over what `x_title` says."""
    every = sorted({x for points in found.values() for x, _ in points})
    series = [Series("stated", True, every, [LEVEL] * len(every))]
    for name, points in found.items():
        widths = [tolerance(LEVEL, len(each)) for _, each in points]
        shares = [float(each.mean()) for _, each in points]
        series.append(Series(name, False, [x for x, _ in points], shares, widths))
    return Plot(title, x_title, "share of intervals with the truth", series, is_log_x=True)


@case("Coverage of intervals: M/M/1", "statistics", SOURCE)
def coverage_mm1(scale: Scale) -> Outcome:
    """One core at load 0.5, a short run of 200 customers, repeated as studies of 3, 5, 8 and 16 replicates.

    Each study's interval is the summary's own (`pipeline.evidence.aggregate.interval_table`). Utilisation and
    throughput are close to normal: 95 % of their intervals hold the known value, within the binomial
    tolerance. The mean waiting time of so short a run is skewed, the hard case: Student's interval, which
    leans on normal means, covers less.
    """
    load = 0.5
    count = STUDIES * max(REPLICATES)
    r = lanes("coverage M/M/1", count, scale, queue(load, 200))
    waiting = waiting_mmc(1, load)
    truths = {
        "utilisation": ("utilisation", load),
        "throughput": ("throughput_per_s", load * RATE),
        "mean waiting time": ("waiting_mean_ns", waiting),
        "mean sojourn time": ("sojourn_mean_ns", waiting + MEAN_NS),
    }
    checks: list[Check] = []
    found: Found = {name: [] for name in truths}
    for name, (column, truth) in truths.items():
        for replicates in REPLICATES:
            happened = covering(r[column], truth, replicates)
            found[name].append((replicates, happened))
            quantity = f"coverage of the {name}, {replicates} replicates"
            if name in ("utilisation", "throughput"):
                checks.append(share_is(quantity, happened, LEVEL, scale))
            else:
                checks.append(share_at_least(quantity, happened, LEAST[scale.name]))
    if scale.is_full:
        wrong = covering(r["utilisation"], load * 1.05, 16)
        checks.append(share_at_most("coverage of a utilisation 5 % off, 16 replicates", wrong, 0.9))
    skew = float((((r["waiting_mean_ns"] - waiting) / r["waiting_mean_ns"].std()) ** 3).mean())
    least = min(each.mean() for _, each in found["mean waiting time"])
    note = (
        f"The mean waiting time of a lane has a skewness of {skew:.3g}; the least coverage of its interval "
        f"is {least:.3f} instead of {LEVEL}. More replicates mend this slowly, longer lanes faster."
    )
    return Outcome(checks, [coverage_plot("Coverage over the number of replicates", found)], [note])


@case("Coverage of intervals: other queues", "statistics", SOURCE)
def coverage_queues(scale: Scale) -> Outcome:
    """Studies of 3 replicates, as the default study has, on M/D/1, M/M/4 with one queue, and M/M/2//6.

    Means that are known, utilisation, throughput and waiting or sojourn time, in the summary's own intervals.
    """
    think = 5 * MEAN_NS
    busy, sojourn = finite_source(2, 6, think)
    program = (
        sim.Step(op="run", draw=demand()),
        sim.Step(op="block", draw=sim.Distribution(kind="exponential", mean=think)),
    )
    closed = sim.Workload(
        ns_per_reduction=1.0, classes=(sim.ProcessClass(name="machine", count=6, program=program),)
    )
    deterministic = queue(0.6, 300, draw=demand("deterministic"))
    models = {
        "M/D/1": (deterministic, 0.6, "waiting_mean_ns", waiting_mg1(0.6, MEAN_NS, MEAN_NS**2)),
        "M/M/4": (queue(0.6, 500, 4, SHARE), 0.6, "waiting_mean_ns", waiting_mmc(4, 0.6)),
        "M/M/2//6": (
            (cores(2), closed, SHARE, horizon(500, 2 * busy * RATE)), busy, "sojourn_mean_ns", sojourn,
        ),
    }  # fmt: skip
    checks: list[Check] = []
    found: Found = {"utilisation": [], "mean time": []}
    for place, (name, (model, load, column, truth)) in enumerate(models.items(), 1):
        r = lanes(f"coverage {name}", STUDIES * 3, scale, model)
        happened = covering(r["utilisation"], load, 3)
        checks.append(share_is(f"{name}: coverage of the utilisation, 3 replicates", happened, LEVEL, scale))
        found["utilisation"].append((place, happened))
        happened = covering(r[column], truth, 3)
        quantity = f"{name}: coverage of the mean {column.split('_')[0]} time, 3 replicates"
        checks.append(share_at_least(quantity, happened, LEAST[scale.name]))
        found["mean time"].append((place, happened))
    plot = coverage_plot("Coverage with 3 replicates", found, "1: M/D/1, 2: M/M/4, 3: M/M/2//6")
    return Outcome(checks, [replace(plot, is_log_x=False)])


@case("Coverage of intervals: percentiles, heavy tails, short runs", "statistics", SOURCE)
def coverage_hard(scale: Scale) -> Outcome:
    """Where the stated 95 % do not hold, and by how much: so that nobody leans on it.

    The p99 of the sojourn time in M/M/1 at load 0.8 (exponential, known) over runs of 100 to 1000 customers,
    and the mean waiting time with hyper-exponential demands of cv 4 (Pollaczek-Khinchine). A summary's
    interval is one of the expectation *at the horizon that was run*: that it holds about as often as it says.
    A percentile of a short run lies below the one of the steady state, which no number of replicates mends:
    for that truth the coverage falls towards zero.
    """
    load, checks, notes = 0.8, [], []
    found: Found = {"of the run's own p99": [], "of the steady state's p99": []}
    steady = MEAN_NS / (1 - load) * math.log(100)
    for length in (100, 300, 1000):
        p99 = lanes(f"coverage p99 {length}", STUDIES * 3, scale, queue(load, length))["sojourn_p99_ns"]
        own, known = covering(p99, float(p99.mean()), 3), covering(p99, steady, 3)
        found["of the run's own p99"].append((length, own))
        found["of the steady state's p99"].append((length, known))
        notes.append(
            f"{length} customers: the p99 is {1 - p99.mean() / steady:.1%} below the steady state's; of the "
            f"intervals from 3 replicates {known.mean():.3f} hold that, {own.mean():.3f} the run's own."
        )
        quantity = f"coverage of the run's own p99, {length} customers"
        checks.append(share_at_least(quantity, own, LEAST[scale.name]))
    at_short = found["of the steady state's p99"][0][1]
    checks.append(share_at_most("coverage of the steady state's p99, 100 customers", at_short, 0.7))
    heavy = queue(0.5, 500, draw=demand("hyperexponential", cv=4.0))
    waiting = lanes("coverage heavy", STUDIES * 5, scale, heavy)["waiting_mean_ns"]
    truth = waiting_mg1(0.5, MEAN_NS, MEAN_NS**2 * 17)
    for replicates in (3, 5):
        happened = covering(waiting, truth, replicates)
        quantity = f"coverage of the mean waiting time, demands of cv 4, {replicates} replicates"
        checks.append(share_at_least(quantity, happened, LEAST_HEAVY[scale.name]))
        notes.append(f"{quantity}: {happened.mean():.3f}.")
    return Outcome(checks, [coverage_plot("Coverage of the p99, load 0.8", found, "customers")], notes)


@case("Coverage of intervals: paired differences", "statistics", SOURCE)
def coverage_pairs(scale: Scale) -> Outcome:
    """Two cores at load 0.5: a queue each (random placement) against one for both, with the same customers.

    The difference of their mean waiting times is that of M/M/1 and M/M/2, and so is the gain in per cent.
    The paired interval is the summary's own (`aggregate.paired_differences`), the gain's that of a
    choice by the study's objective (`pipeline.evidence.choice.choose`), estimated on every other replicate.
    """
    load, length = 0.5, 600
    apart = lanes("coverage pairs", STUDIES * 5, scale, queue(load, length, 2))
    shared = lanes("coverage pairs", STUDIES * 5, scale, queue(load, length, 2, SHARE))
    checks: list[Check] = []
    truths = {
        "waiting_mean_ns": ("mean waiting time", waiting_mmc(2, load) - waiting_mmc(1, load)),
        "utilisation": ("utilisation", 0.0),
        "throughput_per_s": ("throughput", 0.0),
    }
    found: Found = {}
    for column, (name, truth) in truths.items():
        for replicates in (3, 5):
            happened = hits(difference_intervals(shared[column], apart[column], replicates), truth)
            found.setdefault(name, []).append((replicates, happened))
            quantity = f"coverage of the paired difference in {name}, {replicates} replicates"
            checks.append(share_at_least(quantity, happened, LEAST[scale.name]))
    gains = -np.column_stack([apart["waiting_mean_ns"], shared["waiting_mean_ns"]])
    gain = 1 - waiting_mmc(2, load) / waiting_mmc(1, load)
    for replicates in (4, 5, 8):
        happened = gain_hits(gains, replicates, gain)
        found.setdefault("gain in mean waiting time", []).append((replicates, happened))
        quantity = f"coverage of the gain in mean waiting time, {replicates} replicates"
        checks.append(share_at_least(quantity, happened, LEAST[scale.name]))
    if scale.is_full:
        wrong = hits(difference_intervals(shared["waiting_mean_ns"], apart["waiting_mean_ns"], 5), 0.0)
        checks.append(share_at_most("intervals that hold no difference at all, 5 replicates", wrong, 0.1))
    return Outcome(checks, [coverage_plot("Coverage of paired differences", found)])


def correlated(kind: str, rng: np.random.Generator, count: int) -> tuple[np.ndarray, float]:
    """Made-up slowdowns (lane, point) of a baseline of mean 100 and a winner, and the winner's true gain."""
    shared, first, second = rng.standard_normal((3, count))
    if kind == "noise in common":
        return np.column_stack([100 + 20 * shared + first, 50 + 20 * shared + second]), 0.5
    if kind == "noise in proportion":
        base, other = 100 * (1 + 0.2 * shared) + first, 50 * (1 + 0.2 * shared) + second
        return np.column_stack([base, other]), 0.5
    return np.column_stack([100 + 10 * first, 90 + 9 * second]), 0.1


@case(
    "Coverage of intervals: gains", "statistics", "Cochran 1977, Sampling Techniques, §6.3 (ratio estimates)"
)
def coverage_gains(scale: Scale) -> Outcome:
    """A gain in per cent is a ratio of two noisy means: made-up slowdowns whose true gain is known.

    Studies of 4, 8 and 16 replicates, half of which a choice by the objective estimates on. The noise of
    baseline and winner is in common, in proportion to their means, or independent.
    """
    studies = STUDIES if scale.is_full else 150
    rng = np.random.default_rng(seed_of("coverage gains"))
    checks: list[Check] = []
    found: Found = {}
    for kind in ("noise in common", "noise in proportion", "independent noise"):
        for replicates in (4, 8, 16):
            slowdowns, gain = correlated(kind, rng, studies * replicates)
            happened = gain_hits(-slowdowns, replicates, gain)
            found.setdefault(kind, []).append((replicates, happened))
            checks.append(
                share_is(f"coverage of the gain, {kind}, {replicates} replicates", happened, LEVEL, scale)
            )
    slowdowns, gain = correlated("noise in common", rng, studies * 8)
    low, high = mean_intervals(slowdowns[:, 0] - slowdowns[:, 1], 8)
    means = slowdowns[:, 0].reshape(studies, 8).mean(axis=1)
    naive = hits((low / means, high / means), gain)
    checks.append(share_at_most("coverage if the baseline's mean had no noise, 8 replicates", naive, 0.8))
    note = (
        "The last check is the interval of the differences over the baseline's mean as if that were exact: "
        f"with noise in common it would hold the truth in {naive.mean():.3f} of the studies only."
    )
    return Outcome(checks, [coverage_plot("Coverage of the gain", found)], [note])
