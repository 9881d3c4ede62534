"""All times, works and prices k times as long, all rates k times as low: the same lane, k times as slow.

Exact where nothing is rounded, which takes inputs that divide: every core at 1000 or 2000 MHz with even
prices in cycles, whole ns a reduction (10, or 20 at speed 0.5), no stretch by remote memory, blocks and
arrivals at whole times (continuous distributions round their draws), one latency for a cache line, no overlap
of misses, rates with whole intervals, factors of 2. Two things are averages that drop bits, and scale only
nearly: the mean slice of a core (so the rule `cost_benefit`, and the benefit that is settled) and a time in
a histogram. The rules `always` and `remaining_life` do not read the mean slice.
"""

import dataclasses
from dataclasses import replace
from typing import Any

import numpy as np

import sim
from sim.spec.base import Spec
from tests.metamorphic.lanes import Outcome, with_room
from tests.reference.codes import LogCode
from tests.reference.scenarios import Scenario

K = 8
LINE_NS = 40
MEAN_SLICE = ("realised_benefit_ns", "estimated_benefit_cycles", "paid_off_count")
"""Counters that the mean slice of a core goes into."""
CYCLES_BY_DISTANCE = tuple(
    f"{word}_{distance}"
    for word in ("estimated", "realised")
    for distance in ("same_core", "same_cluster", "same_node", "other_node")
)
TIMES_IN_LOG = {
    LogCode.DISPATCH: (False, True),
    LogCode.SEGMENT: (False, True),
    LogCode.BLOCK: (True, False),
    LogCode.ADJUST: (False, True),
    LogCode.GC: (False, True),
}
"""Which of a and b of an entry is a time."""
DECISION_TIMES = (0, 7, 8)  # time, benefit, cost


def exact(scenario: Scenario) -> Scenario:
    """A scenario of classes with inputs that divide; as much of it as can be kept is kept."""
    s = with_room(scenario)
    n = s.topology.num_cores
    topology = replace(
        s.topology,
        core_speed=[1.0 if speed >= 1 else 0.5 for speed in s.topology.core_speed],
        core_frequency_mhz=[1000 if mhz < 3000 else 2000 for mhz in s.topology.core_frequency_mhz],
        line_latency_ns=[LINE_NS] * 4,
        core_latency_ns=None,
        memory_latency_ns=np.where(np.eye(s.topology.num_nodes, dtype=bool), 80, 160),
    )
    assert topology.num_cores == n
    policy, limits = s.policy, s.policy.limits
    rule = "always" if policy.decision.rule == "cost_benefit" else policy.decision.rule
    policy = replace(
        policy,
        decision=replace(policy.decision, rule=rule),
        adaptive=replace(policy.adaptive, step=2.0, span=8.0),
        balancing=replace(policy.balancing, period_ns=policy.balancing.period_ns // 1000 * 1024),
        erts=replace(policy.erts, sub=False),
        limits=replace(
            limits,
            core=whole_rate(limits.core),
            system=whole_rate(limits.system),
            burst=replace(limits.burst, refill_per_s=102_400.0),
        ),
    )
    cost = even(
        replace(
            s.cost,
            remote_memory=False,
            line_homes=False,
            batch_share=float(round(s.cost.batch_share)),
            class_times=(),
            ns_per_reduction=None,
            spin_ns=s.cost.spin_ns // 10_000 * 10_000,
        )
    )
    classes = tuple(exact_class(kind) for kind in s.workload.classes)
    changes = tuple(
        replace(change, mhz=2000 if change.mhz else None)
        for change in s.timeline.changes
        if change.op != "load"
    )
    workload = replace(s.workload, ns_per_reduction=10.0, classes=classes)
    timeline = replace(s.timeline, changes=changes)
    return replace(s, topology=topology, policy=policy, cost=cost, workload=workload, timeline=timeline)


def whole_rate(limit: sim.RateLimit) -> sim.RateLimit:
    """A rate limit whose interval is a whole number of ns, in tens of us."""
    return replace(limit, rate_per_s=limit.rate_per_s and 1e5, window_ns=20_000)


def exact_class(kind: sim.ProcessClass) -> sim.ProcessClass:
    """A class that blocks for, and comes at, whole times."""
    arrival = kind.arrival
    if arrival.kind != "none":
        rate_per_s = arrival.rate_per_s if arrival.rate_per_s in (1e5, 1e6) else 3.125e5
        arrival = sim.Arrival(kind="deterministic", rate_per_s=rate_per_s)
    program = [
        replace(step, draw=sim.Distribution(kind="empirical", values=(300.0, 1700.0, 9000.0)))
        if step.op == "block"
        else step
        for step in kind.program
    ]
    return replace(kind, arrival=arrival, program=tuple(program), memory=replace(kind.memory, overlap=1.0))


def even(cost: sim.Cost) -> sim.Cost:
    """Prices in cycles that are even, which 2000 MHz divides."""

    def rounded(value: Any) -> Any:
        return tuple(map(rounded, value)) if isinstance(value, tuple) else value + value % 2

    names = [f.name for f in dataclasses.fields(cost) if f.name.endswith("_cycles")]
    return replace(cost, **{name: rounded(getattr(cost, name)) for name in names})


def slower(scenario: Scenario, k: int = K) -> Scenario:
    """The scenario k times as slow: every field whose name ends with its unit of time, price or rate."""
    s = scenario
    topology = replace(
        s.topology,
        line_latency_ns=s.topology.line_latency_ns * k,
        memory_latency_ns=s.topology.memory_latency_ns * k,
    )
    parts = {name: scaled(getattr(s, name), k) for name in (
        "workload", "policy", "cost", "simulation", "binding", "timeline",
    )}  # fmt: skip
    return replace(s, topology=topology, **parts)


def scaled(value: Any, k: int) -> Any:
    """A specification with its times, prices and rates multiplied; blocks last k times as long."""
    if isinstance(value, tuple):
        return tuple(scaled(item, k) for item in value)
    if not isinstance(value, Spec):
        return value
    if isinstance(value, sim.Step) and value.op == "block":
        return replace(value, draw=replace(value.draw, values=tuple(x * k for x in value.draw.values)))
    changes: dict[str, Any] = {}
    for field in dataclasses.fields(value):
        now = getattr(value, field.name)
        if now is None:
            continue
        if field.name.endswith(("_ns", "_cycles")) or field.name == "ns_per_reduction":
            changes[field.name] = tuple(x * k for x in now) if isinstance(now, tuple) else now * k
        elif field.name.endswith("_per_s"):
            changes[field.name] = now / k
        else:
            changes[field.name] = scaled(now, k)
    return replace(value, **changes)


def expected(found: Outcome, k: int = K) -> Outcome:
    """What the slower lane must give, from what this one gave."""
    log, decisions = found.log.copy(), found.decisions.copy()
    log[:, 0] *= k
    for code, (is_a, is_b) in TIMES_IN_LOG.items():
        rows = log[:, 1] == code
        log[rows, 4] *= k if is_a else 1
        log[rows, 5] *= k if is_b else 1
    decisions[:, DECISION_TIMES] *= k
    counters = {name: scaled_counter(name, value, k) for name, value in found.counters.items()}
    return comparable(Outcome(log, decisions, counters))


def scaled_counter(name: str, value: Any, k: int) -> Any:
    """A counter of the slower lane."""
    if isinstance(value, list):
        return [item * k for item in value]
    is_time = name.endswith(("_ns", "_cycles")) or name in CYCLES_BY_DISTANCE
    return value * k if is_time else value


def comparable(found: Outcome) -> Outcome:
    """An outcome without what scales only nearly: histograms, the mean slice's counters, and benefits."""
    nearly = [name for name in found.counters if name.startswith("histogram")]
    decisions = found.decisions.copy()
    decisions[:, 7] = 0
    return replace(found.without(*nearly, *MEAN_SLICE), decisions=decisions)
