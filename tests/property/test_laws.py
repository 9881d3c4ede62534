"""Laws between whole lanes: batches, threads, random numbers in common, work conservation, and sizes."""

import time
from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import sim
from sim.arena import Arena
from sim.kernels import log as codes
from sim.layout import lane as S
from sim.layout import process as P
from sim.plan import plan_of
from sim.simulate import run_one
from tests.analytic.machines import machine
from tests.analytic.queues import FREE
from tests.property.scenes import Scene, lives, policies, scenes


def without_masks(scene: Scene) -> Scene:
    """The same without affinity."""
    classes = tuple(replace(kind, affinity=sim.Affinity()) for kind in scene.workload.classes)
    return replace(scene, workload=replace(scene.workload, classes=classes))


@settings(max_examples=40)
@given(scenes(), st.sampled_from(["nearest", "longest"]))
def test_no_core_idles_beside_work_when_moves_are_free(scene: Scene, victim: str) -> None:
    """And the counters see it: without stealing, cores do idle beside work (the next test)."""
    policy = replace(
        scene.policy,
        stealing=sim.Stealing(victim=victim, attempts=4096),
        decision=sim.Decision(rule="always"),
    )
    log, counters = replace(without_masks(scene), policy=policy, cost=FREE).logged()
    assert counters["wasted_ns"] == 0
    # the same from the log: between two times, no core is idle while a process waits
    idle, waiting, before = set(range(scene.topology.num_cores)), 0, 0
    for t, code, core, _, _, _ in log.tolist():
        if t > before:
            assert not (idle and waiting), (before, idle, waiting)
        before = t
        if code in (codes.ARRIVE, codes.WAKE, codes.PREEMPT):
            waiting += 1
        elif code == codes.DISPATCH:
            waiting -= 1
            idle.discard(core)
        elif code == codes.IDLE:
            idle.add(core)


def test_cores_idle_beside_work_without_stealing() -> None:
    run = sim.Step(op="run", draw=sim.Distribution(mean=400.0))
    kind = sim.ProcessClass(name="one", count=5, program=(run,), start="first")
    policy = sim.Policy(stealing=sim.Stealing(victim="off"))
    simulation = sim.Simulation(horizon_ns=100_000, warmup_ns=0, window_ns=10_000)
    scene = Scene(machine(3, 3, 3), sim.Workload(classes=(kind,)), policy, FREE, simulation)
    _, counters = scene.logged()
    assert counters["wasted_ns"] == counters["idle_ns"] == 2 * 100_000


def assert_same(one: sim.Result, other: sim.Result, order=slice(None)) -> None:
    """Assert that two results are equal to the bit, the rows of the first taken in an order."""
    assert one.columns.keys() == other.columns.keys()
    for name, column in one.columns.items():
        assert column[order].tobytes() == other.columns[name].tobytes(), name
    assert one.core_utilisation[order].tobytes() == other.core_utilisation.tobytes()


@settings(max_examples=15)
@given(scenes(), st.lists(policies(), min_size=2, max_size=4), st.randoms(use_true_random=False))
def test_batches_orders_and_threads_do_not_matter(scene: Scene, others: list[sim.Policy], random) -> None:
    lanes = [
        sim.Lane(p, scene.cost, scene.seed, r) for r, p in enumerate([scene.policy, *others, scene.policy])
    ]
    parts = (scene.topology, scene.workload)
    batch = sim.simulate(*parts, lanes, scene.simulation)
    order = list(range(len(lanes)))
    random.shuffle(order)
    assert_same(batch, sim.simulate(*parts, [lanes[i] for i in order], scene.simulation), order)
    assert_same(batch, sim.simulate(*parts, lanes, scene.simulation, threads=2))
    for i, lane in enumerate(lanes):
        assert_same(batch, sim.simulate(*parts, [lane], scene.simulation), slice(i, i + 1))


def test_replicates_and_seeds_differ() -> None:
    run = sim.Step(op="run", draw=sim.Distribution(mean=400.0))
    block = sim.Step(op="block", draw=sim.Distribution(mean=400.0))
    workload = sim.Workload(classes=(sim.ProcessClass(name="one", count=5, program=(run, block)),))
    lanes = [sim.Lane(sim.Policy(), sim.Cost(), *ids) for ids in ((1, 0), (1, 1), (2, 0), (1, 0))]
    result = sim.simulate(machine(2), workload, lanes, sim.Simulation(horizon_ns=10**6, warmup_ns=0))
    found = result.columns["sojourn_mean_ns"].tolist()
    assert found[0] == found[3]
    assert len(set(found)) == 3


def arrivals_and_demands(scene: Scene) -> tuple[list, dict[tuple[int, int], list[int]]]:
    """Arrivals from outside (time, class, number), and the demands of every parentless process in order."""
    log, _ = scene.logged()
    child = [kind.name for kind in scene.workload.classes].index("child")
    arrivals, identity, demands = [], {}, defaultdict(list)
    for (t, code, _, _, a, b), life in zip(log.tolist(), lives(log).tolist(), strict=True):
        if code == codes.ARRIVE:
            identity[life] = (a, b)
            if a != child:
                arrivals.append((t, a, b))
        elif code == codes.SEGMENT and a > 0 and identity[life][0] != child:
            demands[identity[life]].append(a)
    return arrivals, demands


@settings(max_examples=25)
@given(scenes(), policies())
def test_policies_meet_the_same_arrivals_and_demands(scene: Scene, policy: sim.Policy) -> None:
    # run to the end of a demand, so that a segment is one draw; a full table would refuse different ones
    simulation = replace(scene.simulation, quantum_reds=0, max_processes=5000)
    one, other = (
        arrivals_and_demands(replace(scene, simulation=simulation, policy=p)) for p in (scene.policy, policy)
    )
    assert one[0] == other[0]
    compared = 0
    for identity, demands in one[1].items():
        pairs = list(zip(demands, other[1].get(identity, []), strict=False))
        assert all(a == b for a, b in pairs)
        compared += len(pairs)
    assert compared > 0


WANDER = sim.Policy(decision=sim.Decision(rule="always"), placement=sim.Placement(wake="best_of"))


@pytest.mark.parametrize("policy", [WANDER, sim.Policy(migrate=False)], ids=["wander", "none"])
def test_a_thousand_cores_and_a_hundred_thousand_processes(policy: sim.Policy) -> None:
    run = sim.Step(op="run", draw=sim.Distribution(mean=1000.0))
    block = sim.Step(op="block", draw=sim.Distribution(mean=300_000.0))
    child = sim.ProcessClass(name="child", program=(run, sim.Step(op="exit")))
    kinds = (
        sim.ProcessClass(name="worker", count=99_000, program=(run, block), start="random"),
        sim.ProcessClass(
            name="bound", count=900, program=(run,), affinity=sim.Affinity(type="strict", cores="700-1023")
        ),
        sim.ProcessClass(name="parent", count=100, program=(run, block, sim.Step(op="spawn", to="child"))),
        child,
    )
    simulation = sim.Simulation(horizon_ns=3_000_000, warmup_ns=0, max_processes=101_000)
    topology = machine(1024, 8, 256)
    plan = plan_of(topology, sim.Workload(classes=kinds), [sim.Lane(policy)], simulation)
    arena = Arena(plan)
    began = time.process_time()
    status, metrics, utilisation = run_one(plan, arena, 0)
    print(f"{metrics['event_count']:.0f} events in {time.process_time() - began:.2f} s")
    assert status == sim.LaneStatus.COMPLETED
    z, counters = arena.z, arena.counters()
    rows = z[z[S.PROCESSES] :][: arena.slots * P.WIDTH].reshape(-1, P.WIDTH)[: z[S.SLOTS_USED]]
    live = rows[rows[:, P.STATE] != P.FREE]
    # those present at the start are not counted by counters that begin at the end of the warm-up, at 0
    assert len(live) == z[S.LIVE] == 100_000 + counters["created_count"] - counters["completed_count"]
    assert counters["created_count"] > 0
    assert utilisation.min() > 0.9
    bound = live[live[:, P.CLASS] == 1]
    assert len(bound) == 900
    assert bound[:, P.QUEUE_CORE].min() >= 700
    assert np.unique(bound[:, P.SERIAL]).size == 900
    if policy.migrate:
        assert counters["migration_count"] > 0
