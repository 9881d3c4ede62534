"""Figures of a run: the front, heat maps, and metrics along an axis (Vega-Lite, without a network)."""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl
import vl_convert

import sim
from pipeline.aggregate import OBJECTIVES, RunTables, is_policy_key, write_text
from pipeline.files import write_atomic
from pipeline.recommend import Recommendation, plain, plain_name, setting_text

VEGA_LITE = alt.SCHEMA_VERSION.lstrip("v").rsplit(".", 1)[0]
PANELS = (
    "load_imbalance", "migration_overhead_share", "wasted_core_share", "slowdown_p99",
    "throughput_per_s", "migration_rate_per_s",
)  # fmt: skip
# Okabe-Ito colours: told apart with every kind of colour vision.
RED, BLUE, INK, MUTED = "#D55E00", "#0072B2", "#222222", "#9a9a9a"
CLOUD_MAX = 3000
CELLS_MAX = 6
HEAT_MAX = 24


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
        figures += cell_figures(run, rows, found, suffix)
    files: dict[str, Path] = {}
    for figure in figures:
        files |= write_figure(figure, folder)
    return Figures(figures, files)


def cell_figures(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, suffix: str
) -> list[Figure]:
    """The charts of one study cell."""
    made: list[tuple[str, str, str, Any]] = [
        (
            "front", f"The trade-off: {chosen.title}",
            "Each dot is a setting; down and left is better. The line is the Pareto front; bars are "
            "95 % intervals over replicates. The dashed chord is what the knee is measured from.",
            front_chart(run, rows, chosen),
        )
    ]  # fmt: skip
    axes = numeric_axes(run, rows)
    if axes:
        made.append(
            (
                "lines", f"Metrics along {plain_name(axes[0])}: {chosen.title}",
                "Means over replicates with 95 % bands; the dotted line is the recommended value.",
                lines_chart(run, rows, chosen, axes),
            )
        )  # fmt: skip
    if len(axes) >= 2:
        made.append(
            (
                "heat", f"{plain_name(axes[0])} × {plain_name(axes[1])}: {chosen.title}",
                f"Means over replicates, policy {rows_policy(rows, chosen)}. The recommended setting "
                "is framed.",
                heat_chart(run, rows, chosen, axes),
            )
        )  # fmt: skip
    return [
        Figure(name + suffix, title, caption, as_spec(chart)) for name, title, caption, chart in made
    ]


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
    png = vl_convert.vegalite_to_png(text, vl_version=VEGA_LITE, scale=2)
    svg = vl_convert.vegalite_to_svg(text, vl_version=VEGA_LITE)
    folder.mkdir(parents=True, exist_ok=True)
    # Not with_suffix: a cell's name may have dots in it.
    picture = folder / f"{figure.name}.png"
    write_atomic(picture, png)
    drawing = write_text(folder / f"{figure.name}.svg", svg)
    return {picture.name: picture, drawing.name: drawing}


def metric_title(name: str) -> str:
    """A metric's name and unit for an axis."""
    known = getattr(sim, "METRICS", {}).get(name)
    text = name.removesuffix("_ns").removesuffix("_per_s").replace("_", " ")
    if name.endswith("_ns"):
        return f"{text} (µs)"
    if name.endswith("_per_s"):
        return f"{text} (1/s)"
    unit = getattr(known, "unit", "") or ""
    return f"{text} ({unit})" if unit not in ("", "1") and not is_share(name) else text


def is_share(name: str) -> bool:
    """Whether a metric lies between 0 and 1, and reads best in per cent."""
    return name.endswith(("_share", "hit_rate", "success_rate")) or name in (
        "load_imbalance", "load_balance", "utilisation",
    )  # fmt: skip


def metric_axis(name: str) -> dict[str, Any]:
    """Number format of a metric's axis."""
    return {"format": "~%"} if is_share(name) else {"format": "~s"}


def metric_scale(name: str) -> float:
    """What a metric is multiplied by to be shown: times are shown in microseconds."""
    return 1e-3 if name.endswith("_ns") else 1.0


def numeric_axes(run: RunTables, rows: pl.DataFrame) -> list[str]:
    """Swept numbers of the policy with two values or more: threshold first, then rates, then more."""
    found = [
        a for a in run.axes
        if is_policy_key(a) and rows[a].dtype.is_numeric() and rows[a].n_unique() > 1
    ]  # fmt: skip
    return sorted(found, key=lambda a: (a != "policy.threshold_factor", "rate_per_s" not in a))


def rows_policy(rows: pl.DataFrame, chosen: Recommendation) -> str:
    """The recommended point's policy."""
    if "policy" not in rows.columns:
        return "as configured"
    return str(rows.row(by_predicate=pl.col("point") == chosen.point, named=True)["policy"])


def value_frame(rows: pl.DataFrame, metric: str, name: str) -> list[pl.Expr]:
    """Mean and interval of a metric as columns `name`, `name_low`, `name_high`, in shown units."""
    scale = metric_scale(metric)
    mean = pl.col(f"{metric}_mean") * scale
    return [
        mean.alias(name),
        (pl.col(f"{metric}_low") * scale).fill_null(mean).alias(f"{name}_low"),
        (pl.col(f"{metric}_high") * scale).fill_null(mean).alias(f"{name}_high"),
    ]


def front_frame(run: RunTables, rows: pl.DataFrame, chosen: Recommendation) -> pl.DataFrame:
    """What the front's chart shows: every front point, and of the others at most CLOUD_MAX."""
    cloud = rows.filter(~pl.col("pareto") & (pl.col("point") != (chosen.baseline or -1)))
    kept = rows.filter(pl.col("pareto") | (pl.col("point") == (chosen.baseline or -1)))
    if cloud.height > CLOUD_MAX:
        cloud = cloud.sample(CLOUD_MAX, seed=1)
    rows = pl.concat([kept, cloud]).sort("point")
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
    frame = front_frame(run, rows, chosen)
    y_name, x_name = OBJECTIVES
    x = alt.X("x:Q", title=f"{metric_title(x_name)} (time spent on migrations / busy time)",
              axis=alt.Axis(**metric_axis(x_name)), scale=alt.Scale(zero=True, nice=True))  # fmt: skip
    y = alt.Y("y:Q", title=f"{metric_title(y_name)} (1 − Jain's index)",
              axis=alt.Axis(**metric_axis(y_name)), scale=alt.Scale(zero=True, nice=True))  # fmt: skip
    tip = [
        alt.Tooltip("setting:N"), alt.Tooltip("point:Q"),
        alt.Tooltip("x:Q", title="overhead", format=".3%"), alt.Tooltip("y:Q", title="imbalance", format=".3%"),
        alt.Tooltip("on_front:Q", title="on the front in", format=".0%"),
    ]  # fmt: skip
    front = frame.filter(pl.col("pareto")).sort("x", "y")
    ends = front.filter((pl.col("x") == pl.col("x").min()) | (pl.col("x") == pl.col("x").max()))
    base = alt.Chart(front)
    colour = alt.Color(
        "policy:N", title="policy",
        scale=alt.Scale(range=[BLUE, "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000"]),
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
    middle = (frame["x"].max() or 0.0) / 2
    for word, point, colour in marks:
        one = frame.filter(pl.col("point") == (-1 if point is None else point))
        if not one.height or (word == "baseline" and point == chosen.point):
            continue
        one = one.with_columns(label=pl.concat_str(pl.lit(f"{word}: "), pl.col("setting")))
        shape = "circle" if word == "recommended" else "square"
        left = one["x"][0] > middle
        base = alt.Chart(one)
        layers.append(
            base.mark_point(size=230, shape=shape, color=colour, strokeWidth=2.5, filled=False).encode(x, y)
        )
        layers.append(
            base.mark_text(
                align="right" if left else "left", dx=-14 if left else 14, dy=-13, color=colour,
                fontSize=12, fontWeight="bold", limit=380,
            ).encode(x, y, text="label:N")
        )  # fmt: skip
    return layers


def axis_field(values: Sequence[float | None]) -> tuple[str, Any]:
    """Type and scale of a swept axis: logarithmic if all values are finite and positive.

    A null (no limit) or infinite value has no place on a number line: then the axis is ordinal.
    """
    numbers = [v for v in values if v is not None]
    if len(numbers) < len(values) or not all(math.isfinite(v) for v in numbers):
        return "O", alt.Undefined
    if min(numbers) > 0 and max(numbers) / min(numbers) >= 8:
        return "Q", alt.Scale(type="log", nice=False)
    return "Q", alt.Scale(zero=False, nice=False)


def axis_label(value: float | None) -> str:
    """A swept value in words."""
    if value is None:
        return "no limit"
    return plain(value) if abs(value) < 1000 or math.isinf(value) else f"{value / 1000:g}k"


def axis_order(rows: pl.DataFrame, axis: str) -> list[str]:
    """Labels of an axis from its least value to its greatest, no limit last."""
    return [axis_label(v) for v in rows[axis].unique().sort(nulls_last=True)]


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


def axis_ticks(kind: str, values: Sequence[float]) -> Any:
    """Ticks at the values that were simulated, when they are few."""
    few = kind == "Q" and len(values) <= 12
    return alt.Axis(values=list(values), format="~g", labelAngle=0) if few else alt.Axis(labelAngle=0)


def line_label(row: dict[str, Any], second: str | None) -> str:
    """What a line of the panels stands for."""
    words = [str(row["policy"])] if row.get("policy") is not None else []
    return ", ".join(words + ([axis_label(row[second])] if second else []))


def line_title(grid: pl.DataFrame, second: str | None) -> str:
    """The legend's title of the panels."""
    return ", ".join((["policy"] if "policy" in grid.columns else []) + ([plain_name(second)] if second else []))


def grid_rows(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, free: Sequence[str]
) -> pl.DataFrame:
    """The rows that differ from the recommended point in the `free` columns only.

    A policy that was not swept over the first free axis would be a lone dot: it is left out.
    """
    picked = rows.row(by_predicate=pl.col("point") == chosen.point, named=True)
    for axis in run.axes:
        if is_policy_key(axis) and axis not in free:
            rows = rows.filter(pl.col(axis).eq_missing(pl.lit(picked[axis])))
    if "policy" not in rows.columns:
        return rows.with_columns(policy=pl.lit("policy"))
    return rows.filter(pl.col(free[0]).n_unique().over("policy") > 1)


def heat_chart(run: RunTables, rows: pl.DataFrame, chosen: Recommendation, axes: Sequence[str]) -> Any:
    """Both objectives and the tail over the first two axes, side by side."""
    grid = grid_rows(run, rows, chosen, axes[:2])
    if max(grid[axes[0]].n_unique(), grid[axes[1]].n_unique()) > HEAT_MAX:
        return scatter_chart(rows, axes)
    frame = grid.with_columns(
        a=pl.Series([axis_label(v) for v in grid[axes[0]]]),
        b=pl.Series([axis_label(v) for v in grid[axes[1]]]),
    )
    x = alt.X("a:O", title=plain_name(axes[0]), sort=axis_order(grid, axes[0]), axis=alt.Axis(labelAngle=0))
    y = alt.Y("b:O", title=plain_name(axes[1]), sort=axis_order(grid, axes[1])[::-1])
    panels = []
    for metric in (m for m in (*reversed(OBJECTIVES), "slowdown_p99") if f"{m}_mean" in grid.columns):
        cells = frame.select("a", "b", "point", *value_frame(frame, metric, "v"))
        middle = (float(cells["v"].max() or 0) + float(cells["v"].min() or 0)) / 2
        colour = alt.Color("v:Q", legend=None, scale=alt.Scale(scheme="blues"))
        base = alt.Chart(cells)
        ink = alt.condition(f"datum.v > {middle!r}", alt.value("white"), alt.value(INK))
        framed = alt.Chart(cells.filter(pl.col("point") == chosen.point))
        layers = [
            base.mark_rect().encode(x, y, colour),
            base.mark_text(fontSize=11).encode(
                x, y, text=alt.Text("v:Q", format=".2%" if is_share(metric) else ".3~s"), color=ink
            ),
            framed.mark_rect(filled=False, fillOpacity=0, stroke=RED, strokeWidth=3).encode(x, y),
        ]
        panels.append(
            alt.layer(*layers).properties(
                width=alt.Step(50), height=alt.Step(44), title=metric_title(metric)
            )
        )
    wide = grid[axes[0]].n_unique() > 6
    return alt.concat(*panels, columns=2 if wide else 3, spacing=24).resolve_scale(color="independent")


def scatter_chart(rows: pl.DataFrame, axes: Sequence[str]) -> Any:
    """Designs without a grid (random, Sobol'): a dot a setting, coloured by each objective."""
    frame = rows.drop_nulls(list(axes[:2])).select(
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
