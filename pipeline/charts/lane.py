"""One lane over time: queue lengths by scheduler as a heat map, migrations on it, the baseline beside it."""

from typing import Any

import altair as alt
import polars as pl

from pipeline.charts.figure import Figure, Key, Panel
from pipeline.charts.parts import BLUE, INK, MUTED, RED, extent
from pipeline.evidence.recommend import Recommendation
from pipeline.page.lane import LaneTables

ROWS_MOST = 128
"""Rows of a heat map; of more schedulers, neighbours share one."""
ARROWS = 120
HEIGHT = 360
COLOURS = {"recommended": RED, "baseline": INK}
DASHES: dict[str, tuple[int, ...]] = {"recommended": (1, 0), "baseline": (5, 3)}


def lane_figure(tables: LaneTables, chosen: Recommendation, name: str) -> Figure:
    """The recommended point's lane, and the baseline's; or the reason why there is none."""
    title = f"One lane over time: {chosen.title}"
    if tables.queues is None or tables.migrations is None:
        return Figure(name, "lane", title, "", note=f"Not shown: {tables.reason}.")
    queues, migrations = tables.queues, tables.migrations
    most = extent(queues["queue_mean"])[1]
    roles = queues["role"].unique(maintain_order=True).to_list()
    panels = []
    group = 1
    for role in roles:
        own = queues.filter(pl.col("role") == role)
        group = -(-own["scheduler"].n_unique() // ROWS_MOST)
        moved = migrations.filter(pl.col("role") == role)
        words = f"{role} (point {own['point'][0]}): processes queued, by scheduler"
        panels.append(Panel(words, queue_chart(own, moved, group, most)))
    totals = total_frame(queues)
    warmup_ms = queues["warmup_ns"][0] / 1e6
    for metric, words in (("queued", "processes queued on the machine"), ("per_ms", "migrations per ms")):
        panels.append(Panel(words, total_chart(totals, metric, words, warmup_ms)))
    return Figure(
        name, "lane", title, caption_of(queues, migrations, group), panels,
        keys=[Key(role, COLOURS[role], "square", DASHES[role]) for role in roles], columns=2,
    )  # fmt: skip


def caption_of(queues: pl.DataFrame, migrations: pl.DataFrame, group: int) -> str:
    """What is shown, and what is left out."""
    width_ms = (queues["until_ns"][0] - queues["from_ns"][0]) / 1e6
    text = (
        f"Replicate {queues['replicate'][0]} of each setting, from time 0; the dashed line is the end of the "
        f"warm-up. A field is the mean queue over {width_ms:.3g} ms, darker is longer, on one logarithmic "
        "scale; what runs is not queued. "
    )
    if group > 1:
        text += f"A row is {group} neighbouring schedulers, and their mean. "
    end_ns = extent(queues["until_ns"])[1]
    if end_ns != queues["horizon_ns"][0]:
        text += f"The log of this lane is long: shown are its first {end_ns / 1e6:.3g} ms. "
    for role in queues["role"].unique(maintain_order=True):
        total = int(queues.filter(pl.col("role") == role)["migrations"].sum())
        kept = migrations.filter(pl.col("role") == role).height
        shown = min(kept, ARROWS)
        text += f"{role.capitalize()}: {total:,} migrations" + (
            f", of which {shown} are drawn, from the old scheduler to the triangle at the new one. "
            if shown else ". "
        )  # fmt: skip
    return text


def grouped(queues: pl.DataFrame, group: int) -> pl.DataFrame:
    """A row a group of schedulers and bin: the mean of their queues."""
    return (
        queues.group_by(pl.col("scheduler") // group, "from_ns", maintain_order=True)
        .agg(pl.col("until_ns").first(), pl.col("queue_mean").mean())
        .sort("scheduler", "from_ns")
    )


def queue_chart(queues: pl.DataFrame, migrations: pl.DataFrame, group: int, most: float) -> Any:
    """The heat map of one lane; its data is a row a scheduler, a tenth as long as a row a field."""
    cells = grouped(queues, group)
    edges = cells.filter(pl.col("scheduler") == 0)
    from_ms = [round(v / 1e6, 6) for v in edges["from_ns"]]
    width_ms = (edges["until_ns"][0] - edges["from_ns"][0]) / 1e6
    rows = [
        {"s": int(number) * group, "q": [round(v, 2) for v in part["queue_mean"]]}
        for (number,), part in cells.group_by("scheduler", maintain_order=True)
    ]
    warmup_ms = queues["warmup_ns"][0] / 1e6
    last = int(extent(queues["scheduler"])[1]) + 1
    x = alt.X("t:Q", title="time (ms)", scale=alt.Scale(domain=[0, from_ms[-1] + width_ms], nice=False))
    y = alt.Y("s:Q", title="scheduler", scale=alt.Scale(domain=[last, 0], nice=False))
    colour = alt.Color(
        "q:Q", title="queued", legend=alt.Legend(orient="bottom", gradientLength=200, tickCount=5),
        scale=alt.Scale(scheme=alt.SchemeParams(name="greys", extent=[0.0, 1.0]), type="symlog",
                        domain=[0, max(most, 1.0)]),
    )  # fmt: skip
    heat = (
        alt.Chart(alt.InlineData(values=rows))
        .transform_calculate(k=f"sequence(0, {len(from_ms)})")
        .transform_flatten(["q", "k"])
        .transform_calculate(
            t=f"datum.k * {width_ms!r}", until=f"(datum.k + 1) * {width_ms!r}", below=f"datum.s + {group}"
        )
        .mark_rect()
        .encode(
            x, y, alt.X2("until:Q"), alt.Y2("below:Q"), colour,
            tooltip=[alt.Tooltip("s:Q", title="scheduler"),
                     alt.Tooltip("t:Q", title="from (ms)", format=".3~f"),
                     alt.Tooltip("q:Q", title="queued", format=".2~f")],
        )
    )  # fmt: skip
    step = max(1, -(-migrations.height // ARROWS))
    some = migrations.gather_every(step).select(
        t=pl.col("time_ns") / 1e6, s=pl.col("source") + 0.5, to=pl.col("target") + 0.5,
        process=pl.col("process"), source=pl.col("source"), target=pl.col("target"),
    )  # fmt: skip
    tip = [alt.Tooltip(f"{n}:Q") for n in ("process", "source", "target")]
    layers = [heat]
    if some.height:
        moved = alt.Chart(some)
        layers += [
            moved.mark_rule(color=BLUE, opacity=0.55, strokeWidth=1).encode(x, y, alt.Y2("to:Q")),
            moved.mark_point(shape="triangle", size=22, filled=True, color=BLUE, opacity=0.95).encode(
                x, alt.Y("to:Q"), tooltip=tip
            ),
        ]
    layers.append(warmup_rule(warmup_ms))
    return alt.layer(*layers).properties(height=HEIGHT)


def warmup_rule(warmup_ms: float) -> Any:
    """A dashed line where the warm-up ends."""
    data = alt.InlineData(values=[{"t": warmup_ms}])
    return alt.Chart(data).mark_rule(color=MUTED, strokeDash=[6, 4], strokeWidth=1.5).encode(alt.X("t:Q"))


def total_frame(queues: pl.DataFrame) -> pl.DataFrame:
    """Over all schedulers, a row a role and bin: processes queued, and migrations per ms."""
    return (
        queues.group_by("role", "from_ns", "until_ns", maintain_order=True)
        .agg(queued=pl.col("queue_mean").sum(), migrations=pl.col("migrations").sum())
        .with_columns(
            t=pl.col("from_ns") / 1e6,
            per_ms=pl.col("migrations") / ((pl.col("until_ns") - pl.col("from_ns")) / 1e6),
        )
    )


def total_chart(totals: pl.DataFrame, metric: str, words: str, warmup_ms: float) -> Any:
    """A step line a role."""
    roles = totals["role"].unique(maintain_order=True).to_list()
    line = alt.Chart(totals.select("role", "t", metric)).mark_line(interpolate="step-after", strokeWidth=1.5)
    lines = line.encode(
        alt.X("t:Q", title="time (ms)", scale=alt.Scale(nice=False)),
        alt.Y(f"{metric}:Q", title=None, axis=alt.Axis(format="~s")),
        alt.Color("role:N", scale=alt.Scale(domain=roles, range=[COLOURS[r] for r in roles]), legend=None),
        alt.StrokeDash("role:N", scale=alt.Scale(domain=roles, range=[list(DASHES[r]) for r in roles]),
                       legend=None),
        tooltip=[alt.Tooltip("role:N"), alt.Tooltip("t:Q", title="from (ms)", format=".3~f"),
                 alt.Tooltip(f"{metric}:Q", title=words, format=",.4~g")],
    )  # fmt: skip
    return alt.layer(lines, warmup_rule(warmup_ms)).properties(height=150)
