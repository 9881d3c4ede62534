"""An infinite threshold is the policy `none` for every migration that must be worth it.

Infinite: candidates arise, are refused and counted, but nothing moves. `none` (migrate: false) also turns off
what is no candidate of the test, so that is off in both: placement of new processes, forced moves, polls, and
waking of idle cores (a core that woke up in vain is awake for whoever comes next).
"""

from dataclasses import replace

import sim
from tests.metamorphic.irrelevant import Pair, not_erts, policy_of
from tests.metamorphic.lanes import Outcome, with_room
from tests.reference.codes import LogCode
from tests.reference.scenarios import Scenario

COUNTED = ("migration_attempt_count", "failed_steal_count", "event_count")
"""What counts candidates and passes, that only one of the two lanes has."""


def never_worth(scenario: Scenario, threshold: float = float("inf")) -> Pair:
    """The same lane under a threshold that nothing meets, and under `none`."""
    s = not_erts(with_room(scenario))
    policy = s.policy
    rule = "cost_benefit" if policy.decision.rule == "always" else policy.decision.rule
    one = policy_of(
        s,
        migrate=True,
        threshold_factor=threshold,
        adaptive=sim.Adaptive(),
        placement=replace(policy.placement, spawn="parent"),
        stealing=replace(policy.stealing, wake_idle=False, poll_ns=0),
        decision=replace(policy.decision, rule=rule),
        limits=sim.Limits(),
        triggers=sim.Triggers(affinity_change=False, core_failure=False, power=False),
    )
    return one, policy_of(one, migrate=False)


def without_candidates(found: Outcome) -> Outcome:
    """An outcome without candidates and passes, and without where a woken process was to go."""
    log = found.log.copy()
    log[log[:, 1] == LogCode.WAKE, 4] = 0
    log = log[log[:, 1] != LogCode.DENY]
    denied = [name for name in found.counters if name.startswith("denied_")]
    return replace(found.without(*denied, *COUNTED), log=log, decisions=found.decisions[:0])
