"""A finished recording of a real Erlang node: what it holds, what the import reads, how it is replayed."""

import contextlib
import io
import json
import shutil
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline import replay_check
from pipeline.beam_trace import convert_trace, import_trace, read_beam_trace
from pipeline.beam_trace.gaps import index_rows, waiting_before
from pipeline.beam_trace.slices import Slices, busy_ns, pair_slices
from pipeline.trace import main
from sim import ReplayOp
from tests.pipeline.erlang_node import COOKIE, ERL, MARKS, Node, ebin, nif_tools, quick, words

# The shared fixtures, which pytest finds in this module.
__all__ = ["ebin", "nif_tools", "quick"]

pytestmark = MARKS


@pytest.fixture(scope="module", params=["nif", "dbg"])
def recorded(request, ebin, tmp_path_factory) -> tuple[str, Path, str]:
    """One recording of a busy node in each mode: the mode, the folder, and what was printed."""
    if request.param == "nif":
        request.getfixturevalue("nif_tools")
    folder, printed = tmp_path_factory.mktemp("recorded"), io.StringIO()
    out = folder / "trace"
    shutil.copy(ebin / "subject.beam", folder)
    node = Node(folder).wait()
    try:
        with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(printed):
            assert main(words(node, out, "seconds=0.6", f"mode={request.param}")) == 0
        node.wait_clean()
    finally:
        node.stop()
    return request.param, out, printed.getvalue()


def check_recording(folder: Path, mode: str) -> dict:
    summary = json.loads((folder / "summary.json").read_text())
    assert summary["recorder"] == mode
    assert {path.name for path in folder.iterdir()} == {
        "README.md", "events.parquet", "samples.parquet", "procs.parquet", "summary.json",
    }  # fmt: skip
    events = pl.read_parquet(folder / "events.parquet")
    names = set(events["event"].cast(pl.String))
    assert {"in", "out", "spawn", "spawned", "exit", "out_exited", "send", "gc_minor_start"} <= names
    # The two loops keep both schedulers busy, so that each slice of them ends by preemption. One scheduler
    # alone would be half of it; a thread that the system woke late is a little less than all.
    assert read_beam_trace(folder).schedulers == 2
    assert summary["windows"]["B"]["busy_share"] > 0.75
    assert len(loop_slices(folder)) == 2
    check_agreement(folder, summary, mode)
    return summary


def loop_slices(folder: Path) -> dict[int, Slices]:
    """Slices of the processes that only count, by pid."""
    recording = read_beam_trace(folder)
    slices = pair_slices(recording)
    pids = np.unique(slices.pid[slices.mfa == recording.mfa_names.index("subject:spin/1")])
    return {int(pid): slices.take(slices.pid == pid) for pid in pids}


def check_agreement(folder: Path, summary: dict, mode: str) -> None:
    """Hold the slices in the events against the VM's own count of context switches.

    A sample reads counter and clock a moment apart, in which the other scheduler does hundreds of slices if
    the core is taken away: hence medians of the samples' first and last third.
    """
    events = pl.read_parquet(folder / "events.parquet").filter(pl.col("pid") >= 0)
    begun = events.filter(pl.col("event").cast(pl.String).is_in(["in", "in_exiting"]))["t_ns"].sort()
    samples = pl.read_parquet(folder / "samples.parquet").filter(pl.col("window") == "B")
    counted = begun.search_sorted(samples["t_ns"], side="right").to_numpy().astype(np.int64)
    switches = samples["context_switches"].to_numpy()
    agreement, first = summary["agreement"], int(begun.search_sorted(samples["t_ns"][0], side="left"))
    assert agreement["slices_in_events"] == counted[-1] - first
    assert agreement["context_switches"] == switches[-1] - switches[0] > 20
    third = max(1, counted.size // 3)
    lost = np.median((switches - counted)[-third:]) - np.median((switches - counted)[:third])
    # Each sample asks the buffer how full it is, whose turns nobody traces (1 to 4 a sample were seen).
    untraced = 8 * counted.size if mode == "dbg" else 0
    edge = 0.02 * agreement["context_switches"] + 5
    assert -edge <= lost <= edge + untraced


def test_a_node_is_recorded_and_imported(recorded, tmp_path):
    mode, out, printed = recorded
    assert "slowdown while traced" in printed
    assert "points (" in printed
    assert COOKIE not in printed
    summary = check_recording(out, mode)
    assert summary["overhead"]["reductions_per_s"]["slowdown_share"] is not None
    assert summary["system"]["scheduler_bind_type"] == "unbound"
    assert "2:2" in summary["system"]["cmdline"] or sys.platform != "linux"
    imported = import_trace(out, tmp_path / "trace.parquet")
    assert imported.trace.schedulers == 2
    assert imported.trace.edge_count > 0  # the messages of the two that play ping-pong


def test_a_recording_is_replayed_as_it_ran(recorded, monkeypatch):
    """Two processes that never wait, on two schedulers: neither scheduler idles while both have work left.

    A busy machine takes time from the node. What was taken between slices is no work, so that the replay is
    through early: the span ends before either process can be. What was taken in a slice makes the others look
    like yields, after which nobody is to be woken: a wake-up takes no time here.
    """
    window_ns = read_beam_trace(recorded[1]).window_ns
    work_ns = min(busy_ns(slices, 2, 0, window_ns) for slices in loop_slices(recorded[1]).values())
    monkeypatch.setattr(replay_check, "SETTLE_NS", window_ns // 10)
    monkeypatch.setattr(replay_check, "END_SHARE", 1 - work_ns / window_ns)
    figures = {row.metric: row for row in replay_check.check_trace(recorded[1], ["cost.wake_ns=0"]).rows}
    for number in (1, 2):
        busy = figures[f"busy_share_{number}"]
        assert busy.recorded > 0.4
        assert busy.simulated > 0.9
    # Near 1 on an idle machine; to 2 if most of the time was taken, which is cut into full slices here.
    assert 0.5 < figures["switches_per_s"].ratio < 3.0


def test_what_the_import_reads(recorded):
    recording = read_beam_trace(recorded[1])
    assert recording.t_ns.dtype == np.int64
    assert recording.window_ns >= 600_000_000
    assert len(recording.recorder_pids) == 3
    assert recording.has_sends
    assert not np.isnan(recording.slowdown)
    imported = convert_trace(recording)
    trace = imported.trace
    # Of processes that never wait, all time in slices is work, and no gap between them a wait.
    for pid, slices in loop_slices(recorded[1]).items():
        own = trace.process == imported.pids.tolist().index(pid)
        work_ns = trace.value[own & (trace.op == ReplayOp.RUN)].sum()
        assert work_ns == busy_ns(slices, 2, 0, trace.window_ns) > 0
        waits = waiting_before(recording, slices, index_rows(recording), trace.ns_per_reduction)
        assert waits.mean() < 0.01
        assert not np.isin(trace.op[own], [ReplayOp.WAIT, ReplayOp.SEND, ReplayOp.EXIT]).any()


def test_messages_and_spawns_come_in_pairs(recorded):
    out = recorded[1]
    events = pl.read_parquet(out / "events.parquet").with_columns(pl.col("event", "mfa").cast(pl.String))
    inside = events.filter(pl.col("t_ns") > 0)
    spawn, spawned = (inside.filter(pl.col("event") == name) for name in ("spawn", "spawned"))
    assert spawn.height > 0
    # Each is told twice, by the parent and by the child; the last may be cut off.
    assert abs(spawn.height - spawned.height) <= 2
    pairs = set(zip(spawn["pid"], spawn["peer"], strict=True))
    told = set(zip(spawned["peer"], spawned["pid"], strict=True))
    assert len(pairs ^ told) <= 2
    pong = pl.read_parquet(out / "procs.parquet").filter(pl.col("registered_name") == "pong")["pid"][0]
    sends = inside.filter((pl.col("event") == "send") & (pl.col("peer") == pong))
    answers = inside.filter((pl.col("event") == "send") & (pl.col("pid") == pong))
    assert sends.height > 0
    assert abs(sends.height - answers.height) <= 1
    assert inside.filter(pl.col("event") == "gc_minor_start")["heap_words"].min() > 0
    assert inside.filter(pl.col("event") == "exit")["mfa"].unique().to_list() == ["normal"]


def test_samples_cover_all_windows(recorded):
    samples = pl.read_parquet(recorded[1] / "samples.parquet")
    assert samples["window"].unique(maintain_order=True).to_list() == ["A", "B", "C"]
    assert samples["t_ns"].is_sorted()
    wanted = {"run_queue_1", "active_tasks_2", "run_queue_dirty_cpu", "run_queue_dirty_io"}
    assert wanted <= set(samples.columns)


def test_a_program_is_started_recorded_and_ended(ebin, tmp_path, monkeypatch, capfd):
    state = tmp_path / "state"
    monkeypatch.setenv("SUBJECT_STATE", str(state))
    program = [ERL, "-noinput", "+S", "2:2", "-pa", str(ebin), "-s", "subject", "go"]
    out = tmp_path / "trace"
    chosen = ["seconds=0.6", "after=0.2", f"out={out}", "mode=dbg", "max_events=100000"]
    assert main(["record", *chosen, "--", *program]) == 0
    assert "SIGTERM" not in "".join(capfd.readouterr())
    check_recording(out, "dbg")
    # It has ended: nobody writes its state any more.
    state.unlink(missing_ok=True)
    time.sleep(0.2)
    assert not state.exists()
