"""What cases with a cost of switching share: a core where another process than the last one costs time."""

from dataclasses import replace

import numpy as np

import sim
from tests.analytic.queues import FREE, MEAN_NS, STAY, cores
from tests.validation.case import Check, Scale
from tests.validation.cases.queue_waits import one_core
from tests.validation.judge import interval
from tests.validation.simulation import replicates
from tests.validation.theory.queue_demands import Phases
from tests.validation.theory.queue_switch_cost import SwitchCost

CYCLES_PER_NS = 3  # of the cores in tests/analytic/machines.py
ANY_LAW = Phases((1.0,), (MEAN_NS,))  # of which only the mean is used: the rate of arrivals for a load


def priced(cost_ns: int) -> sim.Cost:
    """Free, but for putting another process on a core."""
    return replace(FREE, dispatch_cycles=cost_ns * CYCLES_PER_NS)


def switching(
    draw: sim.Distribution, load: float, quantum_ns: int, cost_ns: int, count: int, scale: Scale, seed: int
) -> dict[str, np.ndarray]:
    """Replicates of one core with Poisson arrivals; slices and charged slices a customer are added."""
    workload, simulation = one_core(draw, ANY_LAW, load, count, quantum_ns)
    r = replicates(cores(1), workload, STAY, simulation, scale, seed, priced(cost_ns))
    measured_ns = simulation.horizon_ns - simulation.warmup_ns
    customers = load / MEAN_NS * measured_ns  # that come on average; a reduction takes 1 ns
    charged_ns = r["utilisation"] * measured_ns - r["reductions_per_s"] * measured_ns / 1e9
    return {**r, "slices": r["dispatch_count"] / customers, "charges": charged_ns / cost_ns / customers}


def queue_checks(
    r: dict[str, np.ndarray], theory: SwitchCost, scale: Scale, at: str, slack: SwitchCost | None = None
) -> list[Check]:
    """Mean sojourn, utilisation, slices and charges, each as the chain says; theory.sojourn is in ns."""
    slack = slack or SwitchCost(0.0, 0.0, 0.0, 0.0)
    pairs = (
        ("mean sojourn", "ns", "sojourn_mean_ns", "sojourn", 0.08),
        ("utilisation", "", "utilisation", "busy", 0.03),
        ("slices a customer", "", "slices", "slices", 0.04),
        ("switches a customer", "", "charges", "charges", 0.04),
    )
    why = "slack: of the chain, which keeps a finite number of customers" if slack.sojourn else ""
    return [
        interval(
            f"{what}, {at}", r[column], getattr(theory, field), scale,
            unit=unit, narrow=narrow, slack=getattr(slack, field), note=why,
        )
        for what, unit, column, field, narrow in pairs
    ]  # fmt: skip
