"""What MLflow is told about a run: which points, and their parameters, metrics, names and columns."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from pipeline.aggregate import LABELS, RunTables, is_policy_key
from pipeline.choice_text import short_flags
from pipeline.mlflow_views import AS_TEXT
from pipeline.plain import plain, plain_name
from pipeline.recommend import Recommendation
from pipeline.rerun import has_value
from pipeline.schema_front import OBJECTIVES

# MLflow's table shows the first ones without a scroll.
LABEL_COLUMNS = ("policy", *(name for name in LABELS if name != "policy"))
VALUE_MAX = 500
BEST = ("slowdown_p99", *OBJECTIVES)


def words(command: Any) -> str:
    """A command line as text."""
    return " ".join(map(str, command)) if isinstance(command, (list, tuple)) else str(command or "")


def selected_points(summary: pl.DataFrame, most: int, seed: Any) -> list[int]:
    """Points that get a child run: all, or else the telling ones and a seeded sample, `most` in all.

    In order of importance: recommended, baseline, best in each of BEST, the front from its likeliest
    point down, then a sample of the rest.
    """
    if summary.height <= most:
        return [int(p) for p in summary["point"]]
    best = [
        int(summary.sort(f"{m}_mean", "point", nulls_last=True)["point"][0])
        for m in BEST
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


def child_name(run: RunTables, row: Mapping[str, Any]) -> str:
    """A short name, as the table cuts long ones: a mark, the deciding values, then the policy."""
    mark = "★" if row["recommended"] else "◆" if row["baseline"] else "●" if row["pareto"] else "○"
    values = [
        plain(row[a]) for a in run.axes
        if is_policy_key(a) and a != "policy" and row[a] is not None
    ]  # fmt: skip
    return " ".join([mark, *values[:2], str(row.get("policy") or f"point {row['point']}")])


def shown_params(run: RunTables) -> list[str]:
    """Parameters worth a column: what differs between the points of this sweep."""
    labels = [k for k in LABEL_COLUMNS if k in run.points.columns]
    varied = [k for k in labels if k == "policy" or run.points[k].n_unique() > 1]
    axes = [plain_name(a) for a in run.axes if a not in labels]
    return [*varied, *(axes or ["threshold_factor"])]


def child_params(run: RunTables, row: Mapping[str, Any]) -> dict[str, str]:
    """Settings of a point under plain names: labels, what was swept, threshold_factor, all limits."""
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
    for key in unlimited_axes(run):
        params[f"{plain_name(key)}{AS_TEXT}"] = "no limit" if row[key] is None else f"at {row[key]:g}"
    return params


def unlimited_axes(run: RunTables) -> list[str]:
    """Swept limits that some points do not have.

    MLflow's parallel coordinates drop a run whose value is no number where others are numbers, so
    such an axis is shown as words there.
    """
    limits = (a for a in run.axes if is_policy_key(a) and run.points[a].dtype.is_numeric())
    return [a for a in limits if run.points[a].null_count()]


def is_wanted(run: RunTables, key: str) -> bool:
    """Whether a column of the points is a parameter of the child runs."""
    return (
        key in run.axes
        or "." not in key
        or key == "policy.threshold_factor"
        or key.startswith(("policy.limits.", "policy.adaptive.mode", "policy.stealing.victim"))
    )


def child_metrics(run: RunTables, row: Mapping[str, Any]) -> dict[str, float]:
    """Means of all metrics, intervals of the two objectives, and how sure the front is."""
    found = {name: row[f"{name}_mean"] for name in run.metrics}
    for name in OBJECTIVES:
        found[f"{name}_low"], found[f"{name}_high"] = row[f"{name}_low"], row[f"{name}_high"]
    found |= {k: row[k] for k in ("front_probability", "knee_probability", "rank")}
    found["replicates"] = row["replicate_count"]
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


def parent_metrics(summary: pl.DataFrame, chosen: Sequence[Recommendation]) -> dict[str, float]:
    """Metrics of the recommended and baseline points, of the first study cell under plain names."""
    found: dict[str, float] = {"front_size": float(summary["pareto"].sum())}
    for index, one in enumerate(chosen):
        rows = {"recommended": one.point, "baseline": one.baseline}
        for kind, point in rows.items():
            if point is None:
                continue
            row = summary.row(by_predicate=pl.col("point") == point, named=True)
            name = kind if index == 0 else f"{kind}.{one.slug}"
            for metric in (*OBJECTIVES, "slowdown_p99", "throughput_per_s", "wasted_core_share"):
                value = row.get(f"{metric}_mean")
                if value is not None and math.isfinite(value):
                    found[f"{name}.{metric}"] = float(value)
    return found


def front_columns(run: RunTables, summary: pl.DataFrame) -> pl.DataFrame:
    """The fronts, with the columns that people read, for a CSV."""
    metrics = [m for m in (*OBJECTIVES, "slowdown_p99", "throughput_per_s") if m in run.metrics]
    keys = dict.fromkeys([*run.cell_keys, "policy", *run.axes])
    return (
        summary.filter("pareto")
        .sort(*run.cell_keys, f"{OBJECTIVES[1]}_mean", "point")
        .select(
            *[k for k in keys if k in summary.columns],
            *[pl.col(f"{m}_mean").alias(m) for m in metrics],
            "front_probability", "recommended", "baseline", "point",
        )
    )  # fmt: skip
