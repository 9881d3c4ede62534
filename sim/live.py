"""A lane that is stepped and changed from outside while it runs."""

from dataclasses import dataclass

import numpy as np

from sim.arena import Arena
from sim.kernels import entries
from sim.kernels.affinity import EVERY_CORE
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.layout import process as P
from sim.layout import table as G
from sim.layout.status import EVENT_LIMIT, STUCK
from sim.masks import chosen_cores, words_of
from sim.metrics.derive import metrics_of
from sim.plan import Lane, plan_of
from sim.programs import AFFINITY_CODES
from sim.spec.base import SpecError
from sim.spec.simulation import Simulation
from sim.spec.timeline import Timeline
from sim.spec.workload import Affinity, Replay, Workload
from sim.topology.model import Topology

MASKS = 32  # different masks that may be set by hand
TYPE_NAMES = {code: name for name, code in AFFINITY_CODES.items()}


@dataclass(frozen=True)
class ProcessAffinity:
    """The affinity of one process, and where it is.

    cores : hardware cores of its mask; type : none, preferred, strict or dynamic
    preferred_core, max_migrations : None = none; current_core : hardware core of its scheduler
    migration_count : so far; last_migration_ns : None before the first
    """

    cores: tuple[int, ...]
    type: str
    preferred_core: int | None
    max_migrations: int | None
    current_core: int
    migration_count: int
    last_migration_ns: int | None


def optional(value: int) -> int | None:
    """A number of the kernel, None for its "none"."""
    return None if value < 0 else int(value)


class LiveLane:
    """One lane, run as far as one likes, with affinities and bindings changed by hand in between.

    The functions are those that the kernel itself uses (sim/kernels/affinity.py, schedulers.py), so what
    they refuse and count is the same as on a timeline. Not a way to run many lanes: use sim.simulate.

    Raises
    ------
    SpecError for what cannot be simulated, or names a process, core or scheduler that there is not
    """

    def __init__(
        self,
        topology: Topology,
        workload: Workload | Replay,
        lane: Lane,
        simulation: Simulation | None = None,
        timeline: Timeline | None = None,
    ) -> None:
        self.topology = topology
        self.simulation = simulation or Simulation()
        self.plan = plan_of(topology, workload, [lane], self.simulation, timeline, spare_masks=MASKS)
        self.arena = Arena(self.plan)
        self.arena.clear(0)
        self.z, self.g, self.f = self.arena.z, self.plan.tables.whole, self.plan.tables.real
        self.masks_used = self.plan.tables.num_masks - MASKS
        entries.begin_lane(self.z, self.g, self.f, self.plan.stagger_ns, self.plan.schedulers)

    @property
    def now_ns(self) -> int:
        """Simulated time."""
        return int(self.z[S.NOW_NS])

    def run_until(self, time_ns: int) -> int:
        """Handle all events up to a time, at most the horizon; returns how many there were."""
        if not self.now_ns <= time_ns <= self.simulation.horizon_ns:
            raise SpecError("time_ns", time_ns, f"{self.now_ns} to {self.simulation.horizon_ns}")
        before = int(self.z[S.HANDLED])
        self.z[S.UNTIL_NS] = time_ns
        events = int(entries.loop(self.z, self.g, self.f)) - before
        # with its last event handled, a lane may have stopped there: whether it has, only a next event tells
        if not self.has_stopped and self.z[S.HANDLED] < self.z[K.MAX_EVENTS]:
            entries.advance(self.z, self.g, self.f, time_ns)
        return events

    @property
    def has_stopped(self) -> bool:
        """Has the lane ended before its horizon (max_events, or a program that never runs nor waits)?"""
        return bool(self.z[S.STATUS] & (EVENT_LIMIT | STUCK))

    def metrics(self) -> dict[str, float]:
        """Run to the horizon and give all metrics (sim.METRICS); the lane has ended then."""
        self.run_until(self.simulation.horizon_ns)
        entries.finish_lane(self.z, self.g, self.f)
        return metrics_of(self.arena, self.simulation.horizon_ns - self.simulation.warmup_ns)

    # --- processes --------------------------------------------------------------------------------

    def processes(self) -> list[int]:
        """Numbers (slots) of the processes that live now."""
        return [p for p in range(int(self.z[S.SLOTS_USED])) if self.column(p, P.STATE) != P.FREE]

    def column(self, process: int, column: int) -> int:
        """A column of a process row."""
        return int(self.z[self.z[S.PROCESSES] + process * P.WIDTH + column])

    def live(self, process: int) -> int:
        """A process number that means a live process."""
        if not 0 <= process < self.z[S.SLOTS_USED] or self.column(process, P.STATE) == P.FREE:
            raise SpecError("process", process, "a live process", "see processes()")
        return process

    def set_affinity(self, process: int, new: Affinity) -> bool:
        """Give a process another affinity; False if it was refused, and the old one kept (DESIGN §13)."""
        if new.type == "inherit":
            raise SpecError("type", new.type, "another type than inherit")
        preferred = self.core_number(new.preferred_core) if new.preferred_core is not None else P.NONE
        most = P.NONE if new.max_migrations is None else new.max_migrations
        code, index = AFFINITY_CODES[new.type], self.mask_index(new.cores)
        new_affinity = (index, code, preferred, most)
        taken = entries.set_affinity(self.z, self.g, self.f, self.live(process), new_affinity)
        entries.drain(self.z, self.g, self.f)
        return taken

    def update_affinity(self, process: int, *, cores: str) -> bool:
        """Change the mask of a process and keep the rest of its affinity."""
        old = self.get_affinity(process)
        changed = Affinity(
            type=old.type,
            cores=cores,
            preferred_core=old.preferred_core,
            max_migrations=old.max_migrations,
        )
        return self.set_affinity(process, changed)

    def clear_affinity(self, process: int) -> bool:
        """Let a process run anywhere, without preference."""
        return self.set_affinity(process, Affinity(type="none"))

    def get_affinity(self, process: int) -> ProcessAffinity:
        """The affinity of a process, and where it is."""
        p = self.live(process)
        count = self.column(p, P.MIGRATIONS)
        tables = self.plan.tables
        words = tables.sets[tables.sets.shape[0] - tables.num_masks + self.column(p, P.MASK)]
        cores = [h for h in range(self.topology.num_cores) if int(words[h >> 6]) >> (h & 63) & 1]
        return ProcessAffinity(
            cores=tuple(cores),
            type=TYPE_NAMES[self.column(p, P.AFFINITY)],
            preferred_core=optional(self.column(p, P.PREFERRED_CORE)),
            max_migrations=optional(self.column(p, P.MAX_MIGRATIONS)),
            current_core=self.get_scheduler_core(self.column(p, P.QUEUE_CORE)),
            migration_count=count,
            last_migration_ns=self.column(p, P.LAST_MIGRATION_NS) if count else None,
        )

    def check_affinity(self, process: int, scheduler: int) -> bool:
        """May a process run on a scheduler, where that stands now?"""
        p, c = self.live(process), self.scheduler_number(scheduler)
        return entries.allows(self.z, self.g, self.f, p, c)

    def mask_index(self, cores: str | None) -> int:
        """Number of a mask in the kernel's table, a new one if need be; an empty one is refused later."""
        if cores is None:
            return EVERY_CORE
        tables = self.plan.tables
        words = words_of(chosen_cores(self.topology, cores, "cores", lenient=True)).view(np.int64)
        first = tables.sets.shape[0] - tables.num_masks
        for index in range(self.masks_used):
            if np.array_equal(tables.sets[first + index], words):
                return index
        if self.masks_used == tables.num_masks:
            raise SpecError("cores", cores, f"one of at most {MASKS} different masks in a live lane")
        index, self.masks_used = self.masks_used, self.masks_used + 1
        tables.sets[first + index] = words
        at = self.g[G.SETS] + (first + index) * self.g[G.SET_WORDS]
        self.g[at : at + words.size] = words
        for c in range(int(self.z[K.NUM_CORES])):
            entries.update_sets(self.z, self.g, self.f, c, self.get_scheduler_core(c))
        return index

    # --- schedulers -------------------------------------------------------------------------------

    def core_number(self, core: int) -> int:
        """A hardware core that exists."""
        if not 0 <= core < self.topology.num_cores:
            raise SpecError("core", core, f"0 to {self.topology.num_cores - 1}")
        return core

    def scheduler_number(self, scheduler: int) -> int:
        """A scheduler that exists."""
        if not 0 <= scheduler < self.z[K.NUM_CORES]:
            raise SpecError("scheduler", scheduler, f"0 to {int(self.z[K.NUM_CORES]) - 1}")
        return scheduler

    def get_scheduler_core(self, scheduler: int) -> int:
        """Hardware core that a scheduler stands on."""
        return int(self.z[K.CORES + self.scheduler_number(scheduler) * C.WIDTH + C.HARDWARE])

    def is_bound(self, scheduler: int) -> bool:
        """Is a scheduler pinned to its core?"""
        return bool(self.z[K.CORES + self.scheduler_number(scheduler) * C.WIDTH + C.PINNED])

    def migrate_scheduler(self, scheduler: int, core: int) -> bool:
        """Move a scheduler, at the end of its slice if it runs; False if it is there or the core closed."""
        c, h = self.scheduler_number(scheduler), self.core_number(core)
        moved = entries.migrate_scheduler(self.z, self.g, self.f, c, h)
        entries.drain(self.z, self.g, self.f)
        return moved

    def bind_scheduler_to_core(self, scheduler: int, core: int) -> bool:
        """Pin a scheduler to a core, and move it there; False if it is there or the core is closed."""
        c, h = self.scheduler_number(scheduler), self.core_number(core)
        moved = entries.bind_scheduler_to_core(self.z, self.g, self.f, c, h)
        entries.drain(self.z, self.g, self.f)
        return moved

    def unbind_scheduler(self, scheduler: int) -> None:
        """Let a scheduler be moved by the re-binding pass."""
        entries.unbind_scheduler(self.z, self.g, self.f, self.scheduler_number(scheduler))
