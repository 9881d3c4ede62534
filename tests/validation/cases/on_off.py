"""Arrivals in bursts: an interrupted Poisson process before one core and before several."""

import sim
from tests.analytic.queues import MEAN_NS, SHARE, STAY, cores, customers, demand, horizon
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, histograms, replicates, tail_checks
from tests.validation.theory import chain_on_off
from tests.validation.theory.chain_on_off import Source

RATE = 1e9 / MEAN_NS  # customers a second that a core serves
BURSTS = (0.3, 1.0, 3.0, 10.0, 30.0)  # mean burst, in mean services; the pause as long
CUSTOMERS = 60_000


def arriving(source: Source, start: str = "spread") -> dict:
    """The arrivals of a source, as the configuration has them."""
    return {
        "kind": "on_off",
        "rate_per_s": source.rate * RATE,
        "on_ns": source.on * MEAN_NS,
        "off_ns": source.off * MEAN_NS,
        "start": start,
    }


def length(scale: Scale, customers_count: float, source: Source) -> sim.Simulation:
    """Time for so many customers.

    The tenth of it that warms up is more than 20 relaxation times: the longest here is near the mean burst
    of 30 services x the square of the load while on / (1 - the load), below 500 services.
    """
    return horizon(scale.length(customers_count), source.mean_rate * RATE)


@case(
    "On-off arrivals before one core (IPP/M/1)",
    "queues",
    "Kuczura 1973 (interrupted Poisson = H2 renewal); Kleinrock 1975, Queueing Systems 1, §6.4 (GI/M/1)",
)
def one_core(scale: Scale) -> Outcome:
    """Poisson arrivals during exponential bursts, none in the exponential pauses between them; one core.

    Equal load 0.4 and 0.7 with bursts of 0.3 to 30 mean services, that is a load of 0.8 and 1.4 while on: too
    many for the core in the second case. The times between arrivals are hyper-exponential, so the sojourn
    is exponential with mean 1 / (1 - sigma), sigma the root of GI/M/1, and P(wait) = sigma.
    """
    checks: list[Check] = []
    series = []
    for load in (0.4, 0.7):
        means, widths = [], []
        for burst in BURSTS:
            source = Source(2 * load, burst, burst)
            at = f"load {load}, bursts of {burst} services"
            r = replicates(
                cores(1), customers(demand(), **arriving(source)), STAY,
                length(scale, CUSTOMERS * (1 + burst / 15), source), scale, seed_of(f"IPP/M/1 {at}"),
            )  # fmt: skip
            mean = chain_on_off.sojourn(source)
            checks += [
                interval(f"{quantity}, {at}", r[metric], theory, scale, unit=unit, narrow=0.08)
                for quantity, metric, theory, unit in (
                    ("mean sojourn time", "sojourn_mean_ns", mean * MEAN_NS, "ns"),
                    ("mean waiting time", "waiting_mean_ns", (mean - 1) * MEAN_NS, "ns"),
                    ("customers in the system", "queue_core_mean", load * mean, ""),
                    ("utilisation", "utilisation", load, ""),
                )
            ]
            if burst == 3.0:
                poisson = MEAN_NS / (1 - load)
                checks.append(rejects(f"mean sojourn time, {at}, as M/M/1", r["sojourn_mean_ns"], poisson))
            means.append(r["sojourn_mean_ns"].mean() / 1000)
            widths.append(half_width(r["sojourn_mean_ns"]) / 1000)
        grid = [0.2 * 1.09**i for i in range(61)]
        line = [chain_on_off.sojourn(Source(2 * load, x, x)) * MEAN_NS / 1000 for x in grid]
        series += [
            Series(f"theory, load {load}", True, grid, line),
            Series(f"simulated, load {load}", False, BURSTS, means, widths),
        ]
    title = "Mean sojourn time against the length of bursts"
    plot = Plot(title, "mean burst (mean services)", "mean sojourn time (us)", series, True, True)
    found, figures = distributions(scale)
    return Outcome(checks + found, [plot, *figures])


def distributions(scale: Scale) -> tuple[list[Check], list[Plot]]:
    """Whole distributions of sojourn and waiting time, bursts of 5 services and pauses of 10."""
    source = Source(1.8, 5.0, 10.0)
    workload, simulation = customers(demand(), **arriving(source)), length(scale, CUSTOMERS, source)
    mean = chain_on_off.sojourn(source) * MEAN_NS
    edges = edges_near([share * mean for share in (0.02, 0.25, 1, 2, 3)])
    tails = {"sojourn": chain_on_off.sojourn_tail, "waiting": chain_on_off.waiting_tail}
    checks, plots = [], []
    for name, tail in tails.items():
        found = histograms(cores(1), workload, STAY, simulation, scale, seed_of("IPP/M/1 tails"), name)
        theory = [tail(source, edge / MEAN_NS) for edge in edges]
        quantity = f"{name}, bursts of 5, pauses of 10"
        more, lines = tail_checks(quantity, found, edges, theory, scale, narrow=0.25)
        checks += more
        plots.append(
            Plot(f"{name.capitalize()} time", "time (us)", f"P({name} >= time)", lines, is_log_y=True)
        )
    return checks, plots


@case(
    "On-off arrivals before several cores (IPP/M/c)",
    "queues",
    "Neuts 1981, Matrix-Geometric Solutions, ch. 3 (quasi-birth-and-death process)",
)
def several_cores(scale: Scale) -> Outcome:
    """The same arrivals, all at core 0, on 2 and 4 cores that steal from it for nothing: one queue.

    Bursts that overload the cores: load 0.6, while on 1.5. Known: mean number of customers, from the chain on
    (on or off, customers), and with Little's law the mean sojourn time.
    """
    checks, series = [], []
    load, share = 0.6, 0.4
    for num_cores in (2, 4):
        means, widths = [], []
        bursts = (1.0, 5.0, 20.0)
        for burst in bursts:
            source = Source(load / share * num_cores, burst, burst * (1 - share) / share)
            at = f"{num_cores} cores, bursts of {burst} services"
            r = replicates(
                cores(num_cores), customers(demand(), **arriving(source, "first")), SHARE,
                length(scale, CUSTOMERS * (1 + burst / 6), source), scale, seed_of(f"IPP/M/c {at}"),
            )  # fmt: skip
            mean = chain_on_off.number(source, num_cores) / source.mean_rate * MEAN_NS
            checks += [
                interval(f"mean sojourn time, {at}", r["sojourn_mean_ns"], mean, scale, narrow=0.06),
                interval(f"utilisation, {at}", r["utilisation"], load, scale, unit="", narrow=0.03),
            ]
            if num_cores == 2 and burst == 5.0:
                single = Source(source.rate / 2, burst, source.off)
                alone = chain_on_off.sojourn(single) * MEAN_NS
                checks.append(
                    rejects(f"mean sojourn time, {at}, as half of it on one", r["sojourn_mean_ns"], alone)
                )
            means.append(r["sojourn_mean_ns"].mean() / 1000)
            widths.append(half_width(r["sojourn_mean_ns"]) / 1000)
        grid = [0.5 * 1.1**i for i in range(42)]
        line = []
        for x in grid:
            source = Source(load / share * num_cores, x, x * (1 - share) / share)
            line.append(chain_on_off.number(source, num_cores) / source.mean_rate * MEAN_NS / 1000)
        series += [
            Series(f"theory, {num_cores} cores", True, grid, line),
            Series(f"simulated, {num_cores} cores", False, bursts, means, widths),
        ]
    title = "Mean sojourn time against the length of bursts, load 0.6"
    return Outcome(
        checks, [Plot(title, "mean burst (mean services)", "mean sojourn time (us)", series, True)]
    )
