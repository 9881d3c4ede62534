"""Work conservation: under which policies no core may idle beside a process that it may run."""

import numpy as np

from sim.invariants.registry import invariant
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import parameter as K
from sim.layout import policy as R
from sim.layout import process as P


def is_work_conserving(view: View) -> bool:
    """Does the lane's policy leave no process waiting while a scheduler is idle?

    Each process that is queued behind another wakes one idle scheduler (wake_idle), which looks at every
    other one (nearest or longest with attempts for all of them; erts always does) and takes what it meets
    first: rule always, no limits, memory that refuses nobody, no masks. With faults, shared hardware cores
    or the BEAM's own run queues other rules hold.
    """
    z, others = view.z, view.num_cores - 1
    sees_all = z[K.VICTIM] == R.VICTIM_ERTS or (
        z[K.VICTIM] in (R.NEAREST, R.LONGEST) and z[K.ATTEMPTS] >= others and z[K.MIN_QUEUE] <= 1
    )
    refuses = z[K.IS_LIMITED] or z[K.HAS_MEMORY] or z[K.RULE] != R.ALWAYS
    special = z[K.HAS_MASKS] or z[K.MOVES] or z[K.ERTS]
    return bool(sees_all and z[K.WAKE_IDLE] and not refuses and not special)


@invariant("work conservation")
def check_idlers(view: View) -> str:
    """While a scheduler is idle no more processes wait than others wake, if the policy conserves work."""
    if not is_work_conserving(view) or (view.process[view.live, P.MAX_MIGRATIONS] != P.NONE).any():
        return ""
    idle = np.flatnonzero(view.core_state == C.IDLE)
    waking = int((view.core_state == C.WAKING).sum())
    if idle.size and view.queued.size > waking:
        return f"{view.queued.size} processes wait, {waking} schedulers wake, {idle.tolist()[:5]} are idle"
    return ""
