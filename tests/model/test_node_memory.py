"""Memory of the nodes: where it is allocated, what is near, what is full."""

import dataclasses

import pytest

import sim
from sim.layout import process as P
from tests.analytic.machines import machine
from tests.model.lanes import ALWAYS, BARE, TWO_SOCKETS, Case, block, group, move, run, strict

CHAIN = machine(
    4,
    1,
    1,
    memory_latency_ns=[[90, 200, 130, 160], [110, 90, 120, 400], [90, 100, 90, 110], [300, 130, 200, 90]],
)


def residents(topology: sim.Topology, cores: list[int], *, node_bytes: int | None = None) -> Case:
    """Processes of 40 kB, one after the other on these cores."""
    memory = sim.Memory(working_set_bytes=40_000, intensity=0.5)
    classes = tuple(group(f"p{i}", affinity=strict(str(core)), memory=memory) for i, core in enumerate(cores))
    case = Case(classes, topology, cost=BARE)
    return case.within(2_000_000, quantum_reds=1000, node_memory_bytes=node_bytes)


def homes(case: Case) -> list[int]:
    """Nodes of the processes' memory when all have run."""
    live = case.live()
    live.run_until(1_000_000)
    return [live.column(p, P.HOME) for p in live.processes()]


def test_memory_is_allocated_where_the_process_first_runs() -> None:
    assert homes(residents(TWO_SOCKETS, [0, 3, 4, 7])) == [0, 0, 1, 1]


def test_memory_spills_to_the_nearest_node_with_room() -> None:
    """Two fit on a node; from node 0 the nearest are 2, 3 and 1, in this order."""
    case = residents(CHAIN, [0] * 8, node_bytes=100_000)
    assert homes(case) == [0, 0, 2, 2, 3, 3, 1, 1]
    out = case.outcome()
    assert out["memory_spill_count"] == 6
    assert out["memory_overflow_count"] == 0
    assert not out.status().is_failure


@pytest.mark.parametrize(("core", "order"), [(0, [2, 3, 1]), (1, [0, 2, 3]), (2, [0, 1, 3]), (3, [1, 2, 0])])
def test_nearness_is_a_row_of_an_asymmetric_matrix(core: int, order: list[int]) -> None:
    assert homes(residents(CHAIN, [core] * 8, node_bytes=80_000))[2::2] == order


def test_the_penalty_is_that_of_the_pair_and_its_direction() -> None:
    """A node's own latency is the measure of its memory: 180 / 80 one way, 120 / 90 the other."""
    topology = machine(8, 2, 4, memory_latency_ns=[[90, 180], [120, 80]])
    for source, target, ratio in (("4", "0", 180 / 80), ("0", "4", 120 / 90)):
        case = residents(topology, [0]).but(changes=(move(55_000, target, "p0"),))
        memory = case.classes[0].memory
        out = case.but(classes=(group("p0", affinity=strict(source), memory=memory),)).outcome()
        assert out.work_ns()[0] == 10_000
        assert out.work_ns()[-1] == pytest.approx(10_000 * (1 + 0.5 * (ratio - 1)), abs=2)


@pytest.mark.parametrize("intensity", [0.0, 0.2, 1.0])
def test_the_penalty_goes_with_the_share_that_waits_for_memory(intensity: float) -> None:
    memory = sim.Memory(intensity=intensity)
    case = Case((group(affinity=strict("0"), memory=memory),), cost=BARE, changes=(move(55_000, "4"),))
    out = case.within(400_000, quantum_reds=1000).outcome()
    assert out.work_ns()[-1] == pytest.approx(10_000 * (1 + intensity * 2 / 3), abs=2)


def test_processes_of_a_node_without_memory_are_allocated_elsewhere() -> None:
    topology = machine(8, 2, 4, node_memory_bytes=[0, 1 << 30])
    case = residents(topology, [0, 4])
    assert homes(case) == [1, 1]
    out = case.but(cost=dataclasses.replace(BARE, wake_ns=100)).outcome()
    assert out["memory_spill_count"] == 1
    assert out.work_ns(0)[0] == pytest.approx(13_333, abs=2)
    assert out.work_ns(1)[0] == 10_000


def test_a_node_without_memory_stays_without_when_capacity_is_set() -> None:
    topology = machine(8, 2, 4, node_memory_bytes=[0, 1 << 30])
    assert homes(residents(topology, [0, 0, 4], node_bytes=160_000)) == [1, 1, 1]


def test_a_node_without_cores_takes_what_does_not_fit() -> None:
    """A memory expander: no core stands there, it is farther than the other socket."""
    topology = machine(
        8, 2, 4,
        node_os_index=[0, 1, 2],
        node_memory_bytes=[80_000, 80_000, 1 << 30],
        node_bandwidth_mb_s=[0, 0, 0],
        node_distance=[[10, 20, 30], [20, 10, 30], [30, 30, 10]],
        memory_latency_ns=[[90, 150, 280], [150, 90, 280], [280, 280, 200]],
    )  # fmt: skip
    case = residents(topology, [0] * 6)
    assert homes(case) == [0, 0, 1, 1, 2, 2]
    work = case.outcome()
    assert work.work_ns(5)[0] == pytest.approx(10_000 * (1 + 0.5 * (280 / 200 - 1)), abs=2)


def test_exhausted_nodes_are_named_in_the_status() -> None:
    case = residents(CHAIN, [0] * 10, node_bytes=100_000)
    out = case.outcome()
    assert out["memory_overflow_count"] == 2
    assert sim.LaneStatus.MEMORY_LIMIT in out.status()
    assert out.status().is_failure
    assert "node_memory_bytes" in out.status().describe()
    assert homes(case)[8:] == [0, 0]
    assert case.metrics()["node_memory_max"] == pytest.approx(160_000 / 100_000)


def test_memory_of_those_who_exit_is_free_again() -> None:
    """Fifty come and go on a node that holds two of them."""
    memory = sim.Memory(working_set_bytes=40_000)
    arrivals = sim.Arrival(kind="deterministic", rate_per_s=50_000)
    program = (run(500), sim.Step(op="exit"))
    guests = sim.ProcessClass(
        name="guest", arrival=arrivals, program=program, memory=memory, affinity=strict("0")
    )
    case = Case((guests,), cost=BARE).within(1_000_000, node_memory_bytes=80_000)
    out = case.outcome()
    assert out["completed_count"] == pytest.approx(50, abs=1)
    assert out["memory_spill_count"] == out["memory_overflow_count"] == 0


def crowd(filler_bytes: int) -> Case:
    """Twenty processes on core 0 that have their memory there; on node 1 somebody may fill the memory."""
    crowd = group("p", 20, (block(1000), run(5000)), start="first", memory=sim.Memory(working_set_bytes=2000))
    filler = group(
        "filler", 1, (run(1), block(10**9)), memory=sim.Memory(working_set_bytes=filler_bytes),
        affinity=strict("4"), start="first",
    )  # fmt: skip
    policy = sim.Policy(decision=ALWAYS)
    cost = dataclasses.replace(BARE, wake_ns=1000)
    return Case((filler, crowd), policy=policy, cost=cost).within(2_000_000, node_memory_bytes=100_000)


def test_nobody_migrates_to_a_node_whose_memory_is_full() -> None:
    roomy, full = crowd(1000).outcome(), crowd(99_000).outcome()
    assert roomy["denied_memory"] == 0
    assert roomy["migrations_other_node"] > 0
    assert full["denied_memory"] > 0
    assert full["migrations_other_node"] == 0
    assert full["migrations_same_node"] > 0


def test_without_a_limit_nothing_is_refused() -> None:
    case = crowd(99_000)
    out = case.but(simulation=dataclasses.replace(case.simulation, node_memory_bytes=None)).outcome()
    assert out["denied_memory"] == out["memory_spill_count"] == 0
    assert out["migrations_other_node"] > 0
