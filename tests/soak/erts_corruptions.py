"""What is broken on purpose in erts lanes, so that the checker is seen to report it; and in which lanes."""

from collections.abc import Callable

import numpy as np

from sim.invariants.paths import paths_of
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout.sentinel import TIME_NEVER_NS

Corruption = Callable[[View], None]


def is_quiet(view: View) -> bool:
    """Nothing has changed the schedulers online; one works and one sleeps."""
    usual = view.is_erts and view.z[K.BALANCES] and view.z[K.ONLINE] > 1
    states = {C.IDLE, C.RUNNING} <= set(view.core_state.tolist())
    return bool(usual and states and not view.counts_done.size)


def is_waking(view: View) -> bool:
    """A scheduler was just woken."""
    return view.is_erts and bool((view.core_state == C.WAKING).any())


def is_balanced(view: View) -> bool:
    """Run queues are balanced by length or utilisation, with paths; one works and one sleeps."""
    is_whole = view.z[S.LAST_ACTIVE] in (view.online, view.num_cores)
    settled = view.is_erts and view.z[S.FORCED] == 0 and is_whole
    states = {C.IDLE, C.RUNNING} <= set(view.core_state.tolist())
    return bool(settled and states and paths_of(view)[: view.online, :, E.KIND].any())


def is_compacted(view: View) -> bool:
    """Run queues are compacted: some are inactive, and one of the others works."""
    settled = view.z[S.FORCED] == 0 and view.z[S.LAST_ACTIVE] < view.online
    return bool(view.is_erts and settled and view.running.size)


def is_reduced(view: View) -> bool:
    """Some schedulers were suspended by an entry, and the run queues are not balanced again yet."""
    return bool(view.is_erts and view.counts_done.size and view.suspended.any() and view.z[S.FORCED])


def is_unmasked(view: View) -> bool:
    """No process has a strict mask; up to OTP 27 one runs while others wait behind it."""
    plain = view.is_erts and not view.z[K.HAS_MASKS] and view.z[K.OTP] == R.OTP_27
    behind = view.core[view.running, C.QUEUE_LENGTH] > 0
    return bool(plain and view.z[K.VICTIM] == R.VICTIM_ERTS and behind.any())


def queue(column: int, state: int, value: int) -> Corruption:
    """Set a number of the run queue of a scheduler in a state."""

    def corrupt(view: View) -> None:
        view.erts[np.flatnonzero(view.core_state == state)[0], column] = value

    return corrupt


def more(column: int, state: int, value: int) -> Corruption:
    """Add to a number of the run queue of a scheduler in a state."""

    def corrupt(view: View) -> None:
        view.erts[np.flatnonzero(view.core_state == state)[0], column] += value

    return corrupt


def number(position: int, value: int) -> Corruption:
    """Set a number at the start of the arena."""

    def corrupt(view: View) -> None:
        view.z[position] = value

    return corrupt


def path(column: int, value: int, kind: int = E.EMIGRATE) -> Corruption:
    """Add to a number of the first path of a kind."""

    def corrupt(view: View) -> None:
        paths = paths_of(view)
        q, level = np.argwhere(paths[..., E.KIND] == kind)[0]
        paths[q, level, column] += value

    return corrupt


def lead_a_path_home(view: View) -> None:
    paths = paths_of(view)
    q, level = np.argwhere(paths[..., E.KIND] != E.NO_PATH)[0]
    paths[q, level, E.PARTNER] = q


def hold_back_the_suspended(view: View) -> None:
    paths_of(view)[np.flatnonzero(view.suspended)[0], 2, E.KIND] = E.NO_PATH


def keep_a_path(view: View) -> None:
    """One that the entry should have taken away."""
    paths_of(view)[0, 0] = (E.IMMIGRATE, view.online - 1, 1, 1, 0, E.MADE_BALANCE)


def activate_the_last(view: View) -> None:
    view.erts[view.online - 1, E.INACTIVE] = 0


def empty_what_is_not(view: View) -> None:
    """A scheduler that works and has somebody queued says that it has nothing."""
    behind = view.core[view.running, C.QUEUE_LENGTH] > 0
    view.erts[view.running[behind][0], E.NONEMPTY] = 0


def poll_at_work(view: View) -> None:
    view.z[S.POLLER] = view.running[0]


def wake_late(view: View) -> None:
    at = np.flatnonzero((view.core_state == C.WAKING) & (view.events[: view.num_cores] != TIME_NEVER_NS))[0]
    view.events[at] += 10**9


def wake_early(view: View) -> None:
    """A suspended scheduler sleeps instead of being OFFLINE."""
    view.core[np.flatnonzero(view.suspended)[0], C.STATE] = C.IDLE


ERTS_CORRUPTIONS: list[tuple[str, Callable[[View], bool], Corruption]] = [
    ("schedulers online", is_reduced, wake_early),
    ("schedulers online", is_reduced, number(S.USED, 10_000)),
    ("run queue lengths", is_quiet, more(E.LEN + 3, C.RUNNING, 1)),
    ("run queue lengths", is_quiet, queue(E.MAX_LEN + 1, C.RUNNING, -1)),
    ("run queue lengths", is_quiet, queue(E.MAX_TOTAL, C.RUNNING, 10**6)),
    ("empty run queues", is_quiet, number(S.NUM_EMPTY, 10_000)),
    ("NONEMPTY", is_quiet, queue(E.NONEMPTY, C.IDLE, 1)),
    ("NONEMPTY", is_unmasked, empty_what_is_not),
    ("flags", is_quiet, queue(E.OUT_OF_WORK, C.RUNNING, 2)),
    ("flags", is_quiet, number(S.HALFTIME, 2)),
    ("active", is_quiet, number(S.ACTIVE, 0)),
    ("active", is_quiet, number(S.LAST_ACTIVE, 10_000)),
    ("active", is_quiet, number(S.FORCED, 1)),
    ("INACTIVE", is_quiet, queue(E.INACTIVE, C.RUNNING, 1)),
    ("INACTIVE", is_compacted, activate_the_last),
    ("waits", is_quiet, queue(E.WAITING, C.RUNNING, 1)),
    ("waits", is_quiet, queue(E.WAITING, C.IDLE, 0)),
    ("waits", is_quiet, queue(E.WORKING, C.IDLE, 1)),
    ("poller", is_quiet, poll_at_work),
    ("poller", is_quiet, number(S.POLLER, 10_000)),
    ("spinning", is_quiet, more(E.SPIN_UNTIL_NS, C.IDLE, 7)),
    ("spinning", is_quiet, number(N.SPIN_NS, 2**60)),
    ("wake-up latency", is_waking, wake_late),
    ("history", is_quiet, more(E.HIST, C.RUNNING, 1)),
    ("history", is_quiet, number(S.HIST_SLOT, E.HIST_SLOTS)),
    ("counted reductions", is_quiet, queue(E.BALANCE_REDS, C.RUNNING, -5000)),
    ("counted reductions", is_quiet, queue(E.REDS, C.RUNNING, 9 * 10**6)),
    ("balance calls", is_quiet, number(N.BALANCE_CALLS, 10**6)),
    ("wake-up counts", is_quiet, queue(E.WAKEUP_REDS, C.RUNNING, 1)),
    ("wake-up counts", is_quiet, queue(E.WAKEUP_OTHER, C.RUNNING, -1)),
    ("utilisation", is_quiet, queue(E.WORK_LONG_NS, C.RUNNING, 10**11)),
    ("utilisation", is_quiet, queue(E.UTIL_MARK_NS, C.RUNNING, 2**60)),
    ("paths", is_balanced, lead_a_path_home),
    ("paths", is_balanced, path(E.LIMIT_HERE, -(10**9))),
    ("paths of the suspended", is_reduced, hold_back_the_suspended),
    ("paths of the suspended", is_reduced, keep_a_path),
    ("compacted paths", is_compacted, path(E.PARTNER, 1)),
    ("compacted paths", is_compacted, path(E.KIND, -E.EMIGRATE)),
    ("paired paths", is_balanced, path(E.KIND, -E.EMIGRATE)),
    ("paired paths", is_balanced, path(E.LIMIT_OTHER, 1)),
    ("paired paths", is_balanced, path(E.EVACUATE, 1, E.IMMIGRATE)),
    ("stray writes", is_quiet, queue(E.WIDTH - 1, C.RUNNING, 1)),
]
