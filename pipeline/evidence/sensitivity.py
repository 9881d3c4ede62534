"""Which parameter matters: a row for each study cell, metric and parameter (`sensitivity.parquet`).

method `sobol_first`, `sobol_total` : Sobol' indices, of a Saltelli design
       `rank_correlation`           : partial rank correlation (with one parameter Spearman's), of numbers
       `eta_squared`                : share of the variance that lies between the parameter's values, of any
                                      axis with few of them, words too

pipeline/EVIDENCE.md has the formulas.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from pipeline.evidence.aggregate import RunTables, is_policy_key
from pipeline.evidence.cell import cells_of, lane_values, mean_columns, study_seed
from pipeline.evidence.effects import basic_interval, eta_squared, level_codes, partial_ranks, ranks_of
from pipeline.evidence.front import draw_means
from pipeline.evidence.sobol import Sample, read_sample, sobol_rows

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
# What people ask about, beside the goals and the objective.
METRICS = (
    "load_imbalance", "migration_overhead_share", "wasted_core_share", "slowdown_p99", "sojourn_mean_ns",
    "throughput_per_s",
)  # fmt: skip
RESAMPLES = 200
STREAM = 0x5E25
# Distinct numbers of a parameter up to which its share of the variance is told; of words any number.
LEVELS_MAX = 16
# Points for each parameter below which a rank correlation says nothing.
POINTS_LEAST = 3
DIGITS = 9
SAMPLED = ("random", "latin", "sobol", "saltelli")


@dataclass(frozen=True)
class Design:
    """Parameters at some points.

    names, columns : those of numbers, and their values (point,)
    codes          : every parameter with few values -> which value a point has (point,)
    """

    names: tuple[str, ...]
    columns: tuple[FloatArray, ...]
    codes: dict[str, IntArray]

    def at(self, rows: IntArray) -> "Design":
        """The same at some of the points."""
        codes = {name: code[rows] for name, code in self.codes.items()}
        return Design(self.names, tuple(column[rows] for column in self.columns), codes)


def sensitivity_table(run: RunTables, summary: pl.DataFrame) -> pl.DataFrame:
    """Sensitivity of metrics to parameters: the cell's keys, metric, parameter, method, value, low, high.

    Where a study has several cells there are rows for each, over the policy's parameters, and rows with
    null for the cell's keys, over all cells and all parameters.

    Complexity and determinism
    --------------------------
    O(RESAMPLES x points log points x (metrics + parameters)); the same bytes each time
    """
    objective = run.config.get("objective") or {}
    asked = dict.fromkeys((*run.goals.metrics, objective.get("metric"), *METRICS))
    metrics = [name for name in asked if name and f"{name}_mean" in summary.columns]
    found: list[dict[str, Any]] = []
    sample = read_sample(run)
    if sample is not None:
        key = shared_key(run, sample, summary)
        found = [{**key, **row} for row in sobol_rows(sample, summary, metrics)]
        done = {row["metric"] for row in found}
        metrics = [name for name in metrics if name not in done]
    for key, rows, parameters in groups_of(run, summary) if metrics else ():
        found += [{**key, **row} for row in group_rows(run, rows, parameters, metrics)]
    return as_table(run, summary, found)


def as_table(run: RunTables, summary: pl.DataFrame, found: Sequence[Mapping[str, Any]]) -> pl.DataFrame:
    """Rows as a table whose columns have the same types whatever was found."""
    schema: dict[str, Any] = {key: summary.schema[key] for key in run.cell_keys}
    schema |= dict.fromkeys(("metric", "parameter", "method"), pl.String)
    schema |= dict.fromkeys(("value", "low", "high"), pl.Float64)
    numbers = pl.col("value", "low", "high").round(DIGITS).fill_nan(None)
    return pl.DataFrame(list(found), schema=schema).with_columns(numbers)


def shared_key(run: RunTables, sample: Sample, summary: pl.DataFrame) -> dict[str, Any]:
    """Cell keys that all points of a design share; null where it varies them."""
    rows = summary.filter(pl.col("point").is_in(np.unique(sample.points).tolist()))
    return {key: rows[key][0] if rows[key].n_unique() == 1 else None for key in run.cell_keys}


def groups_of(
    run: RunTables, summary: pl.DataFrame
) -> Iterator[tuple[dict[str, Any], pl.DataFrame, tuple[str, ...]]]:
    """Key, rows and parameters of each cell, then of all together; without those where nothing varies."""
    cells = cells_of(run, summary)
    everything = [(dict.fromkeys(run.cell_keys), summary)] if len(cells) > 1 else []
    for key, rows in [*cells, *everything]:
        kept = without_added_baseline(run, rows)
        varied = tuple(axis for axis in run.axes if kept.height and kept[axis].n_unique() > 1)
        if varied and kept.height >= POINTS_LEAST:
            yield key, kept, varied


def without_added_baseline(run: RunTables, rows: pl.DataFrame) -> pl.DataFrame:
    """The rows of the design: a baseline of another policy, added to compare with, is none of them."""
    if "policy" in run.axes or "policy" not in rows.columns:
        return rows
    others = rows.filter(~pl.col("baseline"))["policy"].unique().to_list()
    return rows.filter(~pl.col("baseline") | pl.col("policy").is_in(others))


def design_of(rows: pl.DataFrame, parameters: Sequence[str]) -> Design:
    """The parameters of some points; no limit (null) is more than any number."""
    names = tuple(
        name for name in parameters if rows[name].dtype.is_numeric() and not is_mixed(name, rows[name])
    )
    columns = tuple(rows[name].cast(pl.Float64).fill_null(np.inf).to_numpy() for name in names)
    codes = {name: level_codes(rows[name]) for name in parameters}
    few = {name: code for name, code in codes.items() if name not in names or int(code.max()) < LEVELS_MAX}
    return Design(names, columns, few)


def is_mixed(name: str, column: pl.Series) -> bool:
    """Whether null means that a point has no such setting, so that its values have no order."""
    return not is_policy_key(name) and column.null_count() > 0


def group_rows(
    run: RunTables, rows: pl.DataFrame, parameters: Sequence[str], metrics: Sequence[str]
) -> Iterator[dict[str, Any]]:
    """Rank correlations and shares of variance of one group of points."""
    means = mean_columns(rows, metrics)
    design = design_of(rows, parameters)
    observed = measures(design, means)
    drawn: dict[tuple[int, str, str], list[float]] = {key: [] for key in observed}
    for one, values in draws(run, rows, design, means, metrics):
        again = measures(one, values)
        for key, many in drawn.items():
            many.append(again.get(key, np.nan))
    for (place, name, method), value in observed.items():
        least = -1.0 if method == "rank_correlation" else 0.0
        low, high = basic_interval(value, drawn[place, name, method], least, 1.0)
        yield {
            "metric": metrics[place], "parameter": name, "method": method, "value": value, "low": low,
            "high": high,
        }  # fmt: skip


def measures(design: Design, means: FloatArray) -> dict[tuple[int, str, str], float]:
    """(column of the means, parameter, method) -> value, of all that can be told."""
    found: dict[tuple[int, str, str], float] = {}
    whole = np.array([ranks_of(column) for column in design.columns])
    for place in range(means.shape[1]):
        values = means[:, place]
        known = ~np.isnan(values)
        count = int(known.sum())
        if count < POINTS_LEAST or np.ptp(values[known]) == 0:
            continue
        if design.names and count >= POINTS_LEAST * len(design.names):
            ranks = whole if known.all() else np.array([ranks_of(column[known]) for column in design.columns])
            correlated = partial_ranks(ranks, ranks_of(values[known]))
            for name, value in zip(design.names, correlated.tolist(), strict=True):
                found[place, name, "rank_correlation"] = value
        for name, code in design.codes.items():
            if 1 < len(np.unique(code[known])) < count:
                found[place, name, "eta_squared"] = eta_squared(code, values)
    return found


def draws(
    run: RunTables, rows: pl.DataFrame, design: Design, means: FloatArray, metrics: Sequence[str]
) -> Iterator[tuple[Design, FloatArray]]:
    """Designs and means as they might have been.

    Of a drawn design its points are drawn anew, with replacement: it might have had others. A grid would
    have had the same, so there the means are, as the spread of the replicates says (`draw_means`); with one
    replicate nothing is known of it.
    """
    if (run.config.get("sweep") or {}).get("kind") in SAMPLED:
        generator = np.random.Generator(np.random.PCG64(np.random.SeedSequence([study_seed(run), STREAM])))
        for _ in range(RESAMPLES):
            chosen = generator.integers(0, len(means), len(means))
            yield design.at(chosen), means[chosen]
        return
    lanes = lane_values(run, rows["point"].to_numpy(), metrics)
    if len(lanes) > 1:
        for drawn in draw_means(lanes, study_seed(run), RESAMPLES):
            yield design, drawn
