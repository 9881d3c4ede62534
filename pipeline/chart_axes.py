"""Charts along what the sweep varies: metrics as lines or dots, and heat maps of two axes."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from pipeline.aggregate import RunTables, is_policy_key
from pipeline.chart_parts import (
    INK,
    POLICY_COLOURS,
    RED,
    axis_field,
    axis_label,
    axis_order,
    axis_ticks,
    is_share,
    metric_axis,
    metric_title,
    value_frame,
)  # fmt: skip
from pipeline.plain import plain_name
from pipeline.recommend import TAIL_METRIC, Recommendation
from pipeline.schema_front import OBJECTIVES

PANELS = (
    "load_imbalance", "migration_overhead_share", "wasted_core_share", "slowdown_p99",
    "throughput_per_s", "migration_rate_per_s",
)  # fmt: skip
HEAT_MAX = 24
# A design that has less than 1 / SPARSE of the combinations of its values is no grid.
SPARSE = 2


def numeric_axes(run: RunTables, rows: pl.DataFrame) -> list[str]:
    """Numbers of the policy that the sweep varies: threshold first, then rates, then more.

    A number counts if it varies within one policy; between policies it is part of their names.
    """
    found = [
        a for a in run.axes
        if is_policy_key(a) and rows[a].dtype.is_numeric() and is_varied(rows, a)
    ]  # fmt: skip
    return sorted(found, key=lambda a: (a != "policy.threshold_factor", "rate_per_s" not in a))


def is_varied(rows: pl.DataFrame, axis: str) -> bool:
    """Whether a column has several values within one policy."""
    if "policy" not in rows.columns:
        return rows[axis].n_unique() > 1
    return bool((rows.group_by("policy").agg(pl.col(axis).n_unique())[axis] > 1).any())


def is_sampled(run: RunTables, rows: pl.DataFrame, axes: Sequence[str]) -> bool:
    """Whether the rows are no grid: points drawn that leave most combinations of the values empty.

    Points drawn from a few choices each fill them, and are as good as a grid. What was written as a grid
    is one unless it has too many values of its first two axes to be drawn so.
    """
    is_drawn = run.config.get("sweep", {}).get("kind", "grid") != "grid"
    swept = [a for a in run.axes if is_policy_key(a) and a in rows.columns]
    combinations = math.prod(rows[a].n_unique() for a in swept)
    is_sparse = rows.select(swept).n_unique() * SPARSE < combinations
    return max(rows[a].n_unique() for a in axes[:2]) > HEAT_MAX or (is_drawn and is_sparse)


def with_numbers(rows: pl.DataFrame, axes: Sequence[str]) -> pl.DataFrame:
    """The rows that have a place on a number line of each axis: neither null (no limit) nor infinite."""
    return rows.drop_nulls(list(axes)).filter(pl.all_horizontal(pl.col(list(axes)).is_finite()))


def unplaced_note(rows: pl.DataFrame, axes: Sequence[str]) -> str:
    """What a chart with number lines leaves out, as the end of its caption; "" if nothing."""
    missing = rows.height - with_numbers(rows, axes).height
    return f" Without a place on the axes, as they have no limit there: {missing}." if missing else ""


def grid_policy(run: RunTables, rows: pl.DataFrame, chosen: Recommendation, axes: Sequence[str]) -> str:
    """The policies of a heat map, as one word."""
    grid = heat_rows(run, rows, chosen, axes)
    return ", ".join(map(str, grid["policy"].unique(maintain_order=True)))


def grid_rows(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, free: Sequence[str]
) -> pl.DataFrame:
    """The rows that differ from the recommended point in the `free` columns only.

    A policy that was not swept over the first free axis would be a lone dot: it is left out. If that
    leaves nothing (the recommended point is no part of the grid), the other axes are freed as well.
    """
    if "policy" not in rows.columns:
        rows = rows.with_columns(policy=pl.lit("policy"))
    picked = rows.row(by_predicate=pl.col("point") == chosen.point, named=True)
    swept = rows.filter(pl.col(free[0]).n_unique().over("policy") > 1)
    others = [a for a in run.axes if is_policy_key(a) and a not in free]
    alike = [pl.col(a).eq_missing(pl.lit(picked[a])) for a in others if a != "policy"]
    same = swept.filter(pl.all_horizontal(alike)) if alike else swept
    return same if same[free[0]].n_unique() > 1 else swept


def heat_rows(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, axes: Sequence[str]
) -> pl.DataFrame:
    """The rows of a heat map: of the recommended point's policy, or of the first that was swept."""
    grid = grid_rows(run, rows, chosen, axes[:2])
    picked = grid.filter(pl.col("point") == chosen.point)
    name = picked["policy"][0] if picked.height else grid["policy"][0]
    # Of several rows in one field of the map the first stands for them.
    return grid.filter(pl.col("policy") == name).unique(axes[:2], keep="first", maintain_order=True)


def lines_chart(run: RunTables, rows: pl.DataFrame, chosen: Recommendation, axes: Sequence[str]) -> Any:
    """Panels of metrics along the first axis, a line for each policy and value of the second."""
    axis, second = axes[0], axes[1] if len(axes) > 1 else None
    grid = grid_rows(run, rows, chosen, [a for a in (axis, second, "policy") if a])
    kind, scale = axis_field(grid[axis].unique().to_list())
    picked = rows.row(by_predicate=pl.col("point") == chosen.point, named=True)
    words = [axis_label(v) for v in grid[axis]]
    grid = grid.with_columns(
        at=pl.Series(words) if kind == "O" else pl.col(axis).cast(pl.Float64),
        line=pl.Series([line_label(row, second) for row in grid.iter_rows(named=True)]),
    )
    order = list(dict.fromkeys(grid.sort("policy", second or axis, nulls_last=True)["line"]))
    x = alt.X(f"at:{kind}", title=plain_name(axis), scale=scale, sort=axis_order(grid, axis),
              axis=axis_ticks(kind, grid[axis].unique().drop_nulls().sort().to_list()))  # fmt: skip
    colour = alt.Color("line:N", title=line_title(grid, second), sort=order,
                       scale=alt.Scale(scheme="viridis" if len(order) > 6 else "category10"),
                       legend=alt.Legend(symbolOpacity=1, symbolType="circle"))  # fmt: skip
    mark = pl.DataFrame({"at": [axis_label(picked[axis]) if kind == "O" else picked[axis]]})
    panels = []
    for metric in (m for m in PANELS if f"{m}_mean" in grid.columns):
        frame = grid.select("at", "line", *value_frame(grid, metric, "y")).drop_nulls("y")
        y = alt.Y("y:Q", title=None, axis=alt.Axis(**metric_axis(metric)), scale=alt.Scale(zero=False))
        base = alt.Chart(frame)
        layers = [
            alt.Chart(mark).mark_rule(color=RED, strokeDash=[2, 3]).encode(x),
            base.mark_area(opacity=0.18).encode(x, alt.Y("y_low:Q", title=None), alt.Y2("y_high:Q"), colour),
            base.mark_line(point=alt.OverlayMarkDef(size=28), strokeWidth=1.6).encode(x, y, colour),
        ]
        panels.append(alt.layer(*layers).properties(width=270, height=170, title=metric_title(metric)))
    return alt.concat(*panels, columns=3, spacing=18)


def line_label(row: dict[str, Any], second: str | None) -> str:
    """What a line of the panels stands for."""
    words = [str(row["policy"])] if row.get("policy") is not None else []
    return ", ".join(words + ([axis_label(row[second])] if second else []))


def line_title(grid: pl.DataFrame, second: str | None) -> str:
    """The legend's title of the panels."""
    return ", ".join(
        (["policy"] if "policy" in grid.columns else []) + ([plain_name(second)] if second else [])
    )


def heat_chart(run: RunTables, rows: pl.DataFrame, chosen: Recommendation, axes: Sequence[str]) -> Any:
    """Both objectives and the tail over the first two axes, side by side."""
    grid = heat_rows(run, rows, chosen, axes)
    frame = grid.with_columns(
        a=pl.Series([axis_label(v) for v in grid[axes[0]]]),
        b=pl.Series([axis_label(v) for v in grid[axes[1]]]),
    )
    x = alt.X("a:O", title=plain_name(axes[0]), sort=axis_order(grid, axes[0]), axis=alt.Axis(labelAngle=0))
    y = alt.Y("b:O", title=plain_name(axes[1]), sort=axis_order(grid, axes[1])[::-1])
    names = [m for m in (*reversed(OBJECTIVES), TAIL_METRIC) if f"{m}_mean" in grid.columns]
    panels = [heat_panel(frame, metric, chosen.point, x, y) for metric in names]
    wide = grid[axes[0]].n_unique() > 6
    return alt.concat(*panels, columns=2 if wide else 3, spacing=24).resolve_scale(color="independent")


def heat_panel(frame: pl.DataFrame, metric: str, point: int, x: Any, y: Any) -> Any:
    """One metric as a heat map with its numbers, the recommended field framed."""
    cells = frame.select("a", "b", "point", *value_frame(frame, metric, "v"))
    values = [float(v) for v in cells["v"].drop_nulls()]
    middle = (max(values, default=0.0) + min(values, default=0.0)) / 2
    base = alt.Chart(cells)
    ink = alt.condition(f"datum.v > {middle!r}", alt.value("white"), alt.value(INK))
    text = alt.Text("v:Q", format=".2%" if is_share(metric) else ".3~s")
    framed = alt.Chart(cells.filter(pl.col("point") == point))
    return alt.layer(
        base.mark_rect().encode(x, y, alt.Color("v:Q", legend=None, scale=alt.Scale(scheme="blues"))),
        base.mark_text(fontSize=11).encode(x, y, text=text, color=ink),
        framed.mark_rect(filled=False, fillOpacity=0, stroke=RED, strokeWidth=3).encode(x, y),
    ).properties(width=alt.Step(50), height=alt.Step(44), title=metric_title(metric))


def dots_chart(rows: pl.DataFrame, chosen: Recommendation, axis: str) -> Any:
    """Panels of metrics against an axis of a sampled design, a dot a setting; no limit has no place."""
    rows = with_numbers(rows, [axis])
    if "policy" not in rows.columns:
        rows = rows.with_columns(policy=pl.lit("policy"))
    scale = axis_field(rows[axis].unique().to_list())[1]
    x = alt.X("at:Q", title=plain_name(axis), scale=scale)
    panels = []
    for metric in (m for m in PANELS if f"{m}_mean" in rows.columns):
        frame = rows.select(
            "policy", "pareto", "point", pl.col(axis).alias("at"), *value_frame(rows, metric, "y")
        )
        y = alt.Y("y:Q", title=None, axis=alt.Axis(**metric_axis(metric)), scale=alt.Scale(zero=False))
        mark = alt.Chart(frame.filter(pl.col("point") == chosen.point))
        layers = [
            mark.mark_rule(color=RED, strokeDash=[2, 3]).encode(x),
            alt.Chart(frame).mark_circle(size=40).encode(
                x, y, alt.Color("policy:N", scale=alt.Scale(range=POLICY_COLOURS)),
                opacity=alt.condition("datum.pareto", alt.value(1.0), alt.value(0.35)),
            ),
        ]  # fmt: skip
        panels.append(alt.layer(*layers).properties(width=270, height=170, title=metric_title(metric)))
    return alt.concat(*panels, columns=3, spacing=18)


def scatter_chart(rows: pl.DataFrame, axes: Sequence[str]) -> Any:
    """Designs without a grid (random, Sobol'): a dot a setting, coloured by each objective."""
    frame = with_numbers(rows, axes[:2]).select(
        pl.col(axes[0]).alias("a"), pl.col(axes[1]).alias("b"),
        *[pl.col(f"{m}_mean").alias(m) for m in OBJECTIVES],
    )  # fmt: skip
    scales = [axis_field(frame[c].unique().to_list())[1] for c in ("a", "b")]
    panels = [
        alt.Chart(frame).mark_circle(size=60).encode(
            alt.X("a:Q", title=plain_name(axes[0]), scale=scales[0]),
            alt.Y("b:Q", title=plain_name(axes[1]), scale=scales[1]),
            alt.Color(f"{metric}:Q", title=metric_title(metric), legend=alt.Legend(format="~%"),
                      scale=alt.Scale(scheme="viridis")),
        ).properties(width=320, height=260, title=metric_title(metric))
        for metric in OBJECTIVES
    ]  # fmt: skip
    return alt.hconcat(*panels, spacing=24).resolve_scale(color="independent")
