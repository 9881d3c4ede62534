"""What a step of a program does (DESIGN §4, proceed with nothing remaining)."""

from enum import Enum

from sim.workload.replay import ReplayOp
from tests.reference.affinity import set_affinity
from tests.reference.births import spawn
from tests.reference.codes import NONE, EventKind, LogCode, ProcessState
from tests.reference.messages import choose_target, reply, send, send_edge
from tests.reference.numbers import sample
from tests.reference.plan import plan_affinity, replay_reds


class Next(Enum):
    """What follows a step."""

    AGAIN = "look at the next step"
    PAY = "first pay what is owed, then look at the same step again"
    END = "the slice has ended"


def execute(lane, core, process) -> Next:
    """Execute the step at pc."""
    if process.trace_id != NONE:
        return execute_row(lane, core, process)
    if process.pc == len(process.program):
        process.pc = 0
    step = process.program[process.pc]
    match step.op:
        case "run":
            process.remaining = sample(step.draw, lane.draw_process(process))
        case "send":
            for _ in range(step.count):
                send(lane, core, process, choose_target(lane, process, step))
        case "spawn":
            kind = next(kind for kind in lane.classes if kind.name == step.to)
            for _ in range(step.count):
                spawn_here(lane, core, process, kind, affinity=step.affinity)
        case "reply":
            reply(lane, core, process)
        case "affinity":
            set_affinity(lane, process, plan_affinity(step.affinity, lane.machine))
        case "receive":
            return receive(lane, core, process, step)
        case "call":
            return call(lane, core, process, step)
        case "block":
            return block(lane, core, process, lambda: sample(step.draw, lane.draw_process(process)))
        case "exit":
            return leave(lane, core, process)
    process.pc += 1
    return Next.AGAIN


def execute_row(lane, core, process) -> Next:
    """Execute the row of a trace at pc; its end is an exit."""
    op, value, peer = ReplayOp.EXIT, 0, NONE
    if process.pc < len(process.program):
        op, value, peer = process.program[process.pc]
    match op:
        case ReplayOp.RUN:
            process.remaining = replay_reds(value, lane.replay.pace_ns[process.trace_id])
        case ReplayOp.SEND:
            send_edge(lane, core, process, value, peer)
        case ReplayOp.SPAWN:
            spawn_here(lane, core, process, process.kind, lane.replay.trace(process.copy, peer))
        case ReplayOp.BLOCK:
            return block(lane, core, process, lambda: value)
        case ReplayOp.EXIT:
            return leave(lane, core, process)
        case ReplayOp.WAIT:
            flag = (process.copy, value)
            if flag not in lane.edge_flags:
                process.edge = value
                return wait(lane, core, process, ProcessState.EDGE)
            lane.edge_flags.remove(flag)
    process.pc += 1
    return Next.AGAIN


def spawn_here(lane, core, process, kind, trace=None, affinity: str | None = None) -> None:
    """Create a child; this costs no message."""
    child = spawn(lane, process, kind, trace, affinity)
    lane.note(LogCode.SPAWN, core.index, process, NONE if child is None else child.slot)


def receive(lane, core, process, step) -> Next:
    """Take messages from the head of the mailbox, or wait until there are enough."""
    if len(process.mailbox) < step.count:
        process.needed = step.count
        return wait(lane, core, process, ProcessState.WAITING)
    for _ in range(step.count):
        process.last_message = process.mailbox.popleft()
    process.pc += 1
    return Next.AGAIN


def call(lane, core, process, step) -> Next:
    """Send a request when first reached, then wait for its reply."""
    if not process.is_calling:
        process.is_calling, process.is_answered = True, False
        process.call_number += 1
        target = choose_target(lane, process, step)
        if not send(lane, core, process, target, process.call_number):
            process.is_answered = True  # a call that nobody can answer is over at once
    if not process.is_answered:
        return wait(lane, core, process, ProcessState.CALLING)
    process.is_calling = False
    process.pc += 1
    return Next.AGAIN


def block(lane, core, process, draw) -> Next:
    """Go to sleep until a timer."""
    if core.owed_ns:
        return Next.PAY
    time_ns = lane.now + draw()
    process.pc += 1
    process.state = ProcessState.BLOCKED
    lane.pending.set(EventKind.TIMER, process.slot, time_ns)
    lane.note(LogCode.BLOCK, core.index, process, time_ns)
    return Next.END


def wait(lane, core, process, state: ProcessState) -> Next:
    """Wait for a message, a reply or an edge; the step is looked at again after it."""
    if core.owed_ns:
        return Next.PAY
    process.state = state
    lane.note(LogCode.WAIT, core.index, process, state)
    return Next.END


def leave(lane, core, process) -> Next:
    """End the process."""
    if core.owed_ns:
        return Next.PAY
    lane.note(LogCode.EXIT, core.index, process)
    lane.free(process)
    lane.count("completed_count")
    return Next.END
