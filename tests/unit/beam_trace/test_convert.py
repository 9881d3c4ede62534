"""Each rule of the conversion on a recording small enough to convert by hand."""

import numpy as np
import polars as pl
import pytest

from pipeline.beam_trace import convert_trace, read_beam_trace
from sim.workload.replay import TraceError, replay_completes
from tests.unit.beam_trace.recording import rows_of, summary

CALL, SLEEP, WORK = "gen:do_call/4", "timer:sleep/1", "lists:foldl_1/3"
NEW = 2616


def convert(folder, window=None):
    trace = convert_trace(read_beam_trace(folder), window).trace
    assert replay_completes(trace)
    rows = rows_of(trace)
    return [row for row in rows if row[1] != "PACE"]


def test_message_that_wakes_becomes_an_edge_inside_the_senders_slice(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (100, "in", 21, 2, None, WORK),
            (400, "out", 21, 2, None, CALL),
            (1000, "send", 20, 1, 21, None),
            (1300, "in", 21, 2, None, CALL),
            (1500, "send", 20, 1, 21, None),
            (1800, "out", 21, 2, None, CALL),
            (2000, "out", 20, 1, None, SLEEP),
        ]
    )
    assert convert(folder) == [
        (0, "BEGIN", NEW, -1),
        (0, "RUN", 1000, -1),
        (0, "SEND", 0, 1),
        (0, "RUN", 500, -1),
        (0, "SEND", -1, 1),
        (0, "RUN", 500, -1),
        (1, "BEGIN", NEW, -1),
        (1, "BLOCK", 100, -1),
        (1, "RUN", 300, -1),
        (1, "WAIT", 0, 0),
        (1, "RUN", 500, -1),
    ]


def test_only_the_first_of_two_messages_wakes(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (0, "in", 21, 2, None, WORK),
            (100, "out", 21, 2, None, CALL),
            (200, "send", 20, 1, 21, None),
            (300, "send", 20, 1, 21, None),
            (400, "in", 21, 2, None, CALL),
            (500, "out", 21, 2, None, CALL),
            (600, "out", 20, 1, None, SLEEP),
        ]
    )
    sends = [row for row in convert(folder) if row[1] == "SEND"]
    assert sends == [(0, "SEND", 0, 1), (0, "SEND", -1, 1)]


def test_timer_gap_becomes_a_block(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (500, "out", 20, 1, None, SLEEP),
            (95_500, "in", 20, 1, None, SLEEP),
            (95_700, "out", 20, 1, None, SLEEP),
        ]
    )
    # its scheduler was idle, and had to be woken first
    assert convert(folder) == [
        (0, "BEGIN", NEW, -1),
        (0, "RUN", 500, -1),
        (0, "BLOCK", 85_000, -1),
        (0, "RUN", 200, -1),
    ]


def test_preemption_leaves_no_trace_even_with_a_message_in_the_gap(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (10, "in", 21, 2, None, WORK),
            (500, "out", 20, 1, None, WORK),
            (600, "send", 21, 2, 20, None),
            (700, "out", 21, 2, None, SLEEP),
            (9500, "in", 20, 2, None, WORK),
            (9700, "out", 20, 2, None, SLEEP),
        ]
    )
    assert convert(folder)[:2] == [(0, "BEGIN", NEW, -1), (0, "RUN", 700, -1)]


def test_idle_scheduler_proves_that_an_unknown_function_waited(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (500, "out", 20, 1, None, WORK),
            (600, "sched_inactive", None, 1, None, None),
            (900, "sched_active", None, 1, None, None),
            (1000, "in", 20, 1, None, WORK),
            (1200, "out", 20, 1, None, WORK),
        ]
    )
    # ready at some time between the scheduler's last look at its queue and the in
    assert (0, "BLOCK", 300, -1) in convert(folder)


def test_child_starts_on_its_parents_spawn_and_exit_is_last(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (200, "spawn", 20, 1, 30, "erlang:apply/2"),
            (201, "spawned", 30, 1, 20, "erlang:apply/2"),
            (700, "in", 30, 2, None, "erlang:apply/2"),
            (750, "send", 30, 2, 20, None),
            (780, "exit", 30, 2, None, "normal"),
            (800, "out_exited", 30, 2, None, None),
            (1000, "out", 20, 1, None, WORK),
        ]
    )
    assert convert(folder) == [
        (0, "BEGIN", NEW, -1),
        (0, "RUN", 200, -1),
        (0, "SPAWN", 0, 1),
        (0, "RUN", 800, -1),
        (1, "BEGIN", NEW, 0),
        (1, "RUN", 50, -1),
        (1, "SEND", -1, 0),
        (1, "RUN", 50, -1),
        (1, "EXIT", 0, -1),
    ]


def test_child_that_never_ran_in_the_window_is_only_begun(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (200, "spawn", 20, 1, 30, "erlang:apply/2"),
            (1000, "out", 20, 1, None, WORK),
        ]
    )
    assert convert(folder)[-1] == (1, "BEGIN", NEW, 0)


def test_child_of_the_recorder_is_away_until_it_is_born(record):
    folder = record(
        [
            (0, "in", 9, 1, None, WORK),
            (200, "spawn", 9, 1, 30, "erlang:apply/2"),
            (300, "out", 9, 1, None, WORK),
            (700, "in", 30, 1, None, "erlang:apply/2"),
            (800, "out", 30, 1, None, WORK),
        ]
    )
    assert convert(folder) == [
        (0, "BEGIN", NEW, -1),
        (0, "BLOCK", 200, -1),
        (0, "RUN", 100, -1),
    ]


def test_dirty_slice_and_the_way_there_are_one_block(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (500, "out", 20, 1, None, WORK),
            (600, "in", 20, 101, None, WORK),
            (900, "out", 20, 101, None, WORK),
            (1000, "in", 20, 0, None, WORK),
            (1500, "out", 20, 0, None, WORK),
            (8000, "in", 20, 2, None, WORK),
            (8100, "out", 20, 2, None, WORK),
        ]
    )
    assert convert(folder) == [
        (0, "BEGIN", NEW, -1),
        (0, "RUN", 500, -1),
        (0, "BLOCK", 1000, -1),
        (0, "RUN", 100, -1),
    ]


def test_wake_by_the_recorder_blocks_until_its_message(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (500, "out", 20, 1, None, CALL),
            (600, "in", 9, 1, None, None),
            (700, "send", 9, 1, 20, None),
            (800, "out", 9, 1, None, None),
            (2000, "in", 20, 1, None, CALL),
            (2100, "out", 20, 1, None, CALL),
        ]
    )
    assert convert(folder) == [
        (0, "BEGIN", NEW, -1),
        (0, "RUN", 500, -1),
        (0, "BLOCK", 200, -1),
        (0, "RUN", 100, -1),
    ]


def test_port_on_its_own_is_a_process_and_wakes_by_an_edge(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (500, "out", 20, 1, None, CALL),
            (600, "in", -3, 1, None, None),
            (700, "send", -3, 1, 20, None),
            (800, "out", -3, 1, None, None),
            (2000, "in", 20, 1, None, CALL),
            (2100, "out", 20, 1, None, CALL),
        ]
    )
    assert convert(folder) == [
        (0, "BEGIN", NEW, -1),
        (0, "RUN", 500, -1),
        (0, "WAIT", 0, 1),
        (0, "RUN", 100, -1),
        (1, "BEGIN", NEW, -1),
        (1, "BLOCK", 600, -1),
        (1, "RUN", 100, -1),
        (1, "SEND", 0, 0),
        (1, "RUN", 100, -1),
    ]


def test_port_inside_a_slice_sends_for_the_process_around_it(record):
    folder = record(
        [
            (0, "in", 21, 2, None, WORK),
            (10, "out", 21, 2, None, CALL),
            (20, "in", 20, 1, None, WORK),
            (100, "in", -3, 1, None, None),
            (150, "send", -3, 1, 21, None),
            (200, "out", -3, 1, None, None),
            (300, "out", 20, 1, None, SLEEP),
            (400, "in", 21, 2, None, CALL),
            (450, "out", 21, 2, None, CALL),
        ]
    )
    rows = convert(folder)
    assert {row[0] for row in rows} == {0, 1}
    own = [row for row in rows if row[0] == 0]
    other = [row for row in rows if row[0] == 1]
    sender = own if (own[0][0], "SEND", 0, 1) in own else other
    assert [row[1] for row in sender] == ["BEGIN", "BLOCK", "RUN", "SEND", "RUN"]
    assert sum(row[2] for row in sender if row[1] == "RUN") == 280


def test_port_that_closed_does_not_run_to_the_end(record):
    rows = [(0, "in", 20, 1, None, WORK), (100, "out", 20, 1, None, WORK), (200, "in", -3, 1, None, "close")]
    trace = convert_trace(read_beam_trace(record(rows))).trace
    assert (trace.process_count, trace.busy_ns) == (1, 100)


def test_server_does_not_answer_before_it_was_asked(record):
    server = "gen_server:loop/7"
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (0, "in", 21, 2, None, WORK),
            (100, "out", 21, 2, None, CALL),
            (900, "in", 21, 2, None, CALL),
            (1000, "send", 21, 2, 20, None),
            (1200, "out", 21, 2, None, CALL),
            (1600, "send", 20, 1, 21, None),
            (1900, "in", 21, 2, None, CALL),
            (2000, "out", 21, 2, None, CALL),
            (2100, "out", 20, 1, None, server),
        ]
    )
    of_server = [row for row in convert(folder) if row[0] == 0]
    assert of_server == [
        (0, "BEGIN", NEW, -1),
        (0, "RUN", 1000, -1),
        (0, "WAIT", 0, 1),
        (0, "RUN", 600, -1),
        (0, "SEND", 1, 1),
        (0, "RUN", 500, -1),
    ]


def test_prof_recording_is_believed_over_function_names(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (500, "out", 20, 1, None, WORK),
            (501, "not_runnable", 20, None, None, WORK),
            (3000, "runnable", 20, None, None, WORK),
            (4000, "in", 20, 1, None, WORK),
            (4100, "out", 20, 1, None, SLEEP),
            (5000, "in", 20, 1, None, SLEEP),
            (5100, "out", 20, 1, None, SLEEP),
        ]
    )
    assert convert(folder) == [
        (0, "BEGIN", NEW, -1),
        (0, "RUN", 500, -1),
        (0, "BLOCK", 2500, -1),
        (0, "RUN", 100, -1),
        (0, "BLOCK", 1, -1),  # ready after a sliver of a full slice: it left by itself
        (0, "RUN", 100, -1),
    ]


@pytest.mark.parametrize(("send_ns", "op"), [(10_000, "WAIT"), (40_000, "BLOCK")])
def test_prof_message_long_after_the_wake_up_was_not_its_cause(record, send_ns, op):
    folder = record(
        [
            (0, "in", 21, 2, None, WORK),
            (0, "in", 20, 1, None, WORK),
            (500, "out", 20, 1, None, SLEEP),
            (501, "not_runnable", 20, None, None, SLEEP),
            (5000, "runnable", 20, None, None, SLEEP),
            (send_ns, "send", 21, 2, 20, None),
            (60_000, "in", 20, 1, None, SLEEP),
            (60_100, "out", 20, 1, None, SLEEP),
            (60_200, "out", 21, 2, None, WORK),
        ]
    )
    expected = (0, "WAIT", 0, 1) if op == "WAIT" else (0, "BLOCK", 4500, -1)
    assert expected in convert(folder)


def test_signal_just_before_its_message_does_not_block(record):
    server = "gen_server:loop/7"
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (0, "in", 21, 2, None, WORK),
            (100, "out", 21, 2, None, server),
            (9000, "in", 21, 2, None, server),
            (9400, "out", 21, 2, None, server),
            (9500, "send", 20, 1, 21, None),
            (9900, "in", 21, 2, None, server),
            (9950, "out", 21, 2, None, server),
            (9999, "out", 20, 1, None, SLEEP),
        ]
    )
    assert convert(folder)[-4:] == [
        (1, "BEGIN", NEW, -1),
        (1, "RUN", 500, -1),
        (1, "WAIT", 0, 0),
        (1, "RUN", 50, -1),
    ]


def test_quick_answer_after_a_sleep_leaves_the_sleep_alone(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (0, "in", 21, 2, None, WORK),
            (100, "out", 21, 2, None, SLEEP),
            (29_000, "in", 21, 2, None, SLEEP),
            (29_400, "out", 21, 2, None, CALL),
            (29_500, "send", 20, 1, 21, None),
            (29_900, "in", 21, 2, None, CALL),
            (29_950, "out", 21, 2, None, CALL),
            (29_999, "out", 20, 1, None, SLEEP),
        ]
    )
    assert (1, "BLOCK", 18_900, -1) in convert(folder)


def test_slices_cut_by_the_recording_or_the_window_keep_their_part(record):
    folder = record(
        [
            (300, "out", 20, 1, None, SLEEP),
            (50_300, "in", 20, 1, None, SLEEP),
        ]
    )
    whole = [(0, "RUN", 300, -1), (0, "BLOCK", 40_000, -1), (0, "RUN", 49_700, -1)]
    assert convert(folder)[1:] == whole
    assert convert(folder, (100, 51_300))[1:] == [
        (0, "RUN", 200, -1),
        (0, "BLOCK", 40_000, -1),
        (0, "RUN", 1000, -1),
    ]
    assert convert(folder, (1300, 50_307))[1:] == [(0, "BLOCK", 39_000, -1), (0, "RUN", 7, -1)]


def test_preempted_before_the_window_starts_ready(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (100, "out", 20, 1, None, WORK),
            (900, "in", 20, 1, None, WORK),
            (950, "out", 20, 1, None, WORK),
        ]
    )
    assert convert(folder, (500, 2000)) == [(0, "BEGIN", NEW, -1), (0, "RUN", 50, -1)]


def test_working_set_is_the_median_collection_then_the_listed_heap(record):
    rows = [
        (0, "in", 1, 1, None, WORK),
        (1, "in", 2, 2, None, WORK),
        (10, "gc_minor_start", 2, 2, None, None),
        (11, "gc_minor_end", 2, 2, None, None),
        (12, "gc_major_start", 2, 2, None, None),
        (13, "gc_major_end", 2, 2, None, None),
        (14, "gc_minor_start", 2, 2, None, None),
        (15, "gc_minor_end", 2, 2, None, None),
        (100, "out", 2, 2, None, WORK),
        (101, "out", 1, 1, None, WORK),
    ]
    heap = [(2, 33, 0), (3, 700, 0), (4, 500, 300), (5, 100, 0), (6, 5000, 1), (7, 10, 1)]
    begins = [row for row in convert(record(rows, heap=heap)) if row[1] == "BEGIN"]
    assert begins == [(0, "BEGIN", 8000, -1), (1, "BEGIN", 800 * 8, -1)]


def test_unwoken_messages_to_processes_outside_are_kept_and_counted(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (50, "send", 20, 1, 77, None),
            (60, "send", 20, 1, -4, None),
            (70, "send", 20, 1, None, None),
            (100, "out", 20, 1, None, WORK),
        ]
    )
    imported = convert_trace(read_beam_trace(folder))
    assert [r for r in rows_of(imported.trace) if r[1] == "SEND"] == [(0, "SEND", -1, -1)] * 3
    assert imported.notes["sends_outside"] == "3"


def test_ns_per_reduction_and_busy_time_come_from_the_normal_schedulers(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (0, "in", 9, 2, None, WORK),
            (500, "in", -2, 1, None, None),
            (600, "out", -2, 1, None, None),
            (1000, "out", 9, 2, None, WORK),
            (2000, "out", 20, 1, None, WORK),
            (3000, "in", 20, 101, None, WORK),
            (4000, "out", 20, 101, None, WORK),
        ]
    )
    trace = convert_trace(read_beam_trace(folder)).trace
    assert trace.busy_ns == 3000
    assert trace.ns_per_reduction == 0.003
    assert trace.run_total_ns() == 2000


def test_same_recording_gives_the_same_trace(record):
    rows = [(0, "in", 20, 1, None, WORK), (100, "out", 20, 1, None, WORK)]
    first = convert_trace(read_beam_trace(record(rows))).trace
    assert convert_trace(read_beam_trace(record(rows))).trace.digest() == first.digest()


@pytest.mark.parametrize("window", [(0, 0), (-1, 5), (5, 1), (0, 100_001), (99_000, 200_000)])
def test_window_outside_the_recording_is_refused(record, window):
    folder = record([(0, "in", 20, 1, None, WORK), (100, "out", 20, 1, None, WORK)])
    with pytest.raises(TraceError, match="window of tiny"):
        convert(folder, window)


def test_window_without_any_process_is_refused(record):
    folder = record([(0, "in", 20, 1, None, WORK), (100, "out", 20, 1, None, WORK)])
    with pytest.raises(TraceError, match="choose another window"):
        convert(folder, (50_000, 60_000))


def test_lost_events_are_counted_up_to_a_limit(record):
    kinds = ("in", "out") * 60
    pairs = [(t * 10, kind, 20, 1, None, WORK) for t, kind in enumerate(kinds)]
    lossy = [row for i, row in enumerate(pairs) if i not in (20, 21 + 20)]
    imported = convert_trace(read_beam_trace(record(lossy)))
    assert imported.notes["unmatched_in_out"] == "2"
    too_lossy = [row for i, row in enumerate(pairs) if i % 4 != 2]
    with pytest.raises(TraceError, match="at most 20"):
        convert(record(too_lossy))


def test_two_processes_at_once_on_a_scheduler_are_refused(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (50, "in", 21, 1, None, WORK),
            (100, "out", 20, 1, None, WORK),
            (150, "out", 21, 1, None, WORK),
        ]
    )
    with pytest.raises(TraceError, match="processes 20 and 21 both on scheduler 1"):
        convert(folder)


def test_out_without_in_in_the_middle_is_lost_not_a_slice(record):
    folder = record(
        [
            (0, "in", 20, 1, None, WORK),
            (100, "out", 20, 1, None, WORK),
            (50_000, "out", 30, 1, None, WORK),
            (50_100, "in", 20, 1, None, WORK),
            (50_200, "out", 20, 1, None, WORK),
        ]
    )
    imported = convert_trace(read_beam_trace(folder))
    assert imported.trace.process_count == 1
    assert imported.notes["unmatched_in_out"] == "1"


@pytest.mark.parametrize("reductions", [[0, 0], [1000, 0], [0, None]], ids=["none", "backwards", "null"])
def test_unusable_samples_are_refused(record, reductions):
    table = pl.DataFrame({"t_ns": [0, 100], "window": ["B", "B"], "reductions": reductions})
    folder = record([(0, "in", 20, 1, None, WORK), (100, "out", 20, 1, None, WORK)], samples=table)
    with pytest.raises(TraceError, match=r"samples\.parquet"):
        convert(folder)


def test_process_spawned_twice_is_refused(record):
    spawn = (50, "spawn", 20, 1, 30, "erlang:apply/2")
    rows = [(0, "in", 20, 1, None, WORK), spawn, spawn, (100, "out", 20, 1, None, WORK)]
    with pytest.raises(TraceError, match="spawns of process 30"):
        convert(record(rows))


def test_recording_of_one_scheduler_needs_no_second(record):
    parts = summary() | {"system": {"schedulers": 1}}
    rows = [(0, "in", 20, 1, None, WORK), (100, "out", 20, 1, None, WORK)]
    imported = convert_trace(read_beam_trace(record(rows, summary=parts)))
    assert imported.trace.schedulers == 1
    assert imported.notes["otp"] == "unknown"
    assert np.array_equal(imported.trace.process_offsets(), [0, 3])
