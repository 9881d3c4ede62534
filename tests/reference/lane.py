"""One simulated lane: everything that changes, and the small operations on it."""

from collections import Counter, deque
from typing import Any

from tests.reference.codes import NONE, CoreState, EventKind, LogCode, ProcessState
from tests.reference.events import Pending
from tests.reference.limits import Bucket, ProcessLimits, Storm, rate_window
from tests.reference.machine import Machine
from tests.reference.measure import Measure
from tests.reference.numbers import lane_key, mix, nearest
from tests.reference.plan import plan_workload
from tests.reference.process import Core, Process

INFINITE = -1  # factor_q16 of a threshold that nothing passes
STREAMS = {"closed": 1, "times": 2, "arriving": 3, "placement": 4, "victims": 5, "start": 6}


class Lane:
    """State of a lane. Modules of this package each hold a part of what happens to it."""

    def __init__(self, topology, workload, policy, cost, simulation, key, has_log) -> None:
        self.policy, self.cost, self.simulation = policy, cost, simulation
        replayed = getattr(workload, "trace", None)
        ns_per_reduction = (replayed or workload).ns_per_reduction
        self.machine = Machine(topology, ns_per_reduction, cost.remote_memory)
        self.classes, self.replay = plan_workload(workload, self.machine)
        self.key = key
        self.stream_count: Counter[int] = Counter()
        self.now = 0
        self.status = ""
        self.handled_count = self.window_count = 0
        self.cores = [Core(index) for index in range(self.machine.num_cores)]
        self.ready_list: deque[Core] = deque()
        self.pending = Pending()
        self.footprint = [0] * (max(self.machine.smt) + 1)
        # processes
        self.slots: list[Process | None] = []
        self.free_slots: list[int] = []
        self.closed: list[list[Process | None]] = [[] for _ in self.classes]
        self.next_number = [plan.count for plan in self.classes]
        self.arrival_count = [0] * len(self.classes)
        self.arrival_draws: dict[int, Any] = {}
        self.arrival_on_until: dict[int, int] = {}
        self.replayed: dict[tuple[int, int], Process] = {}
        self.edge_flags: set[tuple[int, int]] = set()
        # policy
        self.round_robin_count = 0
        self.pass_count = 0
        limits = policy.limits
        self.process_limits = ProcessLimits(limits.process)
        self.core_window = rate_window(limits.core)
        self.system_window = rate_window(limits.system)
        self.system_times: list[int] = []
        self.bucket, self.storm = Bucket(limits.burst), Storm(limits.burst)
        is_infinite = policy.threshold_factor == float("inf")
        self.factor_q16 = INFINITE if is_infinite else nearest(policy.threshold_factor * 65536)
        self.balance_period_ns = policy.balancing.period_ns
        # measures
        self.log_entries: list[tuple[int, int, int, int, int, int]] = []
        self.has_log = has_log
        self.measure = Measure(len(self.cores), simulation.window_ns)

    def stream(self, k: int) -> int:
        """Give the key of stream k."""
        return mix(self.key, k)

    def draw_policy(self, name: str) -> int:
        """Draw the next word of a policy's or of the start cores' stream."""
        k = STREAMS[name]
        word = mix(self.stream(k), self.stream_count[k])
        self.stream_count[k] += 1
        return word

    def draw_process(self, process: Process) -> int:
        """Draw the next word of a process."""
        word = mix(process.key, process.draw_count)
        process.draw_count += 1
        return word

    def note(self, code: LogCode, core: int, process: Process | None, a=0, b=0) -> None:
        """Append an entry to the log."""
        if self.has_log:
            slot = NONE if process is None else process.slot
            self.log_entries.append((self.now, int(code), core, slot, int(a), int(b)))

    def count(self, name: str, amount: int = 1) -> None:
        """Add to a counter."""
        self.measure.counters[name] += amount

    @property
    def is_stealing(self) -> bool:
        """Tell whether idle cores steal."""
        return self.policy.migrate and self.policy.stealing.victim != "off"

    def nspr(self, process: Process, core: int) -> int:
        """Give the Q20 ns of a reduction of a process on a core."""
        kind = process.kind
        return self.machine.ns_per_reduction_q20(core, process.home, kind.intensity)

    def is_alive(self, process: Process | None) -> bool:
        """Tell whether a reference still means a live process."""
        return process is not None and process.state != ProcessState.FREE

    def take_slot(self) -> int:
        """Take the most recently freed slot, else an unused one; NONE if there is no more."""
        if self.free_slots:
            return self.free_slots.pop()
        if len(self.slots) < self.simulation.max_processes:
            self.slots.append(None)
            return len(self.slots) - 1
        return NONE

    def free(self, process: Process) -> None:
        """End a process; its slot is the next to be taken."""
        process.state = ProcessState.FREE
        self.slots[process.slot] = None
        self.free_slots.append(process.slot)

    def enqueue(self, process: Process, core: Core) -> None:
        """Append a process to its queue on a core."""
        process.state = ProcessState.READY
        process.core = core.index
        process.skip = process.kind.skip
        core.queues[process.kind.level].append(process)

    def make_due(self, core: Core) -> None:
        """Let an idle core dispatch: at once, or after it has woken."""
        if self.cost.wake_ns == 0:
            core.state = CoreState.PENDING
            self.pending.cancel(EventKind.CORE, core.index)
            self.ready_list.append(core)
        else:
            core.state = CoreState.WAKING
            self.pending.set(EventKind.CORE, core.index, self.now + self.cost.wake_ns)

    def make_ready(self, process: Process, core: Core, may_wake_others: bool = True) -> None:
        """Queue a process, and make due the core that will run or steal it (§4, ready)."""
        self.enqueue(process, core)
        if core.state == CoreState.IDLE:
            self.make_due(core)
        elif may_wake_others and self.is_stealing and self.policy.stealing.wake_idle:
            for index in self.machine.order[core.index]:
                if self.cores[index].state == CoreState.IDLE:
                    self.make_due(self.cores[index])
                    break


def make_lane(topology, workload, policy, cost, simulation, seed, replicate, log) -> Lane:
    """Make a lane before anything has happened."""
    key = lane_key(seed, replicate)
    return Lane(topology, workload, policy, cost, simulation, key, log)
