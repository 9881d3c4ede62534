"""What migrations cost: by component and by distance, a stacked bar a setting."""

from collections.abc import Mapping, Sequence
from typing import Any

import altair as alt
import polars as pl

from pipeline.charts.figure import Figure, Panel
from pipeline.charts.funnel import told_points
from pipeline.charts.parts import INK, STACK_COLOURS, extent
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.recommend import Recommendation
from pipeline.run.worker import COMPLETED

CLASSES = ("same_core", "same_cluster", "same_node", "other_node")
SHARES = {
    "direct_overhead_share": "moving", "refill_overhead_share": "filling caches",
    "remote_overhead_share": "remote memory",
}  # fmt: skip
DIRECT = {
    "migration_context_switch_cycles": "context switch",
    "migration_synchronisation_cycles": "synchronisation", "migration_misses_cycles": "misses",
    "migration_remote_cycles": "remote accesses", "migration_crossing_cycles": "crossing nodes",
}  # fmt: skip
REFILL = {
    "migration_refill_private_ns": "private caches", "migration_refill_shared_ns": "shared cache",
}  # fmt: skip


def cost_figure(run: RunTables, rows: pl.DataFrame, chosen: Recommendation, name: str) -> Figure:
    """The costs of the settings that are told of, each panel with a stack of its own."""
    told = [(word, point) for word, point in told_points(rows, chosen) if migrates(rows, point)]
    panels = []
    for title, axis, number, parts in (
        ("Share of busy time, by cause", "share of busy time", ".2%", SHARES),
        ("Direct cost of a migration, by component", "cycles a migration", ".3~s", DIRECT),
        ("Filling caches again after a migration", "ns a migration", ".3~s", REFILL),
    ):
        frame = component_frame(rows, told, parts)
        if frame.height and frame["value"].sum():
            panels.append(Panel(f"{title}", stack_chart(frame, list(parts.values()), axis, number)))
    frame = distance_frame(run, told)
    if frame.height:
        words = [name.replace("_", " ") for name in CLASSES]
        panels.insert(1, Panel("Realised cost of a migration, by distance",
                               stack_chart(frame, words, "cycles a migration", ".3~s")))  # fmt: skip
    return Figure(
        name, "costs", f"What migrations cost: {chosen.title}",
        "Stacked from the left in the order of each legend, means over replicates. By distance: a class adds "
        "its share of the migrations times what one of them cost, so that a bar is as long as the mean cost.",
        panels, columns=2,
        note="" if panels else "No setting that is shown migrated, or costs were not measured.",
    )  # fmt: skip


def migrates(rows: pl.DataFrame, point: int) -> bool:
    """Whether a setting migrated anything."""
    if "migration_count_mean" not in rows.columns:
        return False
    return bool(rows.filter(pl.col("point") == point)["migration_count_mean"][0])


def component_frame(
    rows: pl.DataFrame, told: Sequence[tuple[str, int]], parts: Mapping[str, str]
) -> pl.DataFrame:
    """Means of some metrics, a row a setting and metric."""
    lines = []
    for word, point in told:
        row = rows.row(by_predicate=pl.col("point") == point, named=True)
        for place, (metric, text) in enumerate(parts.items()):
            value = row.get(f"{metric}_mean")
            if value is not None:
                lines.append((f"{word} ({point})", text, place, float(value)))
    return pl.DataFrame(lines, schema=STACK_SCHEMA, orient="row")


STACK_SCHEMA = {"setting": pl.String, "part": pl.String, "place": pl.Int32, "value": pl.Float64}


def distance_frame(run: RunTables, told: Sequence[tuple[str, int]]) -> pl.DataFrame:
    """What each class of distance adds to the realised cost of a migration, means over lanes."""
    empty = pl.DataFrame(schema=STACK_SCHEMA)
    needed = [f"{kind}_{name}" for name in CLASSES for kind in ("migrations", "realised_cycles")]
    if not {*needed, "migration_count"} <= set(run.metrics):
        return empty
    points = [point for _, point in told]
    lanes = (
        run.lanes.filter(pl.col("point").is_in(points), pl.col("status") == COMPLETED)
        .select("point", "replicate", "migration_count", *needed).collect().sort("point", "replicate")
    )  # fmt: skip
    lines = []
    for word, point in told:
        own = lanes.filter(pl.col("point") == point, pl.col("migration_count") > 0)
        for place, name in enumerate(CLASSES):
            # A class without a migration has no mean cost, and adds nothing.
            cost = own[f"migrations_{name}"] * own[f"realised_cycles_{name}"].fill_nan(None).fill_null(0.0)
            value = (cost / own["migration_count"]).mean()
            lines.append((f"{word} ({point})", name.replace("_", " "), place, value or 0.0))
    return pl.DataFrame(lines, schema=STACK_SCHEMA, orient="row") if lines else empty


def stack_chart(frame: pl.DataFrame, words: Sequence[str], title: str, number: str) -> Any:
    """Bars of parts beside each other, a row a setting, with the sum at their end."""
    used = [word for word in words if frame.filter(pl.col("part") == word)["value"].sum()]
    frame = frame.filter(pl.col("part").is_in(used))
    order = frame["setting"].unique(maintain_order=True).to_list()
    y = alt.Y("setting:N", sort=order, title=None, axis=alt.Axis(labelLimit=170))
    # Far apart in lightness where there are few, so that they differ in grey.
    colours = STACK_COLOURS if len(used) > 3 else [STACK_COLOURS[i] for i in (0, 2, 4)]
    sums = frame.group_by("setting", maintain_order=True).agg(pl.col("value").sum())
    # With room for the number behind the longest bar.
    longest = extent(sums["value"])[1] or 1.0
    scale = alt.Scale(domain=[0, 1.2 * longest], nice=False)
    bars = alt.Chart(frame).mark_bar(height={"band": 0.72}, stroke="white", strokeWidth=1).encode(
        alt.X("value:Q", stack="zero", title=title, scale=scale,
              axis=alt.Axis(format="~%" if "%" in number else "~s", tickCount=5)),
        y,
        alt.Color("part:N", sort=used, scale=alt.Scale(domain=used, range=colours),
                  legend=alt.Legend(orient="bottom", title=None, columns=2, symbolType="square",
                                    symbolStrokeColor=INK, symbolStrokeWidth=0.5)),
        order=alt.Order("place:Q"),
        tooltip=[alt.Tooltip("setting:N"), alt.Tooltip("part:N"), alt.Tooltip("value:Q", format=number)],
    )  # fmt: skip
    words_layer = alt.Chart(sums).mark_text(align="left", dx=4, fontSize=11, color=INK).encode(
        alt.X("value:Q"), y, text=alt.Text("value:Q", format=number)
    )  # fmt: skip
    return alt.layer(bars, words_layer).properties(height=max(80, 30 * len(order)))
