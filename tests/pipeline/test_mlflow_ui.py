"""`python -m pipeline.ui`: a real server, its pages in a real browser, and a clean end."""

import contextlib
import itertools
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow.tracking import MlflowClient

from pipeline import record as record_module
from pipeline import ui
from pipeline.errors import UserError
from pipeline.evidence.analyse import analyse
from pipeline.record import record
from pipeline.ui import answers, find_database, free_port, parse, serve, studies
from tests.unit.analysis.synthetic import write_run

ROOT = Path(__file__).resolve().parents[2]
served = pytest.mark.xdist_group("browser")
# A server takes some 20 s to start, several times as long on a busy machine.
patient = pytest.mark.timeout(900)
PATIENCE_S = 300.0
# Below the ports that the system gives out by itself, and those of other test runs on this machine.
PORT = 30_000 + os.getpid() % 100 * 20
BROWSER_FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--no-first-run", "--disable-default-apps",
    "--disable-domain-reliability", "--window-size=1800,1200",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
)  # fmt: skip


@pytest.fixture(scope="module")
def recorded(tmp_path_factory):
    """A recorded run: (database, status)."""
    folder = write_run(tmp_path_factory.mktemp("outputs") / "threshold" / "abcdef123456", replicates=3)
    analyse(folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(record_module, "STALL_S", PATIENCE_S)
        status = record(folder)
    assert status.ok, status.message
    return folder.parents[1] / "mlflow.db", status


@pytest.fixture(scope="module")
def address(recorded):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ui, "START_S", PATIENCE_S)
        with serve(recorded[0], free_port(PORT)) as found:
            yield found


def rendered(browser, profile, url, words):
    """The page's elements once these words are among them, or when patience is at its end.

    A page is dumped when its budget of virtual time is used up, the server's answers there or not: so it is
    loaded again, with less and with more, as often as it takes.
    """
    end = time.monotonic() + PATIENCE_S
    for budget_ms in itertools.cycle((60_000, 5_000, 600_000)):
        command = [browser, *BROWSER_FLAGS, f"--virtual-time-budget={budget_ms}", "--dump-dom", url]
        command += [f"--user-data-dir={profile}"]
        page = subprocess.run(command, capture_output=True, text=True, check=True, timeout=PATIENCE_S).stdout
        if all(word in page for word in words) or time.monotonic() > end:
            break
    return page


@served
@patient
@pytest.mark.slow
@pytest.mark.browser
def test_ranking_page_shows_the_recommended_run_first(recorded, address, browser, tmp_path):
    _, status = recorded
    client = MlflowClient(tracking_uri=status.tracking_uri)
    runs = client.search_runs([status.experiment_id], "tags.kind = 'config'")
    ordered = sorted(runs, key=lambda run: run.data.metrics["rank"])
    names = [run.data.tags["mlflow.runName"] for run in ordered]
    url = status.urls["ranking"].replace("http://127.0.0.1:5000", address)
    words = ("load_imbalance", "migration_overhead_share", "rank", "core_rate_per_s")
    page = rendered(browser, tmp_path / "profile", url, words)
    assert ordered[0].data.tags["recommended"] == "true"
    places = [page.index(f">{name}<") for name in names[:5]]
    assert places == sorted(places)
    for word in words:
        assert word in page


@served
@patient
@pytest.mark.slow
@pytest.mark.browser
def test_trade_off_page_has_its_charts(recorded, address, browser, tmp_path):
    url = recorded[1].urls["trade-off"].replace("http://127.0.0.1:5000", address)
    words = ("Trade-off", "migration_overhead_share vs. load_imbalance", "Parallel Coordinates")
    page = rendered(browser, tmp_path / "profile", url, words)
    for word in words:
        assert word in page


@served
@patient
@pytest.mark.slow
@pytest.mark.browser
def test_parent_run_shows_its_artifacts(recorded, address, browser, tmp_path):
    url = recorded[1].urls["report"].replace("http://127.0.0.1:5000", address)
    words = ("recommended.yaml", "report.html", "figures", "sweep abcdef12")
    page = rendered(browser, tmp_path / "profile", url, words)
    for word in words:
        assert word in page


@served
@patient
@pytest.mark.slow
def test_command_serves_on_loopback_only_and_ends_with_its_server(recorded, tmp_path):
    port = free_port(PORT + 10)
    ranking = f"http://127.0.0.1:{port}/#/experiments/{recorded[1].experiment_id}/runs"
    command = [sys.executable, "-m", "pipeline.ui", f"port={port}", f"file={recorded[0]}"]
    with (tmp_path / "log").open("w") as log:
        process = subprocess.Popen(command, cwd=ROOT, stdout=log, stderr=log, env=dict(os.environ))
    address = f"http://127.0.0.1:{port}"
    try:
        end = time.monotonic() + PATIENCE_S
        # Told once the server answers, and just before the command waits for a signal.
        while ranking not in (tmp_path / "log").read_text() and time.monotonic() < end:
            time.sleep(0.5)
        assert answers(address)
        with contextlib.suppress(OSError):
            outer = socket.gethostbyname(socket.gethostname())
            if not outer.startswith("127."):
                with pytest.raises(OSError, match="refused"):
                    socket.create_connection((outer, port), timeout=20)
        time.sleep(1)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(PATIENCE_S)
    assert not answers(address)
    text = (tmp_path / "log").read_text()
    assert ranking in text
    assert "MLflow stopped" in text


@served
@pytest.mark.slow
def test_studies_are_listed(recorded):
    assert studies(recorded[0]) == [(recorded[1].experiment_id, "threshold")]


def test_taken_port_is_passed_over():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert free_port(port) > port


def test_no_database_is_told(tmp_path):
    with pytest.raises(UserError, match=r"(?s)no runs are recorded.*make sweep"):
        find_database({"file": "", "outputs": str(tmp_path)})


def test_unknown_argument_is_told():
    with pytest.raises(UserError, match=r"(?s)prt=1.*port"):
        parse(["prt=1"], {"port": "5000"})
