"""Cores of different speeds behind one queue."""

import numpy as np

import sim
from tests.analytic.queues import FREE, MEAN_NS, SHARE, STAY, cores, customers, demand, horizon
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.judge import half_width, interval, order, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, histograms, replicates, tail_checks
from tests.validation.theory import chain_speeds

RATE = 1e9 / MEAN_NS  # customers a second that a core of speed 1 serves
RATIOS = (2, 4, 8)  # speed of the fast core / speed of the slow one: work on either is whole ns
CUSTOMERS = 100_000
RULES = ("fast first", "slow first", "random")
EITHER = sim.Policy(
    name="any idle core",
    placement=sim.Placement(spawn="least_loaded"),
    decision=sim.Decision(rule="always"),
    stealing=sim.Stealing(victim="longest", scan=1),
)


def speeds_of(rule: str, ratio: float) -> list[float]:
    """Speeds of the two cores; an arriving process asks core 0 first, unless it asks at random."""
    return [1 / ratio, 1.0] if rule == "slow first" else [1.0, 1 / ratio]


def machine(speeds: list[float]) -> sim.Topology:
    """Cores of those speeds; those below 1 are E cores."""
    return cores(len(speeds), core_speed=speeds, core_type=[int(speed < 1) for speed in speeds])


def entering(arrival: float, rule: str) -> sim.Workload:
    """Poisson customers, `arrival` in mean services of a core of speed 1."""
    start = "random" if rule == "random" else "first"
    return customers(demand(), rate_per_s=arrival * RATE, start=start)


def length(scale: Scale, customers_count: float, arrival: float) -> sim.Simulation:
    """Time for so many customers.

    The tenth of it that warms up is more than 20 relaxation times: near 1 / (sqrt(total rate) - sqrt(arrival
    rate))^2, at most 80 mean services at the loads here, and the mean service of the slowest core.
    """
    return horizon(scale.length(customers_count), arrival * RATE)


def split(scale: Scale, r: dict[str, np.ndarray], known: chain_speeds.Solution, at: str) -> list[Check]:
    """Mean sojourn, customers in the system, and utilisation of the fast and of the slow cores."""
    speed_1 = {"performance": known.busy[0], "efficiency": known.busy[1]}
    sojourn = known.sojourn * MEAN_NS
    return [
        interval(f"mean sojourn time, {at}", r["sojourn_mean_ns"], sojourn, scale, narrow=0.03),
        interval(
            f"customers in the system, {at}", 2 * r["queue_core_mean"], known.mean_number, scale, unit="",
            narrow=0.03,
        ),
        *(
            interval(f"utilisation of the {kind} core, {at}", r[f"utilisation_{kind}"], busy, scale, unit="",
                     narrow=0.02)
            for kind, busy in speed_1.items()
        ),
    ]  # fmt: skip


@case(
    "M/M/2 with a fast and a slow core",
    "queues",
    "Gumbel 1960; Singh 1970; Larsen and Agrawala 1983 (the slow server problem)",
)
def two_cores(scale: Scale) -> Outcome:
    """Two cores, one 2, 4 or 8 times as fast as the other, load 0.6 of both together.

    Placement least_loaded takes an idle core, and of two idle ones the reference, which is core 0 (`start:
    first`) or either (`start: random`); an idle core steals at once and for nothing. Nobody leaves a slow
    core once he runs. Known exactly: mean sojourn, and how the customers split between the cores. At load
    0.2 and with a core 8 times slower, the fast one alone serves better than the two: known too.
    """
    load = 0.6
    checks, points = [], {rule: ([], []) for rule in RULES}
    for ratio in RATIOS:
        arrival = load * (1 + 1 / ratio)
        solved = {
            rule: chain_speeds.solve(arrival, speeds_of(rule, ratio), rule == "random") for rule in RULES
        }
        for rule in RULES:
            at = f"{rule}, speeds 1 and 1/{ratio}"
            r = replicates(
                machine(speeds_of(rule, ratio)), entering(arrival, rule), EITHER,
                length(scale, CUSTOMERS, arrival), scale, seed_of(f"M/M/2 of two speeds {at}"),
            )  # fmt: skip
            known = solved[rule]
            if rule == "slow first":  # theory numbers the cores as they are asked, the metrics by their type
                known = chain_speeds.Solution(
                    known.busy[::-1], known.mean_number, known.sojourn, known.full, known.ratio, known.starts
                )
            checks += split(scale, r, known, at)
            points[rule][0].append(r["sojourn_mean_ns"].mean() / 1000)
            points[rule][1].append(half_width(r["sojourn_mean_ns"]) / 1000)
            if rule != "random":
                wrong = solved["random"].sojourn * MEAN_NS
                checks.append(
                    rejects(f"mean sojourn time, {at}, as if at random", r["sojourn_mean_ns"], wrong)
                )
    series, grid = [], np.linspace(1, 9, 60)
    for rule in RULES:
        line = [
            chain_speeds.solve(load * (1 + 1 / x), speeds_of(rule, x), rule == "random").sojourn
            * MEAN_NS
            / 1000
            for x in grid
        ]
        series += [
            Series(f"theory, {rule}", True, grid.tolist(), line),
            Series(f"simulated, {rule}", False, RATIOS, *points[rule]),
        ]
    found, figure = slow_server(scale)
    plots = [Plot("Mean sojourn time, load 0.6", "ratio of speeds", "mean sojourn time (us)", series), figure]
    return Outcome(checks + found, plots)


def slow_server(scale: Scale) -> tuple[list[Check], Plot]:
    """Is a core 8 times slower worth having? Below the load where the two curves cross it is not."""
    ratio, checks, loads = 8, [], (0.2, 0.7)
    both, alone, widths = [], [], []
    for load in loads:  # of the fast core alone
        at = f"load {load} of the fast core"
        simulation, seed = length(scale, CUSTOMERS, load), seed_of(f"slow server {load}")
        with_slow = replicates(
            machine([1.0, 1 / ratio]), entering(load, "fast first"), SHARE, simulation, scale, seed
        )
        fast = replicates(
            machine([1.0, 1 / ratio]), entering(load, "fast first"), STAY, simulation, scale, seed
        )
        known = chain_speeds.solve(load, [1.0, 1 / ratio]).sojourn
        checks += [
            interval(f"mean sojourn time, {at}, both", with_slow["sojourn_mean_ns"], known * MEAN_NS, scale),
            interval(
                f"mean sojourn time, {at}, fast alone", fast["sojourn_mean_ns"], MEAN_NS / (1 - load), scale
            ),
        ]
        pair = (with_slow["sojourn_mean_ns"], fast["sojourn_mean_ns"])
        is_worse = known > 1 / (1 - load)
        checks.append(
            order(
                f"the slow core {'hurts' if is_worse else 'helps'}, {at}", *(pair if is_worse else pair[::-1])
            )
        )
        both.append(pair[0].mean() / 1000)
        alone.append(pair[1].mean() / 1000)
        widths.append((half_width(pair[0]) / 1000, half_width(pair[1]) / 1000))
    grid = np.linspace(0.05, 0.75, 40)
    curve = [chain_speeds.solve(x, [1.0, 1 / ratio]).sojourn * MEAN_NS / 1000 for x in grid]
    series = (
        Series("theory, both", True, grid.tolist(), curve),
        Series("simulated, both", False, loads, both, [w[0] for w in widths]),
        Series("theory, fast alone", True, grid.tolist(), [MEAN_NS / (1 - x) / 1000 for x in grid]),
        Series("simulated, fast alone", False, loads, alone, [w[1] for w in widths]),
    )
    return checks, Plot(
        "A core 8 times slower: worth having?", "load of the fast core", "mean sojourn time (us)", series
    )


@case("M/M/c with cores of two types", "queues", "the chain on the set of busy cores, solved (Gumbel 1960)")
def types(scale: Scale) -> Outcome:
    """Two P cores and one or two E cores of a third of the speed; all processes arrive at core 0.

    What is queued at a busy core wakes the idle core nearest to it, in one cluster the next in number, which
    steals the head of the queue. So the cores are taken in the order 0, 1, 2, 3, and who waits is served
    first come first served. Known exactly: the share of time that each core is busy, and with it its
    throughput, and the whole distribution of the sojourn time.
    """
    checks, plots = [], []
    for count in (3, 4):
        speeds = [1.0, 1.0, 1 / 3, 1 / 3][:count]
        points: list[list[float]] = []
        widths: list[list[float]] = []
        loads = (0.3, 0.6, 0.8)
        for load in loads:
            arrival = load * sum(speeds)
            at = f"{count} cores, load {load}"
            known = chain_speeds.solve(arrival, speeds)
            r, by_core = busy_by_core(scale, speeds, arrival, seed_of(f"M/M/c of two types {at}"))
            checks.append(
                interval(f"mean sojourn time, {at}", r["sojourn_mean_ns"], known.sojourn * MEAN_NS, scale)
            )
            checks += [
                interval(f"utilisation of core {i}, {at}", by_core[:, i], known.busy[i], scale, unit="",
                         narrow=0.03)
                for i in range(count)
            ]  # fmt: skip
            points.append(by_core.mean(axis=0).tolist())
            widths.append([half_width(busy) for busy in by_core.T])
            if load == 0.6:
                alike = np.minimum(1, arrival / sum(speeds))
                checks.append(
                    rejects(f"utilisation of core 0, {at}, as of all", by_core[:, 0], alike, unit="")
                )
        grid = np.linspace(0.1, 0.9, 30)
        curves = np.array([chain_speeds.solve(x * sum(speeds), speeds).busy for x in grid])
        series = []
        for i in range(count):
            series += [
                Series(f"theory, core {i}", True, grid.tolist(), curves[:, i].tolist()),
                Series(
                    f"simulated, core {i}", False, loads, [each[i] for each in points],
                    [each[i] for each in widths],
                ),
            ]  # fmt: skip
        plots.append(Plot(f"Utilisation of each core, {count} cores", "load", "utilisation", series))
    found, figure = tails(scale)
    return Outcome(checks + found, [*plots, figure])


def busy_by_core(
    scale: Scale, speeds: list[float], arrival: float, seed: int
) -> tuple[dict[str, np.ndarray], np.ndarray]:
    """Metrics, and the busy share of each core, by replicate."""
    lanes = [sim.Lane(SHARE, FREE, seed, number) for number in range(scale.replicates)]
    simulation = length(scale, CUSTOMERS, arrival)
    result = sim.simulate(machine(speeds), entering(arrival, "fast first"), lanes, simulation)
    if not (result.columns["status"] == sim.LaneStatus.COMPLETED).all():
        raise RuntimeError(f"lanes that did not complete: status {np.unique(result.columns['status'])}")
    return result.columns, result.core_utilisation


def tails(scale: Scale) -> tuple[list[Check], Plot]:
    """The whole distribution of the sojourn time on four cores of two types."""
    speeds, load = [1.0, 1.0, 1 / 3, 1 / 3], 0.7
    arrival = load * sum(speeds)
    mean = chain_speeds.solve(arrival, speeds).sojourn * MEAN_NS
    edges = edges_near([share * mean for share in (0.1, 0.5, 1, 2, 4)])
    found = histograms(
        machine(speeds), entering(arrival, "fast first"), SHARE, length(scale, CUSTOMERS, arrival), scale,
        seed_of("sojourn of M/M/c of two types"),
    )  # fmt: skip
    theory = [chain_speeds.sojourn_tail(edge / MEAN_NS, arrival, speeds) for edge in edges]
    checks, lines = tail_checks(f"sojourn, 4 cores, load {load}", found, edges, theory, scale, narrow=0.1)
    return checks, Plot(
        "Sojourn time on 2 P and 2 E cores", "time (us)", "P(sojourn >= time)", lines, is_log_y=True
    )
