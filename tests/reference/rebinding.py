"""Moving schedulers between hardware cores (DESIGN §12, Re-binding)."""

from tests.reference.affinity import rescue
from tests.reference.codes import NONE, CoreState, EventKind, LogCode
from tests.reference.numbers import below
from tests.reference.run_queue import begin_wait
from tests.reference.sharing import release

PASSIVE = (CoreState.IDLE, CoreState.OFFLINE)


def migrate_scheduler(lane, core, hw: int) -> None:
    """Ask for a re-binding: done at once, or at the end of the running slice."""
    if hw == core.hw or not lane.hardware[hw].is_open:
        return
    if core.state == CoreState.RUNNING:
        core.wanted_hw = hw
    else:
        rebind(lane, core, hw)


def rebind(lane, core, hw: int, may_rescue: bool = True) -> None:
    """Let a scheduler that does not run stand on another hardware core from now on."""
    old = core.hw
    release(lane, core)
    core.hw, core.wanted_hw = hw, NONE
    lane.orders.clear()
    core.debt_ns += lane.binding.rebind_ns
    lane.count("rebind_count")
    lane.count("rebind_ns", lane.binding.rebind_ns)
    lane.note(LogCode.REBIND, core.index, None, hw, old)
    if core.state == CoreState.STALLED:
        lane.put_on_ready_list(core)
    elif core.state == CoreState.OFFLINE:
        if not core.is_suspended:
            come_online(lane, core, lane.hardware[old].cause)
    else:
        lane.make_due_if_needed(core)
    if may_rescue:
        rescue(lane)


def come_online(lane, core, cause) -> None:
    """Let a scheduler leave the state OFFLINE."""
    core.state = CoreState.IDLE
    lane.note(LogCode.ONLINE, core.index, None, core.hw, cause)
    if lane.is_erts:
        begin_wait(lane, core)
    lane.make_due_if_needed(core)


def bind_scheduler(lane, core, hw: int) -> None:
    """Pin a scheduler to a hardware core, and move it there."""
    core.is_pinned = True
    migrate_scheduler(lane, core, hw)


def rebinding_pass(lane) -> None:
    """Handle a re-binding pass and set the next."""
    view = View(lane)
    for _ in range(lane.binding.batch):
        if not (spread_out(view) or speed_up(view)):
            break
    if lane.binding.mode in ("none", "static"):
        move_by_system(view)
    lane.pending.set(EventKind.REBIND, 0, lane.now + lane.binding.period_ns)


def is_active(core) -> bool:
    """Tell whether a scheduler has, or is about to have, something to do."""
    return core.state not in PASSIVE


class View:
    """Who stands where, as a pass sees it."""

    def __init__(self, lane) -> None:
        self.lane = lane

    def place(self, core) -> int:
        """Give where a scheduler stands, or will when its slice has ended."""
        return core.hw if core.wanted_hw == NONE else core.wanted_hw

    def active_on(self, hw: int) -> list:
        """List the active schedulers on a hardware core."""
        return [core for core in self.lane.cores if self.place(core) == hw and is_active(core)]

    def free(self) -> list[int]:
        """List the open hardware cores without active schedulers."""
        return [h.index for h in self.lane.hardware if h.is_open and not self.active_on(h.index)]


def spread_out(view: View) -> bool:
    """Move a scheduler from the most crowded hardware core to a free one, if there are both."""
    lane, machine, crowds, free = view.lane, view.lane.machine, {}, view.free()
    for h in range(len(lane.hardware)):
        active = view.active_on(h)
        able = [core for core in active if not core.is_pinned and core.state != CoreState.RUNNING]
        if len(active) >= 2 and able:
            crowds[h] = (len(active), able)
    if not crowds or not free:
        return False
    crowded = max(crowds, key=lambda h: (crowds[h][0], -h))
    target = min(free, key=lambda h: (machine.base_q20[h], machine.distance(crowded, h), h))
    migrate_scheduler(lane, max(crowds[crowded][1], key=lambda core: core.index), target)
    return True


def speed_up(view: View) -> bool:
    """Move the busiest scheduler that has a faster free hardware core to the fastest of them."""
    lane, machine, faster, free = view.lane, view.lane.machine, {}, view.free()
    if lane.binding.mode not in ("dynamic", "hybrid"):
        return False
    for core in lane.cores:
        own_q20 = machine.base_q20[view.place(core)]
        better = [h for h in free if machine.base_q20[h] < own_q20]
        if is_active(core) and not core.is_pinned and better:
            faster[core] = better
    if not faster:
        return False
    chosen = min(faster, key=lambda core: (-core.load(), core.index))
    own = view.place(chosen)
    target = min(faster[chosen], key=lambda h: (machine.base_q20[h], machine.distance(own, h), h))
    migrate_scheduler(lane, chosen, target)
    return True


def move_by_system(view: View) -> None:
    """Let the operating system move one scheduler somewhere, now and then."""
    lane = view.lane
    core = lane.cores[below(lane.draw_policy("system"), len(lane.cores))]
    hw = below(lane.draw_policy("system"), len(lane.hardware))
    if core.is_pinned or core.state in (CoreState.OFFLINE, CoreState.RUNNING):
        return
    if lane.hardware[hw].is_open and hw != core.hw and not view.active_on(hw):
        lane.seen["moved by the system"] += 1
        migrate_scheduler(lane, core, hw)
