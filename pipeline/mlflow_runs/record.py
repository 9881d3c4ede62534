"""The recorder's process: `python -m pipeline.mlflow_runs.record '{"run_dir": ..., "uri": ...}'`.

Prints one JSON line a step: progress, then what was recorded, or the error. Started by
`pipeline/record.py` only, which keeps the time and turns MLflow's telemetry off.
"""

import hashlib
import json
import logging
import sys
import tempfile
import time
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import polars as pl
from mlflow.entities import Metric, Param, RunTag, ViewType
from mlflow.tracking import MlflowClient
from sqlalchemy import event
from sqlalchemy.engine import Engine

from pipeline.config.goals import goals_of
from pipeline.evidence.aggregate import RunTables, read_run, summarise
from pipeline.evidence.point_names import child_name, role_of, sweep_name
from pipeline.evidence.recommend import Recommendation, mark_front
from pipeline.mlflow_runs.handover import read_recommendations
from pipeline.mlflow_runs.inputs import inputs_of, run_inputs
from pipeline.mlflow_runs.notes import Links, experiment_note, point_note, sweep_note
from pipeline.mlflow_runs.rows import (
    VALUE_MAX,
    child_metrics,
    child_params,
    front_columns,
    objectives_of,
    parent_metrics,
    parent_params,
    selected_points,
    view_columns,
    words,
)
from pipeline.mlflow_runs.views import view_tags
from pipeline.run.checksums import COMPLETE

# Increased by every change of what is written for a run, so that recording again replaces it.
RECORD_VERSION = 7
PARAM_BATCH = 90
PAGE = 1000
FILES = (
    "recommended.yaml", "report.html", "config.yaml", "manifest.json", COMPLETE, "metrics.json",
    "failures.json",
)  # fmt: skip
TABLES = (
    "summary.parquet", "pareto.parquet", "points.parquet", "sensitivity.parquet", "robustness.parquet",
    "rounds.parquet", "dropped.parquet", "design.parquet",
)  # fmt: skip
# Lanes up to this size go along, so that whoever sees the server only has them too.
LANES_MAX_BYTES = 32_000_000


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
    # Imported and opened already when the tables are ready.
    client = MlflowClient(tracking_uri=order.uri)
    line = sys.stdin.readline()
    if not line:
        return 1  # nobody waits any more
    say(Recorder(order, client, json.loads(line)["chosen"]).record())
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

    chosen : file with the recommendations that belong to summary.parquet; None = work both out
    """

    def __init__(self, order: Order, client: MlflowClient, chosen: str | None) -> None:
        self.order, self.client = order, client
        self.run: RunTables = read_run(Path(order.run_dir))
        self.chosen: list[Recommendation]
        if chosen is None:
            self.summary, self.chosen = mark_front(self.run, summarise(self.run))
        else:
            self.summary = pl.read_parquet(self.run.folder / "summary.parquet")
            self.chosen = read_recommendations(Path(chosen).read_text())
        self.run_key = str(self.run.manifest.get("run_key", self.run.folder.name))
        self.study = str(self.run.manifest.get("study", self.run.folder.parent.name))
        self.points = selected_points(
            self.summary, order.children, self.run.manifest.get("seed"), objectives_of(self.run)
        )
        self.inputs = run_inputs(self.run)
        self.lane_parts = lane_parts(self.run)

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
                self.write_views(self.links_of(experiment_id, run.info.run_id))
                self.delete_others(experiment_id, run.info.run_id, before)
                return {**outcome, "parent_run_id": run.info.run_id, "unchanged": True}
        links = Links(experiment_id, self.write_parent(experiment_id))
        links = Links(experiment_id, links.parent, self.write_children(links))
        self.write_artifacts(links.parent)
        note = sweep_note(self.run, self.summary, self.chosen, links)
        self.client.set_tag(links.parent, "mlflow.note.content", note)
        self.write_views(links)
        self.client.set_tag(links.parent, "content", content)
        self.client.set_terminated(links.parent)
        self.delete_others(experiment_id, links.parent, before)
        return {**outcome, "parent_run_id": links.parent}

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

    def links_of(self, experiment_id: str, parent: str) -> Links:
        """The ids of a sweep that is recorded."""
        query = f"tags.`mlflow.parentRunId` = '{parent}'"
        runs = self.client.search_runs([experiment_id], query, ViewType.ACTIVE_ONLY, max_results=PAGE)
        children = {int(run.data.params["point"]): run.info.run_id for run in runs}
        return Links(experiment_id, parent, children)

    def delete_others(self, experiment_id: str, kept: str, before: Sequence[Any]) -> None:
        """Delete what was recorded of this run before, and what another process recorded meanwhile."""
        old = {run.info.run_id for run in before}
        for run in self.recorded_before(experiment_id):
            # One that is still written may be another process's, which will delete this one then.
            if run.info.run_id != kept and (run.info.run_id in old or run.info.status == "FINISHED"):
                self.delete(experiment_id, run.info.run_id)

    def content_digest(self) -> str:
        """Digest of what would be recorded: equal digests need no second recording."""
        digest = hashlib.sha256(f"{RECORD_VERSION} {self.order.children}".encode())
        for name in (*TABLES, "recommended.yaml", "report.html", "failures.json"):
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
            "source_digest": str(manifest.get("source_digest", "")),
            "run_folder": str(self.run.folder.resolve()),
            "mlflow.runName": sweep_name(self.run, self.run_key),
            "mlflow.source.name": words(manifest.get("command")) or "pipeline.sweep",
            "mlflow.source.type": "LOCAL",
        }
        if git.get("commit"):
            tags["mlflow.source.git.commit"] = str(git["commit"])
        tags["git_dirty"] = str(bool(git.get("dirty"))).lower()
        if self.summary["lane_excluded_count"].sum():
            tags["failed"] = "true"
        run = self.client.create_run(experiment_id, tags=tags)
        parent = str(run.info.run_id)
        params = {k: v[:VALUE_MAX] for k, v in parent_params(self.run, self.summary, self.chosen).items()}
        self.log(parent, params, parent_metrics(self.run, self.summary, self.chosen))
        self.client.log_inputs(parent, [one.dataset() for one in self.inputs])
        return parent

    def write_children(self, links: Links) -> dict[int, str]:
        """A run a point; the best ranks last, as the UI lists the newest first. Gives point -> run."""
        rows = self.summary.filter(pl.col("point").is_in(self.points))
        rows = rows.sort("rank", "point", descending=True, nulls_last=False)
        written: dict[int, str] = {}
        for done, row in enumerate(rows.iter_rows(named=True)):
            if done % 10 == 0:
                say({"done": done, "total": rows.height})
            run = self.client.create_run(links.experiment, tags=self.child_tags(row, links))
            self.log(run.info.run_id, child_params(self.run, row), child_metrics(self.run, row))
            inputs = [one.dataset() for one in inputs_of(self.inputs, row)]
            if inputs:
                self.client.log_inputs(run.info.run_id, inputs)
            self.client.set_terminated(run.info.run_id, "FINISHED" if row["replicate_count"] else "FAILED")
            written[int(row["point"])] = run.info.run_id
        return written

    def child_tags(self, row: Mapping[str, Any], links: Links) -> dict[str, str]:
        """Tags of a point's run: its part in the answer, its description, and where its lanes are."""
        parts = [self.run.folder.resolve() / path for path in self.lane_parts.get(int(row["point"]), ())]
        marks = {k: bool(row.get(k)) for k in ("pareto", "recommended", "baseline")}
        marks["failed"] = bool(row["lane_excluded_count"])
        tags = {
            "kind": "config",
            "role": role_of(row),
            "run_key": self.run_key,
            "mlflow.parentRunId": links.parent,
            "mlflow.runName": child_name(self.run, row),
            "mlflow.note.content": point_note(self.run, row, links, parts),
            "lane_tables": ", ".join(map(str, parts)),
            **{name: "true" for name, holds in marks.items() if holds},
        }
        # Of a study without constraints nothing is said, as all of its points are.
        if goals_of(self.run.config).constraints and row.get("feasible") is not None:
            tags["feasible"] = str(bool(row["feasible"])).lower()
        return tags

    def log(self, run_id: str, params: Mapping[str, str], metrics: Mapping[str, float]) -> None:
        """Write parameters and metrics, in one batch where MLflow's limit allows."""
        now = int(time.time() * 1000)
        values = [Metric(name, value, now, 0) for name, value in metrics.items()]
        items = [Param(name, value) for name, value in params.items()]
        where = f" tracking.uri={self.order.uri}" if self.order.uri.startswith("http") else ""
        # Only now its id is known.
        back = [RunTag("reproduce", f"python -m pipeline.reproduce {run_id}{where}")]
        self.client.log_batch(run_id, metrics=values, params=items[:PARAM_BATCH], tags=back)
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
        lanes = sorted((folder / "lanes").glob("part-*.parquet"))
        if sum(path.stat().st_size for path in lanes) <= LANES_MAX_BYTES:
            for path in lanes:
                self.client.log_artifact(parent, str(path), "lanes")

    def write_views(self, links: Links) -> None:
        """The experiment's note and its two shared views, on this run."""
        tags = view_tags(self.run_key, view_columns(self.run))
        tags["mlflow.note.content"] = experiment_note(self.run, self.summary, self.chosen, links)
        for name, value in tags.items():
            self.client.set_experiment_tag(links.experiment, name, value)

    def delete(self, experiment_id: str, parent: str) -> None:
        """Delete an earlier recording: its children, then itself."""
        query, token = f"tags.`mlflow.parentRunId` = '{parent}'", None
        while True:
            found = self.client.search_runs(
                [experiment_id], query, ViewType.ACTIVE_ONLY, max_results=PAGE, page_token=token
            )
            for run in found:
                self.client.delete_run(run.info.run_id)
            token = found.token
            if not token:
                break
        self.client.delete_run(parent)


def lane_parts(run: RunTables) -> dict[int, list[str]]:
    """Point -> files that hold its lanes, below the run folder."""
    frames = [
        pl.scan_parquet(path).select(pl.col("point").unique(), part=pl.lit(f"lanes/{path.name}"))
        for path in sorted((run.folder / "lanes").glob("part-*.parquet"))
    ]
    table = pl.concat(frames).group_by("point").agg(pl.col("part").sort()).collect()
    return {int(point): list(parts) for point, parts in table.iter_rows()}


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except Exception as error:  # the one boundary of this process: every error becomes a line
        say({"error": f"{type(error).__name__}: {' '.join(str(error).split())[:400]}"})
        sys.exit(1)
