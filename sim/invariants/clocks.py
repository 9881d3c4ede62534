"""Clocks: no time that is kept of anything runs back, nor does the log."""

import numpy as np

from sim.invariants.registry import first_bad, invariant
from sim.invariants.view import OWN_NS, View
from sim.layout import core as C
from sim.layout import hardware as H


@invariant("own clocks")
def check_clocks(view: View) -> str:
    """Times kept of processes, schedulers and hardware cores are not ahead of now, nor do they run back."""
    before, same = view.before, view.same
    for name, column in OWN_NS.items():
        found = view.process[same, column]
        bad = (found < before.own[name][same]) | (found > view.now)
        if bad.any():
            return f"{name}: " + first_bad(
                bad, "process", slot=same, now=found, before=before.own[name][same]
            )
    slices, marks = view.core[:, C.SLICE_NS], view.hardware[:, H.MARK_NS]
    return first_bad(
        (slices < before.slices) | (slices > view.now), "core", slice=slices, before=before.slices
    ) or first_bad((marks < before.marks) | (marks > view.now), "hardware core", mark=marks)


@invariant("event log")
def check_log(view: View) -> str:
    """Entries of the event log are in the order of time, after the last look and not after now."""
    if view.entries is None:
        return ""
    times = np.concatenate([[view.before.now_ns], view.entries[:, 0], [view.now]])
    return first_bad(np.diff(times) < 0, "entry", time=times[1:], last=times[:-1])
