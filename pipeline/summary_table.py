"""The end of a sweep in the terminal: the recommended setting, what it gives, and where all of it is."""

import dataclasses
import math
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

import sim
from pipeline.aggregate import is_policy_key
from pipeline.analyse import HEADLINE, Analysis, analyse, finite
from pipeline.chart_parts import is_share, metric_title
from pipeline.choice_text import flags_text
from pipeline.erl_flags import flag_line, full_line
from pipeline.plain import plain, plain_name
from pipeline.recommend import RULES, TAIL_METRIC, Recommendation, flags_of_row, setting_text
from pipeline.record import RecordStatus
from pipeline.report_html import shown
from pipeline.schema_front import OBJECTIVES

FRONT_ROWS = 12
AXES_SHOWN = 4
CELLS_SHOWN = 4
BETTER = {
    "load_imbalance": -1, "migration_overhead_share": -1, "wasted_core_share": -1,
    "slowdown_mean": -1, "slowdown_p99": -1, "sojourn_p99_ns": -1, "throughput_per_s": 1,
    "cache_hit_rate": 1,
}  # fmt: skip


def print_summary(run_dir: Path | Analysis, console: Console | None = None) -> None:
    """Print the answer of a run: a table a study cell, the fronts in brief, and the files.

    Parameters
    ----------
    run_dir : the run folder, or what `analyse` found in it (which saves doing it again)
    console : where to print; default the standard output
    """
    console = console or Console()
    found = run_dir if isinstance(run_dir, Analysis) else analyse(run_dir, draw=False)
    for chosen in found.recommendations[:CELLS_SHOWN]:
        print_cell(found, chosen, console)
    rest = len(found.recommendations) - CELLS_SHOWN
    if rest > 0:
        console.print(f"... and {rest} more study cells: see the report.")
    if not found.recommendations:
        console.print("[bold red]No lane completed: nothing can be recommended.[/]")
    excluded = int(found.summary["lane_excluded_count"].sum())
    if excluded:
        total = excluded + int(found.summary["replicate_count"].sum())
        console.print(f"[yellow]{excluded:,} of {total:,} lanes failed or hit a limit; left out.[/]")
    print_places(found, console)


def print_cell(found: Analysis, chosen: Recommendation, console: Console) -> None:
    """One study cell: the recommended point against the baseline, then the front."""
    row = summary_row(found, chosen.point)
    console.print()
    console.print(Text.assemble(("Recommended for ", "bold"), (chosen.title, "bold")))
    console.print(Text("  " + setting_text(found.run, row), style="bold green"))
    console.print(Text(f"  {RULES[chosen.rule]}", style="dim"), soft_wrap=True)
    if chosen.doubts:
        console.print(Text(f"  {chosen.doubts}", style="yellow"), soft_wrap=True)
    if chosen.twins:
        names = ", ".join(str(p) for p in chosen.twins[:5])
        console.print(Text(f"  {len(chosen.twins)} settings give exactly this: points {names}", style="dim"))
    console.print(metrics_table(found, chosen, row))
    console.print(front_brief(found, chosen) if chosen.choice is None else best_brief(found, chosen))
    if chosen.sentence:
        console.print(Text(f"Gain:  {chosen.sentence}", style="bold"), soft_wrap=True)
    if chosen.flags is not None:
        console.print(Text(f"erl flags:  {flags_text(chosen.flags)}", style="bold green"), soft_wrap=True)
    # One line whatever the width, so that it can be copied.
    console.print(Text("Run it:  " + shown_command(chosen.command)), soft_wrap=True)


def shown_command(command: str) -> str:
    """A command with the words quoted that a shell would change."""
    return " ".join(shlex.quote(word) for word in command.split(" "))


def summary_row(found: Analysis, point: int) -> dict[str, Any]:
    """The summary row of a point."""
    return found.summary.row(by_predicate=pl.col("point") == point, named=True)


def metrics_table(found: Analysis, chosen: Recommendation, row: Mapping[str, Any]) -> Table:
    """Headline metrics of the recommended point, the baseline, and how they compare as pairs."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("metric")
    table.add_column(f"recommended\n(point {chosen.point})", justify="right")
    base: Mapping[str, Any] = {}
    if chosen.baseline is not None:
        base = summary_row(found, chosen.baseline)
        table.add_column(f"baseline\n({base.get('policy', chosen.baseline)})", justify="right")
        table.add_column("paired difference\n± half 95 % interval", justify="right")
    for name in (n for n in HEADLINE if f"{n}_mean" in row):
        cells: list[str | Text] = [metric_title(name), shown(name, row[f"{name}_mean"])]
        if base:
            cells += [shown(name, base[f"{name}_mean"]), comparison_text(row, name)]
        table.add_row(*cells)
    return table


def comparison_text(row: Mapping[str, Any], name: str) -> Text:
    """The paired difference of a share, in points; of any other metric its change in per cent.

    The change does not carry the baseline's own noise, so its interval is far narrower where the baseline is
    noisy (sim/STATISTICS.md).
    """
    if is_share(name) or row.get(f"{name}_change") is None:
        return difference_text(row, name)
    return difference_text(row, name, "change")


def difference_text(row: Mapping[str, Any], name: str, kind: str = "diff") -> Text:
    """The paired difference (or change) with its interval, green or red if it is told from zero."""
    middle = row.get(f"{name}_{kind}")
    low, high = row.get(f"{name}_{kind}_low"), row.get(f"{name}_{kind}_high")
    if middle is None or row.get("baseline"):
        return Text("-" if row.get("baseline") else "n/a")
    text = f"{100 * middle:+.2f} %" if kind == "change" else shown(name, middle, True)
    if low is None or high is None:
        return Text(text)
    half = (high - low) / 2
    # Without a sign and the word "points", which the first number has.
    text += f" ± {100 * half:.2f}" if kind == "change" else f" ± {shown(name, half).removesuffix(' %')}"
    clear = low > 0 or high < 0
    good = BETTER.get(name, 0) * middle
    return Text(text, style="" if not clear or not good else ("green" if good > 0 else "red"))


def front_brief(found: Analysis, chosen: Recommendation) -> Table:
    """The front from least overhead to most; a long one thinned to FRONT_ROWS."""
    front = found.front.filter(pl.col("point").is_in(chosen.points))
    title = f"Pareto front: {front.height} of {len(chosen.points)} points"
    table = Table(box=None, padding=(0, 1), header_style="dim", title=title, title_justify="left")
    brief = thinned(front, chosen.point)
    swept = [a for a in found.run.axes if is_policy_key(a) and a != "policy"]
    axes = [a for a in swept if brief[a].n_unique() > 1][:AXES_SHOWN]
    metrics = [n for n in (*OBJECTIVES, TAIL_METRIC) if f"{n}_mean" in front.columns]
    titles = [
        "",
        "policy",
        *[plain_name(a).replace("_", " ") for a in axes],
        *map(metric_title, metrics),
        "sure",
    ]
    rows, styles = [], []
    for row in brief.iter_rows(named=True):
        share = row["front_probability"]
        picked = row["point"] == chosen.point
        rows.append([
            "→" if picked else "", str(row.get("policy", "")), *[compact(row[a]) for a in axes],
            *[shown(n, row[f"{n}_mean"]).replace(" ", "") for n in metrics],
            "n/a" if share is None else f"{share:.0%}",
        ])  # fmt: skip
        styles.append("bold green" if picked else "")
    for at, title in enumerate(titles):
        # In a narrow terminal the words of a title may wrap, a number never.
        justify: JustifyMethod = "left" if at < 2 else "right"
        table.add_column(title, justify=justify, min_width=max((len(row[at]) for row in rows), default=1))
    for cells, style in zip(rows, styles, strict=True):
        table.add_row(*cells, style=style)
    return table


def best_brief(found: Analysis, chosen: Recommendation) -> Table:
    """The settings that the study's objective ranks first, on all replicates; the chosen one is marked."""
    name = found.run.config["objective"]["metric"]
    rows = found.summary.filter(pl.col("point").is_in(chosen.points) & pl.col(f"{name}_mean").is_not_null())
    rows = rows.sort([f"{name}_mean", "point"], descending=[sim.METRICS[name].better == "high", False])
    title = f"Best {metric_title(name)}, of {len(chosen.points)} points (all replicates)"
    table = Table(box=None, padding=(0, 1), header_style="dim", title=title, title_justify="left")
    for heading in ("", "setting"):
        table.add_column(heading)
    for heading in (metric_title(name), "paired difference\n± half 95 % interval"):
        table.add_column(heading, justify="right")
    known = (chosen.point, chosen.baseline)
    for place, row in enumerate(rows.iter_rows(named=True)):
        if place < FRONT_ROWS or row["point"] in known:
            mark = "→" if row["point"] == chosen.point else "=" if row["point"] == chosen.baseline else ""
            text = flags_of_row(found.run, row) or setting_text(found.run, row)
            values = shown(name, row[f"{name}_mean"]), difference_text(row, name)
            table.add_row(mark, text, *values, style="bold green" if mark == "→" else "")
    return table


def compact(value: float | str | None) -> str:
    """A swept number in few characters: 250k, 4M; a dash for no limit, a word as it is."""
    if value is None:
        return "-"
    if isinstance(value, (str, bool)):
        return plain(value)
    for unit, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if unit <= abs(value) < math.inf:
            return f"{value / unit:g}{letter}"
    return plain(value)


def thinned(front: pl.DataFrame, point: int) -> pl.DataFrame:
    """At most about FRONT_ROWS rows, evenly spread, with both ends and the recommended point."""
    if front.height <= FRONT_ROWS:
        return front
    steps = {round(i * (front.height - 1) / (FRONT_ROWS - 1)) for i in range(FRONT_ROWS)}
    index = pl.int_range(pl.len())
    return front.filter(index.is_in(sorted(steps)) | (pl.col("point") == point))


def print_places(found: Analysis, console: Console) -> None:
    """Where the files lie, and how to look at them."""
    folder = nearest(found.folder)
    rows: list[tuple[str, str]] = [("tables", f"{folder}/summary.parquet, pareto.parquet")]
    if "recommended" in found.files:
        rows.append(("policy", f"{folder}/recommended.yaml"))
    if "erl_flags" in found.files:
        rows.append(("erl", f"{folder}/erl_flags.txt"))
    if (found.folder / "report.html").exists():
        rows.append(("report", f"{folder}/report.html, figures/"))
    rows.append(("MLflow", "make ui   (or: python -m pipeline.ui)"))
    console.print()
    for name, text in rows:
        console.print(Text(f"  {name:<8} {text}"), soft_wrap=True)


def nearest(path: Path) -> str:
    """A path relative to where the user is, if it is below."""
    resolved = path.resolve()
    here = Path.cwd()
    return str(resolved.relative_to(here)) if resolved.is_relative_to(here) else str(resolved)


def summary_json(found: Analysis) -> dict[str, Any]:
    """The same answer as data: for each cell the recommended point, its metrics and the front."""
    return {
        "study": found.run.manifest.get("study"),
        "run_key": found.run.manifest.get("run_key"),
        "folder": str(found.folder.resolve()),
        "files": {name: str(path) for name, path in found.files.items()},
        "points": found.summary.height,
        "lanes_excluded": int(found.summary["lane_excluded_count"].sum()),
        "cells": [cell_json(found, chosen) for chosen in found.recommendations],
    }


def cell_json(found: Analysis, chosen: Recommendation) -> dict[str, Any]:
    """One study cell as data."""
    row = summary_row(found, chosen.point)
    settings = {plain_name(a): row[a] for a in found.run.axes if a in row}
    front = found.front.filter(pl.col("point").is_in(chosen.points))
    return {
        "cell": chosen.cell,
        "point": chosen.point,
        "policy": row.get("policy"),
        "settings": {
            k: v if not isinstance(v, float) else finite(v) or plain(v) for k, v in settings.items()
        },
        "command": chosen.command,
        "rule": chosen.rule,
        "knee_share": chosen.knee_share,
        "choice": None if chosen.choice is None else dataclasses.asdict(chosen.choice),
        "erl_flags": None if chosen.flags is None else flag_line(chosen.flags),
        "erl_flags_all": None if chosen.flags is None else full_line(chosen.flags),
        "twins": list(chosen.twins),
        "rivals": [{"point": p, "share": s} for p, s in chosen.rivals],
        "baseline": chosen.baseline,
        "metrics": interval_json(row, found.run.metrics),
        "front": [
            {"point": r["point"], "probability": r["front_probability"], **interval_json(r, OBJECTIVES)}
            for r in front.iter_rows(named=True)
        ],
    }


def interval_json(row: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Mean, interval and difference of metrics, without the absent ones."""
    kinds = ("mean", "low", "high", *(f"{a}{b}" for a in ("diff", "change") for b in ("", "_low", "_high")))
    return {n: {k: finite(row[f"{n}_{k}"]) for k in kinds if row.get(f"{n}_{k}") is not None} for n in names}


def print_record(status: RecordStatus, console: Console | None = None) -> None:
    """Print what became of the recording: the addresses worth opening, or what to do."""
    console = console or Console()
    console.print(Text(status.message, style="" if status.ok else "yellow"), soft_wrap=True)
    if status.ok and status.urls:
        for name in ("ranking", "trade-off", "report"):
            console.print(Text(f"  {name:<10} {status.urls[name]}"), soft_wrap=True)
