"""Queues as simulations, theory as formulas, and what it takes for the two to agree.

Every comparison is of REPLICATES independent replicates with a theoretical value, by a Student-t interval at
level 1 - ERROR_RATE: a right simulator and an exact theory fail a comparison with probability ERROR_RATE.
Seeds are fixed, so a passing test goes on passing. Intervals must be narrow as well: wrong values fail.
"""

import math

import numpy as np
from scipy import stats

import sim
from tests.analytic.machines import machine

REPLICATES = 20
ERROR_RATE = 1e-3
MEAN_NS = 10_000  # demand; rounding it to whole ns moves its mean by less than 1e-8 of it
NONE = (0, 0, 0, 0)
FREE = sim.Cost(
    kind="flat", dispatch_cycles=0, wake_ns=0, context_switch_cycles=0, synchronisation_cycles=NONE,
    misses=NONE, remote_accesses=NONE, numa_crossing_cycles=0, remote_memory=False,
)  # fmt: skip
STAY = sim.Policy(name="none", migrate=False)
SHARE = sim.Policy(
    name="central queue",
    decision=sim.Decision(rule="always"),
    stealing=sim.Stealing(victim="longest", scan=1),
)


def cores(count: int, **changes) -> sim.Topology:
    """Equal cores in one cluster."""
    return machine(count, count, count, **changes)


def demand(kind: str = "exponential", **numbers) -> sim.Distribution:
    """A demand of MEAN_NS, unless the numbers say otherwise."""
    if kind in ("bounded_pareto", "uniform", "empirical"):
        return sim.Distribution(kind=kind, **numbers)
    return sim.Distribution(kind=kind, **{"mean": MEAN_NS, **numbers})


def customers(draw: sim.Distribution, **arrival) -> sim.Workload:
    """Processes that come, run once and go; a reduction takes 1 ns at speed 1."""
    program = (sim.Step(op="run", draw=draw), sim.Step(op="exit"))
    start = arrival.pop("start", "spread")
    kind = sim.ProcessClass(
        name="customer", arrival=sim.Arrival(**{"kind": "poisson", **arrival}), program=program, start=start
    )
    return sim.Workload(ns_per_reduction=1.0, classes=(kind,))


def horizon(customers_count: float, rate_per_s: float, quantum_reds: int = 0) -> sim.Simulation:
    """Time for so many customers, the first tenth of it to warm up."""
    span_ns = int(customers_count / rate_per_s * 1e9)
    return sim.Simulation(
        horizon_ns=span_ns, warmup_ns=span_ns // 10, window_ns=span_ns // 10, quantum_reds=quantum_reds,
        max_processes=20_000,
    )  # fmt: skip


def replicate(
    topology: sim.Topology, workload: sim.Workload, policy: sim.Policy, simulation: sim.Simulation
) -> dict[str, np.ndarray]:
    """The columns of REPLICATES lanes that differ in nothing but their random numbers."""
    lanes = [sim.Lane(policy, FREE, 1, number) for number in range(REPLICATES)]
    columns = sim.simulate(topology, workload, lanes, simulation).columns
    assert (columns["status"] == sim.LaneStatus.COMPLETED).all()
    return columns


def half_width(values: np.ndarray) -> float:
    """Half of the Student-t interval of the mean of independent values, at level 1 - ERROR_RATE."""
    quantile = stats.t.ppf(1 - ERROR_RATE / 2, len(values) - 1)
    return float(quantile * np.std(values, ddof=1) / math.sqrt(len(values)))


def agrees(values: np.ndarray, theory: float, slack: float = 0.0) -> bool:
    """Whether theory lies in the interval, widened by a stated systematic error `slack`."""
    return abs(float(np.mean(values)) - theory) <= half_width(values) + slack


def assert_agrees(values: np.ndarray, theory: float, narrow: float = 0.05, slack: float = 0.0) -> None:
    """Assert that theory lies in an interval whose half is at most `narrow` of it."""
    width = half_width(values)
    found = f"{np.mean(values):.8g} +- {width:.2g} (and {slack:.2g}), theory {theory:.8g}"
    assert width <= narrow * theory, f"too wide to say anything: {found}"
    assert agrees(values, theory, slack), found


def erlang_c(num_cores: int, offered: float) -> float:
    """Probability of waiting in M/M/c with `offered` = arrival rate x mean demand (Erlang 1917)."""
    term = total = 1.0
    for k in range(1, num_cores):
        term *= offered / k
        total += term
    last = term * offered / num_cores * num_cores / (num_cores - offered)
    return last / (total + last)


def waiting_mmc(num_cores: int, load: float) -> float:
    """Mean waiting time of M/M/c, ns."""
    return erlang_c(num_cores, num_cores * load) * MEAN_NS / (num_cores * (1 - load))


def waiting_mg1(load: float, mean: float, second: float) -> float:
    """Mean waiting time of M/G/1, first come first served (Pollaczek 1930, Khinchine 1932)."""
    return load / mean * second / (2 * (1 - load))


def finite_source(num_cores: int, population: int, think_ns: float) -> tuple[float, float]:
    """Utilisation and mean sojourn of M/M/c//N, the machine-repair model (Palm 1947)."""
    ratio, weights = MEAN_NS / think_ns, [1.0]
    for k in range(1, population + 1):
        weights.append(weights[-1] * (population - k + 1) * ratio / min(k, num_cores))
    busy = sum(w * min(k, num_cores) for k, w in enumerate(weights)) / sum(weights)
    return busy / num_cores, population * MEAN_NS / busy - think_ns
