"""Several schedulers on one hardware core: one holds it, the others wait (DESIGN §12, Sharing)."""

from tests.reference.codes import CoreState, LogCode


def take_hardware(lane, core) -> bool:
    """Take the hardware core for a dispatch; tell whether it is free. Else the scheduler stalls."""
    place = lane.hardware[core.hw]
    if place.holder is None:
        place.holder, place.held_since_ns = core, lane.now
    if place.holder is core:
        return True
    stall(lane, core)
    return False


def stall(lane, core) -> None:
    """Let a scheduler wait for its hardware core."""
    core.state = CoreState.STALLED
    lane.hardware[core.hw].waiters.append(core)
    lane.note(LogCode.STALL, core.index, None, core.hw)


def release(lane, core) -> None:
    """Let a scheduler no longer hold its hardware core, nor wait for it."""
    place = lane.hardware[core.hw]
    if core in place.waiters:
        place.waiters.remove(core)
    if place.holder is core:
        place.holder = None
        hand_on(lane, place)


def hand_on(lane, place) -> None:
    """Give a hardware core that nobody holds to the first that waits for it, if it is open."""
    if not place.waiters or not place.is_open:
        return
    core = place.waiters.popleft()
    place.holder, place.held_since_ns = core, lane.now
    core.debt_ns += lane.binding.os_switch_ns
    lane.count("os_switch_ns", lane.binding.os_switch_ns)
    lane.put_on_ready_list(core)


def pass_on(lane, core) -> bool:
    """After a slice, let the next scheduler have the core if this one had it long enough."""
    place = lane.hardware[core.hw]
    held_ns = lane.now - place.held_since_ns
    if not place.waiters or held_ns < lane.binding.os_quantum_ns:
        return False
    place.holder = None
    stall(lane, core)
    hand_on(lane, place)
    return True
