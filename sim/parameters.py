"""One row of kernel parameters a lane: policy, cost model and simulation as int64 numbers."""

import math

import numpy as np

from sim.layout import hardware as H
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.programs import ProgramTables
from sim.spec import binding as binding_names
from sim.spec import policy as names
from sim.spec.base import SpecError
from sim.spec.binding import Binding
from sim.spec.cost import Cost
from sim.spec.policy import Limits, Policy, RateLimit
from sim.spec.simulation import Simulation
from sim.tables import Tables
from sim.topology.model import Topology

CORE_RING_MAX = 4096
ONE_Q16 = 1 << 16
# OTP: erl_process.c, limits of +swt and what an idle check takes off (negative: nothing); turns of +sbwt
WAKEUP_LIMITS = {
    "very_high": (800_000, 3), "high": (200_000, 1), "medium": (40_000, 0), "low": (4000, -1),
    "very_low": (400, -1),
}  # fmt: skip
SPIN_TURNS = {
    "none": 0, "very_short": 5000, "short": 10_000, "medium": 10_000, "long": 20_000, "very_long": 40_000,
}  # fmt: skip
MEDIUM_TURNS = 10_000


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
    row[K.MAILBOX_CAPACITY] = optional(simulation.mailbox_capacity)
    row[K.FASTEST_Q20] = tables.hardware[:, H.BASE_Q20].min()
    levels = program.classes[:, T.LEVEL]
    row[K.QUEUE_RULE] = int(bool((levels != 2).any() or program.classes[:, T.LOW].any()))
    row[K.HAS_MASKS] = int(tables.has_masks)
    row[K.HAS_GC] = int(bool((program.classes[:, T.WORDS_Q16] > 0).any()))
    row[K.HAS_MEMORY] = int(node_capacity(topology, simulation) is not None)
    row[K.IS_REPLAY] = int(is_replay)
    row[K.HAS_PAIRS] = int(topology.core_latency_ns is not None)
    row[K.NUM_HARDWARE] = topology.num_cores
    row[K.NUM_CLASSES] = program.classes.shape[0]
    row[K.COPIES] = program.classes[0, T.GROUP_SIZE] if is_replay else 0
    row[K.LINE_BYTES] = topology.cache_line_bytes
    scales = np.concatenate([program.classes[:, T.SCALE_Q16], program.replay_scale])
    row[K.HAS_SCALES] = int(bool((scales != ONE_Q16).any()))
    return row.values


def node_capacity(topology: Topology, simulation: Simulation) -> np.ndarray | None:
    """Bytes of memory of each node, int64 (node,); None without a limit (DESIGN §14)."""
    known = np.asarray(topology.node_memory_bytes)
    if simulation.node_memory_bytes is None:
        return known if known.any() else None
    has_memory = known > 0 if known.any() else np.ones(known.shape, bool)
    return np.where(has_memory, simulation.node_memory_bytes, 0).astype(np.int64)


def set_parts(row: Row, policy: Policy) -> None:
    """Placement, stealing and balancing; a policy that never migrates keeps every process where it began."""
    if not policy.migrate:
        return
    triggers = policy.triggers
    row[K.ON_AFFINITY], row[K.ON_FAILURE] = int(triggers.affinity_change), int(triggers.core_failure)
    row[K.ON_POWER] = int(triggers.power)
    row[K.SPAWN] = names.PLACEMENTS_SPAWN.index(policy.placement.spawn)
    if triggers.blocking:
        row[K.WAKE] = names.PLACEMENTS_WAKE.index(policy.placement.wake)
    row[K.CHOICES] = policy.placement.choices
    row[K.PROBE_LOAD] = policy.placement.probe_load
    if not triggers.load_imbalance:
        return
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
    row[K.SCOPE] = names.SCOPES.index(balancing.scope)


def set_decision(row: Row, policy: Policy) -> None:
    """Threshold, factors by distance, and the adaptive law's bounds."""
    decision, adaptive = policy.decision, policy.adaptive
    infinite = math.isinf(policy.threshold_factor)
    row[K.FACTOR_INFINITE] = int(infinite)
    factor = 0 if infinite else q16(policy.threshold_factor)
    row[K.FACTOR_Q16] = factor
    row[K.RULE] = names.DECISIONS.index(decision.rule)
    row[K.REMAINING] = names.REMAINING.index(decision.remaining)
    row[K.HAS_AGE] = int(decision.rule == "remaining_life" or decision.remaining == "age")
    row[K.WAITING_Q16], row[K.SPEED_Q16] = q16(decision.waiting_weight), q16(decision.speed_weight)
    row[K.UTILISATION_Q16] = q16(decision.utilisation_weight)
    row[K.CPU_Q16], row[K.IO_Q16] = q16(decision.cpu_bound_factor), q16(decision.io_bound_factor)
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
    period = row[K.BALANCE_PERIOD_NS]
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
    row[K.RETURN_NS], row[K.FORBID_RETURN] = process.return_window_ns, int(process.forbid_return)
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
    row[K.IS_LIMITED] = int(limited or process.min_interval_ns > 0 or process.forbid_return)


def set_costs(row: Row, cost: Cost) -> None:
    """Prices (DESIGN §7) and powers (§16)."""
    row[K.IS_CACHE] = int(cost.kind == "cache")
    row[K.DISPATCH_CYCLES] = cost.dispatch_cycles
    row[K.WAKE_NS] = cost.wake_ns
    row[K.SYNC_LINES] = cost.sync_lines
    row[K.REMOTE_MEMORY] = int(cost.remote_memory)
    row[K.SWITCH_CYCLES] = cost.context_switch_cycles
    row[K.CROSSING] = cost.numa_crossing_cycles
    row[K.SHARED_CACHE], row[K.LINE_HOMES] = int(cost.shared_cache), int(cost.line_homes)
    row[K.BATCH_Q16] = q16(cost.batch_share)
    row[K.MESSAGE_LINES] = cost.message_lines if cost.kind == "cache" else 0
    for d in range(4):
        row[K.MESSAGE_0 + d] = cost.message_cycles[d]
        row[K.SYNC_0 + d] = cost.synchronisation_cycles[d]
        row[K.MISS_0 + d] = cost.misses[d] * cost.miss_cycles
        row[K.FAR_0 + d] = cost.remote_accesses[d] * cost.remote_access_cycles
    power = cost.power
    row[K.P_ACTIVE_MW], row[K.P_IDLE_MW] = power.performance_active_mw, power.performance_idle_mw
    row[K.E_ACTIVE_MW], row[K.E_IDLE_MW] = power.efficiency_active_mw, power.efficiency_idle_mw
    row[K.OFF_MW], row[K.EXPONENT] = power.off_mw, power.frequency_exponent


def set_erts(row: Row, policy: Policy, cost: Cost, created: int) -> None:
    """The emulator's flags (DESIGN §20)."""
    flags = policy.erts
    row[K.ONLINE] = created
    if not flags.enabled:
        return
    schedulers = flags.schedulers()
    row[K.ONLINE] = created if schedulers is None else schedulers[1]
    row[K.ERTS] = 1
    row[K.BALANCES] = int(policy.migrate and policy.triggers.load_imbalance)
    row[K.OTP] = names.OTP.index(flags.otp)
    row[K.SCL], row[K.SUB] = int(flags.scl and not flags.sub), int(flags.sub)
    row[K.WAKEUP_LIMIT], row[K.WAKEUP_SHIFT] = WAKEUP_LIMITS[flags.swt]
    row[K.IS_LEGACY] = int(flags.sws == "legacy")
    row[K.SPIN_NS] = cost.spin_ns * SPIN_TURNS[flags.sbwt] // MEDIUM_TURNS
    row[K.SPIN_WAKE_NS] = cost.spin_wake_ns
    row[K.POLL_NS] = 0


def set_binding(row: Row, binding: Binding, places: np.ndarray, tables: Tables) -> None:
    """Schedulers, and whether they or their cores can change places, share cores or go offline."""
    n = places.shape[0]
    row[K.NUM_CORES] = n
    row[K.BINDING] = binding_names.MODES.index(binding.mode)
    row[K.REBIND_BATCH], row[K.REBIND_NS] = binding.batch, binding.rebind_ns
    row[K.OS_QUANTUM_NS], row[K.OS_SWITCH_NS] = binding.os_quantum_ns, binding.os_switch_ns
    moves = binding.mode != "static" or n > row[K.NUM_HARDWARE] or row[K.ONLINE] < n
    moves = moves or tables.num_entries > 0 or tables.is_live
    row[K.MOVES] = int(moves)
    row[K.CAN_STRAND] = int(moves or tables.has_masks or tables.has_preferred)
    is_unbound = (places[:, 1] == 0).any() or tables.has_unbinding
    row[K.REBIND_PERIOD_NS] = binding.period_ns if is_unbound else 0


def lane_row(
    shared: np.ndarray,
    policy: Policy,
    cost: Cost,
    binding: Binding,
    places: np.ndarray,
    tables: Tables,
    key: int,
) -> np.ndarray:
    """The parameters of one lane."""
    row = Row(shared.copy())
    row[K.KEY] = key
    set_parts(row, policy)
    set_erts(row, policy, cost, places.shape[0])
    set_binding(row, binding, places, tables)
    set_decision(row, policy)
    set_limits(row, policy.limits)
    row[K.IS_LIMITED] = int(row[K.IS_LIMITED] or tables.has_own_limits or tables.is_live)
    set_costs(row, cost)
    return row.values
