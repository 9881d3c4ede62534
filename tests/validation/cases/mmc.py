"""M/M/c: many cores that steal for free are one queue."""

import numpy as np

import sim
from sim.kernels import log as codes
from tests.analytic.queues import FREE, MEAN_NS, SHARE, cores, customers, demand, horizon
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.judge import exact, half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, histograms, replicates, tail, tail_checks
from tests.validation.theory.queue_mmc import wait_probability, waiting_mean, waiting_tail

NAME = "M/M/c by stealing"
CENTRAL = "M/M/c, first come first served"
RATE = 1e9 / MEAN_NS  # customers a second that a core serves
CORES = (2, 4, 16)
LOADS = {2: (0.4, 0.7, 0.9), 4: (0.5, 0.8, 0.9), 16: (0.7, 0.8, 0.9)}
# The relaxation time of M/M/c is at most that of M/M/1 at c times the speed, 1 / (c (1 - sqrt(load))^2)
# demands, in which load / (1 - sqrt(load))^2 customers come: 342 at load 0.9. The warm-up is a tenth: over 35
# times as many, and at the quick scale 9.
CUSTOMERS = {NAME: 150_000, CENTRAL: 120_000}
TIMES = {False: (0.05, 0.25, 0.5, 1, 2), True: (0.05, 0.25, 0.5, 1, 2, 3)}  # in mean waits of those who wait


def machine_lanes(
    name: str, num_cores: int, load: float, scale: Scale, start: str
) -> tuple[sim.Workload, sim.Simulation, int]:
    """Customers that come to the cores as `start` says, how long, and the seed."""
    workload = customers(demand(), rate_per_s=num_cores * load * RATE, start=start)
    simulation = horizon(scale.length(CUSTOMERS[name]), num_cores * load * RATE)
    return workload, simulation, seed_of(f"{name} {num_cores} {load} {start}")


@case(NAME, "queues", "Erlang 1917; Kleinrock 1975, Queueing Systems 1, §3.5")
def mmc(scale: Scale) -> Outcome:
    """Customers come to random cores of c; an idle core steals at once, for nothing, from the longest queue.

    No core is idle while a customer waits, and no choice looks at demands, so the number present is that
    of M/M/c: its mean waiting time is Erlang's C over c (1 - rho) mean demands, the utilisation rho. The
    order of service is not that of arrival; only the mean of waiting is known here.
    """
    checks, lines, wasted = [], [], 0.0
    for num_cores in CORES:
        means, widths = [], []
        for load in LOADS[num_cores]:
            workload, simulation, seed = machine_lanes(NAME, num_cores, load, scale, "random")
            r = replicates(cores(num_cores), workload, SHARE, simulation, scale, seed)
            waiting = waiting_mean(num_cores, load) * MEAN_NS
            at = f"{num_cores} cores, load {load}"
            checks += [
                interval(f"mean waiting time, {at}", r["waiting_mean_ns"], waiting, scale, narrow=0.08),
                interval(f"mean sojourn time, {at}", r["sojourn_mean_ns"], waiting + MEAN_NS, scale),
                interval(f"utilisation, {at}", r["utilisation"], load, scale, unit="", narrow=0.01),
            ]
            wasted = max(wasted, r["wasted_core_share"].max())
            means.append(r["waiting_mean_ns"].mean() / 1000)
            widths.append(half_width(r["waiting_mean_ns"]) / 1000)
            if scale.is_full and load == 0.9:
                checks += refused(r["waiting_mean_ns"], num_cores, load)
        grid = np.linspace(0.4, 0.92, 40)
        theory = [waiting_mean(num_cores, load) * MEAN_NS / 1000 for load in grid]
        lines.append(Series(f"theory, {num_cores} cores", True, grid.tolist(), theory))
        lines.append(Series(f"simulated, {num_cores} cores", False, LOADS[num_cores], means, widths))
    checks.append(exact("most idle core time beside waiting customers", wasted, 0.0))
    return Outcome(checks, [Plot("Mean waiting time", "load", "waiting (us)", lines, is_log_y=True)])


def refused(waits_ns: np.ndarray, num_cores: int, load: float) -> list[Check]:
    """Wrong theories: a twelfth more, a queue for each core, nobody who finds a core idle."""
    theory = waiting_mean(num_cores, load) * MEAN_NS
    each = load / (1 - load) * MEAN_NS
    share = wait_probability(num_cores, num_cores * load)
    at = f"mean waiting time, {num_cores} cores"
    return [
        rejects(at, waits_ns, theory * 13 / 12),
        rejects(f"{at}, a queue for each", waits_ns, each),
        rejects(f"{at}, as if all waited", waits_ns, theory / share),
    ]


@case(CENTRAL, "queues", "Erlang 1917; Kleinrock 1975, Queueing Systems 1, §5.7 (waiting distribution)")
def central(scale: Scale) -> Outcome:
    """All customers are queued on core 0; the other cores steal the head of its queue, for nothing.

    This is first come first served by the rules of sim/DESIGN.md: `start: first` queues every customer at the
    tail of core 0's queue (§4). Nothing is queued elsewhere: there is no quantum, no waking and no balancing,
    and a thief runs the one process that it takes without queueing it (§6). So core 0's queue is the only
    victim; core 0 takes its head (§4), a thief with scan 1 considers its head alone, and the rule `always`
    lets it pass. A customer that comes while a core is idle makes one due at that instant, before any other
    event: core 0 if it is idle, else the nearest idle one (wake_idle). So customers begin in the order of
    arrival, and no core is idle while one waits; that order is checked on an event log too. Known is then the
    whole distribution of waiting, P(W > t) = C(c, a) e^{-c (1 - rho) t}, t in mean demands.
    """
    checks: list[Check] = []
    plots = []
    for num_cores in CORES:
        load = 0.8
        found = waits(num_cores, load, scale, "first")
        relaxed = MEAN_NS / (num_cores * (1 - load))  # mean wait of those who wait
        edges = [1, *edges_near([share * relaxed for share in TIMES[scale.is_full]])]
        # a wait of whole ns is at least `edge` when the real one is at least about half a ns less
        theory = [waiting_tail(num_cores, load, (edge - 0.5) / MEAN_NS) for edge in edges]
        name = f"waiting, {num_cores} cores, load {load}"
        more, pair = tail_checks(name, found, edges, theory, scale, narrow=0.2)
        checks += more
        title = f"Waiting time, {num_cores} cores"
        plots.append(Plot(title, "time (us)", "P(waiting >= time)", pair, is_log_y=True))
        checks.append(
            exact(f"customers served out of turn, {num_cores} cores", out_of_turn(num_cores, "first"), 0)
        )
    checks.append(
        exact("is the order another one if customers come to random cores?", out_of_turn(4, "random") > 0, 1)
    )
    if scale.is_full:
        checks += scrambled(scale, edges[-1:])
    found_shares, figure = shares(scale)
    return Outcome([*checks, *found_shares], [*plots, figure])


def waits(num_cores: int, load: float, scale: Scale, start: str) -> list[dict[int, int]]:
    """Histograms of waiting."""
    workload, simulation, seed = machine_lanes(CENTRAL, num_cores, load, scale, start)
    return histograms(cores(num_cores), workload, SHARE, simulation, scale, seed, "waiting")


def scrambled(scale: Scale, edges: list[int]) -> list[Check]:
    """Customers that come to random cores wait as long on average, but not so evenly: the tail is heavier."""
    found = waits(16, 0.8, scale, "random")
    shares_beyond = np.array([tail(each, edges)[0] for each in found])
    wrong = waiting_tail(16, 0.8, edges[0] / MEAN_NS)
    return [rejects("P(waiting >= time), random cores, as if in turn", shares_beyond, wrong, unit="")]


def shares(scale: Scale) -> tuple[list[Check], Plot]:
    """Share of the customers that wait, at several loads."""
    checks, lines = [], []
    for num_cores in CORES:
        means, widths = [], []
        for load in (0.5, 0.9):
            found = waits(num_cores, load, scale, "first")
            share = np.array([tail(each, [1])[0] for each in found])
            theory = wait_probability(num_cores, num_cores * load)
            at = f"{num_cores} cores, load {load}"
            checks.append(interval(f"P(waiting > 0), {at}", share, theory, scale, unit="", narrow=0.08))
            means.append(share.mean())
            widths.append(half_width(share))
        grid = np.linspace(0.3, 0.95, 40)
        theory_line = [wait_probability(num_cores, num_cores * x) for x in grid]
        lines.append(Series(f"theory, {num_cores} cores", True, grid.tolist(), theory_line))
        lines.append(Series(f"simulated, {num_cores} cores", False, (0.5, 0.9), means, widths))
    return checks, Plot("Customers that wait", "load", "P(waiting > 0)", lines)


def out_of_turn(num_cores: int, start: str) -> int:
    """Customers that begin before one who came earlier and still waits, of the first ten thousand or so."""
    workload, simulation, seed = machine_lanes(CENTRAL, num_cores, 0.8, Scale("", 1, 0.01, 1.0), start)
    lane = sim.Lane(SHARE, FREE, seed, 0)
    entries, _ = sim.simulate_logged(cores(num_cores), workload, lane, simulation, capacity=20_000)
    waiting: list[int] = []
    count = 0
    for _, code, _, process, _, _ in entries:
        if code == codes.ARRIVE:
            waiting.append(process)
        elif code == codes.DISPATCH:
            count += waiting[0] != process
            waiting.remove(process)
    return count
