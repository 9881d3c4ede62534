"""What became of attempted migrations: refused for one reason after the other, or done."""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

from pipeline.charts.figure import Figure, Key, Panel
from pipeline.charts.parts import BLUE, INK, MUTED, extent
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.recommend import Recommendation
from pipeline.evidence.setting import setting_text

REASONS = (
    "offline", "mask", "capacity", "memory", "process_limit", "return", "core_limit", "system_limit",
    "storm", "burst", "benefit",
)  # fmt: skip
"""In the order in which the decision looks at them."""
SETTINGS_MOST = 6


def told_points(rows: pl.DataFrame, chosen: Recommendation) -> list[tuple[str, int]]:
    """The settings that are shown beside each other: the recommended one, the baseline, the best of others.

    Returns
    -------
    list of (word, point), at most SETTINGS_MOST
    """
    found = [("recommended", chosen.point)]
    if chosen.baseline is not None and chosen.baseline != chosen.point:
        found.append(("baseline", chosen.baseline))
    if "policy" not in rows.columns:
        return found
    known = rows.filter(pl.col("point").is_in([point for _, point in found]))["policy"].to_list()
    others = rows.filter(~pl.col("policy").is_in(known) & pl.col("rank").is_not_null()).sort("rank", "point")
    best = others.unique("policy", keep="first", maintain_order=True)
    found += [(f"best {policy}", point) for policy, point in best.select("policy", "point").iter_rows()]
    return found[:SETTINGS_MOST]


def funnel_frame(row: dict[str, Any]) -> pl.DataFrame:
    """The steps of a setting's funnel: what is left before and after each, means over replicates."""
    left = float(row["migration_attempt_count_mean"] or 0.0)
    steps = [("attempted", 0.0, left, "left")]
    for reason in REASONS:
        denied = float(row.get(f"denied_{reason}_mean") or 0.0)
        if denied:
            steps.append((f"− {reason.replace('_', ' ')}", left - denied, left, "denied"))
            left -= denied
    steps.append(("done", 0.0, float(row["migration_count_mean"] or 0.0), "left"))
    frame = pl.DataFrame(steps, schema=["step", "low", "high", "kind"], orient="row")
    total = float(row["migration_attempt_count_mean"] or 0.0)
    return frame.with_columns(
        count=pl.col("high") - pl.col("low"),
        share=((pl.col("high") - pl.col("low")) / total) if total else pl.lit(None, pl.Float64),
    )


def funnel_figure(run: RunTables, rows: pl.DataFrame, chosen: Recommendation, name: str) -> Figure:
    """A funnel for each of the settings that are told of."""
    panels: list[Panel] = []
    idle: list[str] = []
    if "migration_attempt_count_mean" in rows.columns and "migration_count_mean" in rows.columns:
        for word, point in told_points(rows, chosen):
            row = rows.row(by_predicate=pl.col("point") == point, named=True)
            if not row["migration_attempt_count_mean"]:
                idle.append(f"{word} (point {point})")
                continue
            text = setting_text(run, row, unlimited=False)
            title = text if word.startswith("best") else f"{word}: {text}"
            panels.append(Panel(title, funnel_chart(row)))
    caption = (
        "Attempts to migrate, what each check of the decision refused in the order in which they are made, "
        "and what was done; means over replicates, counts in the measured part of a lane. The dark bars are "
        "what is left, the light ones with an edge what was refused."
    )
    if idle:
        caption += f" Without one attempt: {', '.join(idle)}."
    return Figure(
        name, "decisions", f"What became of attempted migrations: {chosen.title}", caption, panels,
        keys=[Key("left", BLUE), Key("refused", "#dddddd")],
        note="" if panels else "Nothing was attempted, or attempts were not counted.", columns=2,
    )  # fmt: skip


def funnel_chart(row: dict[str, Any]) -> Any:
    """One setting's funnel as falling bars."""
    frame = funnel_frame(row)
    order: Sequence[str] = frame["step"].to_list()
    y = alt.Y("step:N", sort=order, title=None, axis=alt.Axis(labelLimit=150))
    top = extent(frame["high"])[1] or 1.0
    x = alt.X("low:Q", title="migrations", axis=alt.Axis(format="~s", tickCount=5),
              scale=alt.Scale(domain=[0, top * 1.5], nice=False))  # fmt: skip
    tip = [
        alt.Tooltip("step:N"), alt.Tooltip("count:Q", format=",.0f"),
        alt.Tooltip("share:Q", title="of the attempts", format=".2%"),
    ]  # fmt: skip
    base = alt.Chart(frame)
    bars = base.mark_bar(height={"band": 0.72}, strokeWidth=1).encode(
        x, y, alt.X2("high:Q"), tooltip=tip,
        color=alt.condition("datum.kind == 'denied'", alt.value("#dddddd"), alt.value(BLUE)),
        stroke=alt.condition("datum.kind == 'denied'", alt.value(MUTED), alt.value(BLUE)),
    )  # fmt: skip
    named = base.transform_calculate(
        words="format(datum.count, '.3~s') + '  (' + format(datum.share, '.1%') + ')'"
    )
    words = named.mark_text(align="left", dx=4, fontSize=11, color=INK)
    words = words.encode(alt.X("high:Q"), y, text="words:N")
    return alt.layer(bars, words).properties(height=max(90, 24 * frame.height))
