"""Every kind of broken trace file is refused in one clear line, quickly, and nothing is written."""

import gzip
import os
import struct
import tracemalloc
import zlib
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.beam_trace import dbg_file, dbg_trace
from pipeline.beam_trace.dbg_trace import DbgOptions, import_dbg, read_dbg_trace
from pipeline.errors import UserError
from pipeline.trace import main, trace_command
from sim import TraceError
from tests.pipeline import terms
from tests.pipeline.terms import NIL, atom, event, integer, mfa, pid, raw, record, sliced, tup


def good(count: int = 30) -> list[bytes]:
    return [each for k in range(count) for each in sliced(1000 * k, 1000 * k + 500, 1 + k % 3, 1 + k % 2)]


def refused(path: Path, match: str, **options: object) -> TraceError:
    """Import a file that must be refused; the message is one line and nothing is written."""
    out = path.parent / "out" / "out.parquet"
    with pytest.raises(TraceError, match=match) as caught:
        import_dbg(path, out, None, DbgOptions(**options))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 900
    assert not out.parent.exists()
    return caught.value


FOREIGN = {
    "png": b"\x89PNG\r\n\x1a\n" + bytes(100),
    "text": b"{trace_ts,<0.1.0>,in,{a,b,1},1,5}.\n",
    "zip": b"PK\x03\x04" + bytes(100),
    "zeros": bytes(1000),
    "a bare term": b"\x83" + tup(atom("a")),
    "a record too large": struct.pack(">BI", 0, 1 << 31) + b"\x83",
}


@pytest.mark.parametrize("name", FOREIGN)
def test_foreign_files(tmp_path, name):
    (tmp_path / "f").write_bytes(FOREIGN[name])
    error = refused(tmp_path / "f", "the beginning of")
    assert "a file written by dbg:trace_port" in str(error)
    assert f"is {FOREIGN[name][:12]!r}, must" in str(error)
    assert "pipeline.trace record" in str(error)
    assert len(str(error).replace(str(tmp_path), "")) < 250
    (tmp_path / "g").write_bytes(gzip.compress(FOREIGN[name]))
    refused(tmp_path / "g", "the beginning of")


def test_parquet_file_in_place_of_its_folder(tmp_path):
    (tmp_path / "events.parquet").write_bytes(b"PAR1" + bytes(100))
    assert "give the folder" in str(refused(tmp_path / "events.parquet", "PAR1"))


def test_foreign_bytes_in_the_middle(tmp_path):
    path = terms.write(tmp_path / "a", [*good(), b"\x07garbage", *good()])
    refused(path, "after 60 whole events")


@pytest.mark.parametrize(
    "term",
    [
        b"\x83" + atom("a"),
        b"\x83" + tup(atom("foo"), integer(1)),
        b"\x83" + tup(),
        b"\x83\x6a",
        b"\x00\x00",
        b"\x83" + tup(integer(3)),
        b"\x83\x50\x00\x00\x00\x10" + zlib.compress(tup(atom("trace_ts"), NIL)),
    ],
)
def test_records_that_are_other_terms(tmp_path, term):
    error = refused(terms.write(tmp_path / "a", [*good(), raw(term)]), "record 60")
    assert "trace" in str(error)


def test_compressed_bomb_is_not_inflated(tmp_path):
    bomb = b"\x83\x50" + struct.pack(">I", 1 << 31) + zlib.compress(bytes(1 << 22))
    assert "compressed" in str(refused(terms.write(tmp_path / "a", [raw(bomb)]), "record 0"))


BOMBS = {
    "list": b"\x6c\xff\xff\xff\xff",
    "tuple": b"\x69\xff\xff\xff\xff",
    "binary": b"\x6d\xff\xff\xff\xff",
    "map": b"\x74\xff\xff\xff\xff",
    "lists": b"".join(b"\x6c" + struct.pack(">I", 1 << k) for k in range(18, 0, -1)),
}


@pytest.mark.parametrize("name", BOMBS)
@pytest.mark.parametrize("tag", ["in", "spawn", "send", "gc_minor_start"])
def test_counts_that_the_record_cannot_hold(tmp_path, name, tag):
    bomb = raw(b"\x83" + tup(atom("trace_ts"), pid(1), atom(tag)) + BOMBS[name])
    broken = bomb[:5] + bomb[5:7] + bytes([7 if tag in ("spawn", "send") else 6]) + bomb[8:]
    # Another record behind it: reading on into that one would go unnoticed.
    refused(terms.write(tmp_path / "a", [*good(), broken, *good(1)]), "record 60")


def test_message_nested_very_deep_is_passed_over(tmp_path):
    deep = b"\x68\x01" * 300_000 + NIL
    long = b"\x83\x68\x07" + atom("trace_ts") + pid(1) + atom("send") + deep + pid(2) + integer(1)
    lines = [event(0, "in", 1, 1, mfa("a:b/1")), raw(long + integer(5)), event(9, "out", 1, 1, mfa("a:b/1"))]
    trace = read_dbg_trace(terms.write(tmp_path / "a", lines), DbgOptions()).trace
    assert trace.t_ns.tolist() == [0, 5, 9]


def test_deep_function_is_refused(tmp_path):
    deep = b"\x68\x01" * 1000 + NIL
    refused(terms.write(tmp_path / "a", [*good(), event(0, "in", 1, 1, deep)]), "record 60")


def test_gzip_bomb_costs_little(tmp_path):
    path = tmp_path / "bomb.gz"
    with gzip.open(path, "wb") as file:
        file.write(b"".join(good()))
        for _ in range(128):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    try:
        refused(path, "after 60 whole events")
        assert tracemalloc.get_traced_memory()[1] < 16 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("cut", [1, 3, 30])
@pytest.mark.parametrize("zipped", [False, True])
def test_truncated_file_says_how_much_is_whole(tmp_path, cut, zipped):
    data = b"".join([*good(), event(10**6, "out", 9, 1, mfa("a:b/1"))])
    path = tmp_path / "cut"
    if zipped:
        # Cut as a stream is whose writer died: no trailer, some last bytes missing.
        squeeze = zlib.compressobj(0, wbits=31)
        whole = squeeze.compress(data[:-cut]) + squeeze.flush(zlib.Z_SYNC_FLUSH)
        path.write_bytes(whole)
    else:
        path.write_bytes(data[:-cut])
    error = refused(path, "after 60 whole events")
    assert "partial=true" in str(error)
    recording = read_dbg_trace(path, DbgOptions(partial=True))
    assert recording.trace.t_ns.size == 60
    assert int(recording.notes["bytes_cut_off"]) > 0


def test_damaged_gzip_stream(tmp_path):
    data = bytearray(gzip.compress(b"".join(good(2000)), mtime=0))
    data[len(data) // 2] ^= 0xFF
    (tmp_path / "a.gz").write_bytes(data)
    with pytest.raises(TraceError):
        import_dbg(tmp_path / "a.gz", tmp_path / "out.parquet")
    assert not (tmp_path / "out.parquet").exists()


def test_damaged_gzip_checksum(tmp_path):
    data = bytearray(gzip.compress(b"".join(good()), mtime=0))
    data[-6] ^= 0xFF
    (tmp_path / "a.gz").write_bytes(data)
    refused(tmp_path / "a.gz", "sound gzip stream", partial=True)


def without(tag: str, *rest: bytes) -> bytes:
    return record(atom(tag), pid(1), atom("in"), mfa("a:b/1"), *rest)


@pytest.mark.parametrize(
    ("line", "what"),
    [
        (without("trace"), "without timestamps"),
        (without("trace", integer(1)), "without timestamps"),
        (without("trace_ts", integer(5)), "without scheduler ids"),
        (without("trace_ts", tup(integer(1), integer(2), integer(3))), "without scheduler ids"),
        (without("trace_ts", integer(1), integer(5), integer(5)), "without the known form"),
    ],
)
def test_missing_flags_are_named_with_the_commands(tmp_path, line, what):
    error = refused(terms.write(tmp_path / "a", [line]), what)
    for word in ("scheduler_id", "monotonic_timestamp", "erlang:trace(", "dbg:trace_port(file"):
        assert word in str(error)


@pytest.mark.parametrize(
    "ending",
    [
        (integer(1), atom("now")),
        (integer(1), tup(integer(1))),
        (integer(1), integer(1 << 64)),
        (integer(70_000), integer(5)),
        (integer(-1), integer(5)),
        (atom("x"), integer(5)),
        (integer(1), tup(integer(1), atom("x"), integer(1))),
    ],
)
def test_schedulers_and_times_that_cannot_be(tmp_path, ending):
    line = record(atom("trace_ts"), pid(1), atom("in"), mfa("a:b/1"), *ending)
    refused(terms.write(tmp_path / "a", [*good(), line]), "record 60")


def test_two_kinds_of_timestamps(tmp_path):
    wall = without("trace_ts", integer(1), tup(integer(1), integer(2), integer(3)))
    refused(terms.write(tmp_path / "a", [*good(), wall]), "another form")


def test_times_without_end(tmp_path):
    refused(
        terms.write(tmp_path / "a", [*good(), *sliced(1 << 60, (1 << 60) + 1, 1, 1)]),
        "first event to the last",
    )


def test_clock_that_steps_back(tmp_path):
    lines = sliced(0, 10, 1, 1) + good(40)[::-1]
    error = refused(terms.write(tmp_path / "a", lines), "go back on their scheduler")
    assert "monotonic_timestamp" in str(error)


def test_a_few_steps_back_are_sorted(tmp_path):
    lines = good()
    lines[4], lines[8] = lines[8], lines[4]
    trace = read_dbg_trace(terms.write(tmp_path / "a", lines), DbgOptions()).trace
    assert trace.t_ns.tolist() == sorted(trace.t_ns.tolist())


def test_dropped_messages_beyond_the_limit(tmp_path):
    lost = b"\1" + struct.pack(">I", 15)
    few = terms.write(tmp_path / "few", [*good(), lost])
    assert read_dbg_trace(few, DbgOptions()).notes["messages_dropped"] == "15"
    many = terms.write(tmp_path / "many", [lost, *good(), lost])
    assert "dropped is 30" in str(refused(many, "dropped"))


def test_ins_without_outs(tmp_path):
    lines = [event(10 * k, "in", 1, 1, mfa("a:b/1")) for k in range(100)]
    error = refused(terms.write(tmp_path / "a", lines), "ins without out")
    assert "events.parquet" not in str(error)


@pytest.mark.parametrize(
    "lines",
    [
        [b"\1\0\0\0\1"],
        [event(5, "exit", 1, 1, atom("normal"))],
        [record(atom("profile"), atom("scheduler"), integer(1), atom("inactive"), NIL, integer(1))],
        [event(5, "in", 1, 1, mfa("a:b/1"))],
    ],
)
def test_traces_without_anything_to_replay(tmp_path, lines):
    refused(terms.write(tmp_path / "a", lines), "number of events|trace flags|first event to the last")


def test_slices_that_take_no_time(tmp_path):
    lines = [*sliced(0, 0, 1, 1), *sliced(0, 900, 2, 0)]
    refused(terms.write(tmp_path / "a", lines), "time in slices")


def test_only_dirty_schedulers(tmp_path):
    refused(terms.write(tmp_path / "a", sliced(0, 9, 1, 0)), "highest scheduler id")


def test_missing_empty_and_odd_paths(tmp_path):
    refused(tmp_path / "none", "missing")
    refused(tmp_path, "not a regular file")
    (tmp_path / "empty").write_bytes(b"")
    refused(tmp_path / "empty", "in bytes is 0, .*the file is empty")
    os.mkfifo(tmp_path / "pipe")
    refused(tmp_path / "pipe", "not a regular file")


def test_unreadable_file(tmp_path, monkeypatch):
    path = terms.write(tmp_path / "a", good())

    def denied(*_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)  # root, as tests may run, could read anything
    refused(path, "Permission denied")


def test_more_events_than_can_be_kept(tmp_path, monkeypatch):
    path = terms.write(tmp_path / "a", good())
    monkeypatch.setattr(dbg_trace, "ROW_COUNT_MAX", 59)
    refused(path, "at most 59")
    monkeypatch.setattr(dbg_trace, "ROW_COUNT_MAX", 2)
    monkeypatch.setattr(dbg_file, "READ_BYTES", 500)
    refused(terms.write(tmp_path / "b", [event(5, "exit", 1, 1, atom("normal"))] * 100), "at most 2")


def test_memory_follows_the_events_kept(tmp_path):
    def peak(path: Path) -> int:
        tracemalloc.start()
        try:
            assert read_dbg_trace(path, DbgOptions()).trace.t_ns.size == 6_000
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    lines = good(3_000)
    unused = [record(atom("trace_ts"), pid(1), atom("call"), atom("x" * 255), integer(5))] * 30_000
    lean = peak(terms.write(tmp_path / "lean.gz", lines, zipped=True))
    wide = peak(terms.write(tmp_path / "wide.gz", lines + unused, zipped=True))  # 10 MB more
    assert wide < lean + (3 << 20)


def test_profile_of_another_run(tmp_path):
    path = terms.write(tmp_path / "a", good())
    lines = [record(atom("profile"), atom("scheduler"), integer(1), atom("inactive"), NIL, integer(10**9))]
    error = refused(path, "events while", prof=terms.write(tmp_path / "p", lines))
    assert "same run" in str(error)


def test_more_schedulers_seen_than_stated(tmp_path):
    refused(terms.write(tmp_path / "a", good()), "schedulers is 1", schedulers=1)


def test_incomplete_wrap_sets(tmp_path):
    for number in (0, 1, 4, 5):
        terms.write(tmp_path / f"w{number}", good())
    refused(tmp_path / "w0", "hole")
    for number in (8,):
        terms.write(tmp_path / f"w{number}", good())
    refused(tmp_path / "w0", "wrap=false")
    terms.write(tmp_path / "v0", good())
    terms.write(tmp_path / "v1", [b"junk"])
    assert "v1" in refused(tmp_path / "v0", "the beginning of").where


@pytest.mark.parametrize(
    "word",
    [
        "ns_per_reduction=nan",
        "ns_per_reduction=-3",
        "ns_per_reduction=x",
        "schedulers=0",
        "schedulers=1.5",
        "schedulers=²",
        "partial=yes",
        "wrap=maybe",
        "start_ms=soon",
    ],
)
def test_words_that_cannot_be_used(tmp_path, monkeypatch, word):
    monkeypatch.chdir(tmp_path)
    terms.write(tmp_path / "a.trace", good())
    with pytest.raises(UserError, match=word.split("=", maxsplit=1)[0]):
        trace_command(["import", "a.trace", word])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.trace"]


def test_words_for_a_file_with_a_folder(tmp_path):
    (tmp_path / "events.parquet").touch()
    with pytest.raises(UserError, match="not for a folder"):
        trace_command(["import", str(tmp_path), "prof=x", f"out={tmp_path / 'out.parquet'}"])


def test_folder_without_the_parquet_form(tmp_path):
    terms.write(tmp_path / "dbg.trace", good())
    with pytest.raises(UserError, match="no events.parquet"):
        trace_command(["import", str(tmp_path), f"out={tmp_path / 'out.parquet'}"])


def test_command_tells_in_one_line_and_writes_nothing(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.trace").write_bytes(b"\x89PNG\r\n")
    assert main(["import", "a.trace"]) == 2
    assert capsys.readouterr().err.count("\n") == 1
    assert main(["import", "b.trace"]) == 2
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.trace"]


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=200)
@given(data=st.data())
def test_flipped_bytes_are_read_or_refused(tmp_path, data):
    whole = bytearray(b"".join([*good(5), event(9000, "send", 1, 1, tup(NIL, atom("x")), pid(2))]))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    path = tmp_path / "a"
    path.write_bytes(whole)
    try:
        read_dbg_trace(path, DbgOptions(partial=True))
    except TraceError as error:
        assert str(path) in str(error)


@pytest.mark.parametrize("name", ["m2.txt", "m2", ".parquet", "dir/", "m2.parquet.gz"])
def test_file_that_no_workload_could_name_is_refused_before_the_work(tmp_path, monkeypatch, capsys, name):
    monkeypatch.chdir(tmp_path)
    terms.write(tmp_path / "a", [b"never read"])
    assert main(["import", "a", f"out={name}"]) == 2
    err = capsys.readouterr().err
    assert f"out={name}: must end with .parquet" in err
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_source_that_is_not_there(tmp_path, capsys):
    assert main(["import", str(tmp_path / "nofile.trace")]) == 2
    err = capsys.readouterr().err
    assert "nofile.trace: there is no such file or folder" in err
    assert "file of dbg:trace_port" in err


def test_window_is_told_in_the_unit_it_was_given_in(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    terms.write(tmp_path / "a", good())
    assert main(["import", "a", "start_ms=900", "stop_ms=100"]) == 2
    assert "in ms, is (900.0, 100.0), must be start below stop" in capsys.readouterr().err
