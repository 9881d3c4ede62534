"""`debug=invariants`: every invariant of the simulator is looked at while lanes run.

The results are the same bits, so the run key does not know of it; but it takes a thousand to a million times
as long, which is said before anything is run. The first break of a lane is told with the command that shows
it again: `pipeline.simulate` ends with it, a sweep reports the lane among the failed ones and goes on.
"""

import shlex
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

import sim
from pipeline.config.build import build
from pipeline.config.grid import Point, Study
from pipeline.config.schema import DebugInvariants
from pipeline.errors import UserError
from pipeline.evidence.rerun import PLACES, word_key
from pipeline.run.lanes import Toolkit, coreshift_toolkit
from pipeline.run.progress import PLAIN_PERIOD_S, duration
from pipeline.run.worker import Simulate

SAMPLE_S = 1.5  # of looks, to tell how long they will take
LONG_S = 60.0
FAILURES_SHOWN = 5
OnBreak = Callable[[sim.Lane, sim.Break], None]


class BrokenInvariantError(UserError):
    """An invariant of the simulator does not hold: the report, and the command that shows it again."""

    exit_code = 1


class EnoughError(Exception):
    """A sample of looks is long enough."""


class Ticker:
    """Tells on stderr how far the looks at a lane are, every few seconds, and counts them."""

    def __init__(self, replicate: int) -> None:
        self.replicate = replicate
        self.looks = 0
        self.began = self.told = time.monotonic()
        self.first = -1

    def __call__(self, _: int, events: int, total: int) -> None:
        now = time.monotonic()
        self.looks += 1
        if self.first < 0:
            self.first, self.began = events, now
        if now - self.told < PLAIN_PERIOD_S:
            return
        self.told = now
        rate = max(1, events - self.first) / max(1e-9, now - self.began)
        left = duration((total - events) / rate)
        text = (
            f"replicate {self.replicate}: {events:,} of {total:,} events, {rate:,.0f} a second, {left} left"
        )
        print(text, file=sys.stderr, flush=True)


@dataclass(frozen=True)
class CheckedSimulate:
    """sim.simulate with looks, one lane after the other; goes to workers.

    settings : when lanes are looked at, and which
    on_break : called with the first break of a lane
    looks    : at each lane so far, in this process
    """

    settings: DebugInvariants
    on_break: OnBreak | None = field(default=None, compare=False)
    looks: list[int] = field(default_factory=list, compare=False)

    def __call__(
        self,
        topology: Any,
        workload: Any,
        lanes: Iterable[sim.Lane],
        simulation: Any = None,
        faults: Any = None,
        threads: int = 1,
    ) -> sim.CheckedResult:
        shared = (topology, workload)
        results: list[sim.Result] = []
        breaks: dict[int, sim.Break] = {}
        for index, lane in enumerate(lanes):
            if self.settings.replicate not in (None, lane.replicate):
                results.append(sim.simulate(*shared, [lane], simulation, faults))
                continue
            looks, ticker = looks_of(self.settings), Ticker(lane.replicate)
            found = sim.simulate_checked(*shared, [lane], simulation, faults, looks=looks, on_look=ticker)
            results.append(found)
            self.looks.append(ticker.looks)
            if found.breaks:
                breaks[index] = found.breaks[0]
                if self.on_break is not None:
                    self.on_break(lane, breaks[index])
        columns = {name: np.concatenate([r.columns[name] for r in results]) for name in results[0].columns}
        return sim.CheckedResult(columns, np.concatenate([r.core_utilisation for r in results]), breaks)


def looks_of(settings: DebugInvariants) -> sim.Looks:
    """When the simulator looks."""
    return sim.Looks(every=settings.every, from_event=settings.from_event)


def toolkit_of(study: Study) -> Toolkit:
    """The simulator that a study's debug settings ask for; says before it is used how slow it is."""
    settings, toolkit = study.config.debug, coreshift_toolkit()
    if not isinstance(settings, DebugInvariants):
        return toolkit
    count = len(study.points) * (study.replicates if settings.replicate is None else 1)
    announce(study, study.points[0], settings, count)
    return replace(toolkit, simulate=CheckedSimulate(settings))


def simulate_of(study: Study, point: Point, number: int | None) -> Simulate:
    """As toolkit_of, for one point, that was asked for by its number or is the only one.

    Raises
    ------
    BrokenInvariantError when it is called, at the first break
    """
    settings = study.config.debug
    if not isinstance(settings, DebugInvariants):
        return sim.simulate

    def stop(lane: sim.Lane, found: sim.Break) -> None:
        again = command_again(study, number, lane.replicate, found.event)
        where = f"replicate {lane.replicate}, seed {study.seed}"
        raise BrokenInvariantError(f"{where}: {found}", f"again: {again}")

    announce(study, point, settings, study.replicates if settings.replicate is None else 1)
    return CheckedSimulate(settings, stop)


def announce(study: Study, point: Point, settings: DebugInvariants, count: int) -> None:
    """Say on stderr how slow it will be, from the first lane: its events, and looks for a moment."""
    if settings.replicate is not None and settings.replicate >= study.replicates:
        raise UserError(
            f"debug.replicate = {settings.replicate}: must be from 0 to {study.replicates - 1}, as there are "
            f"{study.replicates} replicates"
        )
    inputs = build(point.config)
    replicate = settings.replicate or 0
    lane = sim.Lane(inputs.policy, inputs.cost, study.seed, replicate, inputs.binding)
    seen = [0, 0, 0]
    sim.compile_kernels()
    began = time.monotonic()

    def sample(_: int, events: int, total: int) -> None:
        nonlocal began
        if not seen[2]:
            seen[:] = [events, events, total]
            began = time.monotonic()
        seen[1] = events
        if time.monotonic() - began > SAMPLE_S:
            raise EnoughError

    parts = (inputs.topology, inputs.workload, [lane], inputs.simulation, inputs.faults)
    with suppress(EnoughError):
        sim.simulate_checked(*parts, looks=looks_of(settings), on_look=sample)
    rate = max(1, seen[1] - seen[0]) / max(1e-9, time.monotonic() - began)
    if not seen[2]:  # the first look found a break: there is nothing to wait for
        return
    print(slow_text(settings, seen[2], rate, count), file=sys.stderr, flush=True)


def tell_looks(simulate: Simulate) -> None:
    """Say on stderr that the invariants held, and at how many looks; nothing without debug=invariants.

    Raises
    ------
    UserError if nothing was looked at: that every invariant held would say nothing
    """
    if not isinstance(simulate, CheckedSimulate):
        return
    if not sum(simulate.looks):
        raise UserError(
            f"debug.from_event = {simulate.settings.from_event:,} is behind the last event: "
            "nothing was looked at.",
            "Choose an earlier one, or leave it out.",
        )
    lanes = f"{len(simulate.looks)} lane{'s' * (len(simulate.looks) != 1)}"
    held = f"{len(sim.INVARIANTS)} invariants held at {sum(simulate.looks):,} looks in {lanes}"
    print(f"debug=invariants: {held}.", file=sys.stderr)


def slow_text(settings: DebugInvariants, total: int, rate: float, count: int) -> str:
    """How long looks at some lanes will take, and what takes less."""
    often = "every event" if settings.every == 1 else f"every {settings.every:,} events"
    left_s = max(0, total - settings.from_event) / rate
    text = (
        f"debug=invariants: {len(sim.INVARIANTS)} invariants are looked at after {often}, {rate:,.0f} events "
        f"a second. A lane of {total:,} events takes about {duration(left_s)}; {count} to do."
    )
    if left_s * count > LONG_S:
        text += (
            f" Less often is quicker: debug.every={settings.every * 1000} finds the same event by halving."
        )
    return text


def command_again(study: Study, point: int | None, replicate: int, event: int) -> str:
    """The command that shows a break again, at once: the events before it are only handled."""
    aside = {*PLACES, "point"} - {"study", "sweep", "objective"}
    words = [word for word in study.command[3:] if word_key(word).split(".")[0] not in aside]
    words += [] if point is None else [f"point={point}"]
    words += ["debug=invariants", f"debug.from_event={max(0, event - 1)}", f"debug.replicate={replicate}"]
    return shlex.join(["python", "-m", "pipeline.simulate", *words])


def tell_breaks(study: Study, failed: Sequence[Mapping[str, Any]]) -> int:
    """Say on stderr which lanes of a sweep broke, and how to see each again; gives their number."""
    broken = [lane for lane in failed if lane["status"] & sim.LaneStatus.BROKEN_INVARIANT]
    for lane in broken[:FAILURES_SHOWN]:
        settings = ", ".join(f"{key}={value}" for key, value in (lane["axes"] or lane["labels"]).items())
        where = f"point {lane['point']} ({settings}), replicate {lane['replicate']}, seed {lane['seed']}"
        event = int(lane["error"].partition("after event ")[2].partition(",")[0])
        again = command_again(study, lane["point"], lane["replicate"], event)
        print(f"Broken: {where}: {lane['error']}\n  again: {again}", file=sys.stderr)
    if isinstance(study.config.debug, DebugInvariants) and not broken:
        print("debug=invariants: no invariant broke.", file=sys.stderr)
    if len(broken) > FAILURES_SHOWN:
        print(f"{len(broken) - FAILURES_SHOWN} more lanes broke, as failures.json says.", file=sys.stderr)
    return len(broken)
