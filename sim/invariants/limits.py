"""Limits on migrations: none is exceeded in any window (DESIGN §6), by the log, not by the kernel's rings."""

from collections.abc import Callable

import numpy as np

from sim.invariants import moves
from sim.invariants.moves import MECHANISM, SERIAL, SOURCE, TARGET, TIME_NS, chosen
from sim.invariants.registry import Check, invariant
from sim.invariants.view import View
from sim.layout import counter as N
from sim.layout import parameter as K
from sim.layout import process as P


def limit_invariant(name: str) -> Callable[[Check], Check]:
    """Register an invariant of lanes with limits, looked at when something has moved."""

    def register(check: Check) -> Check:
        def checked(view: View) -> str:
            is_due = view.z[K.IS_LIMITED] and view.moved is not None and view.moved.size
            return check(view) if is_due else ""

        checked.__doc__ = check.__doc__
        invariant(name)(checked)
        return check

    return register


def too_near(owners: np.ndarray, times: np.ndarray, count: int, window_ns: int) -> str:
    """The first migration of an owner with `count` others less than a window before it."""
    order = np.argsort(owners, kind="stable")
    owners, times = owners[order], times[order]
    if count == 0:
        bad = np.ones(owners.size, bool)
    else:
        same = owners[count:] == owners[:-count]
        bad = np.zeros(owners.size, bool)
        bad[count:] = same & (times[count:] - times[:-count] < window_ns)
    at = np.flatnonzero(bad)
    if not at.size:
        return ""
    return f"{owners[at[0]]} at {times[at[0]]} ns: more than {count} in {window_ns} ns"


def all_moves(view: View) -> np.ndarray:
    """Migrations of choice in the last windows, the new ones last."""
    assert view.moved is not None
    return chosen(np.concatenate([view.before.moves.rows, view.moved]))


@limit_invariant("system limit")
def check_system(view: View) -> str:
    """The machine has no more migrations of choice in any window than its limit allows."""
    count = int(view.z[K.SYSTEM_COUNT])
    if count == K.UNLIMITED:
        return ""
    times = all_moves(view)[:, TIME_NS]
    return too_near(np.zeros(times.size, np.int64), times, count, int(view.z[K.SYSTEM_WINDOW_NS]))


@limit_invariant("core limit")
def check_core(view: View) -> str:
    """No scheduler takes part in more migrations of choice in any window than the limit of a core allows."""
    count, rows = int(view.z[K.CORE_COUNT]), all_moves(view)
    if count == K.UNLIMITED:
        return ""
    ends = np.stack([rows[:, SOURCE], rows[:, TARGET]], axis=1).ravel()
    return too_near(ends, np.repeat(rows[:, TIME_NS], 2), count, int(view.z[K.CORE_WINDOW_NS]))


@limit_invariant("process limit")
def check_process(view: View) -> str:
    """No process migrates by choice more often in any window, or sooner after its last move, than allowed."""
    z, rows = view.z, np.concatenate([view.before.moves.rows, view.moved])
    rows = rows[rows[:, SERIAL] != moves.DEAD]
    count, window_ns = int(z[K.PROCESS_COUNT]), int(z[K.PROCESS_WINDOW_NS])
    if count != K.UNLIMITED and window_ns != K.UNLIMITED:
        own = chosen(rows)
        found = too_near(own[:, SERIAL], own[:, TIME_NS], count, window_ns)
        if found:
            return f"process of serial {found}"
    order = np.argsort(rows[:, SERIAL], kind="stable")
    earlier, later = rows[order[:-1]], rows[order[1:]]
    soon = (earlier[:, SERIAL] == later[:, SERIAL]) & (later[:, MECHANISM] < N.AFFINITY)
    soon &= later[:, TIME_NS] - earlier[:, TIME_NS] < z[K.PROCESS_INTERVAL_NS]
    return f"serial {later[soon][0, SERIAL]} moved again too soon" if soon.any() else ""


@limit_invariant("lifetime limit")
def check_lifetime(view: View) -> str:
    """No process migrates by choice when it has made as many migrations as it may in its life."""
    z, rows = view.z, view.moved[::-1]  # type: ignore[index]
    general = int(z[K.PROCESS_COUNT]) if z[K.PROCESS_WINDOW_NS] == K.UNLIMITED else K.UNLIMITED
    slot_of = {int(view.process[slot, P.SERIAL]): int(slot) for slot in view.live}
    since: dict[int, int] = {}
    for serial, mechanism in rows[:, [SERIAL, MECHANISM]].tolist():
        if serial not in slot_of:
            continue
        row = view.process[slot_of[serial]]
        since[serial] = since.get(serial, 0) + 1
        had = int(row[P.MIGRATIONS]) - since[serial]
        own = K.UNLIMITED if view.is_affinity_new(slot_of[serial]) else int(row[P.MAX_MIGRATIONS])
        if mechanism < N.AFFINITY and any(most >= 0 and had >= most for most in (general, own)):
            return f"process {slot_of[serial]} moved by choice after {had} migrations"
    return ""


@limit_invariant("burst limit")
def check_burst(view: View) -> str:
    """Migrations of choice take no token that the bucket did not hold at the start or was given since."""
    return moves.pour(view.before.moves, chosen(view.moved)[:, TIME_NS], view.z)[1]  # type: ignore[arg-type]


@limit_invariant("storm")
def check_storm(view: View) -> str:
    """After a storm nothing migrates by choice until the cool-down is over."""
    return moves.brew(view.before.moves, chosen(view.moved)[:, TIME_NS], view.z)[1]  # type: ignore[arg-type]


@limit_invariant("returns")
def check_returns(view: View) -> str:
    """Where it is forbidden, no process goes back by choice to the core that it left within the window."""
    if not view.z[K.FORBID_RETURN]:
        return ""
    rows = np.concatenate([view.before.moves.rows, view.moved])
    rows = rows[rows[:, SERIAL] != moves.DEAD]
    order = np.argsort(rows[:, SERIAL], kind="stable")
    earlier, later = rows[order[:-1]], rows[order[1:]]
    back = (earlier[:, SERIAL] == later[:, SERIAL]) & (later[:, TARGET] == earlier[:, SOURCE])
    back &= (later[:, MECHANISM] < N.AFFINITY) & (
        later[:, TIME_NS] - earlier[:, TIME_NS] < view.z[K.RETURN_NS]
    )
    return f"serial {later[back][0, SERIAL]} went back to {later[back][0, TARGET]}" if back.any() else ""
