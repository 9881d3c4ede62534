"""One call after a sweep: tables, front, recommendation, figures and report of a run folder."""

import json
import math
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.charts.figures import draw_figures
from pipeline.config.schema_front import OBJECTIVES
from pipeline.evidence.aggregate import RunTables, read_run, summarise, write_table, write_text
from pipeline.evidence.cell import study_cells
from pipeline.evidence.choice_text import flags_file
from pipeline.evidence.hypervolume import cell_hypervolume
from pipeline.evidence.policy_file import policy_file
from pipeline.evidence.recommend import Recommendation, mark_cells
from pipeline.evidence.robustness import Robustness, check_robustness
from pipeline.evidence.robustness_text import robustness_json
from pipeline.evidence.sensitivity import sensitivity_table
from pipeline.page.html import chart_library, write_report

HEADLINE = (
    *OBJECTIVES, "wasted_core_share", "slowdown_mean", "slowdown_p99", "sojourn_p99_ns",
    "throughput_per_s", "migration_rate_per_s", "cache_hit_rate",
)  # fmt: skip


@dataclass(frozen=True)
class Analysis:
    """What the analysis of a run found, and the files that hold it.

    run             : the run's tables
    summary         : a row a point, with the front's columns
    front           : the rows of `summary` on a front, by cell and overhead
    recommendations : one a study cell, in the order of the cells
    files           : name -> path of every file written
    sensitivity     : which parameter matters (pipeline/evidence/sensitivity.py)
    robustness      : whether the recommendations hold elsewhere (pipeline/evidence/robustness.py)
    """

    run: RunTables
    summary: pl.DataFrame
    front: pl.DataFrame
    recommendations: list[Recommendation]
    files: dict[str, Path]
    sensitivity: pl.DataFrame
    robustness: Robustness

    @property
    def folder(self) -> Path:
        """The run folder."""
        return self.run.folder


def analyse(run_dir: Path, *, draw: bool = True) -> Analysis:
    """Aggregate a run, find its front, recommend a setting, and write all of it in the run folder.

    Writes summary.parquet, pareto.parquet, sensitivity.parquet, robustness.parquet, recommended.yaml (with
    several study cells also one recommended-<cell>.yaml each), erl_flags.txt likewise where the BEAM's
    scheduler is recommended, metrics.json, and, if `draw`, figures/ and report.html.

    Raises
    ------
    RunFolderError if the folder is not that of a sweep.

    Complexity and determinism
    --------------------------
    the tables, policies and metrics.json have the same bytes each time; figures on one machine
    """
    return analyse_tables(read_run(Path(run_dir)), draw=draw)


def analyse_tables(run: RunTables, *, draw: bool = True) -> Analysis:
    """`analyse` on tables that are open already; writes to `run.folder`."""
    if not draw:
        return write_answer(run)
    with ThreadPoolExecutor(1) as beside:
        # Started first, as it takes seconds that another core has time for meanwhile.
        library = beside.submit(chart_library)
        return draw_answer(write_answer(run), library)


def write_answer(run: RunTables) -> Analysis:
    """Tables, policies and flags: everything but pictures."""
    plain = summarise(run)
    cells = study_cells(run, plain)
    summary, found = mark_cells(run, plain, cells)
    volumes = {
        int(cell.points[0]): cell_hypervolume(cell, run.goals.objectives, run.goals.signs) for cell in cells
    }
    recommendations = [replace(one, hypervolume=volumes[one.points[0]]) for one in found]
    front = front_table(run, summary)
    sensitivity = sensitivity_table(run, summary)
    robustness = check_robustness(run, cells, recommendations)
    answer = metrics_text(run, summary, recommendations, robustness)
    files = {
        "summary": write_table(summary, run.folder / "summary.parquet"),
        "pareto": write_table(front, run.folder / "pareto.parquet"),
        "sensitivity": write_table(sensitivity, run.folder / "sensitivity.parquet"),
        "robustness": write_table(robustness.table, run.folder / "robustness.parquet"),
        "metrics": write_text(run.folder / "metrics.json", answer),
    }
    files |= write_policies(run, summary, recommendations)
    files |= write_flags(run, recommendations)
    return Analysis(run, summary, front, recommendations, files, sensitivity, robustness)


def draw_answer(found: Analysis, library: Future[str]) -> Analysis:
    """Figures and report of an analysis; gives it with their files."""
    run, summary, chosen = found.run, found.summary, found.recommendations
    charts = draw_figures(run, summary, chosen, run.folder / "figures")
    report = write_report(run, summary, chosen, charts.specs, library.result())
    return replace(found, files={**found.files, **charts.files, "report": report})


def headline(run: RunTables) -> list[str]:
    """The metrics that an answer shows: those of the goals, then the usual ones."""
    return list(dict.fromkeys((*run.goals.metrics, *HEADLINE)))


def front_table(run: RunTables, summary: pl.DataFrame) -> pl.DataFrame:
    """Rows on a front, cell by cell, from the best in the last objective (the overhead) on."""
    first = pl.col("point").min().over(run.cell_keys) if run.cell_keys else pl.lit(0)
    ends = zip(reversed(run.goals.objectives), reversed(run.goals.signs), strict=True)
    keys = [first, *[pl.col(f"{name}_mean") * sign for name, sign in ends], "point"]
    return summary.filter(pl.col("pareto")).sort(keys)


def write_policies(
    run: RunTables, summary: pl.DataFrame, recommendations: list[Recommendation]
) -> dict[str, Path]:
    """The recommended policy of each cell; `recommended.yaml` is that of the first."""
    files: dict[str, Path] = {}
    for index, chosen in enumerate(recommendations):
        text = policy_file(run, summary, chosen)
        if index == 0:
            files["recommended"] = write_text(run.folder / "recommended.yaml", text)
        if len(recommendations) > 1:
            name = f"recommended-{chosen.slug}"
            files[name] = write_text(run.folder / f"{name}.yaml", text)
    return files


def write_flags(run: RunTables, recommendations: list[Recommendation]) -> dict[str, Path]:
    """The flags of `erl` of each cell that has them; `erl_flags.txt` is that of the first."""
    files: dict[str, Path] = {}
    for chosen in recommendations:
        if chosen.flags is None:
            continue
        key = run.manifest.get("run_key", run.folder.name)
        found = f"found by Coreshift for {chosen.title} (run {key}, point {chosen.point})"
        text = flags_file(chosen.flags, found, chosen.sentence)
        if not files:
            files["erl_flags"] = write_text(run.folder / "erl_flags.txt", text)
        if len(recommendations) > 1:
            name = f"erl_flags-{chosen.slug}"
            files[name] = write_text(run.folder / f"{name}.txt", text)
    return files


def metrics_text(
    run: RunTables, summary: pl.DataFrame, recommendations: list[Recommendation], robustness: Robustness
) -> str:
    """The study's answer as JSON: metrics of the recommended point and the baseline, cell by cell.

    One cell stands alone, so that `dvc metrics show` has short names; of several, `robustness` says which
    setting holds in all of them.
    """
    answer: dict[str, Any] = {
        one.slug: cell_metrics(run, summary, one, robustness) for one in recommendations
    }
    if len(answer) == 1:
        (answer,) = answer.values()
    elif answer:
        answer["robustness"] = robustness_json(robustness)
    return json.dumps(answer, indent=2, sort_keys=True, allow_nan=False) + "\n"


def cell_metrics(
    run: RunTables, summary: pl.DataFrame, chosen: Recommendation, robustness: Robustness
) -> dict[str, Any]:
    """Headline metrics of one cell's recommended and baseline points, and how sure the choice is."""
    rows = {"recommended": chosen.point, "baseline": chosen.baseline}
    found: dict[str, Any] = {
        "point": chosen.point,
        "front_size": len(chosen.front),
        "knee_share": chosen.knee_share,
        "policy": " ".join(o for o in chosen.overrides if o.startswith("policy")),
        "rule": chosen.rule,
        "feasible": chosen.feasible,
        "feasible_probability": chosen.feasible_probability,
        "ties": list(chosen.ties),
        "hypervolume": chosen.hypervolume,
    }
    seeds = robustness.seeds.get(chosen.title)
    if seeds is not None:
        found["same_on_other_seeds"] = round(seeds.same, 9)
        found["regret_on_other_seeds"] = round(seeds.regret.value, 9)
    for name, point in rows.items():
        if point is not None:
            row = summary.row(by_predicate=pl.col("point") == point, named=True)
            found[name] = {m: finite(row[f"{m}_mean"]) for m in headline(run) if f"{m}_mean" in row}
    return found


def finite(value: float | None) -> float | None:
    """The value, or None if JSON cannot hold it."""
    return None if value is None or not math.isfinite(value) else value
