"""All figures of a run, for its report and as files (Vega-Lite, without a network)."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import polars as pl
import vl_convert

from pipeline.charts.axes import grid_policy, is_sampled, numeric_axes, unplaced_note, with_numbers
from pipeline.charts.costs import cost_figure
from pipeline.charts.evidence import robustness_figure, rounds_figure, sensitivity_figure
from pipeline.charts.figure import VEGA_LITE, Figure, as_spec
from pipeline.charts.front import front_figure
from pipeline.charts.funnel import funnel_figure
from pipeline.charts.heat import heat_pairs, heat_panels, scatter_panels
from pipeline.charts.lane import lane_figure
from pipeline.charts.lines import dot_panels, line_panels
from pipeline.charts.rows import drawn_note, drawn_rows
from pipeline.charts.spread import spread_figure
from pipeline.evidence.aggregate import RunTables, write_text
from pipeline.evidence.recommend import Recommendation
from pipeline.page.lane import MIGRATIONS, QUEUES, lane_tables
from pipeline.plain import plain_name
from pipeline.run.files import write_atomic

__all__ = ["CELLS_MAX", "KINDS", "VEGA_LITE", "Figure", "Figures", "as_spec", "draw_figures"]

CELLS_MAX = 6
KINDS = ("png", "svg")
FURTHER_METRICS = 6
"""Maps of a second and third pair of axes are of the main metrics only."""


@dataclass(frozen=True)
class Figures:
    """All charts of a run, and the files they were written to."""

    specs: list[Figure]
    files: dict[str, Path]


def draw_figures(
    run: RunTables,
    summary: pl.DataFrame,
    chosen: Sequence[Recommendation],
    folder: Path,
    kinds: Sequence[str] | None = None,
) -> Figures:
    """Make the figures of each study cell (the first CELLS_MAX), and write them as files.

    Without `kinds` the main ones are written as PNG and SVG, with it all of them as those kinds. The cells'
    figures are followed by those of the whole study.
    """
    figures: list[Figure] = []
    for found in chosen[:CELLS_MAX]:
        rows = summary.filter(pl.col("point").is_in(found.points))
        suffix = f"-{found.slug}" if len(chosen) > 1 else ""
        drawn = drawn_rows(rows, found, min(len(chosen), CELLS_MAX), run.goals.objectives)
        figures += cell_figures(run, rows, drawn, found, suffix)
    figures += study_figures(run, chosen[:CELLS_MAX])
    files = {name: run.folder / name for name in (QUEUES, MIGRATIONS) if (run.folder / name).exists()}
    for figure in figures:
        if figure.panels and (kinds is not None or figure.is_main):
            files |= write_figure(figure, folder, KINDS if kinds is None else kinds)
    return Figures(figures, files)


def study_figures(run: RunTables, chosen: Sequence[Recommendation]) -> list[Figure]:
    """The figures of which there is one a study: a lane, and whether the answers hold elsewhere."""
    if not chosen:
        return []
    tables = [(lane_tables(run, found), found) for found in chosen[:1]]
    for found in chosen[1:]:
        # Of several cells, one whose machine and workload the run's configuration holds.
        if tables[-1][0].queues is not None:
            break
        tables.append((lane_tables(run, found), found))
    shown, cell = tables[-1] if tables[-1][0].queues is not None else tables[0]
    further = robustness_figure(run, chosen[0], "robustness")
    return [lane_figure(shown, cell, "lane"), *([] if further is None else [further])]


def cell_figures(
    run: RunTables, rows: pl.DataFrame, drawn: pl.DataFrame, chosen: Recommendation, suffix: str
) -> list[Figure]:
    """The figures of one study cell; `drawn` are the rows that a chart with a dot a setting shows."""
    further = (
        sensitivity_figure(run, chosen, f"sensitivity{suffix}"),
        rounds_figure(run, chosen, f"rounds{suffix}"),
    )
    return [
        front_figure(run, drawn, chosen, f"front{suffix}", drawn_note(drawn, rows)),
        *axis_figures(run, rows, drawn, chosen, suffix),
        funnel_figure(run, rows, chosen, f"funnel{suffix}"),
        cost_figure(run, rows, chosen, f"costs{suffix}"),
        spread_figure(run, rows, chosen, f"spread{suffix}"),
        *[figure for figure in further if figure is not None],
    ]


def axis_figures(
    run: RunTables, rows: pl.DataFrame, drawn: pl.DataFrame, chosen: Recommendation, suffix: str
) -> list[Figure]:
    """Metrics over what was swept: maps of two axes, and lines along the first."""
    axes = numeric_axes(run, rows)
    if not axes:
        return [
            Figure(f"heat{suffix}", "maps", f"Metrics over the sweep: {chosen.title}", "",
                   note="No number of a policy was swept, so there is no axis to draw along.")
        ]  # fmt: skip
    note = drawn_note(drawn, rows)
    made: list[Figure] = []
    sampled = is_sampled(run, rows, axes)
    if sampled and len(axes) >= 2 and with_numbers(drawn, axes[:2]).height > 1:
        text = "Means over replicates, a dot a setting: the design is no grid."
        text += note + unplaced_note(drawn, axes[:2])
        title = f"{plain_name(axes[0])} × {plain_name(axes[1])}: {chosen.title}"
        made.append(Figure(f"heat{suffix}", "maps", title, text, scatter_panels(run, drawn, axes),
                           pick=True, is_main=True))  # fmt: skip
    for number, pair in enumerate([] if sampled else heat_pairs(run, rows, chosen, axes)):
        text = (
            f"Means over replicates, policy {grid_policy(run, rows, chosen, pair)}; light is low, dark is "
            "high. The recommended setting is framed."
        )
        title = f"{plain_name(pair[0])} × {plain_name(pair[1])}: {chosen.title}"
        name = f"heat{number + 1 if number else ''}{suffix}"
        panels = heat_panels(run, rows, chosen, pair, None if number == 0 else FURTHER_METRICS)
        made.append(Figure(name, "maps", title, text, panels, pick=True, is_main=number == 0))
    if sampled:
        panels, keys = dot_panels(run, drawn, chosen, axes[0])
    else:
        panels, keys = line_panels(run, rows, chosen, axes)
    text = "Means over replicates" + (", a dot a setting" if sampled else " with 95 % bands")
    text += "; the dotted line is the recommended value."
    text += note + unplaced_note(drawn, axes[:1]) if sampled else ""
    title = f"Metrics along {plain_name(axes[0])}: {chosen.title}"
    made.append(Figure(f"lines{suffix}", "maps", title, text, panels, keys, is_main=True))
    return made


def write_figure(figure: Figure, folder: Path, kinds: Sequence[str] = KINDS) -> dict[str, Path]:
    """Write one figure as files."""
    if not kinds:
        return {}
    svg = vl_convert.vegalite_to_svg(json.dumps(figure.spec), vl_version=VEGA_LITE)
    folder.mkdir(parents=True, exist_ok=True)
    files: dict[str, Path] = {}
    # Not with_suffix: a cell's name may have dots in it.
    if "png" in kinds:
        picture = folder / f"{figure.name}.png"
        # The same picture as from the specification, which would be worked out a second time.
        write_atomic(picture, vl_convert.svg_to_png(svg, scale=2))
        files[picture.name] = picture
    if "svg" in kinds:
        drawing = write_text(folder / f"{figure.name}.svg", svg)
        files[drawing.name] = drawing
    return files
