"""Points of a run as a person asked for them: chosen, sorted, cut; as a table, as CSV or as data."""

import fnmatch
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.charts.parts import metric_title
from pipeline.compare import WIDTH_MAX, short, table_width
from pipeline.config.conditions import Column, columns_of, find_column, parse_conditions
from pipeline.config.schema_front import OBJECTIVES
from pipeline.errors import UserError, did_you_mean
from pipeline.evidence.analyse import finite
from pipeline.evidence.summary_table import compact
from pipeline.explorer.runs import FinishedRun, OpenRun
from pipeline.page.html import shown
from pipeline.plain import plain, plain_name

DEFAULT_METRICS = (*OBJECTIVES, "slowdown_p99", "throughput_per_s")
KINDS = ("mean", "low", "high")
RUN_HEADINGS = ("finished", "study", "run key", "points", "recommended")


@dataclass(frozen=True)
class Wish:
    """What is to be seen of a run.

    where   : conditions joined by `and`, or ""
    sort    : a column, with a - before it for the greatest first; "" = by rank
    top     : rows at most; None = all
    is_front: only points on the front
    metrics : names and patterns, comma-separated; "" = the usual ones
    """

    where: str = ""
    sort: str = ""
    top: int | None = None
    is_front: bool = False
    metrics: str = ""


def columns(run: OpenRun) -> list[Column]:
    """Every column of a run that a condition or an order may name."""
    tables = run.tables
    keys = dict.fromkeys([*tables.cell_keys, "policy", *tables.axes, *tables.points.columns])
    settings = [key for key in keys if key in run.summary.columns and key not in ("point", "baseline")]
    return columns_of(settings, tables.metrics)


def rows_of(run: OpenRun, wish: Wish) -> list[dict[str, Any]]:
    """The points that are wanted, in the order that is wanted; those without a value come last.

    Raises
    ------
    UserError for a condition or a column that is none
    """
    known = columns(run)
    conditions = parse_conditions(wish.where, known)
    order = find_column(wish.sort.lstrip("-+"), known) if wish.sort else Column("rank", "rank")
    rows = run.summary.sort(
        [pl.col(order.key), pl.col("point")], descending=[wish.sort.startswith("-"), False], nulls_last=True
    )
    if wish.is_front:
        rows = rows.filter(pl.col("pareto"))
    kept = [row for row in rows.iter_rows(named=True) if all(one.holds(row) for one in conditions)]
    return kept[: wish.top]


def metrics_of(run: OpenRun, wish: Wish) -> list[str]:
    """The metrics to show: those named, and those that a condition or the order is about.

    Raises
    ------
    UserError for a name that matches none
    """
    known = run.tables.metrics
    found: dict[str, None] = {}
    for word in filter(None, (part.strip() for part in wish.metrics.split(","))):
        names = fnmatch.filter(known, word)
        if not names:
            hint = did_you_mean(word, known) or "'*' shows all, 'migrations_*' some"
            raise UserError(f"{word}: no such metric", hint)
        found |= dict.fromkeys(names)
    if not found:
        found = dict.fromkeys(name for name in DEFAULT_METRICS if name in known)
    every = columns(run)
    asked = [one.column for one in parse_conditions(wish.where, every)]
    asked += [find_column(wish.sort.lstrip("-+"), every)] if wish.sort else []
    return list(found | dict.fromkeys(column.name for column in asked if column.is_metric))


def points_table(run: OpenRun, rows: Sequence[dict[str, Any]], metrics: Sequence[str]) -> Table:
    """Points for a terminal: ★ recommended, ● on the front, = baseline."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    settings = telling_settings(run, rows)
    for heading in ("", "point", *map(heading_of, settings)):
        table.add_column(heading, no_wrap=True, justify="right" if heading == "point" else "left")
    for metric in metrics:
        table.add_column(metric_title(metric).replace(" ", "\n"), justify="right", no_wrap=True)
    for row in rows:
        cells = [mark_of(row), str(row["point"]), *[compact(row[key]) for key in settings]]
        style = "bold green" if row["recommended"] else "" if row["pareto"] else "dim"
        table.add_row(*cells, *[metric_text(row, name) for name in metrics], style=style)
    return table


def telling_settings(run: OpenRun, rows: Sequence[dict[str, Any]]) -> list[str]:
    """The settings that tell rows apart; all where there is nothing to tell apart."""
    settings = run.settings()
    return [key for key in settings if len({row[key] for row in rows}) > 1] or settings


def heading_of(key: str) -> str:
    """A setting's heading, a word a line."""
    return plain_name(key).replace("_", "\n")


def mark_of(row: dict[str, Any]) -> str:
    """What a point is, in a character or two."""
    first = "★" if row["recommended"] else "●" if row["pareto"] else ""
    return first + ("=" if row.get("baseline") else "")


def metric_text(row: dict[str, Any], name: str) -> str:
    """A metric's mean as reports show it."""
    return shown(name, row[f"{name}_mean"])


def interval_text(row: dict[str, Any], name: str) -> str:
    """A metric's mean with half of its interval, in the unit of the report."""
    low, high = row[f"{name}_low"], row[f"{name}_high"]
    if low is None or high is None:
        return metric_text(row, name)
    return f"{metric_text(row, name)} ± {shown(name, (high - low) / 2).removesuffix(' %')}"


def print_points(run: OpenRun, wish: Wish, console: Console) -> None:
    """The table of points, and the command that runs the first of them again."""
    rows, metrics = rows_of(run, wish), metrics_of(run, wish)
    manifest = run.tables.manifest
    title = f"{manifest.get('study')}/{run.tables.folder.name}: {len(rows)} of {run.summary.height} points"
    console.print(Text(title, style="bold"), soft_wrap=True)
    if not rows:
        console.print("No point meets the conditions.")
        return
    table = points_table(run, rows, metrics)
    # A number is never cut: where the terminal is too narrow, its lines are too long.
    Console(file=console.file, width=max(console.width, min(WIDTH_MAX, table_width(table)))).print(table)
    console.print(Text("★ recommended  ● on the front  = baseline", style="dim"))
    console.print(Text(f"Point {rows[0]['point']} again:  {run.command(rows[0])}"), soft_wrap=True)


def points_json(run: OpenRun, wish: Wish) -> dict[str, Any]:
    """The points as data: marks, settings, every metric with its interval, and the command."""
    settings = run.settings()
    names = metrics_of(run, wish if wish.metrics else replace(wish, metrics="*"))
    manifest = run.tables.manifest
    return {
        "study": manifest.get("study"),
        "run_key": run.tables.folder.name,
        "folder": str(run.tables.folder.resolve()),
        "points": [
            {
                "point": row["point"],
                "rank": row["rank"],
                "front": row["pareto"],
                "recommended": row["recommended"],
                "baseline": bool(row.get("baseline")),
                "front_probability": row["front_probability"],
                "settings": {key: as_json(row[key]) for key in settings},
                "metrics": {n: {kind: finite(row[f"{n}_{kind}"]) for kind in KINDS} for n in names},
                "command": run.command(row),
            }
            for row in rows_of(run, wish)
        ],
    }


def as_json(value: Any) -> Any:
    """A setting as JSON holds it: an infinite number as a word."""
    return plain(value) if isinstance(value, float) and finite(value) is None else value


def points_csv(run: OpenRun, wish: Wish) -> str:
    """The points as CSV: marks, settings, means and ends of intervals."""
    names = [f"{name}_{kind}" for name in metrics_of(run, wish) for kind in KINDS]
    keys = ["point", "rank", "pareto", "recommended", *run.settings(), *names]
    rows = [{key: row[key] for key in keys} for row in rows_of(run, wish)]
    return pl.DataFrame(rows, schema={key: run.summary.schema[key] for key in keys}).write_csv()


def runs_table(runs: Sequence[FinishedRun], width: int) -> Table:
    """The finished sweeps for a terminal, newest first; only the recommended setting is cut to its width."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for heading in RUN_HEADINGS:
        table.add_column(heading, no_wrap=True, justify="right" if heading == "points" else "left")
    rows = [run_cells(run) for run in runs]
    fixed = sum(max(map(len, column)) + 2 for column in list(zip(RUN_HEADINGS, *rows, strict=True))[:-1])
    most = max(12, width - fixed - 2)
    for *cells, chosen in rows:
        table.add_row(*cells, chosen if len(chosen) <= most else chosen[: most - 1] + "…")
    return table


def run_cells(run: FinishedRun) -> list[str]:
    """A finished sweep in words."""
    when = run.finished.strftime("%Y-%m-%d %H:%M")
    chosen = run.recommended
    more = f" (and {len(chosen) - 1} more cells)" if len(chosen) > 1 else ""
    return [when, run.study, run.key, f"{run.points} × {run.replicates}", (chosen or ["-"])[0] + more]


def runs_json(runs: Sequence[FinishedRun]) -> str:
    """The finished sweeps as data."""
    return json.dumps(
        [
            {
                "study": run.study,
                "run_key": run.key,
                "folder": str(run.folder.resolve()),
                "finished": run.finished.isoformat(timespec="seconds"),
                "points": run.points,
                "replicates": run.replicates,
                "recommended": run.recommended,
            }
            for run in runs
        ],
        indent=1,
    )


def columns_table(run: OpenRun) -> Table:
    """Every name that a condition may use, with the range of its values."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for heading in ("name", "least", "greatest"):
        table.add_column(heading, no_wrap=True)
    for column in columns(run):
        values = run.summary[column.key].drop_nulls()
        if values.dtype.is_numeric() and len(values):
            low, high = (short(float(end)) for end in (values.min(), values.max()))  # type: ignore[arg-type]
            table.add_row(column.name, low, high)
        elif len(values):
            words = sorted({plain(value) for value in values})
            table.add_row(column.name, words[0], words[-1])
    return table
