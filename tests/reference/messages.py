"""Messages: who gets them, what they cost their sender, and whom they wake (DESIGN §4)."""

from dataclasses import dataclass

from tests.reference.births import wake
from tests.reference.codes import NONE, LogCode, ProcessState
from tests.reference.numbers import below


@dataclass(frozen=True)
class Message:
    """One entry of a mailbox; a request carries the number of the call it belongs to."""

    sender: object
    call_number: int = NONE  # NONE: no call

    @property
    def is_call(self) -> bool:
        """Tell whether the sender waits for a reply."""
        return self.call_number != NONE


def choose_target(lane, process, step):
    """Give the process that a send or call goes to; None if there is none."""
    match step.pick:
        case "sender":
            return process.last_message.sender if process.last_message else None
        case "parent":
            return process.parent
    kind = next(kind for kind in lane.classes if kind.name == step.to)
    members = lane.closed[kind.index]
    i, size = process.number, len(members)
    match step.pick:
        case "same":
            return members[i % size]
        case "next":
            return members[(i + 1) % size]
        case "group":
            groups = (size + kind.group_size - 1) // kind.group_size
            group = (i // process.kind.group_size) % groups
            members = members[group * kind.group_size : (group + 1) * kind.group_size]
    drawn = below(lane.draw_process(process), len(members))
    if members[drawn] is process and len(members) > 1:
        drawn = (drawn + 1) % len(members)
    return members[drawn]


def pay_message(lane, core, receiver_core: int) -> None:
    """Make the running slice owe a message to a process on another core."""
    cost, machine, there = lane.cost, lane.machine, lane.cores[receiver_core].hw
    cycles = cost.message_cycles[machine.distance(core.hw, there)]
    core.owed_other_ns += machine.cycles_to_ns(cycles, core.hw)
    if cost.kind == "cache" and there != core.hw:
        core.owed_other_ns += cost.message_lines * machine.measured_latency_ns(core.hw, there)


def post(lane, core, process, receiver) -> bool:
    """Count, charge and log a message; tell whether there is a receiver."""
    lane.count("message_count")
    if not lane.is_alive(receiver):
        lane.count("lost_message_count")
        lane.note(LogCode.SEND, core.index, process, NONE)
        return False
    pay_message(lane, core, receiver.core)
    lane.note(LogCode.SEND, core.index, process, receiver.slot)
    return True


def send(lane, core, process, receiver, call_number: int = NONE) -> bool:
    """Put a message into a mailbox, and wake a receiver that now has enough; tell whether it arrives."""
    capacity = lane.simulation.mailbox_capacity
    is_live = lane.is_alive(receiver)
    if is_live and capacity is not None and len(receiver.mailbox) >= capacity:
        lane.count("mailbox_overflow_count")
        lane.exhausted.add("MAILBOX_LIMIT")
        receiver = None
    if not post(lane, core, process, receiver):
        return False
    receiver.mailbox.append(Message(process, call_number))
    is_waiting = receiver.state == ProcessState.WAITING
    if is_waiting and len(receiver.mailbox) >= receiver.needed:
        wake(lane, receiver)
    return True


def reply(lane, core, process) -> None:
    """Answer the last received message: end its call, or send an ordinary message."""
    message = process.last_message
    if message is None or not message.is_call:
        send(lane, core, process, message.sender if message else None)
        return
    caller = message.sender
    is_current = caller.call_number == message.call_number
    if not (lane.is_alive(caller) and caller.is_calling and is_current):
        post(lane, core, process, None)
        return
    if caller.is_answered:
        post(lane, core, process, None)
        return
    post(lane, core, process, caller)
    caller.is_answered = True
    if caller.state == ProcessState.CALLING:
        wake(lane, caller)


def send_edge(lane, core, process, edge: int, peer: int) -> None:
    """Do the SEND of a replay: set the flag of its edge, and wake who waits for it."""
    receiver = lane.replayed.get((process.copy, peer))
    if lane.is_alive(receiver):
        post(lane, core, process, receiver)
    else:  # outside of the trace, gone or to come: nothing is lost that anybody waits for
        lane.count("message_count")
        lane.note(LogCode.SEND, core.index, process, NONE)
    if edge == NONE:
        return
    lane.edge_flags.add((process.copy, edge))
    is_waiting = lane.is_alive(receiver) and receiver.state == ProcessState.EDGE
    if is_waiting and receiver.edge == edge:
        wake(lane, receiver)
