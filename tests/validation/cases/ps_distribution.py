"""M/M/1 with processor sharing: the whole distribution of the sojourn, extrapolated to a quantum of zero."""

from functools import cache

import numpy as np

from tests.analytic.queues import STAY, cores, demand
from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.queue_waits import one_core
from tests.validation.judge import exact, half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import histograms, tail
from tests.validation.theory.queue_demands import hyperexponential
from tests.validation.theory.queue_mm1_ps import sojourn_tail, sojourn_variance

NAME = "M/M/1-PS, distribution of the sojourn"
MEAN_NS = 10_240  # so that quanta and times are powers of two, or few of them: edges between buckets
LAW = hyperexponential(MEAN_NS, 1.0)
LOAD = 0.7
QUANTA = (256, 512, 1024)  # a fortieth, a twentieth and a tenth of the mean demand
WEIGHTS = {"linear": (2.0, -1.0, 0.0), "quadratic": (8 / 3, -2.0, 1 / 3)}  # to quantum 0
TIMES_NS = tuple(1024 * k for k in (4, 10, 20, 40, 72, 100, 124))
# M/M/1-PS has the number present of M/M/1, whose relaxation time at load 0.7 is 37 demands. The warm-up is
# 7100 demands, over 190 times as long (48 at the quick scale).
CUSTOMERS = 50_000


@case(NAME, "queues", "Coffman, Muntz and Trotter 1970; Morrison 1985 (sojourn in M/M/1-PS)")
def distribution(scale: Scale) -> Outcome:
    """One core at load 0.7, exponential demands, quanta of a fortieth, a twentieth and a tenth of their mean.

    The distribution of the sojourn under processor sharing is known through the chain of a tagged customer.
    The same customers are simulated with each quantum, and each share of sojourns beyond a time is
    extrapolated to a quantum of zero by the line through the two finest ones, which takes the error of first
    order away. What the parabola through all three would add, the term of second order, is the slack. Times
    are whole numbers of the greatest quantum, so that all three see the same phase. The mean is that of M/M/1
    in turn, the distribution is not: its variance is (2 + rho) / (2 - rho) times as great.
    """
    tails = tails_by_quantum(scale)
    theory = sojourn_tail(LOAD, np.array(TIMES_NS) / MEAN_NS)
    shares = {name: np.tensordot(weights, tails, 1) for name, weights in WEIGHTS.items()}
    checks: list[Check] = []
    slack = np.abs((shares["quadratic"] - shares["linear"]).mean(axis=0))
    why = "slack: the term of second order in the quantum"
    for i, time in enumerate(TIMES_NS):
        what = f"P(sojourn >= {time / 1000:.6g} us), load {LOAD}, quantum to 0"
        share = shares["linear"][:, i]
        check = interval(
            what, share, float(theory[i]), scale,
            unit="", narrow=0.1, slack=float(slack[i]), note=why,
        )  # fmt: skip
        checks.append(check)
        if scale.is_full and i in (1, 5):
            in_turn = float(np.exp(-(1 - LOAD) * time / MEAN_NS))
            checks.append(rejects(f"{what}, as if in turn", share, in_turn, unit=""))
    if scale.is_full:
        what = "theory: variance from the chain over that of Coffman, Muntz and Trotter, to 3 decimals"
        checks.append(exact(what, round(chain_variance() / sojourn_variance(LOAD), 3), 1.0))
    x = [time / 1000 for time in TIMES_NS]
    lines = [
        Series("theory, processor sharing", True, x, theory.tolist()),
        Series("theory, in turn", True, x, np.exp(-(1 - LOAD) * np.array(TIMES_NS) / MEAN_NS).tolist()),
        points("simulated, quantum to 0", x, shares["linear"]),
    ]
    off = [points(f"quantum {q} ns", x, tails[k] - theory) for k, q in enumerate(QUANTA)]
    off.append(points("quantum to 0", x, shares["linear"] - theory))
    plots = [
        Plot("Sojourn time, distribution", "time (us)", "P(sojourn >= time)", lines, is_log_y=True),
        Plot(
            "Simulated less processor sharing", "time (us)", "difference of shares",
            [Series("theory", True, x, [0.0] * len(x)), *off],
        ),
    ]  # fmt: skip
    return Outcome(checks, plots, [remainder(tails, shares)])


def points(name: str, x: list[float], values: np.ndarray) -> Series:
    """Means over the replicates with their intervals."""
    widths = [half_width(values[:, i]) for i in range(values.shape[1])]
    return Series(name, False, x, values.mean(axis=0).tolist(), widths)


def tails_by_quantum(scale: Scale) -> np.ndarray:
    """Shares of sojourns beyond each time, float64 (quantum, replicate, time)."""
    found = []
    for quantum in QUANTA:
        count = scale.length(CUSTOMERS)
        workload, simulation = one_core(demand(mean=MEAN_NS), LAW, LOAD, count, quantum)
        histograms_found = histograms(cores(1), workload, STAY, simulation, scale, seed_of(NAME))
        found.append([tail(each, TIMES_NS) for each in histograms_found])
    return np.array(found)


def remainder(tails: np.ndarray, shares: dict[str, np.ndarray]) -> str:
    """How much each order of the extrapolation moves the shares, at most; and why it stops at the first."""
    first = np.abs((shares["linear"] - tails[0]).mean(axis=0)).max()
    second = np.abs((shares["quadratic"] - shares["linear"]).mean(axis=0)).max()
    return (
        f"From a quantum of a fortieth of the mean demand to 0, the term of first order moves a share by "
        f"{first:.2g} at most, that of second order by {second:.2g}. The parabola is not used itself: at the "
        "shortest time, four of the greatest quanta, that quantum is too coarse for an expansion, and longer "
        "simulations show the parabola to be off by 0.001 where the line is off by 0.0003."
    )


@cache
def chain_variance() -> float:
    """Var T from the tagged customer's chain, by Simpson's rule."""
    step = 0.25
    times = np.arange(1, 1201) * step
    tails = np.concatenate([[1.0], sojourn_tail(LOAD, times)])
    weights = np.full(len(tails), 2.0)
    weights[1::2], weights[0], weights[-1] = 4.0, 1.0, 1.0
    grid = np.concatenate([[0.0], times])
    mean = step / 3 * weights @ tails
    return float(2 * step / 3 * weights @ (grid * tails) - mean**2)
