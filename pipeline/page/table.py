"""The table of all settings: sortable, page by page, and readable without a script."""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

import sim
from pipeline.charts.parts import is_share, metric_scale, metric_title
from pipeline.config.goals import goals_of
from pipeline.config.schema_front import OBJECTIVES
from pipeline.evidence.aggregate import RunTables, is_policy_key
from pipeline.evidence.recommend import Recommendation
from pipeline.evidence.rerun import has_value
from pipeline.page.text import escape
from pipeline.plain import number, plain, plain_name

PAGE = 100
"""Rows that are written into the page itself; as many as its script shows at a time."""
ROWS_MOST = 5_000
METRICS = (
    *OBJECTIVES, "wasted_core_share", "slowdown_p99", "sojourn_p99_ns", "throughput_per_s",
    "migration_rate_per_s", "cache_hit_rate",
)  # fmt: skip


@dataclass(frozen=True)
class Column:
    """A column: its title, how values are shown, the values, and half of each interval where they have one.

    kind : share, number or text
    none : what stands for no value
    """

    title: str
    kind: str
    values: Sequence[Any]
    halves: Sequence[float | None] | None = None
    none: str = "n/a"


def settings_table(run: RunTables, summary: pl.DataFrame, chosen: Recommendation, name: str) -> str:
    """The settings of a cell, the recommended one first; `name` is the id of its data."""
    rows, note = ordered_rows(run, summary.filter(pl.col("point").is_in(chosen.points)), chosen)
    columns = columns_of(run, rows)
    kinds = {chosen.baseline: "baseline", chosen.point: "recommended"}
    marks = [kinds.get(point, "") for point in rows["point"]]
    heads = "".join(
        f"<th scope=col aria-sort=none class={'left' if c.kind == 'text' else 'right'}>"
        f"<button type=button>{escape(c.title)}</button></th>"
        for c in columns
    )
    lines = [line_of(columns, marks[i], i) for i in range(min(rows.height, PAGE))]
    data = {
        "columns": [{"kind": c.kind, "none": c.none} for c in columns],
        "rows": [list(values) for values in zip(*(c.values for c in columns), strict=True)],
        "halves": [None if c.halves is None else list(c.halves) for c in columns],
        "marks": marks,
    }
    shown = min(rows.height, PAGE)
    return (
        f"<p>{escape(note)}</p>"
        f"<div class=pager id={name}-pager><label>find <input type=search></label>"
        f"<button type=button disabled>back</button>"
        f"<button type=button{'' if rows.height > PAGE else ' disabled'}>ahead</button>"
        f"<span role=status>{min(shown, 1)} to {shown} of {rows.height}</span></div>"
        f"<div class=wide tabindex=0 role=region aria-label='settings of {escape(chosen.title)}'>"
        f"<table data-rows={name}><thead><tr>{heads}</tr></thead><tbody>{''.join(lines)}</tbody></table>"
        f"</div>"
        f"{json_element(name, data)}"
    )


def ordered_rows(run: RunTables, rows: pl.DataFrame, chosen: Recommendation) -> tuple[pl.DataFrame, str]:
    """The rows in their first order, at most ROWS_MOST, and a sentence about them."""
    if chosen.choice is None:
        rows = rows.sort("rank", "point", nulls_last=True)
        text = "The recommended setting, then the front, then the rest."
    else:
        metric = run.config["objective"]["metric"]
        is_high = sim.METRICS[metric].better == "high"
        rows = rows.sort(f"{metric}_mean", "point", descending=[is_high, False], nulls_last=True)
        text = f"The best {metric_title(metric)} first."
    text += " ± is half a 95 % interval over replicates. Click a heading to sort, again to turn it round."
    if rows.height > ROWS_MOST:
        text += f" Of {rows.height:,} settings the first {ROWS_MOST:,} are listed; summary.parquet has all."
    return rows.head(ROWS_MOST), text


def columns_of(run: RunTables, rows: pl.DataFrame) -> list[Column]:
    """Point, what was varied, how sure the front is, constraints if there are any, and metrics."""
    axes = [a for a in run.axes if is_policy_key(a) and a != "policy" and rows[a].n_unique() > 1]
    goals = goals_of(run.config)
    columns = [Column("point", "number", rows["point"].to_list())]
    if "policy" in rows.columns:
        columns.append(Column("policy", "text", [str(value) for value in rows["policy"]]))
    columns += [axis_column(rows, axis) for axis in axes]
    if "front_probability" in rows.columns:
        share = rows["front_probability"].to_list()
        columns.append(Column("on the front", "text", ["yes" if one else "no" for one in rows["pareto"]]))
        columns.append(Column("probability of the front", "share", share))
    if goals.constraints and "feasible" in rows.columns:
        columns.append(Column("meets the constraints", "text", [yes_no(one) for one in rows["feasible"]]))
    names = [m for m in dict.fromkeys((*goals.metrics, *METRICS)) if f"{m}_mean" in rows.columns]
    return columns + [metric_column(rows, name) for name in names]


def yes_no(value: bool | None) -> str:
    """A mark in words."""
    return "n/a" if value is None else "yes" if value else "no"


def axis_column(rows: pl.DataFrame, axis: str) -> Column:
    """A swept setting; no limit stands at the end when it is sorted, as what has no value does."""
    if rows[axis].dtype.is_numeric():
        values = [v if v is None or math.isfinite(v) else plain(v) for v in rows[axis]]
        none = "no limit" if has_value(axis, None) else "n/a"
        return Column(plain_name(axis).replace("_", " "), "number", values, none=none)
    return Column(plain_name(axis).replace("_", " "), "text", [plain(value) for value in rows[axis]])


def metric_column(rows: pl.DataFrame, name: str) -> Column:
    """A metric with half of its interval, in shown units."""
    scale = metric_scale(name)
    means = [finite(v, scale) for v in rows[f"{name}_mean"]]
    halves = [finite(v, scale / 2) for v in rows[f"{name}_high"] - rows[f"{name}_low"]]
    return Column(metric_title(name), "share" if is_share(name) else "number", means, halves)


def finite(value: float | None, scale: float) -> float | None:
    """A value in shown units, or None if it is no number."""
    return None if value is None or not math.isfinite(value) else value * scale


def line_of(columns: Sequence[Column], mark: str, row: int) -> str:
    """One setting as a row of the table, in the same words as the page's script has."""
    cells = []
    for column in columns:
        half = column.halves[row] if column.halves is not None else None
        spread = "" if half is None else f"<span class=ci>± {words(column, half)}</span>"
        kind = " class=left" if column.kind == "text" else ""
        cells.append(f"<td{kind}>{escape(words(column, column.values[row]))}{spread}</td>")
    return f"<tr{f' class={mark}' if mark else ''}>{''.join(cells)}</tr>"


def words(column: Column, value: Any) -> str:
    """A value as the table shows it."""
    if value is None:
        return column.none
    if isinstance(value, str):
        return value
    return f"{100 * value:.2f} %" if column.kind == "share" else number(value)


def json_element(name: str, data: Mapping[str, Any] | Sequence[Any]) -> str:
    """Data for the page's script; a "<" in it could end the element."""
    text = json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    return f"<script type='application/json' id={name}>{text}</script>"
