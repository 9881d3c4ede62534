"""Sender-initiated probing, exact for two and three cores."""

import math

import numpy as np

from tests.validation.case import Check, Outcome, Plot, Scale, Series
from tests.validation.cases.equal_cores import (
    DEMAND_NS,
    Farm,
    central_relaxation,
    derivative,
    positive_waits,
    sender,
)
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import case, seed_of
from tests.validation.simulation import edges_near, tail_checks
from tests.validation.theory.finite_chain import Chain, erlang_tail
from tests.validation.theory.finite_sender import joined, sender_chain

NAME = "Sender-initiated probing, a few cores"
SOURCE = "Eager, Lazowska and Zahorjan 1986, Adaptive load sharing, threshold policy"
CUSTOMERS = 50_000
NEGLIGIBLE = 1e-8
QUANTITY = "mean processes a core"
SETTINGS = {(2, 1, 1): (0.5, 0.8), (2, 3, 2): (0.5, 0.8), (3, 1, 1): (0.5, 0.7), (3, 2, 1): (0.7,)}


def chain(num_cores: int, load: float, probes: int, threshold: int) -> Chain:
    """The stationary law, cut off far out."""
    bound = math.ceil(math.log(NEGLIGIBLE) / math.log(load) / num_cores) + 12
    return sender_chain(num_cores, load, probes, threshold, bound)


@case(NAME, "placement", SOURCE + "; solved as a Markov chain")
def few_cores(scale: Scale) -> Outcome:
    """2 and 3 cores; an arrival at a random core that has a threshold of processes probes others.

    It goes to the first of 1, 2 or 3 drawn cores (with replacement, its own among them) that is below the
    threshold of 1 or 2 processes, else stays. The numbers of processes are a Markov chain: means, and the
    distribution of the sojourn, a mixture of Erlang laws.
    """
    checks: list[Check] = []
    lines, notes = [], []
    for (num_cores, probes, threshold), every in SETTINGS.items():
        loads = every if scale.is_full else every[:1]
        means, widths = [], []
        for load in loads:
            law = chain(num_cores, load, probes, threshold)
            at = f"{num_cores} cores, load {load}, {probes} probes, threshold {threshold}"
            farm = Farm(num_cores, load, scale.length(CUSTOMERS), central_relaxation(1, load))
            r = farm.run(sender(probes, threshold), scale, seed_of(f"{NAME} {at}"))
            slope = derivative(lambda x, s=(probes, threshold), n=num_cores: chain(n, x, *s).length, load)
            found = farm.at_load(r, r["queue_core_mean"], slope)
            theory = law.length / load
            sojourn = farm.at_load(r, r["sojourn_mean_ns"], (slope - theory) / load * DEMAND_NS)
            checks += [
                interval(f"{QUANTITY}, {at}", found, law.length, scale, unit=""),
                interval(f"mean sojourn time, {at}", sojourn, theory * DEMAND_NS, scale),
            ]
            if scale.is_full and probes < 3:
                wrong = chain(num_cores, load, probes + 1, threshold).length
                checks.append(rejects(f"{QUANTITY} with one probe more, {at}", found, wrong, unit=""))
            means.append(sojourn.mean() / DEMAND_NS)
            widths.append(half_width(sojourn) / DEMAND_NS)
            notes.append(f"{at}: {law.at_bound():.2g}.")
        named = f"{num_cores} cores, {probes} probes, threshold {threshold}"
        grid = np.linspace(0.4, max(loads), 4).tolist()
        curve = [chain(num_cores, x, probes, threshold).length / x for x in grid]
        lines.append(Series(f"theory, {named}", True, grid, curve))
        lines.append(Series(f"simulated, {named}", False, loads, means, widths))
    more, figure = distribution(scale)
    plot = Plot("Mean sojourn time", "load", "mean sojourn time (demands)", lines)
    left = "P(a core at the cut-off of the chain): " + " ".join(notes)
    return Outcome([*checks, *more], [plot, figure], [left])


def distribution(scale: Scale, num_cores: int = 3, load: float = 0.7) -> tuple[list[Check], Plot]:
    """The whole distribution of the sojourn time with one probe, and the share that waits."""
    farm = Farm(num_cores, load, scale.length(1.5 * CUSTOMERS), central_relaxation(1, load))
    seed, at = seed_of(f"{NAME} tail"), f"{num_cores} cores, load {load}, 1 probe, threshold 1"
    met = joined(chain(num_cores, load, 1, 1), 1, 1)
    edges = edges_near([share * DEMAND_NS for share in (0.1, 0.5, 1, 2, 4, 7)])
    theory = erlang_tail(met, np.array(edges) / DEMAND_NS)
    found = farm.histograms(sender(1, 1), scale, seed, "sojourn")
    checks, lines = tail_checks(f"sojourn, {at}", found, edges, theory.tolist(), scale, narrow=0.2)
    waited = positive_waits(farm.histograms(sender(1, 1), scale, seed, "waiting"))
    checks.append(interval(f"P(wait > 0), {at}", waited, 1 - met[0], scale, unit="", narrow=0.03))
    return checks, Plot(
        f"Sojourn time, distribution, {at}", "time (us)", "P(sojourn >= time)", lines, is_log_y=True
    )
