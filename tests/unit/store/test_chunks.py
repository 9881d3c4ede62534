"""Chunks: every lane once, in the order of parts, near the wanted time."""

import numpy as np
import pytest

from pipeline.run.chunks import Planner
from pipeline.run.tables import LANES_PER_PART


def run(planner, seconds_of):
    """Hand out all chunks, one at a time, each taking what `seconds_of` says a lane takes."""
    chunks = []
    while planner.remaining:
        cuts, alone = planner.next_chunk()
        assert not alone
        for cut in cuts:
            planner.learn(cut.batch, cut.lanes.size, seconds_of(cut.batch) * cut.lanes.size)
        chunks.append(cuts)
    return chunks


@pytest.mark.parametrize("batches", [1, 7, 5000])
def test_every_lane_comes_once(batches):
    lanes = np.arange(3, 12_000)
    planner = Planner(lanes, lanes % batches, workers=2)
    chunks = run(planner, lambda batch: 0.001)
    found = np.concatenate([cut.lanes for cuts in chunks for cut in cuts])
    assert np.array_equal(np.sort(found), lanes)
    assert (np.diff(found // LANES_PER_PART) >= 0).all()
    assert all((cut.lanes % batches == cut.batch).all() for cuts in chunks for cut in cuts)
    assert planner.next_chunk() == ([], False)


def test_chunks_take_about_a_second_and_less_at_the_end():
    lanes = np.arange(100_000)
    chunks = run(Planner(lanes, np.zeros_like(lanes), workers=2), lambda batch: 0.004)
    sizes = [sum(cut.lanes.size for cut in cuts) for cuts in chunks]
    assert sizes[0] == 1
    assert np.median(sizes) == 250
    assert max(sizes) <= 250
    assert sizes[-1] < 100


def test_slow_lanes_go_one_by_one():
    lanes = np.arange(10)
    chunks = run(Planner(lanes, np.zeros_like(lanes), workers=2), lambda batch: 30.0)
    assert len(chunks) == 10


def test_an_unmeasured_batch_starts_carefully():
    lanes = np.arange(2000)
    planner = Planner(lanes, (lanes >= 1000).astype(int), workers=1)
    chunks = run(planner, lambda batch: 1e-4 if batch == 0 else 0.5)
    first = next(cut for cuts in chunks for cut in cuts if cut.batch == 1)
    assert first.lanes.size <= 16


def test_the_lanes_of_a_crashed_chunk_come_again_alone():
    planner = Planner(np.arange(50), np.zeros(50, int), workers=1)
    planner.learn(0, 1, 0.01)
    cuts, _ = planner.next_chunk()
    count = sum(cut.lanes.size for cut in cuts)
    assert count > 3
    planner.put_back_alone(cuts)
    assert planner.remaining == 50
    for lane in range(count):
        again, alone = planner.next_chunk()
        assert alone
        assert again[0].lanes.tolist() == [lane]
    assert planner.next_chunk()[0][0].lanes[0] == count
