"""Replicates of a simulation that is a queue: columns by replicate, and whole distributions."""

from collections.abc import Sequence

import numpy as np

import sim
from tests.analytic.queues import FREE
from tests.validation.case import Check, Scale, Series
from tests.validation.judge import half_width, interval


def replicates(
    topology: sim.Topology,
    workload: sim.Workload,
    policy: sim.Policy,
    simulation: sim.Simulation,
    scale: Scale,
    seed: int,
    cost: sim.Cost = FREE,
) -> dict[str, np.ndarray]:
    """Metrics of `scale.replicates` lanes that differ in nothing but their random numbers, by name."""
    lanes = [sim.Lane(policy, cost, seed, number) for number in range(scale.replicates)]
    columns = sim.simulate(topology, workload, lanes, simulation).columns
    if not (columns["status"] == sim.LaneStatus.COMPLETED).all():
        raise RuntimeError(f"lanes that did not complete: status {np.unique(columns['status'])}")
    return columns


def upper_edge(bucket: int) -> int:
    """Least value that is in no bucket up to this one (sim/DESIGN.md §10)."""
    if bucket < 64:
        return bucket + 1
    e = (bucket - 64) // 64  # bucket = 64 e + (x >> e), and x >> e is 64 to 127
    return (bucket + 1 - 64 * e) << e


def histograms(
    topology: sim.Topology,
    workload: sim.Workload,
    policy: sim.Policy,
    simulation: sim.Simulation,
    scale: Scale,
    seed: int,
    name: str = "sojourn",
    cost: sim.Cost = FREE,
) -> list[dict[int, int]]:
    """A histogram (sojourn, waiting or slowdown) of each replicate, bucket -> count."""
    found = []
    for number in range(scale.replicates):
        lane = sim.Lane(policy, cost, seed, number)
        _, counters = sim.simulate_logged(topology, workload, lane, simulation, capacity=1)
        found.append(counters[f"histogram_{name}"])
    return found


def tail(histogram: dict[int, int], edges: Sequence[int]) -> np.ndarray:
    """Share of values at or above each edge; exact where an edge is one of a bucket (`edges_near`)."""
    buckets = np.array(sorted(histogram))
    counts = np.array([histogram[b] for b in buckets], np.float64)
    ends = np.array([upper_edge(int(b)) for b in buckets])
    return np.array([counts[ends > edge].sum() for edge in edges]) / counts.sum()


def edges_near(values_ns: Sequence[float]) -> list[int]:
    """The edges of buckets that are nearest below some values: a tail there is not blurred by buckets."""
    edges = []
    for value in values_ns:
        x = max(1, int(value))
        e = max(0, x.bit_length() - 7)
        edges.append((x >> e) << e)
    return edges


def tail_checks(
    quantity: str,
    found: list[dict[int, int]],
    edges_ns: Sequence[int],
    theory: Sequence[float],
    scale: Scale,
    narrow: float = 0.05,
    slack: float = 0.0,
) -> tuple[list[Check], list[Series]]:
    """Compare P(X >= edge) at each edge with theory; the checks, and the two lines for a plot."""
    tails = np.array([tail(each, edges_ns) for each in found])
    checks = [
        interval(
            f"P({quantity} >= {edge / 1000:.6g} us)",
            tails[:, i],
            share,
            scale,
            unit="",
            narrow=narrow,
            slack=slack,
        )
        for i, (edge, share) in enumerate(zip(edges_ns, theory, strict=True))
    ]
    x = [edge / 1000 for edge in edges_ns]
    widths = [half_width(tails[:, i]) for i in range(len(x))]
    return checks, [
        Series("theory", True, x, list(theory)),
        Series("simulated", False, x, tails.mean(axis=0).tolist(), widths),
    ]
