"""What an invariant looks at: the arena of a lane between two events, in NumPy, without the kernel."""

from functools import cached_property

import numpy as np

from sim.invariants import moves
from sim.invariants.facts import LOG_WIDTH, MAIL_WIDTH, Facts, as_bools, chain
from sim.invariants.past import Past
from sim.kernels import log as codes
from sim.layout import core as C
from sim.layout import counter as N
from sim.layout import erts as E
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import step as T

OWN_NS = {"start": P.START_NS, "ready": P.READY_NS, "migration": P.LAST_MIGRATION_NS}  # times of a process


class View:
    """A lane between two events.

    core, hardware, process : rows, int64; process has the slots that were ever used
    erts : rows of the run queues, int64 (scheduler, erts.WIDTH); none unless the lane is_erts
    online : schedulers online; suspended : which are not, bool (scheduler,)
    before : the last look, start : the one at the beginning of the measured time, both a Past
    """

    def __init__(self, facts: Facts, before: Past | None = None, start: Past | None = None) -> None:
        arena = facts.arena
        self.facts, self.z, self.last, self.first = facts, arena.z, before, start
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
    def entries(self) -> np.ndarray | None:
        """Entries of the event log since the last look, int64 (entry, 6); None if it did not hold all."""
        count, size = int(self.z[S.LOG_COUNT]), int(self.z[S.LOG_SIZE])
        if not self.z[K.LOG_CAPACITY] or count > size:
            return None
        return self.array(S.LOG, LOG_WIDTH * count).reshape(count, LOG_WIDTH)

    def noted(self, code: int) -> np.ndarray:
        """Entries of one code since the last look, of those that were kept."""
        return moves.NO_ENTRIES if self.entries is None else self.entries[self.entries[:, 1] == code]

    @cached_property
    def moved(self) -> np.ndarray | None:
        """Migrations since the last look, int64 (move, 5) as in sim/invariants/moves.py; None as entries."""
        if self.entries is None:
            return None
        at = np.flatnonzero(self.entries[:, 1] == codes.MIGRATE)
        rows = self.entries[at]
        slots = rows[:, 3]
        serials = np.where(self.state[slots] == P.FREE, moves.DEAD, self.process[slots, P.SERIAL])
        ended = np.full(self.used, -1)
        exits = np.flatnonzero(self.entries[:, 1] == codes.EXIT)
        ended[self.entries[exits, 3]] = exits
        serials = np.where(ended[slots] > at, moves.DEAD, serials)
        return np.stack([rows[:, 0], serials, rows[:, 2], rows[:, 4], rows[:, 5]], axis=1)

    def is_affinity_new(self, slot: int) -> bool:
        """Was the affinity of a process set since the last look?"""
        return bool((self.noted(codes.AFFINITY)[:, 3] == slot).any())

    @cached_property
    def same(self) -> np.ndarray:
        """Slots that hold the process that they held at the last look."""
        known = self.before.serials
        live = self.live[self.live < known.size]
        found: np.ndarray = live[self.process[live, P.SERIAL] == known[live]]
        return found

    @property
    def is_single(self) -> bool:
        """Was there one event at most since the last look?"""
        return int(self.z[S.HANDLED]) - self.before.handled <= 1

    @cached_property
    def load(self) -> np.ndarray:
        """Processes queued or running, by scheduler."""
        load: np.ndarray = self.core[:, C.QUEUE_LENGTH] + (self.core_state == C.RUNNING)
        return load

    @cached_property
    def integral(self) -> np.ndarray:
        """Integral of the load over the window so far, by scheduler."""
        integral: np.ndarray = self.core[:, C.AREA] + self.load * self.now
        return integral

    def wasted(self) -> int:
        """IDLE schedulers that may run some queued process."""
        idle = np.flatnonzero(self.core_state == C.IDLE)
        rows = self.process[self.queued]
        strict = rows[:, P.AFFINITY] == P.STRICT
        if not self.queued.size or not strict.all():
            return idle.size if self.queued.size else 0
        return int(self.facts.masks[np.unique(rows[:, P.MASK])][:, self.on[idle]].any(axis=0).sum())

    @cached_property
    def passed(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """By slot: messages that the process took, calls that ended, and draws that do not fit its step."""
        taken, called, odd = (np.zeros(self.used, np.int64) for _ in range(3))
        if self.facts.is_replay:
            return taken, called, odd
        for kind, steps in enumerate(self.facts.passed):
            slots = self.live[self.process[self.live, P.CLASS] == kind]
            rows = self.process[slots]
            at = np.clip(rows[:, P.PC] - self.facts.classes[kind, T.FIRST_STEP], 0, steps.shape[0] - 1)
            asked = rows[:, P.IS_CALLING] > 0
            pc = np.clip(rows[:, P.PC], 0, self.facts.draws_in_call.size - 1)
            draws = rows[:, P.DRAWS] - steps[at, 0] - asked * self.facts.draws_in_call[pc]
            whole = max(1, int(steps[-1, 0]))
            loops = draws // whole
            odd[slots] = np.where(draws < 0, draws, draws % whole) if steps[-1, 0] else draws
            taken[slots] = loops * steps[-1, 1] + steps[at, 1]
            called[slots] = loops * steps[-1, 2] + steps[at, 2] + (rows[:, P.IS_CALLING] == 2)
        return taken, called, odd

    @property
    def before(self) -> Past:
        """The last look."""
        assert self.last is not None, "there was no look before"
        return self.last

    @property
    def start(self) -> Past:
        """The look at the beginning of the measured time."""
        assert self.first is not None, "there was no look before"
        return self.first

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
        outside: np.ndarray = (rows[:, P.AFFINITY] == P.STRICT) & ~inside
        return outside

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
        done: np.ndarray = rows[rows[:, T.WHAT] == T.SCHEDULERS_ONLINE][:, [T.WHEN_NS, T.VALUE]]
        return done

    @cached_property
    def hardware_busy(self) -> np.ndarray:
        """Busy time of each hardware core up to now."""
        total = self.hardware[:, H.BUSY_NS].copy()
        np.add.at(total, self.on, self.busy - self.core[:, C.BOOKED_NS])
        return total

    def idle_mw(self) -> np.ndarray:
        """Power of each hardware core when it has nothing to do."""
        slow = self.hardware[:, H.IS_EFFICIENCY] == 1
        power: np.ndarray = np.where(slow, self.z[K.E_IDLE_MW], self.z[K.P_IDLE_MW])
        return power

    @cached_property
    def energy(self) -> np.ndarray:
        """Energy of each hardware core up to now (DESIGN §16)."""
        rows = self.hardware
        elapsed = self.now - rows[:, H.MARK_NS]
        busy = self.hardware_busy - rows[:, H.MARK_BUSY_NS]
        on = busy * rows[:, H.ACTIVE_MW] + (elapsed - busy) * self.idle_mw()
        off = elapsed * self.z[K.OFF_MW]
        energy: np.ndarray = rows[:, H.ENERGY_PJ] + np.where(rows[:, H.STATE] == H.OFF, off, on)
        return energy

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
        rows, z, process = self.core[self.running], self.z, self.process
        return Past(
            handled=int(z[S.HANDLED]),
            windows=int(z[S.WINDOWS]),
            now_ns=self.now,
            live=int(z[S.LIVE]),
            given=self.given,
            opened=int((process[self.live, P.OPEN_MIGRATION] == 1).sum()),
            running=self.running.size,
            carried_ns=int((self.now - rows[:, C.SEGMENT_NS]).sum()),
            idle_ns=int(z[N.IDLE_NS]),
            spun_ns=self.spun_ns,
            events=int(z[N.EVENTS]),
            busy=self.busy,
            hardware_busy=self.hardware_busy,
            energy=self.energy,
            state=self.hardware[:, H.STATE].copy(),
            active_mw=self.hardware[:, H.ACTIVE_MW].copy(),
            segment_reds=int(rows[:, C.SEGMENT_REDS].sum()),
            reductions=int(z[N.REDUCTIONS]),
            delivered=self.delivered,
            serials=np.where(self.state == P.FREE, P.NONE, process[:, P.SERIAL]),
            own={name: process[:, at].copy() for name, at in OWN_NS.items()},
            mail=process[:, P.MAIL_COUNT].copy(),
            taken=self.passed[0],
            called=self.passed[1],
            slices=self.core[:, C.SLICE_NS].copy(),
            marks=self.hardware[:, H.MARK_NS].copy(),
            load=self.load,
            integral=self.integral,
            idle=int((self.core_state == C.IDLE).sum()),
            wasted=self.wasted(),
            stranded=int((process[self.live, P.IS_STRANDED] == 1).sum()),
            wasted_ns=int(z[N.WASTED_NS]),
            stranded_ns=int(z[N.STRANDED_NS]),
            moves=self.moves_kept(),
        )

    @property
    def delivered(self) -> int:
        """Messages counted as delivered."""
        return int(self.z[N.MESSAGES_BY_DISTANCE : N.MESSAGES_BY_DISTANCE + 4].sum())

    def moves_kept(self) -> moves.Moves:
        """Migrations that limits will look back on."""
        if self.last is None or not self.z[K.IS_LIMITED]:
            return moves.Moves()
        return moves.after(self.before.moves, self.moved, self.now, self.z)
