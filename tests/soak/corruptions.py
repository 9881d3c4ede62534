"""What is broken on purpose in the memory of a lane, so that the checker is seen to report it."""

from collections.abc import Callable

import numpy as np

from sim.invariants.facts import ARRIVAL_CODE
from sim.invariants.view import View
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import status as bits
from sim.layout.sentinel import TIME_NEVER_NS

Corruption = Callable[[View], None]


def process(column: int, state: int, value: int) -> Corruption:
    """Change a column of a process in a state by adding to it."""

    def corrupt(view: View) -> None:
        view.process[np.flatnonzero(view.state == state)[0], column] += value

    return corrupt


def core(column: int, state: int, value: int) -> Corruption:
    """Change a column of a scheduler in a state by adding to it."""

    def corrupt(view: View) -> None:
        view.core[np.flatnonzero(view.core_state == state)[0], column] += value

    return corrupt


def hardware(column: int, value: int) -> Corruption:
    """Change a column of the hardware core of a running scheduler by adding to it."""

    def corrupt(view: View) -> None:
        view.hardware[view.on[view.running[0]], column] += value

    return corrupt


def scalar(position: int, value: int) -> Corruption:
    """Change a number at the start of the arena by adding to it."""

    def corrupt(view: View) -> None:
        view.z[position] += value

    return corrupt


def first_of(part: int, value: int) -> Corruption:
    """Change the first number of a part of the arena."""

    def corrupt(view: View) -> None:
        view.z[view.z[part]] += value

    return corrupt


def flip(part: int) -> Corruption:
    """Put the first scheduler into a set, or take it out."""

    def corrupt(view: View) -> None:
        view.z[view.z[part]] ^= 1

    return corrupt


def skip_first_of_queue(view: View) -> None:
    slot = view.queued[view.process[view.queued, P.PREV] >= 0][0]
    row = view.process[slot]
    view.core[row[P.QUEUE_CORE], C.FIRST + row[P.LEVEL]] = slot


def close_queue_to_a_ring(view: View) -> None:
    """The links agree both ways and nothing but the ends of the list is lost."""
    slot = view.queued[view.process[view.queued, P.PREV] >= 0][0]
    first = view.process[slot, P.PREV]
    view.process[slot, P.NEXT], view.process[first, P.PREV] = first, slot
    view.process[slot, P.PREV], view.process[first, P.NEXT] = first, slot


def run_a_blocked_process(view: View) -> None:
    view.core[view.running[0], C.PROCESS] = np.flatnonzero(view.state == P.BLOCKED)[0]


def copy_a_serial(view: View) -> None:
    view.process[view.live[0], P.SERIAL] = view.process[view.live[1], P.SERIAL]


def swap_ends_of_heap(view: View) -> None:
    heap = view.array(S.HEAP, 2 * int(view.z[S.HEAP_SIZE])).reshape(-1, 2)
    heap[[0, -1]] = heap[[-1, 0]]


def mix_up_a_timer(view: View) -> None:
    """A timer that will wake another process than the one that sleeps."""
    codes = view.array(S.HEAP, 2 * int(view.z[S.HEAP_SIZE]))[1::2]
    codes[np.flatnonzero(codes < ARRIVAL_CODE)[0]] = view.queued[0]


def forget_waiters(view: View) -> None:
    h = view.on[view.core_state == C.STALLED][0]
    view.hardware[h, H.FIRST_WAITER] = C.NONE


def share_a_core(view: View) -> None:
    """Two schedulers run on one hardware core."""
    c = np.flatnonzero(view.core_state == C.STALLED)[0]
    view.core[c, C.STATE] = C.RUNNING


def open_a_closed_core(view: View) -> None:
    closed = (view.core_state == C.OFFLINE) & ~view.suspended
    view.hardware[view.on[closed][0], H.STATE] = H.OPEN


def lose_an_event(view: View) -> None:
    view.events[view.running[0]] = TIME_NEVER_NS


def cheat_in_the_tree(view: View) -> None:
    """The winner of all matches is another scheduler than the next one."""
    view.z[view.z[S.TREE] + 1] = int(np.argmax(view.events))


def give_a_stalled_core_an_event(view: View) -> None:
    view.events[np.flatnonzero(view.core_state == C.STALLED)[0]] = view.now


def fall_asleep(view: View) -> None:
    cores = view.process[view.queued, P.QUEUE_CORE]
    busy = view.core_state[cores] != C.OFFLINE
    view.core[cores[busy & ~view.excluded(view.queued, cores)][0], C.STATE] = C.IDLE


def run_too_far(view: View) -> None:
    row = view.core[view.running[0]]
    row[C.SEGMENT_REDS] = view.process[row[C.PROCESS], P.REMAINING] + 1


def leave_the_mask(view: View) -> None:
    """A process is strict, and runs where it may not, from now on."""
    for c in view.running.tolist():
        row = view.process[view.core[c, C.PROCESS]]
        masks = np.flatnonzero(~view.facts.masks[:, view.on[c]])
        if masks.size and not view.facts.astray[row[P.PC]]:
            row[P.AFFINITY], row[P.MASK] = P.STRICT, masks[0]
            view.core[c, C.SLICE_NS] = view.now + 1
            return
    raise AssertionError("no such process")


def strand_beside_others(view: View) -> None:
    """A process that may run where it is queued, and elsewhere, counts as stranded."""
    free = view.process[view.queued, P.AFFINITY] != P.STRICT
    busy = view.core_state[view.process[view.queued, P.QUEUE_CORE]] == C.RUNNING
    view.process[view.queued[free & busy][0], P.IS_STRANDED] = 1


def refuse_in_silence(view: View) -> None:
    view.z[N.REFUSED] = 1
    view.z[S.STATUS] &= ~bits.PROCESS_LIMIT


def turn_back_the_clock(view: View) -> None:
    view.z[S.NOW_NS] = view.now = view.before.now_ns - 1


def write_beside(view: View) -> None:
    view.z[view.facts.gaps[0][0]] = 1


def write_to_a_table(view: View) -> None:
    view.facts.tables.whole[-1] += 1


CORRUPTIONS: list[tuple[str, Corruption]] = [
    ("ranges", process(P.QUEUE_CORE, P.BLOCKED, 10_000)),
    ("ranges", process(P.REMAINING, P.WAITING, -1)),
    ("live count", scalar(S.LIVE, 1)),
    ("free slots", scalar(S.FREE_FIRST, 1)),
    ("free slots", process(P.STATE, P.WAITING, -P.WAITING)),
    ("serials", copy_a_serial),
    ("serials", scalar(S.SERIAL, -1)),
    ("queue links", skip_first_of_queue),
    ("queue links", close_queue_to_a_ring),
    ("queue links", process(P.STATE, P.CALLING, P.READY - P.CALLING)),
    ("queue lengths", core(C.QUEUE_LENGTH, C.RUNNING, 1)),
    ("queue lengths", scalar(S.NUM_WAITING, -1)),
    ("backlog", flip(S.BACKLOG)),
    ("running", run_a_blocked_process),
    ("running", process(P.STATE, P.BLOCKED, P.RUNNING - P.BLOCKED)),
    ("timers", mix_up_a_timer),
    ("timers", process(P.STATE, P.WAITING, P.BLOCKED - P.WAITING)),
    ("heap order", swap_ends_of_heap),
    ("waiting", process(P.IS_CALLING, P.CALLING, 1)),
    ("waiting", process(P.NEED, P.WAITING, -1000)),
    ("mailboxes", process(P.MAIL_COUNT, P.WAITING, 1)),
    ("message pool", scalar(S.MAIL_USED, 1)),
    ("message pool", scalar(S.MAIL_FREE, 10**6)),
    ("due events", scalar(S.NEXT_WINDOW_NS, -(10**9))),
    ("due events", scalar(S.NEXT_ENTRY_NS, -1)),
    ("idle set", flip(S.IDLE_SET)),
    ("idle set", scalar(S.NUM_IDLE, 1)),
    ("online set", flip(S.ONLINE_SET)),
    ("ready list", scalar(S.READY_COUNT, 1)),
    ("schedulers online", scalar(S.USED, -1)),
    ("schedulers online", core(C.SUSPENDED, C.RUNNING, 1)),
    ("facts", core(C.FREQUENCY_MHZ, C.RUNNING, 1)),
    ("frequency", hardware(H.BASE_Q20, 1)),
    ("frequency", hardware(H.ACTIVE_MW, 1)),
    ("core sets", flip(S.NODE_SETS)),
    ("core sets", flip(S.ALL_CORES)),
    ("occupants", hardware(H.OCCUPANTS, 1)),
    ("holders", hardware(H.HOLDER, 1)),
    ("holders", share_a_core),
    ("waiters", forget_waiters),
    ("closed cores", open_a_closed_core),
    ("re-binding", core(C.NEXT_HARDWARE, C.IDLE, 1)),
    ("core events", lose_an_event),
    ("core events", give_a_stalled_core_an_event),
    ("event tree", cheat_in_the_tree),
    ("idle beside work", fall_asleep),
    ("slices", run_too_far),
    ("slices", core(C.BUDGET, C.RUNNING, 10**9)),
    ("strict masks", leave_the_mask),
    ("stranded", scalar(S.NUM_STRANDED, 1)),
    ("stranded", process(P.IS_STRANDED, P.BLOCKED, 1)),
    ("refuges", strand_beside_others),
    ("mask counts", first_of(S.MASK_WAITING, 1)),
    ("created and completed", scalar(N.COMPLETED, 1)),
    ("node memory", first_of(S.NODE_USED, 8)),
    ("homes", process(P.HOME, P.RUNNING, -1000)),
    ("reductions", scalar(N.REDUCTIONS, 1)),
    ("reductions", process(P.REMAINING, P.RUNNING, 1)),
    ("dispatches", scalar(N.PREEMPTIONS, 1)),
    ("migrations", scalar(N.BY_MECHANISM + N.POWER, 1)),
    ("migrations", scalar(N.DENIED, 1)),
    ("settlement", scalar(N.SETTLED, 1)),
    ("messages", scalar(N.LOST_MESSAGES, 1)),
    ("histograms", first_of(S.HISTOGRAMS, 1)),
    ("limits noted", refuse_in_silence),
    ("limits noted", scalar(S.STATUS, bits.BROKEN)),
    ("counters", scalar(N.GC_NS, -(2**60))),
    ("control", scalar(S.TOKENS, -(2**60))),
    ("load integral", core(C.AREA, C.RUNNING, -(2**50))),
    ("cache history", process(P.VISITED_COUNT, P.RUNNING, 5)),
    ("clock", turn_back_the_clock),
    ("busy time", core(C.BUSY_NS, C.RUNNING, -1)),
    ("core time", scalar(N.IDLE_NS, 1)),
    ("hardware busy", hardware(H.BUSY_NS, 1)),
    ("energy", hardware(H.ENERGY_PJ, 1)),
    ("overhead", scalar(N.DIRECT_NS, 2**60)),
    ("stray writes", write_beside),
    ("stray writes", scalar(K.QUANTUM_REDS, 1)),
    ("stray writes", scalar(S.MASK_WAITING, 1)),
    ("tables", write_to_a_table),
    ("one place", mix_up_a_timer),
    ("one place", run_a_blocked_process),
    ("program position", process(P.DRAWS, P.BLOCKED, -(10**6))),
    ("program position", process(P.PC, P.BLOCKED, -1)),
    ("segments", scalar(N.REDUCTIONS, 1)),
    ("segments", core(C.SEGMENT_REDS, C.RUNNING, -1)),
    ("mail", process(P.MAIL_COUNT, P.WAITING, 1)),
    ("mail", process(P.MAIL_COUNT, P.WAITING, -1)),
    ("mail", scalar(N.MESSAGES_BY_DISTANCE, 1)),
    ("time integrals", scalar(N.IDLE_NS, 1)),
    ("time integrals", scalar(N.WASTED_NS, 1)),
    ("time integrals", scalar(N.STRANDED_NS, -1)),
    ("load growth", core(C.AREA, C.RUNNING, 1)),
    ("own clocks", process(P.READY_NS, P.RUNNING, -1)),
    ("own clocks", process(P.START_NS, P.BLOCKED, 10**12)),
    ("own clocks", core(C.SLICE_NS, C.RUNNING, 10**12)),
    ("own clocks", hardware(H.MARK_NS, -1)),
]
