"""One measured number with its spread, and how a report shows it."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Measured:
    """A number that was found, or the reason why it was not.

    value     : None = not found
    low, high : of the spread or interval that `kind` names
    """

    name: str
    value: float | None
    unit: str
    low: float | None = None
    high: float | None = None
    kind: str = ""  # what low and high are, such as "5-95 % of samples"
    count: int = 0
    note: str = ""
    held_out: str = ""  # what the part that was not fitted says about it

    @property
    def is_found(self) -> bool:
        """Whether there is a number."""
        return self.value is not None

    def data(self) -> dict[str, Any]:
        """Everything as plain data, for JSON."""
        return asdict(self)

    def value_text(self) -> str:
        """The number with its unit."""
        return "-" if self.value is None else f"{short(self.value)} {self.unit}"

    def spread_text(self) -> str:
        """The interval, without its kind."""
        return "" if self.low is None or self.high is None else f"{short(self.low)} .. {short(self.high)}"

    def comment(self) -> str:
        """One line for a YAML comment."""
        spread = self.spread_text()
        parts = [
            f"{self.kind} {spread} {self.unit}" if spread else "",
            f"n = {self.count}" if self.count else "",
        ]
        return "; ".join(part for part in (*parts, self.held_out, self.note) if part)


def spread_of(name: str, samples: Sequence[float], unit: str, note: str = "") -> Measured:
    """The median of samples, with the range of the middle 90 %."""
    if not len(samples):
        return missing(name, unit, note or "no sample in the time given")
    low, middle, high = (float(v) for v in np.percentile(np.asarray(samples, float), [5, 50, 95]))
    return Measured(name, middle, unit, low, high, "5-95 % of samples", len(samples), note)


def missing(name: str, unit: str, why: str) -> Measured:
    """A number that was not found, and why."""
    return Measured(name, None, unit, note=why)


def short(value: float) -> str:
    """A number to four digits, without an exponent."""
    if abs(value) >= 1000:
        return f"{round(value):d}"
    return f"{value:.4g}"
