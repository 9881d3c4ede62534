"""Start an Erlang program as a node that only this machine can reach, and end it afterwards."""

import contextlib
import os
import secrets
import shlex
import signal
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import UserError
from pipeline.recorder.helper import distribution_port

END_SECONDS_MAX = 5.0


class Program:
    """A program under the recorder; leaving it ends the program and what it started.

    Attributes
    ----------
    node : name of the node that it becomes
    port : its distribution port, on the loopback interface; no epmd is used or started
    """

    def __init__(self, words: Sequence[str]) -> None:
        self._words = tuple(words)
        self.port = free_port()
        self.node = f"coreshift_{secrets.token_hex(4)}@127.0.0.1"
        flags = ["-name", self.node, "-start_epmd", "false", *distribution_port(self.port)]
        flags += ["-kernel", "inet_dist_use_interface", "{127,0,0,1}"]
        # Read by every way of starting a VM: erl itself, a release, a build tool.
        environment = {**os.environ, "ERL_ZFLAGS": f"{os.environ.get('ERL_ZFLAGS', '')} {' '.join(flags)}"}
        try:
            self._process = subprocess.Popen(
                self._words, stdin=subprocess.DEVNULL, env=environment, start_new_session=True
            )
        except OSError as error:
            raise UserError(f"{words[0]}: cannot be started: {error.strerror}", _start_hint(words)) from error
        self._is_told_to_stop = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            if not (self._is_told_to_stop and self._ends()):
                self._signal(signal.SIGTERM)
                self._ends()
        finally:
            self._signal(signal.SIGKILL)
            self._ends()

    def told_to_stop(self) -> None:
        """Note that its VM was asked to stop: it needs no signal, which its logger would report."""
        self._is_told_to_stop = True

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError):
            # The whole session: the command may have been a script that started the VM.
            os.killpg(self._process.pid, number)

    def _ends(self) -> bool:
        try:
            self._process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            return False
        return True

    def check(self) -> None:
        """Raise if the program has ended."""
        code = self._process.poll()
        if code is not None:
            hint = "it has to run longer than the recording, or needs another command"
            raise UserError(f"{shlex.join(self._words)[:120]}: the program ended (exit code {code})", hint)


def _start_hint(words: Sequence[str]) -> str:
    """What may be meant by words that cannot be started: Erlang is missing, or a node was named by half."""
    if Path(words[0]).name == "erl":
        return "install Erlang/OTP 25 or later (Debian: erlang-base), or put its folder on PATH"
    if len(words) == 1 and "/" not in words[0]:
        return "a program is written as in a shell; a node that runs is written name@host"
    return "is it there, on PATH, and allowed to be run?"


def free_port() -> int:
    """A port that nobody uses on the loopback interface at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
