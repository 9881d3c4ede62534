"""A lane that is stepped event by event, and looked at between them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.arena import Arena
from sim.kernels import event_loop
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout.sentinel import TIME_NEVER_NS
from sim.layout.status import COMPLETED_BIT, EVENT_LIMIT
from sim.plan import Lane, plan_of
from sim.spec.timeline import OPS
from tests.reference.scenarios import Scenario
from tests.soak import erts, machine, paths, places, sums
from tests.soak.registry import Broken, broken_in, first_bad, unlike
from tests.soak.view import ARRIVAL_CODE, MAIL_WIDTH, Facts, Past, View

REGISTERED = (machine, places, sums, erts, paths)  # as they are imported
FOREVER = 2**62


@dataclass(frozen=True)
class Saved:
    """A lane at some event, to go on from there again.

    parts : copies of what is in use of the arena, by their first position
    """

    parts: dict[int, np.ndarray]
    events: int
    before: Past
    start: Past
    is_counting: bool


class BrokenLaneError(Exception):
    """An invariant broke: `events` were handled, the last of them was `what`."""

    def __init__(self, events: int, what: str, broken: list[Broken]) -> None:
        super().__init__(f"after event {events} ({what}): " + "; ".join(each.name for each in broken))
        self.events, self.what, self.broken = events, what, broken


class SteppedLane:
    """A lane of a scenario, handled in steps; the steps change nothing of what it does.

    events : handled so far; checks : times that all invariants were looked at
    before, start : the last look, and the one when measuring began
    """

    def __init__(self, scene: Scenario) -> None:
        lane = self.lane_of(scene)
        plan = plan_of(scene.topology, scene.workload, [lane], scene.simulation, scene.timeline)
        self.arena = Arena(plan)
        self.arena.clear(0)
        self.z, self.g, self.f = self.arena.z, plan.tables.whole, plan.tables.real
        self.facts = Facts(self.arena)
        self.horizon_ns = int(self.z[K.HORIZON_NS])
        self.most = int(self.z[K.MAX_EVENTS])
        self.events = self.checks = 0
        self.is_counting = False
        nothing = View(self.facts).past()
        self.before = self.start = nothing
        event_loop.begin_lane(self.z, self.g, self.f, plan.stagger_ns, plan.schedulers)

    @staticmethod
    def lane_of(scene: Scenario) -> Lane:
        """The lane that a scenario describes."""
        return Lane(scene.policy, scene.cost, scene.seed, scene.replicate, scene.binding)

    @property
    def entries(self) -> int:
        """Entries of the timeline that were done."""
        return int(self.z[S.ENTRY])

    @property
    def is_complete(self) -> bool:
        """Did the lane reach its horizon?"""
        return not self.z[S.STOP] and self.next_ns() > self.horizon_ns

    @property
    def has_ended(self) -> bool:
        """Is there no event left, or did the lane stop itself?"""
        return bool(self.z[S.STOP]) or self.is_complete or self.events >= self.most

    def next_ns(self) -> int:
        """Time of the next event."""
        z = self.z
        times = [int(z[z[S.EVENTS] + z[z[S.TREE] + 1]]), int(event_loop.next_control_ns(z))]
        times.append(int(z[z[S.HEAP]]) if z[S.HEAP_SIZE] else TIME_NEVER_NS)
        return min(*times, int(z[S.NEXT_ENTRY_NS]))

    def next_event(self) -> str:
        """Describe the next event, as the loop will choose it."""
        z, t = self.z, self.next_ns()
        if z[S.NEXT_ENTRY_NS] == t:
            entry = int(z[S.ENTRY])
            row = self.facts.rows[self.facts.first[entry]]
            return f"{t} ns, timeline entry {entry}: {OPS[row[T.WHAT]]} {row[T.SUBJECT :].tolist()}"
        if z[S.HEAP_SIZE] and z[z[S.HEAP]] == t:
            code = int(z[z[S.HEAP] + 1])
            is_timer = code < ARRIVAL_CODE
            return f"{t} ns, timer of {code}" if is_timer else f"{t} ns, arrival of {code - ARRIVAL_CODE}"
        c = int(z[z[S.TREE] + 1])
        if z[z[S.EVENTS] + c] == t:
            return f"{t} ns, core {c} in state {z[K.CORES + c * C.WIDTH + C.STATE]}"
        names = {"balance": S.NEXT_BALANCE_NS, "adapt": S.NEXT_ADAPT_NS, "re-binding": S.NEXT_REBIND_NS}
        return f"{t} ns, " + next((name for name, at in names.items() if z[at] == t), "window")

    def step(self, most: int, until_ns: int = FOREVER) -> int:
        """Handle at most so many events, none behind a time; returns how many there were."""
        handled = self.events
        self.z[K.MAX_EVENTS] = min(handled + most, self.most)
        self.z[S.UNTIL_NS] = min(until_ns, self.horizon_ns)
        self.events = int(event_loop.loop(self.z, self.g, self.f))
        self.z[S.STATUS] &= ~EVENT_LIMIT
        if not self.is_counting and self.z[S.MEASURING]:
            self.begin_counting()
        return self.events - handled

    def begin_counting(self) -> None:
        """The counters have just begun anew: so do the sums that they are compared with."""
        self.is_counting = True
        self.before = self.start = View(self.facts).past()

    def look(self) -> list[Broken]:
        """Check every invariant; what holds now is what the next look is compared with."""
        self.checks += 1
        if self.z[S.STOP]:
            return []
        view = View(self.facts, self.before, self.start)
        broken = broken_in(view)
        if not broken:
            self.before = view.past()
        return broken

    def save(self) -> Saved:
        """Keep the lane as it is now; of slots and messages only those that were ever used."""
        z, base = self.z, self.arena.base
        ends = {
            0: base[S.PROCESSES] + int(z[S.SLOTS_USED]) * P.WIDTH,
            base[S.PROCESS_RINGS]: base[S.MAIL],
            base[S.MAIL]: base[S.MAIL] + int(z[S.MAIL_USED]) * MAIL_WIDTH,
        }
        parts = {first: z[first:end].copy() for first, end in ends.items()}
        return Saved(parts, self.events, self.before, self.start, self.is_counting)

    def restore(self, saved: Saved) -> None:
        """Be again what was saved."""
        self.z[saved.parts[0].size : self.arena.base[S.PROCESS_RINGS]] = 0
        for first, part in saved.parts.items():
            self.z[first : first + part.size] = part
        self.events, self.is_counting = saved.events, saved.is_counting
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

    def run(self, until_event: int, every: int, note: Callable[[], None] | None = None) -> None:
        """Handle events up to a number, looking every so often.

        Raises
        ------
        BrokenLaneError at the first event after which an invariant is seen not to hold
        """
        saved = self.save()
        while self.events < until_event and not self.has_ended:
            if self.stretch(min(every, until_event - self.events)) == 0:
                break
            broken = self.look()
            if broken:
                raise self.narrowed(saved, broken)
            if note is not None:
                note()
            saved = self.save()

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
        what = self.next_event()
        self.step(1)
        found = self.look()
        if found:
            return BrokenLaneError(self.events, what, found)
        return BrokenLaneError(last, f"but not when it is run again from event {good.events}", broken)

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
        self.step(1)  # there is none: the lane sees that it is complete
        event_loop.finish_lane(self.z, self.g, self.f)
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
            raise BrokenLaneError(self.events, "the end", [Broken("last books", sentence, found)])
