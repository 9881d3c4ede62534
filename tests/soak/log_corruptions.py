"""What is broken on purpose where invariants look at the event log or at some policies; in which lanes."""

from collections.abc import Callable

import numpy as np

from sim.invariants.facts import LOG_WIDTH
from sim.invariants.view import View
from sim.invariants.work import is_work_conserving
from sim.kernels import log as codes
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P

Corruption = Callable[[View], None]
LIMITS = (
    K.CORE_COUNT, K.SYSTEM_COUNT, K.TOKENS, K.STORM_COUNT, K.PROCESS_COUNT, K.PROCESS_INTERVAL_NS,
    K.FORBID_RETURN,
)  # fmt: skip


def is_limited(view: View) -> bool:
    """Every limit is set, and a process has moved by now."""
    return all(view.z[at] > 0 for at in LIMITS) and bool((view.process[view.live, P.MIGRATIONS] > 0).any())


def is_masked(view: View) -> bool:
    """A queued process may not run everywhere."""
    return bool((view.process[view.queued, P.AFFINITY] == P.STRICT).any()) and view.num_cores > 2


def is_idle_beside_others(view: View) -> bool:
    """The policy conserves work, one scheduler works and one is idle."""
    states = set(view.core_state.tolist())
    return is_work_conserving(view) and {C.IDLE, C.RUNNING} <= states and not view.queued.size


def note(view: View, *entry: int) -> None:
    """Append an entry to the event log: code, core, process, a, b and, if it is not now, the time."""
    code, core, process, a, b, *when = entry
    count = int(view.z[S.LOG_COUNT])
    row = view.array(S.LOG, LOG_WIDTH * (count + 1))[LOG_WIDTH * count :]
    row[:] = (when[0] if when else view.now, code, core, process, a, b)
    view.z[S.LOG_COUNT] = count + 1


def migrate(count: int, is_one: bool = True, ends: tuple[int, int] = (0, 1)) -> Corruption:
    """So many migrations of choice at once, of one process or of several, to and fro between two cores."""

    def corrupt(view: View) -> None:
        for i in range(count):
            slot = int(view.live[0 if is_one else i % view.live.size])
            note(view, codes.MIGRATE, ends[i % 2], slot, ends[(i + 1) % 2], N.WAKE)

    return corrupt


def wear_out(view: View) -> None:
    """A process that may not migrate in its life has done so."""
    slot = int(view.live[0])
    view.process[slot, P.MAX_MIGRATIONS], view.process[slot, P.MIGRATIONS] = 0, 1
    note(view, codes.MIGRATE, 0, slot, 1, N.STEAL)


def dispatch_outside(view: View) -> None:
    """A strict process was dispatched where it may not run."""
    strict = view.queued[view.process[view.queued, P.AFFINITY] == P.STRICT]
    for slot in strict.tolist():
        slots = np.full(view.num_cores, slot)
        outside = np.flatnonzero(view.excluded(slots, np.arange(view.num_cores)))
        if outside.size:
            note(view, codes.DISPATCH, int(outside[0]), slot, -1, 0)
            return
    raise AssertionError("no such process")


def log_the_past(view: View) -> None:
    note(view, codes.IDLE, 0, -1, 0, 0, view.before.now_ns - 1)


def log_the_future(view: View) -> None:
    note(view, codes.IDLE, 0, -1, 0, 0, view.now + 1)


def wait_beside_idlers(view: View) -> None:
    """A process waits, and nobody is woken."""
    view.process[np.flatnonzero(view.state != P.FREE)[0], P.STATE] = P.READY


LOG_CORRUPTIONS: list[tuple[str, Callable[[View], bool], Corruption]] = [
    ("system limit", is_limited, migrate(2000, is_one=False)),
    ("core limit", is_limited, migrate(3000, is_one=False)),
    ("process limit", is_limited, migrate(2)),
    ("lifetime limit", is_limited, wear_out),
    ("burst limit", is_limited, migrate(2000, is_one=False)),
    ("storm", is_limited, migrate(100, is_one=False)),
    ("returns", is_limited, migrate(2)),
    ("strict dispatches", is_masked, dispatch_outside),
    ("event log", is_masked, log_the_past),
    ("event log", is_masked, log_the_future),
    ("work conservation", is_idle_beside_others, wait_beside_idlers),
]
