"""Invariants of erts lanes: run queues of the BEAM, their flags, waits and counted work (DESIGN §20)."""

from collections.abc import Callable

import numpy as np

from sim.invariants.registry import Check, first_bad, invariant, unlike
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout import process as P
from sim.layout.sentinel import TIME_NEVER_NS

SHORT_NS, LONG_NS = 10**9, 10**10  # windows of utilisation


def erts_invariant(name: str) -> Callable[[Check], Check]:
    """Register an invariant that says nothing of other lanes."""

    def register(check: Check) -> Check:
        def checked(view: View) -> str:
            return check(view) if view.is_erts else ""

        checked.__doc__ = check.__doc__
        invariant(name)(checked)
        return check

    return register


def columns(view: View, first: int, count: int = E.PRIORITIES) -> np.ndarray:
    """Neighbouring numbers of each run queue, int64 (scheduler, count)."""
    return view.erts[:, first : first + count]


def most_counted(view: View) -> int:
    """Most reductions that one slice is counted for; 2^62 if slices have no end."""
    quantum = int(view.z[K.QUANTUM_REDS])
    return max(quantum, E.LEAST_SLICE_REDS) if quantum else 2**62


def waits(view: View) -> np.ndarray:
    """Which schedulers have waited since they last found nothing."""
    waiting: np.ndarray = view.erts[:, E.WAITING] == 1
    return waiting


@erts_invariant("run queue lengths")
def check_run_queues(view: View) -> str:
    """LEN counts the queued by priority; MAX_LEN and MAX_TOTAL were no less."""
    rows = view.process[view.queued]
    counted = np.zeros((view.num_cores, E.PRIORITIES), np.int64)
    np.add.at(counted, (rows[:, P.QUEUE_CORE], rows[:, P.LEVEL] + rows[:, P.LOW]), 1)
    found, most, total = columns(view, E.LEN), columns(view, E.MAX_LEN), view.erts[:, E.MAX_TOTAL]
    bad = (found != counted).any(axis=1) | (most < found).any(axis=1)
    bad |= (total < view.core[:, C.QUEUE_LENGTH]) | (total < most.max(axis=1)) | (total > most.sum(axis=1))
    return first_bad(bad, "core", total=total, length=view.core[:, C.QUEUE_LENGTH])


@erts_invariant("empty run queues")
def check_empty(view: View) -> str:
    """NUM_EMPTY is the number of schedulers online without NONEMPTY."""
    empty = int((view.erts[: view.online, E.NONEMPTY] == 0).sum())
    return unlike("NUM_EMPTY", int(view.z[S.NUM_EMPTY]), empty)


@erts_invariant("NONEMPTY")
def check_nonempty(view: View) -> str:
    """No IDLE scheduler has it; who works has it while something is queued (unless by a mask)."""
    flag, queued = view.erts[:, E.NONEMPTY], view.core[:, C.QUEUE_LENGTH] > 0
    works = ~waits(view) & (view.core_state != C.OFFLINE)
    bad = (view.core_state == C.IDLE) & (flag != 0)
    if not view.z[K.HAS_MASKS]:  # else a queue that holds only who may not run there is as good as empty
        bad |= works & queued & (flag != 1)
        if view.z[K.OTP] == R.OTP_27 and view.z[K.VICTIM] == R.VICTIM_ERTS:  # the booty was queued
            bad |= (view.core_state == C.RUNNING) & (flag != 1)
    return first_bad(bad, "core", state=view.core_state, flag=flag, length=view.core[:, C.QUEUE_LENGTH])


@erts_invariant("flags")
def check_flags(view: View) -> str:
    """Flags are 0 or 1, and who is IDLE has been out of work unless a timeline ran."""
    flags = columns(view, E.OUT_OF_WORK, E.WAITING - E.OUT_OF_WORK + 1)
    bad = np.zeros(view.num_cores, bool)
    bad |= ((flags < 0) | (flags > 1)).any(axis=1)
    if view.z[S.ENTRY] == 0:
        bad |= (view.core_state == C.IDLE) & (view.erts[:, E.OUT_OF_WORK] == 0)
    return first_bad(bad, "core", state=view.core_state, out=view.erts[:, E.OUT_OF_WORK]) or unlike(
        "HALFTIME and FORCED", {int(view.z[S.HALFTIME]), int(view.z[S.FORCED])} <= {0, 1}, True
    )


@erts_invariant("active")
def check_active(view: View) -> str:
    """1 <= ACTIVE <= USED, at least LAST_ACTIVE and without scl all, but after an entry."""
    z, n = view.z, view.num_cores
    active, last, is_forced = int(z[S.ACTIVE]), int(z[S.LAST_ACTIVE]), bool(z[S.FORCED])
    shown = f"ACTIVE {active}, LAST_ACTIVE {last}, USED {view.online}, RISE {z[S.RISE_ACTIVE]}"
    bad = not (1 <= active <= view.online and 1 <= last <= n and 0 <= z[S.RISE_ACTIVE] <= n)
    # before the first full call it is the number of those created
    last = active if last == n else last
    bad |= not is_forced and last > active
    bad |= not is_forced and not z[K.SCL] and not active == last == view.online
    bad |= is_forced and not view.counts_done.size
    return shown if bad else ""


@erts_invariant("INACTIVE")
def check_inactive(view: View) -> str:
    """Only run queues from ACTIVE on have it, and those online all, but after an entry."""
    flag, q = view.erts[:, E.INACTIVE] == 1, np.arange(view.num_cores)
    beyond = q >= view.z[S.ACTIVE]
    bad = flag & ~beyond
    if not view.z[S.FORCED]:
        bad |= (q < view.online) & (flag != beyond)
    return first_bad(bad, "core", flag=flag, active=int(view.z[S.ACTIVE]), used=view.online)


@erts_invariant("waits")
def check_waits(view: View) -> str:
    """IDLE and WAKING schedulers wait, RUNNING and OFFLINE ones do not; others WORKING."""
    state, found = view.core_state, waits(view)
    bad = ((state == C.IDLE) | (state == C.WAKING)) & ~found
    bad |= ((state == C.RUNNING) | (state == C.OFFLINE)) & found
    working = ~found & (state != C.OFFLINE)
    bad |= (view.erts[:, E.WORKING] == 1) != working
    return first_bad(bad, "core", state=state, waiting=found, working=view.erts[:, E.WORKING])


@erts_invariant("poller")
def check_poller(view: View) -> str:
    """The poll role is nobody's, or that of a scheduler that waits and does not spin."""
    poller = int(view.z[S.POLLER])
    if poller == E.NOBODY:
        return ""
    if not 0 <= poller < view.online:
        return f"POLLER {poller} of {view.online}"
    row = view.erts[poller]
    good = row[E.WAITING] == 1 and row[E.SPIN_UNTIL_NS] == row[E.WAIT_NS]
    return "" if good else f"{poller} in state {view.core_state[poller]}, spins to {row[E.SPIN_UNTIL_NS]}"


@erts_invariant("spinning")
def check_spinning(view: View) -> str:
    """Who waits spins for sbwt's time or not at all; spin_ns is time that nobody works."""
    since, until = view.erts[:, E.WAIT_NS], view.erts[:, E.SPIN_UNTIL_NS]
    length = until - since
    bad = waits(view) & ((since > view.now) | ((length != 0) & (length != view.z[K.SPIN_NS])))
    z, grown = view.z, view.spun_ns - view.before.spun_ns
    passed = view.num_cores * (view.now - view.before.now_ns)
    most = passed - int((view.busy - view.before.busy).sum())
    if z[K.WAKE_NS] == 0 and z[K.SPIN_WAKE_NS] == 0 and not z[K.MOVES]:
        most = int(z[N.IDLE_NS]) - view.before.idle_ns
    return first_bad(bad, "core", since=since, until=until) or (
        "" if 0 <= grown <= most else f"spun {grown} of {most}"
    )


@erts_invariant("wake-up latency")
def check_latency(view: View) -> str:
    """A WAKING scheduler starts within the longer of the two latencies."""
    due = view.events[: view.num_cores]
    most = max(int(view.z[K.WAKE_NS]), int(view.z[K.SPIN_WAKE_NS]))
    bad = (view.core_state == C.WAKING) & (due != TIME_NEVER_NS) & (due > view.now + most)
    return first_bad(bad, "core", due=due, now=view.now, most=most)


@erts_invariant("history")
def check_history(view: View) -> str:
    """HIST_SUM is the sum of HIST, whose samples are counted reductions."""
    hist = columns(view, E.HIST, E.HIST_SLOTS)
    bad = (hist.sum(axis=1) != view.erts[:, E.HIST_SUM]) | (hist < 0).any(axis=1)
    return first_bad(bad, "core", sum=view.erts[:, E.HIST_SUM], hist=hist.sum(axis=1)) or unlike(
        "HIST_SLOT within", 0 <= int(view.z[S.HIST_SLOT]) < E.HIST_SLOTS, True
    )


@erts_invariant("counted reductions")
def check_counted(view: View) -> str:
    """REDS and BALANCE_REDS stay within what two balance calls let them be."""
    reds, left, slack = columns(view, E.REDS), view.erts[:, E.BALANCE_REDS], most_counted(view)
    bad = (reds < 0).any(axis=1) | (left > E.BALANCE_CALL_REDS)
    if view.z[K.BALANCES]:
        bad |= left < -slack
        if view.z[K.ONLINE] > 1 and not view.counts_done.size:  # one scheduler alone never ends a period
            bad |= reds.sum(axis=1) > 2 * (E.BALANCE_CALL_REDS + slack)
    return first_bad(bad, "core", reds=reds.sum(axis=1), left=left)


@erts_invariant("balance calls")
def check_calls(view: View) -> str:
    """Two calls use up 4 000 000 counted reductions each, but after an entry."""
    z, slack = view.z, most_counted(view)
    if view.counts_done.size or slack == 2**62:
        return ""
    counted = int(z[N.REDUCTIONS]) + E.LEAST_SLICE_REDS * int(z[N.DISPATCHES]) + view.num_cores * slack
    calls = 2 * int(z[N.BALANCE_CALLS]) - 2  # two may be due when measuring begins
    if calls * E.BALANCE_CALL_REDS > counted or (calls > -2 and not z[K.BALANCES]):
        return f"{z[N.BALANCE_CALLS]} full calls with {counted} counted reductions"
    return unlike("compactions without scl", int(z[N.COMPACTIONS]) > 0 and not z[K.SCL], False)


@erts_invariant("wake-up counts")
def check_wakeups(view: View) -> str:
    """WAKEUP_OTHER stays within swt's limit, WAKEUP_REDS is one slice, 0 in it."""
    other, reds, slack = view.erts[:, E.WAKEUP_OTHER], view.erts[:, E.WAKEUP_REDS], most_counted(view)
    bad = (other < 0) | (reds < 0) | (reds > slack)
    bad |= (view.core_state == C.RUNNING) & (reds != 0)
    if not view.z[K.IS_LEGACY]:  # the legacy check looks before it counts
        bad |= other > view.z[K.WAKEUP_LIMIT]
    return first_bad(bad, "core", state=view.core_state, other=other, reds=reds)


@erts_invariant("utilisation")
def check_utilisation(view: View) -> str:
    """Work in a window is no more than the window, nor than the time until then."""
    rows = view.erts
    mark = rows[:, E.UTIL_MARK_NS]
    bad = mark > (view.now if view.z[K.SUB] else 0)
    for column, window_ns in ((E.WORK_SHORT_NS, SHORT_NS), (E.WORK_LONG_NS, LONG_NS)):
        bad |= (rows[:, column] < 0) | (rows[:, column] > np.minimum(window_ns, mark))
    return first_bad(bad, "core", short=rows[:, E.WORK_SHORT_NS], long=rows[:, E.WORK_LONG_NS], mark=mark)
