"""Estimate the time a reduction takes from the trace itself, for recordings without counted reductions.

A process that is preempted has used its whole quantum of 4000 reductions. So the mean length of the slices
that ended so, by the rules of `gaps`, divided by that. Slices that stopped in native code are left out:
they trap early. Held against the counted reductions of the shared recordings, estimate over count:
pcompile 0.88 to 1.02, httpd 0.99 to 1.31, mixed 0.56 to 0.94. Programs that hardly compute (big, tls,
hackbench: less than a third of their time is in such slices) cannot be estimated, as their time goes to
messages and to the tracing of them; they get the middle of what was counted in all 18 recordings, which
range from 14 to 285 ns.
"""

import numpy as np

from pipeline.beam_trace.gaps import (
    QUANTUM_REDUCTIONS,
    WITHOUT_RECEIVE,
    index_rows,
    is_normal,
    waiting_before,
)
from pipeline.beam_trace.read import BeamTrace
from pipeline.beam_trace.slices import Slices

ASSUMED_NS = 30.0
PREEMPTED_COUNT_MIN = 100
PREEMPTED_SHARE_MIN = 0.3


def estimate_pace(trace: BeamTrace, slices: Slices) -> tuple[float, str]:
    """Nanoseconds a reduction, and where they are from, as a note.

    Parameters
    ----------
    slices : of all processes and ports of `trace`
    """
    own = slices.take(slices.pid >= 0)
    waits = waiting_before(trace, own, index_rows(trace), ASSUMED_NS)
    normal = is_normal(own, trace.schedulers)
    follows = np.append(False, own.pid[1:] == own.pid[:-1])
    preempted = np.flatnonzero(follows & ~waits & normal & np.append(False, normal[:-1])) - 1
    length_ns = own.stop_ns - own.start_ns
    busy_ns = int(length_ns[normal].sum())
    share = int(length_ns[preempted].sum()) / max(busy_ns, 1)
    native = [i for i, name in enumerate(trace.mfa_names) if name.split(":", 1)[0] in WITHOUT_RECEIVE]
    full = preempted[~np.isin(own.mfa[preempted], [-1, *native])]
    if full.size < PREEMPTED_COUNT_MIN or share < PREEMPTED_SHARE_MIN:
        return ASSUMED_NS, f"assumed: only {full.size} slices look preempted, {share:.0%} of the time"
    pace_ns = float(length_ns[full].mean()) / QUANTUM_REDUCTIONS
    text = f"estimated from {full.size} slices that look preempted, taken for {QUANTUM_REDUCTIONS} reductions"
    return max(pace_ns, 1e-3), text
