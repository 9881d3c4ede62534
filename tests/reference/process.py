"""What the simulator knows about a process and about a scheduler."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.reference.codes import LEVELS, NONE, CoreState, ProcessState
from tests.reference.plan import Affinity
from tests.reference.run_queue import RunQueue


@dataclass(frozen=True)
class Visit:
    """What a process left in the caches of a hardware core: the counts of bytes touched, as of then."""

    smt: int
    footprint: int
    cluster: int
    shared_footprint: int


@dataclass
class Move:
    """A migration that is not settled yet (§8)."""

    time_ns: int
    cost_ns: int
    expected_ns: int
    speed_q20: int
    reds: int = 0
    dispatch_ns: int | None = None  # first dispatch after it


@dataclass(eq=False)
class Process:
    """One process. A new process in a reused slot is a new object."""

    slot: int
    kind: Any  # ClassPlan
    number: int  # in its class
    key: int
    parent: "Process | None"
    working_set_bytes: int
    program: Any  # steps, or rows of a trace
    affinity: Affinity
    state: ProcessState = ProcessState.READY
    scale_q16: int = 1 << 16  # of the time of a reduction
    draw_count: int = 0
    pc: int = 0
    core: int = NONE  # where it runs or is queued; where it ran while it waits
    last_core: int = NONE
    remaining: int = 0
    skip: int = 1
    is_marked: bool = False  # its affinity has changed: it may have to leave
    # memory
    home: int = NONE
    old_home: int = NONE
    allocated_q16: int = 0
    minor_count: int = 0  # collections since the last major one
    # migration
    place: int = NONE  # the hardware core that its cache lines are on
    debt_ns: int = 0
    refill_lines: int = 0
    refill_price_q10: int = 0
    here: Visit | None = None  # where it is now, as its last slice there began
    visits: list[Visit] = field(default_factory=list)  # earlier ones, newest last
    migration_count: int = 0
    migration_times: list[int] = field(default_factory=list)  # of those that limits count
    last_migration_ns: int = 0
    left: int = NONE  # the core that the last migration left
    move: Move | None = None
    run_ns: int = 0
    run_reds: int = 0
    # messages
    mailbox: deque = field(default_factory=deque)
    last_message: Any = None
    needed: int = 0  # messages that a receive waits for
    call_number: int = 0
    is_calling: bool = False
    is_answered: bool = False
    # replay
    copy: int = 0
    trace_id: int = NONE
    edge: int = NONE  # waited for
    # measures of the activation
    ready_ns: int = 0
    activation_ns: int = 0
    waiting_ns: int = 0
    ideal_ns: int = 0

    @property
    def is_strict(self) -> bool:
        """Tell whether the process must stay in its mask."""
        return self.affinity.type == "strict"

    @property
    def has_preference(self) -> bool:
        """Tell whether the process would rather be in its mask and on its preferred core."""
        return self.affinity.type in ("preferred", "dynamic")

    def may_run_on(self, hardware: int) -> bool:
        """Tell whether the mask allows a hardware core."""
        return not self.is_strict or hardware in self.affinity.mask

    @property
    def young_bytes(self) -> int:
        """Give the part of its memory that minor collections move."""
        return min(self.working_set_bytes, 8 * self.kind.memory.heap_words)

    @property
    def old_bytes(self) -> int:
        """Give the part of its memory that only major collections move."""
        return self.working_set_bytes - self.young_bytes


@dataclass(frozen=True)
class Segment:
    """Time in which a core runs without anything else happening on it."""

    start_ns: int
    reds: int
    length_ns: int
    direct_ns: int  # owed for migrations
    other_ns: int  # owed for anything else
    refill_lines: int
    refill_ns: int
    remote_ns: int
    ideal_ns: int


@dataclass(eq=False)
class Core:
    """One scheduler with its queues."""

    index: int
    hw: int  # the hardware core that it stands on
    is_pinned: bool
    state: CoreState = CoreState.IDLE
    queues: list[deque] = field(default_factory=lambda: [deque() for _ in LEVELS])
    running: Process | None = None
    last_process: Process | None = None
    segment: Segment | None = None
    slice_start_ns: int = 0
    slice_reds: int = 0  # run in this slice
    budget: int | None = None  # None: unlimited
    owed_direct_ns: int = 0  # for a migration
    owed_other_ns: int = 0  # for dispatch, messages, collections and the scheduler's debts
    debt_ns: int = 0  # of the scheduler: re-bindings and switches
    wanted_hw: int = NONE  # a re-binding that waits for the end of the slice
    mean_slice_ns: int = 0
    util_q16: int = 0  # in the last window
    migration_times: list[int] = field(default_factory=list)
    is_suspended: bool = False  # not one of the schedulers online
    rq: RunQueue = field(default_factory=RunQueue)

    @property
    def owed_ns(self) -> int:
        """Time to pay before anything else happens."""
        return self.owed_direct_ns + self.owed_other_ns

    def queue_length(self) -> int:
        """Count the queued processes of all levels."""
        return len(self.queues[0]) + len(self.queues[1]) + len(self.queues[2])

    def load(self) -> int:
        """Count the queued processes and the running one."""
        return self.queue_length() + (self.state == CoreState.RUNNING)

    def queued(self) -> list[Process]:
        """List the queued processes from the head, highest level first."""
        return [process for queue in self.queues for process in queue]

    def has_work(self) -> bool:
        """Tell whether a queued process may run here."""
        return any(process.may_run_on(self.hw) for process in self.queued())

    def remove(self, process: Process) -> None:
        """Take a process out of its queue."""
        self.queues[process.kind.level].remove(process)
