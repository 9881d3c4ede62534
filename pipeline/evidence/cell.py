"""A study cell: the points that may be compared, and what their lanes gave in the metrics of the goals."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.config.schema_front import OBJECTIVES
from pipeline.evidence.aggregate import RunFolderError, RunTables
from pipeline.evidence.feasible import bounds_of
from pipeline.evidence.front import BoolArray, FloatArray, FrontCertainty, Rule, bootstrap_front, front_of
from pipeline.evidence.knee import Knee
from pipeline.run.worker import COMPLETED

TAIL_METRIC = "slowdown_p99"


@dataclass(frozen=True)
class Cell:
    """One study cell, and what the goals' rule finds in it.

    key   : topology, workload and swept numbers that tell it from the others
    rows  : its rows of the summary
    means : float64 (point, column): the objectives with their signs (less is better), the tie-break, then
            the metrics of the constraints
    lanes : float64 (replicate, point, column), the same of each lane; NaN = not counted
    rule  : how a point is chosen from such means
    mask  : bool (point,), the front
    knee  : the choice
    seed  : of everything random in the analysis
    """

    key: dict[str, Any]
    rows: pl.DataFrame
    means: FloatArray
    lanes: FloatArray
    rule: Rule
    mask: BoolArray
    knee: Knee
    seed: int

    @property
    def points(self) -> NDArray[np.int64]:
        """The points' numbers, int64 (point,)."""
        return self.rows["point"].to_numpy().astype(np.int64)

    @property
    def values(self) -> FloatArray:
        """The objectives alone: float64 (point, objective), less is better."""
        return self.means[:, : self.rule.objectives]

    @cached_property
    def feasible(self) -> BoolArray:
        """Which points meet every constraint."""
        found = self.rule.feasible(self.means)
        return np.ones(len(self.means), np.bool_) if found is None else found

    @property
    def has_feasible(self) -> bool:
        """Whether some point with a result meets every constraint."""
        return bool((self.feasible & ~np.isnan(self.values).any(axis=1)).any())

    @cached_property
    def certainty(self) -> FrontCertainty | None:
        """How sure the front and the choice are; None with one replicate."""
        return bootstrap_front(self.lanes, self.seed, rule=self.rule)

    @cached_property
    def tail_mask(self) -> BoolArray:
        """The front with the p99 slowdown as a third objective, where there are two without it."""
        name = f"{TAIL_METRIC}_mean"
        if self.rule.objectives > 2 or name not in self.rows.columns:
            return self.mask
        tail = self.rows[name].fill_null(np.nan).to_numpy()
        return front_of(np.column_stack([self.values, tail]), self.rule.feasible(self.means))


def study_cells(run: RunTables, summary: pl.DataFrame) -> list[Cell]:
    """The cells of a study in the order of their first point.

    Raises
    ------
    RunFolderError if the lanes lack a metric of the goals
    """
    return [read_cell(run, key, rows) for key, rows in cells_of(run, summary)]


def read_cell(run: RunTables, key: dict[str, Any], rows: pl.DataFrame) -> Cell:
    """A cell from its rows of the summary, and its lanes."""
    goals = run.goals
    names = goal_columns(run)
    signs = np.array([*goals.signs, *[1.0] * (len(names) - len(goals.signs))])
    # The tie-break is one of the objectives where the p99 slowdown was not measured.
    signs[len(goals.signs)] = dict(zip(goals.objectives, goals.signs, strict=True)).get(
        names[len(goals.signs)], 1.0
    )
    means = mean_columns(rows, names) * signs
    bounds = bounds_of(goals.constraints, means[:, len(goals.objectives) + 1 :])
    rule = Rule(len(goals.objectives), goals.weights, bounds)
    lanes = lane_values(run, rows["point"].to_numpy(), names) * signs
    if run.dropped is not None:
        out = rows["point"].is_in(run.dropped["point"].implode()).to_numpy()
        means[out], lanes[:, out] = np.nan, np.nan
    mask, knee = rule.choose(means)
    return Cell(key, rows, means, lanes, rule, mask, knee, study_seed(run))


def goal_columns(run: RunTables) -> list[str]:
    """The metrics of a cell's columns: objectives, the tie-break, and those of the constraints."""
    tie = TAIL_METRIC if TAIL_METRIC in run.metrics else run.goals.objectives[-1]
    return [*run.goals.objectives, tie, *(one.metric for one in run.goals.constraints)]


def cells_of(run: RunTables, summary: pl.DataFrame) -> list[tuple[dict[str, Any], pl.DataFrame]]:
    """The study's cells in the order of their first point, each with its summary rows."""
    if not run.cell_keys:
        return [({}, summary)]
    parts = summary.partition_by(run.cell_keys, maintain_order=True)
    return [(part.select(run.cell_keys).row(0, named=True), part) for part in parts]


def mean_columns(rows: pl.DataFrame, names: Sequence[str]) -> FloatArray:
    """Means of some metrics: float64 (point, metric), NaN = no result.

    Raises
    ------
    RunFolderError naming the metrics that the lanes lack
    """
    columns = [f"{name}_mean" for name in names]
    absent = list(dict.fromkeys(c.removesuffix("_mean") for c in columns if c not in rows.columns))
    if absent and not any(column.endswith("_mean") for column in rows.columns):
        raise RunFolderError(
            "no lane has a result, so there is nothing to compare",
            "failures.json in the run folder says why each failed; the same sweep tries them again",
        )
    if absent:
        raise RunFolderError(
            f"{', '.join(absent)}: the lanes have no such metric, so no trade-off by it",
            "the simulator that made them did not measure it: sweep again, or take other metrics",
        )
    found = [rows[column].fill_null(np.nan).to_numpy() for column in columns]
    return np.column_stack(found).astype(np.float64)


def lane_values(run: RunTables, points: Any, names: Sequence[str] = OBJECTIVES) -> FloatArray:
    """Metrics of each lane of some points: (replicate, point, metric), NaN = not counted."""
    wanted = list(dict.fromkeys(names))
    lanes = (
        run.lanes.filter(pl.col("status") == COMPLETED, pl.col("point").is_in(points.tolist()))
        .select("point", "replicate", *[pl.col(c).cast(pl.Float64) for c in wanted])
        .collect()
    )
    place = {point: index for index, point in enumerate(points.tolist())}
    replicates = lanes["replicate"].unique().sort().to_list()
    row = {replicate: index for index, replicate in enumerate(replicates)}
    values = np.full((len(replicates), len(points), len(wanted)), np.nan)
    columns = lanes.select(pl.col(wanted).fill_null(np.nan)).to_numpy()
    at = [row[r] for r in lanes["replicate"]], [place[p] for p in lanes["point"]]
    values[at] = columns
    return values[:, :, [wanted.index(name) for name in names]] if len(wanted) < len(names) else values


def study_seed(run: RunTables) -> int:
    """The study's seed, which also seeds the bootstrap."""
    return abs(int(run.manifest.get("seed") or 0))
