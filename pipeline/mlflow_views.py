"""What a person finds in the MLflow UI: shared views, notes and addresses of a study.

MLflow opens on a list without columns. A *shared view* is an experiment tag that presets columns,
filter, order and charts; the address `...?viewStateShareKey=<name>` opens it. The tags are not
documented by MLflow, so `tests/pipeline/test_mlflow_ui.py` looks at the rendered page.
"""

import json
from collections.abc import Collection, Sequence
from typing import Any
from urllib.parse import quote

import polars as pl

from pipeline.aggregate import LABELS, RunTables
from pipeline.recommend import EXPECTED, RULES, Recommendation, expectation, setting_text

UI_ADDRESS = "http://127.0.0.1:5000"
VIEW_TAG = "mlflow.sharedViewState."
RANKING = "ranking"
TRADEOFF = "tradeoff"
RUNS_MAX = 500
# Ends the name of a parameter that says in words what another one says as a number.
AS_TEXT = "_text"
# MLflow puts metrics before parameters and shows about seven columns, so few metrics are preset.
COLUMNS = ("load_imbalance", "migration_overhead_share", "rank", "slowdown_p99")


def view_tags(
    run_key: str, params: Sequence[str], words: Collection[str], metrics: Sequence[str], best: str
) -> dict[str, str]:
    """Experiment tags of the two shared views.

    Parameters
    ----------
    run_key : the run shown; earlier runs of the study stay a filter away
    params  : plain names of what the sweep varied, the policy first
    words   : those of `params` that are not numbers for all points, and have a twin in words
    metrics : metrics that the children have
    best    : metric by which the table is ordered, least first
    """
    table = table_state(run_key, params, metrics, best)
    return {
        VIEW_TAG + RANKING: json.dumps(table),
        VIEW_TAG + TRADEOFF: json.dumps({**table, **chart_state(params, words, metrics)}),
    }


def table_state(run_key: str, params: Sequence[str], metrics: Sequence[str], best: str) -> dict[str, Any]:
    """The runs table: one row a point, its settings, then its metrics, the least `best` on top."""
    columns = [f"params.`{p}`" for p in params]
    columns += [f"metrics.`{m}`" for m in COLUMNS if m in metrics]
    columns += ["tags.`recommended`", "tags.`pareto`", "tags.`baseline`"]
    return {
        "searchFilter": f"tags.kind = 'config' and tags.run_key = '{run_key}'",
        "orderByKey": f"metrics.`{best}`",
        "orderByAsc": True,
        "selectedColumns": columns,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "columnOrder": [],
        "groupBy": None,
        "groupsExpanded": {},
    }


def chart_state(params: Sequence[str], words: Collection[str], metrics: Sequence[str]) -> dict[str, Any]:
    """The charts page: the trade-off, its parallel coordinates, and metrics against parameters."""
    have = [m for m in COLUMNS if m in metrics and m != "rank"]
    numbers = [p for p in params if p not in LABELS]
    charts = [scatter("front", "migration_overhead_share", "load_imbalance")]
    if "slowdown_p99" in metrics:
        charts.append(scatter("tail", "migration_overhead_share", "slowdown_p99"))
    texts = [f"{p}{AS_TEXT}" if p in words else p for p in params]
    charts.append(parallel("parallel", texts, have[:2]))
    charts += [
        scatter(f"{name}{i}", name, metric, x_type="PARAM")
        for i, metric in enumerate(have[:2])
        for name in numbers[:1]
    ]
    return {
        "isAccordionReordered": True,
        "compareRunsMode": "CHART",
        "viewMaximized": False,
        "runListHidden": False,
        "autoRefreshEnabled": False,
        "useGroupedValuesInCharts": True,
        "hideEmptyCharts": True,
        "globalLineChartConfig": {},
        "chartsSearchFilter": "",
        "compareRunSections": [
            {"uuid": "tradeoff", "name": "Trade-off", "display": True, "isReordered": False,
             "deleted": False, "isGenerated": False},
        ],
        "compareRunCharts": charts,
    }  # fmt: skip


def chart_common(uuid: str, kind: str) -> dict[str, Any]:
    """The keys that every chart of the page has."""
    return {
        "uuid": uuid, "type": kind, "runsCountToCompare": RUNS_MAX, "metricSectionId": "tradeoff",
        "deleted": False, "isGenerated": False,
    }  # fmt: skip


def scatter(uuid: str, x: str, y: str, x_type: str = "METRIC") -> dict[str, Any]:
    """A scatter plot of a metric against a metric or a parameter."""
    return chart_common(uuid, "SCATTER") | {
        "xaxis": {"key": x, "type": x_type, "dataAccessKey": x},
        "yaxis": {"key": y, "type": "METRIC", "dataAccessKey": y},
    }


def parallel(uuid: str, params: list[str], metrics: list[str]) -> dict[str, Any]:
    """Parallel coordinates from settings to metrics."""
    return chart_common(uuid, "PARALLEL") | {
        "selectedParams": params, "selectedMetrics": metrics, "showAllRuns": True,
    }  # fmt: skip


def addresses(base: str, experiment_id: str, parent_run_id: str) -> dict[str, str]:
    """Addresses of the two views and of the parent run, for a UI at `base`."""
    runs = f"{base}/#/experiments/{quote(experiment_id)}/runs"
    # Else MLflow opens in its mode for language models, which has no column of metrics.
    mode = "workflowType=machine_learning"
    view = f"{runs}?{mode}&viewStateShareKey="
    return {
        "ranking": f"{view}{RANKING}",
        "trade-off": f"{view}{TRADEOFF}&compareRunsMode=CHART",
        "sweep": f"{runs}/{quote(parent_run_id)}?{mode}",
        "report": f"{runs}/{quote(parent_run_id)}/artifacts/report.html?{mode}",
    }


def experiment_note(run: RunTables, run_key: str) -> str:
    """The note on top of a study's page: how to find the answer."""
    study = run.manifest.get("study", "this study")
    return (
        f"**Study {study}**: which migration settings give the best trade-off between load balance and "
        f"migration cost?\n\nEach child run is one setting (means over replicates), named by its values; "
        f"★ is recommended, ● on the Pareto front, ○ off it, ◆ the baseline. `rank` 1 is recommended. "
        f"Filters for the latest sweep, `{run_key}`:\n\n"
        f"- recommended: `tags.recommended = 'true' and tags.run_key = '{run_key}'`\n"
        f"- Pareto front: `tags.pareto = 'true' and tags.run_key = '{run_key}'`\n"
        f"- baseline: `tags.baseline = 'true' and tags.run_key = '{run_key}'`\n\n"
        "The sweep's own run holds the report, the figures and `recommended.yaml`."
    )


def parent_note(
    run: RunTables, summary: pl.DataFrame, chosen: Sequence[Recommendation], recorded: int
) -> str:
    """The description of a sweep's run: the answer of each study cell, and how many points are recorded."""
    parts = []
    for found in chosen:
        row = summary.row(by_predicate=pl.col("point") == found.point, named=True)
        lines = [f"### {found.title}", f"**Recommended: {setting_text(run, row)}**"]
        lines += [f"Why: {RULES[found.rule]}."]
        if found.doubts:
            lines.append(f"*Note: {found.doubts}.*")
        known = [name for name in EXPECTED if f"{name}_mean" in row]
        lines.append("\n".join(f"- {expectation(row, name)}" for name in known))
        lines.append(f"```\n{found.command}\n```")
        parts.append("\n\n".join(lines))
    if not parts:
        parts.append("No lane completed: nothing can be recommended.")
    if recorded < summary.height:
        parts.append(
            f"{recorded} of {summary.height} points have a run here: the recommended one, the baseline, the "
            "best, the front as far as there is room, and a sample. All of them:\n\n"
            f"```\npython -m pipeline.report run={run.folder} record=true "
            f"tracking.children={summary.height}\n```"
        )
    return "\n\n".join(parts)
