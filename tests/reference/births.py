"""Creation, arrival and wake-up of processes (DESIGN §4)."""

from tests.reference.codes import NONE, EventKind, LogCode, Mechanism, ProcessState
from tests.reference.migration import try_migration
from tests.reference.numbers import CHILD, below, exponential, mix, uniform, whole
from tests.reference.placement import allowed_from, place_new, place_woken, start_core
from tests.reference.process import Process


def create(lane, kind, number: int, key: int, reference: int, parent=None, trace=None):
    """Create a process in a free slot, not yet ready; None if all slots are taken.

    Its core is proposed by the rule for spawning, from the reference core.

    `trace` is (copy, trace process, working set, rows) of a replayed process.
    """
    slot = lane.take_slot()
    if slot == NONE:
        lane.count("refused_count")
        return None
    working_set, program = kind.working_set_bytes, kind.program
    copy, trace_id = 0, NONE
    if trace is not None:
        copy, trace_id, working_set, program = trace
    process = Process(slot, kind, number, key, parent, working_set, program)
    process.copy, process.trace_id = copy, trace_id
    lane.slots[slot] = process
    if trace is not None:
        lane.replayed[copy, trace_id] = process
    if trace is not None and parent is None:
        # A process that is there when a trace begins is where the trace says.
        process.core = process.last_core = allowed_from(lane, process, reference)
    else:
        process.core = place_new(lane, process, reference)
    lane.count("created_count")
    return process


def start(lane, process) -> None:
    """Make a new process ready: its first activation begins."""
    process.ready_ns = process.activation_ns = lane.now
    lane.note(LogCode.ARRIVE, process.core, process, process.kind.index, process.number)
    lane.make_ready(process, lane.cores[process.core])


def next_number(lane, kind) -> int:
    """Give the number of creation that the next arriving or spawned process gets."""
    return lane.next_number[kind.index]


def create_closed(lane, kind) -> None:
    """Create the closed population of a class."""
    key = mix(lane.stream(1), kind.index)
    for i in range(kind.count):
        reference = start_core(lane, kind, i)
        process = create(lane, kind, i, mix(key, i), reference)
        lane.closed[kind.index].append(process)
        if process is not None:
            start(lane, process)


def spawn(lane, parent, kind, trace=None):
    """Create a child next to its parent; None if refused."""
    key = mix(parent.key ^ CHILD, parent.draw_count)
    parent.draw_count += 1
    child = create(lane, kind, next_number(lane, kind), key, parent.core, parent, trace)
    if child is not None:
        lane.next_number[kind.index] += 1
        start(lane, child)
    return child


def arrive(lane, index: int) -> None:
    """Handle an arrival and set the next of its class."""
    kind = lane.classes[index]
    key = mix(mix(lane.stream(3), index), lane.arrival_count[index])
    lane.arrival_count[index] += 1
    number = next_number(lane, kind)
    # A start core is drawn for a refused process too: the next one's must not depend on it.
    process = create(lane, kind, number, key, start_core(lane, kind, number))
    if process is not None:
        lane.next_number[index] += 1
        start(lane, process)
    set_arrival(lane, kind)


class ArrivalDraws:
    """The words of stream 2 that belong to one class."""

    def __init__(self, lane, index: int) -> None:
        self.key, self.count = mix(lane.stream(2), index), 0

    def exponential(self, mean: float) -> int:
        """Draw a time in ns."""
        word = mix(self.key, self.count)
        self.count += 1
        return whole(exponential(uniform(word), mean))


def set_arrival(lane, kind) -> None:
    """Set the time of the next arrival of a class."""
    index, arrival, rate = kind.index, kind.arrival, kind.rate_per_s
    draws = lane.arrival_draws.setdefault(index, ArrivalDraws(lane, index))
    if arrival.kind == "deterministic":
        # Exact multiples of the gap: rounding does not add up.
        time_ns = whole((lane.arrival_count[index] + 1) * (1e9 / rate))
    elif arrival.kind == "poisson":
        time_ns = lane.now + draws.exponential(1e9 / rate)
    else:
        time_ns = next_in_burst(lane, index, arrival, draws, rate)
    lane.pending.set(EventKind.ARRIVAL, index, time_ns)


def next_in_burst(lane, index: int, arrival, draws, rate: float) -> int:
    """Give the next arrival of a source that is on and off in turn."""
    now = lane.now
    on_until = lane.arrival_on_until.get(index)
    if on_until is None:  # the source begins on
        on_until = now + draws.exponential(arrival.on_ns)
    gap = draws.exponential(1e9 / rate)
    while now + gap > on_until:
        # An exponential gap has no memory: the next burst draws its own.
        now = on_until + draws.exponential(arrival.off_ns)
        on_until = now + draws.exponential(arrival.on_ns)
        gap = draws.exponential(1e9 / rate)
    lane.arrival_on_until[index] = on_until
    return now + gap


def wake(lane, process) -> None:
    """Place and queue a process that has blocked or waited; a new activation begins."""
    source = process.core
    proposal = place_woken(lane, process)
    target = source
    if proposal != source:
        k = lane.cores[source].load()
        if try_migration(lane, process, source, proposal, Mechanism.WAKE, k):
            target = proposal
    process.ready_ns = process.activation_ns = lane.now
    process.waiting_ns = process.ideal_ns = 0
    process.core = target
    lane.note(LogCode.WAKE, target, process, proposal)
    lane.make_ready(process, lane.cores[target])


def create_copies(lane) -> None:
    """Create the processes that are present when each copy of a trace begins."""
    replay, kind = lane.replay, lane.classes[0]
    n = lane.machine.num_cores
    for k in range(replay.copies):
        stagger_ns = 0
        if replay.stagger_ns > 0:
            stagger_ns = below(mix(lane.stream(7), k), replay.stagger_ns + 1)
        for p, parent in enumerate(replay.parents):
            if parent != NONE:
                continue
            reference = (k * replay.schedulers + p % replay.schedulers) % n
            key = mix(mix(lane.stream(1), k), p)
            trace = (k, p, replay.working_set_bytes[p], replay.rows[p])
            process = create(lane, kind, next_number(lane, kind), key, reference, None, trace)
            if process is None:
                continue
            lane.next_number[kind.index] += 1
            if replay.stagger_ns == 0:
                start(lane, process)
                continue
            process.state = ProcessState.BLOCKED
            lane.pending.set(EventKind.TIMER, process.slot, stagger_ns)
