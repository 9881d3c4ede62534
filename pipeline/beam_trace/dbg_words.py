"""The words on the command line that only a file of `dbg:trace_port` takes."""

import math
from collections.abc import Mapping
from pathlib import Path

from pipeline.beam_trace.dbg_trace import DbgOptions
from pipeline.errors import UserError

DBG_WORDS = {"prof": "", "ns_per_reduction": "", "schedulers": "", "partial": "false", "wrap": "auto"}
"""Words and their defaults."""

PACE_MIN_NS, PACE_MAX_NS = 1e-6, 1e6


def read_dbg_words(words: Mapping[str, str], source: Path) -> DbgOptions:
    """Check the words and make options of them.

    Raises
    ------
    UserError for a value that cannot be used, or any of these words with a folder
    """
    given = [key for key, default in DBG_WORDS.items() if words[key] != default]
    if given and source.is_dir():
        raise UserError(f"{given[0]}= is not for a folder", "its own files say what it is about")
    return DbgOptions(
        prof=Path(words["prof"]) if words["prof"] else None,
        ns_per_reduction=_pace_ns(words["ns_per_reduction"]),
        schedulers=_schedulers(words["schedulers"]),
        partial=_choice("partial", words["partial"], ("true", "false")) == "true",
        wrap=_choice("wrap", words["wrap"], ("auto", "true", "false")),
    )


def _choice(key: str, text: str, allowed: tuple[str, ...]) -> str:
    if text not in allowed:
        raise UserError(f"{key} = {text}: must be {', '.join(allowed[:-1])} or {allowed[-1]}")
    return text


def _pace_ns(text: str) -> float | None:
    if not text:
        return None
    try:
        pace_ns = float(text)
    except ValueError:
        pace_ns = math.nan
    if not PACE_MIN_NS <= pace_ns <= PACE_MAX_NS:
        raise UserError(
            f"ns_per_reduction = {text}: must be a number from {PACE_MIN_NS:g} to {PACE_MAX_NS:g}"
        )
    return pace_ns


def _schedulers(text: str) -> int | None:
    if not text:
        return None
    # int() would also take signs, blanks and underscores.
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) > 0):
        raise UserError(f"schedulers = {text}: must be a whole number from 1 on")
    return int(text)
