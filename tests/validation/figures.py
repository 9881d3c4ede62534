"""Plots as SVG: theory as lines, simulation as points with intervals, told apart without colour too."""

import math
from collections.abc import Sequence

import altair as alt
import polars as pl
import vl_convert

from pipeline.charts.parts import BLUE, MUTED, POLICY_COLOURS, RED
from tests.validation.case import Plot

WIDTH, HEIGHT = 430, 270
VEGA_LITE = alt.SCHEMA_VERSION.lstrip("v").rsplit(".", 1)[0]
SHAPES = ("circle", "square", "triangle-up", "diamond", "cross", "triangle-down")


def label(name: str) -> str:
    """What a series is about: "theory, 2 cores" and "simulated, 2 cores" have one colour."""
    return name.removeprefix("theory, ").removeprefix("simulated, ")


def frame(plot: Plot) -> pl.DataFrame:
    """A row a point of a plot: series, is_theory, x, y, low, high; without what a logarithm cannot show."""
    rows = []
    for series in plot.series:
        widths = series.half_width if series.half_width is not None else [0.0] * len(series.x)
        for x, y, half in zip(series.x, series.y, widths, strict=True):
            low, high = float(y) - float(half), float(y) + float(half)
            rows.append((label(series.name), series.is_theory, float(x), float(y), low, high))
    found = pl.DataFrame(rows, schema=["series", "is_theory", "x", "y", "low", "high"], orient="row")
    found = found.filter(pl.all_horizontal(pl.col("x", "y").is_finite()))
    if plot.is_log_x:
        found = found.filter(pl.col("x") > 0)
    if plot.is_log_y:
        found = found.filter(pl.col("y") > 0).with_columns(pl.max_horizontal("low", pl.col("y") * 0.05))
    return found


def chart(plot: Plot) -> alt.LayerChart:
    """One plot."""
    table = frame(plot)
    names = table["series"].unique(maintain_order=True).to_list()
    colours = [RED, BLUE] if names == ["theory", "simulated"] else [*POLICY_COLOURS, RED, MUTED]
    palette = [colours[i % len(colours)] for i in range(len(names))]
    x_scale = alt.Scale(type="log" if plot.is_log_x else "linear", nice=False, zero=False)
    y_scale = alt.Scale(type="log" if plot.is_log_y else "linear", zero=False)
    x = alt.X("x:Q", title=plot.x_title, scale=x_scale)
    y = alt.Y("y:Q", title=plot.y_title, scale=y_scale)
    legend = alt.Legend(title=None, orient="bottom", columns=3, labelLimit=400)
    colour = alt.Color("series:N", scale=alt.Scale(domain=names, range=palette), legend=legend)
    shapes = [SHAPES[i % len(SHAPES)] for i in range(len(names))]
    shape = alt.Shape("series:N", scale=alt.Scale(domain=names, range=shapes), legend=legend)
    theory = alt.Data(values=table.filter("is_theory").to_dicts())
    simulated = alt.Data(values=table.filter(~pl.col("is_theory")).to_dicts())
    layers = [
        alt.Chart(theory).mark_line(strokeWidth=1.6).encode(x, y, colour, order="x:Q"),
        alt.Chart(simulated).mark_rule(strokeWidth=1.4).encode(x, alt.Y("low:Q"), alt.Y2("high:Q"), colour),
        alt.Chart(simulated).mark_point(filled=True, size=42, opacity=1).encode(x, y, colour, shape),
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title=plot.title)


def svg(drawn: alt.LayerChart | alt.Chart) -> str:
    """A chart as an SVG element."""
    return str(vl_convert.vegalite_to_svg(drawn.to_dict(), vl_version=VEGA_LITE))


def spread(p: Sequence[float]) -> alt.LayerChart:
    """The p-values of all intervals in order, against the straight line that they follow if all is right."""
    ordered = sorted(p)
    rows = [{"expected": (i + 0.5) / len(ordered), "found": value} for i, value in enumerate(ordered)]
    band = 1.358 / math.sqrt(max(1, len(ordered)))  # of Kolmogorov and Smirnov, 95 %
    line = [{"expected": e, "found": e, "low": e - band, "high": e + band} for e in (0.0, 1.0)]
    x = alt.X("expected:Q", title="share of the intervals", scale=alt.Scale(domain=[0, 1]))
    y = alt.Y("found:Q", title="p-value", scale=alt.Scale(domain=[0, 1], clamp=True))
    layers = [
        alt.Chart(alt.Data(values=line))
        .mark_area(opacity=0.15, color=MUTED, clip=True)
        .encode(x, alt.Y("low:Q"), alt.Y2("high:Q")),
        alt.Chart(alt.Data(values=line)).mark_line(color=RED).encode(x, y),
        alt.Chart(alt.Data(values=rows)).mark_point(filled=True, size=16, color=BLUE).encode(x, y),
    ]
    return alt.layer(*layers).properties(width=WIDTH, height=HEIGHT, title="p-values of all intervals")
