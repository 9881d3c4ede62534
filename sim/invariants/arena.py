"""What must not be written: parameters, tables, and what belongs to no part of the arena."""

import numpy as np

from sim.invariants.registry import invariant
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P

ERTS_END = E.MEASURE + 1  # columns of a run queue


@invariant("stray writes")
def check_stray(view: View) -> str:
    """Parameters, tables, and what belongs to no part of the arena do not change."""
    z, facts = view.z, view.facts
    now = z[K.BASE : K.BASE + K.COUNT].copy()
    now[K.MAX_EVENTS - K.BASE] = facts.parameters[K.MAX_EVENTS - K.BASE]  # how a lane is stepped
    gaps = [*facts.gaps, (K.BASE + K.COUNT, K.BASE + K.WIDTH), (N.BASE + len(N.NAMES), N.BASE + N.WIDTH)]
    for first, end in gaps:
        if z[first:end].any():
            return f"something between {first} and {end}"
    behind = (
        view.core[:, C.LIMIT_POSITION + 1 :],
        view.hardware[:, H.ACTIVE_MW + 1 :],
        view.erts[:, ERTS_END:],
    )
    if any(rest.any() for rest in behind):
        return "something behind the columns of a core"
    if (now != facts.parameters).any() or any(int(z[name]) != base for name, base in facts.bases.items()):
        return "a parameter or the base of a part has changed"
    rest = view.array(S.PROCESSES, (view.used + 1) * P.WIDTH)[view.used * P.WIDTH :]
    return "something in a slot that was never used" if view.used < facts.arena.slots and rest.any() else ""


@invariant("tables")
def check_tables(view: View) -> str:
    """Nobody writes to the tables that lanes share."""
    tables, facts = view.facts.tables, view.facts
    same = np.array_equal(tables.whole, facts.whole) and np.array_equal(tables.real, facts.real)
    return "" if same else "they have changed"
