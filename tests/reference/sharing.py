"""Several schedulers on one hardware core: one holds it, the others wait (DESIGN §12, Sharing)."""

from tests.reference.codes import CoreState, EventKind, LogCode


def take_hardware(lane, core) -> bool:
    """Take the hardware core for a dispatch; tell whether it is free. Else the scheduler stalls."""
    place = lane.hardware[core.hw]
    holder = place.holder
    is_left = holder is not None and holder is not core and has_spun(lane, holder)
    if is_left:
        lane.seen["takes over from one that has spun"] += 1
    if holder is None or is_left:
        place.holder, place.held_since_ns = core, lane.now
    if place.holder is core:
        return True
    stall(lane, core)
    if place.holder.state == CoreState.IDLE:
        set_spin_end(lane, place.holder)
    return False


def stall(lane, core) -> None:
    """Let a scheduler wait for its hardware core."""
    core.state = CoreState.STALLED
    lane.hardware[core.hw].waiters.append(core)
    lane.note(LogCode.STALL, core.index, None, core.hw)


def spin_end_ns(lane, core) -> int:
    """Give until when a scheduler that spins keeps its hardware core (§20, Spinning on a shared core)."""
    share_end_ns = lane.hardware[core.hw].held_since_ns + lane.binding.os_quantum_ns
    return max(lane.now, min(core.rq.spin_until_ns, share_end_ns))


def has_spun(lane, core) -> bool:
    """Tell whether a holder rests and has spun for as long as it may keep others from the core."""
    return core.state == CoreState.IDLE and spin_end_ns(lane, core) <= lane.now


def set_spin_end(lane, core) -> None:
    """Let a scheduler that spins give up its hardware core in time: another one waits for it."""
    lane.seen["others wait for one that spins"] += 1
    lane.pending.set(EventKind.CORE, core.index, spin_end_ns(lane, core))


def rest_here(lane, core) -> None:
    """Let a scheduler of the BEAM that rests keep its hardware core while it spins, else give it up."""
    place = lane.hardware[core.hw]
    if place.holder is not core or has_spun(lane, core):
        release(lane, core)
    elif place.waiters:
        set_spin_end(lane, core)


def end_spin(lane, core) -> None:
    """Let a scheduler that has kept its hardware core from others give it up."""
    place = lane.hardware[core.hw]
    lane.seen["spun out" if place.holder is core else "spun out, but not the holder"] += 1
    release(lane, core)


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
