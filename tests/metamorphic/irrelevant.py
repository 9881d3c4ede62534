"""A part that is off is as one that is absent: what belongs to it may have any value."""

from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import sim
from tests.metamorphic.lanes import with_room
from tests.reference.scenarios import Scenario

Pair = tuple[Scenario, Scenario]


def policy_of(s: Scenario, **parts: Any) -> Scenario:
    """The scenario with other parts of its policy."""
    return replace(s, policy=replace(s.policy, **parts))


def not_erts(s: Scenario) -> Scenario:
    """The scenario without the BEAM's scheduler, and without entries for schedulers that came with it."""
    created = s.binding.schedulers or s.topology.num_cores
    changes = [c for c in s.timeline.changes if max(c.count or 0, (c.scheduler or 0) + 1) <= created]
    return policy_of(replace(s, timeline=replace(s.timeline, changes=tuple(changes))), erts=sim.Erts())


def stealing_off(s: Scenario) -> Pair:
    """No victim: how thieves would go about it."""
    off = policy_of(not_erts(s), stealing=sim.Stealing(victim="off"))
    many = sim.Stealing(
        victim="off", amount="batch", batch=3, min_queue=2, scan=1, attempts=1, wake_idle=False, poll_ns=900
    )
    return off, policy_of(off, stealing=many)


def balancing_off(s: Scenario) -> Pair:
    """No period: what a pass would do."""
    off = policy_of(s, balancing=sim.Balancing(period_ns=0))
    return off, policy_of(off, balancing=sim.Balancing(imbalance=1, batch=9, scope="node_average"))


def adaptive_off(s: Scenario) -> Pair:
    """No feedback: its targets and steps."""
    other = sim.Adaptive(period_ns=1000, overhead_target=0.5, waste_target=0.0, step=3.0, span=2.0)
    return policy_of(s, adaptive=sim.Adaptive()), policy_of(s, adaptive=other)


def limits_off(s: Scenario) -> Pair:
    """No limit: windows, refills and pauses."""
    process = replace(s.policy.limits.process, max_migrations=None, window_ns=None)
    none = sim.RateLimit(rate_per_s=None)
    limits = sim.Limits(process=process, core=none, system=none, burst=sim.BurstLimit())
    other = sim.Limits(
        process=replace(process, window_ns=777),
        core=replace(none, window_ns=1),
        system=replace(none, window_ns=99),
        burst=sim.BurstLimit(refill_per_s=1.0, storm_window_ns=1, cooldown_ns=0),
    )
    return policy_of(s, limits=limits), policy_of(s, limits=other)


def erts_off(s: Scenario) -> Pair:
    """Not the BEAM's scheduler: its flags, and how long it spins."""
    rules = {"otp": "28", "scl": False, "sub": True, "swt": "low", "sws": "legacy", "sbwt": "none"}
    flags = sim.Erts(**rules, sbt="db", S="1024:1")
    off = not_erts(s)
    other = policy_of(off, erts=flags)
    return off, replace(other, cost=replace(s.cost, spin_ns=1, spin_wake_ns=1))


def rule_always(s: Scenario) -> Pair:
    """No test: threshold, factors and weights. The log of decisions keeps the benefit, so weights stay."""
    always = replace(s.policy.decision, rule="always")
    other = replace(
        always, cpu_bound_factor=0.5, io_bound_factor=7.0, same_core_factor=3.0, same_cluster_factor=0.0,
        same_node_factor=9.0, other_node_factor=0.1,
    )  # fmt: skip
    one = policy_of(s, decision=always, adaptive=sim.Adaptive())
    return one, policy_of(one, decision=other, threshold_factor=float("inf"))


def flat_prices(s: Scenario) -> Pair:
    """The table of prices: what the mechanistic model alone reads."""
    flat = replace(s.cost, kind="flat")
    other = replace(flat, sync_lines=50, shared_cache=not flat.shared_cache, line_homes=not flat.line_homes)
    return replace(s, cost=flat), replace(s, cost=replace(other, message_lines=9))


def cache_prices(s: Scenario) -> Pair:
    """The mechanistic model: what the table alone reads."""
    cache = replace(s.cost, kind="cache")
    other = replace(
        cache, synchronisation_cycles=(9, 8, 7, 6), misses=(5, 5, 5, 5), miss_cycles=999,
        remote_accesses=(4, 3, 2, 1), remote_access_cycles=888, numa_crossing_cycles=77,
    )  # fmt: skip
    return replace(s, cost=cache), replace(s, cost=other)


def load_imbalance_off(s: Scenario) -> Pair:
    """A trigger that is off is as no stealing and no balancing."""
    triggers = replace(s.policy.triggers, load_imbalance=False)
    one = policy_of(not_erts(s), triggers=triggers)
    off = policy_of(one, stealing=sim.Stealing(victim="off"), balancing=sim.Balancing())
    return one, policy_of(off, triggers=replace(triggers, load_imbalance=True))


def blocking_off(s: Scenario) -> Pair:
    """A trigger that is off is as waking where one ran last."""
    one = policy_of(s, triggers=replace(s.policy.triggers, blocking=False))
    wake = replace(s.policy.placement, wake="last")
    return one, policy_of(s, placement=wake, triggers=replace(s.policy.triggers, blocking=True))


def migrate_false(s: Scenario) -> Pair:
    """No migration: any policy."""
    one = not_erts(s)
    return replace(one, policy=sim.Policy(migrate=False)), policy_of(one, migrate=False)


def static_binding(s: Scenario) -> Pair:
    """Pinned schedulers, one a core: what would move them, and who shares a core."""
    quiet = [c for c in s.timeline.changes if c.op in ("affinity", "load", "frequency")]
    one = replace(not_erts(s), binding=sim.Binding(), timeline=sim.Timeline(changes=tuple(quiet)))
    other = sim.Binding(
        performance=1, efficiency=1, period_ns=1000, batch=9, rebind_ns=5, os_quantum_ns=1, os_switch_ns=7
    )
    return one, replace(one, binding=other)


def no_collections(s: Scenario) -> Pair:
    """Processes that allocate nothing: how their garbage would be collected."""

    def memory(kept: sim.Memory, **changes: Any) -> sim.Memory:
        return replace(kept, words_per_reduction=0.0, **changes)

    def with_memory(**changes: Any) -> Scenario:
        w = s.workload
        if isinstance(w, sim.Replay):
            return replace(s, workload=replace(w, memory=memory(w.memory, **changes)))
        classes = tuple(replace(kind, memory=memory(kind.memory, **changes)) for kind in w.classes)
        return replace(s, workload=replace(w, classes=classes))

    return with_memory(survivors=0.5, fullsweep_after=3), with_memory(survivors=1.0, fullsweep_after=1)


def absent_class(s: Scenario) -> Pair:
    """A class that nobody belongs to, with everything that makes the kernel take its longer ways."""
    # An entry for every class is one for nobody's too, which the log would show.
    named = [c for c in s.timeline.changes if c.op != "affinity" or c.process_class is not None]
    s = replace(s, timeline=replace(s.timeline, changes=tuple(named)))
    if isinstance(s.workload, sim.Replay):
        return s, replace(s, timeline=beyond(s))
    nobody = sim.ProcessClass(
        name="zz_nobody",
        priority=Random(s.seed).choice(("max", "low")),
        affinity=sim.Affinity(type="strict", cores="0", max_migrations=1),
        memory=sim.Memory(words_per_reduction=3.0, working_set_bytes=10**6),
        program=(
            sim.Step(op="run", draw=sim.Distribution(kind="lognormal", mean=50.0, cv=2.0)),
            sim.Step(op="affinity", affinity=sim.Affinity(type="dynamic", preferred_core=0)),
            sim.Step(op="exit"),
        ),
    )
    workload = replace(s.workload, classes=(*s.workload.classes, nobody))
    return s, replace(s, workload=workload, timeline=beyond(s))


def beyond(s: Scenario) -> sim.Timeline:
    """The timeline with an entry behind the horizon."""
    late = sim.Change(time_ns=s.simulation.horizon_ns + 1, op="core_offline", cores="0")
    return replace(s.timeline, changes=(*s.timeline.changes, late))


IRRELEVANT: dict[str, Callable[[Scenario], Pair]] = {
    "no stealing": stealing_off,
    "no balancing": balancing_off,
    "no adaptation": adaptive_off,
    "no limits": limits_off,
    "not erts": erts_off,
    "rule always": rule_always,
    "flat cost model": flat_prices,
    "cache cost model": cache_prices,
    "load_imbalance off": load_imbalance_off,
    "blocking off": blocking_off,
    "migrate: false": migrate_false,
    "static binding": static_binding,
    "no collections": no_collections,
    "a class without processes": absent_class,
}


def pair(name: str, scenario: Scenario) -> Pair:
    """Two scenarios that must give the same."""
    return IRRELEVANT[name](with_room(scenario))
