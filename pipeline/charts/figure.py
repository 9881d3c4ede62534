"""What a figure is: panels and their legend, for the page (as wide as their box) and for files."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import altair as alt

from pipeline.charts.parts import INK

VEGA_LITE = alt.SCHEMA_VERSION.lstrip("v").rsplit(".", 1)[0]
FILE_WIDTH, WIDE_WIDTH = 300, 620
FILE_PANELS = 6
"""Panels of a figure in its file, unless all are to be seen at once; the first ones."""
CONFIG: dict[str, Any] = {
    "background": "white",
    "font": "sans-serif",
    "view": {"stroke": "#cccccc"},
    "axis": {
        "gridColor": "#eeeeee", "labelColor": INK, "titleColor": INK, "titleFontWeight": "normal",
        "labelFontSize": 11, "titleFontSize": 12,
    },
    "legend": {"labelFontSize": 11, "titleFontSize": 11, "titleFontWeight": "normal", "labelLimit": 260},
    "title": {"fontSize": 13, "anchor": "start", "frame": "group", "fontWeight": "normal", "color": INK},
}  # fmt: skip
"""The house's look of a chart."""


@dataclass(frozen=True)
class Key:
    """A line of a legend: its words, colour, and the shape or dash that tells it apart without colour.

    A shape "none" is of words alone.
    """

    text: str
    colour: str
    shape: str = "square"
    dash: tuple[int, ...] = ()


@dataclass(frozen=True)
class Panel:
    """One chart of a figure, without a width of its own."""

    title: str
    chart: Any

    @cached_property
    def data(self) -> dict[str, Any]:
        """The chart as plain data, without what depends on where it is shown."""
        return plain_chart(self.chart)

    @property
    def page_spec(self) -> dict[str, Any]:
        """The chart as wide as its box."""
        return {**self.data, "width": "container", "autosize": {"type": "fit-x", "contains": "padding"}}


@dataclass(frozen=True)
class Figure:
    """What is shown together: what it is called, what to see in it, and its panels.

    name    : of its files
    section : of the report that it stands in
    keys    : the legend, which stands outside the charts
    is_wide : each panel takes the whole width of the page
    pick    : one panel is shown at a time, chosen from a list
    note    : said instead of panels, where there are none
    columns : of its file
    is_main : its files are written with every report; all files take several times as long as all the rest
    """

    name: str
    section: str
    title: str
    caption: str
    panels: Sequence[Panel] = ()
    keys: Sequence[Key] = ()
    is_wide: bool = False
    pick: bool = False
    note: str = ""
    columns: int = 3
    is_main: bool = False

    @property
    def spec(self) -> dict[str, Any]:
        """The first panels as one chart of fixed size, for a file."""
        width = WIDE_WIDTH if self.is_wide else FILE_WIDTH
        charts = [
            {**panel.data, "width": width, "title": {"text": panel.title, "limit": width + 60}}
            for panel in self.panels[:FILE_PANELS]
        ]
        if self.keys:
            charts.append(plain_chart(legend_chart(self.keys)))
        datasets: dict[str, Any] = {}
        for chart in charts:
            # Vega-Lite knows them at the top only.
            datasets |= chart.pop("datasets", {})
        return {
            "config": CONFIG,
            "datasets": datasets,
            "concat": charts,
            "columns": 1 if self.is_wide else self.columns,
            "spacing": 24,
            "resolve": {"scale": dict.fromkeys(SCALES, "independent")},
        }


SCALES = ("color", "fill", "stroke", "shape", "size", "strokeDash", "opacity", "x", "y", "yOffset")


def plain_chart(chart: Any) -> dict[str, Any]:
    """A chart as plain data with its data inside, without the look that all charts share."""
    with alt.data_transformers.enable("default", max_rows=None):
        # Its parts were checked when they were put together; to check the whole takes longer than to draw it.
        found: dict[str, Any] = chart.to_dict(validate=False)
    return {key: value for key, value in found.items() if key not in ("$schema", "config")}


def as_spec(chart: Any) -> dict[str, Any]:
    """A chart with the house's look, as a Vega-Lite specification with its data inside."""
    return {**plain_chart(chart), "config": CONFIG}


def legend_chart(keys: Sequence[Key]) -> Any:
    """The legend of a figure as a little chart, for its file."""
    rows = [
        {"text": key.text, "row": i, "colour": key.colour, "shape": key.shape, "at": 0.04, "from": 0.0,
         "to": 0.08}
        for i, key in enumerate(keys)
    ]  # fmt: skip
    y = alt.Y("row:O", axis=None)
    x = alt.X("at:Q", axis=None, scale=alt.Scale(domain=[0, 1]))
    base = alt.Chart(alt.InlineData(values=rows))
    shape = alt.Shape("shape:N", scale=None)
    layers = [
        base.mark_rule(strokeDash=list(key.dash), strokeWidth=2, color=key.colour)
        .transform_filter(f"datum.row == {i}")
        .encode(alt.X("from:Q", axis=None), y, alt.X2("to:Q"))
        for i, key in enumerate(keys)
        if key.dash
    ]
    layers += [
        base.transform_filter("datum.shape != 'none'")
        .mark_point(filled=True, size=70, opacity=1)
        .encode(x, y, color=alt.Color("colour:N", scale=None), shape=shape),
        base.mark_text(align="left", dx=16, fontSize=11, color=INK).encode(x, y, text="text:N"),
    ]
    return alt.layer(*layers).properties(
        width=FILE_WIDTH, height=alt.Step(18), view=alt.ViewConfig(stroke=None)
    )
