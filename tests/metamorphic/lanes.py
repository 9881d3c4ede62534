"""One lane of the kernel as everything that it gives, and what two of them differ in."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

import sim
from tests.reference.compare import lane_of
from tests.reference.scenarios import Scenario

CAPACITY, DECISIONS = 60_000, 20_000
MANY_EVENTS = 20_000


@dataclass(frozen=True)
class Outcome:
    """Event log, decisions, and all counters by name (lists and histograms too)."""

    log: np.ndarray
    decisions: np.ndarray
    counters: dict[str, Any]

    def without(self, *names: str) -> "Outcome":
        """The same without some counters."""
        kept = {name: value for name, value in self.counters.items() if name not in names}
        return replace(self, counters=kept)


def outcome(scenario: Scenario) -> Outcome:
    """Simulate a scenario with the compiled kernel."""
    s = scenario
    log, counters = sim.simulate_logged(
        s.topology, s.workload, lane_of(s), s.simulation, s.timeline, capacity=CAPACITY, decisions=DECISIONS
    )
    decisions = counters.pop("decisions")
    return Outcome(log, decisions, counters)


def unlike(one: Outcome, other: Outcome) -> str:
    """What two outcomes differ in first; empty if they are equal to the bit."""
    for name in ("log", "decisions"):
        mine, theirs = getattr(one, name), getattr(other, name)
        if mine.shape != theirs.shape or not np.array_equal(mine, theirs):
            rows = min(len(mine), len(theirs))
            at = int(np.argmax(np.append((mine[:rows] != theirs[:rows]).any(axis=1), True)))
            rows = f"{mine[at:][:2].tolist()}, other {theirs[at:][:2].tolist()}"
            return f"{name}, row {at} of {len(mine)}: {rows}"
    for name, value in one.counters.items():
        if value != other.counters[name]:
            return f"{name}: {value}, other {other.counters[name]}"
    return ""


def with_room(scenario: Scenario) -> Scenario:
    """The scenario with so many events allowed that the horizon ends it."""
    return replace(scenario, simulation=replace(scenario.simulation, max_events=MANY_EVENTS))
