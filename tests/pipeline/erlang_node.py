"""An Erlang node to record: the program that it runs, the node, and the fixtures of the tests that use it."""

import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import time
from pathlib import Path

import pytest

from pipeline.recorder import library, options, program, session

ERL = shutil.which("erl")
# What each test file on real nodes is marked with.
MARKS = [
    pytest.mark.skipif(ERL is None, reason="no erl on PATH (Debian: erlang-base)"),
    pytest.mark.xdist_group("recorder"),
]
COOKIE = "a_cookie_for_the_tests"
WAIT_S = 120.0
# Below the ports that the system gives out by itself, so that nobody is given one between probe and use.
PORTS = itertools.count(20_000 + os.getpid() % 1000 * 10)

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


def words(node: Node, out: Path, *more: str) -> list[str]:
    return ["record", "--", node.name, f"port={node.port}", f"cookie={COOKIE}", f"out={out}", *more]
