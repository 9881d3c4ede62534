"""Time and energy: of schedulers, of hardware cores, and of the lane."""

import numpy as np

from sim.invariants.registry import first_bad, invariant, unlike
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K


@invariant("clock")
def check_clock(view: View) -> str:
    """Time does not run back, and events are counted."""
    before = view.before
    backwards = view.now < before.now_ns or view.z[N.EVENTS] < before.events
    return f"{before.now_ns} -> {view.now}, {before.events} -> {view.z[N.EVENTS]}" if backwards else ""


@invariant("busy time")
def check_busy(view: View) -> str:
    """A scheduler is busy for part of the time that passes, never more."""
    busy, before = view.busy, view.before
    grown, passed = busy - before.busy, view.now - before.now_ns
    most = view.now - view.start.now_ns
    return first_bad((grown < 0) | (grown > passed) | (busy > most), "core", grown=grown, passed=passed)


@invariant("core time")
def check_core_time(view: View) -> str:
    """Busy and idle time of all schedulers are no more than the time that passed."""
    z, passed = view.z, view.num_cores * (view.now - view.before.now_ns)
    idle = int(z[N.IDLE_NS]) - view.before.idle_ns
    spent = int((view.busy - view.before.busy).sum()) + idle
    latency_ns = z[K.WAKE_NS] + (z[K.SPIN_WAKE_NS] if view.is_erts else 0)
    is_exact = latency_ns == 0 and z[K.MOVES] == 0
    if idle < 0 or spent > passed or (is_exact and spent != passed):
        return f"busy and idle {spent} (idle {idle}) of {passed}"
    return ""


@invariant("hardware busy")
def check_hardware_busy(view: View) -> str:
    """A hardware core is busy while a scheduler is, and never more than time passes."""
    booked, busy = int(view.core[:, C.BOOKED_NS].sum()), view.hardware_busy
    grown, passed = busy - view.before.hardware_busy, view.now - view.before.now_ns
    return unlike("booked busy time", int(view.hardware[:, H.BUSY_NS].sum()), booked) or first_bad(
        (grown < 0) | (grown > passed), "hardware core", grown=grown, passed=passed
    )


@invariant("energy")
def check_energy(view: View) -> str:
    """A core takes active power while busy, idle power while not, and off power while closed."""
    before, passed = view.before, view.now - view.before.now_ns
    grown, busy = view.energy - before.energy, view.hardware_busy - before.hardware_busy
    idle, off = view.idle_mw(), int(view.z[K.OFF_MW])
    on = busy * before.active_mw + (passed - busy) * idle
    expected = np.where(before.state == H.OFF, passed * off, on)
    closed = (before.state == H.DRAINING) & (view.hardware[:, H.STATE] == H.OFF)
    low = busy * before.active_mw + (passed - busy) * np.minimum(idle, off)
    high = busy * before.active_mw + (passed - busy) * np.maximum(idle, off)
    bad = np.where(closed, (grown < low) | (grown > high), grown != expected)
    bad |= (before.state == H.OFF) & (busy != 0)
    return first_bad(bad, "hardware core", grown=grown, expected=expected, state=before.state)


@invariant("overhead")
def check_overhead(view: View) -> str:
    """What migrations and remote memory cost is part of the busy time."""
    z = view.z
    cost = int(z[N.DIRECT_NS] + z[N.REFILL_NS] + z[N.REMOTE_NS])
    booked = int(view.core[:, C.BUSY_NS].sum()) + view.start.carried_ns
    return "" if 0 <= cost <= booked else f"{cost} of {booked}"


@invariant("load integral")
def check_load(view: View) -> str:
    """The integral of a core's load over the window lies between none and all processes."""
    load = view.core[:, C.QUEUE_LENGTH] + (view.core_state == C.RUNNING)
    integral = view.core[:, C.AREA] + load * view.now
    began = int(view.z[S.NEXT_WINDOW_NS] - view.z[K.WINDOW_NS]) if view.z[S.WINDOWS] else 0
    most = view.used * (view.now - began)
    return first_bad((integral < 0) | (integral > most), "core", integral=integral, most=most)
