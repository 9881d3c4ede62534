"""Two cores and a migration that costs time: a stolen process is slower, or the thief is held up."""

from dataclasses import replace

import numpy as np

import sim
from tests.analytic.queues import FREE, MEAN_NS, SHARE, STAY, cores, customers, demand, horizon
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.judge import half_width, interval, order, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, histograms, replicates, tail_checks
from tests.validation.theory import chain_migration
from tests.validation.theory.chain_migration import Pair

RATE = 1e9 / MEAN_NS  # customers a second that a core serves
CUSTOMERS = 100_000
LINE_NS = 10  # transfer of a cache line between the two cores
SOURCE = "Eager, Lazowska and Zahorjan 1986; Mirchandaney, Towsley and Stankovic 1989; the chain, solved here"


def arriving(load: float) -> sim.Workload:
    """Poisson customers, each at a core drawn at random, with a working set that no run gets through."""
    workload = customers(demand(), load=load, start="random")
    memory = sim.Memory(working_set_bytes=1 << 30, lines_per_reduction=1.0)
    return replace(workload, classes=(replace(workload.classes[0], memory=memory),))


def pair_of_cores() -> sim.Topology:
    """Two cores of one cluster, with private caches as large as a working set."""
    return cores(2, private_cache_bytes=[1 << 30] * 2, line_latency_ns=[4, LINE_NS, 45, 120])


def thief(least: int = 1) -> sim.Policy:
    """An idle core takes the head of the other's queue, whatever it costs, if `least` wait there."""
    return replace(SHARE, stealing=sim.Stealing(victim="longest", scan=1, min_queue=least))


def refill(stretch: float, workload: sim.Workload) -> tuple[sim.Workload, sim.Cost]:
    """A stolen process fetches a line a reduction, all the time it runs: it takes `stretch` times as long.

    So many transfers overlap that a line costs (stretch - 1) ns, which a 1024th of a ns expresses exactly.
    """
    kind = workload.classes[0]
    memory = replace(kind.memory, overlap=LINE_NS / (stretch - 1))
    cost = sim.Cost(
        kind="cache", dispatch_cycles=0, wake_ns=0, context_switch_cycles=0, sync_lines=0, shared_cache=False,
        remote_memory=False,
    )  # fmt: skip
    return replace(workload, classes=(replace(kind, memory=memory),)), cost


def length(scale: Scale, customers_count: float, load: float) -> sim.Simulation:
    """Time for so many customers.

    The tenth of it that warms up is more than 20 relaxation times: that of one core at load 0.7 is 38 mean
    services, of a pair whose steals cost nothing 31, and a thief that is held up adds to it, here less than
    as much again: 100 000 customers are 71 000 mean services.
    """
    return horizon(scale.length(customers_count), 2 * load * RATE)


def compare(
    scale: Scale, r: dict[str, np.ndarray], theory: dict[str, float], slack: dict[str, float], at: str
) -> list[Check]:
    """Means against the chain's; theory and slack by name of the quantity, in mean services."""
    note = "slack: numerical error of the chain, from its extrapolation" if any(slack.values()) else ""
    rows = (
        ("sojourn", "mean sojourn time", r["sojourn_mean_ns"], MEAN_NS, "ns", 0.04),
        ("waiting", "mean waiting time", r["waiting_mean_ns"], MEAN_NS, "ns", 0.06),
        ("utilisation", "utilisation", r["utilisation"], 1, "", 0.02),
        ("steals", "migrations a second", r["migration_rate_per_s"], RATE, "1/s", 0.03),
    )
    return [
        interval(
            f"{quantity}, {at}", values, theory[name] * factor, scale, unit=unit, narrow=narrow,
            slack=slack.get(name, 0.0) * factor, note=note,
        )
        for name, quantity, values, factor, unit, narrow in rows
    ]  # fmt: skip


def means(pair: Pair) -> dict[str, float]:
    """What the chain says, by name."""
    return {name: getattr(pair, name) for name in ("sojourn", "waiting", "utilisation", "steals")}


def worth(
    scale: Scale,
    workload: sim.Workload,
    load: float,
    seed: int,
    stealing_ns: np.ndarray,
    theory: float,
    at: str,
) -> Check:
    """Does stealing help or hurt, as theory says, when the same customers come to cores that do not steal?"""
    simulation = length(scale, CUSTOMERS, load)
    stay_ns = replicates(pair_of_cores(), workload, STAY, simulation, scale, seed)["sojourn_mean_ns"]
    if theory < 1 / (1 - load):
        return order(f"stealing helps, {at}", stay_ns, stealing_ns)
    return order(f"stealing hurts, {at}", stealing_ns, stay_ns)


@case("Two cores, a stolen process is slower", "stealing", SOURCE)
def slower(scale: Scale) -> Outcome:
    """Poisson arrivals at two cores, load 0.7; an idle core steals the head of the other's queue, always.

    A stolen process fetches its working set line by line as long as it runs (cache model, a working set
    without end), so its exponential demand takes 1.25 to 3 times as long and stays exponential. The chain
    on (processes, is the running one stolen?) of both cores is solved exactly. A thief steals when it runs
    out of work and when work is queued at the busy core; who was stolen runs to the end at once, and is not
    stolen again. Known: means, migration rate, the whole distribution of the sojourn time, the stretch
    above which stealing hurts, and what a least queue length of the victim (min_queue) changes.
    """
    load, stretches = 0.7, (1.25, 1.5, 2.0, 3.0)
    checks, y, widths = [], [], []
    alone = 1 / (1 - load)
    simulation = length(scale, CUSTOMERS, load)
    for stretch in stretches:
        at = f"stretch {stretch}"
        pair = Pair(load, chain_migration.slower(stretch))
        workload, cost = refill(stretch, arriving(load))
        seed = seed_of(f"stolen is slower {at}")
        r = replicates(pair_of_cores(), workload, thief(), simulation, scale, seed, cost)
        checks += compare(scale, r, means(pair), {}, at)
        if stretch in (1.5, 3.0):
            checks.append(worth(scale, workload, load, seed, r["sojourn_mean_ns"], pair.sojourn, at))
        if stretch == 2.0 and scale.is_full:
            for wrong in (1.9, 2.1):
                other = Pair(load, chain_migration.slower(wrong)).sojourn * MEAN_NS
                checks.append(rejects(f"mean sojourn time, {at}, as of {wrong}", r["sojourn_mean_ns"], other))
        y.append(r["sojourn_mean_ns"].mean() / 1000)
        widths.append(half_width(r["sojourn_mean_ns"]) / 1000)
    grid = np.linspace(1, 3, 9)
    line = [Pair(load, chain_migration.slower(x)).sojourn * MEAN_NS / 1000 for x in grid]
    edge = np.interp(alone * MEAN_NS / 1000, line, grid)
    lines = (
        Series("theory, stealing", True, grid.tolist(), line),
        Series("simulated, stealing", False, stretches, y, widths),
        Series("theory, no stealing", True, [1, 3], [alone * MEAN_NS / 1000] * 2),
    )
    plots = [
        Plot("Mean sojourn time, load 0.7", "stretch of a stolen process", "mean sojourn time (us)", lines)
    ]
    more, figure = distribution(scale)
    least, other = thresholds(scale)
    note = f"Stealing hurts above a stretch of about {edge:.3g} (theory, load {load})."
    return Outcome(checks + more + least, [*plots, figure, other], [note])


def distribution(scale: Scale) -> tuple[list[Check], Plot]:
    """The whole distribution of the sojourn time, by following one customer through the chain."""
    load, stretch = 0.7, 2.0
    pair = Pair(load, chain_migration.slower(stretch))
    edges = edges_near([share * pair.sojourn * MEAN_NS for share in (0.1, 0.5, 1, 2, 3)])
    theory = chain_migration.sojourn_tail(pair, [edge / MEAN_NS for edge in edges])
    workload, cost = refill(stretch, arriving(load))
    found = histograms(
        pair_of_cores(), workload, thief(), length(scale, CUSTOMERS, load), scale,
        seed_of("stolen is slower, distribution"), cost=cost,
    )  # fmt: skip
    checks, lines = tail_checks(f"sojourn, stretch {stretch}", found, edges, theory, scale, narrow=0.15)
    title = "Sojourn time, a stolen process twice as slow"
    return checks, Plot(title, "time (us)", "P(sojourn >= time)", lines, is_log_y=True)


def thresholds(scale: Scale) -> tuple[list[Check], Plot]:
    """Stealing only from a queue of some length: what it is worth when a stolen process is 3 times slower."""
    load, stretch, leasts = 0.7, 3.0, (1, 2, 4)
    checks, y, widths, results = [], [], [], {}
    workload, cost = refill(stretch, arriving(load))
    seed = seed_of("stolen is slower, least queue")
    for least in leasts:
        pair = Pair(load, chain_migration.slower(stretch), least)
        r = replicates(
            pair_of_cores(), workload, thief(least), length(scale, CUSTOMERS, load), scale, seed, cost
        )
        checks += compare(scale, r, means(pair), {}, f"stretch {stretch}, from queues of {least}")
        results[least] = r["sojourn_mean_ns"]
        y.append(r["sojourn_mean_ns"].mean() / 1000)
        widths.append(half_width(r["sojourn_mean_ns"]) / 1000)
    known = {least: Pair(load, chain_migration.slower(stretch), least).sojourn for least in range(1, 9)}
    for a, b in ((1, 2), (2, 4)):
        worse, better = (a, b) if known[a] > known[b] else (b, a)
        checks.append(
            order(f"from queues of {better} better than of {worse}", results[worse], results[better])
        )
    line = [sojourn * MEAN_NS / 1000 for sojourn in known.values()]
    lines = (Series("theory", True, list(known), line), Series("simulated", False, leasts, y, widths))
    title = "Stealing from long queues only, a stolen process 3 times slower"
    return checks, Plot(title, "least queue length of a victim", "mean sojourn time (us)", lines)


def extrapolated(
    load: float, delay: float, phases: int, most: int = 32
) -> tuple[dict[str, float], dict[str, float]]:
    """Means with a fixed delay, and their numerical error, from Erlang delays of K / 4, K / 2 and K phases.

    Up to K = 32 what the phases are wrong by is seen to go as (a + b log K) / K: both terms are eliminated.
    The error stated is how far the two coarse ones extrapolate from there, with the first term alone.
    """
    coarse, middle, fine = (
        means(Pair(load, chain_migration.delayed(delay, k), most=most))
        for k in (phases // 4, phases // 2, phases)
    )
    found = {name: 4 * fine[name] - 4 * middle[name] + coarse[name] for name in fine}
    return found, {name: abs(found[name] - 2 * middle[name] + coarse[name]) for name in fine}


@case("Two cores, a thief is held up", "stealing", SOURCE + "; fixed delay by the method of phases (Erlang)")
def held_up(scale: Scale) -> Outcome:
    """Poisson arrivals at two cores, load 0.5; an idle core steals the head of the other's queue, always.

    Flat costs: the thief pays a fixed delay of 0.25 to 3 mean services before it runs a stolen process, in
    which it is busy and its own queue grows, and can be stolen from. The chain on (processes, phase of the
    delay) of both cores is extrapolated to a fixed delay from delays of 2, 4 and 8 phases, above a delay of
    1 of 4, 8 and 16 (1, 2 and 4 in the quick suite). Known: means, migration rate, the share of busy time
    that migrations take, and the delay above which stealing hurts.
    """
    load, delays = 0.5, (0.25, 0.5, 1.0, 2.0, 3.0) if scale.is_full else (0.5, 2.0)
    checks, y, widths = [], [], []
    simulation = length(scale, CUSTOMERS, load)
    workload = customers(demand(), load=load, start="random")
    for delay in delays:
        at = f"delay {delay} services"
        theory, slack = extrapolated(load, delay, (16 if delay > 1 else 8) if scale.is_full else 4)
        seed = seed_of(f"thief is held up {at}")
        cost = replace(FREE, context_switch_cycles=round(3 * delay * MEAN_NS))  # at 3000 MHz
        r = replicates(pair_of_cores(), workload, thief(), simulation, scale, seed, cost)
        checks += compare(scale, r, theory, slack, at)
        share = theory["steals"] * delay / 2 / theory["utilisation"]
        blur = (slack["steals"] * delay / 2 + slack["utilisation"] * share) / theory["utilisation"]
        checks.append(
            interval(f"migration overhead share, {at}", r["migration_overhead_share"], share, scale, unit="",
                     narrow=0.03, slack=blur, note="slack: numerical error of the chain")
        )  # fmt: skip
        if delay in (0.5, 2.0):
            checks.append(worth(scale, workload, load, seed, r["sojourn_mean_ns"], theory["sojourn"], at))
        if delay == 2.0:
            random = Pair(load, chain_migration.delayed(delay, 1), most=32).sojourn * MEAN_NS
            checks.append(
                rejects(f"mean sojourn time, {at}, as of an exponential delay", r["sojourn_mean_ns"], random)
            )
        y.append(r["sojourn_mean_ns"].mean() / 1000)
        widths.append(half_width(r["sojourn_mean_ns"]) / 1000)
    grid = [0.0, 0.5, 1.0, 1.5, 2.0, 3.0]
    curve = [sojourn_near(load, x) for x in grid]
    edge = np.interp(1 / (1 - load), curve, grid)
    lines = (
        Series("theory, stealing", True, grid, [sojourn * MEAN_NS / 1000 for sojourn in curve]),
        Series("simulated, stealing", False, delays, y, widths),
        Series("theory, no stealing", True, [0, 3], [MEAN_NS / (1 - load) / 1000] * 2),
    )
    plot = Plot("Mean sojourn time, load 0.5", "delay (mean services)", "mean sojourn time (us)", lines)
    note = f"Stealing hurts above a delay of about {edge:.2g} mean services (theory, load 0.5)."
    return Outcome(checks, [plot], [note])


def sojourn_near(load: float, delay: float) -> float:
    """Mean sojourn to some thousandths, for the curve of the plot."""
    coarse, fine = (Pair(load, chain_migration.delayed(delay, k), most=32).sojourn for k in (2, 4))
    return 2 * fine - coarse
