"""Steal on idle with a threshold, exact for two and three cores."""

from functools import cache

import numpy as np

from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.equal_cores import DEMAND_NS, Farm, central_relaxation, derivative, on_idle
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.theory.finite_chain import Chain
from tests.validation.theory.finite_stealing import failure_rate, steal_rate, stealing_chain

NAME = "Steal on idle, a few cores"
SETTINGS = {(2, 2): (0.5, 0.8, 0.9), (2, 4): (0.5, 0.8), (3, 2): (0.5, 0.7), (3, 3): (0.5, 0.7)}
CUSTOMERS = 55_000
STEALS_NS = 1e9 / DEMAND_NS
"""Steals a second, of one in a mean demand."""


@cache
def chain(num_cores: int, load: float, threshold: int) -> Chain:
    """The stationary law, cut off far out."""
    bound = {2: 110, 3: 32}[num_cores] if load > 0.5 else 25
    return stealing_chain(num_cores, load, threshold, bound)


@case(NAME, "stealing", "Mitzenmacher 1998, Analyses of load stealing models (the rule); solved as a chain")
def few_cores(scale: Scale) -> Outcome:
    """2 and 3 cores, random placement; a core that empties draws one, and steals from it if it holds enough.

    Enough is a threshold of 2, 3 or 4 processes, the running one among them; the thief may draw itself and
    then gets nothing. One attempt, no polling, no waking of idle cores. The numbers of processes are a Markov
    chain: means, rates of steals and of failed ones, time idle beside waiting work.
    """
    checks: list[Check] = []
    lines, notes = [], []
    for (num_cores, threshold), every in SETTINGS.items():
        loads = every if scale.is_full else every[:1]
        means, widths = [], []
        for load in loads:
            found, sojourn = checks_at(num_cores, threshold, load, scale)
            checks += found
            means.append(sojourn.mean())
            widths.append(half_width(sojourn))
            left = chain(num_cores, load, threshold).at_bound()
            notes.append(f"{num_cores} cores, load {load}, threshold {threshold}: {left:.2g}.")
        named = f"{num_cores} cores, threshold {threshold}"
        lines += [
            theory_curve(num_cores, threshold, scale),
            Series(f"simulated, {named}", False, loads, means, widths),
        ]
    plot = Plot("Mean sojourn time", "load", "mean sojourn time (demands)", lines)
    return Outcome(checks, [plot], ["P(a core at the cut-off of the chain): " + " ".join(notes)])


def theory_curve(num_cores: int, threshold: int, scale: Scale) -> Series:
    """Mean sojourn by load."""
    top = 0.9 if num_cores == 2 else 0.7
    grid = np.linspace(0.3, top, (7 if num_cores == 2 else 4) if scale.is_full else 3).tolist()
    curve = [chain(num_cores, x, threshold).length / x for x in grid]
    return Series(f"theory, {num_cores} cores, threshold {threshold}", True, grid, curve)


def checks_at(num_cores: int, threshold: int, load: float, scale: Scale) -> tuple[list[Check], np.ndarray]:
    """Checks at one setting, and the mean sojourn in demands by replicate."""
    law = chain(num_cores, load, threshold)
    at = f"{num_cores} cores, load {load}, threshold {threshold}"
    farm = Farm(num_cores, load, scale.length(CUSTOMERS), central_relaxation(1, load))
    r = farm.run(on_idle(threshold), scale, seed_of(f"{NAME} {at}"))
    slope = derivative(lambda x: chain(num_cores, x, threshold).length, load)
    length = farm.at_load(r, r["queue_core_mean"], slope)
    theory = law.length / load
    sojourn = farm.at_load(r, r["sojourn_mean_ns"], (slope - theory) / load * DEMAND_NS)
    span_s = (farm.simulation.horizon_ns - farm.simulation.warmup_ns) / 1e9
    migrations, failed = r["migration_rate_per_s"], r["failed_steal_count"] / span_s
    idle = (law.states == 0).mean(axis=1)
    waste = law.mean(idle * (law.states[:, 0] >= 2))
    rate = steal_rate(law, threshold) * num_cores * STEALS_NS
    failures = failure_rate(law, threshold) * num_cores * STEALS_NS
    checks = [
        interval(f"mean processes a core, {at}", length, law.length, scale, unit=""),
        interval(f"mean sojourn time, {at}", sojourn, theory * DEMAND_NS, scale),
        interval(f"migrations a second, {at}", migrations, rate, scale, unit="1/s"),
        interval(f"failed steals a second, {at}", failed, failures, scale, unit="1/s"),
        interval(f"idle beside waiting work, {at}", r["wasted_core_share"], waste, scale, unit=""),
    ]
    if scale.is_full and load in (0.7, 0.8):
        other = chain(num_cores, load, threshold + 1)
        wrong = steal_rate(other, threshold + 1) * num_cores * STEALS_NS
        checks += [
            rejects(f"mean sojourn time without steals, {at}", sojourn, DEMAND_NS / (1 - load)),
            rejects(f"migrations a second with a threshold one greater, {at}", migrations, wrong, unit="1/s"),
        ]
    return checks, sojourn / DEMAND_NS
