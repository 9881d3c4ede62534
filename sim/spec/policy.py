"""Migration policies: orthogonal parts (placement, stealing, balancing, decision, limits) mixed at will."""

from dataclasses import dataclass

from sim.spec.base import Spec, SpecError, choice, number, other, part

PLACEMENTS_SPAWN = ("parent", "round_robin", "random", "least_loaded", "best_of", "numa_local", "probe")
PLACEMENTS_WAKE = (
    "last", "round_robin", "random", "least_loaded", "best_of", "numa_local", "probe", "preferred",
)  # fmt: skip
VICTIMS = ("off", "random", "nearest", "longest", "erts")
AMOUNTS = ("one", "half", "batch")
SCOPES = ("machine", "hierarchical", "node_average")
DECISIONS = ("cost_benefit", "always", "remaining_life")
REMAINING = ("class_mean", "step", "age")
ADAPTIVE = ("off", "feedback")
OTP = ("27", "28")
WAKEUP_THRESHOLDS = ("very_low", "low", "medium", "high", "very_high")
WAKEUP_STRATEGIES = ("default", "legacy")
BUSY_WAITS = ("none", "very_short", "short", "medium", "long", "very_long")
BIND_TYPES = ("u", "ns", "ts", "ps", "s", "nnts", "nnps", "tnnps", "db")

SECOND_NS = 1_000_000_000
DAY_NS = 86_400 * SECOND_NS
SCHEDULERS_MAX = 1024


@dataclass(frozen=True, kw_only=True)
class Placement(Spec):
    """Where a new or a woken process is queued."""

    spawn: str = choice("parent", PLACEMENTS_SPAWN, "rule for a process that was just created")
    wake: str = choice("last", PLACEMENTS_WAKE, "rule for a process that blocked and is ready again")
    choices: int = number(2, 1, 1024, "cores looked at by best_of, at most by probe")
    probe_load: int = number(1, 1, 1_000_000, "probe: a core with fewer processes takes one more")


@dataclass(frozen=True, kw_only=True)
class Stealing(Spec):
    """Pull: what an idle core does about work queued elsewhere."""

    victim: str = choice("nearest", VICTIMS, "order in which victims are tried; off = no stealing")
    amount: str = choice("one", AMOUNTS, "one process, half of the victim's queue, or `batch`")
    batch: int = number(1, 1, 1024, "processes taken at once when amount = batch")
    min_queue: int = number(1, 1, 1_000_000, "least queue length that makes a victim")
    scan: int = number(4, 1, 1024, "processes of a victim's queue that are considered, from its head")
    attempts: int = number(8, 1, 4096, "victims tried before the core goes idle")
    wake_idle: bool = other("wake the nearest idle core when work is queued on a busy one", default=True)
    poll_ns: int = number(
        0, 0, DAY_NS, "an idle core that has run tries again after this time; 0 = never", unit="ns"
    )


@dataclass(frozen=True, kw_only=True)
class Balancing(Spec):
    """Push: a periodic pass that moves queued processes from long queues to short ones."""

    period_ns: int = number(0, 0, 3600 * SECOND_NS, "time between passes; 0 = off", unit="ns")
    imbalance: int = number(2, 1, 1_000_000, "least difference of load (processes) that is acted on")
    batch: int = number(4, 1, 4096, "migrations in one pass at most")
    scope: str = choice(
        "machine", SCOPES, "whole machine; cluster, then node, then machine; or nodes by their averages"
    )


@dataclass(frozen=True, kw_only=True)
class Decision(Spec):
    """The test that a migration must pass: benefit > cost x threshold_factor (sim/DESIGN.md §8)."""

    rule: str = choice(
        "cost_benefit", DECISIONS, "always = no test; remaining_life = the process's age must pay the cost"
    )
    remaining: str = choice("class_mean", REMAINING, "expected remaining work that gains speed")
    waiting_weight: float = number(1.0, 0.0, 64.0, "weight of the waiting time saved")
    speed_weight: float = number(1.0, 0.0, 64.0, "weight of the speed gained on the remaining work")
    utilisation_weight: float = number(0.0, 0.0, 64.0, "weight of the difference in utilisation of the cores")
    cpu_bound_factor: float = number(1.0, 0.0, 1e4, "multiplies threshold_factor, CPU-bound processes")
    io_bound_factor: float = number(1.0, 0.0, 1e4, "multiplies threshold_factor, I/O-bound processes")
    same_core_factor: float = number(1.0, 0.0, 1e4, "multiplies threshold_factor, SMT sibling")
    same_cluster_factor: float = number(1.0, 0.0, 1e4, "multiplies threshold_factor, same cluster")
    same_node_factor: float = number(1.0, 0.0, 1e4, "multiplies threshold_factor, other cluster in the node")
    other_node_factor: float = number(1.0, 0.0, 1e4, "multiplies threshold_factor, other NUMA node")
    preferred_bonus_cycles: int = number(
        2000, 0, 10**9, "benefit of entering (cost of leaving) a preferred mask or core", unit="cycles"
    )


@dataclass(frozen=True, kw_only=True)
class Adaptive(Spec):
    """Feedback on the threshold and the balancing period; the control law is in sim/DESIGN.md §9."""

    mode: str = choice("off", ADAPTIVE, "off, or feedback")
    period_ns: int = number(1_000_000, 1000, DAY_NS, "time between adjustments", unit="ns")
    overhead_target: float = number(0.01, 0.0, 1.0, "share of busy time that migrations may cost")
    waste_target: float = number(0.02, 0.0, 1.0, "share of core time that may be idle beside waiting work")
    step: float = number(1.25, 1.001, 16.0, "factor of one adjustment")
    span: float = number(8.0, 1.0, 1024.0, "threshold and period stay within value / span .. value x span")


@dataclass(frozen=True, kw_only=True)
class ProcessLimit(Spec):
    """Limits of one process."""

    max_migrations: int | None = number(None, 0, 1_000_000, "migrations in the window", optional=True)
    window_ns: int | None = number(None, 1, DAY_NS, "null = its lifetime", optional=True, unit="ns")
    min_interval_ns: int = number(0, 0, DAY_NS, "least time between two migrations", unit="ns")
    return_window_ns: int = number(
        1_000_000, 0, DAY_NS, "going back to the core last left within this time is a return", unit="ns"
    )
    forbid_return: bool = other("refuse returns (no ping-pong); they are counted in any case", default=False)


@dataclass(frozen=True, kw_only=True)
class RateLimit(Spec):
    """At most max(1, floor(rate x window)) migrations in any interval of that count / rate."""

    rate_per_s: float | None = number(None, 0.0, 1e9, "migrations a second", optional=True, unit="1/s")
    window_ns: int = number(10_000_000, 1, 10 * SECOND_NS, "time over which the rate holds", unit="ns")

    def check(self) -> None:
        if self.rate_per_s and self.rate_per_s * self.window_ns > 65_536 * SECOND_NS:
            raise SpecError(
                "rate_per_s",
                self.rate_per_s,
                "such that rate x window is at most 65536 migrations",
                "shorten window_ns",
            )
        if self.rate_per_s and self.rate_per_s < 1e-3:
            raise SpecError("rate_per_s", self.rate_per_s, "0, or at least 0.001 1/s, or null for no limit")


@dataclass(frozen=True, kw_only=True)
class BurstLimit(Spec):
    """Token bucket, and a storm detector that pauses all migration for a cool-down."""

    capacity: int | None = number(None, 0, 1_000_000, "tokens the bucket holds", optional=True)
    refill_per_s: float = number(10_000.0, 1e-3, 1e9, "tokens added a second", unit="1/s")
    storm_count: int | None = number(None, 1, 65_536, "migrations that make a storm", optional=True)
    storm_window_ns: int = number(1_000_000, 1, 10 * SECOND_NS, "... within this time", unit="ns")
    cooldown_ns: int = number(5_000_000, 0, DAY_NS, "pause after a storm", unit="ns")


@dataclass(frozen=True, kw_only=True)
class Limits(Spec):
    """The four rate limits of design §2.7."""

    process: ProcessLimit = part(ProcessLimit, "each process")
    core: RateLimit = part(RateLimit, "each core, counted at both ends")
    system: RateLimit = part(RateLimit, "the whole machine")
    burst: BurstLimit = part(BurstLimit, "protection against bursts and storms")


@dataclass(frozen=True, kw_only=True)
class Triggers(Spec):
    """What may cause a migration; each off switch leaves processes where they are."""

    load_imbalance: bool = other("stealing and balancing", default=True)
    blocking: bool = other("a process that blocked and wakes may be placed elsewhere", default=True)
    affinity_change: bool = other("a process that its new affinity excludes leaves at once", default=True)
    core_failure: bool = other("processes leave a core that fails", default=True)
    power: bool = other("processes leave a core that is powered down", default=True)


@dataclass(frozen=True, kw_only=True)
class Erts(Spec):
    """The run queues of the real BEAM, with the emulator's flags under their own names (sim/DESIGN.md §20).

    Source: erts-scheduler §2-§11 (OTP: erl_process.c, check_balance, try_steal_task, wakeup_other_check,
    wake_scheduler_on_empty_runq, scheduler_wait).
    """

    enabled: bool = other("true: run queues, balancing and waking as in the BEAM", default=False)
    otp: str = choice("27", OTP, "27 = up to OTP 27, a thief takes one; 28 = from OTP 28 on, it takes half")
    scl: bool = other("+scl: compact a light load to the low schedulers", default=True)
    sub: bool = other("+sub: balance utilisation; turns scl off, as in the emulator", default=False)
    swt: str = choice("medium", WAKEUP_THRESHOLDS, "+swt: how soon a sleeping scheduler is woken for others")
    sws: str = choice("default", WAKEUP_STRATEGIES, "+sws: how waiting work is counted for swt")
    sbwt: str = choice("medium", BUSY_WAITS, "+sbwt: how long an idle scheduler spins before it sleeps")
    sbt: str | None = other("+sbt: bind type; null = as the binding group says", default=None)
    S: str | None = other(
        "+S: schedulers, or schedulers:online, as text; null = as the binding group says", default=None
    )

    def check(self) -> None:
        if self.sbt is not None and self.sbt not in BIND_TYPES:
            raise SpecError("sbt", self.sbt, "null or one of " + ", ".join(BIND_TYPES))
        self.schedulers()

    def schedulers(self) -> tuple[int, int] | None:
        """Schedulers created and online as `S` says; None without it.

        Raises
        ------
        SpecError unless S reads N or N:M with 1 <= M <= N <= 1024 (the emulator's own range)
        """
        if self.S is None:
            return None
        words = self.S.split(":") if isinstance(self.S, str) else [""]
        good = len(words) <= 2 and all(w.isascii() and w.isdigit() and len(w) <= 4 for w in words)
        numbers = [int(w) for w in words] if good else [0]
        created, online = numbers[0], numbers[-1]
        if not 1 <= online <= created <= SCHEDULERS_MAX:
            raise SpecError("S", self.S, f'"N" or "N:M", M <= N, both from 1 to {SCHEDULERS_MAX}, in quotes')
        return created, online


@dataclass(frozen=True, kw_only=True)
class Policy(Spec):
    """One migration policy. `migrate: false` forbids every migration (the policy `none`)."""

    name: str = other("name shown in tables", default="custom")
    migrate: bool = other("false: no process ever leaves the core it was first placed on", default=True)
    threshold_factor: float = number(1.0, 0.0, float("inf"), "benefit must exceed cost x this factor")
    placement: Placement = part(Placement, "where new and woken processes go")
    stealing: Stealing = part(Stealing, "pull by idle cores")
    balancing: Balancing = part(Balancing, "periodic push")
    decision: Decision = part(Decision, "the cost-benefit test")
    adaptive: Adaptive = part(Adaptive, "feedback")
    limits: Limits = part(Limits, "rate limits")
    triggers: Triggers = part(Triggers, "causes of migration, each with its switch")
    erts: Erts = part(Erts, "the scheduler of the real BEAM, with its flags")

    def check(self) -> None:
        if 10_000 < self.threshold_factor < float("inf"):
            raise SpecError("threshold_factor", self.threshold_factor, "0 to 10000, or .inf for never")
