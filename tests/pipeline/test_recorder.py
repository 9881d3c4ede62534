"""Recording real Erlang nodes: what is written, what it costs in safety, and what is refused."""

import contextlib
import io
import itertools
import json
import os
import shutil
import signal
import socket
import subprocess
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
from pipeline.recorder import library, options, program, session
from pipeline.trace import main
from sim import ReplayOp
from tests.tidy.source import ROOT

ERL = shutil.which("erl")
pytestmark = [
    pytest.mark.skipif(ERL is None, reason="no erl on PATH (Debian: erlang-base)"),
    pytest.mark.xdist_group("recorder"),
]
COOKIE = "a_cookie_for_the_tests"
WAIT_S = 120.0
# Below the ports that the system gives out by itself, so that nobody is given one between probe and use.
PORTS = itertools.count(20_000 + os.getpid() % 1000 * 10)
# The recorder as it is run by hand, but for the length of its untraced windows.
SCRIPT = """
import runpy
from pipeline.recorder import options
options.UNTRACED_SECONDS_MIN = options.UNTRACED_SECONDS_MAX = 0.2
runpy.run_module("pipeline.trace", run_name="__main__", alter_sys=True)
"""

# Writes what it is: its pid, whether anything is traced, and which modules of the recorder it holds.
SUBJECT = """
-module(subject).
-export([go/0]).
go() ->
    [spawn(fun() -> spin(0) end) || os:getenv("SUBJECT_CALM") =:= false, _ <- [1, 2]],
    Pong = spawn(fun pong/0),
    register(pong, Pong),
    spawn(fun() -> ping(Pong) end),
    spawn(fun spawner/0),
    case os:getenv("SUBJECT_TRACER") of
        false -> ok;
        _ ->
            Tracer = spawn(fun() -> register(my_tracer, self()), receive stop -> ok end end),
            timer:sleep(50),
            erlang:trace(Pong, true, [send, {tracer, Tracer}])
    end,
    state(0).
spin(N) -> spin((N * 31 + 7) rem 1000003).
pong() -> receive {P, N} -> P ! N, pong() end.
ping(P) -> P ! {self(), 1}, receive 1 -> ok end, timer:sleep(1), ping(P).
spawner() ->
    [spawn(fun() -> lists:sum(lists:seq(1, 2000)) end) || _ <- [1, 2, 3, 4, 5]],
    timer:sleep(5),
    spawner().
state(N) ->
    {flags, Flags} = erlang:trace_info(new_processes, flags),
    Flags =/= [] andalso os:getenv("SUBJECT_KILLS") =/= false andalso exit(whereis(coreshift_recorder), kill),
    Tracees = length([P || P <- processes(), {flags, [_ | _]} <- [catch erlang:trace_info(P, flags)]]),
    Modules = [M || M <- [coreshift_recorder, coreshift_tracer], erlang:module_loaded(M)],
    IsProfiled = erlang:system_profile() =/= undefined,
    Line = io_lib:format("~p ~p ~p ~p ~p ~p",
        [N, length(Flags), Tracees, length(Modules), IsProfiled, length(nodes(hidden))]),
    File = os:getenv("SUBJECT_STATE"),
    ok = file:write_file(File ++ ".new", Line),
    ok = file:rename(File ++ ".new", File),
    timer:sleep(20),
    state(N + 1).
"""
CLEAN = ["0", "0", "0", "false", "0"]


@pytest.fixture(scope="session")
def nif_tools() -> None:
    root = subprocess.run(
        [ERL, "-noshell", "-boot", "no_dot_erlang", "-eval", "io:put_chars(code:root_dir()), halt()."],
        capture_output=True, text=True, timeout=WAIT_S, check=False,
    ).stdout  # fmt: skip
    try:
        library.find_headers(root, "none")
        library.find_compiler()
    except library.NoLibraryError:
        pytest.skip("no C compiler, or no erl_nif.h (Debian: gcc and erlang-dev)")


def free_port() -> int:
    for port in PORTS:
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise AssertionError


def wait_until(condition, what: str) -> None:
    until = time.monotonic() + WAIT_S
    while not condition():
        assert time.monotonic() < until, f"never: {what}"
        time.sleep(0.02)


class Node:
    """A node on a port of its own, in no epmd, with a home of its own."""

    def __init__(self, folder: Path, extra: dict[str, str] | None = None) -> None:
        self.port = free_port()
        self.name = "subject@127.0.0.1"
        self.state_file = folder / "state"
        home = folder / "home"
        home.mkdir(exist_ok=True)
        cookie = home / ".erlang.cookie"
        if not cookie.exists():
            cookie.write_text(COOKIE)
            cookie.chmod(0o400)
        command = [ERL, "-noinput", "-name", self.name, "-start_epmd", "false", "+S", "2:2"]
        command += ["-erl_epmd_port", str(self.port), "-kernel", "erl_epmd_node_listen_port", str(self.port)]
        command += ["-kernel", "inet_dist_use_interface", "{127,0,0,1}", "-pa", str(folder)]
        command += ["-kernel", "logger_level", "emergency", "-s", "subject", "go"]
        own = {"HOME": str(home), "SUBJECT_STATE": str(self.state_file), "ERL_CRASH_DUMP_SECONDS": "0"}
        self.process = subprocess.Popen(command, env={**os.environ, **own, **(extra or {})}, cwd=folder)

    def state(self) -> list[str]:
        """Count of the line, flags of new processes, tracees, modules, profiling, hidden nodes."""
        return self.state_file.read_text().split()

    def wait(self) -> "Node":
        wait_until(lambda: self.state_file.exists() or self.process.poll() is not None, "the node runs")
        assert self.process.poll() is None, f"the node ended (exit code {self.process.returncode})"
        return self

    def wait_clean(self) -> None:
        """Wait for a line that was begun from now on and shows nothing left."""
        now = int(self.state()[0])
        wait_until(lambda: int(self.state()[0]) > now + 1 and self.state()[1:] == CLEAN, "nothing is left")

    def stop(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture(scope="module")
def ebin(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("subject")
    (folder / "subject.erl").write_text(SUBJECT)
    subprocess.run(["erlc", "subject.erl"], cwd=folder, check=True, timeout=WAIT_S)
    return folder


@pytest.fixture(scope="module")
def node(ebin):
    node = Node(ebin, {"SUBJECT_CALM": "yes"}).wait()
    yield node
    node.stop()


@pytest.fixture
def own_node(ebin, tmp_path):
    shutil.copy(ebin / "subject.beam", tmp_path)
    node = Node(tmp_path, {"SUBJECT_CALM": "yes"}).wait()
    yield node
    node.stop()


@pytest.fixture(autouse=True, scope="module")
def quick(tmp_path_factory):
    """Short windows, long patience, and neither the user's cookie nor the user's epmd."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(options, "UNTRACED_SECONDS_MIN", 0.2)
        patch.setattr(options, "UNTRACED_SECONDS_MAX", 0.2)
        patch.setattr(program, "END_SECONDS_MAX", WAIT_S)
        patch.setitem(session.CONNECT_SECONDS, "program", WAIT_S)
        patch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
        # What is killed here leaves its temporary files.
        patch.setenv("TMPDIR", str(tmp_path_factory.mktemp("scratch")))
        patch.setenv("ERL_EPMD_PORT", str(free_port()))
        patch.delenv(options.COOKIE_VARIABLE, raising=False)
        yield


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


def words(node: Node, out: Path, *more: str) -> list[str]:
    return ["record", "--", node.name, f"port={node.port}", f"cookie={COOKIE}", f"out={out}", *more]


def refused(capsys, *command: str) -> str:
    """Run a command that must fail with one message, and return it."""
    assert main(["record", *command]) == 2
    told = capsys.readouterr().err
    lines = [line for line in told.splitlines() if line.startswith("coreshift: ")]
    assert len(lines) == 1
    assert "Traceback" not in told
    return told[told.index("coreshift: ") :]


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


@pytest.mark.parametrize("mode", ["nif", "dbg"])
def test_the_limit_of_events_ends_the_recording(node, tmp_path, capsys, mode, request):
    if mode == "nif":
        request.getfixturevalue("nif_tools")
    out = tmp_path / "limit.parquet"
    assert main(words(node, out, "seconds=60", "max_events=1000", f"mode={mode}")) == 0
    printed = capsys.readouterr().out
    assert "stopped early: max_events" in printed
    assert out.is_file()
    assert [path.name for path in tmp_path.iterdir()] == ["limit.parquet"]
    node.wait_clean()


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


def test_a_program_that_ends_is_told(tmp_path, capsys):
    told = refused(capsys, f"out={tmp_path / 'trace'}", "--", ERL, "-noinput", "-eval", "halt(3).")
    assert "the program ended (exit code 3)" in told
    assert not list(tmp_path.iterdir())


def test_without_a_compiler_it_falls_back_and_says_so(node, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("CC", "no-such-compiler")
    out = tmp_path / "trace"
    assert main(words(node, out, "seconds=0.1")) == 0
    assert "no C compiler (no-such-compiler)" in capsys.readouterr().out
    assert json.loads((out / "summary.json").read_text())["recorder"] == "dbg"
    told = refused(capsys, *words(node, tmp_path / "other", "mode=nif")[1:])
    assert "the tracer cannot be loaded: no C compiler" in told
    assert not (tmp_path / "other").exists()
    node.wait_clean()


def test_a_library_that_the_node_cannot_load_is_no_end(node, tmp_path, monkeypatch, nif_tools):
    source = tmp_path / "empty.c"
    source.write_text("int nothing;")
    monkeypatch.setattr(library, "SOURCE", source)
    out = tmp_path / "trace"
    assert main(words(node, out, "seconds=0.1")) == 0
    summary = json.loads((out / "summary.json").read_text())
    assert summary["recorder"] == "dbg"
    assert "Failed to find library init function" in summary["recorder_note"]
    node.wait_clean()


@contextlib.contextmanager
def script_at_work(node: Node, out: Path, *more: str):
    """Run the recorder as a program of its own; it is there once the node is traced."""
    command = [sys.executable, "-c", SCRIPT, "record", node.name, f"port={node.port}", "seconds=60"]
    environment = {**os.environ, options.COOKIE_VARIABLE: COOKIE, "NUMBA_DISABLE_JIT": "1"}
    script = subprocess.Popen(
        [*command, f"out={out}", *more], cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: int(node.state()[1]) > 0 or script.poll() is not None, "tracing begins")
        assert script.poll() is None, script.stderr.read()
        yield script
    finally:
        script.kill()
        script.wait()
        script.stderr.close()


@pytest.mark.parametrize(
    ("mode", "number"),
    [("auto", signal.SIGKILL), ("dbg", signal.SIGKILL), ("auto", signal.SIGINT), ("auto", signal.SIGTERM)],
)
def test_nothing_is_left_in_the_node_when_the_recorder_goes(own_node, tmp_path, mode, number):
    with script_at_work(own_node, tmp_path / "trace", f"mode={mode}") as script:
        processes = Path("/proc") / str(script.pid)
        if processes.exists():
            children = (processes / "task" / str(script.pid) / "children").read_text().split()
            assert children
            commands = [Path("/proc") / pid / "cmdline" for pid in [str(script.pid), *children]]
            assert COOKIE not in "".join(path.read_text() for path in commands)
        script.send_signal(number)
        own_node.wait_clean()
        assert script.wait(WAIT_S) == (-signal.SIGKILL if number == signal.SIGKILL else 130)
    assert not (tmp_path / "trace").exists()
    assert number == signal.SIGKILL or not (tmp_path / "trace.partial").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_program_that_was_started(ebin, tmp_path, number):
    """Twice, as `timeout` sends it: the second one must not cut the clean-up short."""
    state, out = tmp_path / "state", tmp_path / "out" / "trace"
    environment = {**os.environ, "SUBJECT_STATE": str(state), "SUBJECT_CALM": "yes", "NUMBA_DISABLE_JIT": "1"}
    command = [sys.executable, "-c", SCRIPT, "record", "seconds=60", f"out={out}", "mode=dbg", "--"]
    command += [ERL, "-noinput", "+S", "2:2", "-pa", str(ebin), "-s", "subject", "go"]
    script = subprocess.Popen(command, cwd=ROOT, env=environment, stderr=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: state.exists() and int(state.read_text().split()[1]) > 0, "tracing begins")
        script.send_signal(number)
        script.send_signal(number)
        told = script.communicate(timeout=WAIT_S)[1]
    finally:
        script.kill()
        script.wait()
    assert script.returncode == 130
    assert told.endswith("coreshift: interrupted\n")
    assert "Traceback" not in told
    assert not list(out.parent.iterdir())
    # The program has ended: nobody writes its state any more.
    state.unlink(missing_ok=True)
    time.sleep(0.2)
    assert not state.exists()


def test_a_node_that_ends_meanwhile_is_told(own_node, tmp_path):
    with script_at_work(own_node, tmp_path / "trace", "mode=dbg") as script:
        own_node.stop()
        assert script.wait(WAIT_S) == 2
        told = script.stderr.read()
    assert "subject@127.0.0.1: the node ended" in told
    assert "Traceback" not in told
    assert not (tmp_path / "trace").exists()


def test_another_tracer_is_named_and_left_alone(ebin, tmp_path, capsys):
    shutil.copy(ebin / "subject.beam", tmp_path)
    node = Node(tmp_path, {"SUBJECT_TRACER": "yes", "SUBJECT_CALM": "yes"}).wait()
    try:
        wait_until(lambda: node.state()[2] == "1", "the other tracer works")
        told = refused(capsys, *words(node, tmp_path / "trace", "mode=dbg")[1:])
        assert "is traced already, by {my_tracer,<0." in told
        wait_until(lambda: node.state()[1:4] == ["0", "1", "0"], "only the other tracer is left")
    finally:
        node.stop()


@pytest.mark.parametrize("mode", ["auto", "dbg"])
def test_nothing_is_left_when_the_watch_in_the_node_is_killed(ebin, tmp_path, capsys, mode):
    shutil.copy(ebin / "subject.beam", tmp_path)
    node = Node(tmp_path, {"SUBJECT_KILLS": "yes", "SUBJECT_CALM": "yes"}).wait()
    try:
        told = refused(capsys, *words(node, tmp_path / "trace", f"mode={mode}", "seconds=60")[1:])
        assert "the recording ended early: its watch ended: killed" in told
        node.wait_clean()
    finally:
        node.stop()


def test_the_wrong_cookie(node, tmp_path, capsys):
    told = refused(capsys, node.name, f"port={node.port}", "cookie=another", f"out={tmp_path / 'trace'}")
    assert "refuses the connection" in told
    assert "cookie" in told
    assert not list(tmp_path.iterdir())


def test_a_cookie_from_a_file(node, tmp_path):
    file = tmp_path / "cookie"
    file.write_text(f"{COOKIE}\n")
    out = tmp_path / "trace"
    command = ["record", node.name, f"port={node.port}", f"cookie=@{file}", f"out={out}", "seconds=0.1"]
    assert main([*command, "mode=dbg", "messages=false", "gc=false"]) == 0
    names = set(pl.read_parquet(out / "events.parquet")["event"].cast(pl.String))
    assert "in" in names
    assert not {name for name in names if name == "send" or name.startswith("gc_")}


def test_a_node_that_is_not_there(tmp_path, capsys):
    out = f"out={tmp_path / 'trace'}"
    assert "does not answer" in refused(capsys, "nobody@127.0.0.1", f"port={free_port()}", out)
    assert "no epmd answers on 127.0.0.1" in refused(capsys, "nobody@127.0.0.1", out)
    told = refused(capsys, "nobody@no-such-host.invalid", out)
    assert "no host is called no-such-host.invalid" in told
    assert not list(tmp_path.iterdir())


def test_a_name_that_epmd_does_not_know(tmp_path, capsys, monkeypatch):
    epmd = shutil.which("epmd") or pytest.skip("no epmd on PATH")
    port = free_port()
    monkeypatch.setenv("ERL_EPMD_PORT", str(port))
    server = subprocess.Popen([epmd, "-port", str(port), "-address", "127.0.0.1"])
    try:
        wait_until(lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0, "epmd listens")
        told = refused(capsys, "nobody@127.0.0.1", f"out={tmp_path / 'trace'}")
        assert "epmd on 127.0.0.1 knows no such node" in told
    finally:
        server.kill()
        server.wait()


def test_without_erl(tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert "erl: not found on PATH" in refused(capsys, "a@b", f"out={tmp_path / 'trace'}")
    told = refused(capsys, f"out={tmp_path / 'trace'}", "--", "erl", "-noshell")
    assert "erl: cannot be started: No such file" in told
    assert "install Erlang/OTP 25 or later" in told
    told = refused(capsys, f"out={tmp_path / 'trace'}", "--", "subject")
    assert "a node that runs is written name@host" in told


def test_an_output_that_cannot_be(node, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "trace"
    assert "cannot be written: Not a directory" in refused(capsys, *words(node, out)[1:])
    (tmp_path / "there").mkdir()
    assert "exists already" in refused(capsys, *words(node, tmp_path / "there")[1:])
    node.wait_clean()


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ([], "record takes one node"),
        (["--"], "record takes one node"),
        (["nobody"], "nobody: not the name of a node"),
        (["a@b", "c@d"], "record takes one node"),
        (["a@b", "seconds=0.05"], "seconds = '0.05': must be a number from 0.1 to 60"),
        (["a@b", "seconds=61"], "must be a number from 0.1 to 60"),
        (["a@b", "seconds=nan"], "must be a number from 0.1 to 60"),
        (["a@b", "mode=nfi"], "did you mean nif?"),
        (["a@b", "max_events=10"], "from 1000 to 20000000"),
        (["a@b", "max_events=1e6"], "from 1000 to 20000000"),
        (["a@b", "port=0"], "from 1 to 65535"),
        (["a@b", "messages=yes"], "must be one of true, false"),
        (["a@b", "second=2"], "did you mean seconds?"),
        (["a@b", "cookie=@/no/such/file"], "cookie file /no/such/file: No such file"),
        (["a@b", "cookie=" + "x" * 256], "cookie: must be 1 to 255 printable characters"),
        (["a b@c"], "not the name of a node"),
        (["seconds=1", "x", "--", "erl"], "options stand before `--`"),
        (["--", "erl", "-sname", "me"], "gets its name from here"),
        (["cookie=c", "--", "erl"], "cookie: only for a node that runs already"),
        (["--", "/no/such/program"], "/no/such/program: cannot be started: No such file"),
    ],
)
def test_bad_input(capsys, command, told, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert told in refused(capsys, *command)
    assert not list(tmp_path.iterdir())
