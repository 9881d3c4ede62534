"""Words and numbers of a report: escaped text, metrics as people read them, the answer in two sentences."""

import html
import math
from collections.abc import Mapping
from typing import Any

import polars as pl

import sim
from pipeline.charts.parts import is_share, metric_title
from pipeline.config.goals import goals_of
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.cell import TAIL_METRIC
from pipeline.evidence.recommend import RULES, Recommendation
from pipeline.evidence.setting import setting_text
from pipeline.plain import number


def escape(value: object) -> str:
    """Text that is safe inside HTML."""
    return html.escape(str(value), quote=True)


def shown(name: str, value: float | None, sign: bool = False) -> str:
    """A metric's value for people: shares in per cent (differences in points), times in µs."""
    if value is None:
        return "n/a"
    if is_share(name):
        return f"{100 * value:+.2f} pp" if sign else f"{100 * value:.2f} %"
    return number(value / 1000 if name.endswith("_ns") else value, sign)


def sentences(run: RunTables, summary: pl.DataFrame, chosen: Recommendation) -> tuple[str, str]:
    """The answer of a study cell: what to use and why, and what it does against the baseline."""
    row = summary.row(by_predicate=pl.col("point") == chosen.point, named=True)
    reason = RULES[chosen.rule]
    first = (
        f"On {chosen.title}, use {setting_text(run, row, unlimited=False)} (point {chosen.point}): {reason}."
    )
    wanted = dict.fromkeys((*goals_of(run.config).metrics, TAIL_METRIC))
    if chosen.choice is not None:
        wanted = dict.fromkeys((run.config["objective"]["metric"], *wanted))
    names = [name for name in wanted if row.get(f"{name}_mean") is not None]
    if chosen.baseline is None or chosen.baseline == chosen.point:
        values = ", ".join(f"{metric_title(name)} {shown(name, row[f'{name}_mean'])}" for name in names)
        why = (
            "the study has no baseline to compare with" if chosen.baseline is None else "this is the baseline"
        )
        return first, f"It gives {values}; {why}."
    base = summary.row(by_predicate=pl.col("point") == chosen.baseline, named=True)
    parts = [change_text(name, row, base) for name in names]
    other = base.get("policy") or f"point {chosen.baseline}"
    return first, f"Against the baseline ({other}), {'; '.join(parts)}."


def change_text(name: str, row: Mapping[str, Any], base: Mapping[str, Any]) -> str:
    """From where to where a metric goes, whether that is better, and the interval of the difference."""
    before, after = base.get(f"{name}_mean"), row[f"{name}_mean"]
    low, high = row.get(f"{name}_diff_low"), row.get(f"{name}_diff_high")
    text = f"{metric_title(name)} goes from {shown(name, before)} to {shown(name, after)}"
    if low is None or high is None or math.isnan(low):
        return text
    better = {"low": -1, "high": 1}.get(getattr(sim.METRICS.get(name), "better", "") or "", 0)
    if low <= 0 <= high:
        word = ", no difference told from noise"
    else:
        word = "" if not better else " (better)" if better * low > 0 else " (worse)"
    spread = f"{shown(name, low, True)} to {shown(name, high, True)}"
    return f"{text}{word}, 95 % interval of the difference {spread}"


def folder_of(run: RunTables) -> str:
    """The run folder as the study's configuration names it, wherever this one may have been copied to."""
    top = str((run.config.get("outputs") or {}).get("folder", "outputs"))
    return f"{top}/{run.manifest.get('study', 'study')}/{run.manifest.get('run_key', run.folder.name)}"
