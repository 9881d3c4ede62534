"""The recorder's process: `python -m pipeline.mlflow_record '{"run_dir": ..., "uri": ...}'`.

Prints one JSON line a step: progress, then what was recorded, or the error. Started by
`pipeline/record.py` only, which keeps the time and turns MLflow's telemetry off.
"""

import hashlib
import json
import logging
import math
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from mlflow.entities import Metric, Param, ViewType
from mlflow.tracking import MlflowClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pipeline.aggregate import LABELS, OBJECTIVES, RunTables, is_policy_key, read_run, summarise
from pipeline.choice_text import short_flags
from pipeline.mlflow_views import AS_TEXT, experiment_note, parent_note, view_tags
from pipeline.plain import plain, plain_name
from pipeline.recommend import Recommendation, mark_front
from pipeline.rerun import has_value

# Increased by every change of what is written for a run, so that recording again replaces it.
RECORD_VERSION = 4
# MLflow's table shows the first ones without a scroll.
LABEL_COLUMNS = ("policy", *(name for name in LABELS if name != "policy"))
VALUE_MAX = 500
PARAM_BATCH = 90
BEST = ("slowdown_p99", *OBJECTIVES)
FILES = ("recommended.yaml", "report.html", "config.yaml", "manifest.json", "metrics.json")
TABLES = ("summary.parquet", "pareto.parquet", "points.parquet")


@dataclass(frozen=True)
class Order:
    """What to record, and where."""

    run_dir: str
    uri: str
    artifacts: str | None
    children: int
    answer_s: float


def main(arguments: Sequence[str]) -> int:
    """Record, and print the outcome as the last line of the output."""
    order = Order(**json.loads(arguments[0]))
    warnings.simplefilter("ignore")
    for name in ("alembic", "mlflow", "sqlalchemy"):
        logging.getLogger(name).setLevel(logging.ERROR)
    if order.uri.startswith("sqlite:"):
        make_durable_and_quick(order.answer_s)
    say(Recorder(order).record())
    return 0


def say(fact: Mapping[str, Any]) -> None:
    """One line of JSON for the process that waits."""
    print(json.dumps(fact), flush=True)


def make_durable_and_quick(answer_s: float) -> None:
    """Set up each SQLite connection: a write-ahead log, so that a commit need not wait for the disk.

    With it `synchronous = NORMAL` survives a crash of the program and keeps the file sound through
    a power cut; and a reader (the UI) and the writer do not lock each other out.
    """

    @event.listens_for(Engine, "connect")
    def set_pragmas(connection: Any, _record: Any) -> None:
        cursor = connection.cursor()
        cursor.execute(f"PRAGMA busy_timeout = {int(answer_s * 1000)}")
        cursor.execute("PRAGMA journal_mode = WAL")
        cursor.execute("PRAGMA synchronous = NORMAL")
        cursor.close()


class Recorder:
    """One recording of one run.

    Nothing is shown half-done for long: the new parent is finished last, and what an earlier
    recording of the same run left is deleted only then.
    """

    def __init__(self, order: Order) -> None:
        self.order = order
        self.run: RunTables = read_run(Path(order.run_dir))
        self.summary, self.chosen = mark_front(self.run, summarise(self.run))
        self.run_key = str(self.run.manifest.get("run_key", self.run.folder.name))
        self.study = str(self.run.manifest.get("study", self.run.folder.parent.name))
        self.points = selected_points(self.summary, order.children, self.run.manifest.get("seed"))
        self.client = MlflowClient(tracking_uri=order.uri)

    def record(self) -> dict[str, Any]:
        """Write parent, children, artifacts and views; gives the facts for `pipeline/record.py`."""
        experiment_id = self.experiment()
        before = self.recorded_before(experiment_id)
        content = self.content_digest()
        outcome = {
            "experiment_id": experiment_id,
            "recorded": len(self.points),
            "left_out": self.summary.height - len(self.points),
        }
        for run in before:
            if run.data.tags.get("content") == content and run.info.status == "FINISHED":
                self.write_views(experiment_id)
                return {**outcome, "parent_run_id": run.info.run_id, "unchanged": True}
        parent = self.write_parent(experiment_id)
        self.write_children(experiment_id, parent)
        self.write_artifacts(parent)
        self.write_views(experiment_id)
        self.client.set_tag(parent, "content", content)
        self.client.set_terminated(parent)
        for run in before:
            self.delete(experiment_id, run.info.run_id)
        return {**outcome, "parent_run_id": parent}

    def experiment(self) -> str:
        """The experiment of the study, made or brought back if need be."""
        found = self.client.get_experiment_by_name(self.study)
        if found is None:
            return str(self.client.create_experiment(self.study, artifact_location=self.location()))
        if found.lifecycle_stage == "deleted":
            self.client.restore_experiment(found.experiment_id)
        return str(found.experiment_id)

    def location(self) -> str | None:
        """Where a new experiment keeps its artifacts; None lets the server say."""
        return None if self.order.artifacts is None else f"{self.order.artifacts}/{self.study}"

    def recorded_before(self, experiment_id: str) -> list[Any]:
        """Parent runs that earlier recordings of this run left, whole or broken off."""
        query = f"tags.kind = 'sweep' and tags.run_key = '{self.run_key}'"
        return list(self.client.search_runs([experiment_id], query, ViewType.ACTIVE_ONLY))

    def content_digest(self) -> str:
        """Digest of what would be recorded: equal digests need no second recording."""
        digest = hashlib.sha256(f"{RECORD_VERSION} {self.order.children}".encode())
        for name in (*TABLES, "recommended.yaml", "report.html"):
            path = self.run.folder / name
            digest.update(path.read_bytes() if path.is_file() else b"-")
        return digest.hexdigest()[:32]

    def write_parent(self, experiment_id: str) -> str:
        """The sweep's own run: configuration, provenance, best settings."""
        manifest = self.run.manifest
        git = manifest.get("git") or {}
        tags = {
            "kind": "sweep",
            "run_key": self.run_key,
            "mlflow.runName": f"sweep {self.run_key[:8]}",
            "mlflow.source.name": words(manifest.get("command")) or "pipeline.sweep",
            "mlflow.source.type": "LOCAL",
            "mlflow.note.content": parent_note(self.run, self.summary, self.chosen),
        }
        if git.get("commit"):
            tags["mlflow.source.git.commit"] = str(git["commit"])
        tags["git_dirty"] = str(bool(git.get("dirty"))).lower()
        run = self.client.create_run(experiment_id, tags=tags)
        parent = str(run.info.run_id)
        params = {k: v[:VALUE_MAX] for k, v in parent_params(self.run, self.summary, self.chosen).items()}
        self.log(parent, params, parent_metrics(self.summary, self.chosen))
        return parent

    def write_children(self, experiment_id: str, parent: str) -> None:
        """A run a point; the best ranks last, as the UI lists the newest first."""
        rows = self.summary.filter(pl.col("point").is_in(self.points))
        rows = rows.sort("rank", "point", descending=True, nulls_last=False)
        for done, row in enumerate(rows.iter_rows(named=True)):
            if done % 10 == 0:
                say({"done": done, "total": rows.height})
            tags = {
                "kind": "config",
                "run_key": self.run_key,
                "mlflow.parentRunId": parent,
                "mlflow.runName": child_name(self.run, row),
                **{k: "true" for k in ("pareto", "recommended", "baseline") if row.get(k)},
            }
            run = self.client.create_run(experiment_id, tags=tags)
            self.log(run.info.run_id, child_params(self.run, row), child_metrics(self.run, row))
            self.client.set_terminated(run.info.run_id)

    def log(self, run_id: str, params: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        """Write parameters and metrics, in one batch where MLflow's limit allows."""
        now = int(time.time() * 1000)
        values = [Metric(name, value, now, 0) for name, value in metrics.items()]
        items = [Param(name, value) for name, value in params.items()]
        self.client.log_batch(run_id, metrics=values, params=items[:PARAM_BATCH])
        for start in range(PARAM_BATCH, len(items), PARAM_BATCH):
            self.client.log_batch(run_id, params=items[start : start + PARAM_BATCH])

    def write_artifacts(self, parent: str) -> None:
        """The files a person opens: policy, report and figures first, tables also as CSV."""
        say({"done": len(self.points), "total": len(self.points)})
        folder = self.run.folder
        cells = ("recommended-*.yaml", "erl_flags*.txt")
        names = [*FILES, *sorted(p.name for pattern in cells for p in folder.glob(pattern))]
        for name in names:
            if (folder / name).is_file():
                self.client.log_artifact(parent, str(folder / name))
        for path in sorted((folder / "figures").glob("*.png")):
            self.client.log_artifact(parent, str(path), "figures")
        for name in TABLES:
            if (folder / name).is_file():
                self.client.log_artifact(parent, str(folder / name), "tables")
        with tempfile.TemporaryDirectory() as temporary:
            # The UI shows CSV as a table, and cannot show Parquet.
            path = Path(temporary) / "front.csv"
            front_columns(self.run, self.summary).write_csv(path)
            self.client.log_artifact(parent, str(path), "tables")

    def write_views(self, experiment_id: str) -> None:
        """The experiment's note and its two shared views, on this run."""
        params = shown_params(self.run)
        words = {plain_name(axis) for axis in unlimited_axes(self.run)}
        tags = view_tags(self.run_key, params, words, [*self.run.metrics, "rank"], "rank")
        tags["mlflow.note.content"] = experiment_note(self.run, self.run_key)
        for name, value in tags.items():
            self.client.set_experiment_tag(experiment_id, name, value)

    def delete(self, experiment_id: str, parent: str) -> None:
        """Delete an earlier recording: its children, then itself."""
        query, token = f"tags.`mlflow.parentRunId` = '{parent}'", None
        while True:
            found = self.client.search_runs(
                [experiment_id], query, ViewType.ACTIVE_ONLY, max_results=1000, page_token=token
            )
            for run in found:
                self.client.delete_run(run.info.run_id)
            token = found.token
            if not token:
                break
        self.client.delete_run(parent)


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


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Exception as error:  # the one boundary of this process: every error becomes a line
        say({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"})
        sys.exit(1)
