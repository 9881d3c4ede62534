"""What a recording is asked to do, from the words of the command line."""

import math
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.entry import split_words
from pipeline.errors import ConfigError, UserError, did_you_mean

EXAMPLE = "python -m pipeline.trace record -- node@host, or: ... record -- erl -noshell -s myprog"
COOKIE_VARIABLE = "CORESHIFT_COOKIE"
NAME_CHARACTERS_MAX = 255  # what an Erlang atom can hold
NODE = re.compile(r"[^\s@=/]+@[A-Za-z0-9._-]+")

SECONDS_MIN, SECONDS_MAX = 0.1, 60.0
WARM_UP_SECONDS_MAX = 600.0
EVENTS_MIN, EVENTS_MAX = 1_000, 20_000_000
EVENTS_DEFAULT = {"nif": 2_000_000, "dbg": 500_000}
"""80 MB of records in the node; in dbg mode an event is a message of a few hundred bytes."""

MODES = ("auto", "nif", "dbg")
UNTRACED_SECONDS_MIN, UNTRACED_SECONDS_MAX = 0.5, 5.0

DEFAULTS = {
    "cookie": "",
    "seconds": "2",
    "out": "",
    "mode": "auto",
    "max_events": "",
    "messages": "true",
    "gc": "true",
    "port": "",
    "after": "",
    "force": "false",
}


@dataclass(frozen=True)
class RecordOptions:
    """One recording.

    node       : name of the node; "" if a program is started
    program    : words of the program to start; () if a node is recorded
    cookie     : None = by erl's own rules, ~/.erlang.cookie
    max_events : None = by mode
    port       : distribution port of a node that is in no epmd, or None
    after_s    : time from the connection to the first window
    out        : folder to make, or the replay file if it ends with .parquet
    """

    node: str
    program: tuple[str, ...]
    cookie: str | None
    seconds: float
    out: Path
    mode: str
    max_events: int | None
    messages: bool
    gc: bool
    port: int | None
    after_s: float
    force: bool

    @property
    def untraced_s(self) -> float:
        """Length of windows A and C."""
        return min(max(self.seconds / 2, UNTRACED_SECONDS_MIN), UNTRACED_SECONDS_MAX)


def parse_options(words: Sequence[str]) -> RecordOptions:
    """Read the words of `record`.

    Raises
    ------
    UserError naming the option, its value and what is allowed
    """
    node, program, options = _split(words)
    name = node.split("@")[0] if node else Path(program[0]).name
    return RecordOptions(
        node=node,
        program=program,
        cookie=_cookie(options["cookie"]),
        seconds=_number("seconds", options["seconds"], SECONDS_MIN, SECONDS_MAX),
        out=Path(options["out"] or f"{name}-trace"),
        mode=_choice("mode", options["mode"], MODES),
        max_events=_whole("max_events", options["max_events"], EVENTS_MIN, EVENTS_MAX),
        messages=_choice("messages", options["messages"], ("true", "false")) == "true",
        gc=_choice("gc", options["gc"], ("true", "false")) == "true",
        port=_whole("port", options["port"], 1, 65535),
        after_s=_number("after", options["after"] or ("1" if program else "0"), 0, WARM_UP_SECONDS_MAX),
        force=_choice("force", options["force"], ("true", "false")) == "true",
    )


def _split(words: Sequence[str]) -> tuple[str, tuple[str, ...], dict[str, str]]:
    """Node, program and options; a program is everything after `--` that does not begin with a node."""
    words = list(words)
    at = words.index("--") if "--" in words else len(words)
    before, rest = words[:at], words[at + 1 :]
    if rest and not NODE.fullmatch(rest[0]):
        names, options = split_words(before, DEFAULTS)
        if names:
            raise UserError(f"{names[0]}: options stand before `--`, the program after it", EXAMPLE)
        _check_program(rest, options)
        return "", tuple(rest), options
    names, options = split_words([*before, *rest], DEFAULTS)
    if len(names) != 1:
        raise UserError("record takes one node, or a program after `--`", EXAMPLE)
    if not NODE.fullmatch(names[0]) or len(names[0]) > NAME_CHARACTERS_MAX:
        raise UserError(f"{names[0][:80]}: not the name of a node", f"name@host is one: {EXAMPLE}")
    return names[0], (), options


def _check_program(program: Sequence[str], options: dict[str, str]) -> None:
    named = [word for word in program if word in ("-sname", "-name")]
    if named:
        hint = "start it yourself and record it by its name, or leave the name out"
        raise UserError(f"{named[0]}: a program that is recorded gets its name from here", hint)
    if options["port"] or options["cookie"]:
        key = "port" if options["port"] else "cookie"
        raise UserError(f"{key}: only for a node that runs already", "leave it out")


def _cookie(text: str) -> str | None:
    """The cookie itself, @FILE for the first line of a file, or from the environment."""
    text = text or os.environ.get(COOKIE_VARIABLE, "")
    if text.startswith("@"):
        path = Path(text[1:]).expanduser()
        try:
            text = path.read_text(encoding="utf-8").split("\n")[0].strip()
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"cookie file {path}: {getattr(error, 'strerror', None) or error}") from error
        if not text:
            raise UserError(f"cookie file {path}: its first line is empty")
    # Never shown: the message must not hold what was given.
    if len(text) > NAME_CHARACTERS_MAX or not text.isprintable():
        raise UserError(f"cookie: must be 1 to {NAME_CHARACTERS_MAX} printable characters")
    return text or None


def _number(key: str, text: str, low: float, high: float) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ConfigError(key, text, f"must be a number from {low:g} to {high:g}")
    return value


def _whole(key: str, text: str, low: int, high: int) -> int | None:
    if not text:
        return None
    value = int(text) if re.fullmatch(r"[0-9]{1,18}", text) else -1
    if not low <= value <= high:
        raise ConfigError(key, text, f"must be a whole number from {low} to {high}")
    return value


def _choice(key: str, text: str, known: Sequence[str]) -> str:
    if text not in known:
        raise ConfigError(key, text, f"must be one of {', '.join(known)}", did_you_mean(text, known))
    return text
