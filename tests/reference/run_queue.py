"""What the BEAM knows about the run queue of a scheduler, and about all of them (DESIGN §20)."""

from dataclasses import dataclass, field

from tests.reference.codes import NONE

LEVELS = ("max", "high", "normal", "low")
BALANCE_REDS = 4_000_000
PERIOD_REDS = 8_000_000
HISTORY = 7
SHORT_NS = 10**9
LONG_NS = 10**10


@dataclass(frozen=True)
class Path:
    """One way between two run queues at one level."""

    is_out: bool  # it emigrates; else it immigrates
    partner: int
    limit_here: int = 0
    limit_other: int = 0
    is_evacuate: bool = False
    was_inactive: bool = False  # made while its owner was inactive
    is_util: bool = False


class Utilisation:
    """Share of time that a scheduler works, over two windows that forget gradually."""

    def __init__(self) -> None:
        self.short_ns = self.long_ns = 0
        self.updated_ns = 0
        self.is_working = False  # since then

    def update(self, now: int, is_working: bool | None = None) -> None:
        """Add the time since the last update; `is_working`: what the scheduler does from now on."""
        elapsed_ns = now - self.updated_ns
        self.updated_ns = now
        self.short_ns = forget(self.short_ns, SHORT_NS, elapsed_ns, self.is_working)
        self.long_ns = forget(self.long_ns, LONG_NS, elapsed_ns, self.is_working)
        if is_working is not None:
            self.is_working = is_working


def forget(work_ns: int, window_ns: int, elapsed_ns: int, is_working: bool) -> int:
    """Let a part of a window's work be forgotten, and add what was worked since."""
    if elapsed_ns >= window_ns:
        return window_ns if is_working else 0
    kept = int(float(work_ns) * float(window_ns - elapsed_ns) / float(window_ns))
    return kept + (elapsed_ns if is_working else 0)


@dataclass(eq=False)
class RunQueue:
    """Numbers and flags of one scheduler's run queue; its lengths are those of the queues themselves."""

    max_len: list[int] = field(default_factory=lambda: [0] * 4)
    max_total: int = 0
    reds: list[int] = field(default_factory=lambda: [0] * 4)
    balance_reds: int = BALANCE_REDS
    history: list[int] = field(default_factory=lambda: [PERIOD_REDS] * HISTORY)
    history_sum: int = HISTORY * PERIOD_REDS
    wakeup_other: int = 0
    wakeup_reds: int = 0
    is_out_of_work: bool = True
    is_half_out: bool = True
    is_inactive: bool = False
    is_nonempty: bool = False
    is_waiting: bool = True
    paths: list[Path | None] = field(default_factory=lambda: [None] * 4)
    spin_until_ns: int = 0
    waits_since_ns: int = 0
    utilisation: Utilisation = field(default_factory=Utilisation)


@dataclass(eq=False)
class Vm:
    """What all run queues have in common; the number of schedulers online is the lane's `used`."""

    active: int
    last_active: int
    rise: tuple[int, int, int] = (0, 0, 0)  # active, greatest length, reductions
    is_halftime: bool = True
    history_at: int = 0
    is_forced: bool = False
    poller: int = 0  # NONE: nobody


def lengths(core) -> list[int]:
    """Count the queued processes of each level."""
    counts = [0] * len(LEVELS)
    for process in core.queued():
        counts[process.kind.priority] += 1
    return counts


def see_arrival(core, was_empty: bool) -> None:
    """Keep account of a process that has been appended to a scheduler's queue."""
    rq, counts = core.rq, lengths(core)
    if was_empty:
        rq.is_nonempty = True
    rq.max_len = [max(pair) for pair in zip(rq.max_len, counts, strict=True)]
    rq.max_total = max(rq.max_total, sum(counts))


def count_empty(lane) -> int:
    """Count the schedulers online that look for work or wait."""
    return sum(not core.rq.is_nonempty for core in lane.cores[: lane.used])


def util_short(lane, core) -> int:
    """Give the share of the last second or so, in ppm."""
    core.rq.utilisation.update(lane.now)
    return core.rq.utilisation.short_ns * 10**6 // SHORT_NS


def util_long(lane, core) -> int:
    """Give the share of the last ten seconds or so, in ppm."""
    core.rq.utilisation.update(lane.now)
    return core.rq.utilisation.long_ns // 10**4


def begin_wait(lane, core) -> None:
    """Let a scheduler wait: in the poll, if nobody else does, else it spins for a while."""
    rq, vm = core.rq, lane.vm
    rq.utilisation.update(lane.now, is_working=False)
    rq.is_nonempty, rq.is_waiting = False, True
    rq.waits_since_ns = lane.now
    if vm.poller == NONE:
        vm.poller, rq.spin_until_ns = core.index, lane.now
    else:
        rq.spin_until_ns = lane.now + lane.spin_ns


def end_wait(lane, core) -> None:
    """Let a scheduler that waited look for work; count the time that it has spun."""
    rq, vm = core.rq, lane.vm
    if not rq.is_waiting:
        return
    rq.utilisation.update(lane.now, is_working=True)
    rq.is_waiting, rq.is_nonempty = False, True
    if vm.poller == core.index:
        vm.poller = NONE
    lane.count("spin_ns", max(0, min(lane.now, rq.spin_until_ns) - rq.waits_since_ns))


def stop_wait(lane, core) -> None:
    """Let a scheduler that goes offline neither wait nor work."""
    end_wait(lane, core)
    core.rq.utilisation.update(lane.now, is_working=False)
    core.rq.is_nonempty = False
