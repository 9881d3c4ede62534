"""Files of `dbg:trace_port` give the events that are in them, in every form: as Parquet of the same says."""

import gzip
import io
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from pipeline.beam_trace import dbg_file, dbg_trace, read_beam_trace, read_notes, read_replay
from pipeline.beam_trace.dbg_progress import ReadProgress
from pipeline.beam_trace.dbg_trace import DbgOptions, import_dbg, read_dbg_trace
from pipeline.beam_trace.read import MISSING, BeamTrace, EventKind
from pipeline.beam_trace.slices import Slices, pair_slices
from pipeline.trace import trace_command
from sim import NO_PEER, ReplayOp
from tests.pipeline import terms
from tests.pipeline.terms import NIL, atom, event, integer, mfa, pid, port, record, seq, sliced, tup

SHARED = Path(__file__).parents[2].parent / "shared" / "data" / "beam-traces"
BOTH_FORMS = [folder.parent.name for folder in sorted(SHARED.glob("*/dbg.trace.gz"))]
needs_recordings = pytest.mark.skipif(not BOTH_FORMS, reason=f"no dbg recordings in {SHARED}")


def story() -> list[bytes]:
    """Process 1 spawns 2 and sends it a message; both collect, wait and go on; 2 moves and exits."""
    heap = seq(
        tup(atom("wordsize"), integer(4)),
        tup(atom("old_heap_size"), integer(1000)),
        tup(atom("heap_size"), integer(300)),
        tup(atom("bin_vheap_size", 100), integer(77)),
    )
    return [
        *sliced(0, 10_000, 1, 1),
        event(12_000, "in", 1, 1, mfa("gen_server:loop/7")),
        event(12_500, "spawn", 1, 1, pid(2), tup(atom("erlang"), atom("apply"), seq(NIL, NIL))),
        event(13_000, "gc_minor_start", 1, 1, heap),
        event(13_100, "gc_minor_end", 1, 1, heap),
        event(14_000, "send", 1, 1, tup(atom("x"), seq(integer(1))), pid(2)),
        event(15_000, "out", 1, 1, mfa("gen_server:loop/7")),
        event(13_500, "in", 2, 2, mfa("a:b/1")),
        event(13_600, "out", 2, 2, mfa("gen_server:loop/7")),
        event(14_500, "in", 2, 1 + 1, mfa("gen_server:loop/7")),
        event(16_000, "out_exited", 2, 2, integer(0)),
        *sliced(17_000, 20_000, 1, 2),
    ]


def read(path: Path, **options: object) -> BeamTrace:
    return read_dbg_trace(path, DbgOptions(**options)).trace


def rows(trace: BeamTrace) -> list[tuple[int, ...]]:
    columns = (trace.t_ns, trace.kind, trace.pid, trace.scheduler, trace.peer, trace.heap_words)
    return list(zip(*(column.tolist() for column in columns), strict=True))


def names(trace: BeamTrace, rows_or_slices: BeamTrace | Slices) -> list[str | None]:
    return [trace.mfa_names[i] if i >= 0 else None for i in rows_or_slices.mfa]


def migrations(slices: Slices, schedulers: int) -> int:
    normal = slices.take((slices.scheduler >= 1) & (slices.scheduler <= schedulers) & (slices.pid >= 0))
    moved = (normal.pid[1:] == normal.pid[:-1]) & (normal.scheduler[1:] != normal.scheduler[:-1])
    return int(moved.sum())


@needs_recordings
@pytest.mark.parametrize("name", BOTH_FORMS or ["none"])
def test_dbg_file_says_what_the_parquet_made_of_it_says(name):
    folder = SHARED / name
    table = read_beam_trace(folder)
    trace = read(folder / "dbg.trace.gz", prof=folder / "prof.trace.gz")
    used = np.flatnonzero(table.kind != EventKind.OTHER)
    shift = table.t_ns[used[0]]
    assert trace.schedulers == table.schedulers
    assert (trace.t_ns + shift).tolist() == table.t_ns[used].tolist()
    for column in ("kind", "pid", "scheduler", "peer", "heap_words"):
        assert getattr(trace, column).tolist() == getattr(table, column)[used].tolist(), column
    named = names(table, table)
    assert names(trace, trace) == [named[row] for row in used]
    here, there = pair_slices(trace), pair_slices(table)
    for column in ("pid", "scheduler", "is_last"):
        assert getattr(here, column).tolist() == getattr(there, column).tolist(), column
    assert (here.start_ns + shift).tolist() == there.start_ns.tolist()
    # Slices cut by the end are cut at the last event that each form keeps.
    whole = there.stop_row < table.t_ns.size
    assert (here.stop_ns + shift)[whole].tolist() == there.stop_ns[whole].tolist()
    assert names(trace, here) == names(table, there)
    assert here.unmatched == there.unmatched
    count = migrations(here, trace.schedulers)
    assert count == migrations(there, table.schedulers)
    assert count > 100


@needs_recordings
def test_estimated_pace_is_near_the_counted_one_where_processes_compute():
    folder = SHARED / "pcompile-s2-dbg"
    recording = read_dbg_trace(folder / "dbg.trace.gz", DbgOptions(prof=folder / "prof.trace.gz"))
    assert recording.pace_ns == pytest.approx(14.37, rel=0.1)  # ns_per_reduction of the Parquet form
    assert "estimated from" in recording.notes["ns_per_reduction_from"]


def test_story_is_read_in_order_of_time(tmp_path):
    trace = read(terms.write(tmp_path / "a.trace", story()))
    assert rows(trace) == sorted(rows(trace), key=lambda row: row[0])
    assert trace.t_ns.tolist()[:3] == [0, 10_000, 12_000]
    assert (trace.window_ns, trace.schedulers, trace.has_sends, trace.name) == (20_000, 2, True, "a")
    spawn = int(np.flatnonzero(trace.kind == EventKind.SPAWN)[0])
    send = int(np.flatnonzero(trace.kind == EventKind.SEND)[0])
    assert (trace.pid[spawn], trace.peer[spawn]) == (1, 2)
    assert trace.mfa_names[trace.mfa[spawn]] == "erlang:apply/2"
    assert (trace.pid[send], trace.peer[send]) == (1, 2)
    assert set(trace.heap_words[trace.kind == EventKind.COLLECT_START]) == {1300}
    slices = pair_slices(trace)
    assert slices.pid.tolist() == [1, 1, 1, 2, 2]
    assert names(trace, slices) == ["gen_server:loop/7"] * 4 + [None]
    assert slices.is_last.tolist() == [False, False, False, False, True]


def test_order_of_schedulers_in_the_file_does_not_matter(tmp_path):
    plain = story()
    # What one scheduler writes stays in order; between them anything goes.
    first = terms.write(tmp_path / "a.trace", plain)
    second = terms.write(tmp_path / "b.trace", plain[8:12] + plain[:8] + plain[12:])
    assert rows(read(first)) == rows(read(second))


def test_gzip_of_one_or_more_members_is_the_same(tmp_path):
    records = story()
    plain = terms.write(tmp_path / "a.trace", records)
    zipped = terms.write(tmp_path / "a.gz", records, zipped=True)
    members = tmp_path / "members.gz"
    parts = (b"".join(records)[:333], b"".join(records)[333:], b"")
    members.write_bytes(b"".join(gzip.compress(part) for part in parts) + b"\0" * 512)
    assert rows(read(plain)) == rows(read(zipped)) == rows(read(members))


def test_small_reads_and_chunks_change_nothing(tmp_path, monkeypatch):
    path = terms.write(tmp_path / "a.trace", story(), zipped=True)
    expected = rows(read(path))
    monkeypatch.setattr(dbg_file, "READ_BYTES", 7)
    monkeypatch.setattr(dbg_trace, "CHUNK_ROWS", 3)
    seen: list[tuple[int, int, int]] = []
    found = read_dbg_trace(path, DbgOptions(), lambda *state: seen.append(state)).trace
    assert rows(found) == expected
    size = path.stat().st_size
    assert seen[-1][1:] == (size, len(expected))
    assert size - 10 < seen[-1][0] <= size  # a gzip trailer holds no events
    assert len(seen) > 3


def stamp(t_ns: int, clock: str) -> bytes:
    if clock == "strict":
        return tup(integer(t_ns - (1 << 59)), integer(-3))
    micros = t_ns // 1000 + 1_700_000_000_000_000
    parts = (micros // 10**12, micros // 10**6 % 10**6, micros % 10**6)
    return tup(*(integer(part) for part in parts))


@pytest.mark.parametrize("clock", ["strict", "wall"])
def test_other_clocks_give_the_same_slices(tmp_path, clock):
    def at(t_ns: int, tag: str, who: int) -> bytes:
        items = (atom("trace_ts"), pid(who), atom(tag), mfa("a:b/1"), integer(1), stamp(t_ns, clock))
        return record(*items)

    lines = [at(1_000, "in", 1), at(5_000, "out", 1), at(9_000, "in", 2), at(9_000, "out", 2)]
    slices = pair_slices(read(terms.write(tmp_path / "a.trace", lines)))
    assert slices.start_ns.tolist() == [0, 8_000]
    assert slices.stop_ns.tolist() == [4_000, 8_000]


def test_numbers_of_pids_ports_and_strangers(tmp_path):
    other = pid(5, "other@host")
    lines = [
        event(0, "in", 3 + 32768 * 2, 1, mfa("a:b/1")),
        event(1, "send", 3 + 32768 * 2, 1, NIL, other),
        event(2, "send", 3 + 32768 * 2, 1, NIL, atom("logger")),
        event(3, "send", 3 + 32768 * 2, 1, NIL, tup(atom("logger"), atom("other@host"))),
        event(4, "send", 3 + 32768 * 2, 1, NIL, port(17)),
        event(5, "send", 3 + 32768 * 2, 1, NIL, port(1 << 33, 120)),
        event(9, "out", 3 + 32768 * 2, 1, mfa("a:b/1")),
        record(atom("trace_ts"), port(4), atom("in"), atom("close"), integer(1), integer(10)),
    ]
    trace = read(terms.write(tmp_path / "a.trace", lines))
    sends = trace.kind == EventKind.SEND
    assert set(trace.pid[sends]) == {3 + 32768 * 2}
    assert trace.peer[sends].tolist() == [MISSING, MISSING, MISSING, -18, -1 - (1 << 33)]
    assert trace.pid[-1] == -5


def test_records_without_use_are_passed_over(tmp_path):
    odd = [
        event(5, "exit", 1, 1, atom("normal")),
        event(5, "link", 1, 1, pid(2)),
        record(atom("trace_ts"), pid(1), atom("call"), tup(NIL), integer(5)),
        record(atom("seq_trace"), integer(1), NIL, integer(5)),
        record(atom("profile"), atom("exclusive"), NIL),
    ]
    plain = terms.write(tmp_path / "a.trace", story())
    mixed = terms.write(tmp_path / "b.trace", [odd[0], *story(), *odd])
    assert rows(read(plain)) == rows(read(mixed))


def profile(t_ns: int, state: str, who: bytes | int) -> bytes:
    if isinstance(who, int):
        items = (atom("scheduler"), integer(who), atom(state), integer(1))
    else:
        items = (who, atom(state), mfa("a:b/1"))
    return record(atom("profile"), *items, integer(t_ns))


def test_profile_gives_idle_schedulers_and_waits(tmp_path):
    path = terms.write(tmp_path / "a.trace", story())
    lines = [
        profile(-5, "inactive", 1),  # before the trace: left out
        profile(10_500, "inactive", 1),
        profile(10_600, "active", 1),
        profile(10_001, "inactive", pid(1)),
        profile(11_500, "active", pid(1)),
        profile(20_001, "inactive", 1),
    ]
    trace = read(path, prof=terms.write(tmp_path / "p.trace", lines))
    found = [row[:4] for row in rows(trace) if row[1] >= EventKind.RUNNABLE]
    assert found == [
        (10_001, EventKind.NOT_RUNNABLE, 1, MISSING),
        (10_500, EventKind.INACTIVE, MISSING, 1),
        (11_500, EventKind.RUNNABLE, 1, MISSING),
    ]
    assert trace.has_runnable
    assert trace.window_ns == 20_000


def test_wrap_set_is_read_from_where_it_begins(tmp_path):
    whole = rows(read(terms.write(tmp_path / "whole.trace", story())))
    # File 2 is the one that the VM would have written next.
    parts = {3: story()[:5], 0: story()[5:9], 1: story()[9:]}
    for number, records in parts.items():
        terms.write(tmp_path / f"w{number}.trace", records)
    (tmp_path / "w3.txt").write_text("no part of it")
    (tmp_path / "w10b.trace").write_text("no part of it")
    assert rows(read(tmp_path / "w0.trace")) == whole
    assert rows(read(tmp_path / "w3.trace", wrap="true")) == whole
    assert len(rows(read(tmp_path / "w3.trace"))) == 5
    assert len(rows(read(tmp_path / "w0.trace", wrap="false"))) == 4
    order = dbg_file.wrap_set(tmp_path / "w0.trace")
    assert [path.name for path in order] == ["w3.trace", "w0.trace", "w1.trace"]


def test_wrap_set_without_a_hole_begins_at_its_first_file(tmp_path):
    for number in range(11):
        (tmp_path / f"w{number}").write_bytes(b"x")
    assert [path.name for path in dbg_file.wrap_set(tmp_path / "w0")] == [f"w{n}" for n in range(11)]


def test_processes_that_never_appear_are_outside(tmp_path):
    lines = [
        *story(),
        event(20_100, "in", 1, 1, mfa("a:b/1")),
        event(20_200, "spawn", 1, 1, pid(50), mfa("a:b/1")),
        event(20_300, "send", 1, 1, NIL, pid(60)),
        event(20_400, "out", 1, 1, mfa("a:b/1")),
    ]
    out = tmp_path / "out.parquet"
    trace = import_dbg(terms.write(tmp_path / "a.trace", lines), out).trace
    assert trace.process_count == 3
    to_nobody = (trace.op == ReplayOp.SEND) & (trace.peer == NO_PEER)
    assert np.count_nonzero(to_nobody) == 1
    assert read_notes(out)["sends_outside"] == "1"


def test_notes_say_what_the_file_does_not(tmp_path):
    out = tmp_path / "out.parquet"
    path = terms.write(tmp_path / "run.trace", [*story(), b"\1\0\0\0\7"])
    imported = import_dbg(path, out)
    notes = read_notes(out)
    assert notes["ns_per_reduction_from"].startswith("assumed")
    assert notes["messages_dropped"] == "7"
    assert notes["schedulers_from"] == "the highest number that occurs"
    assert read_replay(out).ns_per_reduction == imported.trace.ns_per_reduction == 30.0
    import_dbg(path, out, (1_000, None), DbgOptions(ns_per_reduction=12.5, schedulers=8))
    trace = read_replay(out)
    assert (trace.ns_per_reduction, trace.schedulers, trace.window_ns) == (12.5, 8, 19_000)
    assert read_notes(out)["ns_per_reduction_from"] == "stated at the import"


def test_command_imports_a_file(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    terms.write(tmp_path / "my-run.trace.gz", story(), zipped=True)
    assert trace_command(["import", "my-run.trace.gz", "ns_per_reduction=20", "stop_ms=0.015"]) == 0
    out = capsys.readouterr().out
    assert "my_run.parquet" in out
    assert "20 (stated at the import)" in out
    trace = read_replay(tmp_path / "my_run.parquet")
    assert (trace.ns_per_reduction, trace.window_ns) == (20.0, 15_000)


def test_command_says_where_an_estimate_is_from(tmp_path, capsys):
    path = terms.write(tmp_path / "a.trace", story())
    assert trace_command(["import", str(path), f"out={tmp_path / 'a.parquet'}"]) == 0
    out = capsys.readouterr().out
    assert "30 (assumed: " in out
    assert "(the highest number that occurs)" in out


@pytest.mark.parametrize("is_terminal", [True, False])
def test_progress_is_shown_on_terminals_and_in_plain_lines(is_terminal):
    shown = io.StringIO()
    console = Console(file=shown, force_terminal=is_terminal, width=120)
    with ReadProgress(console, period_s=0.0) as progress:
        progress(500_000, 1_000_000, 12_345)
        progress(1_000_000, 1_000_000, 23_456)
        progress(7, 10, 23_460)  # the next file
    assert "23,460 events" in shown.getvalue()
    if not is_terminal:
        lines = ["50% read, 12,345 events", "100% read, 23,456 events", "70% read, 23,460 events"]
        assert shown.getvalue().splitlines() == lines


LIVE = """
main([File]) ->
    Writer = spawn(fun() -> {ok, F} = file:open(File, [write, raw, binary, delayed_write]), writer(F) end),
    Flags = [running, exiting, procs, send, garbage_collection, scheduler_id, monotonic_timestamp],
    erlang:trace(new, true, [{tracer, Writer} | Flags]),
    Self = self(),
    [spawn(fun() -> Self ! {N, length([X || X <- lists:seq(1, 2000), X rem N =:= 0])} end)
     || N <- lists:seq(1, 20)],
    [receive {N, _} -> ok end || N <- lists:seq(1, 20)],
    erlang:trace(new, false, [all]), erlang:trace(all, false, [all]),
    Ref = erlang:trace_delivered(all), receive {trace_delivered, all, Ref} -> ok end,
    Writer ! {close, self()}, receive closed -> ok end.
writer(F) ->
    receive
        {close, P} -> file:close(F), P ! closed;
        T -> B = term_to_binary(T), file:write(F, [<<0, (byte_size(B)):32>>, B]), writer(F)
    end.
"""


def test_trace_of_a_live_vm(tmp_path):
    if shutil.which("escript") is None:
        pytest.skip("escript of Erlang/OTP is not installed")
    script = tmp_path / "live.escript"
    script.write_text("#!/usr/bin/env escript\n%%! +S 2:2\n" + LIVE)
    subprocess.run(["escript", script, tmp_path / "live.trace"], check=True, timeout=240, capture_output=True)
    imported = import_dbg(tmp_path / "live.trace", tmp_path / "live.parquet")
    trace = imported.trace
    assert trace.process_count >= 20  # processes of the VM itself may be born meanwhile
    assert np.count_nonzero(trace.op == ReplayOp.EXIT) >= 10  # the last may still be at it
    assert np.count_nonzero(trace.op == ReplayOp.SEND) >= 20
    assert trace.run_total_ns() > 20_000
