"""The list of invariants: each has a name, a sentence, and a function that says what is wrong, or nothing."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from sim.invariants.view import View

Check = Callable[[View], str]
INVARIANTS: dict[str, tuple[str, Check]] = {}


@dataclass(frozen=True)
class Broken:
    """An invariant that does not hold: its name and sentence, and what was found instead."""

    name: str
    sentence: str
    found: str

    def __str__(self) -> str:
        """Report it in a line or two."""
        return f"{self.name}: {self.sentence}\n    found: {self.found}"


def invariant(name: str) -> Callable[[Check], Check]:
    """Register a function under a name; its docstring is the sentence, and it returns "" where that holds."""

    def register(check: Check) -> Check:
        assert name not in INVARIANTS, name
        INVARIANTS[name] = (" ".join((check.__doc__ or "").split()), check)
        return check

    return register


def first_bad(bad: np.ndarray, what: str, **columns: np.ndarray | int) -> str:
    """Describe the first few places where `bad` is true, or give "" if there are none."""
    places = np.flatnonzero(bad)
    if not places.size:
        return ""
    shown = []
    for i in places[:3].tolist():
        values = (f"{key} {np.broadcast_to(value, bad.shape).ravel()[i]}" for key, value in columns.items())
        shown.append(f"{what} {i} ({', '.join(values)})" if columns else f"{what} {i}")
    return f"{places.size} of {bad.size}: " + "; ".join(shown)


def unlike(what: str, found: object, expected: object) -> str:
    """Say that two numbers differ, or "" if they do not."""
    return "" if found == expected else f"{what} {found}, expected {expected}"


def broken_in(view: View) -> list[Broken]:
    """Check every invariant; one that cannot even be evaluated is broken too."""
    found = []
    for name, (sentence, check) in INVARIANTS.items():
        try:
            complaint = check(view)
        except (IndexError, ValueError, OverflowError) as error:
            complaint = f"cannot be evaluated: {error}"
        if complaint:
            found.append(Broken(name, sentence, complaint))
    return found
