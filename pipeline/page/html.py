"""The report of a run: one HTML page that needs no network, with the answer, charts and tables."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import polars as pl
import vl_convert

from pipeline.charts.figure import CONFIG, VEGA_LITE, Figure
from pipeline.evidence.aggregate import RunTables, write_text
from pipeline.evidence.partial import partial_words
from pipeline.evidence.recommend import Recommendation
from pipeline.page.again import again_part
from pipeline.page.answer import answer_part, seeds_part
from pipeline.page.asked import asked_part
from pipeline.page.figure import chart_data, figure_part
from pipeline.page.script import SCRIPT
from pipeline.page.style import STYLE
from pipeline.page.table import json_element, settings_table
from pipeline.page.text import escape, shown

__all__ = ["chart_library", "page", "shown", "write_report"]

SECTIONS = {
    "trade-off": ("Trade-off", "The trade-off"),
    "maps": ("Maps", "Metrics over what was swept"),
    "lane": ("One lane", "One lane over time"),
    "decisions": ("Decisions", "What became of attempted migrations"),
    "costs": ("Costs", "What migrations cost"),
    "spread": ("Spread", "Distributions by policy"),
    "sensitivity": ("Sensitivity", "Which parameter matters"),
    "robustness": ("Robustness", "Does it hold elsewhere?"),
    "rounds": ("Rounds", "Rounds of the design"),
}
"""Of the figures, in their order: word in the navigation, heading."""
ABSENT = {
    "sensitivity": "This run has no table of sensitivities, or nothing varies enough to tell.",
    "robustness": "This run has nothing to compare: that takes several workloads, machines or loads "
    "(experiment=robustness).",
}
"""Said where a section has no figure; others are left out."""
TABLES_MOST = 6


def write_report(
    run: RunTables,
    summary: pl.DataFrame,
    chosen: Sequence[Recommendation],
    figures: Sequence[Figure],
    library: str,
) -> Path:
    """Write `report.html` in the run folder; all charts share one copy of the chart library."""
    return write_text(run.folder / "report.html", page(run, summary, chosen, figures, library))


def chart_library() -> str:
    """The scripts that draw charts in a browser: the same text each time, put together in seconds."""
    # Its stub demands an argument that it does not need.
    make_library: Any = vl_convert.javascript_bundle
    return str(make_library(vl_version=VEGA_LITE))


def page(
    run: RunTables,
    summary: pl.DataFrame,
    chosen: Sequence[Recommendation],
    figures: Sequence[Figure],
    library: str,
) -> str:
    """The whole page; `library` is what `chart_library` gives."""
    title = f"Coreshift: {escape(run.manifest.get('study', 'study'))}"
    mark = partial_words(run.manifest)
    title += f" ({mark})" if mark else ""
    sections = sections_of(run, summary, chosen, figures)
    data = chart_data(figures)
    links = "".join(f"<li><a href='#{name}'>{escape(word)}</a></li>" for name, word, _, _ in sections)
    body = "".join(
        f"<section id={name}><h2>{escape(heading)}</h2>{text}</section>\n"
        for name, _, heading, text in sections
    )
    return (
        "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        # No tab asks for an icon that is not there.
        f"<link rel=icon href='data:,'><title>{title}</title><style>{STYLE}</style>"
        f"<script>{library if data else ''}</script></head><body>\n"
        f"<nav aria-label=sections><ul>{links}</ul></nav>\n"
        f"<header><h1>{title}</h1><p class=sub>{escape(run_line(run, summary))}</p>"
        f"{partial_part(mark)}"
        "<noscript><p>Charts and sorting need JavaScript; the answer and the first rows of the tables are "
        "here without it.</p></noscript></header>\n"
        f"<main>{body}</main>\n"
        f"{json_element('specs', data)}{json_element('chart-config', CONFIG)}"
        f"<script>{SCRIPT if data else ''}</script></body></html>\n"
    )


def partial_part(mark: str) -> str:
    """What stands above everything in a report on a run that is not finished."""
    hint = "The sweep was stopped: figures may change, and some settings may have no lane yet."
    return f"<p class=answer role=status><b>{escape(mark.capitalize())}.</b> {hint}</p>" if mark else ""


def sections_of(
    run: RunTables, summary: pl.DataFrame, chosen: Sequence[Recommendation], figures: Sequence[Figure]
) -> list[tuple[str, str, str, str]]:
    """Id, word in the navigation, heading and content of each section."""
    answers = "".join(answer_part(run, summary, found, i, len(chosen)) for i, found in enumerate(chosen))
    answers = answers or "<p class=answer>No lane completed: nothing can be recommended.</p>"
    found = [
        ("answer", "Answer", "The answer", answers),
        ("asked", "Asked", "What was asked", asked_part(run)),
    ]
    cell = chosen[0].title if len(chosen) == 1 else None
    for name, (word, heading) in SECTIONS.items():
        own = "".join(
            figure_part(figure, title_of(figure, heading, cell))
            for figure in figures
            if figure.section == name
        )
        if not own and name in ABSENT and chosen:
            own = f"<p class=none>{escape(ABSENT[name])}</p>"
        if name == "robustness":
            own += seeds_part(run, chosen)
        if own:
            found.append((name, word, heading, own))
    tables = [
        (f"<h3>{escape(one.title)}</h3>" if len(chosen) > 1 else "")
        + settings_table(run, summary, one, f"settings-{i}")
        for i, one in enumerate(chosen[:TABLES_MOST])
    ]
    if len(chosen) > TABLES_MOST:
        tables.append(f"<p>{len(chosen) - TABLES_MOST} further cells are in summary.parquet.</p>")
    if tables:
        found.append(("settings", "All settings", "All settings", "".join(tables)))
    found.append(("again", "Reproduce", "How to reproduce", again_part(run)))
    return found


def title_of(figure: Figure, heading: str, cell: str | None) -> str:
    """A figure's title below a heading, without the only study cell; "" if it says no more."""
    title = figure.title if cell is None else figure.title.removesuffix(f": {cell}")
    return "" if title == heading else title


def run_line(run: RunTables, summary: pl.DataFrame) -> str:
    """The run in one line."""
    excluded = int(summary["lane_excluded_count"].sum())
    lanes = int(summary["replicate_count"].sum())
    words = [
        *filter(None, [partial_words(run.manifest)]),
        f"run {run.manifest.get('run_key', run.folder.name)}", f"{summary.height:,} points",
        f"{lanes:,} lanes", f"seed {run.manifest.get('seed')}",
    ]  # fmt: skip
    if excluded and not partial_words(run.manifest):
        words.append(f"{excluded:,} lanes left out (failed, or hit a limit)")
    return " · ".join(words)
