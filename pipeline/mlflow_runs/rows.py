"""What MLflow is told about a run: which points, and their parameters, metrics, names and columns."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from pipeline.config.goals import goals_of
from pipeline.evidence.aggregate import LABELS, RunTables, is_policy_key
from pipeline.evidence.cell import TAIL_METRIC
from pipeline.evidence.choice_text import short_flags
from pipeline.evidence.point_names import UNITS, short_value
from pipeline.evidence.recommend import Recommendation
from pipeline.evidence.rerun import command_line, has_value
from pipeline.mlflow_runs.views import AS_DECADES, AS_DOUBLINGS, AS_TEXT, Columns
from pipeline.plain import plain, plain_name

# MLflow's table shows the first ones without a scroll.
LABEL_COLUMNS = ("policy", *(name for name in LABELS if name != "policy"))
VALUE_MAX = 500
# Of the limits, those that are no detail of how one is counted.
LIMITS = ("rate_per_s", "capacity", "min_interval_ns", "max_migrations")
# A wider axis is a heap at one end of a chart.
WIDE = 8.0
HEADLINE = ("slowdown_p99", "throughput_per_s", "wasted_core_share")


def words(command: Any) -> str:
    """A command line as text that a shell takes apart into the same words."""
    return command_line([*map(str, command)]) if isinstance(command, (list, tuple)) else str(command or "")


def objectives_of(run: RunTables) -> dict[str, float]:
    """Objectives of the study's front that its lanes have -> 1 where less is better, -1 where more is."""
    goals = goals_of(run.config)
    signs = zip(goals.objectives, goals.signs, strict=True)
    return {name: sign for name, sign in signs if name in run.metrics}


def selected_points(
    summary: pl.DataFrame, most: int, seed: Any, objectives: Mapping[str, float] | None = None
) -> list[int]:
    """Points that get a child run: all, or else the telling ones and a seeded sample, `most` in all.

    In order of importance: recommended, baseline, best in the tail and in each objective, the front from its
    likeliest point down, then a sample of the rest.

    Parameters
    ----------
    objectives : metric -> 1 where less is better, -1 where more is
    """
    if summary.height <= most:
        return [int(p) for p in summary["point"]]
    signs = {TAIL_METRIC: 1.0, **(objectives or {})}
    best = [
        int(summary.sort(pl.col(f"{m}_mean") * sign, "point", nulls_last=True)["point"][0])
        for m, sign in signs.items()
        if f"{m}_mean" in summary.columns
    ]
    front = summary.filter("pareto").sort(
        "front_probability", "point", descending=[True, False], nulls_last=True
    )
    telling = [
        *summary.filter("recommended")["point"], *summary.filter("baseline")["point"], *best,
        *front["point"],
    ]  # fmt: skip
    generator = np.random.Generator(np.random.PCG64(int(seed or 0)))
    sample = generator.permutation(summary["point"].to_numpy())
    order = dict.fromkeys(int(p) for p in [*telling, *sample])
    return sorted(list(order)[:most])


def shown_params(run: RunTables) -> list[str]:
    """Parameters worth a column: what differs between the points of this sweep."""
    labels = [k for k in LABEL_COLUMNS if k in run.points.columns]
    varied = [k for k in labels if k == "policy" or run.points[k].n_unique() > 1]
    axes = [plain_name(a) for a in run.axes if a not in labels]
    return [*varied, *(axes or ["threshold_factor"])]


def view_columns(run: RunTables) -> Columns:
    """What the shared views may show of this run's children."""
    uneven = {plain_name(axis) for axis in uneven_axes(run)}
    numeric = [a for a in run.axes if run.points[a].dtype.is_numeric()]
    numbers = [plain_name(a) for a in numeric if run.points[a].n_unique() > 1]
    return Columns(
        params=shown_params(run),
        texts={name: f"{name}{AS_TEXT}" for name in uneven},
        scales={name: log_name(name) if name in uneven else name for name in numbers},
        metrics=[*run.metrics, "rank"],
        objectives=list(objectives_of(run)),
    )


def child_params(run: RunTables, row: Mapping[str, Any]) -> dict[str, str]:
    """Settings of a point under plain names: labels, what was swept, threshold_factor, the limits.

    A swept axis that charts cannot show as it is has twins: `..._text`, ranked words, for parallel
    coordinates, and `..._log2` or `..._log10`, for scatter plots and contours.
    """
    keys = [k for k in run.points.columns if k not in ("point", "baseline")]
    kept = [k for k in keys if is_wanted(run, k)]
    params = {"point": str(row["point"])}
    for key in kept:
        value = row[key]
        if value is None:
            # An axis that this point's policy does not have stays blank.
            if not has_value(key, value):
                continue
            params[plain_name(key)] = "unlimited"
        else:
            params[plain_name(key)] = plain(value)[:VALUE_MAX]
    for key in uneven_axes(run):
        name, value = plain_name(key), row[key]
        if value is not None or has_value(key, value):
            params[f"{name}{AS_TEXT}"] = ranked_text(run, key, value)
        if value is not None and 0 < value < math.inf:
            params[log_name(name)] = f"{math.log10(value) if is_decades(name) else math.log2(value):.6g}"
    return params


def uneven_axes(run: RunTables) -> list[str]:
    """Swept numbers that have no place on a straight scale: some without a limit, or over a wide range."""
    found = []
    for axis in (a for a in run.axes if run.points[a].dtype.is_numeric()):
        values = run.points[axis].drop_nulls()
        positive = [float(v) for v in values.filter(values > 0)]
        is_wide = bool(positive) and max(positive) >= WIDE * min(positive)
        if values.len() and (run.points[axis].null_count() or is_wide):
            found.append(axis)
    return found


def ranked_text(run: RunTables, axis: str, value: float | None) -> str:
    """A value with its rank before it, as MLflow orders words by their letters: `3: 4`, `9: ∞`."""
    values = run.points[axis].unique().sort(nulls_last=True).to_list()
    width, name = len(str(len(values))), plain_name(axis)
    unit = next((u for ending, u in UNITS.items() if name.endswith(ending)), "")
    text = "∞" if value is None else short_value(value, unit)
    return f"{values.index(value) + 1:0{width}d}: {text}"


def is_decades(name: str) -> bool:
    """Whether powers of ten suit a setting: rates and times; factors go by doublings."""
    return name.endswith(tuple(UNITS))


def log_name(name: str) -> str:
    """The name of a setting's logarithm."""
    return f"{name}{AS_DECADES if is_decades(name) else AS_DOUBLINGS}"


def is_wanted(run: RunTables, key: str) -> bool:
    """Whether a column of the points is a parameter of the child runs."""
    return (
        key in run.axes
        or "." not in key
        or key == "policy.threshold_factor"
        or (key.startswith("policy.limits.") and key.endswith(LIMITS))
        or (key in ("policy.adaptive.mode", "policy.stealing.victim") and run.points[key].n_unique() > 1)
    )


def child_metrics(run: RunTables, row: Mapping[str, Any]) -> dict[str, float]:
    """Means of all metrics, intervals of the objectives, and how sure the front is."""
    found = {name: row[f"{name}_mean"] for name in run.metrics}
    for name in objectives_of(run):
        found[f"{name}_low"], found[f"{name}_high"] = row[f"{name}_low"], row[f"{name}_high"]
    sure = ("front_probability", "knee_probability", "feasible_probability", "rank")
    found |= {k: row[k] for k in sure if k in row}
    found["replicates"] = row["replicate_count"]
    found["failed_lanes"] = row["lane_excluded_count"]
    return {k: float(v) for k, v in found.items() if v is not None and math.isfinite(v)}


def parent_params(run: RunTables, summary: pl.DataFrame, chosen: Sequence[Recommendation]) -> dict[str, str]:
    """The sweep: its axes, sizes and seed, and the recommended setting of each study cell."""
    manifest = run.manifest
    params = {
        "study": str(manifest.get("study")), "run_key": str(manifest.get("run_key")),
        "seed": str(manifest.get("seed")), "replicates": str(manifest.get("replicates")),
        "points": str(summary.height), "lanes": str(int(summary["replicate_count"].sum())),
        "lanes_excluded": str(int(summary["lane_excluded_count"].sum())),
        "command": words(manifest.get("command")),
    }  # fmt: skip
    for key in LABELS:
        if key in summary.columns:
            params[key] = ", ".join(map(str, summary[key].unique(maintain_order=True).drop_nulls()))
    for axis in (a for a in run.axes if a in summary.columns and a not in params):
        values = summary[axis].unique().sort(nulls_last=True).to_list()
        params[f"axis.{plain_name(axis)}"] = ", ".join(map(plain, values))
    for found in chosen:
        prefix = "recommended" if len(chosen) == 1 else f"recommended.{found.slug}"
        params[f"{prefix}.command"] = found.command
        if found.flags is not None:
            params[f"{prefix}.erl_flags"] = short_flags(found.flags)
        row = summary.row(by_predicate=pl.col("point") == found.point, named=True)
        for axis in (a for a in run.axes if is_policy_key(a) and has_value(a, row[a])):
            params[f"{prefix}.{plain_name(axis)}"] = plain(row[axis])
    for name, version in (manifest.get("packages") or {}).items():
        params[f"version.{name}"] = str(version)
    return params


def parent_metrics(
    run: RunTables, summary: pl.DataFrame, chosen: Sequence[Recommendation]
) -> dict[str, float]:
    """Metrics of the recommended and baseline points, of the first study cell under plain names.

    `..._diff` is the paired difference of the recommended point from the baseline, with its interval.
    """
    found: dict[str, float | None] = {
        "front_size": float(summary["pareto"].sum()),
        "failed_lanes": float(summary["lane_excluded_count"].sum()),
    }
    metrics = [m for m in dict.fromkeys((*objectives_of(run), *HEADLINE)) if m in run.metrics]
    for index, one in enumerate(chosen):
        rows = {"recommended": one.point, "baseline": one.baseline}
        for kind, point in rows.items():
            if point is None:
                continue
            row = summary.row(by_predicate=pl.col("point") == point, named=True)
            name = kind if index == 0 else f"{kind}.{one.slug}"
            found |= {f"{name}.{metric}": row[f"{metric}_mean"] for metric in metrics}
            if kind == "recommended" and one.baseline not in (None, point):
                ends = [f"{metric}_diff{end}" for metric in metrics for end in ("", "_low", "_high")]
                found |= {f"{name}.{column}": row.get(column) for column in ends}
    return {k: v for k, v in found.items() if v is not None and math.isfinite(v)}


def front_columns(run: RunTables, summary: pl.DataFrame) -> pl.DataFrame:
    """The fronts, with the columns that people read, for a CSV."""
    objectives = list(objectives_of(run))
    metrics = dict.fromkeys(m for m in (*objectives, *HEADLINE) if m in run.metrics)
    keys = dict.fromkeys([*run.cell_keys, "policy", *run.axes])
    marks = ("front_probability", "feasible", "feasible_probability", "recommended", "baseline", "point")
    return (
        summary.filter("pareto")
        .sort(*run.cell_keys, *[f"{m}_mean" for m in reversed(objectives)], "point")
        .select(
            *[k for k in keys if k in summary.columns],
            *[pl.col(f"{m}_mean").alias(m) for m in metrics],
            *[k for k in marks if k in summary.columns],
        )
    )
