"""Metrics along the first axis of a sweep: a line a policy, or a dot a setting where there is no grid."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from pipeline.charts.axes import grid_rows, headline_metrics, with_numbers
from pipeline.charts.figure import Key, Panel
from pipeline.charts.front import policies_of
from pipeline.charts.parts import (
    DASHES,
    POLICY_COLOURS,
    POLICY_SHAPES,
    RED,
    axis_label,
    axis_order,
    metric_axis,
    metric_title,
    value_frame,
)
from pipeline.charts.scales import axis_field, axis_ticks
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.recommend import Recommendation
from pipeline.plain import plain_name

HEIGHT = 190
PANELS_MOST = 12


def line_panels(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, axes: Sequence[str]
) -> tuple[list[Panel], list[Key]]:
    """Panels of metrics along the first axis, a line for each policy and value of the second."""
    axis, second = axes[0], axes[1] if len(axes) > 1 else None
    grid = grid_rows(run, rows, chosen, [a for a in (axis, second, "policy") if a])
    kind, scale = axis_field(grid[axis].unique().to_list())
    picked = rows.row(by_predicate=pl.col("point") == chosen.point, named=True)
    grid = grid.with_columns(
        at=pl.Series([axis_label(v) for v in grid[axis]]) if kind == "O" else pl.col(axis).cast(pl.Float64),
        line=pl.Series([line_label(row, second) for row in grid.iter_rows(named=True)]),
    )
    order = list(dict.fromkeys(grid.sort("policy", second or axis, nulls_last=True)["line"]))
    keys = [
        Key(text, POLICY_COLOURS[i % len(POLICY_COLOURS)], POLICY_SHAPES[i % len(POLICY_SHAPES)],
            DASHES[i % len(DASHES)])
        for i, text in enumerate(order)
    ]  # fmt: skip
    x = alt.X(f"at:{kind}", title=plain_name(axis), scale=scale, sort=axis_order(grid, axis),
              axis=axis_ticks(kind, grid[axis].unique().drop_nulls().sort().to_list()))  # fmt: skip
    at: Any = axis_label(picked[axis]) if kind == "O" else picked[axis]
    # A policy that was not swept over the axis may have a value without a place on it.
    has_place = kind == "O" or (at is not None and math.isfinite(at))
    mark = pl.DataFrame({"at": [at] if has_place else []})
    panels = []
    for metric in headline_metrics(run, grid, PANELS_MOST):
        frame = grid.select("at", "line", "point", *value_frame(grid, metric, "y")).drop_nulls("y")
        panels.append(Panel(metric_title(metric), line_chart(frame, metric, x, mark, keys)))
    return panels, keys


def line_chart(frame: pl.DataFrame, metric: str, x: Any, mark: pl.DataFrame, keys: Sequence[Key]) -> Any:
    """One metric: lines with their 95 % bands, told apart by colour, dash and shape."""
    order = [key.text for key in keys]
    colour = alt.Color("line:N", scale=alt.Scale(domain=order, range=[k.colour for k in keys]), legend=None)
    dash = alt.StrokeDash(
        "line:N", scale=alt.Scale(domain=order, range=[list(k.dash) for k in keys]), legend=None
    )
    shape = alt.Shape("line:N", scale=alt.Scale(domain=order, range=[k.shape for k in keys]), legend=None)
    form = metric_axis(metric)
    y = alt.Y("y:Q", title=None, axis=alt.Axis(**form), scale=alt.Scale(zero=False))
    tip = [
        alt.Tooltip("line:N"), alt.Tooltip("at", title=x["title"]), alt.Tooltip("point:Q"),
        *[alt.Tooltip(f"{name}:Q", title=word, format=".3%" if "%" in form["format"] else ",.4~g")
          for name, word in (("y", "mean"), ("y_low", "low end"), ("y_high", "high end"))],
    ]  # fmt: skip
    base = alt.Chart(frame)
    return alt.layer(
        alt.Chart(mark).mark_rule(color=RED, strokeDash=[2, 3]).encode(x),
        base.mark_area(opacity=0.18).encode(x, alt.Y("y_low:Q", title=None), alt.Y2("y_high:Q"), colour),
        base.mark_line(strokeWidth=1.6).encode(x, y, colour, dash),
        base.mark_point(size=36, filled=True, opacity=1).encode(x, y, colour, shape, tooltip=tip),
    ).properties(height=HEIGHT)


def line_label(row: dict[str, Any], second: str | None) -> str:
    """What a line of the panels stands for."""
    words = [str(row["policy"])] if row.get("policy") is not None else []
    return ", ".join(words + ([f"{plain_name(second)} {axis_label(row[second])}"] if second else []))


def dot_panels(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, axis: str
) -> tuple[list[Panel], list[Key]]:
    """Panels of metrics against an axis of a sampled design, a dot a setting; no limit has no place."""
    rows = with_numbers(rows, [axis])
    if "policy" not in rows.columns:
        rows = rows.with_columns(policy=pl.lit("policy"))
    scale = axis_field(rows[axis].unique().to_list())[1]
    x = alt.X("at:Q", title=plain_name(axis), scale=scale)
    policies = policies_of(rows)
    keys = [
        Key(p, POLICY_COLOURS[i % len(POLICY_COLOURS)], POLICY_SHAPES[i % len(POLICY_SHAPES)])
        for i, p in enumerate(policies)
    ]
    colours = alt.Scale(domain=policies, range=[key.colour for key in keys])
    shapes = alt.Scale(domain=policies, range=[key.shape for key in keys])
    panels = []
    for metric in headline_metrics(run, rows, PANELS_MOST):
        frame = rows.select(
            "policy", "pareto", "point", pl.col(axis).alias("at"), *value_frame(rows, metric, "y")
        )
        form = metric_axis(metric)
        y = alt.Y("y:Q", title=None, axis=alt.Axis(**form), scale=alt.Scale(zero=False))
        tip = [
            alt.Tooltip("policy:N"), alt.Tooltip("point:Q"), alt.Tooltip("at:Q", title=plain_name(axis)),
            alt.Tooltip("y:Q", title="mean", format=".3%" if "%" in form["format"] else ",.4~g"),
        ]  # fmt: skip
        mark = alt.Chart(frame.filter(pl.col("point") == chosen.point))
        layers = [
            mark.mark_rule(color=RED, strokeDash=[2, 3]).encode(x),
            alt.Chart(frame).mark_point(size=40, filled=True).encode(
                x, y, alt.Color("policy:N", scale=colours, legend=None),
                alt.Shape("policy:N", scale=shapes, legend=None), tooltip=tip,
                opacity=alt.condition("datum.pareto", alt.value(1.0), alt.value(0.35)),
            ),
        ]  # fmt: skip
        panels.append(Panel(metric_title(metric), alt.layer(*layers).properties(height=HEIGHT)))
    return panels, keys
