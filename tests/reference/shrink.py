"""Make a scenario that fails as small as it can be: delta debugging over the whole configuration.

Zeller and Hildebrandt 2002 (ddmin) for lists - classes, steps, entries of the timeline, rows of a trace,
cores - and the same greed for everything else: a part back at its default, a shorter horizon, fewer events,
smaller counts, a plainer machine. A change is kept if the scenario still fails. Passes are repeated until
none of them finds anything.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import sim
from sim.topology import TopologyError
from sim.workload.replay import TraceError
from tests.reference.scenarios import Scenario
from tests.reference.shrink_machine import fewer_cores, plainer_machines
from tests.reference.shrink_specs import Attempt, simpler_spec, without_some
from tests.reference.shrink_trace import shorter_traces

ATTEMPTS_MAX = 4000
MANY_EVENTS = 10**6  # so many that the horizon ends the lane
FRACTIONS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.97)
INVALID = (sim.SpecError, TopologyError, TraceError)
IsFailing = Callable[[Scenario], bool]


@dataclass
class Shrunk:
    """What is left of a scenario, and how many attempts it took."""

    scenario: Scenario
    attempts: int = 0


def shrink(scenario: Scenario, is_failing: IsFailing, attempts_max: int = ATTEMPTS_MAX) -> Shrunk:
    """Give a small scenario that fails as this one does."""
    found = Shrunk(scenario)
    has_changed = True
    while has_changed and found.attempts < attempts_max:
        before = found.scenario
        for simpler in PASSES:
            exhaust(found, simpler, is_failing, attempts_max)
        has_changed = found.scenario is not before
    return found


def exhaust(found: Shrunk, simpler: Callable, is_failing: IsFailing, attempts_max: int) -> None:
    """Apply a pass as often as it makes the scenario simpler."""
    is_done = False
    while not is_done:
        is_done = True
        for attempt in simpler(found.scenario):
            if found.attempts >= attempts_max:
                return
            candidate = made(attempt)
            # A part may put back what it was asked to leave out.
            if candidate is None or candidate == found.scenario:
                continue
            found.attempts += 1
            if is_failing(candidate):
                found.scenario, is_done = candidate, False
                break


def made(attempt: Attempt) -> Scenario | None:
    """Make a candidate, unless its parts do not go together."""
    try:
        return attempt()
    except INVALID:
        return None


def fewer_events(scenario: Scenario) -> Iterable[Attempt]:
    """Stop the lane earlier."""
    simulation = scenario.simulation
    for fraction in FRACTIONS:
        count = int(simulation.max_events * fraction)
        if 1 <= count < simulation.max_events:
            yield lambda count=count: replace(scenario, simulation=replace(simulation, max_events=count))


def shorter_horizons(scenario: Scenario) -> Iterable[Attempt]:
    """Let the horizon be nearer, and be what ends the lane; let there be no warm-up, and one window."""
    simulation = scenario.simulation
    for fraction in FRACTIONS:
        end_ns = int(simulation.horizon_ns * fraction)
        for events in (MANY_EVENTS, simulation.max_events):
            yield lambda end_ns=end_ns, events=events: until(scenario, end_ns, events)
    if (simulation.warmup_ns, simulation.window_ns) != (0, simulation.horizon_ns):
        yield lambda: until(scenario, simulation.horizon_ns, simulation.max_events)


def until(scenario: Scenario, end_ns: int, events: int) -> Scenario:
    """The scenario with another end, measured from the beginning in one window."""
    times = {"horizon_ns": end_ns, "warmup_ns": 0, "window_ns": end_ns, "max_events": events}
    return replace(scenario, simulation=replace(scenario.simulation, **times))


def fewer_classes(scenario: Scenario) -> Iterable[Attempt]:
    """Leave classes out, with the steps and the entries that name them."""
    if isinstance(scenario.workload, sim.Workload):
        for rest in without_some(scenario.workload.classes):
            yield lambda rest=rest: only_classes(scenario, rest)
            # Those that others brought to life are there from the start.
            present = tuple(replace(kind, count=max(1, kind.count)) for kind in rest)
            yield lambda present=present: only_classes(scenario, present)


def only_classes(scenario: Scenario, rest: tuple[sim.ProcessClass, ...]) -> Scenario:
    """Keep some of the classes."""
    names = {kind.name for kind in rest}
    classes = [
        replace(kind, program=tuple(step for step in kind.program if step.to in (None, *names)))
        for kind in rest
    ]
    changes = [c for c in scenario.timeline.changes if c.process_class in (None, *names)]
    return replace(
        scenario,
        workload=replace(scenario.workload, classes=tuple(classes)),
        timeline=replace(scenario.timeline, changes=tuple(changes)),
    )


def simpler_parts(scenario: Scenario) -> Iterable[Attempt]:
    """Let one part, then one field of a part, go back to its default, or to something smaller."""
    for name in ("timeline", "binding", "policy", "cost", "workload", "simulation"):
        part = getattr(scenario, name)
        if name in ("timeline", "binding", "policy", "cost") and part != type(part)():
            yield lambda name=name, part=part: replace(scenario, **{name: type(part)()})
        for simpler in simpler_spec(part):
            yield lambda name=name, simpler=simpler: replace(scenario, **{name: simpler()})
    for name in ("seed", "replicate"):
        if getattr(scenario, name):
            yield lambda name=name: replace(scenario, **{name: 0})


PASSES = (
    fewer_events,
    shorter_horizons,
    fewer_classes,
    shorter_traces,
    fewer_cores,
    plainer_machines,
    simpler_parts,
)
