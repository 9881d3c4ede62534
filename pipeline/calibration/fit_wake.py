"""How long an idle scheduler takes to wake, and how long it spins before it sleeps.

A message to a process that waits on an idle scheduler wakes that scheduler. The latency, from the message
to the scheduler being active, is small while it still spins and large once it sleeps: a step over the time
that it had been idle, whose place is the spin time. Found by least absolute deviations of the logarithm, as
a busy machine makes some wake-ups very late.

The first scheduler to run out of work sleeps in the I/O poll at once (`+IOs true`), so the step is looked
for where another one was idle already; wake-ups of the first one show only what waking from sleep costs.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.beam_trace.read import MISSING, EventKind
from pipeline.calibration.measured import Measured, missing
from pipeline.calibration.recording import Recording
from pipeline.calibration.statistics import bootstrap, interval

SIDE_MIN = 15
"""Wake-ups on each side of a step."""
SLEEPERS_MIN = 20
CHECKS_MIN = 5
PLACES = 60
STEP_RATIO_MIN = 1.3
"""The lower end of the interval of the step, below which there is none."""
WIDEST_RATIO = 5.0
RIGHT_MIN = 0.65
"""Share of held-out wake-ups that a step must tell rightly; one that means nothing tells half of them."""
KIND = "95 % interval"


@dataclass(frozen=True, eq=False)
class Wakes:
    """Wake-ups by a message; columns are (wake-up,) arrays."""

    idle_ns: NDArray[np.float64]  # how long the scheduler had been idle
    latency_ns: NDArray[np.float64]  # from the message to active
    spins: NDArray[np.bool_]  # another scheduler was idle already, so this one spun before it slept
    fitted: NDArray[np.bool_]  # False = held out


@dataclass
class _Idle:
    since_ns: int
    spins: bool
    sent_ns: int = -1
    pid: int = MISSING
    active_ns: int = -1


def find_wakes(recording: Recording) -> Wakes:
    """Wake-ups in which the awaited process is the first to run, on the scheduler where it ran last.

    Then nothing else woke the scheduler or was queued before, as far as a recording can tell.
    """
    trace = recording.trace
    kind = trace.kind.copy()
    active = -1
    kind[recording.active_rows] = active
    kinds = (EventKind.IN, EventKind.SEND, EventKind.INACTIVE)
    rows = np.flatnonzero(np.isin(kind, [active, *(int(each) for each in kinds)]))
    columns = (trace.t_ns[rows], kind[rows], trace.scheduler[rows], trace.pid[rows], trace.peer[rows])
    idle: dict[int, _Idle] = {}
    home: dict[int, int] = {}
    pending: set[int] = set()
    found: list[tuple[int, int, bool, int]] = []
    for t_ns, event, scheduler, pid, peer in zip(*(column.tolist() for column in columns), strict=True):
        if event == EventKind.INACTIVE and 1 <= scheduler <= trace.schedulers:
            others = (state for number, state in idle.items() if number != scheduler)
            idle[scheduler] = _Idle(t_ns, spins=any(state.active_ns < 0 for state in others))
        elif event == EventKind.SEND:
            state = idle.get(home.get(peer, MISSING))
            if state and state.sent_ns < 0 and state.active_ns < 0 and peer not in pending:
                state.sent_ns, state.pid = t_ns, peer
            pending.add(peer)
        elif event == active:
            if scheduler in idle:
                idle[scheduler].active_ns = t_ns
        elif event == EventKind.IN:
            state = idle.pop(scheduler, None)
            if state and state.pid == pid and state.active_ns > state.sent_ns:
                times = (state.sent_ns - state.since_ns, state.active_ns - state.sent_ns)
                found.append((*times, state.spins, state.sent_ns))
            home[pid] = scheduler
            pending.discard(pid)
    table = np.array(found, float).reshape(-1, 4)
    fitted = table[:, 3] < recording.split_ns
    return Wakes(table[:, 0], table[:, 1], table[:, 2] > 0, fitted)


def fit_wake(recording: Recording) -> list[Measured]:
    """wake_ns, spin_ns and spin_wake_ns, each or the reason why it is not found."""
    if not (recording.trace.kind == EventKind.INACTIVE).any():
        return _nothing("no scheduler ran out of work in the recording, or scheduler events are off")
    if not recording.trace.has_sends:
        return _nothing("messages were not recorded, so nobody knows when a scheduler was woken")
    wakes = find_wakes(recording)
    if not wakes.idle_ns.size:
        return _nothing("no message woke an idle scheduler")
    return fit_wakes(wakes)


def fit_wakes(wakes: Wakes) -> list[Measured]:
    """wake_ns, spin_ns and spin_wake_ns of wake-ups, each or the reason why it is not found."""
    spinners = wakes.spins & wakes.fitted
    step, why = fit_step(wakes.idle_ns[spinners], wakes.latency_ns[spinners])
    if step is not None:
        right, count = _right_sides(wakes, step)
        if count >= CHECKS_MIN and right < RIGHT_MIN:
            found, step = step[1].value, None
            why = f"a step at {found:.0f} ns fits, but {right:.0%} only of {count} held-out wake-ups agree"
    if step is None:
        wake = _from_sleepers(wakes)
        return [wake, missing("spin_ns", "ns", why), missing("spin_wake_ns", "ns", why)]
    return _with_check(wakes, step)


def fit_step(
    idle_ns: NDArray[np.float64], latency_ns: NDArray[np.float64]
) -> tuple[list[Measured] | None, str]:
    """The step as wake_ns, spin_ns, spin_wake_ns; or None, and why there is none."""
    if idle_ns.size < 2 * SIDE_MIN:
        return None, f"{idle_ns.size} wake-ups of schedulers that spin first, {2 * SIDE_MIN} are needed"
    order = np.argsort(idle_ns, kind="stable")
    idle_ns, log_ns = idle_ns[order], np.log(np.maximum(latency_ns[order], 1.0))
    place = _best_place(idle_ns, log_ns)
    draws = bootstrap(idle_ns.size, lambda rows: _best_place(idle_ns[np.sort(rows)], log_ns[np.sort(rows)]))
    spin = interval(draws[:, 0])
    ratio = interval(np.exp(draws[:, 2] - draws[:, 1]))
    if ratio[0] < STEP_RATIO_MIN:
        return (
            None,
            f"no step over idle time: late wake-ups take {ratio[0]:.2g} to {ratio[1]:.2g} times as long",
        )
    if spin[1] > WIDEST_RATIO * spin[0]:
        return None, f"the step may lie anywhere from {spin[0]:.0f} to {spin[1]:.0f} ns of idling"
    early, late = interval(np.exp(draws[:, 1])), interval(np.exp(draws[:, 2]))
    if late[1] > WIDEST_RATIO * late[0]:
        return None, f"waking from sleep may take anything from {late[0]:.0f} to {late[1]:.0f} ns"
    counts = int((idle_ns <= place[0]).sum()), int((idle_ns > place[0]).sum())
    wake = Measured(
        "wake_ns", float(np.exp(place[2])), "ns", *late, KIND, counts[1], "idle for longer than it spins"
    )
    stop = Measured("spin_ns", place[0], "ns", *spin, KIND, idle_ns.size, "where waking becomes slow")
    spin_wake = Measured(
        "spin_wake_ns", float(np.exp(place[1])), "ns", *early, KIND, counts[0], "idle for less"
    )
    return [wake, stop, spin_wake], ""


def _best_place(idle_ns: NDArray[np.float64], log_ns: NDArray[np.float64]) -> tuple[float, float, float]:
    """Idle time at the step, and the medians of the logarithms before and after it; rows sorted by idle."""
    places = np.unique(np.linspace(SIDE_MIN, idle_ns.size - SIDE_MIN, PLACES).astype(int))
    best, result = np.inf, (0.0, 0.0, 0.0)
    for place in places.tolist():
        before, after = log_ns[:place], log_ns[place:]
        levels = float(np.median(before)), float(np.median(after))
        cost = np.abs(before - levels[0]).sum() + np.abs(after - levels[1]).sum()
        if cost < best:
            middle = float(np.sqrt(max(idle_ns[place - 1], 1.0) * max(idle_ns[place], 1.0)))
            best, result = cost, (middle, *levels)
    return result


def _with_check(wakes: Wakes, step: list[Measured]) -> list[Measured]:
    wake, spin, spin_wake = step
    late = wakes.idle_ns > (spin.value or 0.0)
    check = wakes.spins & ~wakes.fitted
    told = [
        _told(wakes.latency_ns[check & side], level) for side, level in ((late, wake), (~late, spin_wake))
    ]
    return [
        Measured(**(wake.data() | {"held_out": told[0]})),
        Measured(**(spin.data() | {"held_out": _sides(wakes, step)})),
        Measured(**(spin_wake.data() | {"held_out": told[1]})),
    ]


def _right_sides(wakes: Wakes, step: list[Measured]) -> tuple[float, int]:
    """Share of held-out wake-ups that are slow just when idle for longer than the step, and their number.

    Slow is above the geometric mean of the two levels. Both sides of the step count the same, so that a step
    that means nothing tells one half, however many wake-ups lie on one side.
    """
    wake, spin, spin_wake = (value.value or 0.0 for value in step)
    check = wakes.spins & ~wakes.fitted
    if not check.any():
        return 0.0, 0
    is_slow = wakes.latency_ns[check] > np.sqrt(wake * spin_wake)
    is_late = wakes.idle_ns[check] > spin
    shares = [float(np.mean(is_slow[side] == is_late[side])) for side in (is_late, ~is_late) if side.any()]
    return sum(shares) / len(shares), int(check.sum())


def _sides(wakes: Wakes, step: list[Measured]) -> str:
    right, count = _right_sides(wakes, step)
    if count < CHECKS_MIN:
        return "too little held out to check"
    return f"held out: {right:.0%} of {count} wake-ups on the right side"


def _told(latency_ns: NDArray[np.float64], level: Measured) -> str:
    if latency_ns.size < CHECKS_MIN or not level.value:
        return "too little held out to check"
    return f"held out: median {np.median(latency_ns) / level.value - 1:+.0%} (n = {latency_ns.size})"


def _from_sleepers(wakes: Wakes) -> Measured:
    """wake_ns from schedulers that sleep at once, if there are enough of them."""
    latency_ns = wakes.latency_ns[~wakes.spins & wakes.fitted]
    if latency_ns.size < SLEEPERS_MIN:
        why = f"{latency_ns.size} wake-ups of schedulers that sleep at once, {SLEEPERS_MIN} are needed"
        return missing("wake_ns", "ns", why)
    low, high = interval(bootstrap(latency_ns.size, lambda rows: np.median(latency_ns[rows])))
    if high > WIDEST_RATIO * low:
        return missing("wake_ns", "ns", f"anything from {low:.0f} to {high:.0f} ns would fit")
    note = "first scheduler to be idle, which sleeps in the I/O poll at once"
    wake = Measured("wake_ns", float(np.median(latency_ns)), "ns", low, high, KIND, latency_ns.size, note)
    told = _told(wakes.latency_ns[~wakes.spins & ~wakes.fitted], wake)
    return Measured(**(wake.data() | {"held_out": told}))


def _nothing(why: str) -> list[Measured]:
    return [missing(name, "ns", why) for name in ("wake_ns", "spin_ns", "spin_wake_ns")]
