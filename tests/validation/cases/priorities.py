"""Three priorities on one core; nobody is interrupted."""

import math
from itertools import pairwise

import numpy as np

import sim
from tests.analytic.queues import FREE, STAY, cores, horizon
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.judge import half_width, interval, order, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import replicates
from tests.validation.theory import chain_priority
from tests.validation.theory.chain_priority import Kind

NAMES = ("max", "high", "normal")
MEANS_NS = (5000, 10_000, 20_000)
VARIATION = 2.0  # of the demand of class normal, hyper-exponential; the others are exponential
LOADS = (0.3, 0.5, 0.7, 0.8)
CUSTOMERS = 50_000
ARRIVE, DISPATCH = 1, 2  # codes of the event log (sim/kernels/log.py)


def kinds_at(load: float) -> list[Kind]:
    """The classes, each with a third of the load; per ns."""
    root = math.sqrt((VARIATION**2 - 1) / (VARIATION**2 + 1))
    p, mean = (1 + root) / 2, MEANS_NS[2]
    services = [
        ((1.0,), (MEANS_NS[0],)),
        ((1.0,), (MEANS_NS[1],)),
        ((p, 1 - p), (mean / 2 / p, mean / 2 / (1 - p))),
    ]
    return [Kind(load / 3 / m, *each) for m, each in zip(MEANS_NS, services, strict=True)]


def workload(kinds: list[Kind]) -> sim.Workload:
    """One class of processes a priority."""
    draws = [
        *(sim.Distribution(kind="exponential", mean=mean) for mean in MEANS_NS[:2]),
        sim.Distribution(kind="hyperexponential", mean=MEANS_NS[2], cv=VARIATION),
    ]
    classes = tuple(
        sim.ProcessClass(
            name=name,
            priority=name,
            arrival=sim.Arrival(kind="poisson", rate_per_s=kind.rate * 1e9),
            program=(sim.Step(op="run", draw=draw), sim.Step(op="exit")),
        )
        for name, kind, draw in zip(NAMES, kinds, draws, strict=True)
    )
    return sim.Workload(ns_per_reduction=1.0, classes=classes)


def waited(kinds: list[Kind], scale: Scale, seed: int) -> list[list[np.ndarray]]:
    """Waiting times of each class in each replicate, after the warm-up, from the event log.

    The tenth that warms up is more than 20 relaxation times: each is 4 R / (1 - load)^2, R being the mean
    residual work that an arrival finds in service, or 1.73 ms at load 0.8, where 50 000 customers come in
    half a second.
    """
    simulation = horizon(scale.length(CUSTOMERS), sum(kind.rate for kind in kinds) * 1e9)
    found = []
    for number in range(scale.replicates):
        lane = sim.Lane(STAY, FREE, seed, number)
        capacity = 8 * scale.length(CUSTOMERS)
        log, counters = sim.simulate_logged(cores(1), workload(kinds), lane, simulation, capacity=capacity)
        if counters["status"] != sim.LaneStatus.COMPLETED:
            raise RuntimeError(f"a lane that did not complete: status {counters['status']}")
        entries = log[(log[:, 1] == ARRIVE) | (log[:, 1] == DISPATCH)]
        entries = entries[
            np.argsort(entries[:, 3], kind="stable")
        ]  # a slot's entries: come, run, come, run ..
        at = np.flatnonzero(entries[:, 1] == DISPATCH)
        at = at[entries[at, 0] >= simulation.warmup_ns]
        classes, times = entries[at - 1, 4], entries[at, 5]
        found.append([times[classes == k] for k in range(len(NAMES))])
    return found


@case(
    "Priorities without interruption (M/G/1, three classes)",
    "queues",
    "Cobham 1954; Kesten and Runnenburg 1957; Conway, Maxwell and Miller 1967, §8-6",
)
def priorities(scale: Scale) -> Outcome:
    """One core, Poisson processes of priority max, high and normal, a third of the load each, no quantum.

    Demands exponential, exponential, and hyper-exponential. No metric is told by class, so the waits are
    taken from the event log: a process's DISPATCH entry has its wait, its ARRIVE entry its class. Known: the
    mean wait of each class, and from its transform the whole distribution; the waits weighted by the loads
    add up to what they were in order of arrival (Kleinrock's conservation law).
    """
    checks, plots = [], []
    points: list[tuple[list[float], list[float]]] = [([], []) for _ in NAMES]
    for load in LOADS:
        kinds, at = kinds_at(load), f"load {load}"
        samples = waited(kinds, scale, seed_of(f"priorities {at}"))
        means = np.array([[times.mean() for times in each] for each in samples])
        for k, (name, theory) in enumerate(zip(NAMES, chain_priority.waits(kinds), strict=True)):
            checks.append(
                interval(f"mean waiting time, {name}, {at}", means[:, k], theory, scale, narrow=0.12)
            )
            points[k][0].append(float(means[:, k].mean()) / 1000)
            points[k][1].append(half_width(means[:, k]) / 1000)
        weights = np.array([kind.load for kind in kinds]) / load
        in_order = chain_priority.in_order(kinds)
        checks.append(
            interval(f"waits weighted by load, {at}", means @ weights, in_order, scale, narrow=0.12)
        )
        checks += [
            order(f"{b} waits longer than {a}, {at}", means[:, j + 1], means[:, j])
            for j, (a, b) in enumerate(pairwise(NAMES))
        ]
        if load == 0.7:
            preemptive = chain_priority.first_if_preemptive(kinds)
            checks += [
                rejects(f"mean waiting time, max, {at}, as if it interrupted", means[:, 0], preemptive),
                rejects(f"mean waiting time, high, {at}, as in order of arrival", means[:, 1], in_order),
            ]
            more, plot = distributions(kinds, samples, scale)
            checks += more
            plots.append(plot)
    grid = np.linspace(0.1, 0.85, 40)
    curves = np.array([chain_priority.waits(kinds_at(x)) for x in grid]) / 1000
    series = []
    for k, name in enumerate(NAMES):
        series += [
            Series(f"theory, {name}", True, grid.tolist(), curves[:, k].tolist()),
            Series(f"simulated, {name}", False, LOADS, *points[k]),
        ]
    checks.append(everybody(scale))
    first = Plot("Mean waiting time by priority", "load", "mean waiting time (us)", series, is_log_y=True)
    return Outcome(checks, [first, *plots])


def everybody(scale: Scale, load: float = 0.7) -> Check:
    """The metric, which does not tell the classes apart, from replicates that need no log and are longer."""
    kinds = kinds_at(load)
    rates = [kind.rate for kind in kinds]
    simulation = horizon(scale.length(4 * CUSTOMERS), sum(rates) * 1e9)
    r = replicates(cores(1), workload(kinds), STAY, simulation, scale, seed_of("priorities, everybody"))
    theory = float(np.average(chain_priority.waits(kinds), weights=rates))
    quantity = f"mean waiting time, everybody, load {load}"
    return interval(quantity, r["waiting_mean_ns"], theory, scale, narrow=0.05)


def distributions(
    kinds: list[Kind], samples: list[list[np.ndarray]], scale: Scale
) -> tuple[list[Check], Plot]:
    """P(waiting >= time) of each class."""
    checks, series = [], []
    for k, (name, mean) in enumerate(zip(NAMES, chain_priority.waits(kinds), strict=True)):
        times = [round(share * mean) for share in (0.05, 0.5, 1, 2, 3)]
        theory = [chain_priority.tail(time, kinds, k) for time in times]
        shares = np.array([[(each[k] >= time).mean() for time in times] for each in samples])
        checks += [
            interval(
                f"P(waiting >= {time / 1000:.6g} us), {name}",
                shares[:, i],
                theory[i],
                scale,
                unit="",
                narrow=0.2,
            )
            for i, time in enumerate(times)
        ]
        x = [time / 1000 for time in times]
        widths = [half_width(shares[:, i]) for i in range(len(times))]
        series += [
            Series(f"theory, {name}", True, x, theory),
            Series(f"simulated, {name}", False, x, shares.mean(axis=0).tolist(), widths),
        ]
    plot = Plot(
        "Waiting time by priority, load 0.7",
        "time (us)",
        "P(waiting >= time)",
        series,
        is_log_x=True,
        is_log_y=True,
    )
    return checks, plot
