"""Figures of a run and of the history: SVG, PNG, and HTML that needs no network."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from tests.bench.history import Entry
from tests.bench.row import Row, row_of

FOLDER = Path(__file__).parents[2] / "outputs" / "bench"


def ratios(rows: Sequence[Row]) -> alt.Chart | None:
    """Median ratio to each peer with its spread, and the goal as a tick."""
    table = [
        {
            "row": f"{row.part}: {row.case}",
            "peer": row.peer,
            "ratio": row.ratio,
            "least": row.ratio_spread[0],
            "greatest": row.ratio_spread[1],
            "goal": row.target,
        }
        for row in rows
        if row.ratio is not None and row.ratio_spread is not None
    ]
    if not table:
        return None
    names = [each["row"] for each in table]
    y = alt.Y("row:N", title=None, sort=list(dict.fromkeys(names)), axis=alt.Axis(labelLimit=420))
    base = alt.Chart(pl.DataFrame(table, infer_schema_length=None)).encode(y=y)
    scale = alt.Scale(type="log")
    median = base.mark_point(filled=True, size=60).encode(
        x=alt.X("ratio:Q", title="Coreshift / peer, more is better", scale=scale), color="peer:N"
    )
    spread = base.mark_rule().encode(x=alt.X("least:Q", scale=scale), x2="greatest:Q", color="peer:N")
    tick = base.mark_tick(color="black", thickness=2).encode(x=alt.X("goal:Q", scale=scale))
    return (spread + median + tick).properties(
        width=460, title="Ratios to the peers of the same run; black ticks are goals"
    )


def growth(rows: Sequence[Row]) -> alt.Chart | None:
    """Cost of an event by processes, with the logarithmic fit of each series."""
    tables = [curve(row, rows) for row in rows if row.part == "growth" and row.unit == "exponent"]
    table = [line for each in tables for line in each]
    if not table:
        return None
    base = alt.Chart(pl.DataFrame(table)).encode(
        x=alt.X("processes:Q", scale=alt.Scale(type="log", base=2)), color="program:N"
    )
    dots = base.mark_point(filled=True, size=60).encode(
        y=alt.Y("ns:Q", title="ns an event", scale=alt.Scale(zero=True)), shape="series:N"
    )
    fits = base.mark_line(strokeDash=[4, 3]).encode(y="fit_ns:Q", detail="series:N")
    return (dots + fits).properties(
        width=460, title="Cost of an event; dashed: least-squares a + b log2(size)"
    )


def curve(fit: Row, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """The points of a series of the growth part, and what its fits say there."""
    series = fit.case.partition(":")[0]
    members = [row for row in rows if row.case.startswith(f"{series}: ") and row.unit == "ns/event"]
    table = []
    for size, row in zip(fit.facts["sizes"], members, strict=True):
        processes = int(row.case.split(", ")[-1].split()[0])
        for program, cost, law in (
            ("Coreshift", row.value, fit.facts["logarithm"]),
            (row.peer, row.peer_value, fit.facts.get("peer_logarithm")),
        ):
            if cost is not None and law is not None:
                line = law["base_ns"] + law["ns_a_doubling"] * math.log2(size)
                at = {"series": series, "program": program, "processes": processes}
                table.append(at | {"ns": cost, "fit_ns": line})
    return table


def history(entries: Sequence[Entry], rows: Sequence[Row]) -> alt.Chart | None:
    """Ratios of every recorded run, and of this one as the last."""
    runs = [[row_of(plain) for plain in entry["rows"]] for entry in entries]
    labels = [f"{number} {entry['date'][:10]} {entry['note']}" for number, entry in enumerate(entries, 1)]
    table = [
        {"run": label, "row": f"{row.case} / {row.peer}", "part": row.part, "ratio": row.ratio}
        for label, members in zip([*labels, "now"], [*runs, list(rows)], strict=True)
        for row in members
        if row.ratio is not None
    ]
    if not entries or not table:
        return None
    lines = alt.Chart(pl.DataFrame(table)).mark_line(point=True)
    return (
        lines.encode(
            x=alt.X("run:N", sort=None, title=None, axis=alt.Axis(labelLimit=200)),
            y=alt.Y("ratio:Q", scale=alt.Scale(type="log")),
            color=alt.Color("row:N", legend=alt.Legend(labelLimit=320)),
        )
        .properties(width=300, height=160)
        .facet("part:N", columns=2)
        .resolve_scale(y="independent", color="independent")
        .properties(title="Ratios to the peers, run by run")
    )


def draw(rows: Sequence[Row], entries: Sequence[Entry], folder: Path = FOLDER) -> list[Path]:
    """Write every figure that there is something for; gives the files."""
    folder.mkdir(parents=True, exist_ok=True)
    charts = {"ratios": ratios(rows), "growth": growth(rows), "history": history(entries, rows)}
    files = []
    for name, chart in charts.items():
        if chart is None:
            continue
        for ending in ("svg", "png", "html"):
            path = folder / f"{name}.{ending}"
            chart.save(str(path), **({"inline": True} if ending == "html" else {}))
            files.append(path)
    return files
