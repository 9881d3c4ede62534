"""The report of a run: one HTML page that needs no network, with the answer, charts and tables."""

import html
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import polars as pl
import vl_convert

import sim
from pipeline.aggregate import RunTables, write_text
from pipeline.chart_parts import is_share, metric_title
from pipeline.choice_text import flags_text
from pipeline.figures import VEGA_LITE, Figure
from pipeline.recommend import RULES, Recommendation, number, setting_text
from pipeline.schema_front import OBJECTIVES

ROWS_MAX = 200
COLUMNS = (
    *OBJECTIVES, "wasted_core_share", "slowdown_p99", "sojourn_p99_ns", "throughput_per_s",
    "migration_rate_per_s", "cache_hit_rate",
)  # fmt: skip
STYLE = """
body{font:15px/1.5 system-ui,sans-serif;color:#222;max-width:1240px;margin:2rem auto;padding:0 1rem}
h1{font-size:1.6rem;margin-bottom:.2rem}h2{font-size:1.2rem;margin-top:2.2rem;border-bottom:1px solid #ddd}
.sub{color:#666}.answer{border-left:4px solid #D55E00;background:#fff6f0;padding:.6rem 1rem;margin:1rem 0}
pre{background:#f4f4f4;padding:.6rem .8rem;white-space:pre-wrap;border-radius:4px;font-size:13px}
table{border-collapse:collapse;font-size:13px;margin:.6rem 0}th,td{padding:.25rem .6rem;text-align:right}
th{border-bottom:2px solid #999;vertical-align:bottom}td{border-bottom:1px solid #eee}
td:first-child,th:first-child,.left{text-align:left}.wide{overflow-x:auto}
.ci{color:#777;font-size:11px;display:block}
tr.recommended td{background:#fff0e5;font-weight:600}tr.baseline td{background:#f1f1f1}
figure{margin:1.4rem 0}figcaption{color:#555;font-size:13px;max-width:820px}
"""
EMBED = """{ const SPECS = JSON.parse(document.getElementById('specs').textContent);
for (const [name, spec] of Object.entries(SPECS)) vegaEmbed('#' + name, spec, {actions: false}); }"""


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
    study = str(run.manifest.get("study", "study"))
    specs = {f"chart{i}": figure.spec for i, figure in enumerate(figures)}
    # A "<" in the data could end the script element.
    data = json.dumps(specs).replace("<", "\\u003c")
    body = [
        f"<h1>Coreshift: {escape(study)}</h1>",
        f"<p class=sub>{escape(run_line(run, summary))}</p>",
        *[answer(run, summary, found) for found in chosen],
        *([] if chosen else ["<p class=answer>No lane completed: nothing can be recommended.</p>"]),
        "<h2>Charts</h2>",
        *[figure_part(f"chart{i}", figure) for i, figure in enumerate(figures)],
        *[table_part(run, summary, found) for found in chosen],
        "<h2>What the metrics mean</h2>", glossary(run),
        "<h2>Where this comes from</h2>", provenance(run),
    ]  # fmt: skip
    return (
        "<!DOCTYPE html>\n<html lang=en><head><meta charset=utf-8>"
        "<meta name=viewport content='width=device-width, initial-scale=1'>"
        f"<title>Coreshift: {escape(study)}</title><style>{STYLE}</style>"
        f"<script>{library if figures else ''}</script></head><body>\n" + "\n".join(body) + "\n"
        f"<script type='application/json' id=specs>{data}</script>"
        + (f"<script>{EMBED}</script>" if figures else "")
        + "</body></html>\n"
    )


def escape(value: object) -> str:
    """Text that is safe inside HTML."""
    return html.escape(str(value), quote=True)


def run_line(run: RunTables, summary: pl.DataFrame) -> str:
    """The run in one line."""
    excluded = int(summary["lane_excluded_count"].sum())
    lanes = int(summary["replicate_count"].sum())
    words = [
        f"run {run.manifest.get('run_key', run.folder.name)}", f"{summary.height:,} points",
        f"{lanes:,} lanes", f"seed {run.manifest.get('seed')}",
    ]  # fmt: skip
    if excluded:
        words.append(f"{excluded:,} lanes left out (failed, or hit a limit)")
    return " · ".join(words)


def answer(run: RunTables, summary: pl.DataFrame, chosen: Recommendation) -> str:
    """The recommended setting of one cell: what, why, how to use it, and against the baseline."""
    row = summary.row(by_predicate=pl.col("point") == chosen.point, named=True)
    doubt = f"<br><b>Note:</b> {escape(chosen.doubts)}" if chosen.doubts else ""
    if chosen.twins:
        doubt += f"<br><b>Tie:</b> {len(chosen.twins)} other settings gave exactly this: points "
        doubt += escape(", ".join(map(str, chosen.twins)))
    doubt += f"<br><b>Gain:</b> {escape(chosen.sentence)}." if chosen.sentence else ""
    doubt += f"<br><b>erl flags:</b> {escape(flags_text(chosen.flags))}" if chosen.flags is not None else ""
    return (
        f"<h2>{escape(chosen.title)}</h2>"
        f"<div class=answer><b>Recommended: {escape(setting_text(run, row))}</b> "
        f"(point {chosen.point})<br>{escape(RULES[chosen.rule])}.{doubt}</div>"
        f"<pre>{escape(chosen.command)}</pre>{against(summary, row, chosen)}"
    )


def against(summary: pl.DataFrame, row: Mapping[str, Any], chosen: Recommendation) -> str:
    """The recommended point beside the baseline, metric by metric."""
    if chosen.baseline is None:
        return "<p>This study has no baseline point to compare with.</p>"
    base = summary.row(by_predicate=pl.col("point") == chosen.baseline, named=True)
    titles = (
        "metric", "recommended", "baseline", "paired difference", "95 % interval", "change", "95 % interval",
    )  # fmt: skip
    lines = ["<tr>" + "".join(f"<th>{title}</th>" for title in titles) + "</tr>"]
    for name in (c for c in COLUMNS if f"{c}_mean" in row):
        low, high = row.get(f"{name}_diff_low"), row.get(f"{name}_diff_high")
        spread = "n/a" if low is None else f"{shown(name, low, True)} to {shown(name, high, True)}"
        cells = [
            shown(name, row[f"{name}_mean"]), shown(name, base[f"{name}_mean"]),
            shown(name, row.get(f"{name}_diff"), True), spread, *change_cells(row, name),
        ]  # fmt: skip
        tail = "".join(f"<td>{escape(c)}</td>" for c in cells)
        lines.append(f"<tr><td>{escape(metric_title(name))}</td>{tail}</tr>")
    return f"<table>{''.join(lines)}</table>"


def change_cells(row: Mapping[str, Any], name: str) -> tuple[str, str]:
    """The paired difference as a share of the baseline's mean, and its interval."""
    found = [row.get(f"{name}_change{end}") for end in ("", "_low", "_high")]
    middle, low, high = ("n/a" if value is None else f"{100 * value:+.2f} %" for value in found)
    return middle, "n/a" if "n/a" in (low, high) else f"{low} to {high}"


def shown(name: str, value: float | None, sign: bool = False) -> str:
    """A metric's value for people: shares in per cent (differences in points), times in µs."""
    if value is None:
        return "n/a"
    if is_share(name):
        return f"{100 * value:+.2f} pp" if sign else f"{100 * value:.2f} %"
    return number(value / 1000 if name.endswith("_ns") else value, sign)


def figure_part(name: str, figure: Figure) -> str:
    """One chart with its title and caption."""
    return (
        f"<figure><h3>{escape(figure.title)}</h3><div id={name}></div>"
        f"<figcaption>{escape(figure.caption)}</figcaption></figure>"
    )


def table_part(run: RunTables, summary: pl.DataFrame, chosen: Recommendation) -> str:
    """The front, and then the other settings of a cell, at most ROWS_MAX rows."""
    rows = summary.filter(pl.col("point").is_in(chosen.points))
    order = "The front first."
    if chosen.choice is None:
        rows = rows.sort("pareto", f"{OBJECTIVES[1]}_mean", "point", descending=[True, False, False])
    else:
        metric = run.config["objective"]["metric"]
        order = f"The best {metric_title(metric)} first."
        is_high = sim.METRICS[metric].better == "high"
        rows = rows.sort(f"{metric}_mean", "point", descending=[is_high, False], nulls_last=True)
    names = [c for c in COLUMNS if f"{c}_mean" in rows.columns]
    head = "".join(f"<th>{escape(metric_title(n))}</th>" for n in names)
    lines = [f"<tr><th>setting</th><th>point</th><th>on the front</th>{head}</tr>"]
    lines += [table_row(run, row, names, chosen) for row in rows.head(ROWS_MAX).iter_rows(named=True)]
    rest = max(rows.height - ROWS_MAX, 0)
    more = f"<p>{rest:,} more rows are in summary.parquet.</p>" if rest else ""
    return (
        f"<h2>Settings: {escape(chosen.title)}</h2><p>{order} Shares of bootstrap resamples "
        f"in brackets; ± is half a 95 % interval.</p><div class=wide><table>{''.join(lines)}</table></div>"
        + more
    )


def table_row(run: RunTables, row: Mapping[str, Any], names: Sequence[str], chosen: Recommendation) -> str:
    """One setting."""
    share = row["front_probability"]
    place = "yes" if row["pareto"] else "no"
    place += "" if share is None else f" ({share:.0%})"
    kind = {chosen.point: " class=recommended", chosen.baseline: " class=baseline"}
    cells = []
    for name in names:
        low, high = row[f"{name}_low"], row[f"{name}_high"]
        half = "" if low is None else f" <span class=ci>± {shown(name, (high - low) / 2)}</span>"
        cells.append(f"<td>{shown(name, row[f'{name}_mean'])}{half}</td>")
    first = f"<td>{escape(setting_text(run, row))}</td><td>{row['point']}</td><td>{place}</td>"
    return f"<tr{kind.get(row['point'], '')}>{first}{''.join(cells)}</tr>"


def glossary(run: RunTables) -> str:
    """Definition of each metric, as the simulator gives it."""
    known = getattr(sim, "METRICS", {})
    lines = [
        f"<tr><td>{escape(n)}</td><td class=left>{escape(known[n].unit)}</td>"
        f"<td class=left>{escape(known[n].text)}</td></tr>"
        for n in run.metrics
        if n in known
    ]
    return f"<table><tr><th>metric</th><th>unit</th><th>meaning</th></tr>{''.join(lines)}</table>"


def provenance(run: RunTables) -> str:
    """The manifest as a table of two columns."""
    long = ("policies", "baseline_policies")
    lines = [
        f"<tr><td>{escape(key)}</td><td class=left>{escape(json.dumps(value, default=str))}</td></tr>"
        for key, value in run.manifest.items()
        if key not in long
    ]
    return f"<table>{''.join(lines)}</table>"
