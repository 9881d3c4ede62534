"""Integrals over time: between two events each grows by what stood between them."""

from sim.invariants.registry import first_bad, invariant, unlike
from sim.invariants.view import View
from sim.layout import counter as N
from sim.layout import lane as S


@invariant("time integrals")
def check_integrals(view: View) -> str:
    """In one event idle, wasted and stranded time grow by the time since the last one, times who was so."""
    if not view.is_single:
        return ""
    z, before = view.z, view.before
    elapsed = view.now - before.now_ns
    return (
        unlike("idle_ns", int(z[N.IDLE_NS]), before.idle_ns + elapsed * before.idle)
        or unlike("wasted_ns", int(z[N.WASTED_NS]), before.wasted_ns + elapsed * before.wasted)
        or unlike("stranded_ns", int(z[N.STRANDED_NS]), before.stranded_ns + elapsed * before.stranded)
    )


@invariant("load growth")
def check_growth(view: View) -> str:
    """In one event the load integral of each scheduler grows by its load then, times the time since."""
    before = view.before
    if not view.is_single or int(view.z[S.WINDOWS]) != before.windows:
        return ""
    expected = before.integral + (view.now - before.now_ns) * before.load
    return first_bad(view.integral != expected, "core", found=view.integral, expected=expected)
