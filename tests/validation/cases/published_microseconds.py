"""Work stealing against two-choice placement for tasks of 1 us, as experiment=published_microseconds."""

import numpy as np

from tests.analytic.queues import erlang_c
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.published_experiments import Point, one, points, series
from tests.validation.judge import interval, order, rejects
from tests.validation.registry import case, seed_of
from tests.validation.theory.published_choices import mean_time
from tests.validation.theory.published_probes import failed_probes

NAME = "Published: work stealing for microsecond tasks"
SOURCE = "McClure, Ousterhout, Shenker and Ratnasamy, NSDI 2022"
CORES, MEAN_NS, LOOK_NS = 32, 1000, 100
LOADS = (0.1, 0.3, 0.5, 0.7, 0.8)
SANITY = "a sanity bound: "
WARMUP_NS, SPAN_NS = 400_000, 1_600_000  # 400 mean demands: 20 relaxation times of two choices at load 0.9


@case(NAME, "published", SOURCE)
def microseconds(scale: Scale) -> Outcome:
    """32 cores; Poisson tasks, exponential of 1 us, each at a random core; to look, steal or choose: 100 ns.

    Claimed (abstract): work stealing performs best among load-balancing policies. Here: at each load its mean
    and 99th percentile of latency are better than those of two-choice placement that pays 100 ns a task, and
    from load 0.3 on its percentile is better than that of two choices that cost nothing; M/M/32, a central
    queue that costs nothing, beats it. Its overhead is looks into queues: each that finds nothing begins a
    time without work that ends with the next look or a task, so there are (1 - u) / (1 - exp(-load x 0.1)) of
    them for each task at utilisation u (which has the paid steals), about (1 - load) / (load x 0.1) at low
    load. Two choices at no cost are held against the mean field with its 1/N term.
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
        checks += looks_checks(load, steal[load], scale)
    plots = [
        latency_plot(
            loads, [("stealing", steal), ("two choices, 100 ns", paid), ("two choices, free", free)]
        ),
        looks_plot(loads, steal),
    ]
    return Outcome(checks, plots, [note(loads, steal, paid, free)])


def dominance(load: float, steal: Point, paid: Point, free: Point) -> list[Check]:
    """Stealing is better, at one load; and worse than a free central queue.

    No rule can beat a free central queue, and a price of 100 ns decides where hardly a task waits.
    """
    mean, p99 = "sojourn_mean_ns", "sojourn_p99_ns"
    bound = MEAN_NS + erlang_c(CORES, CORES * load) * MEAN_NS / (CORES * (1 - load))
    price = f"{SANITY}at this load the price of a choice decides" if load < 0.3 else ""
    kinds = [
        ("mean latency: two choices above stealing", paid[mean], steal[mean], price),
        ("99 % of latency: two choices above stealing", paid[p99], steal[p99], price),
    ]
    if load >= 0.3:
        central = bound * demand_share(load, steal)
        told = f"{SANITY}no rule beats a free central queue"
        kinds.append(("mean latency of stealing above M/M/32", steal[mean], central, told))
        kinds.append(("99 % of latency: two free choices above stealing", free[p99], steal[p99], ""))
    return [order(f"{name}, load {load}", greater, less, note=told) for name, greater, less, told in kinds]


def demand_share(load: float, point: Point) -> np.ndarray:
    """Work that came, of what was expected: it moves with the latency, and takes noise from the bound."""
    return np.asarray((point["utilisation"] - point["direct_overhead_share"] * point["utilisation"]) / load)


def failed_looks(load: float, point: Point) -> np.ndarray:
    """Looks that found nothing, for each task that is expected: without the noise of a count of tasks."""
    simulation = point.inputs.simulation
    expected = load * CORES * (simulation.horizon_ns - simulation.warmup_ns) / MEAN_NS
    return np.asarray(point["failed_steal_count"] / expected)


def failed_looks_of_theory(load: float, utilisation: np.ndarray) -> np.ndarray:
    """The same of theory, with time in whole ns: 0.03 % less at load 0.5, more than the interval is wide."""
    return failed_probes(load, LOOK_NS / MEAN_NS, utilisation, tick=1 / MEAN_NS) / load


def looks_checks(load: float, point: Point, scale: Scale) -> list[Check]:
    """The identity holds for the means; the noise of the utilisation is taken out of the replicates."""
    theory = failed_looks_of_theory(load, point["utilisation"])
    values = failed_looks(load, point) - theory + theory.mean()
    name = f"failed looks into queues for each task, load {load}"
    checks = [interval(name, values, float(theory.mean()), scale, unit="", narrow=0.02)]
    if scale.is_full and load >= 0.3:
        only_polls = float((1 - point["utilisation"]).mean()) * MEAN_NS / (LOOK_NS * load)
        note = "refused: looks each 100 ns only, and not also when work ends"
        checks.append(rejects(name, values, only_polls, unit="", note=note))
    return checks


def latency_plot(loads: tuple[float, ...], kinds: list[tuple[str, dict[float, Point]]]) -> Plot:
    """99th percentile over the load."""
    grid = np.linspace(0.1, 0.82, 40).tolist()
    lines = [Series("neither: M/M/1", True, grid, [np.log(100) / (1 - x) for x in grid])]
    for name, points_ in kinds:
        lines.append(series(name, loads, [points_[load]["sojourn_p99_ns"] / MEAN_NS for load in loads]))
    return Plot("99 % of latency", "load", "latency (us)", lines, is_log_y=True)


def looks_plot(loads: tuple[float, ...], steal: dict[float, Point]) -> Plot:
    """Failed looks a task over the load; between the loads the utilisation is drawn as a line."""
    grid = np.linspace(loads[0], loads[-1], 40)
    used = np.interp(grid, loads, [steal[load]["utilisation"].mean() for load in loads])
    exact = [float(failed_looks_of_theory(x, u)) for x, u in zip(grid, used, strict=True)]
    lines = (
        Series("exact, at the measured utilisation", True, grid.tolist(), exact),
        series("simulated", loads, [failed_looks(load, steal[load]) for load in loads]),
    )
    return Plot("Looks that find nothing", "load", "failed looks a task", lines, is_log_y=True)


def note(loads: tuple[float, ...], *kinds: dict[float, Point]) -> str:
    """The figures in a sentence."""
    names = ("stealing", "two choices at 100 ns", "two free choices")
    parts = [
        f"{name} " + ", ".join(f"{kind[load]['sojourn_p99_ns'].mean() / 1000:.2f}" for load in loads)
        for name, kind in zip(names, kinds, strict=True)
    ]
    return f"99 % of latency in us at loads {', '.join(map(str, loads))}: {'; '.join(parts)}."
