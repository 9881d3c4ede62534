"""The closed systems with every feature of the kernel that such a system can use at work at once."""

from dataclasses import replace

import sim
from tests.analytic.machines import machine
from tests.bench.systems import QUANTUM, RUN_NS, System, block_mean, closed, looping

WINDOW_NS = 1_000_000
# Costs, collections and remote memory lengthen a run by about this factor; processes block as much longer, so
# that the cores are about as busy as in the plain system and stealing has as much to do.
LONGER = 1.15
CORE_RATE_PER_S = 1e6  # about four times the slices that a core can begin
# Counters that show what is at work; each must move in a run of the default length.
AT_WORK = (
    "migrations_wake", "migrations_steal", "migrations_balance", "migrations_other_node",
    "denied_mask", "denied_benefit", "adjustment_count", "gc_count", "major_gc_count", "preemption_count",
    "young_move_count", "return_count", "settled_count",
)  # fmt: skip
# Refusals by limits: all are checked and charged at every candidate, and none should bind.
LIMITS = (
    "denied_process_limit", "denied_return", "denied_core_limit", "denied_system_limit", "denied_storm",
    "denied_burst",
)  # fmt: skip
MEMORY = sim.Memory(
    working_set_bytes=2616, heap_words=int(RUN_NS), words_per_reduction=1.0, fullsweep_after=10
)


def limits(num_cores: int) -> sim.Limits:
    """Every limit of the four, set, and too wide to bind in these systems."""
    return sim.Limits(
        process=sim.ProcessLimit(max_migrations=16, window_ns=20_000, min_interval_ns=1),
        core=sim.RateLimit(rate_per_s=CORE_RATE_PER_S, window_ns=WINDOW_NS),
        system=sim.RateLimit(rate_per_s=min(CORE_RATE_PER_S * num_cores / 2, 6e7), window_ns=WINDOW_NS),
        burst=sim.BurstLimit(capacity=100_000, refill_per_s=1e9, storm_count=65_536, storm_window_ns=100_000),
    )


def policy(num_cores: int) -> sim.Policy:
    """NUMA-aware placement, stealing and decision, balancing by levels, feedback, and all limits."""
    return sim.Policy(
        name="all on",
        placement=sim.Placement(spawn="numa_local", wake="numa_local"),
        stealing=sim.Stealing(victim="nearest", amount="one", attempts=16, scan=4),
        balancing=sim.Balancing(period_ns=100_000, imbalance=2, batch=8, scope="hierarchical"),
        decision=sim.Decision(same_node_factor=1.5, other_node_factor=2.0, utilisation_weight=0.5),
        adaptive=sim.Adaptive(mode="feedback", period_ns=200_000, overhead_target=0.05),
        limits=limits(num_cores),
    )


def classes(population: int, nodes: int, block_ns: float) -> tuple[sim.ProcessClass, ...]:
    """Half normal; an eighth each of high and of low priority; a quarter in masks, strict and preferred."""
    eighth = population // 8
    each = eighth // nodes
    masked = [
        looping(
            f"{type_} {node}", each, block_ns, memory=MEMORY,
            affinity=sim.Affinity(type=type_, cores=f"node:{node}"),
        )
        for type_ in ("strict", "preferred")
        for node in range(nodes)
    ]  # fmt: skip
    high = looping("high", eighth, block_ns, memory=MEMORY, priority="high")
    low = looping("low", eighth, block_ns, memory=MEMORY, priority="low")
    rest = population - 2 * eighth - 2 * nodes * each
    return (looping("normal", rest, block_ns, memory=MEMORY), high, low, *masked)


def all_on(num_cores: int, population: int, events: int) -> System:
    """The closed system with all that it can use; the C program is that of the plain one."""
    plain = closed(num_cores, population, events)
    per_node = max(4, num_cores // 4)
    topology = machine(num_cores, min(8, per_node // 2), per_node)
    kinds = classes(population, topology.num_nodes, LONGER * block_mean(num_cores, population))
    return replace(
        plain,
        topology=topology,
        workload=sim.Workload(ns_per_reduction=1.0, classes=kinds),
        policy=policy(num_cores),
        cost=sim.Cost(),
        simulation=replace(plain.simulation, quantum_reds=QUANTUM),
    )
