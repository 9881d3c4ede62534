"""The commands in shell blocks of the documentation, taken apart, and tried up to their work."""

import importlib
import re
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli import COMMANDS
from tests.docs.pages import Block
from tests.tidy.source import ROOT

# Programs of others: that they are spelt rightly is all that is looked at.
OTHERS = {
    ".", "[", "apt-get", "bash", "cat", "cd", "cp", "curl", "done", "dvc", "erl", "erlc", "eval", "export",
    "for", "git", "jq", "lstopo", "mkdir", "mlflow", "mv", "nvidia-smi", "pip", "psql", "ray", "rm", "scp",
    "source", "ssh", "sudo", "test", "uv", "while",
}  # fmt: skip
OPERATORS = re.compile(r"^[|&;()<>]+$")
ASSIGNED = re.compile(r"^[A-Za-z_]\w*=")
PYTHON = re.compile(r"^(\S*/)?python[0-9.]*$")
TARGET = re.compile(r"^([a-z]+):.*##", flags=re.MULTILINE)
# Commands whose first word is a finished study or run, and those that overwrite no file unless told to.
OF_A_RUN = ("explore", "compare", "record", "reproduce")
WRITES = ("topology", "trace", "calibrate")
# `make X ARGS="..."` hands the words to this command.
MADE = {"sweep": "sweep", "doctor": "doctor", "explore": "explore", "ui": "ui", "report": "report"}


class Reached(BaseException):
    """A command has understood its words, and its work would begin."""


@dataclass(frozen=True)
class Command:
    """One command of a block: the words behind its program."""

    place: str
    program: str
    words: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.place}: {self.program} {shlex.join(self.words)}"


def commands(block: Block) -> Iterator[Command]:
    """Yield the commands of a block, those in pipes and in $(...) too."""
    for line in block.text.replace("\\\n", " ").splitlines():
        yield from read_line(line.removeprefix("$ "), block.place)


def read_line(line: str, place: str) -> Iterator[Command]:
    """Yield the commands of one line."""
    parser = shlex.shlex(line, posix=True, punctuation_chars="|&;()<>")
    parser.whitespace_split = True
    parser.commenters = "#"
    words: list[str] = []
    is_target = False
    for word in [*parser, ";"]:
        if is_target:  # of a redirection
            is_target = False
        elif not OPERATORS.match(word):
            if inner := re.fullmatch(r"\$\((.*)\)", word):
                yield from read_line(inner[1], place)
            words.append(word)
        else:
            is_target = set(word) <= set("<>")
            if not is_target:
                yield from named(words, place)
                words = []


def named(words: list[str], place: str) -> Iterator[Command]:
    """Yield the command that these words are, without the variables set before it."""
    while words and ASSIGNED.match(words[0]):
        words = words[1:]
    if not words:
        return
    program, rest = words[0], words[1:]
    if PYTHON.match(program) and rest[:1] == ["-m"] and len(rest) > 1:
        yield Command(place, rest[1], tuple(rest[2:]))
    elif program.rpartition("/")[2] == "coreshift":
        yield Command(place, f"pipeline.{rest[0]}" if rest[:1] and rest[0] in COMMANDS else "pipeline.cli",
                      tuple(rest[1:] if rest[:1] and rest[0] in COMMANDS else rest))  # fmt: skip
    else:
        yield Command(place, program, tuple(rest))


def complaint(command: Command) -> str:
    """What is wrong with a command, seen without running it; an empty text if nothing is."""
    if command.program == "make":
        targets = set(TARGET.findall((ROOT / "Makefile").read_text(encoding="utf-8")))
        asked = [word for word in command.words if "=" not in word and not word.startswith("-")]
        wrong = [word for word in asked if word not in targets]
        return f"no target {', '.join(wrong)}" if wrong or not asked else ""
    if "." in command.program[1:] and command.program.replace(".", "").replace("_", "").isalpha():
        path = ROOT / command.program.replace(".", "/")
        if command.program.split(".")[0] not in ("pipeline", "sim", "tests"):
            return ""
        return (
            "" if path.with_suffix(".py").is_file() or (path / "__main__.py").is_file() else "no such module"
        )
    if PYTHON.match(command.program) or command.program in OTHERS or command.program in ("ray", "dvc"):
        return ""
    return "an unknown program: add it to OTHERS in tests/docs/commands.py if it is one"


def arguments(command: Command) -> tuple[str, list[str]] | None:
    """The command of ours that is meant, with its words; None for anything else."""
    module, _, name = command.program.partition(".")
    if module == "pipeline" and name in COMMANDS:
        return name, list(command.words)
    target = next((word for word in command.words if word in MADE), "")
    if command.program == "make" and target:
        text = next((word for word in command.words if word.startswith("ARGS=")), "ARGS=")
        return MADE[target], shlex.split(text.removeprefix("ARGS="))
    return None


def stand_ins() -> dict[str, Callable[..., Any]]:
    """What takes the place of the work of commands: they run up to it."""

    def reached(*_: object, **__: object) -> None:
        raise Reached

    return dict.fromkeys(
        (
            "pipeline.sweep.run_study",
            "pipeline.simulate.run_point",
            "pipeline.reproduce.run_study",
            "pipeline.recorder.record",
            "pipeline.calibration.host.measure_host",
            "pipeline.calibration.fit.fit_trace",
            "pipeline.trace_check.check_trace",
            "pipeline.ui.serve",
            "pipeline.doctor.guarded",
            "pipeline.record.record",
            "pipeline.report.analyse",
            "pipeline.explore.browse",
            "pipeline.explore.open_report",
            "pipeline.explore.serve_report",
        ),
        reached,
    )


def attempt(name: str, words: list[str], patch: pytest.MonkeyPatch) -> int:
    """Run a command of ours up to its work; give its exit code, 0 where the work would have begun.

    Raises
    ------
    UserError and the like for a mistake
    """
    patch.setenv("CORESHIFT_TRACEBACK", "1")
    patch.setattr(sys, "argv", [name, *words])
    try:
        return int(importlib.import_module(f"pipeline.{name}").main() or 0)
    except Reached:
        return 0
    except SystemExit as stop:
        return int(stop.code or 0)


def fill(name: str, words: list[str], folder: Path) -> list[str]:
    """Words with what is the reader's own filled in: the finished study, and leave to write files again."""
    run = next(iter(sorted((folder / "outputs" / "default").glob("*"))))
    if name in OF_A_RUN and words[:1] and words[0][0] != "-" and "=" not in words[0] and words[0] != "list":
        words = [str(run), *words[1:]]
    words = [word.replace("run=RUN", f"run={run}") for word in words]
    if name in WRITES and any(word.startswith("out=") for word in words):
        place = words.index("--") if "--" in words else len(words)
        words = [*words[:place], "force=true", *words[place:]]
    return words
