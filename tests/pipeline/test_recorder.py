"""Recording real Erlang nodes: how a recording ends, what is left in the node, and what is refused."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest

from pipeline.recorder import library, options
from pipeline.trace import main
from tests.pipeline.erlang_node import (
    COOKIE,
    ERL,
    MARKS,
    WAIT_S,
    Node,
    ebin,
    free_port,
    nif_tools,
    node,
    own_node,
    quick,
    wait_until,
    words,
)
from tests.tidy.source import ROOT

# The shared fixtures, which pytest finds in this module.
__all__ = ["ebin", "nif_tools", "node", "own_node", "quick"]

pytestmark = MARKS
# The recorder as it is run by hand, but for the length of its untraced windows.
SCRIPT = """
import runpy
from pipeline.recorder import options
options.UNTRACED_SECONDS_MIN = options.UNTRACED_SECONDS_MAX = 0.2
runpy.run_module("pipeline.trace", run_name="__main__", alter_sys=True)
"""


def refused(capsys, *command: str) -> str:
    """Run a command that must fail with one message, and return it."""
    assert main(["record", *command]) == 2
    told = capsys.readouterr().err
    lines = [line for line in told.splitlines() if line.startswith("coreshift: ")]
    assert len(lines) == 1
    assert "Traceback" not in told
    return told[told.index("coreshift: ") :]


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
