"""The hidden Erlang node between this process and the one that is recorded."""

import json
import os
import queue
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pipeline.errors import UserError

SOURCES = Path(__file__).with_name("node")
ANSWER_SECONDS_MAX = 60.0
POLL_SECONDS = 0.1
END_SECONDS_MAX = 5.0
EVALUATED = (
    'Folder = os:getenv("CORESHIFT_RECORDER"), File = filename:join(Folder, "coreshift_helper"), '
    "{ok, M, Code} = compile:file(File, [binary, report]), {module, M} = code:load_binary(M, File, Code), "
    "M:main(Folder)."
)
# Flags meant for the user's own nodes, such as a name, would hit the helper too.
FLAG_VARIABLES = ("ERL_FLAGS", "ERL_AFLAGS", "ERL_ZFLAGS", "ERL_LIBS")


class Atom(str):
    """A text that is an Erlang atom."""

    __slots__ = ()


def erlang_term(value: object) -> str:
    """A value as Erlang text; strings become binaries, so nothing in them can be syntax."""
    match value:
        case Atom():
            return f"'{value}'"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case str():
            return erlang_term(value.encode())
        case bytes():
            return f"<<{','.join(map(str, value))}>>"
        case tuple():
            return f"{{{', '.join(map(erlang_term, value))}}}"
        case dict():
            return (
                f"#{{{', '.join(f'{erlang_term(Atom(k))} => {erlang_term(v)}' for k, v in value.items())}}}"
            )
    raise TypeError(f"no Erlang term for {type(value).__name__}")


class Helper:
    """The helper node while it runs; leaving it ends the node, and so any recording under way.

    Parameters
    ----------
    scratch    : folder for what it may want to write
    own_cookie : True = the cookie is sent with the connection; erl then looks for no file
    port       : distribution port to connect to without epmd, or None
    """

    def __init__(self, scratch: Path, own_cookie: bool, port: int | None) -> None:
        erl = shutil.which("erl")
        if erl is None:
            raise UserError("erl: not found on PATH", "install Erlang/OTP 25 or later (Debian: erlang-base)")
        self._log = scratch / "helper.log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                _command(erl, own_cookie, port),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                cwd=scratch,
                env=_environment(),
                # Ctrl-C is for this process, which ends the helper in order.
                start_new_session=True,
            )
        self._answers: queue.Queue[dict[str, Any] | None] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the node: the end of its stdin is its end."""
        process = self._process
        try:
            if process.stdin is not None:
                process.stdin.close()
        except OSError:
            pass  # it ended before it read everything
        try:
            process.wait(END_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self._reader.join(END_SECONDS_MAX)

    def send(self, *parts: object) -> None:
        """Give a command."""
        assert self._process.stdin is not None
        try:
            self._process.stdin.write(f"{erlang_term(parts)}.\n".encode())
            self._process.stdin.flush()
        except OSError:
            raise self._ended() from None

    def ask(self, *parts: object) -> dict[str, Any]:
        """Give a command and wait for its answer, which may be a refusal."""
        self.send(*parts)
        return self.answer()

    def answer(
        self, seconds: float = ANSWER_SECONDS_MAX, meanwhile: Callable[[], None] | None = None
    ) -> dict[str, Any]:
        """Wait for the next line of the helper.

        Parameters
        ----------
        meanwhile : called several times a second; may raise

        Raises
        ------
        UserError if the helper ended, or said nothing in time
        """
        until = time.monotonic() + seconds
        while True:
            try:
                answer = self._answers.get(timeout=POLL_SECONDS)
            except queue.Empty:
                if meanwhile is not None:
                    meanwhile()
                if time.monotonic() > until:
                    raise UserError(f"the node did not answer for {seconds:.0f} s", "try again") from None
                continue
            if answer is None:
                raise self._ended()
            return answer

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if line.startswith(b"@"):
                self._answers.put(json.loads(line[1:]))
        self._answers.put(None)

    def _ended(self) -> UserError:
        text = self._log.read_text(errors="replace")
        if "undef" in text and "compile" in text:
            return UserError("erl has no compiler application", "install it (Debian: erlang-base has it)")
        said = " ".join(text.split())[:200] or "it said nothing"
        return UserError(f"the helper node ended: {said}", "does `erl` start?")


def _command(erl: str, own_cookie: bool, port: int | None) -> list[str]:
    command = [erl, "-noshell", "-boot", "no_dot_erlang", "-start_epmd", "false"]
    command += ["-kernel", "logger_level", "emergency", "+S", "1:1", "+sbwt", "none"]
    if own_cookie:
        # A name for no cookie: with it, erl neither reads nor makes ~/.erlang.cookie.
        command += ["-setcookie", "none"]
    if port is not None:
        command += distribution_port(port)
    return [*command, "-eval", EVALUATED]


def distribution_port(port: int) -> list[str]:
    """Flags for a fixed distribution port in place of epmd: for OTP 25 and 26, and for 27 and later."""
    return ["-erl_epmd_port", str(port), "-kernel", "erl_epmd_node_listen_port", str(port)]


def _environment() -> dict[str, str]:
    kept = {key: value for key, value in os.environ.items() if key not in FLAG_VARIABLES}
    kept.pop("CORESHIFT_COOKIE", None)
    dump = {"ERL_CRASH_DUMP": os.devnull, "ERL_CRASH_DUMP_SECONDS": "0"}
    return {**kept, **dump, "CORESHIFT_RECORDER": str(SOURCES)}
