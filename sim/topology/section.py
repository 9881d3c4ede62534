"""Reading one mapping of a plain description, key by key, with errors that name the key."""

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from sim.topology.errors import TopologyError
from sim.topology.quantities import read_size

MISSING = object()


class Section:
    """A mapping whose keys are known beforehand; any other key is refused.

    Parameters
    ----------
    value : object, should be a mapping with string keys
    where : str, its dotted key; empty for the top level
    known : sequence of str, the keys accepted

    Raises
    ------
    TopologyError if it is no mapping, or has an unknown key (with the nearest known one)
    """

    def __init__(self, value: object, where: str, known: Sequence[str]) -> None:
        self.where = where
        self.known = tuple(known)
        if not isinstance(value, Mapping):
            raise TopologyError(where or "topology", value, f"a mapping of {', '.join(known)}")
        self.values = value
        for key in value:
            if key not in self.known:
                near = difflib.get_close_matches(str(key)[:80], self.known, n=1)
                hint = f"did you mean {near[0]!r}?" if near else "remove it"
                raise TopologyError(self.at(str(key)[:80]), key, ", ".join(self.known), hint)

    def at(self, key: str) -> str:
        """Give the dotted name of a key."""
        return f"{self.where}.{key}" if self.where else key

    def has(self, key: str) -> bool:
        """Tell whether a key is there with a value other than null."""
        return self.values.get(key) is not None

    def get(self, key: str, default: object = MISSING) -> Any:
        """Give a value as it stands; null counts as missing.

        Parameters
        ----------
        key     : str
        default : object; a key without a default is required

        Raises
        ------
        TopologyError if a required key is missing
        """
        value = self.values.get(key)
        if value is None:
            if default is MISSING:
                raise TopologyError(self.at(key), None, "a value: this key is required")
            return default
        return value

    def integer(self, key: str, low: int, high: int, default: object = MISSING) -> int:
        """Give an integer from low to high."""
        value = self.get(key, default)
        if isinstance(value, int) and not isinstance(value, bool) and low <= value <= high:
            return value
        raise TopologyError(self.at(key), value, f"an integer {low} to {high}")

    def number(self, key: str, low: float, high: float, default: object = MISSING) -> float:
        """Give a finite number from low to high."""
        value = self.get(key, default)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        # NaN fails the comparison, so it is refused here as well.
        if not is_number or not low <= value <= high:
            raise TopologyError(self.at(key), value, f"a number {low:g} to {high:g}")
        return float(value)

    def choice(self, key: str, allowed: Sequence[str], default: str) -> str:
        """Give one of a few words."""
        value = self.get(key, default)
        if value not in allowed:
            raise TopologyError(self.at(key), value, " or ".join(allowed))
        return str(value)

    def size(self, key: str, default: object = MISSING) -> int:
        """Give a size in bytes, written as an integer or with a binary unit."""
        return read_size(self.get(key, default), self.at(key))

    def items(self, key: str, length_max: int, default: object = MISSING) -> list[Any]:
        """Give a list of 1 to length_max values."""
        value = self.get(key, default)
        if not is_list(value) or not 1 <= len(value) <= length_max:
            raise TopologyError(self.at(key), value, f"a list of 1 to {length_max} entries")
        return list(value)

    def section(self, key: str, known: Sequence[str]) -> "Section":
        """Give a nested mapping; a missing one is empty."""
        return Section(self.get(key, {}), self.at(key), known)


def is_list(value: object) -> TypeGuard[Sequence[Any]]:
    """Tell whether a value is a list in YAML's sense.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    return isinstance(value, Sequence) and not isinstance(value, (str, bytes))
