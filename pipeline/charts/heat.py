"""A metric over two swept axes: a heat map, or dots where the design is no grid."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import altair as alt
import polars as pl

from pipeline.charts.axes import HEAT_MAX, headline_metrics, heat_rows, with_numbers
from pipeline.charts.figure import Panel
from pipeline.charts.parts import (
    INK,
    axis_label,
    axis_order,
    is_share,
    metric_axis,
    metric_title,
    value_frame,
)
from pipeline.charts.scales import axis_field
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.recommend import Recommendation
from pipeline.plain import plain_name

PAIRS_MOST = 3
FILLED = 0.75
"""Share of the combinations of two axes that were run, from which on a map of them says something."""
FINE = 0.1
"""Shares below it have two decimals in their fields."""
NUMBERS_MOST = 12
"""Columns up to which each field has room for its number."""


def heat_pairs(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, axes: Sequence[str]
) -> list[tuple[str, str]]:
    """Pairs of axes of which most combinations were run, the threshold and the rates first."""
    found = []
    for pair in combinations(axes, 2):
        grid = heat_rows(run, rows, chosen, pair)
        sizes = [grid[axis].n_unique() for axis in pair]
        if min(sizes) > 1 and max(sizes) <= HEAT_MAX and grid.height >= FILLED * sizes[0] * sizes[1]:
            found.append(pair)
    return found[:PAIRS_MOST]


def heat_panels(
    run: RunTables,
    rows: pl.DataFrame,
    chosen: Recommendation,
    axes: tuple[str, str],
    most: int | None = None,
) -> list[Panel]:
    """A heat map a metric, at most `most`, what the study is about first."""
    grid = heat_rows(run, rows, chosen, axes)
    frame = grid.with_columns(
        a=pl.Series([axis_label(v) for v in grid[axes[0]]]),
        b=pl.Series([axis_label(v) for v in grid[axes[1]]]),
    )
    x = alt.X("a:O", title=plain_name(axes[0]), sort=axis_order(grid, axes[0]), axis=alt.Axis(labelAngle=0))
    y = alt.Y("b:O", title=plain_name(axes[1]), sort=axis_order(grid, axes[1])[::-1],
              axis=alt.Axis(titlePadding=12))  # fmt: skip
    return [
        Panel(metric_title(metric), heat_chart(frame, metric, chosen.point, x, y))
        for metric in headline_metrics(run, grid, most)
    ]


def heat_chart(frame: pl.DataFrame, metric: str, point: int, x: Any, y: Any) -> Any:
    """One metric as a heat map with its numbers, the recommended field framed."""
    cells = frame.select("a", "b", "point", *value_frame(frame, metric, "v"))
    values = [float(v) for v in cells["v"].drop_nulls()]
    middle = (max(values, default=0.0) + min(values, default=0.0)) / 2
    base = alt.Chart(cells)
    # The scale goes from light to dark, so that it reads in grey, and text changes its colour with it.
    ink = alt.condition(f"datum.v > {middle!r}", alt.value("white"), alt.value(INK))
    number = ".3~s" if not is_share(metric) else ".1%" if max(values, default=0.0) >= FINE else ".2%"
    tip = [
        alt.Tooltip("a:N", title=x["title"]), alt.Tooltip("b:N", title=y["title"]), alt.Tooltip("point:Q"),
        *[alt.Tooltip(f"{name}:Q", title=word, format=".3%" if is_share(metric) else ",.4~g")
          for name, word in (("v", metric_title(metric)), ("v_low", "low end"), ("v_high", "high end"))],
    ]  # fmt: skip
    scale = alt.Scale(scheme=alt.SchemeParams(name="viridis", extent=[1, 0.1]))
    layers = [
        base.mark_rect(stroke="white", strokeWidth=1).encode(
            x, y, alt.Color(
                "v:Q", scale=scale, title=None,
                legend=alt.Legend(orient="bottom", gradientLength=220, tickCount=4, **metric_axis(metric)),
            ), tooltip=tip,
        )
    ]  # fmt: skip
    if cells["a"].n_unique() <= NUMBERS_MOST:
        text = alt.Text("v:Q", format=number)
        layers.append(base.mark_text(fontSize=11).encode(x, y, text=text, color=ink))
    framed = alt.Chart(cells.filter(pl.col("point") == point))
    # Dark on white, so that it is seen on light and on dark fields.
    layers += [
        framed.mark_rect(filled=False, fillOpacity=0, stroke=line, strokeWidth=width).encode(x, y)
        for line, width in (("white", 6), (INK, 3))
    ]
    return alt.layer(*layers).properties(height=max(120, 40 * cells["b"].n_unique()))


def scatter_panels(run: RunTables, rows: pl.DataFrame, axes: Sequence[str]) -> list[Panel]:
    """Designs without a grid (random, Sobol'): a dot a setting, coloured by a metric."""
    rows = with_numbers(rows, axes[:2])
    scales = [axis_field(rows[axis].unique().to_list())[1] for axis in axes[:2]]
    panels = []
    for metric in headline_metrics(run, rows):
        frame = rows.select(
            "point", pl.col(axes[0]).alias("a"), pl.col(axes[1]).alias("b"), *value_frame(rows, metric, "v")
        )
        tip = [
            alt.Tooltip("point:Q"), alt.Tooltip("a:Q", title=plain_name(axes[0])),
            alt.Tooltip("b:Q", title=plain_name(axes[1])),
            alt.Tooltip("v:Q", title=metric_title(metric), format=".3%" if is_share(metric) else ",.4~g"),
        ]  # fmt: skip
        legend = alt.Legend(orient="bottom", gradientLength=220, tickCount=4, **metric_axis(metric))
        scheme = alt.Scale(scheme="viridis", reverse=True)
        chart = (
            alt.Chart(frame)
            .mark_circle(size=60, opacity=1, stroke=INK, strokeWidth=0.4)
            .encode(
                alt.X("a:Q", title=plain_name(axes[0]), scale=scales[0]),
                alt.Y("b:Q", title=plain_name(axes[1]), scale=scales[1]),
                alt.Color("v:Q", title=None, scale=scheme, legend=legend),
                tooltip=tip,
            )
        )
        panels.append(Panel(metric_title(metric), chart.properties(height=280)))
    return panels
