"""The laws that pairs of random lanes obey to the bit, and wrong laws that they must not obey."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import sim
from tests.metamorphic import irrelevant, never_binds, never_worth, relabelled, time_scale
from tests.metamorphic.lanes import Outcome, outcome, unlike
from tests.reference.scenarios import Scenario, random_scenario

CUT = sim.LaneStatus.EVENT_LIMIT | sim.LaneStatus.LOG_FULL | sim.LaneStatus.DECISIONS_FULL
Comparison = tuple[Scenario, Scenario, Callable[[Outcome, Scenario], Outcome], Callable[[Outcome], Outcome]]
"""Two scenarios, what the first one's outcome says that the second must be, and what of it is compared."""


@dataclass(frozen=True)
class Law:
    """A law between two lanes.

    family : of laws, as the report groups them
    name   : of the law
    of     : the comparison that a drawn scenario gives
    wrong  : the same with a mistake in it, that must show; None: the family shows its power elsewhere
    classes_only : is it about workloads of classes, not about replays?
    """

    family: str
    name: str
    of: Callable[[Scenario], Comparison]
    wrong: Callable[[Scenario], Comparison] | None = None
    classes_only: bool = False


@dataclass(frozen=True)
class Verdict:
    """What a law came to over some seeds.

    lanes : pairs compared; broken : seed -> what was not the same; migrations : in the first lanes of pairs
    """

    lanes: int
    broken: dict[int, str]
    migrations: int


def same(found: Outcome, scenario: Scenario) -> Outcome:
    """The second lane gives what the first one gives."""
    return found


def whole(found: Outcome) -> Outcome:
    """All of an outcome is compared."""
    return found


def equal(pair: Callable[[Scenario], irrelevant.Pair]) -> Callable[[Scenario], Comparison]:
    """The comparison of two lanes that must be equal."""
    return lambda scenario: (*pair(scenario), same, whole)


def unbound(name: str, table: dict) -> Callable[[Scenario], Comparison]:
    """A lane without limits, and one with a limit of a table."""
    base = never_binds.unlimited_returns if "returns" in name else never_binds.unlimited
    return equal(lambda scenario: (base(scenario), table[name](base(scenario))))


def slowed(change: Callable[[Scenario], Scenario] = lambda s: s) -> Callable[[Scenario], Comparison]:
    """A lane and the same one slower; `change` spoils the slower one."""

    def compare(scenario: Scenario) -> Comparison:
        one = time_scale.exact(scenario)
        expected = lambda found, _: time_scale.expected(found)  # noqa: E731
        return one, change(time_scale.slower(one)), expected, time_scale.comparable

    return compare


def quick_wake(scenario: Scenario) -> Scenario:
    """The scenario with a price that is not scaled."""
    wake_ns = scenario.cost.wake_ns // time_scale.K + 1
    return replace(scenario, cost=replace(scenario.cost, wake_ns=wake_ns))


def relabel(name: str) -> Callable[[Scenario], Comparison]:
    """A lane and the same one with other numbers."""
    pair, expected = relabelled.RELABELLED[name]

    def compare(scenario: Scenario) -> Comparison:
        one, other = pair(scenario)
        return one, other, lambda found, _: expected(found, scenario), whole

    return compare


def other_order(scenario: Scenario) -> Comparison:
    """Schedulers bound in an order, and a machine that is not renumbered."""
    one, _ = relabelled.bound_in_order(scenario)
    return one, relabelled.by_core(scenario), same, whole


def refused(threshold: float) -> Callable[[Scenario], Comparison]:
    """A threshold, and the policy none."""
    strip = never_worth.without_candidates
    return lambda s: (*never_worth.never_worth(s, threshold), lambda found, _: strip(found), strip)


def one_more(scenario: Scenario) -> Comparison:
    """A class that somebody does belong to."""
    one, other = irrelevant.pair("a class without processes", scenario)
    *classes, nobody = other.workload.classes
    workload = replace(other.workload, classes=(*classes, replace(nobody, count=1)))
    room = replace(other.simulation, max_processes=other.simulation.max_processes + 1)
    return one, replace(other, workload=workload, simulation=room), same, whole


def all_laws() -> Iterable[Law]:
    """Every law."""
    yield Law("time scaled", f"all times x {time_scale.K}", slowed(), slowed(quick_wake), classes_only=True)
    for name in relabelled.RELABELLED:
        wrong = other_order if name.startswith("cores") else None
        yield Law("renumbered", name, relabel(name), wrong)
    yield Law(
        "threshold_factor infinite is none", "benefit-driven migration", refused(float("inf")), refused(0.0)
    )
    for name in never_binds.NEVER:
        binds = unbound(name, never_binds.BINDS) if name in never_binds.BINDS else None
        yield Law("a limit that never binds", name, unbound(name, never_binds.NEVER), binds)
    for name in irrelevant.IRRELEVANT:
        of = equal(lambda scenario, name=name: irrelevant.pair(name, scenario))
        is_class = name == "a class without processes"
        yield Law("what is off is absent", name, of, one_more if is_class else None, classes_only=is_class)


LAWS = {f"{law.family}: {law.name}": law for law in all_laws()}


def hold(law: Law, seeds: Iterable[int], is_wrong: bool = False) -> Verdict:
    """Hold a law, or the wrong one beside it, against the scenarios of some seeds."""
    compare = law.wrong if is_wrong else law.of
    assert compare is not None
    lanes = migrations = 0
    broken: dict[int, str] = {}
    for seed in seeds:
        drawn = random_scenario(seed, replay=False if law.classes_only else None)
        one, other, expected, comparable = compare(drawn)
        found, theirs = outcome(one), outcome(other)
        if comparable is never_worth.without_candidates and found.counters["status"] & CUT:
            continue  # the two lanes were cut at different places
        lanes += 1
        migrations += found.counters["migration_count"]
        difference = unlike(expected(found, one), comparable(theirs))
        if difference:
            broken[seed] = difference
    return Verdict(lanes, broken, migrations)
