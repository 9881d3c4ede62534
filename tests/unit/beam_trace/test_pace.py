"""How fast each process was: reductions counted, preempted slices, its kind, and what is left."""

import numpy as np
import polars as pl

from pipeline.beam_trace import convert_trace, read_beam_trace
from pipeline.beam_trace.numbering import process_numbers
from sim.workload.replay import ReplayOp

WORK, SLEEP = "lists:foldl_1/3", "timer:sleep/1"


def paces(folder) -> dict[int, float]:
    """ns a reduction by pid."""
    imported = convert_trace(read_beam_trace(folder))
    return dict(zip(imported.pids.tolist(), imported.trace.pace_ns().tolist(), strict=True))


def listed(counts: dict[int, tuple[int, int]]) -> pl.DataFrame:
    """procs.parquet with reductions before and after."""
    rows = [(when, pid, pair[at]) for at, when in enumerate(("start", "end")) for pid, pair in counts.items()]
    return pl.DataFrame(
        {
            "when": [row[0] for row in rows],
            "pid": [row[1] for row in rows],
            "current_function": ["init:boot_loop/2"] * len(rows),
            "status": ["running"] * len(rows),
            "total_heap_words": [1000] * len(rows),
            "reductions": [row[2] for row in rows],
        }
    )


def preempted(pid: int, lengths: list[int], start: int = 0, scheduler: int = 1) -> list[tuple]:
    """Slices of a process that is ready in between: it never stands in a function that waits."""
    rows: list[tuple] = []
    for length in lengths:
        rows += [
            (start, "in", pid, scheduler, None, WORK),
            (start + length, "out", pid, scheduler, None, WORK),
        ]
        start += length + 10
    return rows


def test_counted_reductions_come_first(record):
    folder = record(preempted(20, [8000] * 5), processes=listed({20: (1000, 21_000)}))
    assert paces(folder)[20] == 2.0  # 40,000 ns for 20,000 reductions, as 8000 ns for 4000


def test_preempted_slices_tell_without_a_count_and_yields_do_not(record):
    folder = record(preempted(20, [8000, 8000, 100, 120, 8000, 90, 8000]))
    assert paces(folder)[20] == 2.0


def test_a_process_takes_the_pace_of_its_kind(record):
    rows = [(0, "in", 9, 2, None, WORK)]
    for pid in (30, 31, 32):
        rows += [(pid, "spawn", 9, 2, pid, "work:run/1"), (pid, "spawned", pid, 2, 9, "work:run/1")]
    rows += [(900, "out", 9, 2, None, WORK)]
    rows += preempted(30, [4000] * 4, 1000) + preempted(31, [8000] * 4, 20_000)
    rows += [(60_000, "in", 32, 1, None, WORK), (60_100, "out", 32, 1, None, SLEEP)]
    rows.sort(key=lambda row: row[0])
    found = paces(record(rows))
    assert (found[30], found[31], found[32]) == (1.0, 2.0, 1.5)


def test_counts_beyond_the_machines_total_are_scaled_down(record):
    samples = pl.DataFrame({"t_ns": [0, 100_000], "window": ["B", "B"], "reductions": [0, 10_000]})
    folder = record(preempted(20, [8000] * 5), processes=listed({20: (0, 20_000)}), samples=samples)
    assert paces(folder)[20] == 4.0


def test_paces_stay_within_what_a_row_can_hold(record):
    folder = record(preempted(20, [8000] * 5), processes=listed({20: (0, 10**12)}))
    imported = convert_trace(read_beam_trace(folder))
    rows = imported.trace.value[imported.trace.op == ReplayOp.PACE]
    assert rows.min() >= 1


def test_processes_begin_on_the_scheduler_where_they_stood():
    home = np.array([2, 2, 1, 1, 2, 1])
    children = np.array([False, False, False, False, True, True])
    rank = process_numbers(home, children, np.arange(6), 2)
    assert sorted(rank.tolist()) == [0, 1, 2, 3, 4, 5]
    assert [number % 2 for number in rank[:4]] == [1, 1, 0, 0]
    assert rank[2] < rank[3]


def test_spawned_processes_fill_the_gaps_of_a_lopsided_start():
    home = np.array([1, 1, 1, 0, 0])
    children = np.array([False, False, False, True, True])
    rank = process_numbers(home, children, np.arange(5), 2)
    assert [number % 2 for number in rank[:3]] == [0, 0, 0]
