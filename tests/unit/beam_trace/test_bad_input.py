"""Everything that can be wrong with a recording is refused, naming the place and the way out."""

import json
import math
import shutil

import polars as pl
import pytest

from pipeline.beam_trace import import_trace, read_beam_trace
from sim.workload.replay import TraceError
from tests.unit.beam_trace.recording import WINDOW_NS, events_table, summary

WORK = "lists:foldl_1/3"
ROWS = [(0, "in", 20, 1, None, WORK), (100, "out", 20, 1, None, WORK)]


def refuse(folder, *words):
    with pytest.raises(TraceError) as caught:
        import_trace(folder, folder.parent / "out.parquet")
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    assert not (folder.parent / "out.parquet").exists()


def test_missing_folder(tmp_path):
    refuse(tmp_path / "nowhere", "nowhere", "missing", "events.parquet")


@pytest.mark.parametrize("name", ["events.parquet", "samples.parquet", "procs.parquet", "summary.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "folder", "text", "cut"])
def test_damaged_file(record, name, damage):
    folder = record(ROWS)
    path = folder / name
    content = path.read_bytes()
    path.unlink()
    if damage == "folder":
        path.mkdir()
    elif damage != "missing":
        kept = {"empty": b"", "text": b"not what it says", "cut": content[: len(content) // 2]}
        path.write_bytes(kept[damage])
    refuse(folder, name)


@pytest.mark.parametrize("column", ["t_ns", "event", "pid", "scheduler_id", "peer", "mfa"])
def test_missing_event_column(record, column):
    refuse(record(ROWS, events=events_table(ROWS).drop(column)), f"column {column}", "missing")


@pytest.mark.parametrize(("column", "dtype"), [("t_ns", pl.Float64), ("event", pl.Int64), ("pid", pl.String)])
def test_wrong_event_type(record, column, dtype):
    if column == "event":
        bad = pl.lit(1, dtype=dtype).alias(column)
    else:
        bad = pl.col(column).cast(dtype)
    refuse(record(ROWS, events=events_table(ROWS).with_columns(bad)), f"column {column}")


def test_nan_times_cannot_pass_as_numbers(record):
    table = events_table(ROWS).with_columns(pl.lit(float("nan")).alias("t_ns"))
    refuse(record(ROWS, events=table), "column t_ns", "integers")


def test_no_events(record):
    refuse(record([]), "number of rows", "1 or more")


def test_no_slices(record):
    refuse(record([(0, "link", 20, 1, 21, None)]), "in and out events")


@pytest.mark.parametrize("column", ["t_ns", "event", "pid"])
def test_null_where_none_may_be(record, column):
    table = events_table(ROWS)
    hole = pl.when(pl.int_range(pl.len()) == 1).then(None).otherwise(pl.col(column)).alias(column)
    refuse(record(ROWS, events=table.with_columns(hole)), f"column {column}, row 1", "None")


def test_times_out_of_order(record):
    refuse(record([ROWS[0], (90, *ROWS[1][1:]), (80, *ROWS[0][1:])]), "row 2", "sort the rows")


@pytest.mark.parametrize("t_ns", [-(2**62), -3_000_000_000, WINDOW_NS + 3_000_000_000, 2**62])
def test_times_outside_the_window(record, t_ns):
    rows = sorted([*ROWS, (t_ns, "in", 21, 2, None, WORK)])
    refuse(record(rows), "column t_ns", "the window and its edges")


@pytest.mark.parametrize(("place", "name"), [(2, "pid"), (4, "peer")])
def test_process_number_out_of_range(record, place, name):
    row = [50, "send", 20, 1, 21, None]
    row[place] = 2**60
    refuse(record([ROWS[0], tuple(row), ROWS[1]]), f"column {name}, row 1")


def test_unsigned_overflow(record):
    table = events_table(ROWS).with_columns(pl.lit(2**64 - 1, dtype=pl.UInt64).alias("peer"))
    refuse(record(ROWS, events=table), "peer")


@pytest.mark.parametrize("words", [-1, 2**61])
def test_heap_out_of_range(record, words):
    rows = [ROWS[0], (50, "gc_minor_start", 20, 1, None, None), ROWS[1]]
    refuse(record(rows, heap=[(1, words, 0)]), "column heap_words, row 1")


def test_too_many_rows(record, monkeypatch):
    monkeypatch.setattr("pipeline.beam_trace.read.ROW_COUNT_MAX", 1)
    refuse(record(ROWS), "number of rows is 2", "at most 1")


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("trace_window_s", None),
        ("trace_window_s", -1),
        ("trace_window_s", float("nan")),
        ("trace_window_s", 1e300),
        ("trace_window_s", True),
        ("trace_window_s", "1"),
        ("recorder_pids", "all"),
        ("recorder_pids", [1.5]),
        ("system", {"schedulers": 0}),
        ("system", {"schedulers": 10**9}),
        ("system", []),
    ],
)
def test_unusable_summary(record, key, value):
    word = "schedulers" if key == "system" else key
    refuse(record(ROWS, summary=summary() | {key: value}), "summary.json", word)


@pytest.mark.parametrize("text", ["[]", "[" * 100_000, "{", "\x00"])
def test_summary_that_is_not_an_object(record, text):
    folder = record(ROWS)
    (folder / "summary.json").write_text(text)
    refuse(folder, "summary.json")


@pytest.mark.parametrize("value", [10**400, True, "much", -99])
def test_impossible_slowdown_is_only_dropped(record, value):
    parts = summary() | {"overhead": {"reductions_per_s": {"slowdown_share": value}}}
    assert math.isnan(read_beam_trace(record(ROWS, summary=parts)).slowdown)


def test_unsigned_overflow_in_samples(record):
    column = pl.Series("reductions", [0, 2**64 - 1], dtype=pl.UInt64)
    table = pl.DataFrame({"t_ns": [0, 100], "window": ["B", "B"], "reductions": column})
    refuse(record(ROWS, samples=table), "samples.parquet")


def test_unknown_events_are_left_alone(record):
    rows = [ROWS[0], (50, "from_a_later_otp", 20, 1, None, None), ROWS[1]]
    assert read_beam_trace(record(rows)).t_ns.size == 3


def test_slowdown_may_be_absent(record):
    parts = summary()
    del parts["overhead"]
    folder = record(ROWS, summary=parts)
    imported = import_trace(folder, folder / "out.parquet")
    assert imported.notes["tracing_slowdown"] == "nan"
    assert json.loads((folder / "summary.json").read_text()) == parts
    shutil.rmtree(folder)
