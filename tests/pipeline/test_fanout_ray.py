"""The fan-out over real Ray clusters, each started and ended here: same bytes, crashes survived."""

import io
import os

import psutil
import pytest
from rich.console import Console

from pipeline.clusters.ray import RayCluster
from pipeline.errors import UserError
from pipeline.run.fanout import run_study
from tests.pipeline.fake import digests, fake_study, fake_toolkit

pytestmark = [pytest.mark.ray, pytest.mark.timeout(600)]
LOCAL = {"kind": "local", "workers": 2}


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    study = fake_study(tmp_path_factory.mktemp("inline"), factors=(0.5, 1.0, 2.0))
    return digests(run_study(study, toolkit=fake_toolkit()).folder)


def listeners() -> set[str]:
    """Addresses at which this process and its descendants listen."""
    found = set()
    for process in (psutil.Process(), *psutil.Process().children(recursive=True)):
        try:
            found |= {c.laddr.ip for c in process.net_connections("inet") if c.status == "LISTEN"}
        except psutil.NoSuchProcess:
            continue
    return found


def test_one_worker_gives_the_bytes_of_none_and_opens_loopback_only(
    tmp_path, undisturbed, console, monkeypatch
):
    seen = []
    monkeypatch.setattr(RayCluster, "share", looking_at_ports(RayCluster.share, seen))
    study = fake_study(tmp_path, factors=(0.5, 1.0, 2.0), cluster={**LOCAL, "workers": 1})
    run = run_study(study, console=console, toolkit=fake_toolkit())
    assert digests(run.folder) == undisturbed
    ports = set().union(*seen)
    assert ports
    assert ports <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def looking_at_ports(share, seen):
    def shared(self, batch):
        seen.append(listeners())
        return share(self, batch)

    return shared


def test_two_workers_one_of_them_killed_give_the_bytes_of_none(tmp_path, undisturbed, console):
    study = fake_study(
        tmp_path / "run", factors=(0.5, 1.0, 2.0), cluster=LOCAL,
        only=1.0, then="kill_once", mark=str(tmp_path / "killed"),
    )  # fmt: skip
    run = run_study(study, console=console, toolkit=fake_toolkit())
    assert (tmp_path / "killed").exists()
    assert run.failed_lanes == []
    tables = digests(run.folder)
    assert tables["lanes/part-00000.parquet"] == undisturbed["lanes/part-00000.parquet"]


def test_a_lane_that_always_kills_its_worker_is_found_and_reported(tmp_path, console):
    study = fake_study(
        tmp_path, factors=(0.5, 1.0), topologies=("small",), replicates=3,
        cluster={**LOCAL, "retries": 1, "chunk_s": 5.0}, only=1.0, then="kill",
    )  # fmt: skip
    run = run_study(study, console=console, toolkit=fake_toolkit())
    assert [(f["point"], f["replicate"]) for f in run.failed_lanes] == [(1, 1)]
    assert "worker process died" in run.failed_lanes[0]["error"]
    assert run.computed_lanes == 5


def test_an_address_where_nobody_answers_fails_before_ray_tries(tmp_path, monkeypatch):
    # Ray itself would take 81 s to notice.
    monkeypatch.setattr("ray.init", None)
    cluster = {"kind": "remote", "address": "127.0.0.1:9"}
    with pytest.raises(UserError, match=r"No Ray cluster answers at 127\.0\.0\.1:9(.|\n)*cluster=local"):
        run_study(fake_study(tmp_path, cluster=cluster), toolkit=fake_toolkit())


def test_workers_with_other_sources_are_refused(tmp_path, console):
    driver = os.getpid()
    digest = fake_toolkit(source_digest=lambda: "mine" if os.getpid() == driver else "theirs")
    study = fake_study(tmp_path, cluster={**LOCAL, "workers": 1})
    with pytest.raises(UserError, match=r"other sources of the simulator"):
        run_study(study, console=console, toolkit=digest)
