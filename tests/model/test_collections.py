"""Garbage collection: what it costs, and that it brings memory to where the process runs."""

import dataclasses

import pytest

import sim
from sim.layout import process as P
from tests.model.lanes import BARE, Case, block, group, move, run, strict

# A remote access takes 150 / 90 of a local one and half of the time waits for memory: 1 + 0.5 x 2/3.
HEAPS = sim.Memory(
    working_set_bytes=80_000,
    heap_words=1000,
    words_per_reduction=1.0,
    intensity=0.5,
    old_share=0.3,
    survivors=0.5,
    fullsweep_after=5,
)
LOCAL, OLD_FAR, FAR = 10_000, 11_000, 13_333


def moved(memory: sim.Memory, time_ns: int = 51_000) -> Case:
    """Slices of 1000 reductions, 10 us each; from node 0 to node 1 in the fifth slice."""
    case = Case((group(memory=memory, affinity=strict("0")),), cost=BARE, changes=(move(time_ns, "4"),))
    return case.within(400_000, quantum_reds=1000)


def test_collections_come_when_the_heap_is_full_and_cost_what_survives() -> None:
    """500 words copied are 50 reductions; a major collection also copies 9000 words of the old heap."""
    out = moved(HEAPS).but(changes=()).outcome()
    lengths = [row[5] for row in out.entries(19)]
    assert lengths[:10] == [500, 500, 500, 500, 9500] * 2
    majors = [row[4] for row in out.entries(19)]
    assert majors[:10] == [0, 0, 0, 0, 1] * 2
    assert out["gc_ns"] == sum(lengths)
    assert out["gc_count"] == len(lengths)
    assert out["major_gc_count"] == sum(majors)
    assert out["young_move_count"] == out["old_move_count"] == 0


@pytest.mark.parametrize(("words", "per_slice"), [(0.0, 0), (0.5, 0.5), (2.0, 2), (10.0, 10)])
def test_collections_follow_the_rate_of_allocation(words: float, per_slice: float) -> None:
    memory = dataclasses.replace(HEAPS, words_per_reduction=words, fullsweep_after=65535)
    out = moved(memory).but(changes=()).outcome()
    assert out["gc_count"] == int(out["reductions"] // 1000 * per_slice)


def test_more_survivors_cost_more() -> None:
    lane = moved(HEAPS).but(changes=())
    shares = []
    for survivors in (0.0, 0.25, 1.0):
        memory = dataclasses.replace(HEAPS, survivors=survivors, fullsweep_after=65535)
        shares.append(lane.but(classes=(group(memory=memory),)).metrics()["gc_share"])
    assert shares == pytest.approx([10 / 10_010, 250 / 10_250, 1000 / 11_000], rel=0.03)


def test_the_young_heap_follows_at_the_next_collection_and_the_old_one_at_a_major() -> None:
    """The first slice away is all remote, later ones only as far as the old heap goes, then none."""
    work = moved(HEAPS).outcome().work_ns()
    assert work[:5] == [LOCAL] * 5
    assert work[5] == pytest.approx(FAR, abs=2)
    assert work[6:10] == pytest.approx([OLD_FAR] * 4, abs=2)
    assert work[10:25] == [LOCAL] * 15


def test_moves_of_heaps_are_counted() -> None:
    out = moved(HEAPS).outcome()
    assert (out["young_move_count"], out["old_move_count"]) == (1, 1)
    assert out["remote_reds"] == 1000  # of the slice before the young heap came
    assert out["remote_ns"] == pytest.approx((FAR - LOCAL) + 4 * (OLD_FAR - LOCAL), abs=10)


def test_both_heaps_begin_on_the_node_of_the_first_dispatch() -> None:
    """On node 1 from the start nothing is far, and no collection has anything to move."""
    out = moved(HEAPS).but(classes=(group(memory=HEAPS, affinity=strict("5")),), changes=()).outcome()
    assert set(out.work_ns()) == {LOCAL}
    assert out["major_gc_count"] > 2
    assert out["remote_ns"] == out["young_move_count"] == out["old_move_count"] == 0


def test_without_major_collections_the_old_heap_stays() -> None:
    out = moved(dataclasses.replace(HEAPS, fullsweep_after=65535)).outcome()
    assert (out["young_move_count"], out["old_move_count"]) == (1, 0)
    assert out.work_ns()[6:] == pytest.approx([OLD_FAR] * len(out.work_ns()[6:]), abs=2)


def test_without_allocation_memory_stays_for_ever() -> None:
    out = moved(dataclasses.replace(HEAPS, words_per_reduction=0.0)).outcome()
    assert out["young_move_count"] == out["gc_count"] == 0
    assert out.work_ns()[5] == LOCAL
    assert out.work_ns()[6:] == pytest.approx([FAR] * len(out.work_ns()[6:]), abs=2)


def test_without_remote_memory_being_far_is_free() -> None:
    cost = dataclasses.replace(BARE, remote_memory=False)
    out = moved(dataclasses.replace(HEAPS, words_per_reduction=0.0)).but(cost=cost).outcome()
    assert set(out.work_ns()) == {LOCAL}
    assert out["remote_ns"] == 0
    assert out["remote_reds"] > 0


def test_heaps_stand_where_the_process_first_ran_and_then_follow() -> None:
    live = moved(HEAPS, 60_000).live()
    homes = []
    for time_ns in (40_000, 80_000, 200_000):
        live.run_until(time_ns)
        homes.append((live.column(0, P.HOME), live.column(0, P.OLD_HOME)))
    assert homes == [(0, 0), (1, 0), (1, 1)]


def test_a_heap_does_not_follow_to_a_full_node() -> None:
    """Node 1 is full: the process may run there, but its heaps stay on node 0."""
    program = (block(10**9), run(1))
    filler = group(
        "filler", program=program, memory=sim.Memory(working_set_bytes=99_000), affinity=strict("5")
    )
    case = moved(HEAPS).within(400_000, quantum_reds=1000, node_memory_bytes=100_000)
    full = case.but(classes=(*case.classes, filler)).outcome()
    assert (full["young_move_count"], full["old_move_count"]) == (0, 0)
    assert full.work_ns()[5:] == pytest.approx([FAR] * len(full.work_ns()[5:]), abs=2)
    roomy = case.outcome()
    assert (roomy["young_move_count"], roomy["old_move_count"]) == (1, 1)
