"""Errors that a user can act on: one message, one hint, one exit code."""

import difflib
import sys
import traceback
from collections.abc import Iterable
from pathlib import Path

from pipeline.place import ROOT

EXIT_BUG = 70  # EX_SOFTWARE of sysexits.h; 1 and 2 have meanings of their own here
# What readers of files raise for a file that is damaged or of another kind, by module and name: naming
# the classes would import the libraries into commands that need none of them.
READERS = {
    "json.decoder": "JSON", "yaml.scanner": "YAML", "yaml.parser": "YAML", "yaml.reader": "YAML",
    "polars.exceptions": "a table", "pyarrow.lib": "a table", "sqlite3": "an SQLite database",
}  # fmt: skip
OF_SIM = ("SpecError", "TopologyError", "TraceError")


class UserError(Exception):
    """Something outside the program is wrong: shown without a traceback, with what to do about it.

    Attributes
    ----------
    message   : what is wrong, with the offending value
    hint      : what to do about it, or ""
    exit_code : exit code of the command that meets it
    """

    exit_code = 2

    def __init__(self, message: str, hint: str = "") -> None:
        self.message, self.hint = message, hint
        super().__init__(f"{message}\n{hint}" if hint else message)


class ConfigError(UserError):
    """A setting that cannot be used: which key, its value, what is allowed, and what to do.

    Attributes
    ----------
    key     : dotted key as one writes it on the command line
    value   : the offending value; NO_VALUE where there is none
    allowed : what would have been accepted, or what is wrong, as the rest of a sentence
    hint    : what to do about it, or ""
    """

    def __init__(self, key: str, value: object, allowed: str, hint: str = "") -> None:
        self.key, self.value, self.allowed = key, value, allowed
        shown = "" if value is NO_VALUE else f" = {shorten(value)}"
        super().__init__(f"{key}{shown}: {allowed}", hint)


class _NoValue:
    """Marks an error that is not about one value."""

    def __repr__(self) -> str:
        return "NO_VALUE"


NO_VALUE = _NoValue()


def shorten(value: object, most: int = 80) -> str:
    """The value as YAML would show it, on one line and cut to `most` characters."""
    words = {None: "null", True: "true", False: "false"}
    plain = value is None or isinstance(value, bool)
    text = words[value] if plain else " ".join(repr(value).split())  # type: ignore[index]
    return text if len(text) <= most else text[: most - 3] + "..."


def did_you_mean(word: object, known: Iterable[str]) -> str:
    """A suggestion for a misspelt word, ready to end a message; "" if nothing is near."""
    near = difflib.get_close_matches(str(word), list(known), n=1, cutoff=0.6)
    return f"did you mean {near[0]}?" if near else ""


def told_of(error: Exception) -> UserError:
    """Any exception as a message for people.

    A file that is missing, forbidden or damaged, a full disk and a taken port are theirs to mend; what is
    left is a bug, and said to be one.
    """
    if isinstance(error, UserError):
        return error
    sim = sys.modules.get("sim")
    if sim is not None and isinstance(error, tuple(getattr(sim, name) for name in OF_SIM)):
        return UserError(str(error))
    if isinstance(error, OSError) and error.strerror:
        where = f"{error.filename}: " if error.filename is not None else ""
        return UserError(f"{where}{error.strerror}", "check the name, the permissions and the free space")
    kind = READERS.get(type(error).__module__)
    if kind is not None:
        return UserError(f"a file is not {kind}, or is damaged: {shorten_line(error)}", WHERE)
    if isinstance(error, UnicodeDecodeError):
        return UserError(f"a file is not text: {shorten_line(error)}", WHERE)
    bug = UserError(f"unexpected {type(error).__name__}: {shorten_line(error)}{origin(error)}", BUG)
    bug.exit_code = EXIT_BUG
    return bug


WHERE = "--traceback shows which file was being read; python -m pipeline.doctor checks the installation"
BUG = "this is a bug in Coreshift, or a broken installation: --traceback shows where, pipeline.doctor checks"


def shorten_line(error: Exception, most: int = 300) -> str:
    """An exception's message on one line."""
    text = " ".join(str(error).split()) or "no further word"
    return text if len(text) <= most else text[: most - 3] + "..."


def is_ours(source: Path) -> bool:
    """Whether a file is one of our own sources."""
    return any(source.is_relative_to(ROOT / package) for package in ("sim", "pipeline"))


def origin(error: Exception) -> str:
    """The last line of our own sources that an exception went through, as the end of a sentence."""
    frames = traceback.extract_tb(error.__traceback__)
    ours = [f for f in frames if is_ours(Path(f.filename))]
    return f" ({Path(ours[-1].filename).name}, line {ours[-1].lineno})" if ours else ""
