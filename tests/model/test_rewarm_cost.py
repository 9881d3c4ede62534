"""What a migration pays to fill its caches: the figures of topology-costs §1, and the laws behind them."""

import math

import pytest

import sim
from tests.analytic.machines import machine
from tests.model.lanes import Case, block, group, move, run, strict

MIB = 1 << 20
BIG = {"private_cache_bytes": [2 * MIB] * 8, "cluster_cache_bytes": [32 * MIB] * 4}
EPYC = machine(8, 2, 4, line_latency_ns=[8, 18, 105, 200], **BIG)
APPLE = machine(8, 2, 8, line_latency_ns=[4, 40, 160, 160], **BIG)
DISTANCES = {
    "same_l3": (EPYC, "1"),
    "other_ccx": (EPYC, "2"),
    "apple": (APPLE, "2"),
    "other_socket": (EPYC, "4"),
}
SIZES = {"2.6KiB": 2616, "16KiB": 16 << 10, "64KiB": 64 << 10, "256KiB": 256 << 10, "1MiB": MIB}
TABLE_US = {  # topology-costs §1: dependent, overlapped
    "same_l3": [(0.74, 0.02), (4.61, 0.13), (18, 0.51), (74, 2.05), (295, 8.19)],
    "other_ccx": [(4.30, 0.54), (27, 3.36), (108, 13), (430, 54), (1720, 215)],
    "apple": [(6.56, 0.82), (41, 5.12), (164, 20), (655, 82), (2621, 328)],
    "other_socket": [(8.20, 1.02), (51, 6.40), (205, 26), (819, 102), (3277, 410)],
}
NO_SHARED = sim.Cost(shared_cache=False, remote_memory=False)


def mover(topology: sim.Topology, bytes_: int, *cores: str, pattern: str = "dependent") -> Case:
    """One process that begins on core 0 and must go to each of `cores`, 10 ms apart."""
    memory = sim.Memory(working_set_bytes=bytes_, pattern=pattern, lines_per_reduction=64.0)
    changes = tuple(move(10_000_000 * (i + 1), core) for i, core in enumerate(cores))
    case = Case((group(memory=memory, affinity=strict("0")),), topology, cost=NO_SHARED, changes=changes)
    return case.within(10_000_000 * (len(cores) + 1))


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("distance", DISTANCES)
@pytest.mark.parametrize("pattern", ["dependent", "overlapped"])
def test_refill_of_a_migration_is_that_of_the_table(pattern: str, distance: str, size: str) -> None:
    topology, core = DISTANCES[distance]
    expected_us = TABLE_US[distance][list(SIZES).index(size)][pattern == "overlapped"]
    overlapped = "streaming" if distance == "same_l3" else "mixed"
    kind = "dependent" if pattern == "dependent" else overlapped
    paid = mover(topology, SIZES[size], core, pattern=kind).outcome()
    assert paid["migration_count"] == 1
    # the table rounds 20.5 ns to 0.02 us
    assert paid["refill_ns"] / 1000 == pytest.approx(expected_us, rel=0.2)


def test_refill_is_bounded_by_the_private_cache_that_is_left() -> None:
    small = machine(8, 2, 4, line_latency_ns=[8, 18, 105, 200], private_cache_bytes=[65536] * 8)
    paid = [mover(small, size, "4").outcome()["refill_ns"] for size in (32768, 65536, 1 << 20, 1 << 24)]
    assert paid == [512 * 200, 1024 * 200, 1024 * 200, 1024 * 200]


def test_refill_is_paid_once() -> None:
    """Of a process that stays where it went, later slices are warm."""
    case = mover(EPYC, 65536, "4")
    paid = {t: case.within(t).outcome() for t in (10_000_000, 10_300_000, 40_000_000)}
    assert [out["refill_ns"] for out in paid.values()] == [0, 1024 * 200, 1024 * 200]
    assert paid[40_000_000]["dispatch_count"] > paid[10_300_000]["dispatch_count"] + 100


def test_refill_is_paid_by_the_lines_that_are_touched() -> None:
    """With one line a reduction and slices of 100 reductions, each slice pays 100 lines."""
    memory = sim.Memory(working_set_bytes=65536, pattern="dependent", lines_per_reduction=1.0)
    case = mover(EPYC, 65536, "4").but(classes=(group(memory=memory, affinity=strict("0")),))
    case = case.within(40_000_000, quantum_reds=100)
    out = case.outcome()
    lengths = [row[5] for row in out.entries(10) if row[2] == 4]
    direct = 150 / 3 + 3 * 200 + 100  # switch, three lines of the run queue, dispatch
    assert lengths[0] == pytest.approx(1000 + 100 * 200 + direct, abs=5)
    assert lengths[1:10] == [1000 + 100 * 200] * 9
    assert lengths[10] == 1000 + 24 * 200
    assert set(lengths[11:20]) == {1000}


def warm_share(others: int, bytes_: int) -> float:
    """Share of the working set found again after `others` ran on the core that was left for 10 ms."""
    cache = 2 * MIB
    case = mover(EPYC, cache, "1", "0")
    memory = sim.Memory(working_set_bytes=bytes_)
    program = (block(15_000_000), run(100), block(10**9))
    guests = group("guest", others, program, affinity=strict("0"), start="first", memory=memory)
    case = case.but(classes=(*case.classes, guests) if others else case.classes)
    cold = case.within(19_000_000).outcome()["refill_private_ns"]
    return 1 - (case.outcome()["refill_private_ns"] - cold) / cold


def test_returning_is_free_if_nobody_was_there() -> None:
    assert warm_share(0, 0) == 1.0


def test_returning_gets_dearer_the_more_others_touched_there() -> None:
    """What survives is exp(-bytes touched meanwhile / cache), in steps of 1/32."""
    shares = [warm_share(others, 262_144) for others in (1, 2, 4, 8, 32)]
    expected = [math.exp(-others / 8) for others in (1, 2, 4, 8, 32)]
    assert shares == pytest.approx(expected, abs=0.01)


def test_only_four_cores_are_remembered() -> None:
    """After four other cores the first is forgotten, and its return is as dear as a first visit."""
    paid = [
        mover(machine(8, 8, 8, private_cache_bytes=[MIB] * 8), 65536, *path).outcome()["lines_refilled"]
        for path in (
            ("1", "2", "3"),
            ("1", "2", "3", "0"),
            ("1", "2", "3", "4"),
            ("1", "2", "3", "4", "5", "0"),
        )
    ]
    assert paid == [3 * 1024, 3 * 1024, 4 * 1024, 6 * 1024]


def test_lines_whose_memory_is_on_another_node_cost_more_within_a_node() -> None:
    """The process's memory stays on node 1; between clusters of node 0 its lines go by way of node 1."""
    paid = {}
    for line_homes in (False, True):
        case = mover(EPYC, 65536, "0", "2")
        case = case.but(
            classes=(group(memory=case.classes[0].memory, affinity=strict("4")),),
            cost=sim.Cost(shared_cache=False, remote_memory=False, line_homes=line_homes),
        )
        before = case.within(19_000_000).outcome()["refill_ns"]
        paid[line_homes] = case.outcome()["refill_ns"] - before
    assert paid[False] == 1024 * 105
    assert paid[True] == 1024 * (105 * 150 // 90)


@pytest.mark.parametrize(("core", "shared"), [("1", 0), ("2", 7168 * 105), ("4", 7168 * 200)])
def test_only_leaving_the_cluster_loses_what_its_cache_held(core: str, shared: int) -> None:
    topology = machine(8, 2, 4, line_latency_ns=[8, 18, 105, 200], private_cache_bytes=[65536] * 8)
    case = mover(topology, 512 << 10, core)
    off, on = (
        case.but(cost=sim.Cost(shared_cache=is_on, remote_memory=False)).outcome() for is_on in (False, True)
    )
    assert off["refill_shared_ns"] == 0
    assert on["refill_shared_ns"] == shared
    assert on["refill_private_ns"] == off["refill_private_ns"] > 0
    assert on["refill_ns"] == off["refill_ns"] + shared


def test_coming_back_to_a_cluster_finds_its_cache_warm() -> None:
    """0 to 4 loses the shared part; 4 to 1 (the sibling of 0) finds it again, at the near latency."""
    topology = machine(8, 2, 4, line_latency_ns=[8, 18, 105, 200], private_cache_bytes=[65536] * 8)
    case = mover(topology, 512 << 10, "4", "1").but(cost=sim.Cost(remote_memory=False))
    away = case.within(19_000_000).outcome()
    back = case.outcome()
    assert away["refill_ns"] == 8192 * 200
    assert back["refill_shared_ns"] == away["refill_shared_ns"]
    assert back["refill_private_ns"] - away["refill_private_ns"] == 1024 * 18


def test_siblings_share_their_caches() -> None:
    siblings = machine(8, 4, 4, core_smt=[0, 0, 1, 1, 2, 2, 3, 3])
    assert mover(siblings, 65536, "1").outcome()["refill_ns"] == 0
    assert mover(siblings, 65536, "2").outcome()["refill_ns"] > 0
