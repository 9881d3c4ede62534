"""A lane that is stepped event by event, and looked at between them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.arena import Arena
from sim.invariants import (
    affinity,
    arena,
    clocks,
    counts,
    erts,
    growth,
    hardware,
    limits,
    mail,
    memory,
    paths,
    queues,
    schedulers,
    slots,
    times,
    waits,
    work,
)
from sim.invariants.facts import MAIL_WIDTH, Facts
from sim.invariants.next_event import next_event, next_ns
from sim.invariants.past import Past
from sim.invariants.registry import Broken, broken_in, first_bad, unlike
from sim.invariants.view import View
from sim.kernels import entries
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout.status import COMPLETED_BIT, EVENT_LIMIT
from sim.plan import Plan

# Importing them registers their invariants, in this order.
REGISTERED = (
    slots, queues, waits, mail, schedulers, hardware, affinity, memory, counts, times, growth, clocks, limits,
    work, arena, erts, paths,
)  # fmt: skip
FOREVER = 2**62
LOG_ENTRIES = 1 << 18  # of a stretch between two looks; beyond it invariants of the log hold their peace


@dataclass(frozen=True)
class Saved:
    """A lane at some event, to go on from there again.

    parts : copies of what is in use of the arena, by their first position
    """

    parts: dict[int, np.ndarray]
    before: Past
    start: Past
    is_counting: bool

    @property
    def events(self) -> int:
        """Handled by then."""
        return int(self.parts[0][S.HANDLED])


class BrokenLaneError(Exception):
    """An invariant broke: `events` were handled, the last of them was `what`, at simulated time `time_ns`."""

    def __init__(self, events: int, time_ns: int, what: str, broken: list[Broken]) -> None:
        super().__init__(f"after event {events} ({what}): " + "; ".join(each.name for each in broken))
        self.events, self.time_ns, self.what, self.broken = events, time_ns, what, broken


class SteppedLane:
    """The first lane of a plan, handled in steps; the steps change nothing of what it does.

    events : handled so far; checks : times that all invariants were looked at
    before, start : the last look, and the one when measuring began
    """

    def __init__(self, plan: Plan) -> None:
        self.arena = Arena(plan, int(plan.parameters[0, K.LOG_CAPACITY - K.BASE]))
        self.arena.clear(0)
        self.z, self.g, self.f = self.arena.z, plan.tables.whole, plan.tables.real
        self.facts = Facts(self.arena)
        self.horizon_ns = int(self.z[K.HORIZON_NS])
        self.most = int(self.z[K.MAX_EVENTS])
        self.checks = 0
        self.is_counting = False
        self.before = self.start = View(self.facts).past()
        entries.begin_lane(self.z, self.g, self.f, plan.stagger_ns, plan.schedulers)

    @property
    def events(self) -> int:
        """Handled so far, warm-up included."""
        return int(self.z[S.HANDLED])

    @property
    def entries(self) -> int:
        """Entries of the timeline that were done."""
        return int(self.z[S.ENTRY])

    @property
    def is_complete(self) -> bool:
        """Did the lane reach its horizon?"""
        return not self.z[S.STOP] and next_ns(self.z) > self.horizon_ns

    @property
    def has_ended(self) -> bool:
        """Is there no event left, or did the lane stop itself?"""
        return bool(self.z[S.STOP]) or self.is_complete or self.events >= self.most

    def step(self, most: int, until_ns: int = FOREVER) -> int:
        """Handle at most so many events, none behind a time; returns how many there were."""
        handled = self.events
        self.z[K.MAX_EVENTS] = min(handled + most, self.most)
        self.z[S.UNTIL_NS] = min(until_ns, self.horizon_ns)
        entries.loop(self.z, self.g, self.f)
        self.z[S.STATUS] &= ~EVENT_LIMIT
        if not self.is_counting and self.z[S.MEASURING]:
            self.begin_counting()
        return self.events - handled

    def keep(self, view: View) -> None:
        """Let a look be the one that the next is compared with."""
        self.before = view.past()
        self.z[S.LOG_COUNT] = 0

    def begin_counting(self) -> None:
        """The counters have just begun anew: so do the sums that they are compared with."""
        self.is_counting = True
        self.keep(View(self.facts, self.before))
        self.start = self.before

    def look(self) -> list[Broken]:
        """Check every invariant; what holds now is what the next look is compared with."""
        self.checks += 1
        if self.z[S.STOP]:
            return []
        view = View(self.facts, self.before, self.start)
        broken = broken_in(view)
        if not broken:
            self.keep(view)
        return broken

    def save(self) -> Saved:
        """Keep the lane as it is now, its log aside; of slots and messages only those that were ever used."""
        z, base = self.z, self.arena.base
        ends = {
            0: base[S.LOG],
            base[S.DECISIONS]: base[S.PROCESSES] + int(z[S.SLOTS_USED]) * P.WIDTH,
            base[S.PROCESS_RINGS]: base[S.MAIL],
            base[S.MAIL]: base[S.MAIL] + int(z[S.MAIL_USED]) * MAIL_WIDTH,
        }
        parts = {first: z[first:end].copy() for first, end in ends.items()}
        return Saved(parts, self.before, self.start, self.is_counting)

    def restore(self, saved: Saved) -> None:
        """Be again what was saved."""
        first = self.arena.base[S.DECISIONS]
        self.z[first + saved.parts[first].size : self.arena.base[S.PROCESS_RINGS]] = 0
        for first, part in saved.parts.items():
            self.z[first : first + part.size] = part
        self.is_counting = saved.is_counting
        self.before, self.start = saved.before, saved.start

    def stretch(self, most: int) -> int:
        """Handle events up to the next point that must be looked at: an entry, or the end of the warm-up.

        The look before an entry and the one behind it let energy be checked exactly.
        """
        if not self.is_counting:
            warm = int(self.z[K.WARMUP_NS])
            entry = int(self.z[S.NEXT_ENTRY_NS])
            count = self.step(most, min(warm, entry) - 1)
            return count or self.step(1)
        entry = int(self.z[S.NEXT_ENTRY_NS])
        return self.step(most, entry - 1) or self.step(1)

    def pass_over(self, until_event: int, every: int = 1000) -> None:
        """Handle events up to a number without looking; what limits look back on is kept."""
        while self.events < until_event and not self.has_ended:
            if self.stretch(min(every, until_event - self.events)) == 0:
                break
            self.keep(View(self.facts, self.before, self.start))

    def run(self, until_event: int, every: int, note: Callable[[], None] | None = None) -> None:
        """Handle events up to a number, looking every so often, for the first time before the first of them.

        Raises
        ------
        BrokenLaneError at the first event after which an invariant is seen not to hold
        """
        broken = self.look()
        if broken:
            raise BrokenLaneError(
                self.events, int(self.z[S.NOW_NS]), "before the first event looked at", broken
            )
        while self.events < until_event and not self.has_ended:
            good = self.save() if every > 1 else None
            what = next_event(self.z, self.facts)
            if self.stretch(min(every, until_event - self.events)) == 0:
                break
            broken = self.look()
            if broken and good is not None:
                raise self.narrowed(good, broken)
            if broken:
                raise BrokenLaneError(self.events, int(self.z[S.NOW_NS]), what, broken)
            if note is not None:
                note()

    def narrowed(self, good: Saved, broken: list[Broken]) -> BrokenLaneError:
        """The event that broke an invariant, between a good look and now: by halving, from what was saved."""
        bad = last = self.events
        while bad - good.events > 1:
            self.restore(good)
            self.step((bad - good.events) // 2)
            if self.look():
                bad = self.events
            else:
                good = self.save()
        self.restore(good)
        what = next_event(self.z, self.facts)
        self.step(1)
        found = self.look()
        now = int(self.z[S.NOW_NS])
        if found:
            return BrokenLaneError(self.events, now, what, found)
        return BrokenLaneError(last, now, f"but not when it is run again from event {good.events}", broken)

    def finish(self) -> None:
        """End a lane that reached its horizon; raises BrokenLaneError if its books do not close."""
        view = View(self.facts, self.before, self.start)
        rest, runs = self.horizon_ns - view.now, view.core_state == C.RUNNING
        busy = view.busy + rest * runs
        runner = np.bincount(view.on[runs], minlength=view.num_hardware)
        power = np.where(runner == 1, view.hardware[:, H.ACTIVE_MW], view.idle_mw())
        power = np.where(view.hardware[:, H.STATE] == H.OFF, int(self.z[K.OFF_MW]), power)
        energy = view.energy + rest * power
        idle = int(self.z[N.IDLE_NS]) + rest * int(self.z[S.NUM_IDLE])
        self.end()
        found = (
            first_bad(view.core[:, C.BUSY_NS] != busy, "core", expected=busy)
            or unlike("busy_ns", int(self.z[N.BUSY_NS]), int(busy.sum()))
            or unlike("hardware busy", int(view.hardware[:, H.BUSY_NS].sum()), int(busy.sum()))
            or first_bad(view.hardware[:, H.ENERGY_PJ] != energy, "hardware core", expected=energy)
            or unlike("idle_ns", int(self.z[N.IDLE_NS]), idle)
            or unlike("completed", int(self.z[S.STATUS]) & COMPLETED_BIT, COMPLETED_BIT)
        )
        if found:
            sentence = (
                "At the horizon busy time, idle time and energy are those of the last look and the rest."
            )
            broken = [Broken("last books", sentence, found)]
            raise BrokenLaneError(self.events, self.horizon_ns, "the end", broken)

    def end(self) -> None:
        """Close the lane's books, wherever it stopped."""
        self.z[K.MAX_EVENTS] = self.most
        self.z[S.UNTIL_NS] = self.horizon_ns
        self.z[S.LOG_COUNT] = 0
        entries.loop(self.z, self.g, self.f)  # no event is left: the lane sees why it ends
        entries.finish_lane(self.z, self.g, self.f)
