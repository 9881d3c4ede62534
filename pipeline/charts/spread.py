"""How metrics are spread over the lanes and settings of each policy: a box and its dots."""

from typing import Any

import altair as alt
import numpy as np
import polars as pl

from pipeline.charts.axes import headline_metrics
from pipeline.charts.figure import Figure, Panel
from pipeline.charts.front import policies_of
from pipeline.charts.parts import BLUE, INK, RED, extent, metric_axis, metric_scale, metric_title
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.recommend import Recommendation
from pipeline.run.worker import COMPLETED

PANELS_MOST = 9
DOTS_MOST = 600
"""Dots of a panel; of more lanes, every n-th of a policy."""
BOX = 22
"""Pixels that a box is high."""
JITTER = 7
"""Dots of neighbouring lanes stand beside each other in so many places."""


def spread_figure(run: RunTables, rows: pl.DataFrame, chosen: Recommendation, name: str) -> Figure:
    """The spread of the main metrics, a panel each."""
    metrics = headline_metrics(run, rows, PANELS_MOST)
    lanes = lane_frame(run, rows, metrics)
    many = lanes.height
    panels = [
        Panel(metric_title(metric), spread_chart(lanes, metric, chosen.point))
        for metric in metrics
        if lanes[metric].drop_nulls().len()
    ]
    caption = (
        f"{many:,} lanes: a box from the first to the third quartile with the median as a bar, whiskers to "
        "the least and the greatest, over all settings and replicates of a policy. Dots are lanes, those of "
        "the recommended setting are triangles."
    )
    if many > DOTS_MOST:
        caption += f" Of each policy's lanes an even share is drawn as dots, some {DOTS_MOST} in all."
    return Figure(
        name, "spread", f"Distributions by policy: {chosen.title}", caption, panels,
        note="" if panels else "No lane completed.",
    )  # fmt: skip


def lane_frame(run: RunTables, rows: pl.DataFrame, metrics: list[str]) -> pl.DataFrame:
    """Completed lanes of a cell with their policy, in the order of points and replicates, in shown units."""
    policy = pl.col("policy").cast(pl.String) if "policy" in rows.columns else pl.lit("policy")
    names = rows.select(pl.col("point").cast(pl.Int32), policy.alias("policy"))
    lanes = (
        run.lanes.filter(pl.col("status") == COMPLETED, pl.col("point").is_in(rows["point"].to_list()))
        .select(
            pl.col("point").cast(pl.Int32), pl.col("replicate").cast(pl.Int32),
            *[(pl.col(m).cast(pl.Float64).fill_nan(None) * metric_scale(m)).alias(m) for m in metrics],
        ).collect()
    )  # fmt: skip
    return lanes.join(names, on="point", how="inner").sort("point", "replicate")


def box_frame(lanes: pl.DataFrame, metric: str) -> pl.DataFrame:
    """Five numbers a policy."""
    value = pl.col(metric)
    return (
        lanes.drop_nulls(metric)
        .group_by("policy")
        .agg(
            least=value.min(), first=value.quantile(0.25, "linear"), median=value.median(),
            third=value.quantile(0.75, "linear"), greatest=value.max(), lanes=pl.len(),
        ).sort("policy")
    )  # fmt: skip


def spread_chart(lanes: pl.DataFrame, metric: str, recommended: int) -> Any:
    """Boxes and dots of one metric, a row a policy; over some decades on a logarithmic scale."""
    policies = policies_of(lanes)
    known = lanes.drop_nulls(metric)
    boxes = box_frame(lanes, metric)
    least, greatest = extent(known[metric])
    is_log = least > 0 and greatest / least > 50
    scale = alt.Scale(type="log", nice=False) if is_log else alt.Scale(zero=False, nice=True)
    form = metric_axis(metric)
    number = ".3%" if "%" in form["format"] else ",.4~g"

    def x(name: str) -> Any:
        return alt.X(f"{name}:Q", title=None, scale=scale, axis=alt.Axis(tickCount=5, **form))

    y = alt.Y("policy:N", sort=policies, title=None, scale=alt.Scale(domain=policies))
    tip = [
        alt.Tooltip("policy:N"), alt.Tooltip("lanes:Q"),
        *[alt.Tooltip(f"{n}:Q", format=number) for n in ("least", "first", "median", "third", "greatest")],
    ]  # fmt: skip
    base = alt.Chart(boxes)
    dots = dot_frame(known, metric, recommended)
    place = alt.YOffset("place:Q", scale=alt.Scale(domain=[-1, JITTER]))
    dot_tip = [
        alt.Tooltip("policy:N"), alt.Tooltip("point:Q"), alt.Tooltip("replicate:Q"),
        alt.Tooltip("v:Q", title=metric_title(metric), format=number),
    ]  # fmt: skip
    plain = alt.Chart(dots.filter(~pl.col("is_recommended")))
    marked = alt.Chart(dots.filter("is_recommended"))
    return alt.layer(
        base.mark_rule(color=INK).encode(x("least"), y, alt.X2("greatest:Q")),
        base.mark_bar(size=BOX, color="#d9e6ef", stroke=INK, strokeWidth=1).encode(
            x("first"), y, alt.X2("third:Q"), tooltip=tip
        ),
        base.mark_tick(color=INK, thickness=3, size=BOX).encode(x("median"), y, tooltip=tip),
        plain.mark_circle(size=12, color=BLUE, opacity=0.5).encode(x("v"), y, yOffset=place, tooltip=dot_tip),
        marked.mark_point(shape="triangle-up", size=40, color=RED, filled=True, opacity=1).encode(
            x("v"), y, yOffset=place, tooltip=dot_tip
        ),
    ).properties(height=max(70, 34 * len(policies)))


def dot_frame(lanes: pl.DataFrame, metric: str, recommended: int) -> pl.DataFrame:
    """Lanes that are drawn as dots: an even share of each policy, and all of the recommended setting."""
    step = max(1, -(-lanes.height // DOTS_MOST))
    number = pl.int_range(pl.len()).over("policy")
    kept = lanes.with_columns(number=number).filter(
        (pl.col("number") % step == 0) | (pl.col("point") == recommended)
    )
    places = np.arange(kept.height) * 3 % JITTER
    return kept.select(
        "policy", "point", "replicate", pl.col(metric).alias("v"), place=pl.Series(places),
        is_recommended=pl.col("point") == recommended,
    )  # fmt: skip
