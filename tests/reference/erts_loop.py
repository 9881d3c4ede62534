"""What a scheduler of the BEAM does between two slices (DESIGN §20, The loop)."""

from tests.reference.codes import CoreState
from tests.reference.erts_balance import check_balance
from tests.reference.erts_paths import immigrate
from tests.reference.erts_steal import steal_as_erts
from tests.reference.run_queue import begin_wait, count_empty, end_wait
from tests.reference.stealing import steal
from tests.reference.take import take_queued

LEAST_REDS = 400
THRESHOLDS = {  # limit, and the shift with which it decays; None: it does not
    "very_high": (800_000, 3),
    "high": (200_000, 1),
    "medium": (40_000, 0),
    "low": (4000, None),
    "very_low": (400, None),
}


def account(core, process) -> None:
    """Count the reductions of a slice that has ended."""
    rq, reds = core.rq, core.slice_reds
    counted = max(reds, LEAST_REDS)
    rq.reds[process.kind.priority] += counted
    rq.balance_reds -= counted
    rq.wakeup_reds += reds


def choose_as_erts(lane, core):
    """Do a pass of the loop; give the process to run, or None if the scheduler has to rest."""
    rq = core.rq
    end_wait(lane, core)
    if rq.balance_reds <= 0 and lane.may_balance:
        check_balance(lane, core)
    immigrate(lane, core)
    if not core.has_work():
        rq.wakeup_other = rq.wakeup_reds = 0
        if rq.is_inactive:
            return None
        rq.is_nonempty = False
        if not lane.is_stealing:
            return None
        if lane.policy.stealing.victim != "erts":
            return steal(lane, core)
        first = steal_as_erts(lane, core)
        if first is None or lane.policy.erts.otp == "28":
            return first
        lane.enqueue(first, core)
    check_wakeup(lane, core)
    return take_queued(core)


def rest(lane, core) -> None:
    """Let a scheduler that has gone idle wait."""
    begin_wait(lane, core)
    core.rq.is_out_of_work = core.rq.is_half_out = True


def check_wakeup(lane, core) -> None:
    """Wake another scheduler when work has waited here for long enough."""
    rq, rule = core.rq, lane.policy.erts
    if rq.wakeup_reds <= 0:
        return
    limit, shift = THRESHOLDS[rule.swt]
    count = core.queue_length()
    if rule.sws == "legacy":
        if count < 2:
            rq.wakeup_other = max(0, rq.wakeup_other - 10 * rq.wakeup_reds)
        elif rq.wakeup_other < limit:
            rq.wakeup_other += count * rq.wakeup_reds + LEAST_REDS
        else:
            wake_if_any_sleeps(lane, core)
            rq.wakeup_other = 0
    elif count < 2:
        if shift is not None:
            rq.wakeup_other = max(0, rq.wakeup_other - (rq.wakeup_reds << shift))
    else:
        rq.wakeup_other += (count - 1) * rq.wakeup_reds + LEAST_REDS
        if rq.wakeup_other > limit:
            if rule.otp == "28":
                wake_one(lane, core)
            else:
                wake_if_any_sleeps(lane, core)
            rq.wakeup_other = 0
    rq.wakeup_reds = 0


def wake_if_any_sleeps(lane, core) -> None:
    """Wake one, if any scheduler looks for work or waits."""
    if count_empty(lane):
        wake_one(lane, core)


def wake_one(lane, core) -> None:
    """Wake the nearest active scheduler below that does nothing, else make one more active."""
    if not lane.may_balance:
        return
    active, c = min(lane.vm.active, lane.used), core.index
    order = [*range(c - 1, -1, -1), *range(active - 1, c, -1)]
    if c >= active:
        order = list(range(active - 1, -1, -1))
    for x in order:
        other = lane.cores[x]
        if lane.is_available(x) and not other.rq.is_nonempty:
            lane.count("wake_one_count")
            lane.seen["woken" if other.state == CoreState.IDLE else "wake-up lost"] += 1
            if other.state == CoreState.IDLE:
                lane.make_due(other)
            return
    if active == lane.used or lane.cores[active].state == CoreState.OFFLINE:
        return
    lane.seen["one more active"] += 1
    woken = lane.cores[active]
    woken.rq.is_inactive = False
    if lane.vm.active == active:
        lane.vm.active += 1
    lane.count("wake_one_count")
    if woken.state == CoreState.IDLE and not woken.rq.is_nonempty:
        lane.make_due(woken)
