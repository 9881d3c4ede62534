"""`python -m pipeline.compare STUDY [metric,metric,...]`: the points of a finished run side by side.

    python -m pipeline.compare faults stranded_count,throughput_per_s     the newest run of a study
    python -m pipeline.compare outputs/faults/3f2a... format=csv          one run, headline metrics

Points are rows, whatever their machine, workload or faults; metrics are means over replicates with
half a 95 % interval. A part of a metric's name will do with a *: migrations_*. Lanes that failed
are left out of the means and counted. `outputs.folder=FOLDER` is where studies lie; `format=csv`
and `format=json` (or --json) print means, low and high ends.
"""

import fnmatch
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table

from pipeline.entry import run_main, split_words
from pipeline.errors import UserError, did_you_mean
from pipeline.evidence.aggregate import LABELS, RunTables, read_run, summarise
from pipeline.evidence.analyse import HEADLINE
from pipeline.plain import plain

WIDTH_MAX = 400
DEFAULTS = {"outputs.folder": "outputs", "outputs": "", "format": "table", "output": ""}


def compare(words: Sequence[str]) -> int:
    """Print the table."""
    positional, options = split_words(words, DEFAULTS)
    if not 1 <= len(positional) <= 2 or words[0] in ("-h", "--help"):
        print((__doc__ or "").strip())
        return 0 if words and words[0] in ("-h", "--help") else 2
    form = options["output"] or options["format"]
    if form not in ("table", "csv", "json"):
        raise UserError(f"format = {form!r}: must be table or csv, or json")
    run = read_run(run_folder(positional[0], Path(options["outputs"] or options["outputs.folder"])))
    metrics = chosen_metrics(run, positional[1]) if len(positional) > 1 else default_metrics(run)
    summary = summarise(run)
    if form != "table":
        frame = csv_frame(run, summary, metrics)
        print(frame.write_csv() if form == "csv" else frame.write_json(), end="" if form == "csv" else "\n")
        return 0
    table = points_table(run, summary, metrics)
    # A number is never cut: where the terminal is too narrow, its lines are too long.
    console = Console()
    wide = Console(width=max(console.width, min(WIDTH_MAX, table_width(table))))
    wide.print(table)
    return 0


def run_folder(text: str, outputs: Path) -> Path:
    """A run folder: the one named, or the newest of a study.

    Raises
    ------
    UserError if there is none
    """
    path = Path(text)
    if (path / "points.parquet").is_file():
        return path
    study = path if path.is_dir() else outputs / text
    runs = [folder.parent for folder in study.glob("*/points.parquet")]
    if not runs:
        known = sorted({found.parent.parent.name for found in outputs.glob("*/*/points.parquet")})
        hint = did_you_mean(text, known) or f"studies in {outputs}: {', '.join(known) or 'none'}"
        raise UserError(f"{text}: neither a run folder nor a study in {outputs}", hint)
    return max(runs, key=lambda folder: (folder / "points.parquet").stat().st_mtime_ns)


def chosen_metrics(run: RunTables, text: str) -> list[str]:
    """Metrics by name or pattern, in the order given.

    Raises
    ------
    UserError for a name that matches none
    """
    found: dict[str, None] = {}
    for word in filter(None, (part.strip() for part in text.split(","))):
        names = fnmatch.filter(run.metrics, word)
        if not names:
            hint = did_you_mean(word, run.metrics) or "'*' shows all, 'migrations_*' some"
            raise UserError(f"{word}: no such metric", hint)
        found |= dict.fromkeys(names)
    return list(found)


def default_metrics(run: RunTables) -> list[str]:
    """The headline metrics that the run has."""
    return [name for name in HEADLINE if name in run.metrics]


def setting_columns(run: RunTables, summary: pl.DataFrame) -> list[str]:
    """What tells the points apart: labels and axes with more than one value."""
    keys = dict.fromkeys([*LABELS, *run.axes])
    return [key for key in keys if key in summary.columns and summary[key].n_unique() > 1]


def points_table(run: RunTables, summary: pl.DataFrame, metrics: Sequence[str]) -> Table:
    """The points for a terminal."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    keys = setting_columns(run, summary)
    for key in ("point", *keys):
        table.add_column(heading(key), no_wrap=True)
    for metric in (*metrics, "lanes"):
        table.add_column(heading(metric), justify="right", no_wrap=True)
    for row in summary.iter_rows(named=True):
        lanes = f"{row['replicate_count']}/{row['replicate_count'] + row['lane_excluded_count']}"
        settings = [plain(row[key]) for key in keys]
        values = [value_text(row, metric) for metric in metrics]
        table.add_row(str(row["point"]), *settings, *values, lanes)
    return table


def heading(name: str) -> str:
    """A column's name on several lines."""
    words = name.removeprefix("policy.").removeprefix("workload.classes.").replace(".", " ").split("_")
    return "\n".join(part for word in words for part in word.split())


def value_text(row: Mapping[str, Any], metric: str) -> str:
    """A mean with half of its interval; a dash if no lane counts."""
    mean, low, high = (row[f"{metric}_{kind}"] for kind in ("mean", "low", "high"))
    if mean is None:
        return "-"
    text = short(mean)
    return text if low is None or high is None or high == low else f"{text} ±{short((high - low) / 2)}"


def short(value: float) -> str:
    """Four digits, whole numbers whole."""
    if value and (abs(value) >= 1e7 or abs(value) < 1e-3):
        return f"{value:.3g}"
    return f"{value:.0f}" if abs(value) >= 1000 or value == int(value) else f"{value:.4g}"


def table_width(table: Table) -> int:
    """Columns of the terminal that a table needs."""
    return Console(width=WIDTH_MAX).measure(table).maximum


def csv_frame(run: RunTables, summary: pl.DataFrame, metrics: Sequence[str]) -> pl.DataFrame:
    """The points as numbers for other programs."""
    kinds = [f"{metric}_{kind}" for metric in metrics for kind in ("mean", "low", "high")]
    counts = ("replicate_count", "lane_excluded_count")
    return summary.select("point", *setting_columns(run, summary), *counts, *kinds)


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.compare` and `coreshift compare`."""
    return run_main(compare, words)


if __name__ == "__main__":
    sys.exit(main())
