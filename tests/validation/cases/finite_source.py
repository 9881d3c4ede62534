"""M/M/c//N: a finite source of customers, and that the law of their thinking does not matter."""

import numpy as np

import sim
from tests.analytic.queues import MEAN_NS, SHARE, STAY, cores, demand, horizon
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, histograms, replicates, tail, tail_checks
from tests.validation.theory import chain_finite_source as palm

RATE = 1e9 / MEAN_NS  # customers a second that a core serves
THINK = 5  # mean services
# cores -> numbers of customers: few, about as many as keep the cores busy, too many
POPULATIONS = {1: (2, 5, 12), 2: (4, 12, 20), 4: (6, 20, 40)}
CUSTOMERS = 120_000
LAWS = {
    "deterministic": sim.Distribution(kind="deterministic", mean=THINK * MEAN_NS),
    "hyper-exponential, cv 3": sim.Distribution(kind="hyperexponential", mean=THINK * MEAN_NS, cv=3.0),
    "lognormal, cv 2": sim.Distribution(kind="lognormal", mean=THINK * MEAN_NS, cv=2.0),
    "two values": sim.Distribution(kind="empirical", values=(MEAN_NS, (2 * THINK - 1) * MEAN_NS)),
}


def source(population: int, think: sim.Distribution) -> sim.Workload:
    """Customers that run, block and run again, for ever."""
    program = (sim.Step(op="run", draw=demand()), sim.Step(op="block", draw=think))
    kind = sim.ProcessClass(name="machine", count=population, program=program)
    return sim.Workload(ns_per_reduction=1.0, classes=(kind,))


def exponential() -> sim.Distribution:
    """The thinking time of the plain model."""
    return sim.Distribution(kind="exponential", mean=THINK * MEAN_NS)


def length(scale: Scale, customers: float, num_cores: int, population: int) -> sim.Simulation:
    """Time for so many services.

    The tenth of it that warms up is at least 300 times the longest relaxation time here, that of one core
    with 12 customers: some 12 services and a thinking time.
    """
    return horizon(scale.length(customers), palm.busy(num_cores, population, THINK) * RATE)


def means(scale: Scale, r: dict[str, np.ndarray], num_cores: int, population: int, at: str) -> list[Check]:
    """Utilisation, throughput, mean sojourn and mean waiting time against Palm's chain."""
    busy, sojourn = palm.busy(num_cores, population, THINK), palm.sojourn(num_cores, population, THINK)
    found = [
        interval(f"utilisation, {at}", r["utilisation"], busy / num_cores, scale, unit="", narrow=0.01),
        interval(f"throughput, {at}", r["throughput_per_s"], busy * RATE, scale, unit="1/s", narrow=0.01),
        interval(f"mean sojourn time, {at}", r["sojourn_mean_ns"], sojourn * MEAN_NS, scale, narrow=0.02),
    ]
    if sojourn > 1.05:  # with less waiting than that its mean cannot be narrow
        found.append(
            interval(
                f"mean waiting time, {at}", r["waiting_mean_ns"], (sojourn - 1) * MEAN_NS, scale, narrow=0.06
            )
        )
    return found


@case("M/M/c//N", "queues", "Palm 1947 (machine repair); Kleinrock 1975, Queueing Systems 1, §3.8 and §3.10")
def finite_source(scale: Scale) -> Outcome:
    """N closed processes run an exponential demand, block an exponential time of 5 mean demands, and so on.

    On several cores an idle one steals at once and for nothing what waits elsewhere, so the cores serve one
    queue. Known exactly: utilisation, throughput and mean sojourn time, from a birth-and-death chain.
    """
    checks, series = [], []
    for num_cores, populations in POPULATIONS.items():
        points, widths = [], []
        for population in populations:
            at = f"{num_cores} cores, {population} customers"
            r = replicates(
                cores(num_cores),
                source(population, exponential()),
                SHARE,
                length(scale, CUSTOMERS, num_cores, population),
                scale,
                seed_of(f"M/M/c//N {at}"),
            )
            checks += means(scale, r, num_cores, population, at)
            points.append(r["sojourn_mean_ns"].mean() / 1000)
            widths.append(half_width(r["sojourn_mean_ns"]) / 1000)
            if (num_cores, population) == (2, 12):
                busy = palm.busy(2, 12, THINK)
                checks += [
                    rejects("utilisation, 2 cores, 12 customers", r["utilisation"], busy / 2 * 1.01, unit=""),
                    rejects(
                        "mean sojourn time as with one customer less",
                        r["sojourn_mean_ns"],
                        palm.sojourn(2, 11, THINK) * MEAN_NS,
                    ),
                ]
        grid = list(range(1, 41))
        line = [palm.sojourn(num_cores, n, THINK) * MEAN_NS / 1000 for n in grid]
        series += [
            Series(f"theory, {num_cores} cores", True, grid, line),
            Series(f"simulated, {num_cores} cores", False, populations, points, widths),
        ]
    return Outcome(checks, [Plot("Mean sojourn time", "customers", "mean sojourn time (us)", series)])


@case(
    "M/M/c//N, insensitive to thinking",
    "queues",
    "Bunday and Scraton 1980, The G/M/r machine interference model; Kelly 1979, Reversibility, §3.3",
)
def insensitivity(scale: Scale) -> Outcome:
    """As M/M/c//N, but blocking is deterministic, hyper-exponential, lognormal or one of two values.

    Known: nothing changes, for any number of cores, as long as the mean does not. The heaviest law here has a
    coefficient of variation of 3, and a replicate some 100 000 blocking times: its mean is near normal.
    """
    checks, points, widths = [], [], []
    num_cores, population = 2, 12
    busy = palm.busy(num_cores, population, THINK)
    for name, law in LAWS.items():
        r = replicates(
            cores(num_cores),
            source(population, law),
            SHARE,
            length(scale, CUSTOMERS, num_cores, population),
            scale,
            seed_of(f"insensitive {name}"),
        )
        checks += means(scale, r, num_cores, population, f"thinking {name}")
        checks.append(
            rejects(f"utilisation, thinking {name}", r["utilisation"], busy / num_cores * 1.02, unit="")
        )
        points.append(r["utilisation"].mean())
        widths.append(half_width(r["utilisation"]))
    cvs = [0.0, 3.0, 2.0, (THINK - 1) / THINK]
    ordered = sorted(zip(cvs, points, widths, strict=True))
    x, y, w = (list(column) for column in zip(*ordered, strict=True))
    lines = (
        Series("theory", True, [0.0, 3.0], [busy / num_cores] * 2),
        Series("simulated", False, x, y, w),
    )
    figure = Plot(
        "Utilisation, 2 cores, 12 customers", "coefficient of variation of thinking", "utilisation", lines
    )
    return Outcome(checks, [figure])


@case(
    "M/M/1//N, distribution of the sojourn time",
    "queues",
    "Lavenberg and Reiser 1980; Sevcik and Mitrani 1981 (arrival theorem)",
)
def distribution(scale: Scale) -> Outcome:
    """One core, N closed processes; thinking exponential, deterministic, or hyper-exponential.

    Known: who wants the core sees the stationary system of N - 1 customers, so his sojourn is a mixture of
    Erlang times, whatever the law of thinking. That he sees the system of N, as somebody from outside would,
    is refused.
    """
    checks, plots = [], []
    laws = {
        "exponential": exponential(),
        **{n: LAWS[n] for n in ("deterministic", "hyper-exponential, cv 3")},
    }
    for name, law in laws.items():
        for population in (3, 8):
            at = f"{population} customers, thinking {name}"
            seen = palm.seen(population, THINK)
            mean = palm.sojourn(1, population, THINK) * MEAN_NS
            edges = edges_near([share * mean for share in (0.1, 0.5, 1, 2, 3)])
            found = histograms(
                cores(1),
                source(population, law),
                STAY,
                length(scale, 100_000, 1, population),
                scale,
                seed_of(f"sojourn of M/M/1//N {at}"),
            )
            theory = [palm.sojourn_tail(seen, edge / MEAN_NS) for edge in edges]
            more, lines = tail_checks(f"sojourn, {at}", found, edges, theory, scale, narrow=0.1)
            checks += more
            plots.append(Plot(f"Sojourn time, {at}", "time (us)", "P(sojourn >= time)", lines, is_log_y=True))
            outside = palm.sojourn_tail(palm.seen(population, THINK, is_outsider=True), edges[2] / MEAN_NS)
            tails = np.array([tail(each, [edges[2]])[0] for each in found])
            wrong = f"P(sojourn >= {edges[2] / 1000:.6g} us), {at}, as if seen by an outsider"
            checks.append(rejects(wrong, tails, outside, unit=""))
    return Outcome(checks, plots)
