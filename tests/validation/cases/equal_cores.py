"""Equal cores, Poisson arrivals, exponential demands: what cases of placement and stealing share."""

from collections.abc import Callable

import numpy as np

import sim
from tests.analytic.queues import cores, customers, demand
from tests.validation.case import Scale
from tests.validation.simulation import histograms, replicates

DEMAND_NS = 1_000_000
"""Mean demand: long, so that rounding to whole ns moves even the arrivals of hundreds of cores by little."""
RELAXATIONS = 20
OFF = sim.Stealing(victim="off")


def placed(rule: str, choices: int = 2) -> sim.Policy:
    """New processes go where a rule says, and stay there."""
    return sim.Policy(name=rule, placement=sim.Placement(spawn=rule, choices=choices), stealing=OFF)


def sender(probes: int, threshold: int) -> sim.Policy:
    """A process stays at its random core below a threshold, else goes to the first probed core below it."""
    placement = sim.Placement(spawn="probe", choices=probes, probe_load=threshold)
    return sim.Policy(name="sender probes", placement=placement, stealing=OFF)


def on_idle(threshold: int, poll_ns: int = 0) -> sim.Policy:
    """Random placement; an idle core tries one random victim that has `threshold` processes or more."""
    stealing = sim.Stealing(
        victim="random", attempts=1, min_queue=threshold - 1, wake_idle=False, poll_ns=poll_ns
    )
    return sim.Policy(
        name="steal on idle", placement=sim.Placement(spawn="random"), stealing=stealing,
        decision=sim.Decision(rule="always"),
    )  # fmt: skip


def central_relaxation(num_cores: int, load: float) -> float:
    """Relaxation time of M/M/c in mean demands, where it is long: 1 / (c (1 - sqrt(load))^2).

    With one core it is that of M/M/1 (Cohen 1982, The Single Server Queue, II.2), the slowest here.
    """
    return 1 / (num_cores * (1 - load**0.5) ** 2)


def horizon(num_cores: int, load: float, count: float, relaxation: float) -> sim.Simulation:
    """Time for so many customers after a warm-up of 20 relaxation times, given in mean demands."""
    warmup_ns = int(RELAXATIONS * relaxation * DEMAND_NS)
    span_ns = int(count / (num_cores * load) * DEMAND_NS)
    return sim.Simulation(
        horizon_ns=warmup_ns + span_ns, warmup_ns=warmup_ns, window_ns=span_ns // 10, quantum_reds=0,
        max_processes=50_000,
    )  # fmt: skip


def derivative(function: Callable[[float], float], load: float, step: float = 1e-3) -> float:
    """By the load, a central difference: as good as a control variate needs."""
    return (function(load + step) - function(load - step)) / (2 * step)


def positive_waits(found: list[dict[int, int]]) -> np.ndarray:
    """Share of customers that waited, by replicate, from histograms of the waiting time in whole ns."""
    return np.array([1 - each.get(0, 0) / sum(each.values()) for each in found])


class Farm:
    """Equal cores at a load, with the time that a replicate takes."""

    def __init__(self, num_cores: int, load: float, count: float, relaxation: float) -> None:
        self.load, self.demand_ns = load, DEMAND_NS
        self.topology = cores(num_cores)
        self.workload = customers(demand(mean=DEMAND_NS), load=load, start="random")
        self.simulation = horizon(num_cores, load, count, relaxation)

    def run(self, policy: sim.Policy, scale: Scale, seed: int) -> dict[str, np.ndarray]:
        """Metrics by replicate."""
        return replicates(self.topology, self.workload, policy, self.simulation, scale, seed)

    def histograms(self, policy: sim.Policy, scale: Scale, seed: int, name: str) -> list[dict[int, int]]:
        """A histogram of each replicate."""
        return histograms(self.topology, self.workload, policy, self.simulation, scale, seed, name)

    def at_load(self, r: dict[str, np.ndarray], values: np.ndarray, slope: float) -> np.ndarray:
        """Values, less what the replicate's own utilisation explains: a control variate (Law 2015, §11.4).

        The mean utilisation is the load exactly, so the correction has mean 0 for any constant slope; near
        the derivative of the value by the load it takes away most of the variance.
        """
        return values - slope * (r["utilisation"] - self.load)
