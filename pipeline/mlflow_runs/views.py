"""What a person finds in the MLflow UI: shared views and addresses of a study.

MLflow opens on a list without columns. A *shared view* is an experiment tag that presets columns,
filter, order and charts; the address `...?viewStateShareKey=<name>` opens it. The tags are not
documented by MLflow, so `tests/pipeline/test_mlflow_ui.py` looks at the rendered page.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

UI_ADDRESS = "http://127.0.0.1:5000"
VIEW_TAG = "mlflow.sharedViewState."
RANKING = "ranking"
TRADEOFF = "tradeoff"
RUNS_MAX = 500
# End the names of parameters that say in ranked words, or by its logarithm, what another says as a number.
AS_TEXT, AS_DOUBLINGS, AS_DECADES = "_text", "_log2", "_log10"
RANK, TAIL = "rank", "slowdown_p99"
MARKS = ("role", "recommended", "pareto", "baseline", "failed", "feasible")
PARALLEL_AXES = 6


@dataclass(frozen=True)
class Columns:
    """What the children of a run have, as far as its views show it.

    params     : plain names of what the sweep varied, the policy first
    texts      : name -> its twin in ranked words, for those that have one
    scales     : name -> the parameter that holds its number or, of an uneven one, its logarithm; in the order
                 of `params`
    metrics    : metrics that the children have
    objectives : those of the front
    """

    params: Sequence[str]
    texts: Mapping[str, str]
    scales: Mapping[str, str]
    metrics: Sequence[str]
    objectives: Sequence[str]

    @property
    def shown_metrics(self) -> list[str]:
        """Objectives, and the tail, if they are there."""
        return [m for m in dict.fromkeys((*self.objectives, TAIL)) if m in self.metrics]


def view_tags(run_key: str, columns: Columns) -> dict[str, str]:
    """Experiment tags of the two shared views, on the run of that key; earlier runs stay a filter away."""
    table = table_state(run_key, columns)
    return {
        VIEW_TAG + RANKING: json.dumps(table),
        VIEW_TAG + TRADEOFF: json.dumps({**table, **chart_state(columns)}),
    }


def table_state(run_key: str, columns: Columns) -> dict[str, Any]:
    """The runs table: one row a point, its rank and metrics, then its settings; the best on top."""
    shown = [f"metrics.`{m}`" for m in (RANK, *columns.shown_metrics) if m in columns.metrics]
    shown += [f"params.`{p}`" for p in columns.params]
    shown += [f"tags.`{mark}`" for mark in MARKS]
    return {
        "searchFilter": f"tags.kind = 'config' and tags.run_key = '{run_key}'",
        "orderByKey": f"metrics.`{RANK}`",
        "orderByAsc": True,
        "selectedColumns": shown,
        "runsExpanded": {},
        "runsPinned": [],
        "runsHidden": [],
        "runsVisibilityMap": {},
        "runsHiddenMode": "SHOW_ALL",
        "columnOrder": shown,
        "columnWidths": {},
        "groupBy": None,
        "groupsExpanded": {},
    }


def chart_state(columns: Columns) -> dict[str, Any]:
    """The charts page: the trade-off, parallel coordinates, and metrics over the first settings."""
    have = columns.shown_metrics
    charts = []
    if len(columns.objectives) > 1:
        y, x = columns.objectives[:2]
        charts = [scatter("front", x, y)]
        charts += [scatter(f"tail{at}", x, metric) for at, metric in enumerate(have) if metric not in (x, y)]
    texts = [columns.texts.get(p, p) for p in columns.params][:PARALLEL_AXES]
    charts.append(parallel("parallel", texts, have[:2]))
    scales = list(columns.scales.values())
    for at, metric in enumerate(have[:2]):
        charts += [scatter(f"by{at}", scales[0], metric, x_type="PARAM")] if scales else []
    for at, metric in enumerate(have):
        charts += [contour(f"map{at}", (*scales[:2], metric))] if len(scales) > 1 else []
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
            section("tradeoff", "Trade-off", True),
            section("all", "Model metrics", False),
        ],
        "compareRunCharts": charts,
    }


def section(uuid: str, name: str, is_open: bool) -> dict[str, Any]:
    """A part of the charts page; a closed one spares the browser a hundred charts."""
    return {
        "uuid": uuid, "name": name, "display": is_open, "isReordered": False, "deleted": False,
        "isGenerated": not is_open,
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


def contour(uuid: str, axes: Sequence[str]) -> dict[str, Any]:
    """A contour plot of a metric, the third of the axes, over two parameters."""
    x, y, z = axes
    return chart_common(uuid, "CONTOUR") | {
        "xaxis": {"key": x, "type": "PARAM"},
        "yaxis": {"key": y, "type": "PARAM"},
        "zaxis": {"key": z, "type": "METRIC"},
    }


def parallel(uuid: str, params: list[str], metrics: list[str]) -> dict[str, Any]:
    """Parallel coordinates from settings to metrics."""
    return chart_common(uuid, "PARALLEL") | {
        "selectedParams": params, "selectedMetrics": metrics, "showAllRuns": True,
    }  # fmt: skip


def compare_address(experiment_id: str, run_ids: Sequence[str]) -> str:
    """The page that puts runs side by side, as an address within the UI."""
    runs, experiments = (quote(json.dumps(list(ids))) for ids in (run_ids, [experiment_id]))
    return f"#/compare-runs?runs={runs}&experiments={experiments}"


def run_address(experiment_id: str, run_id: str, artifact: str = "") -> str:
    """The page of a run, or of one of its artifacts, as an address within the UI."""
    tail = f"/artifacts/{quote(artifact)}" if artifact else ""
    # Else MLflow opens in its mode for language models, which has no column of metrics.
    return f"#/experiments/{quote(experiment_id)}/runs/{quote(run_id)}{tail}?workflowType=machine_learning"


def view_address(experiment_id: str, view: str) -> str:
    """The page of a shared view, as an address within the UI."""
    charts = "&compareRunsMode=CHART" if view == TRADEOFF else ""
    where = f"#/experiments/{quote(experiment_id)}/runs?workflowType=machine_learning"
    return f"{where}&viewStateShareKey={view}{charts}"


def addresses(base: str, experiment_id: str, parent_run_id: str) -> dict[str, str]:
    """Addresses of the two views and of the parent run, for a UI at `base`."""
    return {
        "ranking": f"{base}/{view_address(experiment_id, RANKING)}",
        "trade-off": f"{base}/{view_address(experiment_id, TRADEOFF)}",
        "sweep": f"{base}/{run_address(experiment_id, parent_run_id)}",
        "report": f"{base}/{run_address(experiment_id, parent_run_id, 'report.html')}",
    }
