"""What the simulator knows about a process and about a core."""

from collections import deque
from dataclasses import dataclass, field
from typing import Any

from tests.reference.codes import LEVELS, NONE, CoreState, ProcessState


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
    state: ProcessState = ProcessState.READY
    draw_count: int = 0
    pc: int = 0
    home: int = NONE
    core: int = NONE  # where it runs or is queued; where it ran while it waits
    last_core: int = NONE
    remaining: int = 0
    skip: int = 1
    # migration
    debt_ns: int = 0
    refill_lines: int = 0
    refill_price_q10: int = 0
    footprint: int | None = None  # where it is now, as its last slice there began; None: none
    remembered: list[tuple[int, int]] = field(default_factory=list)  # newest last
    migration_count: int = 0
    migration_times: list[int] = field(default_factory=list)
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
        return self.kind.affinity == "strict"

    def may_run_on(self, core: int) -> bool:
        """Tell whether the mask allows a core."""
        return not self.is_strict or core in self.kind.mask


@dataclass(frozen=True)
class Segment:
    """Time in which a core runs without anything else happening on it."""

    start_ns: int
    reds: int
    length_ns: int
    direct_ns: int
    refill_lines: int
    refill_ns: int
    remote_ns: int
    ideal_ns: int


@dataclass(eq=False)
class Core:
    """One core with its queues."""

    index: int
    state: CoreState = CoreState.IDLE
    queues: list[deque] = field(default_factory=lambda: [deque() for _ in LEVELS])
    running: Process | None = None
    last_process: Process | None = None
    segment: Segment | None = None
    slice_start_ns: int = 0
    budget: int | None = None  # None: unlimited
    owed_direct_ns: int = 0  # for a migration
    owed_other_ns: int = 0  # for dispatch and messages
    mean_slice_ns: int = 0
    migration_times: list[int] = field(default_factory=list)
    # measures
    busy_ns: int = 0
    idle_ns: int = 0
    load_area: int = 0

    @property
    def owed_ns(self) -> int:
        """Time to pay before anything else happens."""
        return self.owed_direct_ns + self.owed_other_ns

    def queue_length(self) -> int:
        """Count the queued processes of all levels."""
        return sum(len(queue) for queue in self.queues)

    def load(self) -> int:
        """Count the queued processes and the running one."""
        return self.queue_length() + (self.state == CoreState.RUNNING)

    def queued(self) -> list[Process]:
        """List the queued processes from the head, highest level first."""
        return [process for queue in self.queues for process in queue]

    def remove(self, process: Process) -> None:
        """Take a process out of its queue."""
        self.queues[process.kind.level].remove(process)
