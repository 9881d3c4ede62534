"""Figures of a run: the front, heat maps, and metrics along an axis (Vega-Lite, without a network)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import vl_convert

from pipeline.aggregate import RunTables, write_text
from pipeline.chart_axes import (
    dots_chart,
    grid_policy,
    heat_chart,
    is_sampled,
    lines_chart,
    numeric_axes,
    scatter_chart,
    unplaced_note,
    with_numbers,
)  # fmt: skip
from pipeline.chart_parts import INK, MUTED, POLICY_COLOURS, RED, metric_axis, metric_title, value_frame
from pipeline.chart_rows import drawn_note, drawn_rows
from pipeline.files import write_atomic
from pipeline.plain import plain_name
from pipeline.recommend import Recommendation, setting_text
from pipeline.schema_front import OBJECTIVES

VEGA_LITE = alt.SCHEMA_VERSION.lstrip("v").rsplit(".", 1)[0]
FRONT_CAPTION = (
    "Each dot is a setting; down and left is better. The line is the Pareto front; bars are 95 % "
    "intervals over replicates. The dashed chord is what the knee is measured from."
)
CELLS_MAX = 6


@dataclass(frozen=True)
class Figure:
    """One chart: what it is called, what to see in it, and its Vega-Lite specification."""

    name: str
    title: str
    caption: str
    spec: dict[str, Any]


@dataclass(frozen=True)
class Figures:
    """All charts of a run, and the files they were written to."""

    specs: list[Figure]
    files: dict[str, Path]


def draw_figures(
    run: RunTables, summary: pl.DataFrame, chosen: Sequence[Recommendation], folder: Path
) -> Figures:
    """Draw the charts of each study cell (the first CELLS_MAX) as PNG and SVG in `folder`."""
    figures: list[Figure] = []
    for found in chosen[:CELLS_MAX]:
        rows = summary.filter(pl.col("point").is_in(found.points))
        suffix = f"-{found.slug}" if len(chosen) > 1 else ""
        figures += cell_figures(
            run, rows, drawn_rows(rows, found, min(len(chosen), CELLS_MAX)), found, suffix
        )
    files: dict[str, Path] = {}
    for figure in figures:
        files |= write_figure(figure, folder)
    return Figures(figures, files)


def cell_figures(
    run: RunTables, rows: pl.DataFrame, drawn: pl.DataFrame, chosen: Recommendation, suffix: str
) -> list[Figure]:
    """The charts of one study cell; `drawn` are the rows that a chart with a dot a setting shows."""
    note = drawn_note(drawn, rows)
    made: list[tuple[str, str, str, Any]] = [
        (
            "front", f"The trade-off: {chosen.title}",
            FRONT_CAPTION + note,
            front_chart(run, drawn, chosen),
        )
    ]  # fmt: skip
    axes = numeric_axes(run, rows)
    sampled = bool(axes) and is_sampled(run, rows, axes)
    if axes:
        made.append(
            (
                "lines", f"Metrics along {plain_name(axes[0])}: {chosen.title}",
                "Means over replicates" + (", a dot a setting" if sampled else " with 95 % bands")
                + "; the dotted line is the recommended value."
                + (note + unplaced_note(drawn, axes[:1]) if sampled else ""),
                dots_chart(drawn, chosen, axes[0]) if sampled else lines_chart(run, rows, chosen, axes),
            )
        )  # fmt: skip
    if len(axes) >= 2 and (not sampled or with_numbers(drawn, axes[:2]).height > 1):
        made.append(
            (
                "heat", f"{plain_name(axes[0])} × {plain_name(axes[1])}: {chosen.title}",
                "Means over replicates" + (
                f", a dot a setting: the design is no grid.{note}{unplaced_note(drawn, axes[:2])}" if sampled
                else f", policy {grid_policy(run, rows, chosen, axes)}. The recommended setting is framed."),
                scatter_chart(drawn, axes) if sampled else heat_chart(run, rows, chosen, axes),
            )
        )  # fmt: skip
    return [Figure(name + suffix, title, caption, as_spec(chart)) for name, title, caption, chart in made]


def as_spec(chart: Any) -> dict[str, Any]:
    """A chart with the house's look, as a Vega-Lite specification with its data inside."""
    with alt.data_transformers.enable("default", max_rows=None):
        styled = (
            chart.configure(background="white", font="sans-serif")
            .configure_view(stroke="#cccccc")
            .configure_axis(gridColor="#eeeeee", labelColor=INK, titleColor=INK, titleFontWeight="normal",
                            labelFontSize=11, titleFontSize=12)
            .configure_legend(labelFontSize=11, titleFontSize=11, titleFontWeight="normal", labelLimit=260)
            .configure_title(fontSize=13, anchor="start", frame="group", fontWeight="normal", color=INK)
        )  # fmt: skip
        spec: dict[str, Any] = styled.to_dict()
    return spec


def write_figure(figure: Figure, folder: Path) -> dict[str, Path]:
    """Write one chart as PNG and SVG."""
    text = json.dumps(figure.spec)
    svg = vl_convert.vegalite_to_svg(text, vl_version=VEGA_LITE)
    # The same picture as from the specification, which would be worked out a second time.
    png = vl_convert.svg_to_png(svg, scale=2)
    folder.mkdir(parents=True, exist_ok=True)
    # Not with_suffix: a cell's name may have dots in it.
    picture = folder / f"{figure.name}.png"
    write_atomic(picture, png)
    drawing = write_text(folder / f"{figure.name}.svg", svg)
    return {picture.name: picture, drawing.name: drawing}


def front_frame(run: RunTables, rows: pl.DataFrame) -> pl.DataFrame:
    """What the front's chart shows of each setting."""
    texts = [setting_text(run, row, unlimited=False) for row in rows.iter_rows(named=True)]
    y, x = OBJECTIVES
    probability = pl.col("front_probability").fill_null(1.0)
    return rows.select(
        "point", "pareto", *value_frame(rows, x, "x"), *value_frame(rows, y, "y"),
        (pl.col("policy") if "policy" in rows.columns else pl.lit("policy")).alias("policy"),
        on_front=probability, setting=pl.Series(texts),
    ).filter(pl.col("x").is_not_null() & pl.col("y").is_not_null())  # fmt: skip


def front_chart(run: RunTables, rows: pl.DataFrame, chosen: Recommendation) -> Any:
    """All settings, the front as a stair, its intervals, and the two points people ask for."""
    frame = front_frame(run, rows)
    y_name, x_name = OBJECTIVES
    x = alt.X("x:Q", title=f"{metric_title(x_name)} (time spent on migrations / busy time)",
              axis=alt.Axis(**metric_axis(x_name)), scale=alt.Scale(zero=True, nice=True))  # fmt: skip
    y = alt.Y("y:Q", title=f"{metric_title(y_name)} (1 − Jain's index)",
              axis=alt.Axis(**metric_axis(y_name)), scale=alt.Scale(zero=True, nice=True))  # fmt: skip
    tip = [
        alt.Tooltip("setting:N"), alt.Tooltip("point:Q"),
        alt.Tooltip("x:Q", title="overhead", format=".3%"),
        alt.Tooltip("y:Q", title="imbalance", format=".3%"),
        alt.Tooltip("on_front:Q", title="on the front in", format=".0%"),
    ]  # fmt: skip
    front = frame.filter(pl.col("pareto")).sort("x", "y")
    ends = front.filter((pl.col("x") == pl.col("x").min()) | (pl.col("x") == pl.col("x").max()))
    base = alt.Chart(front)
    colour = alt.Color(
        "policy:N", title="policy",
        scale=alt.Scale(range=POLICY_COLOURS),
    )  # fmt: skip
    layers = [
        alt.Chart(ends).mark_line(strokeDash=[5, 4], color=MUTED, strokeWidth=1).encode(x, y),
        base.mark_line(interpolate="step-after", color=INK, strokeWidth=1.2, opacity=0.6).encode(x, y),
        base.mark_rule(color=INK, opacity=0.35).encode(alt.X("x_low:Q"), y, alt.X2("x_high:Q")),
        base.mark_rule(color=INK, opacity=0.35).encode(x, alt.Y("y_low:Q"), alt.Y2("y_high:Q")),
        alt.Chart(frame).mark_circle(size=70).encode(
            x, y, colour, tooltip=tip,
            opacity=alt.condition("datum.pareto", alt.value(0.95), alt.value(0.3)),
        ),
        *mark_layers(frame, chosen, x, y),
    ]  # fmt: skip
    return alt.layer(*layers).properties(width=620, height=400, title=chosen.title)


def mark_layers(frame: pl.DataFrame, chosen: Recommendation, x: Any, y: Any) -> list[Any]:
    """Rings and words for the recommended point and the baseline."""
    layers = []
    marks = [("recommended", chosen.point, RED), ("baseline", chosen.baseline, INK)]
    highest = max((float(value) for value in frame["y"]), default=0.0)
    middle = max((float(value) for value in frame["x"]), default=0.0) / 2
    for word, point, colour in marks:
        one = frame.filter(pl.col("point") == (-1 if point is None else point))
        if not one.height or (word == "baseline" and point == chosen.point):
            continue
        one = one.with_columns(label=pl.concat_str(pl.lit(f"{word}: "), pl.col("setting")))
        shape = "circle" if word == "recommended" else "square"
        left = one["x"][0] > middle
        # A label above a point at the top would leave the chart.
        below = one["y"][0] > 0.93 * highest
        base = alt.Chart(one)
        layers.append(
            base.mark_point(size=230, shape=shape, color=colour, strokeWidth=2.5, filled=False).encode(x, y)
        )
        layers.append(
            base.mark_text(
                align="right" if left else "left", dx=-14 if left else 14, dy=20 if below else -13,
                color=colour, fontSize=12, fontWeight="bold", limit=380,
            ).encode(x, y, text="label:N")
        )  # fmt: skip
    return layers
