"""The answer of a study cell, in its report: two sentences, command, policy, and the baseline beside it."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipeline.charts.parts import metric_title
from pipeline.config.goals import goals_of
from pipeline.config.schema_front import OBJECTIVES
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.choice_text import flags_text
from pipeline.evidence.point_names import twins_text
from pipeline.evidence.policy_file import policy_file
from pipeline.evidence.recommend import Recommendation
from pipeline.page.text import escape, folder_of, sentences, shown

TIES_MOST = 10
COLUMNS = (
    *OBJECTIVES, "wasted_core_share", "slowdown_p99", "sojourn_p99_ns", "throughput_per_s",
    "migration_rate_per_s", "cache_hit_rate",
)  # fmt: skip


def answer_part(run: RunTables, summary: pl.DataFrame, chosen: Recommendation, place: int, of: int) -> str:
    """The recommended setting of one cell: what, why, how to use it, and against the baseline.

    Parameters
    ----------
    place, of : number of the cell, and of all cells
    """
    row = summary.row(by_predicate=pl.col("point") == chosen.point, named=True)
    first, second = sentences(run, summary, chosen)
    notes = [("Constraints", f"the setting {chosen.constraint_text}.")] if chosen.constraint_text else []
    notes += [("Note", f"{chosen.doubts}.")] if chosen.doubts else []
    if chosen.twins:
        notes.append(("Tie", f"{twins_text(chosen.twins)}."))
    if chosen.ties:
        points = ", ".join(map(str, chosen.ties[:TIES_MOST])) + (
            ", …" if len(chosen.ties) > TIES_MOST else ""
        )
        what = "point" if len(chosen.ties) == 1 else "points"
        notes.append(("Within noise", f"not told from this setting under the rule: {what} {points}."))
    volume = volume_text(chosen)
    notes += [
        (
            "Front",
            f"{len(chosen.front)} of {len(chosen.points)} settings" + (f"; {volume}." if volume else "."),
        )
    ]
    notes += [("Gain", f"{chosen.sentence}.")] if chosen.sentence else []
    notes += [("erl flags", flags_text(chosen.flags))] if chosen.flags is not None else []
    lines = "".join(f"<p class=note><b>{escape(word)}:</b> {escape(text)}</p>" for word, text in notes)
    title = f"<h3>{escape(chosen.title)}</h3>" if of > 1 else ""
    name = f"recommended-{chosen.slug}.yaml" if of > 1 else "recommended.yaml"
    folder = folder_of(run)
    policy = policy_file(run, summary, chosen)
    return (
        f"{title}<div class=answer><p><b>{escape(first)}</b></p><p>{escape(second)}</p>{lines}</div>"
        f"<p>Run it once:</p>{copied(f'command-{place}', chosen.command)}"
        f"<details><summary>The policy file {escape(name)}; to use it: policy={escape(folder)}/"
        f"{escape(name)}</summary>"
        f"{copied(f'policy-{place}', policy)}</details>"
        f"{against(run, summary, row, chosen)}"
    )


def seeds_part(run: RunTables, chosen: Sequence[Recommendation]) -> str:
    """How the recommendations do on other seeds, as metrics.json has it."""
    try:
        found = json.loads((run.folder / "metrics.json").read_text())
    except (OSError, ValueError):
        return ""
    parts = []
    for one in chosen:
        cell = found if len(chosen) == 1 else found.get(one.slug, {})
        same, regret = cell.get("same_on_other_seeds"), cell.get("regret_on_other_seeds")
        if same is not None and regret is not None:
            parts.append(
                f"On {one.title}, chosen on half of the replicates, the other half takes the same setting in "
                f"{same:.0%} of the splits, and loses {100 * regret:.1f} % of the front's extent by it."
            )
    return "".join(f"<p>{escape(text)}</p>" for text in ["Other seeds:", *parts]) if parts else ""


def volume_text(chosen: Recommendation) -> str:
    """The hypervolume of the front in words."""
    volume = chosen.hypervolume
    if not volume or volume.get("value") is None:
        return ""
    text = f"{volume['value']:.3f}"
    if volume.get("low") is not None and volume.get("high") is not None:
        text += f" (95 % interval {volume['low']:.3f} to {volume['high']:.3f})"
    return f"hypervolume {text} of the box between the best and the worst means"


def copied(name: str, text: str) -> str:
    """Text with a button that copies it."""
    return (
        f"<div class=code><pre id={name}>{escape(text)}</pre>"
        f"<button type=button data-copy={name}>copy</button></div>"
    )


def against(run: RunTables, summary: pl.DataFrame, row: Mapping[str, Any], chosen: Recommendation) -> str:
    """The recommended point beside the baseline, metric by metric."""
    if chosen.baseline is None:
        return "<p>This study has no baseline point to compare with.</p>"
    base = summary.row(by_predicate=pl.col("point") == chosen.baseline, named=True)
    titles = (
        "metric", f"recommended (point {chosen.point})", f"baseline (point {chosen.baseline})",
        "paired difference", "95 % interval", "change", "95 % interval",
    )  # fmt: skip
    lines = ["<tr>" + "".join(f"<th scope=col>{escape(title)}</th>" for title in titles) + "</tr>"]
    names = dict.fromkeys((*goals_of(run.config).metrics, *COLUMNS))
    for name in (c for c in names if f"{c}_mean" in row):
        low, high = row.get(f"{name}_diff_low"), row.get(f"{name}_diff_high")
        spread = "n/a" if low is None else f"{shown(name, low, True)} to {shown(name, high, True)}"
        cells = [
            shown(name, row[f"{name}_mean"]), shown(name, base[f"{name}_mean"]),
            shown(name, row.get(f"{name}_diff"), True), spread, *change_cells(row, name),
        ]  # fmt: skip
        tail = "".join(f"<td>{escape(c)}</td>" for c in cells)
        lines.append(f"<tr><td>{escape(metric_title(name))}</td>{tail}</tr>")
    return (
        "<div class=wide tabindex=0 role=region aria-label='recommended and baseline'>"
        f"<table>{''.join(lines)}</table></div>"
    )


def change_cells(row: Mapping[str, Any], name: str) -> tuple[str, str]:
    """The paired difference as a share of the baseline's mean, and its interval."""
    found = [row.get(f"{name}_change{end}") for end in ("", "_low", "_high")]
    middle, low, high = ("n/a" if value is None else f"{100 * value:+.2f} %" for value in found)
    return middle, "n/a" if "n/a" in (low, high) else f"{low} to {high}"
