"""M/G/1, first come first served, with demands that vary much."""

from collections.abc import Sequence

import numpy as np

import sim
from tests.analytic.queues import MEAN_NS, demand
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.queue_waits import mean_checks, means, waits
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, tail, tail_checks, upper_edge
from tests.validation.theory.queue_demands import BoundedPareto, Law, hyperexponential
from tests.validation.theory.queue_mg1 import waiting_mean, waiting_second, waiting_tail_bounds
from tests.validation.theory.queue_mh2 import waiting_tail
from tests.validation.theory.queue_mmc import waiting_tail as waiting_tail_mm1

HYPER = "M/H2/1"
PARETO = "M/G/1, bounded Pareto demands"
LOADS = (0.3, 0.6, 0.8)
CVS = (2.0, 4.0)
PARETOS = {"shape 1.5": BoundedPareto(3000, 300_000, 1.5), "shape 1.1": BoundedPareto(2000, 400_000, 1.1)}
TIMES = (0.1, 0.3, 1.0, 2.0, 3.0)  # in mean waits

# In heavy traffic the relaxation time of M/G/1 is 2 rho E S^2 / (E S)^2 / (1 - rho)^2 mean demands
# (reflected Brownian motion): 680 for cv 4 at load 0.8, less for all others. The warm-up is 18 700 demands
# there, 27 times as long (7 at the quick scale). A replicate is over 200 relaxation times, so its mean is
# near normal.
CUSTOMERS = 150_000


def curves(
    name: str, laws: dict[str, tuple[sim.Distribution, Law]], scale: Scale
) -> tuple[list[Check], Plot]:
    """Means of waiting, sojourn and utilisation at several loads, by law."""
    checks: list[Check] = []
    lines = []
    for which, (draw, law) in laws.items():
        averages, widths = [], []
        for load in LOADS:
            r = means(draw, law, load, CUSTOMERS, scale, seed_of(f"{name} {which} {load}"))
            checks += mean_checks(r, law, load, scale, f"{which}, load {load}")
            averages.append(r["waiting_mean_ns"].mean() / 1000)
            widths.append(half_width(r["waiting_mean_ns"]) / 1000)
            if scale.is_full and load == 0.6:
                waited, theory = r["waiting_mean_ns"], waiting_mean(load, law)
                like = f"mean waiting time, {which}, load {load}"
                checks += [
                    rejects(like, waited, theory * 0.92),
                    rejects(f"{like}, as if exponential", waited, load / (1 - load) * law.mean),
                ]
        grid = np.linspace(0.1, 0.85, 50)
        theory_line = [waiting_mean(load, law) / 1000 for load in grid]
        lines.append(Series(f"theory, {which}", True, grid.tolist(), theory_line))
        lines.append(Series(f"simulated, {which}", False, LOADS, averages, widths))
    return checks, Plot("Mean waiting time", "load", "waiting (us)", lines, is_log_y=True)


@case(
    HYPER, "queues", "Pollaczek 1930; Khinchine 1932; Takács 1962; Kleinrock 1975, Queueing Systems 1, §5.7"
)
def mh2(scale: Scale) -> Outcome:
    """One core, Poisson arrivals, hyper-exponential demands (two phases, balanced means), no quantum.

    Known are the mean waiting time, rho E S^2 / (2 E S (1 - rho)), its second moment (Takács) and, as the
    transform of waiting is a ratio of polynomials, its whole distribution: an atom at zero and two
    exponentials.
    """
    laws = {f"cv {cv:g}": (demand("hyperexponential", cv=cv), hyperexponential(MEAN_NS, cv)) for cv in CVS}
    checks, figure = curves(HYPER, laws, scale)
    plots = [figure]
    notes = []
    for which, (draw, law) in laws.items():
        load = 0.6
        found = waits(draw, law, load, CUSTOMERS, scale, seed_of(f"{HYPER} tail {which}"))
        edges = [1, *edges_near([share * waiting_mean(load, law) for share in TIMES])]
        theory = waiting_tail(load, law, np.array(edges) - 0.5)  # whole ns, as in M/D/1
        name = f"waiting, {which}, load {load}"
        more, lines = tail_checks(name, found, edges, theory.tolist(), scale, narrow=0.2)
        checks += more
        plots.append(Plot(f"Waiting time, {which}", "time (us)", "P(waiting >= time)", lines, is_log_y=True))
        if scale.is_full:
            shares = np.array([tail(each, edges[3:4])[0] for each in found])
            wrong = waiting_tail_mm1(1, load, edges[3] / MEAN_NS)
            checks.append(rejects(f"P({name} >= time), as M/M/1", shares, wrong, unit=""))
        second, said = second_moment(name, found, law, load, scale)
        checks.append(second)
        notes.append(said)
    return Outcome(checks, plots, notes)


def middle(bucket: int) -> float:
    """Middle of the values of a bucket of a histogram, ns."""
    least = upper_edge(bucket - 1) if bucket > 0 else 0
    return (least + upper_edge(bucket) - 1) / 2


def second_moment(
    name: str, found: Sequence[dict[int, int]], law: Law, load: float, scale: Scale
) -> tuple[Check, str]:
    """E W^2 from histograms, each value taken as the middle of its bucket; the error of that, from theory."""
    values = []
    for each in found:
        total = sum(count * middle(bucket) ** 2 for bucket, count in each.items())
        values.append(total / sum(each.values()))
    theory = waiting_second(load, law)
    last = max(bucket for each in found for bucket in each)
    # What the buckets make of the exact law: within one of them waits are spread all but evenly.
    edges = np.array([upper_edge(bucket) for bucket in range(last + 200)], np.float64)
    tails = waiting_tail(load, law, edges - 0.5)
    blurred = float(np.array([middle(b) ** 2 for b in range(1, len(edges))]) @ -np.diff(tails))
    check = interval(
        f"second moment of {name}", np.array(values), theory, scale, unit="ns^2", narrow=0.2,
        slack=abs(blurred - theory), note="slack: what buckets of 1/64 of the value do to the exact law",
    )  # fmt: skip
    return check, f"Taking the middles of buckets moves E W^2 by {blurred / theory - 1:.2g} of it ({name})."


@case(PARETO, "queues", "Pollaczek 1930; Khinchine 1932; Takács 1962; Beneš 1957 (waiting distribution)")
def pareto(scale: Scale) -> Outcome:
    """One core, Poisson arrivals, bounded Pareto demands (the longest 100 and 200 times the shortest).

    The mean waiting time is that of Pollaczek and Khinchine; waiting is a geometric number of residual
    demands (Beneš), convolved on a grid with each residual rounded down and rounded up: the truth is
    between the two, and half of their difference is the slack.
    """
    laws = {which: (draw_of(law), law) for which, law in PARETOS.items()}
    checks, figure = curves(PARETO, laws, scale)
    plots = [figure]
    for which, (draw, law) in laws.items():
        load = 0.6
        found = waits(draw, law, load, CUSTOMERS, scale, seed_of(f"{PARETO} tail {which}"))
        edges = edges_near([share * waiting_mean(load, law) for share in TIMES])
        lower, upper = waiting_tail_bounds(load, law, np.array(edges) - 0.5, step=16.0, size=1 << 20)
        theory, slack = (lower + upper) / 2, float(np.max(upper - lower) / 2)
        name = f"waiting, {which}, load {load}"
        more, lines = tail_checks(name, found, edges, theory.tolist(), scale, narrow=0.2, slack=slack)
        checks += more
        plots.append(Plot(f"Waiting time, {which}", "time (us)", "P(waiting >= time)", lines, is_log_y=True))
        if scale.is_full:
            shares = np.array([tail(each, edges[2:3])[0] for each in found])
            wrong = waiting_tail_mm1(1, load, edges[2] / law.mean)
            checks.append(rejects(f"P({name} >= time), as M/M/1", shares, wrong, unit=""))
    return Outcome(checks, plots)


def draw_of(law: BoundedPareto) -> sim.Distribution:
    """The demand as the simulator is told it."""
    return demand("bounded_pareto", low=law.low, high=law.high, shape=law.shape)
