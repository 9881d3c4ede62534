"""`python -m pipeline.record`: a finished sweep to a file and to real servers, twice as well as once."""

import contextlib
import importlib.util
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline import record as record_module
from pipeline import reproduce, ui
from pipeline.evidence.analyse import analyse
from pipeline.record import QUIET, main, record
from pipeline.run.store import RunStore
from tests.unit.analysis.synthetic import write_run

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mlflow"), pytest.mark.timeout(900)]
PATIENCE_S = 300.0
POINTS = 3
# Below the ports that the system gives out by itself, and apart from those of test_mlflow_ui.
PORT = 28_000 + os.getpid() % 90 * 20
MADE_UP_FILES = {"manifest.json", "config.yaml", "recommended.yaml", "tables", "lanes"}
FILES = {*MADE_UP_FILES, "COMPLETE"}
OF_POSTGRES = ("initdb", "pg_ctl")
# SQLAlchemy takes the first for `postgresql://`, so the driver is named.
DRIVER = next((name for name in ("psycopg", "psycopg2") if importlib.util.find_spec(name)), None)


@pytest.fixture(autouse=True, scope="module")
def patient():
    """A busy machine is no failure."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_module, "STALL_S", PATIENCE_S)
        patch.setattr(ui, "START_S", PATIENCE_S)
        yield


def finished(folder):
    """A made-up run with the marker of a finished one."""
    write_run(folder, thresholds=(1.0,), rates=(None,), replicates=2)
    manifest = json.loads((folder / "manifest.json").read_text()) | {"run_key": folder.name, "points": POINTS}
    (folder / "manifest.json").write_text(json.dumps(manifest))
    store = RunStore(folder, POINTS * 2, 2)
    marker = {"format": 2, "run_key": folder.name, "lanes": POINTS * 2, "tables": store.digests()}
    (folder / "COMPLETE").write_text(json.dumps(marker))
    analyse(folder, draw=False)
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return finished(tmp_path_factory.mktemp("record") / "outputs" / "threshold" / "abcdef1234567890")


def call(capsys, *words):
    """Exit code, JSON answer (None if there is none), and what was said on stderr."""
    code = main([*map(str, words), "--json"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out) if shown.out else None, shown.err


@contextlib.contextmanager
def serving(store, home, extra=()):
    """A tracking server of MLflow's on the loopback address; gives its process and its address."""
    port = ui.free_port(PORT)
    command = [
        sys.executable, "-m", "mlflow", "server", "--backend-store-uri", store, "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1", "--artifacts-destination", (home / "artifacts").as_uri(),
    ]  # fmt: skip
    environment = {**os.environ, **QUIET, **dict(extra), "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    log = (home / "server.log").open("wb")
    with (
        log,
        subprocess.Popen(
            command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=home
        ) as process,
    ):
        try:
            ui.wait_for_health(process, f"http://127.0.0.1:{port}")
            yield process, f"http://127.0.0.1:{port}"
        finally:
            ui.stop(process)


@contextlib.contextmanager
def server(store, home, extra=()):
    """The same; gives its address."""
    with serving(store, home, extra) as (_, uri):
        yield uri


def recorded_once(uri, points=POINTS, files=FILES):
    """The sweep's run in a store that must have just this one, with its children and files."""
    client = MlflowClient(tracking_uri=uri)
    ids = [one.experiment_id for one in client.search_experiments(filter_string="name = 'threshold'")]
    (sweep,) = client.search_runs(ids, "tags.kind = 'sweep'")
    children = client.search_runs(ids, "tags.kind = 'config'")
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {sweep.info.run_id}
    assert sorted(int(run.data.params["point"]) for run in children) == list(range(points))
    names = {item.path for item in client.list_artifacts(sweep.info.run_id)}
    assert files <= names
    return sweep


def record_twice(capsys, folder, *where):
    """Record, record again, break the record off, and record once more: it is there once each time."""
    code, first, told = call(capsys, folder, *where)
    assert (code, told) == (0, "")
    assert (first["recorded"], first["left_out"]) == (POINTS, 0)
    sweep = recorded_once(first["tracking_uri"])
    code, again, _ = call(capsys, folder, *where)
    assert (code, again["parent_run_id"]) == (0, first["parent_run_id"])
    assert "unchanged" in again["message"]
    assert sweep.data.tags["run_folder"] == str(folder)
    assert sweep.data.tags["reproduce"].startswith(f"python -m pipeline.reproduce {first['parent_run_id']}")
    # As if the recording had been broken off: it is made anew, and the rest of it goes.
    client = MlflowClient(tracking_uri=first["tracking_uri"])
    client.set_tag(first["parent_run_id"], "content", "half")
    code, anew, _ = call(capsys, folder, *where)
    assert code == 0
    assert recorded_once(first["tracking_uri"]).info.run_id == anew["parent_run_id"] != first["parent_run_id"]
    return anew["parent_run_id"]


def test_to_another_sqlite_file_by_either_word(folder, tmp_path, capsys):
    file = tmp_path / "other.db"
    code, first, told = call(capsys, "abcdef", f"outputs={folder.parents[1]}", f"tracking.file={file}")
    assert (code, told) == (0, "")
    code, again, _ = call(capsys, folder, f"tracking.uri=sqlite:///{file}")
    assert (code, again["parent_run_id"]) == (0, first["parent_run_id"])
    assert recorded_once(f"sqlite:///{file}").info.run_id == first["parent_run_id"]
    assert not (folder.parents[1] / "mlflow.db").exists()


def test_to_a_server_over_sqlite_and_back(folder, tmp_path, capsys):
    with server(f"sqlite:///{tmp_path / 'server.db'}", tmp_path) as uri:
        run_id = record_twice(capsys, folder, f"tracking.uri={uri}")
        found = reproduce.find_recorded(run_id, {**reproduce.OPTIONS, "tracking.uri": uri})
        assert (found.key, found.folder) == (folder.name, folder)
        assert found.tables == json.loads((folder / "COMPLETE").read_text())["tables"]
        with pytest.raises(reproduce.UserError, match="no run with this id"):
            reproduce.find_recorded("0" * 32, {**reproduce.OPTIONS, "tracking.uri": uri})
    code, status, _ = call(capsys, folder, f"tracking.uri={uri}")
    assert (code, status["ok"]) == (3, False)
    assert "does not answer" in status["message"]


def test_a_server_killed_in_the_middle_loses_nothing(tmp_path):
    folder = write_run(tmp_path / "outputs" / "threshold" / "k1", replicates=2)
    analyse(folder, draw=False)
    before = {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
    store = f"sqlite:///{tmp_path / 'server.db'}"
    with serving(store, tmp_path) as (process, uri):

        def kill(done, _):
            if done:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()

        status = record(folder, {"kind": "server", "uri": uri}, kill)
    assert not status.ok
    assert "All tables are written; record them later with" in status.message
    assert {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()} == before
    with server(store, tmp_path) as uri:
        client = MlflowClient(tracking_uri=uri)
        (half,) = client.search_runs(["1"], "tags.kind = 'sweep'")
        assert half.info.status == "RUNNING"
        assert 0 < len(client.search_runs(["1"], "tags.kind = 'config'")) <= 20
        assert record(folder, {"kind": "server", "uri": uri}).ok
        assert recorded_once(uri, 20, MADE_UP_FILES).info.run_id != half.info.run_id


def programs():
    """PostgreSQL's programs, as its packages lay them out; None if it is not installed."""
    homes = [
        Path(found).resolve().parent for found in (shutil.which("pg_ctl"), shutil.which("postgres")) if found
    ]
    homes += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((home for home in homes if all((home / name).exists() for name in OF_POSTGRES)), None)


@contextlib.contextmanager
def postgres():
    """A PostgreSQL server of its own on the loopback address; gives MLflow's word for its database."""
    bin_folder = programs()
    # It refuses to run as the superuser, and pytest's own folders are closed to others.
    as_user = (
        ["setpriv", "--reuid=postgres", "--regid=postgres", "--clear-groups"] if os.getuid() == 0 else []
    )
    with tempfile.TemporaryDirectory(prefix="coreshift-postgres-") as name, socket.socket() as probe:
        folder = Path(name)
        if as_user:
            shutil.chown(folder, "postgres", "postgres")
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        probe.close()

        def run(program, *words):
            command = [*as_user, str(bin_folder / program), "-D", str(folder / "data"), *words]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            subprocess.run(command, check=True, cwd=folder, timeout=PATIENCE_S, **quiet)

        run("initdb", "-A", "trust", "-U", "coreshift", "-N")
        flags = f"-p {port} -k {folder} -c listen_addresses=127.0.0.1 -c fsync=off"
        run("pg_ctl", "-w", "-l", str(folder / "log"), "-o", flags, "start")
        try:
            yield f"postgresql+{DRIVER}://coreshift@127.0.0.1:{port}/postgres"
        finally:
            run("pg_ctl", "-w", "-m", "fast", "stop")


@pytest.mark.skipif(programs() is None, reason="PostgreSQL is not installed")
@pytest.mark.skipif(DRIVER is None, reason="neither psycopg nor psycopg2 is installed")
def test_to_a_server_over_postgresql(folder, tmp_path, capsys):
    with postgres() as store, server(store, tmp_path) as uri:
        record_twice(capsys, folder, f"tracking.uri={uri}")


def test_the_newest_run_and_one_never_analysed(tmp_path, capsys):
    folder = finished(tmp_path / "outputs" / "threshold" / "k1")
    (folder / "summary.parquet").unlink()
    code, status, _ = call(capsys, f"outputs={tmp_path / 'outputs'}")
    assert (code, status["recorded"]) == (0, POINTS)
    assert (folder / "report.html").exists()
    assert (tmp_path / "outputs" / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("tracking.uri=postgresql://host/db",), "must be http://HOST:PORT"),
        (("tracking.uri=http://127.0.0.1:9", "tracking.file=x.db"), "only one place"),
        (("tracking.children=-1",), "must be a whole number"),
        (("tracking.ur=x",), "did you mean tracking.uri"),
        (("else",), "one run at a time"),
    ],
)
def test_words_that_cannot_be_are_told(folder, words, text, capsys):
    code, status, told = call(capsys, folder, *words)
    assert (code, status) == (2, None)
    assert text in told


def test_unfinished_and_tampered_runs_are_refused(folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(record_module, "start_recorder", None)
    copied = tmp_path / "outputs" / "threshold" / folder.name
    shutil.copytree(folder, copied)
    part = copied / "lanes" / "part-00000.parquet"
    part.write_bytes(part.read_bytes()[:-1] + b"?")
    code, _, told = call(capsys, copied)
    assert code == 2
    assert f"{part}: has checksum" in told
    (copied / "COMPLETE").unlink()
    code, _, told = call(capsys, copied)
    assert code == 2
    assert "is not finished" in told
