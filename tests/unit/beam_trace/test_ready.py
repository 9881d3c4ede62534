"""Ready times that no event tells: what the order of a run queue says about them."""

import numpy as np
import polars as pl

from pipeline.beam_trace import convert_trace, read_beam_trace
from pipeline.beam_trace.read import MISSING, BeamTrace
from pipeline.beam_trace.ready import Gaps, infer_ready, longest_rise
from pipeline.beam_trace.slices import pair_slices
from tests.unit.beam_trace.recording import rows_of

WORK = "lists:foldl_1/3"
SLEEP = "timer:sleep/1"


def ready(folder, known: dict[int, int], earliest: dict[int, int]) -> dict[int, int]:
    """Inferred ready time of the last slice of each pid, on scheduler 1."""
    trace: BeamTrace = read_beam_trace(folder)
    slices = pair_slices(trace)

    def column(of: dict[int, int]) -> np.ndarray:
        return np.array([of.get(pid, MISSING) for pid in slices.pid.tolist()])

    home = np.ones(slices.pid.size, dtype=np.int64)
    found = infer_ready(trace, slices, Gaps(slices, column(earliest), column(known), home))
    return dict(zip(slices.pid.tolist(), found.tolist(), strict=True))


def back_to_back(pids: list[int], length: int = 1000) -> list[tuple]:
    """Rows of slices that follow each other on scheduler 1."""
    rows: list[tuple] = []
    for place, pid in enumerate(pids):
        rows.append((place * length, "in", pid, 1, None, WORK))
        rows.append(((place + 1) * length - 10, "out", pid, 1, None, WORK))
    return rows


def test_an_unknown_time_lies_between_those_of_its_neighbours(record):
    folder = record(back_to_back([20, 21, 22, 23]))
    found = ready(folder, {20: 0, 21: 400, 23: 1600}, {22: 0})
    assert 400 <= found[22] <= 1600


def test_several_unknown_between_the_same_bounds_are_spread_evenly_in_order(record):
    folder = record(back_to_back([20, 21, 22, 23, 24]))
    found = ready(folder, {20: 0, 24: 900}, {21: 0, 22: 0, 23: 0})
    assert [found[pid] for pid in (21, 22, 23)] == [225, 450, 675]


def test_with_messages_recorded_a_timer_fires_at_the_end_of_a_slice(record):
    rows = sorted([*back_to_back([20, 21, 22, 23]), (50, "send", 20, 1, 77, None)])
    found = ready(record(rows), {20: 0, 21: 400, 23: 1600}, {22: 0})
    assert found[22] == 990


def test_known_times_stay_and_never_exceed_the_in(record):
    folder = record(back_to_back([20, 21, 22]))
    found = ready(folder, {21: 37}, {20: -5, 22: 500})
    assert found[21] == 37
    assert 500 <= found[22] <= 2000


def test_a_process_of_another_priority_is_no_bound(record):
    listed = {
        "when": ["start"], "pid": [23], "current_function": ["init:boot_loop/2"], "status": ["waiting"],
        "total_heap_words": [1000], "priority": ["high"],
    }  # fmt: skip
    folder = record(back_to_back([20, 21, 22, 23]), processes=pl.DataFrame(listed))
    # 23 overtook the others, so that its 100 does not mean that 22 was ready by then
    found = ready(folder, {20: 0, 21: 900, 23: 100}, {22: 0})
    assert found[22] >= 900


def test_a_known_time_that_contradicts_the_others_is_not_used(record):
    folder = record(back_to_back([20, 21, 22, 23, 24, 25]))
    found = ready(folder, {20: 600, 21: 700, 23: 5, 24: 2500, 25: 2600}, {22: 0})
    assert 700 <= found[22] <= 2000


def test_on_an_idle_scheduler_it_was_ready_just_before(record):
    rows = [
        (0, "in", 20, 1, None, WORK), (90, "out", 20, 1, None, WORK),
        (80_000, "in", 21, 1, None, WORK), (80_100, "out", 21, 1, None, WORK),
    ]  # fmt: skip
    assert ready(record(rows), {20: 0}, {21: 0})[21] == 70_000


def test_far_apart_without_messages_the_sampled_queue_decides(record, monkeypatch):
    # 40 slices of 2 us; 20 processes stand in the queue all the time: each was ready 20 slices before
    samples = {
        "t_ns": [0, 30_000, 60_000, 90_000], "window": ["B"] * 4, "reductions": [0, 1, 2, 1_000_000],
        "run_queue_1": [20] * 4,
    }  # fmt: skip
    pids = list(range(20, 60))
    folder = record(back_to_back(pids, 2000), samples=pl.DataFrame(samples))
    monkeypatch.setattr("pipeline.beam_trace.ready.NARROW_NS", 0)
    found = ready(folder, {}, {})
    assert all(abs(found[pid] - (pid - 20 - 20) * 2000) <= 2000 for pid in range(42, 60))


def test_longest_rise_keeps_the_most():
    values = np.array([1, 5, 2, 2, 9, 3, 4])
    assert values[longest_rise(values)].tolist() == [1, 2, 2, 3, 4]
    assert longest_rise(np.empty(0, dtype=np.int64)).tolist() == []


def test_a_wait_in_a_busy_queue_blocks_for_less_than_the_gap(record):
    # 20 waits while 21 and 22 run; 21 was preempted at 1000, so 20, dispatched before it, was ready by then
    rows = [
        (0, "in", 20, 1, None, WORK), (100, "out", 20, 1, None, SLEEP),
        (110, "in", 21, 1, None, WORK), (1000, "out", 21, 1, None, WORK),
        (1010, "in", 22, 1, None, WORK), (3000, "out", 22, 1, None, WORK),
        (3010, "in", 20, 1, None, SLEEP), (3100, "out", 20, 1, None, SLEEP),
        (3110, "in", 21, 1, None, WORK), (3200, "out", 21, 1, None, WORK),
    ]  # fmt: skip
    replayed = rows_of(convert_trace(read_beam_trace(record(rows))).trace)
    blocks = [row[2] for row in replayed if row[1] == "BLOCK" and row[2] > 1]
    assert blocks
    assert min(blocks) <= 900
