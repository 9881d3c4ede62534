"""The trade-off: every setting by two objectives, the front, and what constraints leave out."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

import altair as alt
import numpy as np
import polars as pl

from pipeline.charts.figure import Figure, Key, Panel
from pipeline.charts.parts import (
    INK,
    MUTED,
    POLICY_COLOURS,
    POLICY_SHAPES,
    RED,
    extent,
    is_share,
    metric_axis,
    metric_scale,
    metric_title,
    value_frame,
)
from pipeline.config.goals import Constraint, Goals, goals_of
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.recommend import Recommendation
from pipeline.evidence.setting import setting_text

HEIGHT = 400
LOG_FROM = 20.0
"""Ratio of the greatest mean to the least from which on an axis is logarithmic."""
EXPLAINED = {
    "load_imbalance": "1 − Jain's index",
    "migration_overhead_share": "time spent on migrations / busy time",
}


def front_figure(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, name: str, note: str = ""
) -> Figure:
    """Every pair of the study's objectives as a panel; `rows` are the settings that are drawn."""
    goals = goals_of(run.config)
    present = [metric for metric in goals.objectives if f"{metric}_mean" in rows.columns]
    # The first objective goes up, the second to the right, as the default study always had them.
    pairs = [(x, y) for y, x in combinations(present, 2)]
    policies = policies_of(rows)
    panels = [
        Panel(f"{metric_title(y)} against {metric_title(x)}", pair_chart(run, rows, chosen, goals, (x, y)))
        for x, y in pairs
    ]
    keys = [
        Key(policy, POLICY_COLOURS[i % len(POLICY_COLOURS)], POLICY_SHAPES[i % len(POLICY_SHAPES)])
        for i, policy in enumerate(policies)
    ]
    caption = caption_of(goals, len(pairs), has_chord(rows, chosen, goals))
    return Figure(
        name, "trade-off", f"The trade-off: {chosen.title}", caption + note,
        panels=panels, keys=keys, is_wide=len(pairs) == 1, is_main=True,
        note="" if panels else "The objectives were not measured.",
    )  # fmt: skip


def caption_of(goals: Goals, pairs: int, with_chord: bool) -> str:
    """What there is to see."""
    text = (
        "Each mark is a setting, its shape and colour the policy; those on the front are filled, and bars "
        "are their 95 % intervals over replicates. The ring is the recommended setting, the square the "
        "baseline. "
    )
    if pairs == 1:
        text += "The line is the Pareto front. "
    if pairs == 1 and with_chord:
        text += "The dashed chord is what the knee is measured from. "
    better = [
        f"{'more' if sign < 0 else 'less'} {metric_title(name)}"
        + (f" ({EXPLAINED[name]})" if name in EXPLAINED else "")
        for name, sign in better_of(goals)
    ]
    text += f"Better is {' and '.join(better)}."
    if goals.constraints:
        text += (
            f" Settings outside {', '.join(one.text for one in goals.constraints)} are crossed out, and the "
            "side that is ruled out is grey where it is an axis."
        )
    return text


def better_of(goals: Goals) -> list[tuple[str, float]]:
    """Objectives with their signs."""
    return list(zip(goals.objectives, goals.signs, strict=True))


def policies_of(rows: pl.DataFrame) -> list[str]:
    """The policies of some settings, in a fixed order."""
    return sorted({str(p) for p in rows["policy"]}) if "policy" in rows.columns else ["policy"]


def feasible_mask(rows: pl.DataFrame, constraints: Sequence[Constraint]) -> Any:
    """Which settings meet every constraint in their means over replicates."""
    mask = np.ones(rows.height, bool)
    for one in constraints:
        name = f"{one.metric}_mean"
        mask &= one.holds(rows[name].fill_null(np.nan).to_numpy()) if name in rows.columns else False
    return mask


def front_frame(run: RunTables, rows: pl.DataFrame, goals: Goals, pair: tuple[str, str]) -> pl.DataFrame:
    """What a panel shows of each setting, in shown units."""
    texts = [setting_text(run, row, unlimited=False) for row in rows.iter_rows(named=True)]
    x, y = pair
    probability = pl.col("front_probability") if "front_probability" in rows.columns else pl.lit(None)
    others = [m for m in goals.metrics if m not in pair and f"{m}_mean" in rows.columns]
    return rows.select(
        "point", "pareto", *value_frame(rows, x, "x"), *value_frame(rows, y, "y"),
        (pl.col("policy").cast(pl.String) if "policy" in rows.columns else pl.lit("policy")).alias("policy"),
        *[(pl.col(f"{m}_mean") * metric_scale(m)).alias(f"other{i}") for i, m in enumerate(others)],
        on_front=probability, setting=pl.Series(texts, dtype=pl.String),
        feasible=pl.Series(feasible_mask(rows, goals.constraints)),
    ).filter(pl.col("x").is_finite() & pl.col("y").is_finite()).sort("pareto", "point")  # fmt: skip


def tooltips(goals: Goals, rows: pl.DataFrame, pair: tuple[str, str]) -> list[Any]:
    """What is told of the mark below the pointer."""
    others = [m for m in goals.metrics if m not in pair and f"{m}_mean" in rows.columns]
    fields = [("x", pair[0]), ("y", pair[1]), *[(f"other{i}", m) for i, m in enumerate(others)]]
    tip = [alt.Tooltip("setting:N"), alt.Tooltip("point:Q")]
    for short, metric in fields:
        tip.append(alt.Tooltip(f"{short}:Q", title=metric_title(metric), format=tip_format(metric)))
        if short in ("x", "y"):
            ends = [
                alt.Tooltip(f"{short}_{end}:Q", title=f"… {word} end of the 95 % interval",
                            format=tip_format(metric))
                for end, word in (("low", "low"), ("high", "high"))
            ]  # fmt: skip
            tip += ends
    tip.append(alt.Tooltip("on_front:Q", title="probability of being on the front", format=".0%"))
    if goals.constraints:
        tip.append(alt.Tooltip("feasible:N", title="meets the constraints"))
    return tip


def tip_format(metric: str) -> str:
    """Number format of a metric in a tooltip."""
    return ".3%" if is_share(metric) else ",.4~g"


def pair_chart(
    run: RunTables, rows: pl.DataFrame, chosen: Recommendation, goals: Goals, pair: tuple[str, str]
) -> Any:
    """All settings by two objectives, the front as a stair, and the two points that people ask for."""
    frame = front_frame(run, rows, goals, pair)
    is_only = len(goals.objectives) == 2
    x, y = (
        kind(f"{short}:Q", title=metric_title(metric), axis=alt.Axis(**metric_axis(metric)),
             scale=alt.Scale(type="log", nice=True) if is_log(rows, metric)
             else alt.Scale(zero=is_share(metric), nice=True))
        for kind, short, metric in ((alt.X, "x", pair[0]), (alt.Y, "y", pair[1]))
    )  # fmt: skip
    layers = constraint_layers(frame, goals, pair, x, y)
    front = frame.filter(pl.col("pareto"))
    if is_only:
        layers += stair_layers(front, goals, pair, x, y)
        if has_chord(rows, chosen, goals):
            ends = front.sort("x")[[0, -1]]
            chord = alt.Chart(ends).mark_line(strokeDash=[5, 4], color=MUTED, strokeWidth=1)
            layers.append(chord.encode(x, y))
    base = alt.Chart(front)
    policies = policies_of(rows)
    numbers = range(len(policies))
    colours = [POLICY_COLOURS[i % len(POLICY_COLOURS)] for i in numbers]
    shapes = [POLICY_SHAPES[i % len(POLICY_SHAPES)] for i in numbers]
    scale = alt.Scale(domain=policies, range=colours)
    shape = alt.Shape("policy:N", scale=alt.Scale(domain=policies, range=shapes), legend=None)
    fill = alt.condition("datum.pareto", alt.Fill("policy:N", scale=scale, legend=None), alt.value("white"))
    tip = tooltips(goals, rows, pair)
    layers += [
        base.mark_rule(color=INK, opacity=0.45).encode(alt.X("x_low:Q"), y, alt.X2("x_high:Q")),
        base.mark_rule(color=INK, opacity=0.45).encode(x, alt.Y("y_low:Q"), alt.Y2("y_high:Q")),
        alt.Chart(frame).mark_point(size=70, strokeWidth=1.4, opacity=0.95).encode(
            x, y, stroke=alt.Stroke("policy:N", scale=scale, legend=None), shape=shape, fill=fill,
            tooltip=tip,
        ),
    ]  # fmt: skip
    outside = frame.filter(~pl.col("feasible"))
    if outside.height:
        layers.append(
            alt.Chart(outside).mark_text(text="✕", fontSize=15, color=INK).encode(x, y, tooltip=tip)
        )
    return alt.layer(*layers, *mark_layers(frame, chosen, x, y)).properties(height=HEIGHT)


def stair_layers(front: pl.DataFrame, goals: Goals, pair: tuple[str, str], x: Any, y: Any) -> list[Any]:
    """The front's stair, from its best end along the axis."""
    sign = dict(better_of(goals))[pair[0]]
    stair = front.sort(pl.col("x") * sign, "y").with_row_index("order")
    line = alt.Chart(stair.select("x", "y", "order"))
    line = line.mark_line(interpolate="step-after", color=INK, strokeWidth=1.3, opacity=0.7)
    return [line.encode(x, y, order="order:Q")]


def is_log(rows: pl.DataFrame, metric: str) -> bool:
    """Whether a metric's means spread over so many decades that a plain axis would heap them up."""
    least, most = extent(rows[f"{metric}_mean"])
    return not is_share(metric) and least > 0 and most / least > LOG_FROM


def has_chord(rows: pl.DataFrame, chosen: Recommendation, goals: Goals) -> bool:
    """Whether the knee is measured from a chord that is a straight line in the chart."""
    return chosen.rule == "chord" and not any(is_log(rows, metric) for metric in goals.objectives)


def constraint_layers(frame: pl.DataFrame, goals: Goals, pair: tuple[str, str], x: Any, y: Any) -> list[Any]:
    """A dashed line where a constraint ends, and grey on the side that it rules out."""
    layers = []
    for short, metric in zip("xy", pair, strict=True):
        least, most = extent(frame[short])
        for one in (c for c in goals.constraints if c.metric == metric):
            bound = one.bound * metric_scale(metric)
            is_upper = one.sign.startswith("<")
            far = max(most, bound) if is_upper else min(least, bound)
            data = alt.Chart(pl.DataFrame({"at": [bound], "far": [far], "text": [one.text]}))
            at, end = ((alt.X, alt.X2), (alt.Y, alt.Y2))[short == "y"]
            axis = (x if short == "x" else y).copy()
            axis.shorthand = "at:Q"
            layers += [
                data.mark_rect(color=MUTED, opacity=0.22).encode(axis, end("far:Q")),
                data.mark_rule(color=INK, strokeDash=[8, 4], strokeWidth=1.5).encode(at("at:Q")),
            ]
            place = {"y": alt.value(12)} if short == "x" else {"x": alt.value(6)}
            words = data.mark_text(align="left", dx=5, dy=0 if short == "x" else -7, fontSize=11, color=INK)
            layers.append(words.encode(at("at:Q"), text="text:N", **place))
    return layers


def mark_layers(frame: pl.DataFrame, chosen: Recommendation, x: Any, y: Any) -> list[Any]:
    """Rings and words for the recommended point and the baseline."""
    layers = []
    marks = [("recommended", chosen.point, RED), ("baseline", chosen.baseline, INK)]
    (least, most), (left_end, right_end) = extent(frame["y"]), extent(frame["x"])
    high, middle = least + 0.93 * (most - least), (left_end + right_end) / 2
    for word, point, colour in marks:
        one = frame.filter(pl.col("point") == (-1 if point is None else point))
        if not one.height or (word == "baseline" and point == chosen.point):
            continue
        shape = "circle" if word == "recommended" else "square"
        left = one["x"][0] > middle
        # A label above a point at the top would leave the chart.
        below = one["y"][0] > high
        base = alt.Chart(one)
        layers.append(
            base.mark_point(size=260, shape=shape, color=colour, strokeWidth=2.5, filled=False).encode(x, y)
        )
        layers.append(
            base.mark_text(
                text=word, align="right" if left else "left", dx=-14 if left else 14, dy=20 if below else -13,
                color=colour, fontSize=12, fontWeight="bold",
            ).encode(x, y)
        )  # fmt: skip
    return layers
