"""Whether a recommendation holds elsewhere: each cell's choice in every other cell, and on other seeds.

A setting is a row's policy with all its numbers. `robustness.parquet` has a row for each setting and cell
(pipeline/EVIDENCE.md).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl

import sim
from pipeline.evidence.aggregate import RunTables, is_policy_key
from pipeline.evidence.cell import Cell, lane_values, mean_columns
from pipeline.evidence.choice_text import plain_metric
from pipeline.evidence.recommend import Recommendation
from pipeline.evidence.regret import (
    Measure,
    Regret,
    SeedCheck,
    check_seeds,
    front_measure,
    metric_measure,
    regret_of,
)
from pipeline.evidence.setting import setting_text

# Cells beyond these are left out of the comparison of each with each, and that is told.
CELLS_MAX = 40
COMPROMISE = "all cells"
SCHEMA = {
    "setting": pl.String, "found_in": pl.String, "checked_in": pl.String, "point": pl.Int32,
    "regret": pl.Float64, "regret_low": pl.Float64, "regret_high": pl.Float64,
    "feasible": pl.Boolean, "is_on_front": pl.Boolean, "front_probability": pl.Float64,
}  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """A setting over all cells.

    setting  : in words
    found_in : titles of the cells that recommend it, or COMPROMISE
    worst    : its greatest regret, and where that is
    feasible : whether it meets the constraints in every cell
    cells    : number of cells that have it
    """

    setting: str
    found_in: tuple[str, ...]
    worst: Regret
    worst_in: str
    feasible: bool
    cells: int


@dataclass(frozen=True)
class Robustness:
    """What the checks found.

    table    : rows of `robustness.parquet`
    verdicts : a setting each, least worst regret first, those feasible everywhere before the others
    seeds    : title of a cell -> what other seeds say; cells with too few replicates are left out
    left_out : number of cells beyond CELLS_MAX
    unit     : what a regret is a share of
    """

    table: pl.DataFrame
    verdicts: tuple[Verdict, ...]
    seeds: dict[str, SeedCheck]
    left_out: int = 0
    unit: str = "the front's extent"

    @property
    def best(self) -> Verdict | None:
        """The setting with the least worst regret; None with a single cell."""
        return self.verdicts[0] if self.verdicts else None


@dataclass(frozen=True)
class Judged:
    """A cell with its choice, and what settings are scored by in it.

    own    : row of the choice
    places : setting -> row
    """

    cell: Cell
    own: int
    name: str
    places: dict[Any, int]
    measure: Measure


def check_robustness(run: RunTables, cells: Sequence[Cell], chosen: Sequence[Recommendation]) -> Robustness:
    """Check each cell's recommended setting in all cells, and the rule on other seeds.

    Beside the recommended settings stands the compromise: of the settings that every cell has, the one
    with the least worst regret (a cell's own choice need not be it).

    Source
    ------
    L. J. Savage, "The theory of statistical decision", Journal of the American Statistical Association 46
    (1951) 55-67: the least greatest regret
    """
    answers = {one.points[0]: one for one in chosen}
    answered = [cell for cell in cells if int(cell.points[0]) in answers]
    judged = [judge(run, cell, answers[int(cell.points[0])]) for cell in answered[:CELLS_MAX]]
    seeds = {
        one.name: check
        for one in judged
        # A choice by the study's objective is made on one half and estimated on the other by itself.
        if answers[int(one.cell.points[0])].choice is None and (check := check_seeds(one.cell)) is not None
    }
    found: dict[Any, list[str]] = {}
    for one in judged:
        found.setdefault(key_at(one.places, one.own), []).append(one.name)
    if len(judged) > 1 and (compromise := least_worst(judged)) is not None:
        found.setdefault(compromise, [COMPROMISE])
    rows = []
    verdicts = []
    for key, found_in in found.items():
        checked = check_setting(run, key, judged)
        rows += [
            {**one, "found_in": name, **seeds_row(one, name, seeds)} for name in found_in for one in checked
        ]
        if len(judged) > 1:
            verdicts.append(verdict_of(checked, tuple(found_in)))
    verdicts.sort(key=lambda one: (not one.feasible, -one.cells, known_loss(one.worst.value)))
    table = pl.DataFrame(rows, schema=SCHEMA).with_columns(
        pl.col("regret", "regret_low", "regret_high").round(9).fill_nan(None)
    )
    by_metric = any(answer.choice is not None for answer in chosen)
    unit = {"unit": plain_metric(run.config["objective"]["metric"])} if by_metric else {}
    return Robustness(table, tuple(verdicts), seeds, len(answered) - len(judged), **unit)


def judge(run: RunTables, cell: Cell, answer: Recommendation) -> Judged:
    """A cell with its recommendation, scored by the rule that made it."""
    own = int(np.flatnonzero(cell.points == answer.point)[0])
    if answer.choice is None:
        measure = front_measure(cell)
    else:
        name = run.config["objective"]["metric"]
        sign = -1.0 if sim.METRICS[name].better == "high" else 1.0
        lanes = lane_values(run, cell.points, [name])[:, :, 0] * sign
        measure = metric_measure(lanes, mean_columns(cell.rows, [name])[:, 0] * sign, own, cell.seed)
    return Judged(cell, own, answer.title, places_of(run, cell), measure)


def seeds_row(row: Mapping[str, Any], name: str, seeds: Mapping[str, SeedCheck]) -> dict[str, float]:
    """In its own cell a choice loses nothing by definition: there stands what it loses on other seeds."""
    if row["checked_in"] != name or name not in seeds:
        return {}
    loss = seeds[name].regret
    return {"regret": loss.value, "regret_low": loss.low, "regret_high": loss.high}


def places_of(run: RunTables, cell: Cell) -> dict[Any, int]:
    """Setting -> row of a cell."""
    keys = [key for key in run.points.columns if is_policy_key(key)]
    return {tuple(row): place for place, row in reversed(list(enumerate(cell.rows.select(keys).iter_rows())))}


def key_at(places: Mapping[Any, int], row: int) -> Any:
    """The setting of a row."""
    return next(key for key, place in places.items() if place == row)


def least_worst(judged: Sequence[Judged]) -> Any:
    """The setting of all cells with the least worst regret, feasible ones first; None if they share none."""
    shared = [key for key in judged[0].places if all(key in one.places for one in judged)]
    if not shared:
        return None
    worst = np.full(len(shared), -np.inf)
    missed = np.zeros(len(shared), np.int64)
    for one in judged:
        rows = [one.places[key] for key in shared]
        scores = one.measure.scores()
        loss = scores[rows] - scores[one.own]
        worst = np.maximum(worst, np.where(np.isnan(loss), np.inf, loss))
        missed += ~one.cell.feasible[rows]
    order = np.lexsort((np.arange(len(shared)), np.round(worst, 12), missed))
    return shared[int(order[0])]


def check_setting(run: RunTables, key: Any, judged: Sequence[Judged]) -> list[dict[str, Any]]:
    """Rows of the table for one setting, without where it was found."""
    rows = []
    for one in judged:
        row, cell = one.places.get(key), one.cell
        if row is None:
            continue
        loss = regret_of(one.measure, row, one.own)
        sure = cell.certainty
        rows.append({
            "setting": setting_text(run, cell.rows.row(row, named=True)), "checked_in": one.name,
            "point": int(cell.points[row]), "regret": loss.value, "regret_low": loss.low,
            "regret_high": loss.high, "feasible": bool(cell.feasible[row]),
            "is_on_front": bool(cell.mask[row]),
            "front_probability": None if sure is None else float(sure.on_front[row]),
        })  # fmt: skip
    return rows


def known_loss(regret: float) -> float:
    """A regret as it is compared with others: one that is not known is the worst."""
    return float("inf") if np.isnan(regret) else regret


def verdict_of(rows: Sequence[Mapping[str, Any]], found_in: tuple[str, ...]) -> Verdict:
    """A setting's worst case."""
    worst = max(rows, key=lambda row: known_loss(row["regret"]))
    return Verdict(
        setting=rows[0]["setting"],
        found_in=found_in,
        worst=Regret(worst["regret"], worst["regret_low"], worst["regret_high"]),
        worst_in=worst["checked_in"],
        feasible=all(row["feasible"] for row in rows),
        cells=len(rows),
    )
