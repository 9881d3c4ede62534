"""Creation, arrival and wake-up of processes (DESIGN §4)."""

from sim.workload.replay import ReplayOp
from tests.reference.affinity import affinity_at_birth, is_misplaced, mechanism_of, refuge
from tests.reference.arrivals import set_arrival
from tests.reference.codes import NONE, CoreState, EventKind, LogCode, Mechanism, ProcessState
from tests.reference.erts_paths import emigrate_new, emigrate_woken
from tests.reference.migration import force_move, try_migration
from tests.reference.numbers import CHILD, below, mix
from tests.reference.placement import fit, place_new, propose_woken, start_core
from tests.reference.process import Process


def create(lane, kind, number: int, key: int, reference: int, parent=None, trace=None, affinity=None):
    """Create a process in a free slot, not yet ready; None if all slots are taken.

    Its core is proposed by the rule for spawning, from the reference core.

    `trace` is (copy, trace process, working set, rows, scale) of a replayed process; `affinity` what the
    step says that spawns it.
    """
    slot = lane.take_slot()
    if slot == NONE:
        lane.count("refused_count")
        lane.exhausted.add("PROCESS_LIMIT")
        return None
    working_set, program = kind.memory.working_set_bytes, kind.program
    copy, trace_id, scale_q16 = 0, NONE, kind.scale_q16
    if trace is not None:
        copy, trace_id, working_set, program, scale_q16 = trace
    wanted = affinity_at_birth(lane, kind, parent, affinity)
    process = Process(slot, kind, number, key, parent, working_set, program, wanted)
    process.copy, process.trace_id, process.scale_q16 = copy, trace_id, scale_q16
    lane.slots[slot] = process
    if trace is not None:
        lane.replayed[copy, trace_id] = process
    if trace is not None and parent is None:
        # A process that is there when a trace begins is where the trace says.
        process.core = process.last_core = fit(lane, process, reference)
    else:
        process.core = place_new(lane, process, reference)
    emigrate_new(lane, process)
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


def spawn(lane, parent, kind, trace=None, affinity: str | None = None):
    """Create a child next to its parent; None if refused."""
    key = mix(parent.key ^ CHILD, parent.draw_count)
    parent.draw_count += 1
    child = create(lane, kind, next_number(lane, kind), key, parent.core, parent, trace, affinity)
    if child is not None:
        lane.next_number[kind.index] += 1
        start(lane, child)
    return child


def arrive(lane, index: int) -> None:
    """Handle an arrival and set the next of its class."""
    kind = lane.classes[index]
    arrivals = lane.arrivals[index]
    key = mix(mix(lane.stream(3), index), arrivals.count)
    arrivals.count += 1
    number = next_number(lane, kind)
    # A start core is drawn for a refused process too: the next one's must not depend on it.
    process = create(lane, kind, number, key, start_core(lane, kind, number))
    if process is not None:
        lane.next_number[index] += 1
        start(lane, process)
    set_arrival(lane, kind)


def wake(lane, process) -> None:
    """Place and queue a process that has blocked or waited; a new activation begins."""
    source = process.core
    target, proposal = place_woken(lane, process, source)
    process.ready_ns = process.activation_ns = lane.now
    process.waiting_ns = process.ideal_ns = 0
    process.core = target
    lane.note(LogCode.WAKE, target, process, proposal)
    lane.make_ready(process, lane.cores[target])


def place_woken(lane, process, source: int) -> tuple[int, int]:
    """Give the core that a woken process is queued on, and the one that was proposed."""
    forced = None
    if is_misplaced(lane, process, source):
        forced = Mechanism.AFFINITY
    elif not lane.is_available(source):
        forced = mechanism_of(lane, lane.cores[source])
    if forced is not None:
        target = refuge(lane, process, source) if lane.may_force(forced) else None
        if target is None:
            return source, source
        force_move(lane, process, source, target, forced)
        return target, target
    proposal, here = propose_woken(lane, process), lane.cores[source]
    k = 0 if here.state == CoreState.IDLE else here.load()
    if proposal != source and try_migration(lane, process, (source, proposal), Mechanism.WAKE, k):
        return proposal, proposal
    target, asked = emigrate_woken(lane, process, source, k)
    return target, proposal if asked is None else asked


def create_copies(lane) -> None:
    """Create the processes that are present when each copy of a trace begins."""
    replay, kind = lane.replay, lane.classes[0]
    n = lane.used
    for k in range(replay.copies):
        stagger_ns = 0
        if replay.stagger_ns > 0:
            stagger_ns = below(mix(lane.stream(7), k), replay.stagger_ns + 1)
        for p, parent in enumerate(replay.parents):
            if parent != NONE:
                continue
            reference = (k * replay.schedulers + p % replay.schedulers) % n
            key = mix(mix(lane.stream(1), k), p)
            trace = replay.trace(k, p)
            process = create(lane, kind, next_number(lane, kind), key, reference, None, trace)
            if process is None:
                continue
            lane.next_number[kind.index] += 1
            begin_copied(lane, process, stagger_ns)


def begin_copied(lane, process, delay_ns: int) -> None:
    """Let a process of a trace be where its first operation says: queued, asleep or waiting."""
    op, value, _ = process.program[0] if process.program else (ReplayOp.EXIT, 0, NONE)
    match op:
        case ReplayOp.BLOCK:
            process.pc = 1
            lane.seen["begins asleep"] += 1
            begin_asleep(lane, process, delay_ns + value)
        case ReplayOp.WAIT:
            process.state, process.edge = ProcessState.EDGE, value
            lane.seen["begins waiting"] += 1
        case _ if lane.replay.stagger_ns > 0:
            begin_asleep(lane, process, delay_ns)
        case _:
            start(lane, process)


def begin_asleep(lane, process, until_ns: int) -> None:
    """Let a process sleep from the start."""
    process.state = ProcessState.BLOCKED
    lane.pending.set(EventKind.TIMER, process.slot, until_ns)
