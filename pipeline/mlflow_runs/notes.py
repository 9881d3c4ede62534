"""The descriptions that MLflow shows of a study, a sweep and a point, in Markdown: the answer first."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from pipeline.charts.parts import is_share, metric_title
from pipeline.config.goals import goals_of
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.point_names import ROLE_TEXTS, ROLES, role_of, setting_of
from pipeline.evidence.recommend import RULES, Recommendation
from pipeline.evidence.setting import setting_text
from pipeline.mlflow_runs.rows import HEADLINE, objectives_of, words
from pipeline.mlflow_runs.views import RANKING, TRADEOFF, compare_address, run_address, view_address
from pipeline.place import ROOT
from pipeline.plain import number

# More runs side by side than these are no comparison, and a long address.
COMPARED_MAX = 20
NOTHING = "No lane completed: nothing can be recommended."
FILTERS = {"recommended": "recommended", "Pareto front": "pareto", "baseline": "baseline", "failed": "failed"}


@dataclass(frozen=True)
class Links:
    """MLflow's ids of what the notes point to.

    experiment : the study
    parent     : the sweep's run
    children   : point -> its run
    """

    experiment: str
    parent: str
    children: Mapping[int, str] = field(default_factory=dict)

    def point(self, number_of: int) -> str:
        """A point as a link to its run, or in words if it has none."""
        text = f"point {number_of}"
        if number_of not in self.children:
            return text
        return f"[{text}]({run_address(self.experiment, self.children[number_of])})"


def experiment_note(
    run: RunTables, summary: pl.DataFrame, chosen: Sequence[Recommendation], links: Links
) -> str:
    """The note on top of a study's page. Lists of studies show its first words without Markdown."""
    key = str(run.manifest.get("run_key", run.folder.name))
    lines = [answer_sentence(run, summary, one) for one in chosen]
    marks = ", ".join(f"{sign} {ROLE_TEXTS[role]}" for role, sign in ROLES.items())
    filters = "\n".join(
        f"- {name}: `tags.{tag} = 'true' and tags.run_key = '{key}'`" for name, tag in FILTERS.items()
    )
    places = (
        f"[Ranking]({view_address(links.experiment, RANKING)}) · "
        f"[Trade-off charts]({view_address(links.experiment, TRADEOFF)}) · "
        f"[The latest sweep, {key[:8]}]({run_address(links.experiment, links.parent)}), with its report, "
        "figures and tables"
    )
    legend = (
        f"Each child run is one setting (means over replicates): {marks}. `rank` 1 is recommended. "
        "Filters for the latest sweep:"
    )
    return "\n\n".join([*(lines or [NOTHING]), places, legend, filters])


def answer_sentence(run: RunTables, summary: pl.DataFrame, found: Recommendation) -> str:
    """The answer for one study cell in a sentence of plain text."""
    row = row_of(summary, found.point)
    gains = []
    for name in objectives_of(run):
        gain = difference(row, name)
        told = f" ({gain} against the baseline)" if gain else ""
        gains.append(f"{plain_title(name)} {shown(name, row[f'{name}_mean'])}{told}")
    return f"For {found.title}: {setting_of(run, row)}, with {' and '.join(gains)}."


def sweep_note(run: RunTables, summary: pl.DataFrame, chosen: Sequence[Recommendation], links: Links) -> str:
    """The description of a sweep's run: the answer of each study cell, and where the rest is."""
    parts = [cell_part(run, summary, found, links) for found in chosen]
    if not parts:
        parts.append(NOTHING)
    failed = int(summary["lane_excluded_count"].sum())
    if failed:
        total = failed + int(summary["replicate_count"].sum())
        parts.append(
            f"**{failed} of {total} lanes have no result** (filter `tags.failed = 'true'`; reasons in the "
            "artifact `failures.json` where the simulator failed)."
        )
    parts.append(
        f"[Ranking]({view_address(links.experiment, RANKING)}) · "
        f"[Trade-off charts]({view_address(links.experiment, TRADEOFF)}) · "
        f"[Report]({run_address(links.experiment, links.parent, 'report.html')})"
    )
    parts.append(
        f"Made by\n\n```\n{command_text(run)}\n```\n\nand checked by\n\n```\npython -m pipeline.reproduce "
        f"{links.parent}\n```\n\nTables: `{shown_folder(run.folder)}`"
    )
    if len(links.children) < summary.height:
        parts.append(
            f"{len(links.children)} of {summary.height} points have a run here: the recommended one, the "
            "baseline, the best, the front as far as there is room, and a sample. All of them:\n\n"
            f"```\npython -m pipeline.report run={run.folder} record=true "
            f"tracking.children={summary.height}\n```"
        )
    return "\n\n".join(parts)


def cell_part(run: RunTables, summary: pl.DataFrame, found: Recommendation, links: Links) -> str:
    """What one study cell came to."""
    row = row_of(summary, found.point)
    lines = [f"### {found.title}", f"**Recommended: {setting_of(run, row)}** ({links.point(found.point)})"]
    base = None if found.baseline in (None, found.point) else row_of(summary, found.baseline or 0)
    lines.append(gain_table(run, row, base))
    if constraints := constraint_lines(run, row):
        lines.append("Constraints:\n\n" + "\n".join(constraints))
    lines.append(f"Why: {RULES[found.rule]}.")
    if found.doubts:
        lines.append(f"*Note: {found.doubts}.*")
    if found.sentence:
        lines.append(f"Gain: {found.sentence}.")
    lines.append(f"```\n{found.command}\n```")
    places = ["The policy is the artifact `recommended.yaml`."]
    front = [links.children[p] for p in found.front if p in links.children][:COMPARED_MAX]
    if len(front) > 1:
        places.append(f"[The front's runs side by side]({compare_address(links.experiment, front)}).")
    if found.baseline is not None:
        places.append(f"The baseline is {links.point(found.baseline)}.")
    return "\n\n".join([*lines, " ".join(places)])


def point_note(run: RunTables, row: Mapping[str, Any], links: Links, parts: Sequence[Path]) -> str:
    """The description of a point's run: its part in the answer, what it gave, and its lanes."""
    sure = row.get("front_probability")
    lines = [f"**{ROLES[role_of(row)]} {ROLE_TEXTS[role_of(row)]}**: {setting_text(run, row)}"]
    if sure is not None:
        lines.append(f"On the front in {sure:.0%} of the bootstrap resamples.")
    if row["replicate_count"]:
        lines.append(gain_table(run, row, None))
        lines += ["\n".join(found)] if (found := constraint_lines(run, row)) else []
    if row["lane_excluded_count"]:
        lines.append(f"**{row['lane_excluded_count']} of its lanes have no result.**")
    lines.append(lanes_text(run, int(row["point"]), parts))
    lines.append(f"[Its sweep]({run_address(links.experiment, links.parent)})")
    return "\n\n".join(lines)


def lanes_text(run: RunTables, point: int, parts: Sequence[Path]) -> str:
    """Where a point's lanes are, and the line that reads them."""
    folder = shown_folder(run.folder)
    names = ", ".join(f"`{path.relative_to(run.folder.resolve())}`" for path in parts) or "none"
    read = f'pl.read_parquet("{folder}/lanes/*.parquet").filter(pl.col("point") == {point})'
    return (
        f"Its lanes: point {point} in `{folder}`, {names}; small tables are among the sweep's artifacts too."
        f"\n\n```\nimport polars as pl; {read}\n```"
    )


def gain_table(run: RunTables, row: Mapping[str, Any], base: Mapping[str, Any] | None) -> str:
    """Objectives and headline metrics with intervals, and how they compare with the baseline as pairs."""
    names = [n for n in dict.fromkeys((*objectives_of(run), *HEADLINE)) if row.get(f"{n}_mean") is not None]
    heads = ["metric", "mean", "95 % interval", *([] if base is None else ["baseline"])]
    has_gain = any(row.get(f"{n}_diff") is not None for n in names) and not row.get("baseline")
    heads += ["against the baseline (paired, 95 %)"] if has_gain else []
    lines = [heads, ["---"] * len(heads)]
    for name in names:
        low, high = row.get(f"{name}_low"), row.get(f"{name}_high")
        interval = "" if low is None or high is None else f"{shown(name, low)} to {shown(name, high)}"
        cells = [metric_title(name), shown(name, row[f"{name}_mean"]), interval]
        cells += [] if base is None else [shown(name, base.get(f"{name}_mean"))]
        lines.append([*cells, *([difference(row, name)] if has_gain else [])])
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def difference(row: Mapping[str, Any], name: str) -> str:
    """The paired difference of a metric from the baseline, with its interval; "" if there is none."""
    middle, low, high = (row.get(f"{name}_diff{end}") for end in ("", "_low", "_high"))
    if middle is None or row.get("baseline"):
        return ""
    text = shown(name, middle, sign=True)
    if low is not None and high is not None:
        text += f" [{shown(name, low, sign=True)}, {shown(name, high, sign=True)}]"
    return text


def constraint_lines(run: RunTables, row: Mapping[str, Any]) -> list[str]:
    """Each constraint of the study, and whether a point meets it."""
    lines = []
    sure = row.get("feasible_probability")
    for one in goals_of(run.config).constraints:
        value = row.get(f"{one.metric}_mean")
        is_met = value is not None and bool(one.holds(np.array([value]))[0])
        lines.append(f"- `{one.text}`: {'met' if is_met else '**broken**'} ({shown(one.metric, value)})")
    if lines and sure is not None:
        lines.append(f"- all of them met in {sure:.0%} of the bootstrap resamples")
    return lines


def shown(name: str, value: float | None, sign: bool = False) -> str:
    """A metric's value for people: shares in per cent (differences in points), times in µs."""
    if value is None:
        return "n/a"
    if is_share(name):
        return f"{100 * value:+.2f} pp" if sign else f"{100 * value:.2f} %"
    return number(value / 1000 if name.endswith("_ns") else value, sign)


def plain_title(name: str) -> str:
    """A metric's name in a sentence."""
    return metric_title(name).partition(" (")[0]


def row_of(summary: pl.DataFrame, point: int) -> dict[str, Any]:
    """The summary row of a point."""
    return summary.row(by_predicate=pl.col("point") == point, named=True)


def command_text(run: RunTables) -> str:
    """The sweep's command."""
    return words(run.manifest.get("command")) or "unknown"


def shown_folder(folder: Path) -> str:
    """A run folder as one writes it from the checkout's top level."""
    found = folder.resolve()
    return str(found.relative_to(ROOT)) if found.is_relative_to(ROOT) else str(found)
