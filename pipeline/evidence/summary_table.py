"""The end of a sweep in the terminal: the recommended setting, what it gives, and where all of it is."""

import dataclasses
import math
import textwrap
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console, JustifyMethod
from rich.table import Table
from rich.text import Text

import sim
from pipeline.charts.parts import is_share, metric_scale, metric_title
from pipeline.config.erl_flags import flag_line, full_line
from pipeline.evidence.aggregate import is_policy_key
from pipeline.evidence.analyse import Analysis, analyse, finite, headline
from pipeline.evidence.cell import TAIL_METRIC
from pipeline.evidence.choice_text import flags_text
from pipeline.evidence.evidence_table import print_evidence, print_robustness
from pipeline.evidence.partial import partial_words
from pipeline.evidence.point_names import twins_text
from pipeline.evidence.recommend import RULES, Recommendation, weights_text
from pipeline.evidence.robustness_text import robustness_json
from pipeline.evidence.setting import flags_of_row, setting_text
from pipeline.page.text import shown
from pipeline.plain import plain, plain_name
from pipeline.record import RecordStatus

FRONT_ROWS = 12
AXES_SHOWN = 4
CELLS_SHOWN = 4
BETTER = {"low": -1, "high": 1}


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
    print_robustness(found, console)
    if not found.recommendations:
        console.print("[bold red]No lane completed: nothing can be recommended.[/]")
    excluded = int(found.summary["lane_excluded_count"].sum())
    if excluded and not partial_words(found.run.manifest):
        total = excluded + int(found.summary["replicate_count"].sum())
        console.print(f"[yellow]{excluded:,} of {total:,} lanes failed or hit a limit; left out.[/]")
    print_places(found, console)


def print_cell(found: Analysis, chosen: Recommendation, console: Console) -> None:
    """One study cell: the recommended point against the baseline, then the front."""
    row = summary_row(found, chosen.point)
    console.print()
    console.print(Text.assemble(("Recommended for ", "bold"), (chosen.title, "bold")))
    console.print(Text("  " + setting_text(found.run, row), style="bold green"))
    reason = RULES[chosen.rule] + weights_text(found.run, chosen)
    console.print(Text(f"  {reason}", style="dim"), soft_wrap=True)
    if chosen.constraint_text:
        style = "" if chosen.feasible else "bold red"
        console.print(Text(f"  {chosen.constraint_text}", style=style), soft_wrap=True)
    if chosen.doubts:
        console.print(Text(f"  {chosen.doubts}", style="yellow"), soft_wrap=True)
    if chosen.twins:
        console.print(Text(f"  {twins_text(chosen.twins, 5)}", style="dim"))
    console.print(metrics_table(found, chosen, row))
    brief = front_brief(found, chosen, console.width) if chosen.choice is None else best_brief(found, chosen)
    console.print(brief)
    print_evidence(found, chosen, console)
    if chosen.sentence:
        console.print(Text(f"Gain:  {chosen.sentence}", style="bold"), soft_wrap=True)
    if chosen.flags is not None:
        console.print(Text(f"erl flags:  {flags_text(chosen.flags)}", style="bold green"), soft_wrap=True)
    # One line whatever the width, so that it can be copied.
    console.print(Text("Run it:  " + chosen.command), soft_wrap=True)


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
    for name in (n for n in headline(found.run) if f"{n}_mean" in row):
        cells: list[str | Text] = [metric_title(name), with_half(row, name)]
        if base:
            cells += [with_half(base, name), comparison_text(row, name)]
        table.add_row(*cells)
    return table


def with_half(row: Mapping[str, Any], name: str) -> str:
    """A mean and half the width of its 95 % interval; the mean alone with one replicate."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    text = shown(name, row[f"{name}_mean"])
    if row[f"{name}_mean"] is None or low is None or high is None:
        return text
    half = shown(name, (high - low) / 2).removesuffix(" %")
    return f"{text.removesuffix(' %')} ± {half}" + (" %" if text.endswith(" %") else "")


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
    known = sim.METRICS.get(name)
    good = BETTER.get(known.better if known else "", 0) * middle
    return Text(text, style="" if not clear or not good else ("green" if good > 0 else "red"))


def front_brief(found: Analysis, chosen: Recommendation, width: int = 100) -> Table:
    """The front from the best in its last objective on; a long one thinned to FRONT_ROWS.

    Swept numbers are shown as far as the width goes; means and how sure a place is always are.
    """
    front = found.front.filter(pl.col("point").is_in(chosen.points))
    brief = thinned(front, chosen.point)
    swept = [a for a in found.run.axes if is_policy_key(a) and a != "policy"]
    axes = [a for a in swept if brief[a].n_unique() > 1][:AXES_SHOWN]
    shown_metrics = dict.fromkeys((*found.run.goals.metrics, TAIL_METRIC))
    metrics = [n for n in shown_metrics if f"{n}_mean" in front.columns]
    columns = front_columns(brief, chosen.point, axes, metrics)
    while axes and total_width(columns) > width:
        axes.pop()
        columns = front_columns(brief, chosen.point, axes, metrics)
    title = f"Pareto front: {front.height} of {len(chosen.points)} points, ± half 95 % intervals"
    table = Table(box=None, padding=(0, 1), header_style="dim", title=title, title_justify="left")
    for heading, *cells in columns:
        # The words of a heading stand below each other, so that numbers alone say how wide a column is.
        justify: JustifyMethod = "left" if heading in ("", "policy") else "right"
        table.add_column(textwrap.fill(heading, column_width((heading, *cells))), justify=justify)
    rows = zip(*(cells for _, *cells in columns), strict=True)
    for point, row in zip(brief["point"], rows, strict=True):
        table.add_row(*row, style="bold green" if point == chosen.point else "")
    return table


def front_columns(
    brief: pl.DataFrame, point: int, axes: Sequence[str], metrics: Sequence[str]
) -> list[list[str]]:
    """The columns of the front's table, each with its heading first."""
    rows = brief.to_dicts()
    shares = [row["front_probability"] for row in rows]
    return [
        ["", *("→" if row["point"] == point else "" for row in rows)],
        ["point", *(str(row["point"]) for row in rows)],
        ["policy", *(str(row.get("policy", "")) for row in rows)],
        *[[plain_name(a).replace("_", " "), *(compact(row[a]) for row in rows)] for a in axes],
        *[
            [metric_title(n) + (" %" if is_share(n) else ""), *(brief_mean(row, n) for row in rows)]
            for n in metrics
        ],
        ["sure", *("n/a" if share is None else f"{share:.0%}" for share in shares)],
    ]


def total_width(columns: Sequence[Sequence[str]]) -> int:
    """Characters that a table needs if only the headings wrap."""
    return sum(2 + column_width(column) for column in columns)


def column_width(column: Sequence[str]) -> int:
    """Characters of a column: its longest cell, or the longest word of its heading."""
    return max(1, *map(len, (*column[0].split(), *column[1:])))


def brief_mean(row: Mapping[str, Any], name: str) -> str:
    """A mean and half its interval in few characters, with the digits that the interval leaves."""
    low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
    mean = row[f"{name}_mean"]
    if mean is None or low is None or high is None:
        return shown(name, mean).replace(" ", "").replace("%", "")
    scale = 100.0 if is_share(name) else metric_scale(name)
    half = scale * (high - low) / 2
    if not half:
        return shown(name, mean).replace(" ", "").replace("%", "") + "±0"
    most = 2 if is_share(name) else 3
    digits = min(most, max(0, 1 - math.floor(math.log10(half)))) if half < 10 else 0
    return f"{scale * mean:,.{digits}f}±{half:,.{digits}f}"


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
            values = with_half(row, name), difference_text(row, name)
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
        "robustness": robustness_json(found.robustness),
        "sensitivity": found.sensitivity.to_dicts(),
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
        "weights": found.run.goals.weights,
        "constraints": list(chosen.constraints),
        "feasible": chosen.feasible,
        "feasible_probability": chosen.feasible_probability,
        "ties": list(chosen.ties),
        "hypervolume": chosen.hypervolume,
        "twins": list(chosen.twins),
        "rivals": [{"point": p, "share": s} for p, s in chosen.rivals],
        "baseline": chosen.baseline,
        "metrics": interval_json(row, found.run.metrics),
        "front": [
            {
                "point": r["point"],
                "probability": r["front_probability"],
                **interval_json(r, found.run.goals.metrics),
            }
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
