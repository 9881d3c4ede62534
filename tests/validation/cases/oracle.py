"""The oracle: a naive simulator written from the design, against the compiled kernel, event for event."""

import pytest

from tests.oracle.mistakes import let_thieves_take_the_second
from tests.reference.compare import difference, run_kernel, run_reference
from tests.reference.hunt import kind_of, report_of
from tests.reference.scenarios import random_scenario
from tests.reference.shrink import shrink
from tests.validation.case import Outcome, Plot, Scale, Series
from tests.validation.judge import exact
from tests.validation.registry import case

SCENARIOS = 90
FIRST = 20_000
"""Seeds of its own: the ordinary tests have 0, 1, .."""
SHOWN = 12


@case("Oracle: kernel against the naive simulator", "oracle", "sim/DESIGN.md; tests/reference")
def oracle(scale: Scale) -> Outcome:
    """Random configurations over every field of every specification, simulated twice.

    The naive simulator is plain Python written from the design alone. Compared are the event log entry by
    entry, the log of decisions, all counters and histograms, energy, and the metrics that come from no log.
    A mistake put into the naive one (a thief takes the second process) must be found. A scenario that
    differs is shrunk to a few lines: python -m tests.reference.hunt.
    """
    seeds = range(FIRST, FIRST + (SCENARIOS if scale.is_full else 12))
    differing = [seed for seed in seeds if difference(random_scenario(seed)) is not None]
    checks = [exact(f"scenarios of {len(seeds)} that differ", len(differing), 0)]
    notes = [f"python -m tests.reference.hunt --from {seed} --count 1" for seed in differing[:5]]
    if scale.is_full:
        cores, attempts = shrunk_mistake()
        checks.append(exact("scenarios with a mistake that shrink to 4 cores or fewer", int(cores <= 4), 1))
        notes.append(f"A mistake put in was found and shrunk to {cores} cores in {attempts} attempts.")
    shown = seeds[: SHOWN if scale.is_full else 6]
    entries = [len(run_reference(random_scenario(seed)).log) for seed in shown]
    lines = (
        Series("equal logs", True, (0, max(entries)), (0.0, float(max(entries)))),
        Series("both simulators", False, entries, [agreed(seed) for seed in shown]),
    )
    title = "Entries of the event log that agree, for some scenarios"
    return Outcome(checks, [Plot(title, "entries, naive", "entries that agree", lines)], notes)


def agreed(seed: int) -> float:
    """Entries of the kernel's log that are those of the naive simulator, up to the first that is not."""
    scenario = random_scenario(seed)
    pairs = zip(run_reference(scenario).log, run_kernel(scenario)[0], strict=False)
    count = 0
    for mine, theirs in pairs:
        if tuple(mine) != theirs:
            break
        count += 1
    return float(count)


def shrunk_mistake() -> tuple[int, int]:
    """Break the naive simulator, find a scenario that shows it, shrink it: cores left, attempts."""
    with pytest.MonkeyPatch.context() as patch:
        let_thieves_take_the_second(patch)
        seed = next(s for s in range(FIRST, FIRST + 200) if report_of(random_scenario(s)) is not None)
        small = shrink(random_scenario(seed), lambda other: kind_of(report_of(other)) == "difference")
    return small.scenario.topology.num_cores, small.attempts
