"""One line of the table: a figure of Coreshift, and the peer that was measured in the same run."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass(frozen=True)
class Row:
    """A figure with its spread, and its ratio to a peer's.

    part         : part of the benchmark it belongs to
    case         : what was measured; unique within the part
    unit         : of value and peer_value
    value        : median over the repetitions
    spread       : least and greatest
    peer         : name of the peer; "" for a figure that stands alone
    peer_value   : median over the repetitions
    ratio        : median of the ratios within repetitions, such that more is better for Coreshift
    ratio_spread : least and greatest of them
    target       : what the ratio (without a peer: the value) should reach
    better       : "high" or "low": which values are good; ratios are always good when high
    facts        : whatever shows that the figure is of the right thing: checks, counters, digests
    """

    part: str
    case: str
    unit: str
    value: float
    spread: tuple[float, float]
    peer: str = ""
    peer_value: float | None = None
    ratio: float | None = None
    ratio_spread: tuple[float, float] | None = None
    target: float | None = None
    better: str = "high"
    facts: dict[str, Any] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """What names the row in the history."""
        return f"{self.part} | {self.case} | {self.peer}"

    @property
    def meets_target(self) -> bool | None:
        """Whether the target is reached; None without one."""
        if self.target is None:
            return None
        if self.ratio is not None:
            return self.ratio >= self.target
        return self.value >= self.target if self.better == "high" else self.value <= self.target

    def plain(self) -> dict[str, Any]:
        """The row as JSON keeps it."""
        return asdict(self)


def row_of(plain: dict[str, Any]) -> Row:
    """The row that `plain` gave."""
    pairs = {name: tuple(plain[name]) for name in ("spread", "ratio_spread") if plain.get(name) is not None}
    return Row(**(plain | pairs))


def figure(part: str, case: str, unit: str, values: Sequence[float], **more: Any) -> Row:
    """A row without a peer."""
    return Row(part, case, unit, statistics.median(values), (min(values), max(values)), **more)


def paired(
    part: str,
    case: str,
    unit: str,
    values: Sequence[float],
    peer: str,
    peer_values: Sequence[float],
    **more: Any,
) -> Row:
    """A row beside a peer; value i and peer value i were measured one right after the other.

    The ratio is formed within each repetition, so that a slow minute of the machine meets both.
    """
    low = more.get("better") == "low"
    ratios = [b / a if low else a / b for a, b in zip(values, peer_values, strict=True)]
    return Row(
        part, case, unit, statistics.median(values), (min(values), max(values)), peer,
        statistics.median(peer_values), statistics.median(ratios), (min(ratios), max(ratios)), **more,
    )  # fmt: skip
