"""One row of kernel parameters a lane: policy, cost model and simulation as int64 numbers."""

import math

import numpy as np

from sim.layout import core as C
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.programs import ProgramTables
from sim.spec import policy as names
from sim.spec.base import SpecError
from sim.spec.cost import Cost
from sim.spec.policy import Limits, Policy, RateLimit
from sim.spec.simulation import Simulation
from sim.tables import Tables
from sim.topology.model import Topology

CORE_RING_MAX = 4096


def q16(value: float) -> int:
    """A non-negative number in 1/65536."""
    return math.floor(value * 65536 + 0.5)


def optional(value: int | None) -> int:
    """A limit, with the kernel's code for "no limit"."""
    return K.UNLIMITED if value is None else value


def window_of(limit: RateLimit) -> tuple[int, int]:
    """Migrations allowed and the window in ns in which they are (DESIGN §6); UNLIMITED without a rate."""
    if limit.rate_per_s is None:
        return K.UNLIMITED, 0
    if limit.rate_per_s == 0:
        return 0, 0
    count = max(1, math.floor(limit.rate_per_s * limit.window_ns / 1e9))
    return count, max(1, math.floor(count * 1e9 / limit.rate_per_s))


class Row:
    """A row of parameters, indexed by the kernel's positions (layout/parameter.py).

    values : int64 (parameter.COUNT,)
    """

    def __init__(self, values: np.ndarray) -> None:
        self.values = values

    def __setitem__(self, position: int, value: float) -> None:
        """Set one parameter; a number that is not whole is cut."""
        self.values[position - K.BASE] = value

    def __getitem__(self, position: int) -> int:
        """The parameter at a position of the kernel."""
        return int(self.values[position - K.BASE])


def shared_row(
    topology: Topology, program: ProgramTables, simulation: Simulation, tables: Tables, is_replay: bool
) -> np.ndarray:
    """The parameters that all lanes of a batch share; the rest is zero."""
    row = Row(np.zeros(K.COUNT, np.int64))
    row[K.HORIZON_NS] = simulation.horizon_ns
    row[K.WARMUP_NS] = simulation.warmup_ns
    row[K.WINDOW_NS] = simulation.window_ns
    row[K.QUANTUM_REDS] = simulation.quantum_reds
    row[K.QUEUE_CAPACITY] = optional(simulation.queue_capacity)
    row[K.MAX_PROCESSES] = simulation.max_processes
    row[K.MAX_EVENTS] = simulation.max_events
    row[K.FASTEST_Q20] = tables.cores[:, C.BASE_Q20].min()
    levels = program.classes[:, T.LEVEL]
    row[K.QUEUE_RULE] = int(bool((levels != 2).any() or program.classes[:, T.LOW].any()))
    row[K.HAS_MASKS] = int(bool((program.classes[:, T.AFFINITY] == 2).any()))
    row[K.IS_REPLAY] = int(is_replay)
    row[K.HAS_PAIRS] = int(topology.core_latency_ns is not None)
    row[K.NUM_CORES] = topology.num_cores
    row[K.NUM_CLASSES] = program.classes.shape[0]
    row[K.COPIES] = program.classes[0, T.GROUP_SIZE] if is_replay else 0
    row[K.LINE_BYTES] = topology.cache_line_bytes
    return row.values


def set_parts(row: Row, policy: Policy) -> None:
    """Placement, stealing and balancing; a policy that never migrates keeps every process where it began."""
    if not policy.migrate:
        return
    row[K.SPAWN] = names.PLACEMENTS_SPAWN.index(policy.placement.spawn)
    row[K.WAKE] = names.PLACEMENTS_WAKE.index(policy.placement.wake)
    row[K.CHOICES] = policy.placement.choices
    stealing, balancing = policy.stealing, policy.balancing
    row[K.VICTIM] = names.VICTIMS.index(stealing.victim)
    row[K.AMOUNT] = names.AMOUNTS.index(stealing.amount)
    row[K.BATCH] = stealing.batch
    row[K.MIN_QUEUE] = stealing.min_queue
    row[K.SCAN] = stealing.scan
    row[K.ATTEMPTS] = stealing.attempts
    steals = stealing.victim != "off"
    row[K.WAKE_IDLE] = int(steals and stealing.wake_idle)
    row[K.POLL_NS] = stealing.poll_ns if steals else 0
    row[K.BALANCE_PERIOD_NS] = balancing.period_ns
    row[K.IMBALANCE] = balancing.imbalance
    row[K.BALANCE_BATCH] = balancing.batch
    row[K.HIERARCHICAL] = int(balancing.scope == "hierarchical")


def set_decision(row: Row, policy: Policy) -> None:
    """Threshold, factors by distance, and the adaptive law's bounds."""
    decision, adaptive = policy.decision, policy.adaptive
    infinite = math.isinf(policy.threshold_factor)
    row[K.FACTOR_INFINITE] = int(infinite)
    factor = 0 if infinite else q16(policy.threshold_factor)
    row[K.FACTOR_Q16] = factor
    row[K.ALWAYS] = int(decision.rule == "always")
    row[K.CLASS_FACTOR_0] = q16(decision.same_core_factor)
    row[K.CLASS_FACTOR_1] = q16(decision.same_cluster_factor)
    row[K.CLASS_FACTOR_2] = q16(decision.same_node_factor)
    row[K.CLASS_FACTOR_3] = q16(decision.other_node_factor)
    row[K.BONUS_CYCLES] = decision.preferred_bonus_cycles
    row[K.ADAPTIVE] = int(policy.migrate and adaptive.mode == "feedback")
    row[K.ADAPT_PERIOD_NS] = adaptive.period_ns
    row[K.OVERHEAD_Q16] = q16(adaptive.overhead_target)
    row[K.WASTE_Q16] = q16(adaptive.waste_target)
    row[K.STEP_Q16] = q16(adaptive.step)
    period = policy.balancing.period_ns
    row[K.FACTOR_LOW_Q16] = math.floor(factor / adaptive.span)
    row[K.FACTOR_HIGH_Q16] = min(math.floor(factor * adaptive.span), q16(1e6))
    row[K.PERIOD_LOW_NS] = math.floor(period / adaptive.span)
    row[K.PERIOD_HIGH_NS] = min(math.floor(period * adaptive.span), 2**42)


def set_limits(row: Row, limits: Limits) -> None:
    """The four rate limits."""
    process, burst = limits.process, limits.burst
    row[K.PROCESS_COUNT] = optional(process.max_migrations)
    row[K.PROCESS_WINDOW_NS] = optional(process.window_ns)
    row[K.PROCESS_INTERVAL_NS] = process.min_interval_ns
    if process.window_ns is not None and (process.max_migrations or 0) > P.RING:
        raise SpecError(
            "policy.limits.process.max_migrations",
            process.max_migrations,
            f"at most {P.RING} in a window",
            "leave window_ns null for a lifetime limit",
        )
    row[K.CORE_COUNT], row[K.CORE_WINDOW_NS] = window_of(limits.core)
    if row[K.CORE_COUNT] > CORE_RING_MAX:
        raise SpecError(
            "policy.limits.core.rate_per_s",
            limits.core.rate_per_s,
            f"such that rate x window is at most {CORE_RING_MAX} migrations",
            "shorten window_ns",
        )
    row[K.SYSTEM_COUNT], row[K.SYSTEM_WINDOW_NS] = window_of(limits.system)
    row[K.TOKENS] = optional(burst.capacity)
    row[K.TOKEN_RATE] = max(1, math.floor(burst.refill_per_s + 0.5))
    row[K.STORM_COUNT] = optional(burst.storm_count)
    row[K.STORM_WINDOW_NS] = burst.storm_window_ns
    row[K.COOLDOWN_NS] = burst.cooldown_ns
    limited = any(
        row[k] != K.UNLIMITED
        for k in (K.PROCESS_COUNT, K.CORE_COUNT, K.SYSTEM_COUNT, K.TOKENS, K.STORM_COUNT)
    )
    row[K.IS_LIMITED] = int(limited or process.min_interval_ns > 0)


def set_costs(row: Row, cost: Cost) -> None:
    """Prices; the direct part by distance class is summed here for both models (DESIGN §7)."""
    row[K.IS_CACHE] = int(cost.kind == "cache")
    row[K.DISPATCH_CYCLES] = cost.dispatch_cycles
    row[K.WAKE_NS] = cost.wake_ns
    row[K.SYNC_LINES] = cost.sync_lines
    row[K.REMOTE_MEMORY] = int(cost.remote_memory)
    for d in range(4):
        row[K.MESSAGE_0 + d] = cost.message_cycles[d]
        if cost.kind == "cache":
            row[K.DIRECT_0 + d] = cost.context_switch_cycles
        elif d > 0:
            row[K.DIRECT_0 + d] = (
                cost.context_switch_cycles
                + cost.synchronisation_cycles[d]
                + cost.misses[d] * cost.miss_cycles
                + cost.remote_accesses[d] * cost.remote_access_cycles
                + (cost.numa_crossing_cycles if d == 3 else 0)
            )


def lane_row(shared: np.ndarray, policy: Policy, cost: Cost, key: int) -> np.ndarray:
    """The parameters of one lane."""
    row = Row(shared.copy())
    row[K.KEY] = key
    set_parts(row, policy)
    set_decision(row, policy)
    set_limits(row, policy.limits)
    set_costs(row, cost)
    return row.values
