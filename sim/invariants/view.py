"""What an invariant looks at: the arena of a lane between two events, in NumPy, without the kernel."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from sim.arena import Arena
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T
from sim.layout import table as G

ARRIVAL_CODE = 1 << 40  # codes of the heap: timers are slots, arrivals stand behind them
MAIL_WIDTH = 4


def as_bools(words: np.ndarray, count: int) -> np.ndarray:
    """Sets of `count` members, int64 (.., word), as bool (.., member)."""
    raw = np.ascontiguousarray(words).view(np.uint8)
    return np.unpackbits(raw, axis=-1, bitorder="little")[..., :count].astype(bool)


def chain(first: int, following: list[int]) -> list[int] | None:
    """Members of a list that is linked by `following`; None if it leaves the table or does not end."""
    found: list[int] = []
    at = first
    while at >= 0:
        if at >= len(following) or len(found) >= len(following):
            return None
        found.append(at)
        at = following[at]
    return found


class Facts:
    """What never changes while a lane runs, read once.

    sets   : bool (set, hardware core), in the order of the sets of schedulers in the arena
    masks  : the last of them, bool (mask, hardware core)
    classes: int64 (class, CLASS_WIDTH); rows, first: the timeline's, as in sim/timeline.py
    """

    def __init__(self, arena: Arena) -> None:
        tables = arena.plan.tables
        g = tables.whole
        self.arena, self.tables = arena, tables
        self.sets = as_bools(tables.sets, tables.hardware.shape[0])
        self.masks = self.sets[tables.sets.shape[0] - tables.num_masks :]
        size = tables.num_classes * T.CLASS_WIDTH
        self.classes = g[g[G.CLASSES] :][:size].reshape(-1, T.CLASS_WIDTH)
        self.first = g[g[G.TIMELINE_FIRST] :][: tables.num_entries + 1]
        rows = g[g[G.TIMELINE] :][: self.first[-1] * T.TIMELINE_WIDTH]
        self.rows = rows.reshape(-1, T.TIMELINE_WIDTH)
        self.is_replay = bool(arena.z[K.IS_REPLAY])
        self.parameters = arena.z[K.BASE : K.BASE + K.COUNT].copy()
        self.bases = {name: int(arena.z[name]) for name in arena.base}
        self.gaps = gaps_of(arena)
        self.whole, self.real = tables.whole.copy(), tables.real.copy()
        if self.is_replay:
            self.read_trace(g)
        else:
            self.read_programs(g)

    def read_programs(self, g: np.ndarray) -> None:
        """Reductions that a process has been given after each draw, by class, and where it may be astray."""
        self.given: list[np.ndarray] = []
        self.is_counted = True
        steps = g[g[G.STEPS] :]
        self.steps = steps[: int(self.classes[:, T.END_STEP].max()) * T.STEP_WIDTH].reshape(-1, T.STEP_WIDTH)
        for kind in self.classes:
            total, given = 0, [0]
            for step in self.steps[kind[T.FIRST_STEP] : kind[T.END_STEP]]:
                count, reds = self.draws_of(step)
                total += reds
                given += [total] * count
            self.given.append(np.array(given, np.int64))
        self.astray = np.zeros(self.steps.shape[0] + 1, bool)
        for kind in self.classes:
            self.mark_astray(int(kind[T.FIRST_STEP]), int(kind[T.END_STEP]))

    def draws_of(self, step: np.ndarray) -> tuple[int, int]:
        """Numbers that one pass of a step draws, and the reductions that they give."""
        op = step[T.OP]
        if op == T.RUN:
            at = int(self.tables.whole[G.DRAWS]) + int(step[T.DRAW]) * T.DRAW_WIDTH
            kind, mean = self.tables.real[at], self.tables.real[at + 1]
            self.is_counted &= kind == T.DETERMINISTIC
            return 1, max(1, int(mean + 0.5))
        if op == T.BLOCK:
            return 1, 0
        if op == T.SPAWN:
            return int(step[T.COUNT]), 0
        if op in (T.SEND, T.CALL) and step[T.PICK] in (T.PICK_RANDOM, T.PICK_GROUP):
            return int(step[T.COUNT]) if op == T.SEND else 1, 0
        return 0, 0

    def mark_astray(self, first: int, end: int) -> None:
        """Mark the steps before which a process may have changed its own affinity in the same slice."""
        for start in range(first, end):
            if self.steps[start, T.OP] != T.AFFINE:
                continue
            for i in range(1, end - first + 1):
                at = first + (start - first + i) % (end - first)
                self.astray[[at, end] if at == first else at] = True
                if self.steps[at, T.OP] in (T.BLOCK, T.EXIT):
                    break

    def read_trace(self, g: np.ndarray) -> None:
        """Reductions that stand in a replayed trace before each operation."""
        self.trace_first = g[g[G.REPLAY_FIRST] :][: self.tables.num_trace + 1]
        count = int(self.trace_first[-1])
        op, value = g[g[G.REPLAY_OP] :][:count], g[g[G.REPLAY_VALUE] :][:count]
        self.trace_given = np.concatenate([[0], np.cumsum(np.where(op == T.RUN_TRACE, value, 0))])
        self.is_counted = True


def gaps_of(arena: Arena) -> list[tuple[int, int]]:
    """Positions of the arena that belong to no part of it."""
    windowed = S.PROCESS_RINGS in arena.base and arena.base[S.MAIL] > arena.base[S.PROCESS_RINGS]
    sizes = arena.sizes(windowed)
    ends = sorted((base, base + sizes[name]) for name, base in arena.base.items())
    starts = [base for base, _ in ends[1:]]
    return [(end, start) for (_, end), start in zip(ends, starts, strict=False) if start > end]


@dataclass(frozen=True)
class Past:
    """What is kept of an earlier look at the lane.

    busy : by scheduler, hardware_busy and energy : by hardware core, all up to `now_ns`
    state, active_mw : of the hardware cores
    given : reductions drawn and run since time 0, all processes
    opened : migrations not settled; running : processes on a core; carried : of their segments up to now
    """

    now_ns: int
    live: int
    given: int
    opened: int
    running: int
    carried_ns: int
    idle_ns: int
    spun_ns: int
    events: int
    busy: np.ndarray
    hardware_busy: np.ndarray
    energy: np.ndarray
    state: np.ndarray
    active_mw: np.ndarray


class View:
    """A lane between two events.

    core, hardware, process : rows, int64; process has the slots that were ever used
    erts : rows of the run queues, int64 (scheduler, erts.WIDTH); none unless the lane is_erts
    online : schedulers online; suspended : which are not, bool (scheduler,)
    before : the last look, start : the one at the beginning of the measured time, both a Past
    """

    def __init__(self, facts: Facts, before: Past | None = None, start: Past | None = None) -> None:
        arena = facts.arena
        self.facts, self.z, self.before, self.start = facts, arena.z, before, start
        z = arena.z
        self.now = int(z[S.NOW_NS])
        self.core, self.hardware = arena.cores(), arena.hardware()
        self.used = int(z[S.SLOTS_USED])
        base = int(z[S.PROCESSES])
        self.process = z[base : base + self.used * P.WIDTH].reshape(self.used, P.WIDTH)
        self.num_cores, self.num_hardware = self.core.shape[0], self.hardware.shape[0]
        self.state = self.process[:, P.STATE]
        self.live = np.flatnonzero(self.state != P.FREE)
        self.queued = np.flatnonzero(self.state == P.READY)
        self.core_state = self.core[:, C.STATE]
        self.running = np.flatnonzero(self.core_state == C.RUNNING)
        self.on = self.core[:, C.HARDWARE]
        self.events = z[int(z[S.EVENTS]) :][: int(z[S.LEAVES])]
        self.online = int(z[S.USED])
        self.suspended = self.core[:, C.SUSPENDED] == 1
        self.is_erts = bool(z[K.ERTS])
        self.erts = self.array(S.ERTS_ROWS, self.num_cores * E.WIDTH if self.is_erts else 0)
        self.erts = self.erts.reshape(-1, E.WIDTH)

    @cached_property
    def mail(self) -> list[list[int] | None]:
        """Messages of each live process, by row of the pool, and last the free rows; None without an end."""
        used = int(self.z[S.MAIL_USED])
        following = self.array(S.MAIL, MAIL_WIDTH * used).reshape(used, MAIL_WIDTH)[:, 0].tolist()
        firsts = [*self.process[self.live, P.MAIL_FIRST].tolist(), int(self.z[S.MAIL_FREE])]
        return [chain(first, following) if first >= 0 else [] for first in firsts]

    def members(self, name: int, count: int = 1) -> np.ndarray:
        """Sets of schedulers that begin at a scalar, bool (set, core)."""
        words = int(self.z[S.WORDS])
        base = int(self.z[name])
        return as_bools(self.z[base : base + count * words].reshape(count, words), self.num_cores)

    def array(self, name: int, size: int) -> np.ndarray:
        """A part of the arena that begins at a scalar."""
        base = int(self.z[name])
        return self.z[base : base + size]

    def excluded(self, slots: np.ndarray, cores: np.ndarray) -> np.ndarray:
        """Which processes may not run on these schedulers, by their strict masks; bool, as `slots`."""
        rows = self.process[slots]
        inside = self.facts.masks[rows[:, P.MASK], self.on[cores]]
        return (rows[:, P.AFFINITY] == P.STRICT) & ~inside

    @cached_property
    def busy(self) -> np.ndarray:
        """Busy time of each scheduler up to now."""
        spent = np.where(self.core_state == C.RUNNING, self.now - self.core[:, C.SEGMENT_NS], 0)
        return self.core[:, C.BUSY_NS] + spent

    @cached_property
    def spun_ns(self) -> int:
        """Time that schedulers of an erts lane have spun, with what those that wait have spun so far."""
        rows = self.erts[self.erts[:, E.WAITING] == 1]
        since = np.minimum(self.now, rows[:, E.SPIN_UNTIL_NS]) - rows[:, E.WAIT_NS]
        return int(self.z[N.SPIN_NS]) + int(np.maximum(0, since).sum())

    @cached_property
    def counts_done(self) -> np.ndarray:
        """Entries that changed the schedulers online, up to now: (time, count) rows."""
        rows = self.facts.rows[: self.facts.first[int(self.z[S.ENTRY])]]
        return rows[rows[:, T.WHAT] == T.SCHEDULERS_ONLINE][:, [T.WHEN_NS, T.VALUE]]

    @cached_property
    def hardware_busy(self) -> np.ndarray:
        """Busy time of each hardware core up to now."""
        total = self.hardware[:, H.BUSY_NS].copy()
        np.add.at(total, self.on, self.busy - self.core[:, C.BOOKED_NS])
        return total

    def idle_mw(self) -> np.ndarray:
        """Power of each hardware core when it has nothing to do."""
        slow = self.hardware[:, H.IS_EFFICIENCY] == 1
        return np.where(slow, self.z[K.E_IDLE_MW], self.z[K.P_IDLE_MW])

    @cached_property
    def energy(self) -> np.ndarray:
        """Energy of each hardware core up to now (DESIGN §16)."""
        rows = self.hardware
        elapsed = self.now - rows[:, H.MARK_NS]
        busy = self.hardware_busy - rows[:, H.MARK_BUSY_NS]
        on = busy * rows[:, H.ACTIVE_MW] + (elapsed - busy) * self.idle_mw()
        off = elapsed * self.z[K.OFF_MW]
        return rows[:, H.ENERGY_PJ] + np.where(rows[:, H.STATE] == H.OFF, off, on)

    @cached_property
    def given(self) -> int:
        """Reductions run by all processes since time 0, from what they drew and what is left of it."""
        if not self.facts.is_counted:
            return 0
        return self.given_by_trace() if self.facts.is_replay else self.given_by_programs()

    def given_by_programs(self) -> int:
        """As given(): a process that exited has run its program once."""
        created = self.array(S.CLASS_STATE, self.facts.tables.num_classes * T.CLASS_STATE_WIDTH)
        created = created.reshape(-1, T.CLASS_STATE_WIDTH)[:, T.CREATED]
        rows, total = self.process[self.live], 0
        for kind, given in enumerate(self.facts.given):
            own = rows[rows[:, P.CLASS] == kind]
            loops, rest = np.divmod(own[:, P.DRAWS], max(1, given.size - 1))
            total += int((loops * given[-1] + given[rest] - own[:, P.REMAINING]).sum())
            total += int((created[kind] - own.shape[0]) * given[-1])
        return total

    def given_by_trace(self) -> int:
        """As given(), for a replay: each process of each copy that was created is here or has ended."""
        tables, facts = self.facts.tables, self.facts
        copies = int(self.z[K.COPIES])
        slots = self.array(S.REPLAY_SLOTS, copies * tables.num_trace).reshape(copies, tables.num_trace)
        copy, member = np.nonzero(slots >= 0)
        rows = self.process[slots[copy, member]]
        here = (rows[:, P.STATE] != P.FREE) & (rows[:, P.COPY] == copy) & (rows[:, P.TRACE_PROCESS] == member)
        first, end = facts.trace_first[member], facts.trace_first[member + 1]
        upto = facts.trace_given[np.where(here, rows[:, P.PC], end)] - facts.trace_given[first]
        return int((upto - np.where(here, rows[:, P.REMAINING], 0)).sum())

    def past(self) -> Past:
        """What a later look needs of this one."""
        rows = self.core[self.running]
        return Past(
            now_ns=self.now,
            live=int(self.z[S.LIVE]),
            given=self.given,
            opened=int((self.process[self.live, P.OPEN_MIGRATION] == 1).sum()),
            running=self.running.size,
            carried_ns=int((self.now - rows[:, C.SEGMENT_NS]).sum()),
            idle_ns=int(self.z[N.IDLE_NS]),
            spun_ns=self.spun_ns,
            events=int(self.z[N.EVENTS]),
            busy=self.busy,
            hardware_busy=self.hardware_busy,
            energy=self.energy,
            state=self.hardware[:, H.STATE].copy(),
            active_mw=self.hardware[:, H.ACTIVE_MW].copy(),
        )
