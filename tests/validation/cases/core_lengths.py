"""How long the queues are: the share of cores with at least so many processes, from the event log."""

from collections.abc import Sequence
from functools import partial

import numpy as np

import sim
from sim.kernels import log
from tests.analytic.queues import FREE
from tests.validation.case import Check, Plot, Scale, Series
from tests.validation.cases.equal_cores import Farm, derivative
from tests.validation.cases.equal_cores_growth import NEXT_TERM, Growth
from tests.validation.judge import half_width, interval, rejects
from tests.validation.registry import seed_of

ENTRIES_EACH = 8
"""Log entries of a customer, at most about: it arrives, migrates, runs, goes, and leaves a core idle."""
JUDGED_SHARE = 0.08
"""Where the share is small the unknown terms in 1/N^2 are not, so there it is shown and not judged."""


def shares(entries: np.ndarray, counts: Sequence[int], num_cores: int, span: tuple[int, int]) -> np.ndarray:
    """Time-average share of cores with at least each count, within a span of time, ns.

    Parameters
    ----------
    entries : int64 (entry, 6) of a lane whose processes arrive, migrate and exit, and nothing else
    """
    code = entries[:, 1]
    change = []
    for codes, column, by in (
        ((log.ARRIVE, log.MIGRATE), 2, 1), ((log.EXIT,), 2, -1), ((log.MIGRATE,), 4, -1),
    ):  # fmt: skip
        rows = np.flatnonzero(np.isin(code, codes))
        change.append(np.stack([entries[rows, column], entries[rows, 0], np.full(len(rows), by)], axis=1))
    moves = np.concatenate(change)
    moves = moves[np.lexsort((-moves[:, 2], moves[:, 1], moves[:, 0]))]
    core, time_ns = moves[:, 0], np.clip(moves[:, 1], *span)
    # one running sum over all cores, less what it was when a core's own moves begin
    length = np.cumsum(moves[:, 2])
    first = np.flatnonzero(np.diff(core, prepend=-1))
    before = np.repeat(np.append(0, length[first[1:] - 1]), np.diff(np.append(first, len(core))))
    until = np.append(time_ns[1:], span[1])
    until[first[1:] - 1] = span[1]
    lasting = until - time_ns
    total = num_cores * (span[1] - span[0])
    return np.array([lasting[length - before >= count].sum() / total for count in counts])


def measured(
    farm: Farm, policy: sim.Policy, counts: Sequence[int], scale: Scale, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Shares float64 (replicate, count), and the share of busy cores float64 (replicate,)."""
    num_cores = len(farm.topology.core_speed)
    span = (farm.simulation.warmup_ns, farm.simulation.horizon_ns)
    capacity = int(ENTRIES_EACH * 1.2 * farm.load * num_cores * span[1] / farm.demand_ns)
    found = []
    for number in range(scale.replicates):
        lane = sim.Lane(policy, FREE, seed, number)
        entries, counters = sim.simulate_logged(
            farm.topology, farm.workload, lane, farm.simulation, capacity=capacity
        )
        if counters["status"] != sim.LaneStatus.COMPLETED:
            raise RuntimeError(f"status {counters['status']}")
        found.append(shares(entries, [1, *counts], num_cores, span))
    every = np.array(found)
    return every[:, 1:], every[:, 0]


def at_least(x: np.ndarray, count: int) -> np.ndarray:
    """Share of cores with at least so many processes, of the shares of a mean field."""
    return x[count - 1]


def length_checks(
    rule: Growth, num_cores: int, counts: Sequence[int], customers: float, scale: Scale
) -> tuple[list[Check], Plot]:
    """Shares of cores by length against the limit with its 1/N term; random placement must be refused."""
    seed = seed_of(f"lengths, {rule.setting}")
    found, busy = measured(rule.farm(num_cores, customers), rule.policy, counts, scale, seed)
    checks: list[Check] = []
    theory, limit, means, widths = [], [], [], []
    for column, count in enumerate(counts):
        value = partial(at_least, count=count)
        slope = derivative(partial(rule.expected, value, num_cores), rule.load)
        # the share of busy cores is the utilisation, of mean `load` exactly: a control variate
        values = found[:, column] - slope * (busy - rule.load)
        theory.append(rule.expected(value, num_cores))
        limit.append(rule.model(rule.load).limit(value))
        means.append(float(values.mean()))
        widths.append(half_width(values))
        if limit[-1] < JUDGED_SHARE:
            continue
        quantity = f"share of cores with at least {count} processes, {num_cores} cores, {rule.setting}"
        slack = rule.slack(value, num_cores)
        checks.append(
            interval(quantity, values, theory[-1], scale, unit="", narrow=0.07, slack=slack, note=NEXT_TERM)
        )
        if scale.is_full and count == 3:
            checks.append(rejects(f"{quantity}, as at random", values, rule.load**count, unit=""))
    lines = (
        Series("theory, with 1/N", True, counts, theory),
        Series("infinitely many cores", True, counts, limit),
        Series("simulated", False, counts, means, widths),
    )
    title = f"Queue length, {num_cores} cores, {rule.setting}"
    return checks, Plot(title, "processes i", "P(at least i)", lines, is_log_y=True)
