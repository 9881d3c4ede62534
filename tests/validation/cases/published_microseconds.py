"""Work stealing against two-choice placement for tasks of 1 us, as experiment=published_microseconds."""

import numpy as np

from tests.analytic.queues import erlang_c
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.published_experiments import Point, one, points, series
from tests.validation.judge import interval, order
from tests.validation.registry import case, seed_of
from tests.validation.theory.published_choices import mean_time

NAME = "Published: work stealing for microsecond tasks"
SOURCE = "McClure, Ousterhout, Shenker and Ratnasamy, NSDI 2022"
CORES, MEAN_NS, LOOK_NS = 32, 1000, 100
LOADS = (0.1, 0.3, 0.5, 0.7, 0.8)
WARMUP_NS, SPAN_NS = 400_000, 1_600_000  # 400 mean demands: 20 relaxation times of two choices at load 0.9


@case(NAME, "published", SOURCE)
def microseconds(scale: Scale) -> Outcome:
    """32 cores; Poisson tasks, exponential of 1 us, each at a random core; to look, steal or choose: 100 ns.

    Claimed (abstract): work stealing performs best among load-balancing policies. Here: at each load its mean
    and 99th percentile of latency are better than those of two-choice placement that pays 100 ns a task, and
    from load 0.3 on its percentile is better than that of two choices that cost nothing; M/M/32, a central
    queue that costs nothing, beats it. Its overhead at low load: (1 - load) / (load x 0.1) looks into queues
    for each task. Two choices at no cost are held against the mean field with its 1/N term.
    """
    loads = LOADS if scale.is_full else (0.1, 0.7)
    span = WARMUP_NS + int((SPAN_NS - WARMUP_NS) * scale.size)
    words = (
        f"workload.classes.task.arrival.load={','.join(map(str, loads))}",
        f"simulation.horizon_ns={span}", f"simulation.warmup_ns={WARMUP_NS}", "simulation.window_ns=100_000",
    )  # fmt: skip
    found = points(
        "published_microseconds", *words, replicates=scale.replicates, seed=seed_of(NAME),
        is_wanted={"policy": "published_free"},
    )  # fmt: skip
    steal = {load: one(found, load=load, victim="random") for load in loads}
    paid = {load: one(found, load=load, spawn="best_of", dispatch_cycles=250) for load in loads}
    free = {load: one(found, load=load, spawn="best_of", dispatch_cycles=0) for load in loads}
    checks: list[Check] = []
    for load in loads:
        checks += dominance(load, steal[load], paid[load], free[load])
        theory = mean_time(load, 2, CORES)
        checks.append(
            interval(
                f"mean latency of two free choices, load {load}", free[load]["sojourn_mean_ns"] / MEAN_NS,
                theory, scale, unit="demands", narrow=0.03, slack=10 / CORES**2,
                note="slack: 10/N^2 for the terms beyond 1/N",
            )
        )  # fmt: skip
        if load <= 0.5:
            checks.append(looks_check(load, steal[load], scale))
    plots = [
        latency_plot(
            loads, [("stealing", steal), ("two choices, 100 ns", paid), ("two choices, free", free)]
        ),
        looks_plot(loads, steal),
    ]
    return Outcome(checks, plots, [note(loads, steal, paid, free)])


def dominance(load: float, steal: Point, paid: Point, free: Point) -> list[Check]:
    """Stealing is better, at one load; and worse than a free central queue."""
    mean, p99 = "sojourn_mean_ns", "sojourn_p99_ns"
    bound = MEAN_NS + erlang_c(CORES, CORES * load) * MEAN_NS / (CORES * (1 - load))
    kinds = [
        ("mean latency: two choices above stealing", paid[mean], steal[mean]),
        ("99 % of latency: two choices above stealing", paid[p99], steal[p99]),
    ]
    if load >= 0.3:
        kinds.append(
            ("mean latency of stealing above M/M/32", steal[mean], bound * demand_share(load, steal))
        )
        kinds.append(("99 % of latency: two free choices above stealing", free[p99], steal[p99]))
    return [order(f"{name}, load {load}", greater, less) for name, greater, less in kinds]


def demand_share(load: float, point: Point) -> np.ndarray:
    """Work that came, of what was expected: it moves with the latency, and takes noise from the bound."""
    return np.asarray((point["utilisation"] - point["direct_overhead_share"] * point["utilisation"]) / load)


def looks(point: Point) -> np.ndarray:
    """Looks into a queue for each task, the stolen ones included."""
    return np.asarray((point["failed_steal_count"] + point["migrations_steal"]) / point["completed_count"])


def looks_check(load: float, point: Point, scale: Scale) -> Check:
    """A core without work looks each 100 ns: as often as its idle time has room for, and when that begins."""
    idle_ns = (1 - point["utilisation"]) * CORES / (load * CORES / MEAN_NS)
    theory = float((idle_ns / LOOK_NS).mean())
    return interval(
        f"looks into a queue for each task, load {load}", looks(point), theory, scale, unit="",
        narrow=0.2, slack=1.0, note="slack: a look when work ends",
    )  # fmt: skip


def latency_plot(loads: tuple[float, ...], kinds: list[tuple[str, dict[float, Point]]]) -> Plot:
    """99th percentile over the load."""
    grid = np.linspace(0.1, 0.82, 40).tolist()
    lines = [Series("neither: M/M/1", True, grid, [np.log(100) / (1 - x) for x in grid])]
    for name, points_ in kinds:
        lines.append(series(name, loads, [points_[load]["sojourn_p99_ns"] / MEAN_NS for load in loads]))
    return Plot("99 % of latency", "load", "latency (us)", lines, is_log_y=True)


def looks_plot(loads: tuple[float, ...], steal: dict[float, Point]) -> Plot:
    """Looks a task over the load."""
    grid = np.linspace(0.08, 0.9, 40).tolist()
    lines = (
        Series("(1 - load) / (load x 0.1)", True, grid, [(1 - x) / x * MEAN_NS / LOOK_NS for x in grid]),
        series("simulated", loads, [looks(steal[load]) for load in loads]),
    )
    return Plot("Looks into queues for each task", "load", "looks a task", lines, is_log_y=True)


def note(loads: tuple[float, ...], *kinds: dict[float, Point]) -> str:
    """The figures in a sentence."""
    names = ("stealing", "two choices at 100 ns", "two free choices")
    parts = [
        f"{name} " + ", ".join(f"{kind[load]['sojourn_p99_ns'].mean() / 1000:.2f}" for load in loads)
        for name, kind in zip(names, kinds, strict=True)
    ]
    return f"99 % of latency in us at loads {', '.join(map(str, loads))}: {'; '.join(parts)}."
