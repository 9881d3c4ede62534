"""Errors that a user can act on: one message, one hint, one exit code."""

import difflib
from collections.abc import Iterable


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
