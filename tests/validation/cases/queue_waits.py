"""What cases of one core, first come first served, share: replicates, waits, checks of means."""

import numpy as np

import sim
from tests.analytic.queues import STAY, cores, customers, horizon
from tests.validation.case import Check, Scale
from tests.validation.judge import interval
from tests.validation.simulation import histograms, replicates
from tests.validation.theory.queue_demands import Law
from tests.validation.theory.queue_mg1 import waiting_mean


def one_core(
    draw: sim.Distribution, law: Law, load: float, customers_count: float, quantum_reds: int = 0
) -> tuple[sim.Workload, sim.Simulation]:
    """Poisson arrivals of customers at one core, and a horizon for so many, a tenth of it to warm up."""
    rate = load / law.mean * 1e9
    return customers(draw, rate_per_s=rate), horizon(customers_count, rate, quantum_reds)


def mean_checks(r: dict[str, np.ndarray], law: Law, load: float, scale: Scale, at: str) -> list[Check]:
    """Means of M/G/1 against Pollaczek and Khinchine."""
    waiting = waiting_mean(load, law)
    return [
        interval(f"mean waiting time, {at}", r["waiting_mean_ns"], waiting, scale, narrow=0.1),
        interval(f"mean sojourn time, {at}", r["sojourn_mean_ns"], waiting + law.mean, scale, narrow=0.1),
        interval(f"utilisation, {at}", r["utilisation"], load, scale, unit="", narrow=0.03),
    ]


def means(
    draw: sim.Distribution, law: Law, load: float, customers_count: int, scale: Scale, seed: int
) -> dict[str, np.ndarray]:
    """Columns of replicates of M/G/1."""
    workload, simulation = one_core(draw, law, load, scale.length(customers_count))
    return replicates(cores(1), workload, STAY, simulation, scale, seed)


def waits(
    draw: sim.Distribution, law: Law, load: float, customers_count: int, scale: Scale, seed: int
) -> list[dict[int, int]]:
    """Histograms of waiting of replicates of M/G/1."""
    workload, simulation = one_core(draw, law, load, scale.length(customers_count))
    return histograms(cores(1), workload, STAY, simulation, scale, seed, "waiting")
