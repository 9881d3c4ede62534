"""One simulated lane: everything that changes, and the small operations on it."""

from collections import Counter, deque
from typing import Any

from tests.reference.benefit import INFINITE
from tests.reference.binding import binding_of, initial_map
from tests.reference.codes import NONE, CoreState, EventKind, LogCode, Mechanism, ProcessState
from tests.reference.energy import Meter
from tests.reference.events import Pending
from tests.reference.limits import Bucket, ProcessLimits, Storm, rate_window
from tests.reference.machine import HardwareCore, Machine
from tests.reference.measure import Measure
from tests.reference.memory import Memory
from tests.reference.numbers import lane_key, mix, nearest
from tests.reference.plan import base_time_ns, plan_workload
from tests.reference.process import Core, Process
from tests.reference.run_queue import Vm, see_arrival

STREAMS = {"closed": 1, "times": 2, "arriving": 3, "placement": 4, "victims": 5, "start": 6, "system": 8}
SPINS = {
    "very_long": 40_000, "long": 20_000, "medium": 10_000, "short": 10_000, "very_short": 5000, "none": 0,
}  # fmt: skip
TRIGGERS = {
    Mechanism.AFFINITY: "affinity_change",
    Mechanism.FAILURE: "core_failure",
    Mechanism.POWER: "power",
}


class Lane:
    """State of a lane. Modules of this package each hold a part of what happens to it."""

    def __init__(self, topology, workload, policy, cost, simulation, key, binding, timeline) -> None:
        self.policy, self.cost, self.simulation = policy, cost, simulation
        self.binding, self.timeline = binding, timeline
        self.machine = Machine(topology, base_time_ns(workload, cost), cost.remote_memory)
        self.hardware = [HardwareCore(index) for index in range(self.machine.num_cores)]
        self.classes, self.replay = plan_workload(workload, self.machine, cost)
        self.class_affinity = [plan.affinity for plan in self.classes]
        self.key = key
        self.stream_count: Counter[int] = Counter()
        self.now = 0
        self.status = ""
        self.exhausted: set[str] = set()  # names of status bits
        self.handled_count = self.window_count = 0
        places = initial_map(binding, topology, self.machine)
        self.cores = [Core(c, hw, is_pinned) for c, (hw, is_pinned) in enumerate(places)]
        given = policy.erts.schedulers() if policy.erts.enabled else None
        self.used = len(self.cores) if given is None else given[1]
        for core in self.cores[self.used :]:
            core.state, core.is_suspended, core.rq.is_waiting = CoreState.OFFLINE, True, False
        self.vm = Vm(active=self.used, last_active=len(self.cores))
        self.spin_ns = cost.spin_ns * SPINS[policy.erts.sbwt] // SPINS["medium"]
        self.orders: dict[int, list[int]] = {}
        self.ready_list: deque[Core] = deque()
        self.pending = Pending()
        self.memory = Memory(simulation, self.machine)
        self.footprint = [0] * (max(self.machine.smt) + 1)
        self.shared_footprint = [0] * self.machine.num_clusters
        # processes
        self.slots: list[Process | None] = []
        self.free_slots: list[int] = []
        self.closed: list[list[Process | None]] = [[] for _ in self.classes]
        self.next_number = [plan.count for plan in self.classes]
        self.arrivals: dict[int, Any] = {}
        self.replayed: dict[tuple[int, int], Process] = {}
        self.edge_flags: set[tuple[int, int]] = set()
        self.stranded: set[Process] = set()
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
        self.balance_period_ns = policy.balancing.period_ns if self.is_balancing else 0
        # measures
        self.seen: Counter[str] = Counter()  # what the lane came to do
        self.has_log = True
        self.log_entries: list[tuple[int, int, int, int, int, int]] = []
        self.decisions: list[tuple[int, ...]] = []
        self.measure = Measure(len(self.cores))
        self.meter = Meter(cost.power, self.machine)

    def stream(self, k: int) -> int:
        """Give the key of stream k."""
        return mix(self.key, k)

    def draw_policy(self, name: str) -> int:
        """Draw the next word of a policy's stream, or of one like it."""
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
    def is_erts(self) -> bool:
        """Tell whether run queues are those of the BEAM (§20)."""
        return self.policy.erts.enabled

    @property
    def may_balance(self) -> bool:
        """Tell whether run queues may be balanced at all."""
        return self.policy.migrate and self.policy.triggers.load_imbalance

    @property
    def is_stealing(self) -> bool:
        """Tell whether idle cores steal."""
        policy = self.policy
        return policy.migrate and policy.triggers.load_imbalance and policy.stealing.victim != "off"

    @property
    def is_balancing(self) -> bool:
        """Tell whether there are balancing passes."""
        policy = self.policy
        return policy.migrate and policy.triggers.load_imbalance and policy.balancing.period_ns > 0

    def may_force(self, mechanism: Mechanism) -> bool:
        """Tell whether the trigger of a forced move is on."""
        return self.policy.migrate and getattr(self.policy.triggers, TRIGGERS[mechanism])

    def distance(self, a: int, b: int) -> int:
        """Classify the distance between the hardware cores of two schedulers."""
        return self.machine.distance(self.cores[a].hw, self.cores[b].hw)

    def order(self, core: int) -> list[int]:
        """List the other schedulers, nearest class first, then upwards from `core`, cyclically."""
        if core not in self.orders:
            n = len(self.cores)
            others = [other for other in range(n) if other != core]
            self.orders[core] = sorted(others, key=lambda x: (self.distance(core, x), (x - core) % n))
        return self.orders[core]

    def standing_on(self, hw: int) -> list[Core]:
        """List the schedulers that stand on a hardware core."""
        return [core for core in self.cores if core.hw == hw]

    def is_available(self, core: int) -> bool:
        """Tell whether a scheduler can run processes (§15)."""
        scheduler = self.cores[core]
        is_working = scheduler.state != CoreState.OFFLINE and not scheduler.is_suspended
        return self.hardware[scheduler.hw].is_open and is_working

    def may_run(self, process: Process, core: int) -> bool:
        """Tell whether the mask of a process allows a scheduler."""
        return process.may_run_on(self.cores[core].hw)

    def nspr(self, process: Process, core: int) -> int:
        """Give the Q20 ns of a reduction of a process on a scheduler."""
        return self.machine.nspr(process, self.cores[core].hw)

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
        self.memory.release(process)
        self.slots[process.slot] = None
        self.free_slots.append(process.slot)

    def enqueue(self, process: Process, core: Core) -> None:
        """Append a process to its queue on a core."""
        process.state = ProcessState.READY
        process.core = core.index
        process.skip = process.kind.skip
        was_empty = core.queue_length() == 0
        core.queues[process.kind.level].append(process)
        see_arrival(core, was_empty)

    def put_on_ready_list(self, core: Core) -> None:
        """Let a core dispatch as soon as this event has been handled."""
        core.state = CoreState.PENDING
        self.ready_list.append(core)

    def make_due(self, core: Core) -> None:
        """Let an idle core dispatch: at once, or after it has woken."""
        is_spinning = self.is_erts and self.now < core.rq.spin_until_ns
        place = self.hardware[core.hw]
        if place.holder is core and place.waiters:
            self.seen["one that spins is made due"] += 1
        wake_ns = self.cost.spin_wake_ns if is_spinning else self.cost.wake_ns
        if wake_ns == 0:
            self.pending.cancel(EventKind.CORE, core.index)
            self.put_on_ready_list(core)
        else:
            core.state = CoreState.WAKING
            self.pending.set(EventKind.CORE, core.index, self.now + wake_ns)

    def make_due_if_needed(self, core: Core) -> None:
        """Let a core dispatch that sleeps beside a queue that it may have work in by now."""
        if core.state == CoreState.IDLE and core.queue_length() > 0:
            self.make_due(core)

    def make_ready(self, process: Process, core: Core, may_wake_others: bool = True) -> None:
        """Queue a process, and make due the core that will run or steal it (§4, ready)."""
        capacity = self.simulation.queue_capacity
        if capacity is not None and core.queue_length() >= capacity:
            self.count("queue_overflow_count")
            self.exhausted.add("QUEUE_LIMIT")
        self.enqueue(process, core)
        if core.state == CoreState.IDLE:
            self.make_due(core)
        elif may_wake_others and self.is_stealing and self.policy.stealing.wake_idle:
            for index in self.order(core.index):
                if self.cores[index].state == CoreState.IDLE:
                    self.make_due(self.cores[index])
                    break


def make_lane(topology, workload, policy, cost, simulation, seed, replicate, binding, timeline) -> Lane:
    """Make a lane before anything has happened."""
    key = lane_key(seed, replicate)
    binding = binding_of(policy, binding)
    return Lane(topology, workload, policy, cost, simulation, key, binding, timeline)
