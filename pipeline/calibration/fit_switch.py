"""What putting another process on a core costs: the gap from the `out` of one to the `in` of the next.

Only gaps in which the scheduler did not run out of work. Many are longer than the cost, since a scheduler
also balances, steals and polls between processes; most lie close above it, so the fit is the middle of the
shortest half of them.
"""

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace.read import EventKind
from pipeline.calibration.measured import Measured, missing
from pipeline.calibration.recording import Recording, scheduler_rows
from pipeline.calibration.statistics import bootstrap, interval, shorth

GAPS_MIN = 50
CHECKS_MIN = 20
GAPS_DRAWN = 20_000
"""More gaps than this add nothing to a resample but time."""


def switch_gaps(recording: Recording) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Gaps between processes on one scheduler, ns, and when each began."""
    trace = recording.trace
    gaps, begins = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for number in range(1, trace.schedulers + 1):
        rows = scheduler_rows(recording, number)
        kind, is_process = trace.kind[rows], trace.pid[rows] >= 0
        leaves = (kind == EventKind.OUT) | (kind == EventKind.EXITED)
        pairs = leaves[:-1] & (kind[1:] == EventKind.IN) & is_process[:-1] & is_process[1:]
        times = trace.t_ns[rows]
        gaps.append((times[1:] - times[:-1])[pairs])
        begins.append(times[:-1][pairs])
    return np.concatenate(gaps), np.concatenate(begins)


def fit_switch(recording: Recording) -> Measured:
    """The time between two processes on a scheduler that has work."""
    gaps, begins = switch_gaps(recording)
    fitted, check = gaps[begins < recording.split_ns], gaps[begins >= recording.split_ns]
    if fitted.size < GAPS_MIN:
        why = f"{fitted.size} switches from process to process to fit, {GAPS_MIN} are needed"
        return missing("dispatch_ns", "ns", why)
    value = shorth(fitted)
    drawn = fitted[:: -(-fitted.size // GAPS_DRAWN)]
    low, high = interval(bootstrap(drawn.size, lambda rows: shorth(drawn[rows])))
    held_out = "too little held out to check"
    if check.size >= CHECKS_MIN:
        held_out = f"held out: {shorth(check) / value - 1:+.1%}"
    note = "with the recorder's own share, so an upper bound"
    return Measured("dispatch_ns", value, "ns", low, high, "95 % interval", int(fitted.size), note, held_out)
