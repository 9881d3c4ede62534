"""The systems that are measured: closed ones with quanta and stealing, and queues of one and of four."""

from dataclasses import dataclass, replace

import numpy as np

import sim
from tests.analytic.queues import FREE, SHARE, STAY, cores, customers

SIZES = ((8, 64), (16, 512), (64, 1024), (64, 4096), (128, 16_384))
QUANTUM, RUN_NS, UTILISATION, LOAD = 4000, 8000.0, 0.95, 0.8
SERVERS = 4
EVENTS_A_RUN = 1 + 1 / (1 - np.exp(-QUANTUM / RUN_NS))  # a timer, and the slices of an exponential demand


@dataclass(frozen=True)
class System:
    """One system as Coreshift simulates it, and as the C program of the same name is called.

    unit  : the counter that speed is given in
    check : the metric in which both programs must agree
    words : command line of the C program, but for its seed
    """

    name: str
    unit: str
    check: str
    topology: sim.Topology
    workload: sim.Workload
    simulation: sim.Simulation
    policy: sim.Policy
    cost: sim.Cost
    program: str
    words: tuple[str, ...]


def utilisation(num_cores: int, population: int, block_ns: float) -> float:
    """Utilisation of M/M/c//N (Palm 1947), in logarithms: the weights overflow."""
    k = np.arange(1, population + 1)
    steps = np.log((population - k + 1) * RUN_NS / block_ns / np.minimum(k, num_cores))
    weights = np.concatenate(([0.0], np.cumsum(steps)))
    weights = np.exp(weights - weights.max())
    busy = np.minimum(np.arange(population + 1), num_cores)
    return float((weights * busy).sum() / weights.sum() / num_cores)


def block_mean(num_cores: int, population: int) -> float:
    """Mean time of blocking at which the cores are busy for UTILISATION of the time, by bisection."""
    low, high = 1.0, 1e9
    for _ in range(80):
        middle = (low * high) ** 0.5
        is_busy = utilisation(num_cores, population, middle) > UTILISATION
        low, high = (middle, high) if is_busy else (low, middle)
    return low


def looping(name: str, count: int, block_ns: float, **more) -> sim.ProcessClass:
    """Processes that run and block for ever, both for exponential times."""
    steps = (("run", RUN_NS), ("block", block_ns))
    program = tuple(sim.Step(op=op, draw=sim.Distribution(mean=mean)) for op, mean in steps)
    return sim.ProcessClass(name=name, count=count, program=program, **more)


def closed(num_cores: int, population: int, events: int) -> System:
    """Processes that run and block for ever, quanta, free stealing from the longest queue."""
    block_ns = block_mean(num_cores, population)
    horizon_ns = int(events / EVENTS_A_RUN * RUN_NS / UTILISATION / num_cores)
    return System(
        f"{num_cores} cores, {population} processes",
        "event_count",
        "utilisation",
        cores(num_cores),
        sim.Workload(ns_per_reduction=1.0, classes=(looping("one", population, block_ns),)),
        sim.Simulation(horizon_ns=horizon_ns, warmup_ns=0, window_ns=horizon_ns, quantum_reds=QUANTUM),
        SHARE,
        FREE,
        "closed",
        tuple(map(str, (num_cores, population, QUANTUM, RUN_NS, block_ns, horizon_ns))),
    )


def queue(servers: int, customer_count: int) -> System:
    """M/M/c in the order of arrival: with several cores, all customers queue at core 0, the others steal.

    Why this is one queue is argued in tests/validation/cases/mmc.py.
    """
    gap_ns = RUN_NS / LOAD / servers
    horizon_ns = int(customer_count * gap_ns)
    start = {"start": "first"} if servers > 1 else {}
    return System(
        f"M/M/{servers} at load {LOAD}",
        "completed_count",
        "waiting_mean_ns",
        cores(servers),
        customers(sim.Distribution(mean=RUN_NS), rate_per_s=1e9 / gap_ns, **start),
        sim.Simulation(horizon_ns=horizon_ns, warmup_ns=0, window_ns=horizon_ns, quantum_reds=0),
        SHARE if servers > 1 else STAY,
        FREE,
        "mm1",
        tuple(map(str, (gap_ns, RUN_NS, horizon_ns))),
    )


def shorter(system: System, share: float) -> System:
    """The same system for a share of the time; its C program's words no longer fit."""
    horizon_ns = int(system.simulation.horizon_ns * share)
    simulation = replace(system.simulation, horizon_ns=horizon_ns, window_ns=horizon_ns)
    return replace(system, simulation=simulation, words=())
