"""Recording in a real MLflow database: what is in it, twice the same, and what happens when it fails."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import polars as pl
import pytest
import yaml
from mlflow.tracking import MlflowClient

from pipeline import record as record_module
from pipeline.evidence.analyse import analyse
from pipeline.mlflow_runs.rows import selected_points
from pipeline.mlflow_runs.views import VIEW_TAG
from pipeline.record import record
from tests.unit.analysis.synthetic import write_run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mlflow"), pytest.mark.timeout(900)]
SMALL = {"thresholds": (0.5, 1.0, 2.0), "replicates": 3}
TWO_CELLS = (("a", "mixed"), ("b", "mixed"))


@pytest.fixture(autouse=True, scope="module")
def patient():
    """A busy machine is no failure: a database's first use takes 20 s on an idle one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_module, "STALL_S", 240.0)
        yield


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A run, analysed and recorded in a database of its own: (run folder, status, client)."""
    folder = write_run(tmp_path_factory.mktemp("outputs") / "threshold" / "abcdef123456", **SMALL)
    analyse(folder)
    steps = []
    status = record(folder, None, lambda done, total: steps.append((done, total)))
    assert status.ok, status.message
    assert steps[-1] == (11, 11)
    return folder, status, MlflowClient(tracking_uri=status.tracking_uri)


def children(client, status, extra=""):
    return client.search_runs([status.experiment_id], f"tags.kind = 'config'{extra}", max_results=1000)


def test_one_child_a_point_with_plain_parameters(recorded):
    _, status, client = recorded
    runs = children(client, status)
    assert len(runs) == status.recorded == 11
    assert {run.data.tags["mlflow.parentRunId"] for run in runs} == {status.parent_run_id}
    params = {run.data.params["point"]: run.data.params for run in runs}
    assert params["1"]["threshold_factor"] == "0.5"
    assert params["1"]["core_rate_per_s"] == "2000"
    assert params["3"]["core_rate_per_s"] == "unlimited"
    assert params["0"]["policy"] == "none"
    assert {"topology", "workload"} <= set(params["0"])


def test_metrics_are_the_means(recorded):
    folder, status, client = recorded
    summary = analyse(folder, draw=False).summary
    for run in children(client, status):
        row = summary.row(int(run.data.params["point"]), named=True)
        assert run.data.metrics["load_imbalance"] == row["load_imbalance_mean"]
        assert run.data.metrics["rank"] == row["rank"]


def test_tags_find_the_answer(recorded):
    folder, status, client = recorded
    found = analyse(folder, draw=False)
    (chosen,) = found.recommendations
    (run,) = children(client, status, " and tags.recommended = 'true'")
    assert int(run.data.params["point"]) == chosen.point
    assert run.data.tags["mlflow.runName"].startswith("★")
    front = children(client, status, " and tags.pareto = 'true'")
    assert {int(one.data.params["point"]) for one in front} == set(chosen.front)
    (base,) = children(client, status, " and tags.baseline = 'true'")
    assert base.data.params["point"] == "0"


def test_parent_holds_answer_and_files(recorded):
    _, status, client = recorded
    parent = client.get_run(status.parent_run_id)
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["run_key"] == "abcdef123456"
    assert parent.data.params["axis.threshold_factor"] == "0.25, 0.5, 1, 2"
    assert "recommended.threshold_factor" in parent.data.params
    assert "Recommended" in parent.data.tags["mlflow.note.content"]
    names = {item.path for item in client.list_artifacts(status.parent_run_id)}
    assert {"recommended.yaml", "report.html", "figures", "tables", "config.yaml"} <= names
    figures = {item.path for item in client.list_artifacts(status.parent_run_id, "figures")}
    assert {"figures/front.png", "figures/heat.png"} <= figures
    policy = client.download_artifacts(status.parent_run_id, "recommended.yaml")
    assert yaml.safe_load(Path(policy).read_text())["name"] == "adaptive"


def test_notes_say_the_answer_and_link_to_it(recorded):
    folder, status, client = recorded
    found = analyse(folder, draw=False)
    (chosen,) = found.recommendations
    (best,) = children(client, status, " and tags.recommended = 'true'")
    note = client.get_run(status.parent_run_id).data.tags["mlflow.note.content"]
    assert f"#/experiments/{status.experiment_id}/runs/{best.info.run_id}?" in note
    assert chosen.command in note
    assert f"python -m pipeline.reproduce {status.parent_run_id}" in note
    row = found.summary.row(chosen.point, named=True)
    gain = f"{100 * row['load_imbalance_diff']:+.2f} pp [{100 * row['load_imbalance_diff_low']:+.2f} pp,"
    assert gain in note
    study = client.get_experiment(status.experiment_id).tags["mlflow.note.content"]
    assert study.startswith("For topology epyc_7763_2s, workload ttb_last: adaptive, threshold_factor ")
    assert gain in study
    assert f"runs/{status.parent_run_id}?" in study


def test_a_point_says_where_its_lanes_are(recorded):
    folder, status, client = recorded
    names = set()
    for run in children(client, status):
        note, point = run.data.tags["mlflow.note.content"], int(run.data.params["point"])
        line = next(line for line in note.splitlines() if line.startswith("import polars as pl; "))
        head, _, expression = line.partition("; ")
        program = f"{head}; print(({expression})['point'].to_list())"
        shown = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
        assert (json.loads(shown.stdout), str(folder) in line) == ([point] * 3, True)
        files = [Path(name) for name in run.data.tags["lane_tables"].split(", ")]
        assert sum(pl.read_parquet(f).filter(pl.col("point") == point).height for f in files) == 3
        names.add(run.data.tags["mlflow.runName"])
    assert {"×1 none", "×0.5 core 2000/s adaptive"} <= {name[2:] for name in names}
    assert len(names) == 11
    lanes = {item.path for item in client.list_artifacts(status.parent_run_id, "lanes")}
    assert lanes == {f"lanes/part-{part:05d}.parquet" for part in range(3)}


def test_machine_and_trace_are_datasets_with_their_digests(tmp_path):
    folder = write_run(tmp_path / "t" / "k", thresholds=(), rates=(), cells=TWO_CELLS, replicates=2)
    path = folder / "manifest.json"
    digests = {f"topology.path=/m/{m}.xml": m * 64 for m in ("a", "b")} | {"workload.trace=mixed": "f" * 64}
    path.write_text(json.dumps(json.loads(path.read_text()) | {"inputs": digests}))
    analyse(folder, draw=False)
    status = record(folder)
    client = MlflowClient(tracking_uri=status.tracking_uri)
    found = {}
    for run in [client.get_run(status.parent_run_id), *children(client, status)]:
        data = [one.dataset for one in run.inputs.dataset_inputs]
        assert all(json.loads(d.profile)["sha256"].startswith(d.digest) for d in data)
        found.setdefault(run.data.params["topology"], []).append({(d.name, d.digest[0]) for d in data})
    assert found == {
        "a, b": [{("a", "a"), ("b", "b"), ("mixed", "f")}],
        "a": [{("a", "a"), ("mixed", "f")}] * 2,
        "b": [{("b", "b"), ("mixed", "f")}] * 2,
    }


def test_failed_lanes_and_broken_constraints_are_tagged(tmp_path):
    failed = [(1, 0), (1, 1), (1, 2), (2, 1)]
    folder = write_run(tmp_path / "t" / "k", **SMALL, failed=failed)
    path = folder / "config.yaml"
    front = {"constraints": ["migration_overhead_share <= 0.1"]}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"front": front}))
    analyse(folder, draw=False)
    status = record(folder)
    client = MlflowClient(tracking_uri=status.tracking_uri)
    runs = {int(run.data.params["point"]): run for run in children(client, status)}
    tagged = {point for point, run in runs.items() if run.data.tags.get("failed") == "true"}
    assert tagged == {1, 2}
    assert {point for point, run in runs.items() if run.info.status == "FAILED"} == {1}
    assert runs[1].data.tags["role"] == "failed"
    assert runs[2].data.metrics["failed_lanes"] == 1
    parent = client.get_run(status.parent_run_id).data
    assert parent.tags["failed"] == "true"
    assert "4 of 33 lanes have no result" in parent.tags["mlflow.note.content"]
    assert "`migration_overhead_share <= 0.1`: met" in parent.tags["mlflow.note.content"]
    means = {point: run.data.metrics.get("migration_overhead_share") for point, run in runs.items()}
    broken = {point for point, mean in means.items() if mean is not None and mean > 0.1}
    assert broken
    assert {p for p, run in runs.items() if run.data.tags["role"] == "infeasible"} == broken
    assert all("**broken**" in runs[point].data.tags["mlflow.note.content"] for point in broken)


def test_other_objectives_have_their_own_columns_and_charts(tmp_path):
    folder = write_run(tmp_path / "t" / "k", **SMALL)
    path = folder / "config.yaml"
    front = {"objectives": ["slowdown_p99", "throughput_per_s"]}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | {"front": front}))
    analyse(folder, draw=False)
    status = record(folder)
    client = MlflowClient(tracking_uri=status.tracking_uri)
    tags = client.get_experiment(status.experiment_id).tags
    assert "with slowdown p99 " in tags["mlflow.note.content"]
    chart = json.loads(tags[VIEW_TAG + "tradeoff"])["compareRunCharts"][0]
    assert (chart["xaxis"]["key"], chart["yaxis"]["key"]) == ("throughput_per_s", "slowdown_p99")
    assert "throughput_per_s_low" in children(client, status)[0].data.metrics


def test_artifacts_lie_in_the_outputs_folder(recorded):
    folder, status, client = recorded
    location = client.get_experiment(status.experiment_id).artifact_location
    assert location == (folder.parents[1] / "artifacts" / "threshold").as_uri()


def test_views_name_columns_that_exist(recorded):
    _, status, client = recorded
    tags = client.get_experiment(status.experiment_id).tags
    table = json.loads(tags[VIEW_TAG + "ranking"])
    charts = json.loads(tags[VIEW_TAG + "tradeoff"])
    runs = children(client, status)
    known = {f"metrics.`{m}`" for m in runs[0].data.metrics} | {f"params.`{p}`" for p in runs[0].data.params}
    columns = set(table["selectedColumns"])
    assert {c for c in columns if not c.startswith("tags.")} <= known
    assert {"params.`threshold_factor`", "params.`core_rate_per_s`"} <= columns
    assert len(charts["compareRunCharts"]) >= 3
    (parallel,) = (c for c in charts["compareRunCharts"] if c["type"] == "PARALLEL")
    # "unlimited" among numbers would drop its runs from the chart.
    assert {"threshold_factor_text", "core_rate_per_s_text"} <= set(parallel["selectedParams"])
    assert all(set(parallel["selectedParams"]) <= set(run.data.params) for run in runs)
    contours = [c for c in charts["compareRunCharts"] if c["type"] == "CONTOUR"]
    assert {(c["xaxis"]["key"], c["yaxis"]["key"]) for c in contours} == {
        ("threshold_factor_log2", "core_rate_per_s_log10"),
    }  # fmt: skip
    axes = [c[a] for c in charts["compareRunCharts"] for a in ("xaxis", "yaxis", "zaxis") if a in c]
    numbers = {kind: [a["key"] for a in axes if a["type"] == kind] for kind in ("PARAM", "METRIC")}
    assert all(set(numbers["METRIC"]) <= set(run.data.metrics) for run in runs)
    shown = [run.data.params for run in runs if run.data.params["core_rate_per_s"] != "unlimited"]
    assert len(shown) == 6
    assert all(float(params[name]) is not None for params in shown for name in numbers["PARAM"])
    assert status.urls["ranking"].endswith("viewStateShareKey=ranking")


def test_recording_again_changes_nothing(recorded):
    folder, status, client = recorded
    again = record(folder)
    assert again.ok
    assert again.parent_run_id == status.parent_run_id
    assert "unchanged" in again.message
    assert len(children(client, again)) == 11


def test_changed_results_replace_the_old_ones_and_extra_points_are_counted(tmp_path):
    folder = write_run(tmp_path / "threshold" / "k1", **SMALL)
    analyse(folder, draw=False)
    first = record(folder, {"kind": "sqlite", "children": 11})
    second = record(folder, {"kind": "sqlite", "children": 5})
    assert second.ok
    assert second.parent_run_id != first.parent_run_id
    assert (second.recorded, second.left_out) == (5, 6)
    assert "6 of 11 points left out" in second.message
    assert "tracking.children=11" in second.message
    client = MlflowClient(tracking_uri=second.tracking_uri)
    note = client.get_run(second.parent_run_id).data.tags["mlflow.note.content"]
    assert "5 of 11 points" in note
    assert "tracking.children=11" in note
    runs = children(client, second)
    assert len(runs) == 5
    assert sum(run.data.tags.get("recommended") == "true" for run in runs) == 1
    assert sum(run.data.tags.get("baseline") == "true" for run in runs) == 1
    sweeps = client.search_runs([second.experiment_id], "tags.kind = 'sweep'")
    assert [run.info.run_id for run in sweeps] == [second.parent_run_id]


def test_selection_keeps_what_tells_and_is_seeded(tmp_path):
    summary = analyse(write_run(tmp_path / "t" / "k", replicates=3), draw=False).summary
    picked = selected_points(summary, 6, 1)
    assert picked == selected_points(summary, 6, 1)
    assert len(picked) == 6
    assert set(summary.filter(summary["recommended"] | summary["baseline"])["point"]) <= set(picked)
    assert selected_points(summary, 100, 1) == list(range(20))


def assert_kept(folder, status):
    assert not status.ok
    assert "record=true" in status.message
    assert (folder / "summary.parquet").exists()
    assert (folder / "recommended.yaml").exists()


def test_server_that_is_not_there(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "t" / "k", **SMALL)
    analyse(folder, draw=False)
    # Found out before MLflow is started, which would try for long.
    monkeypatch.setattr(record_module, "start_recorder", None)
    with socket.socket() as silent:
        # Held, so that nobody else listens there meanwhile.
        silent.bind(("127.0.0.1", 0))
        port = silent.getsockname()[1]
        status = record(folder, {"kind": "server", "uri": f"http://127.0.0.1:{port}", "timeout_s": 1})
    assert_kept(folder, status)
    assert "does not answer" in status.message
    assert f"tracking.uri=http://127.0.0.1:{port}" in status.message


def test_server_that_takes_calls_and_says_nothing(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "t" / "k", **SMALL)
    analyse(folder, draw=False)
    monkeypatch.setattr(record_module, "STALL_S", 24.0)
    with socket.create_server(("127.0.0.1", 0)) as server:
        uri = f"http://127.0.0.1:{server.getsockname()[1]}"
        status = record(folder, {"kind": "server", "uri": uri, "timeout_s": 1})
    assert_kept(folder, status)
    assert "no progress" in status.message or "Timeout" in status.message or "timed out" in status.message


def test_locked_database(tmp_path):
    folder = write_run(tmp_path / "t" / "k", **SMALL)
    analyse(folder, draw=False)
    database = tmp_path / "mlflow.db"
    other = sqlite3.connect(database, check_same_thread=False)
    other.execute("BEGIN EXCLUSIVE")
    try:
        status = record(folder, {"kind": "sqlite", "timeout_s": 1})
    finally:
        other.rollback()
        other.close()
    assert_kept(folder, status)
    assert "locked" in status.message


@pytest.mark.parametrize("content", [b"this is no database, only text" * 20, b""])
def test_file_that_is_no_database(tmp_path, content):
    folder = write_run(tmp_path / "t" / "k", thresholds=(1.0,), rates=(None,), replicates=2)
    analyse(folder, draw=False)
    (tmp_path / "mlflow.db").write_bytes(content)
    status = record(folder)
    # An empty file is an empty database.
    assert status.ok == (content == b"")
    if not status.ok:
        assert_kept(folder, status)
        assert "not a database" in status.message


def test_recording_later_with_the_printed_command(tmp_path):
    folder = write_run(tmp_path / "t" / "k", thresholds=(1.0,), rates=(None,), replicates=2)
    analyse(folder, draw=False)
    failed = record(folder, {"kind": "sqlite", "file": str(folder / "points.parquet")})
    assert_kept(folder, failed)
    command = failed.message.splitlines()[-1].split()
    assert command[:3] == ["python", "-m", "pipeline.report"]
    words = [w for w in command[3:] if not w.startswith("tracking.file")]
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-m", "pipeline.report", *words, "draw=false"],
        cwd=root, capture_output=True, text=True, check=True, env=dict(os.environ),
    )  # fmt: skip
    assert "Recorded in MLflow" in done.stdout
    assert (tmp_path / "mlflow.db").exists()


def test_tracking_off_records_nothing(tmp_path):
    folder = write_run(tmp_path / "t" / "k", thresholds=(), rates=(), replicates=1)
    assert record(folder, {"kind": "off"}).ok
    assert not (tmp_path / "mlflow.db").exists()


def test_two_recordings_at_once(tmp_path):
    folders = [
        write_run(tmp_path / "t" / key, thresholds=(1.0,), rates=(None,), replicates=2)
        for key in ("k1", "k2")
    ]
    for folder in folders:
        analyse(folder, draw=False)
    # The database's first use is its migration, which MLflow does not do twice at once.
    assert record(folders[0]).ok
    found, waits = [], {"kind": "sqlite", "timeout_s": 120}
    threads = [threading.Thread(target=lambda f=f: found.append(record(f, waits))) for f in folders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [status.ok for status in found] == [True, True]
