"""A lane that is stepped event by event, and looked at between them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.arena import Arena
from sim.kernels import event_loop
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import step as T
from sim.layout.sentinel import TIME_NEVER_NS
from sim.layout.status import EVENT_LIMIT
from sim.plan import plan_of
from tests.reference.scenarios import Scenario
from tests.soak import machine, places, sums
from tests.soak.registry import Broken, broken_in
from tests.soak.view import ARRIVAL_CODE, Facts, Past, View

assert machine and places and sums  # they register the invariants
FOREVER = 2**62
OPS = ("core_offline", "core_online", "power_down", "power_up", "frequency", "affinity", "bind", "unbind", "load")


@dataclass(frozen=True)
class Saved:
    """A lane at some event, to go on from there again."""

    z: np.ndarray
    events: int
    before: Past
    start: Past
    is_counting: bool


class Broke(Exception):
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
    def lane_of(scene: Scenario):
        """The lane that a scenario describes."""
        from sim.plan import Lane

        return Lane(scene.policy, scene.cost, scene.seed, scene.replicate, scene.binding)

    @property
    def has_ended(self) -> bool:
        """Is there no event left, or did the lane stop itself?"""
        return bool(self.z[S.STOP]) or self.next_ns() > self.horizon_ns or self.events >= self.most

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
            return f"{t} ns, timeline entry {entry}: {OPS[row[T.WHAT]]} {row[T.SUBJECT:].tolist()}"
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
        self.z[K.MAX_EVENTS] = min(most, self.most - self.events)
        self.z[S.UNTIL_NS] = min(until_ns, self.horizon_ns)
        count = int(event_loop.loop(self.z, self.g, self.f))
        self.z[S.STATUS] &= ~EVENT_LIMIT
        self.events += count
        if not self.is_counting and self.z[S.MEASURING]:
            self.begin_counting()
        return count

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
        """Keep the lane as it is now."""
        return Saved(self.z.copy(), self.events, self.before, self.start, self.is_counting)

    def restore(self, saved: Saved) -> None:
        """Be again what was saved."""
        self.z[:] = saved.z
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
        """Handle events up to a number, looking every so often; raises Broke at the first that breaks one."""
        saved = self.save()
        while self.events < until_event and not self.has_ended:
            if self.stretch(min(every, until_event - self.events)) == 0:
                break
            if self.look():
                raise self.narrowed(saved)
            if note is not None:
                note()
            saved = self.save()

    def narrowed(self, good: Saved) -> Broke:
        """The event that broke an invariant, between a good look and now: by halving, from what was saved."""
        bad = self.events
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
        return Broke(self.events, what, self.look())
