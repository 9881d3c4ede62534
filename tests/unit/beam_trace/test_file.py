"""Replay files: same trace, same bytes; anything else is refused."""

import dataclasses
import subprocess
import sys
from pathlib import Path

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline.beam_trace import describe, format_description, read_notes, read_replay, write_replay
from sim.workload.replay import ReplayOp, TraceError, replay_completes
from tests.unit.beam_trace.recording import small_trace, trace_of

ROOT = Path(__file__).parents[3]
COMMITTED = ROOT / "conf" / "traces" / "mixed_s2.parquet"


def test_round_trip_keeps_everything(tmp_path):
    trace, path = small_trace(), tmp_path / "new" / "t.parquet"
    write_replay(trace, path, {"otp": "25"})
    again = read_replay(path)
    assert again.digest() == trace.digest()
    assert again.ns_per_reduction == trace.ns_per_reduction
    assert read_notes(path)["otp"] == "25"
    assert [p.name for p in path.parent.iterdir()] == ["t.parquet"]
    assert pl.read_parquet(path)["value"].to_list() == trace.value.tolist()


def test_only_files_with_paces_say_version_2(tmp_path):
    rows = [(0, ReplayOp.BEGIN, 2616, -1), (0, ReplayOp.PACE, 2500, -1), (0, ReplayOp.RUN, 100, -1)]
    write_replay(trace_of(rows), tmp_path / "with")
    write_replay(small_trace(), tmp_path / "without")
    assert read_replay(tmp_path / "with").pace_ns().tolist() == [2.5]
    versions = [read_notes(tmp_path / name)["version"] for name in ("with", "without")]
    assert versions == ["2", "1"]


def test_written_twice_the_bytes_are_the_same(tmp_path):
    write_replay(small_trace(), tmp_path / "a", {"x": "1", "y": "2", "z": "3"})
    write_replay(small_trace(), tmp_path / "b", {"z": "3", "y": "2", "x": "1"})
    script = (
        "from tests.unit.beam_trace.recording import small_trace\n"
        "from pipeline.beam_trace import write_replay\n"
        f"write_replay(small_trace(), {str(tmp_path / 'c')!r}, dict(x='1', y='2', z='3'))"
    )
    subprocess.run([sys.executable, "-c", script], cwd=ROOT, check=True)
    first = (tmp_path / "a").read_bytes()
    assert (tmp_path / "b").read_bytes() == first
    assert (tmp_path / "c").read_bytes() == first


def rewrite(path, table=None, **changes):
    """Write a replay file with some metadata (None: removed) or the table replaced."""
    write_replay(small_trace(), path)
    old = pq.ParquetFile(path)
    kept = old.metadata.metadata | {k.encode(): v for k, v in changes.items()}
    kept = {k: v for k, v in kept.items() if v is not None}
    table = old.read() if table is None else table
    with pq.ParquetWriter(path, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata(kept)


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"format": b"other"}, "format"),
        ({"format": None}, "format"),
        ({"version": b"3"}, "version"),
        ({"name": None}, "name"),
        ({"name": b"a\nb"}, "name"),
        ({"name": b"x" * 2000}, "metadata"),
        ({"name": b"\xff\xfe"}, "UTF-8"),
        ({"window_ns": b"-1"}, "window_ns"),
        ({"window_ns": b"9" * 500}, "window_ns"),
        ({"window_ns": b"1e9"}, "window_ns"),
        ({"ns_per_reduction": b"nan"}, "ns_per_reduction"),
        ({"ns_per_reduction": b"-1.0"}, "ns_per_reduction"),
        ({"schedulers": b"0"}, "schedulers"),
        ({"busy_ns": b"0"}, "busy_ns"),
        ({"busy_ns": None}, "busy_ns"),
        ({"digest": b"0" * 64}, "digest"),
        ({f"n{i}": b"" for i in range(200)}, "metadata entries"),
    ],
)
def test_hostile_metadata(tmp_path, changes, word):
    path = tmp_path / "t.parquet"
    rewrite(path, **changes)
    with pytest.raises(TraceError, match=word) as caught:
        read_replay(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("change", ["drop", "extra", "type", "null", "empty", "value"])
def test_hostile_columns(tmp_path, change):
    path = tmp_path / "t.parquet"
    write_replay(small_trace(), path)
    table = pq.read_table(path)
    value = table["value"].to_pylist()
    changed = {
        "drop": table.drop_columns("peer"),
        "extra": table.append_column("more", table["peer"]),
        "type": table.set_column(2, "value", table["value"].cast(pa.float64())),
        "null": table.set_column(2, "value", pa.array([None, *value[1:]], pa.int64())),
        "empty": table.slice(0, 0),
        "value": table.set_column(2, "value", pa.array([*value[:-1], 7], pa.int64())),
    }[change]
    rewrite(path, changed)
    with pytest.raises(TraceError, match=r"t\.parquet"):
        read_replay(path)


def test_every_cut_of_a_file_is_refused(tmp_path):
    path = tmp_path / "t.parquet"
    write_replay(small_trace(), path)
    content = path.read_bytes()
    for size in range(0, len(content), 37):
        path.write_bytes(content[:size])
        with pytest.raises(TraceError):
            read_replay(path)


def test_a_recording_is_not_a_replay_file(record):
    folder = record([(0, "in", 20, 1, None, None), (9, "out", 20, 1, None, None)])
    with pytest.raises(TraceError, match="format"):
        read_replay(folder / "events.parquet")
    with pytest.raises(TraceError, match="missing"):
        read_replay(folder / "none.parquet")


def test_oversized_is_refused_before_it_is_read(tmp_path, monkeypatch):
    write_replay(small_trace(), tmp_path / "t")
    monkeypatch.setattr("pipeline.beam_trace.file.ROW_COUNT_MAX", 3)
    with pytest.raises(TraceError, match="number of rows"):
        read_replay(tmp_path / "t")


def test_error_survives_pickling_by_its_parts():
    error = TraceError("here", 1, "2", "do that")
    made, parts = error.__reduce__()
    assert str(made(*parts)) == str(error) == "here is 1, must be 2; do that"


def test_description_of_a_small_trace():
    figures = describe(small_trace())
    assert figures["processes"] == 2
    assert figures["run_total_s"] == pytest.approx(600e-9)
    assert (figures["waits"], figures["sends"], figures["sends_that_wake"]) == (1, 2, 1)
    assert figures["offered_cores"] == pytest.approx(0.6)
    assert "offered_cores" in format_description(figures)


def test_description_of_a_trace_that_never_runs():
    empty = small_trace()
    keep = slice(0, 1)
    columns = {c: getattr(empty, c)[keep].copy() for c in ("process", "op", "value", "peer")}
    figures = describe(dataclasses.replace(empty, busy_ns=0, **columns))
    assert figures["run_mean_us"] == 0.0


def test_committed_trace_is_small_busy_and_completes():
    assert COMMITTED.stat().st_size <= 400_000
    trace = read_replay(COMMITTED)
    assert replay_completes(trace)
    figures = describe(trace)
    assert 0.2 <= figures["window_s"] <= 0.25
    assert figures["busy_share"] > 0.75
    assert figures["waits"] > 10_000
