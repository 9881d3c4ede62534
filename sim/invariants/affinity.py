"""Strict masks, and who is stranded by them."""

import numpy as np

from sim.invariants.registry import first_bad, invariant, unlike
from sim.invariants.view import View
from sim.kernels import log as codes
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T


def changed_ns(view: View, kind: int) -> int:
    """When the timeline last changed the affinity of a class; -1 if it never did."""
    facts = view.facts
    rows = facts.rows[: facts.first[int(view.z[S.ENTRY])]]
    meant = (rows[:, T.SUBJECT] < 0) | (rows[:, T.SUBJECT] == kind)
    times = rows[meant & (rows[:, T.WHAT] == T.CHANGE_AFFINITY), T.WHEN_NS]
    return int(times.max()) if times.size else -1


@invariant("strict masks")
def check_strict(view: View) -> str:
    """A strict process runs outside its mask only if that changed during the slice."""
    slots = view.core[view.running, C.PROCESS]
    outside = view.excluded(slots, view.running)
    for core in view.running[outside].tolist():
        slot, since = int(view.core[core, C.PROCESS]), int(view.core[core, C.SLICE_NS])
        row = view.process[slot]
        own = not view.facts.is_replay and view.facts.astray[row[P.PC]]
        if not own and changed_ns(view, int(row[P.CLASS])) < since:
            return f"process {slot} on core {core}, since {since}, mask {row[P.MASK]}"
    return ""


@invariant("stranded")
def check_stranded(view: View) -> str:
    """Stranded are the READY on OFFLINE or excluded cores: flagged, and counted."""
    flag = view.process[:, P.IS_STRANDED]
    expected = np.zeros(view.used, np.int64)
    if view.z[K.CAN_STRAND]:
        cores = view.process[view.queued, P.QUEUE_CORE]
        expected[view.queued] = (view.core_state[cores] == C.OFFLINE) | view.excluded(view.queued, cores)
    wrong = (flag != expected) & (view.state != P.FREE)
    return first_bad(wrong, "process", state=view.state, flag=flag) or unlike(
        "NUM_STRANDED", int(view.z[S.NUM_STRANDED]), int(expected.sum())
    )


@invariant("refuges")
def check_refuges(view: View) -> str:
    """No process is stranded while there is a refuge, and the trigger that moves it is on."""
    z = view.z
    slots = view.queued[view.process[view.queued, P.IS_STRANDED] == 1]
    rows = view.process[slots]
    cores = rows[:, P.QUEUE_CORE]
    able = np.tile(view.members(S.ONLINE_SET)[0], (slots.size, 1))
    able[np.arange(slots.size), cores] = False
    strict = rows[:, P.AFFINITY] == P.STRICT
    able &= ~strict[:, None] | view.facts.masks[rows[:, P.MASK]][:, view.on]
    failed = view.core[cores, C.CAUSE] == C.FAILURE
    # a draining core that fails takes those with it that were left on an OFFLINE scheduler of it before
    moves = np.where(failed, z[K.ON_FAILURE] & z[K.ON_POWER], z[K.ON_POWER])
    moves = np.where(view.core_state[cores] == C.OFFLINE, moves, z[K.ON_AFFINITY]) == 1
    return first_bad(able.any(axis=1) & moves, "stranded process", slot=slots, core=cores, strict=strict)


@invariant("mask counts")
def check_masks(view: View) -> str:
    """MASK_WAITING counts queued strict processes by mask, the first entry all others."""
    count = view.facts.masks.shape[0]
    found = view.array(S.MASK_WAITING, count)
    rows = view.process[view.queued if view.z[K.HAS_MASKS] else view.queued[:0]]
    at = np.where(rows[:, P.AFFINITY] == P.STRICT, rows[:, P.MASK], 0)
    expected = np.bincount(at, minlength=count)
    return first_bad(found != expected, "mask", found=found, expected=expected)


@invariant("strict dispatches")
def check_dispatched(view: View) -> str:
    """No strict process was put on a core outside its mask since the last look, unless the mask changed."""
    rows = view.noted(codes.DISPATCH)
    changed = view.noted(codes.AFFINITY)[:, 3]
    moved = view.noted(codes.REBIND)[:, 2]
    ended = view.noted(codes.EXIT)[:, 3]
    kept = ~np.isin(rows[:, 3], np.concatenate([changed, ended])) & ~np.isin(rows[:, 2], moved)
    slots, cores = rows[kept, 3], rows[kept, 2]
    outside = view.excluded(slots, cores) & (view.state[slots] != P.FREE)
    return first_bad(outside, "dispatch", slot=slots, core=cores)
