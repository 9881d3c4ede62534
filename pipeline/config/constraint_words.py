"""`constraint="p99 slowdown <= 3"` and `front.objectives=a,b` among a command's words.

Both without quoting by hand. Several constraints, in one word joined by `and` or in a word each, must all
hold. What the words mean is checked with the rest of the configuration (pipeline/config/schema_front.py).
"""

from collections.abc import Sequence

from pipeline.errors import ConfigError

KEY = "constraint"
OBJECTIVES = "front.objectives="
TARGET = "front.constraints"
EXAMPLE = 'write constraint="p99 slowdown <= 3 and throughput >= 1e6"'


def constraint_texts(words: Sequence[str]) -> list[str]:
    """The conditions that the words give; `constraint=none` alone takes away those of the study.

    Raises
    ------
    ConfigError for an empty one, or `none` beside others
    """
    texts = [word.partition("=")[2].strip().strip("\"'").strip() for word in words if is_constraint(word)]
    if texts and not all(texts):
        raise ConfigError(KEY, "", "must be a condition on a metric", EXAMPLE)
    if "none" in texts and len(texts) > 1:
        raise ConfigError(KEY, "none", "stands alone", EXAMPLE)
    return [text for text in texts if text != "none"]


def is_constraint(word: str) -> bool:
    """Whether a word is one of these."""
    return word.startswith(f"{KEY}=")


def expand_constraints(words: Sequence[str]) -> list[str]:
    """Command-line words with `constraint=...` replaced by one override of `front.constraints`.

    Raises
    ------
    ConfigError where both are given
    """
    if not any(is_constraint(word) for word in words):
        return list(words)
    rest = [word for word in words if not is_constraint(word)]
    if any(word.lstrip("+").startswith(f"{TARGET}=") for word in rest):
        raise ConfigError(KEY, None, f"cannot stand beside {TARGET}", "give one of them")
    quoted = ",".join(quote(text) for text in constraint_texts(words))
    return [*rest, f"{TARGET}=[{quoted}]"]


def expand_objectives(words: Sequence[str]) -> list[str]:
    """Command-line words with `front.objectives=a,b` as a list: objectives are not swept."""
    return [
        f"{OBJECTIVES}[{word.removeprefix(OBJECTIVES)}]"
        if word.startswith(OBJECTIVES) and "," in word and "[" not in word and "(" not in word
        else word
        for word in words
    ]


def quote(text: str) -> str:
    """Text in the grammar of overrides."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
