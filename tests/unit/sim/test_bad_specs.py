"""What cannot be simulated is refused before anything runs: where, the value, and what is allowed."""

import dataclasses
import math
import pickle

import numpy as np
import pytest

import sim
from tests.analytic.machines import machine

RUN = sim.Step(op="run", draw=sim.Distribution(mean=100.0))
EXIT = sim.Step(op="exit")
SEND = sim.Step(op="send", to="one")


def one(**fields) -> sim.ProcessClass:
    """A class that is fine but for the given fields."""
    return sim.ProcessClass(**{"name": "one", "count": 1, "program": (RUN,), **fields})


def load(*classes: sim.ProcessClass, **fields) -> sim.Workload:
    """A workload of these classes."""
    return sim.Workload(classes=classes or (one(),), **fields)


def run(workload=None, policy=None, lanes=None, topology=None, **simulation) -> sim.Result:
    """Simulate what a case describes."""
    lanes = [sim.Lane(policy or sim.Policy())] if lanes is None else lanes
    fields = {"horizon_ns": 10_000, "warmup_ns": 0, "window_ns": 10, **simulation}
    return sim.simulate(topology or machine(), workload or load(), lanes, sim.Simulation(**fields))


RANGES = [
    (sim.Simulation, "horizon_ns", [0, -1, 1.5, "1", True, None, math.nan, 10**15]),
    (sim.Simulation, "warmup_ns", [-1, 100_000_000]),
    (sim.Simulation, "window_ns", [0]),
    (sim.Simulation, "quantum_reds", [-1, 2**31, 4000.0]),
    (sim.Simulation, "queue_capacity", [0, 10**8]),
    (sim.Simulation, "max_processes", [0, 5_000_000, None]),
    (sim.Simulation, "max_events", [0, 10**16]),
    (sim.Policy, "threshold_factor", [-0.1, math.nan, -math.inf, 10_001, "high", None]),
    (sim.Placement, "spawn", ["last", "nowhere", None, 3]),
    (sim.Placement, "wake", ["parent", ""]),
    (sim.Placement, "choices", [0, 2.5, 2000]),
    (sim.Stealing, "victim", ["longest ", "all"]),
    (sim.Stealing, "amount", ["two"]),
    (sim.Stealing, "scan", [0]),
    (sim.Stealing, "attempts", [0, 5000]),
    (sim.Stealing, "poll_ns", [-1]),
    (sim.Balancing, "period_ns", [-5]),
    (sim.Balancing, "imbalance", [0]),
    (sim.Balancing, "scope", ["node"]),
    (sim.Decision, "rule", ["never"]),
    (sim.Decision, "other_node_factor", [-1.0, 1e5]),
    (sim.Adaptive, "mode", ["on"]),
    (sim.Adaptive, "step", [1.0, 17.0]),
    (sim.Adaptive, "overhead_target", [1.5]),
    (sim.ProcessLimit, "max_migrations", [-1, 1.0, 2_000_000]),
    (sim.ProcessLimit, "window_ns", [0]),
    (sim.RateLimit, "rate_per_s", [-1.0, 1e-4, 1e10, math.nan, math.inf]),
    (sim.BurstLimit, "capacity", [-1, 2_000_000]),
    (sim.BurstLimit, "refill_per_s", [0.0, None]),
    (sim.BurstLimit, "storm_count", [0, 70_000]),
    (sim.Cost, "kind", ["free"]),
    (sim.Cost, "dispatch_cycles", [-1, 0.5]),
    (sim.Cost, "misses", [(1, 2, 3), (1, 2, 3, -4), 5, "0000", (0, 0, 0, 0.5)]),
    (sim.Distribution, "mean", [0.0, -3.0, math.inf, None]),
    (sim.Distribution, "cv", [0.0, -1.0, 1e4]),
    (sim.Arrival, "kind", ["sometimes"]),
    (sim.Memory, "intensity", [1.1, -0.1]),
    (sim.Memory, "overlap", [0.5]),
    (sim.Affinity, "type", ["soft"]),
]
CASES = [(spec, name, value) for spec, name, values in RANGES for value in values]


@pytest.mark.parametrize(("spec", "name", "value"), CASES, ids=lambda x: getattr(x, "__name__", repr(x))[:24])
def test_field_out_of_range(spec: type, name: str, value: object) -> None:
    with pytest.raises(sim.SpecError) as caught:
        spec(**{name: value})
    error = caught.value
    assert error.where == name
    assert error.allowed
    assert error.value is value or error.value == value
    assert name in str(error)
    assert "must be" in str(error)


def test_every_numeric_field_takes_both_ends_of_its_range_alone() -> None:
    """A field's own range never contradicts the type: the ends are numbers that the check lets through."""
    for spec in (
        sim.Stealing,
        sim.Placement,
        sim.Balancing,
        sim.Adaptive,
        sim.Decision,
        sim.BurstLimit,
        sim.Memory,
    ):
        for field in dataclasses.fields(spec):
            for end in ("low", "high") if "low" in field.metadata else ():
                assert getattr(spec(**{field.name: field.metadata[end]}), field.name) == field.metadata[end]


DISTRIBUTIONS = {
    "mean": {"kind": "uniform", "mean": 3.0, "low": 1.0, "high": 2.0},
    "cv": {"kind": "lognormal", "mean": 3.0},
    "low": {"kind": "uniform", "low": 5.0, "high": 5.0},
    "shape": {"kind": "weibull", "mean": 4.0},
    "values": {"kind": "empirical", "values": ()},
    "kind": {"kind": "gaussian", "mean": 1.0},
}
MORE = {
    "low": {"kind": "bounded_pareto", "low": 0.0, "high": 2.0, "shape": 1.0},
    "cv": {"kind": "hyperexponential", "mean": 1.0, "cv": 0.9},
    "values": {"kind": "empirical", "values": (1, -1)},
}


@pytest.mark.parametrize(("where", "fields"), [*DISTRIBUTIONS.items(), *MORE.items()])
def test_distribution_whose_numbers_do_not_fit(where: str, fields: dict) -> None:
    with pytest.raises(sim.SpecError) as caught:
        sim.Distribution(**fields)
    assert caught.value.where == where


PROGRAMS = {
    "empty": (),
    "loop without run": (sim.Step(op="block", draw=sim.Distribution(mean=5.0)), SEND),
    "receive for ever": (sim.Step(op="receive"),),
    "steps after exit": (EXIT, RUN),
    "too long": (RUN,) * 257,
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_that_cannot_be(name: str) -> None:
    with pytest.raises(sim.SpecError) as caught:
        one(program=PROGRAMS[name])
    assert caught.value.where == "program"


@pytest.mark.parametrize(
    ("where", "fields"),
    [
        ("draw", {"op": "run"}),
        ("draw", {"op": "exit", "draw": sim.Distribution(mean=1.0)}),
        ("to", {"op": "send"}),
        ("to", {"op": "spawn"}),
        ("to", {"op": "send", "pick": "sender", "to": "one"}),
        ("pick", {"op": "call", "pick": "sender"}),
        ("pick", {"op": "send", "to": "one", "pick": "any"}),
        ("count", {"op": "send", "to": "one", "count": 0}),
        ("op", {"op": "sleep"}),
    ],
)
def test_step_that_cannot_be(where: str, fields: dict) -> None:
    with pytest.raises(sim.SpecError) as caught:
        sim.Step(**fields)
    assert caught.value.where == where


@pytest.mark.parametrize(
    ("where", "classes"),
    [
        ("classes", ()),
        ("classes", (one(), one())),
        ("classes", (one(count=0),)),
        ("classes.0.program.1.to", (one(program=(RUN, sim.Step(op="send", to="two"))),)),
        ("classes.0.program.1.to", (one(program=(RUN, sim.Step(op="spawn", to="Two"))),)),
        (
            "classes.0.program.1.to",
            (one(program=(RUN, sim.Step(op="call", to="two"))), one(name="two", count=0)),
        ),
    ],
)
def test_workload_that_cannot_be(where: str, classes: tuple) -> None:
    with pytest.raises(sim.SpecError) as caught:
        sim.Workload(classes=classes)
    assert caught.value.where == where


@pytest.mark.parametrize("kind", ["none", "poisson", "on_off"])
def test_arrival_with_too_many_or_too_few_rates(kind: str) -> None:
    both = {"rate_per_s": 1.0, "load": 0.5} if kind != "none" else {"load": 0.5}
    with pytest.raises(sim.SpecError) as caught:
        sim.Arrival(kind=kind, **both)
    assert caught.value.where == "rate_per_s"


@pytest.mark.parametrize(
    "cores",
    ["", "4", "0-4", "3-2", "x", "0,,1", "-1", "type:Q", "node:1", "cluster:9", "package:x", "0-", "type:E"],
)
@pytest.mark.parametrize("kind", ["strict", "preferred"])
def test_mask_without_a_core_of_the_machine(cores: str, kind: str) -> None:
    bound = one(affinity=sim.Affinity(type=kind, cores=cores))
    with pytest.raises(sim.SpecError) as caught:
        run(load(one(name="free"), bound))
    assert caught.value.where == "workload.classes.1.affinity.cores"


def test_masks_that_are_fine() -> None:
    for cores in ("0", "0-3", "0,2", " 1 , 3 ", "node:0", "cluster:1", "package:0", "type:P", "0,type:P"):
        run(load(one(affinity=sim.Affinity(type="strict", cores=cores))))
    with pytest.raises(sim.SpecError):
        sim.Affinity(type="none", cores="0")
    with pytest.raises(sim.SpecError):
        sim.Affinity(type="strict")


def trace() -> sim.ReplayTrace:
    """One process that runs for 100 ns."""
    columns = [
        np.array(x, d) for x, d in (([0, 0], "i4"), ([0, 1], "i1"), ([2616, 100], "i8"), ([-1, -1], "i4"))
    ]
    return sim.ReplayTrace("tiny", *columns, window_ns=1000, ns_per_reduction=10.0, schedulers=1, busy_ns=100)


def rate_policy(**limits) -> sim.Policy:
    """A policy with these limits."""
    return sim.Policy(limits=sim.Limits(**limits))


endless = one(
    count=0,
    arrival=sim.Arrival(kind="poisson", load=0.5),
    program=(RUN, sim.Step(op="spawn", to="one"), EXIT),
)
WHOLE = {
    "no lane": ({"lanes": []}, "lanes"),
    "negative seed": ({"lanes": [sim.Lane(sim.Policy(), seed=-1)]}, "lanes.0.seed"),
    "replicate of a wrong type": (
        {"lanes": [sim.Lane(sim.Policy()), sim.Lane(sim.Policy(), replicate=1.0)]}, "lanes.1.replicate",
    ),
    "more processes than slots": (
        {"workload": load(one(count=11)), "max_processes": 10}, "simulation.max_processes",
    ),
    "horizon behind the trace": (
        {"workload": sim.Replay(trace=trace(), stagger_ns=500), "horizon_ns": 1501}, "simulation.horizon_ns",
    ),
    "children without end": ({"workload": load(endless)}, "classes.0.arrival.load"),
    "core limit too large": (
        {"policy": rate_policy(core=sim.RateLimit(rate_per_s=1e6, window_ns=5_000_000))},
        "policy.limits.core.rate_per_s",
    ),
    "process window too large": (
        {"policy": rate_policy(process=sim.ProcessLimit(max_migrations=17, window_ns=1000))},
        "policy.limits.process.max_migrations",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_whole_that_its_parts_cannot_see(name: str) -> None:
    configuration, where = WHOLE[name]
    with pytest.raises(sim.SpecError) as caught:
        run(**configuration)
    assert caught.value.where == where


def test_rate_and_window_that_no_ring_could_keep() -> None:
    with pytest.raises(sim.SpecError, match="shorten window_ns"):
        sim.RateLimit(rate_per_s=1e9, window_ns=10**9)


def test_load_of_4096_copies_is_the_most() -> None:
    fields = {"copies": None, "load": 100.0, "stagger_ns": 0}
    many = sim.Replay(trace=trace(), **fields)
    with pytest.raises(sim.SpecError) as caught:  # 100 x 16 cores / (100 / 1000) = 16000 copies
        run(many, topology=machine(16, 4, 16), horizon_ns=900)
    assert caught.value.where == "workload.load"
    assert "4096" in str(caught.value)


def test_an_error_says_where_it_stands() -> None:
    error = sim.SpecError("rate_per_s", -1.0, "at least 0", "use null").inside("system").inside("limits")
    assert str(error) == "limits.system.rate_per_s = -1.0: must be at least 0; use null"
    assert len(str(sim.SpecError("values", tuple(range(1000)), "short"))) < 200


def test_an_error_survives_the_way_back_from_a_worker() -> None:
    error = sim.SpecError("rate_per_s", -1.0, "at least 0", "use null")
    again = pickle.loads(pickle.dumps(error))
    assert (again.where, again.value, again.hint) == (error.where, error.value, error.hint)
