"""A scatter of points in characters: ◆ selected, ★ recommended, ● on the front, · other points."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.text import Text

OTHER, FRONT, RECOMMENDED, SELECTED = range(4)
MARKS = ("·", "●", "★", "◆")
STYLES = ("dim", "green", "bold yellow", "bold reverse")


@dataclass(frozen=True)
class Dot:
    """A point of a scatter; where several share a character, the greatest `kind` is drawn."""

    x: float
    y: float
    kind: int = OTHER


@dataclass(frozen=True)
class Axis:
    """An axis: its title, and its least and greatest value in words."""

    title: str
    low: str
    high: str


def scatter(dots: Sequence[Dot], width: int, height: int, axes: tuple[Axis, Axis]) -> Text:
    """A scatter, `width` by `height` characters in all, with the ends of its axes (horizontal, vertical)."""
    if not dots:
        return Text("no points to draw", style="dim")
    # A line above, and the axis with its title and ends below.
    columns, rows = max(8, width - 1), max(3, height - 4)
    low_x, high_x = ends([dot.x for dot in dots])
    low_y, high_y = ends([dot.y for dot in dots])
    kinds: dict[tuple[int, int], int] = {}
    for dot in dots:
        x = round((dot.x - low_x) / (high_x - low_x) * (columns - 1))
        y = round((high_y - dot.y) / (high_y - low_y) * (rows - 1))
        kinds[x, y] = max(kinds.get((x, y), OTHER), dot.kind)
    across, up = axes
    text = Text(f"↑ {up.title}: {up.low} to {up.high}"[:width] + "\n")
    for y in range(rows):
        text.append("│", style="dim")
        for x in range(columns):
            kind = kinds.get((x, y))
            text.append(" " if kind is None else MARKS[kind], style="" if kind is None else STYLES[kind])
        text.append("\n")
    text.append("└" + "─" * columns + "\n", style="dim")
    text.append(f"→ {across.title}"[:width] + "\n")
    return text.append(f"  {across.low} to {across.high}"[:width])


def ends(values: Sequence[float]) -> tuple[float, float]:
    """The least and the greatest value, apart from one another."""
    low, high = min(values), max(values)
    return (low, high) if high > low else (low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1))
