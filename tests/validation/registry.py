"""The cases there are: each file of tests/validation/cases registers its own when it is imported."""

import importlib
import inspect
import pkgutil
import zlib
from collections.abc import Callable

from tests.validation import cases as folder
from tests.validation.case import FAMILIES, Case, Outcome, Scale

CASES: dict[str, Case] = {}
Run = Callable[[Scale], Outcome]


def seed_of(name: str) -> int:
    """A seed that belongs to a name alone, so that no two cases meet the same random numbers."""
    return zlib.crc32(name.encode())


def case(name: str, family: str, source: str, is_quick: bool = True, rank: int = 1) -> Callable[[Run], Run]:
    """Register a function as a case; its docstring says what is configured and what is known.

    Cases of a family come by rank, and then in the order of their files.
    """
    if family not in FAMILIES or name in CASES:
        raise ValueError(f"{name}: another name, or one of {FAMILIES} instead of {family}")

    def register(run: Run) -> Run:
        about = inspect.getdoc(run) or ""
        CASES[name] = Case(name, family, source, about, run, is_quick, rank)
        return run

    return register


def all_cases() -> dict[str, Case]:
    """Every case, in the order of the report."""
    for found in sorted(module.name for module in pkgutil.iter_modules(folder.__path__)):
        importlib.import_module(f"{folder.__name__}.{found}")
    ordered = sorted(CASES.values(), key=lambda c: (FAMILIES.index(c.family), c.rank))
    return {each.name: each for each in ordered}
