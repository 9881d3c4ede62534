"""The scenarios that the oracle draws reach every field of every specification, and every choice."""

import dataclasses
import types
import typing
from collections import Counter, defaultdict
from collections.abc import Iterator
from typing import Any

import numpy as np

import sim
from sim.plan import plan_of
from sim.spec.base import Spec
from sim.topology.model import CacheLevel
from tests.reference.compare import lane_of
from tests.reference.scenarios import Scenario, random_scenario
from tests.reference.yaml_file import default_of, is_required

SEEDS = range(600)
OFTEN = 5
LOAD_MIN = 1e-6
ROOTS = (sim.Policy, sim.Cost, sim.Workload, sim.Replay, sim.Simulation, sim.Binding, sim.Timeline)
LEFT_OUT = {
    "Timeline.name": "a label: it changes no plan, as is shown below",
    "Replay.name": "a label: it changes no plan, as is shown below",
    "Replay.load": "becomes `copies` when lanes are planned, as is shown below",
}
NOT_READ = ("name", "node_bandwidth_mb_s", "node_os_index", "node_distance", "caches", "memory_controllers")
"""Fields of a machine that no lane depends on: they are for people, and for what describes machines."""


def specs_within(kind: Any) -> Iterator[type]:
    """The specifications that a type is made of, itself included."""
    if isinstance(kind, type) and issubclass(kind, Spec):
        yield kind
        for hint in typing.get_type_hints(kind).values():
            yield from specs_within(hint)
    elif isinstance(kind, types.UnionType) or typing.get_origin(kind) is not None:
        for part in typing.get_args(kind):
            yield from specs_within(part)


def values_within(value: Any) -> Iterator[tuple[type, dataclasses.Field, Any]]:
    """Every field of every specification in a value."""
    if isinstance(value, Spec):
        for field in dataclasses.fields(value):
            yield type(value), field, getattr(value, field.name)
            yield from values_within(getattr(value, field.name))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from values_within(item)


def drawn() -> Iterator[tuple[str, dataclasses.Field, Any]]:
    """What the fields are in the scenarios of the seeds, by "Specification.field"."""
    for seed in SEEDS:
        scenario = random_scenario(seed)
        for part in dataclasses.fields(Scenario):
            for kind, field, value in values_within(getattr(scenario, part.name)):
                yield f"{kind.__name__}.{field.name}", field, value


def test_every_field_leaves_its_default_and_every_choice_is_made() -> None:
    others: Counter[str] = Counter()
    choices: dict[str, set] = defaultdict(set)
    for name, field, value in drawn():
        if is_required(field):
            # Traces are made anew for each scenario; other values count once each.
            others[name] += isinstance(value, sim.ReplayTrace) or value not in choices[name]
            choices[name].add(id(value) if isinstance(value, sim.ReplayTrace) else value)
        else:
            others[name] += value != default_of(field)
            if "options" in field.metadata or isinstance(value, bool):
                choices[name].add(value)
    every = {
        f"{kind.__name__}.{field.name}": field
        for root in ROOTS
        for kind in specs_within(root)
        for field in dataclasses.fields(kind)
    }
    assert len(every) > 150
    missing = {name for name in every if others[name] < OFTEN}
    assert missing == set(LEFT_OUT)
    for name, field in every.items():
        options = set(field.metadata.get("options", ())) or ({True, False} & choices[name])
        if isinstance(field.default, bool):
            options = {True, False}
        assert options <= choices[name], name


def test_every_column_of_a_machine_varies_or_is_not_read() -> None:
    by_shape: dict[str, Counter] = defaultdict(Counter)
    for seed in SEEDS:
        topology = random_scenario(seed).topology
        for field in dataclasses.fields(topology):
            value = getattr(topology, field.name)
            is_array = isinstance(value, np.ndarray)
            key = (field.name, value.shape) if is_array else (field.name,)
            by_shape[field.name][(key, value.tobytes() if is_array else value)] += 1
    # Core types are names: which one a core has varies (core_type), what they are called need not.
    constant = {name for name, values in by_shape.items() if max_variants(values) < 2}
    assert constant == {*NOT_READ, "core_type_names"}


def max_variants(values: Counter) -> int:
    """The most different values of one shape."""
    return max(Counter(key for key, _ in values).values())


def assert_same_plan(one: Scenario, other: Scenario) -> None:
    """Assert that the kernel gets the same tables and parameters for two scenarios."""
    plans = [plan_of(s.topology, s.workload, [lane_of(s)], s.simulation, s.timeline) for s in (one, other)]
    mine, theirs = plans
    assert mine.parameters.tobytes() == theirs.parameters.tobytes()
    assert mine.tables.whole.tobytes() == theirs.tables.whole.tobytes()
    assert mine.tables.real.tobytes() == theirs.tables.real.tobytes()
    assert [rows.tolist() for rows in mine.maps] == [rows.tolist() for rows in theirs.maps]
    assert mine.node_capacity.tolist() == theirs.node_capacity.tolist()
    assert (mine.closed, mine.stagger_ns) == (theirs.closed, theirs.stagger_ns)


def test_columns_that_are_not_read_change_no_plan() -> None:
    several = (s for s in map(random_scenario, SEEDS) if s.topology.num_nodes > 2)
    scenario = dataclasses.replace(next(several), binding=sim.Binding(order="tnnps"))
    n = scenario.topology.num_nodes
    changes = {
        "name": "another",
        "node_bandwidth_mb_s": [7] * n,
        "node_os_index": [2 * i + 1 for i in range(n)],
        "node_distance": [[10 if i == j else 33 for j in range(n)] for i in range(n)],
        "caches": (CacheLevel(2, "unified", 4096, 64, ((0,),)),),
        "memory_controllers": 3,
    }
    assert changes.keys() == set(NOT_READ)
    other = dataclasses.replace(scenario.topology, **changes)
    assert_same_plan(scenario, dataclasses.replace(scenario, topology=other))


def test_names_and_loads_of_replays_change_no_plan() -> None:
    compared = 0
    for seed in range(40):
        scenario = random_scenario(seed, replay=True)
        trace = scenario.workload.trace
        run_ns = int(trace.value[trace.op == sim.ReplayOp.RUN].sum())
        # A copy keeps one core of speed 1 busy for run_ns of its window.
        capacity = float(scenario.topology.core_speed.sum())
        load = scenario.workload.copies * run_ns / trace.window_ns / capacity
        if load < LOAD_MIN:
            continue
        other = dataclasses.replace(scenario.workload, copies=None, load=load, name="another")
        timeline = dataclasses.replace(scenario.timeline, name="another")
        assert_same_plan(scenario, dataclasses.replace(scenario, workload=other, timeline=timeline))
        compared += 1
    assert compared > 20
