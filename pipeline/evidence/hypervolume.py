"""How much of the trade-off a front wins: its hypervolume, with an interval.

Objectives are minimised. The volume is that of the box between the cell's best and worst means of each
objective, as a share of the box; the worst ones are the reference point.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.evidence.cell import Cell
from pipeline.evidence.effects import basic_interval
from pipeline.evidence.front import RESAMPLES, draw_means

FloatArray = NDArray[np.float64]


def hypervolume(values: FloatArray, reference: Sequence[float]) -> float:
    """Volume of what some rows dominate, up to a reference point.

    Rows that are not better than the reference in every objective add nothing; so do rows with NaN.

    Parameters
    ----------
    values    : float64 (point, objective), two or three objectives, smaller is better; need not be a front
    reference : one number an objective

    Source
    ------
    E. Zitzler and L. Thiele, "Multiobjective evolutionary algorithms: a comparative case study and the
    strength Pareto approach", IEEE Transactions on Evolutionary Computation 3 (1999) 257-271; three
    objectives in slices, as in N. Beume et al., IEEE Transactions on Evolutionary Computation 13 (2009)

    Complexity and determinism
    --------------------------
    two objectives O(n log n); three O(n log n), and the length of the stair for each row that joins it
    """
    inside = values[(values < np.asarray(reference)).all(axis=1)]
    size = values.shape[1]
    if size not in (2, 3):
        raise ValueError(f"{size} objectives; a hypervolume is of two or three")
    if not len(inside):
        return 0.0
    if size == 2:
        return area_under(inside, float(reference[0]), float(reference[1]))
    depth = float(reference[2])
    rows = inside[np.lexsort((inside[:, 1], inside[:, 0], inside[:, 2]))].tolist()
    stair = Stair(float(reference[0]), float(reference[1]))
    volume, area = 0.0, 0.0
    for place, (x, y, z) in enumerate(rows):
        area += stair.add(x, y)
        until = rows[place + 1][2] if place + 1 < len(rows) else depth
        volume += area * (until - z)
    return volume


def area_under(rows: FloatArray, right: float, top: float) -> float:
    """Area that the points of a plane dominate, up to a corner that all of them are better than."""
    ordered = rows[np.lexsort((rows[:, 1], rows[:, 0]))]
    widths = np.diff(np.append(ordered[:, 0], right))
    return float((widths * (top - np.minimum.accumulate(ordered[:, 1]))).sum())


class Stair:
    """The points of a plane that none of the others is better than, and the area that they dominate."""

    def __init__(self, right: float, top: float) -> None:
        self.right, self.top = right, top
        self.xs: list[float] = []
        self.ys: list[float] = []

    def add(self, x: float, y: float) -> float:
        """Add a point; gives by how much the area grows."""
        start = stop = bisect_left(self.xs, x)
        height = self.ys[start - 1] if start else self.top
        if height <= y or (start < len(self.xs) and self.xs[start] == x and self.ys[start] <= y):
            return 0.0
        gain, left = 0.0, x
        while stop < len(self.ys) and self.ys[stop] >= y:
            gain += (self.xs[stop] - left) * (height - y)
            left, height = self.xs[stop], self.ys[stop]
            stop += 1
        end = self.xs[stop] if stop < len(self.xs) else self.right
        gain += (end - left) * (height - y)
        self.xs[start:stop], self.ys[start:stop] = [x], [y]
        return gain


def cell_hypervolume(cell: Cell, objectives: Sequence[str], signs: Sequence[float]) -> dict[str, Any] | None:
    """The hypervolume of a cell's front, in the objectives' own signs.

    Returns
    -------
    value      : share of the box that the front dominates, of the feasible points where there are constraints
    low, high  : 95 % interval, None with one replicate
    reference, ideal : objective -> the worst and the best mean of the cell's points, the ends of the box
    None without a front of feasible points, or where an objective is the same everywhere

    The interval is the basic bootstrap's (`pipeline.evidence.effects.basic_interval`).
    """
    known = ~np.isnan(cell.values).any(axis=1)
    if not cell.mask.any() or not cell.has_feasible:
        return None
    ideal, worst = cell.values[known].min(axis=0), cell.values[known].max(axis=0)
    span = worst - ideal
    if (span <= 0).any():
        return None
    corner = [1.0] * len(span)
    value = hypervolume((cell.values[cell.mask] - ideal) / span, corner)
    low = high = None
    if cell.certainty is not None:
        # What is on no front of any resample adds to none of the volumes.
        rows = np.flatnonzero(cell.certainty.on_front > 0)
        drawn = []
        for means in draw_means(np.ascontiguousarray(cell.lanes[:, rows]), cell.seed, RESAMPLES):
            feasible = cell.rule.feasible(means)
            kept = means if feasible is None else means[feasible]
            drawn.append(hypervolume((kept[:, : len(span)] - ideal) / span, corner))
        low, high = (round(end, 9) for end in basic_interval(value, drawn, 0.0, 1.0))
    ends = {
        name: dict(zip(objectives, (row * np.asarray(signs)).tolist(), strict=True))
        for name, row in (("reference", worst), ("ideal", ideal))
    }
    return {"value": round(value, 9), "low": low, "high": high, **ends}
