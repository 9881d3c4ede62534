"""Round robin with a small quantum is processor sharing: means for any demand."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import sim
from tests.analytic.queues import MEAN_NS, STAY, cores, demand
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.queue_waits import one_core
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import replicates
from tests.validation.theory.queue_demands import Atoms, BoundedPareto, Law, hyperexponential
from tests.validation.theory.queue_mg1 import waiting_mean
from tests.validation.theory.queue_round_robin import RoundRobin, round_robin

LIMIT = "M/G/1-PS, insensitive to the demand"
CURVE = "M/G/1 round robin, from first come first served to processor sharing"
PARETO = BoundedPareto(3000, 300_000, 1.5)


@dataclass(frozen=True)
class Demand:
    """A law of demand as the simulator and as theory know it."""

    name: str
    draw: sim.Distribution
    law: Law
    has_slowdown: bool  # is E 1/S finite? else the mean slowdown under round robin is not

    def theory(self, load: float, quantum: float) -> RoundRobin:
        """Round robin with this quantum, exactly."""
        return round_robin(load, self.law, quantum)


DEMANDS = (
    Demand("deterministic", demand("deterministic"), Atoms((MEAN_NS,)), True),
    Demand("exponential", demand(), hyperexponential(MEAN_NS, 1.0), False),
    Demand("hyper-exponential", demand("hyperexponential", cv=2.0), hyperexponential(MEAN_NS, 2.0), False),
    Demand(
        "bounded Pareto",
        demand("bounded_pareto", low=PARETO.low, high=PARETO.high, shape=PARETO.shape),
        PARETO,
        True,
    ),
    Demand("two values", demand("empirical", values=(2000, 18_000)), Atoms((2000.0, 18_000.0)), True),
)
QUANTA = (5000, 2000, 1000, 500, 250)  # a half to a fortieth of MEAN_NS
# The relaxation time of the work is 2 rho E S^2 / (E S)^2 / (1 - rho)^2 mean demands (reflected Brownian
# motion): 38 at cv 2 and load 0.6, 200 at load 0.8, where replicates are four times as long. The warm-up,
# a tenth, is 49 times as long in LIMIT at load 0.6, 27 times at load 0.8, and 62 times
# in CURVE; at the quick scale a quarter of that.
CUSTOMERS = {LIMIT: 11_000, CURVE: 14_000}
FLOOR = 1 / 1024  # a slowdown is rounded down to 1/1024


def by_quantum(
    name: str, given: Demand, load: float, quanta: Sequence[int], scale: Scale
) -> list[dict[str, np.ndarray]]:
    """Mean sojourn and slowdown for each quantum, the customers being the same, with the load as a control.

    The utilisation of a replicate has mean rho exactly; what it is above it, times the slope of 1 / (1 -
    rho), is taken off (a control variate with a fixed coefficient: no bias, and a third off the width).
    """
    seed = seed_of(f"{name} {given.name} {load}")
    count = scale.length(CUSTOMERS[name] * (4 if load > 0.6 else 1))
    found = []
    for quantum in quanta:
        workload, simulation = one_core(given.draw, given.law, load, count, quantum)
        columns = replicates(cores(1), workload, STAY, simulation, scale, seed)
        excess = (columns["utilisation"] - load) / (1 - load) ** 2
        sojourns_ns = columns["sojourn_mean_ns"] - excess * given.law.mean
        found.append({"sojourn_mean_ns": sojourns_ns, "slowdown_mean": columns["slowdown_mean"] - excess})
    return found


@case(
    LIMIT, "queues", "Sakata, Noguchi and Oizumi 1969; Kleinrock 1976, Queueing Systems 2, §4.4; Wolff 1970"
)
def limit(scale: Scale) -> Outcome:
    """One core, Poisson arrivals, quanta of a tenth and a twentieth of the mean demand, five laws of demand.

    Under processor sharing the mean sojourn is 1 / (1 - rho) mean demands and the mean slowdown 1 / (1 -
    rho), whatever the law of the demand. The same customers are simulated with both quanta and the mean is
    extrapolated to a quantum of zero (Richardson), which takes the error of first order away; what is left
    is known from the exact theory of round robin, and is the slack. With demands that may be short without
    bound (exponential phases) the mean slowdown is infinite for every quantum above zero: none is
    compared. Simulated means are corrected for the load that came by chance (control variate: the
    utilisation).
    """
    checks: list[Check] = []
    lines = []
    for given in DEMANDS:
        loads = (0.3, 0.6, 0.8) if given.name in ("hyper-exponential", "bounded Pareto") else (0.6,)
        means, widths = [], []
        for load in loads:
            fine, coarse = by_quantum(LIMIT, given, load, (500, 1000), scale)
            near, far = given.theory(load, 500), given.theory(load, 1000)
            sojourn = 2 * fine["sojourn_mean_ns"] - coarse["sojourn_mean_ns"]
            exact = given.law.mean / (1 - load)
            left = abs(2 * near.sojourn_mean_ns - far.sojourn_mean_ns - exact)
            at = f"{given.name}, load {load}, quantum to 0"
            why = "slack: error of second order and above, from the exact theory"
            checks.append(
                interval(f"mean sojourn, {at}", sojourn, exact, scale, narrow=0.08, slack=left, note=why)
            )
            if given.has_slowdown:
                slowdown = 2 * fine["slowdown_mean"] - coarse["slowdown_mean"]
                left = abs(2 * near.slowdown_mean - far.slowdown_mean - 1 / (1 - load)) + FLOOR
                x = interval(
                    f"mean slowdown, {at}", slowdown, 1 / (1 - load), scale,
                    unit="", narrow=0.08, slack=left, note=why,
                )  # fmt: skip
                checks.append(x)
            if scale.is_full and load == 0.6:
                checks += refused(given, load, sojourn, at)
            means.append(sojourn.mean() / given.law.mean)
            widths.append(half_width(sojourn) / given.law.mean)
        lines.append(Series(f"simulated, {given.name}", False, loads, means, widths))
    grid = np.linspace(0.1, 0.85, 60)
    lines.insert(0, Series("theory, every law", True, grid.tolist(), (1 / (1 - grid)).tolist()))
    return Outcome(checks, [Plot("Mean sojourn at quantum 0", "load", "mean sojourn (mean demands)", lines)])


def refused(given: Demand, load: float, sojourn_ns: np.ndarray, at: str) -> list[Check]:
    """Wrong theories: 8 % off; first come first served (but for exponential demands: the same mean)."""
    exact = given.law.mean / (1 - load)
    checks = [rejects(f"mean sojourn, {at}", sojourn_ns, exact * factor) for factor in (0.92, 1.08)]
    if given.name != "exponential":
        first_come = given.law.mean + waiting_mean(load, given.law)
        checks.append(rejects(f"mean sojourn, {at}, as if in turn", sojourn_ns, first_come))
    return checks


@case(CURVE, "queues", "Wolff 1970; Sakata, Noguchi and Oizumi 1971 (M/G/1 under round robin)")
def curve(scale: Scale) -> Outcome:
    """One core at load 0.6, quanta from a half to a fortieth of the mean demand, the same customers for each.

    The mean sojourn is known exactly for every quantum, by an analysis of means by quanta received, and so is
    the mean slowdown. Its distance from processor sharing goes to zero like the quantum: the ratio of
    successive differences as the quantum is halved tells the order. Simulated means are corrected for
    the load that came by chance (control variate: the utilisation).
    """
    load = 0.6
    checks: list[Check] = []
    sojourns, errors = [], []
    for given in [d for d in DEMANDS if d.name in ("deterministic", "hyper-exponential", "bounded Pareto")]:
        columns = by_quantum(CURVE, given, load, QUANTA, scale)
        theory = [given.theory(load, quantum) for quantum in QUANTA]
        for quantum, r, exact in zip(QUANTA, columns, theory, strict=True):
            at = f"{given.name}, quantum {quantum / MEAN_NS:g} of 10 us"
            ns = exact.sojourn_mean_ns
            checks.append(interval(f"mean sojourn, {at}", r["sojourn_mean_ns"], ns, scale, narrow=0.08))
            if given.has_slowdown and given.name != "deterministic":
                x = interval(
                    f"mean slowdown, {at}", r["slowdown_mean"], exact.slowdown_mean, scale,
                    unit="", narrow=0.08, slack=FLOOR, note="slack: a slowdown is rounded down to 1/1024",
                )  # fmt: skip
                checks.append(x)
        checks += differences(given, columns, theory, scale)
        means = np.array([r["sojourn_mean_ns"] for r in columns]) / given.law.mean
        sojourns += lines_of(given, load, means, scale)
        if given.name != "bounded Pareto":  # whose error changes its sign among these quanta
            errors += error_lines(given, load, means)
    plots = [
        Plot("Mean sojourn, load 0.6", "quantum (us)", "mean sojourn (mean demands)", sojourns,
        is_log_x=True), Plot(
            "Mean sojourn less that at half the quantum", "quantum (us)", "difference (mean demands)", errors,
            is_log_x=True, is_log_y=True,
        ),
    ]  # fmt: skip
    return Outcome(checks, plots)


def differences(
    given: Demand, columns: list[dict[str, np.ndarray]], theory: list[RoundRobin], scale: Scale
) -> list[Check]:
    """What halving the quantum does, with the same customers; and the order of the error that this shows."""
    checks: list[Check] = []
    steps, exact = [], []
    if given.name == "bounded Pareto":  # the differences are small, and of either sign
        return checks
    for i in (2, 3):
        steps.append(columns[i]["sojourn_mean_ns"] - columns[i + 1]["sojourn_mean_ns"])
        exact.append(theory[i].sojourn_mean_ns - theory[i + 1].sojourn_mean_ns)
        what = f"mean sojourn at quantum {QUANTA[i]} less that at {QUANTA[i + 1]} ns, {given.name}"
        checks.append(interval(what, steps[-1], exact[-1], scale, narrow=0.3))
    order = float(np.log2(exact[0] / exact[1]))
    values = pseudo_values(steps[0], steps[1])
    what = f"order of the error in the quantum, {given.name}"
    checks.append(interval(what, values, order, scale, unit="", narrow=0.3))
    if scale.is_full:
        checks += [rejects(what, values, wrong, unit="") for wrong in (0.5, 2.0)]
    return checks


def pseudo_values(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """Jackknife of log2 of the ratio of two means (Miller 1974): nearly independent, of nearly its mean."""
    n = len(first)
    whole = np.log2(first.mean() / second.mean())
    without = np.log2((first.sum() - first) / (second.sum() - second))
    return n * whole - (n - 1) * without


def lines_of(given: Demand, load: float, means: np.ndarray, scale: Scale) -> list[Series]:
    """Mean sojourn against the quantum."""
    grid = np.geomspace(QUANTA[-1], QUANTA[0], 60 if scale.is_full else 12)
    theory = [given.theory(load, quantum).sojourn_mean_ns / given.law.mean for quantum in grid]
    x = [quantum / 1000 for quantum in QUANTA]
    return [
        Series(f"theory, {given.name}", True, (grid / 1000).tolist(), theory),
        Series(
            f"simulated, {given.name}", False, x, means.mean(axis=1).tolist(), [half_width(m) for m in means]
        ),
    ]


def error_lines(given: Demand, load: float, means: np.ndarray) -> list[Series]:
    """Differences between a quantum and its half, without a sign."""
    pairs = [(2, 3), (3, 4)]
    x = [QUANTA[i] / 1000 for i, _ in pairs]
    found = [means[i] - means[j] for i, j in pairs]
    grid = (1000.0, 500.0, 250.0)
    theory = [
        abs(given.theory(load, q).sojourn_mean_ns - given.theory(load, q / 2).sojourn_mean_ns)
        / given.law.mean
        for q in grid
    ]
    widths = [half_width(each) for each in found]
    return [
        Series(f"theory, {given.name}", True, [q / 1000 for q in grid], theory),
        Series(f"simulated, {given.name}", False, x, [abs(each.mean()) for each in found], widths),
    ]
