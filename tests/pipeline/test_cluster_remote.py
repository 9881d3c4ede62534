"""`cluster=remote` over a head and two worker nodes, real processes on loopback that end and come.

One cluster serves all tests, in their order; each says which nodes it takes away.
"""

import io
import os
import sys
import time
import uuid
from pathlib import Path

import psutil
import pytest
from rich.console import Console

import pipeline.clusters.nodes
from pipeline.clusters.nodes import ClusterLostError
from pipeline.clusters.ray import RayCluster
from pipeline.errors import UserError
from pipeline.run.fanout import run_study
from tests.pipeline import fake
from tests.pipeline.fake import digests, fake_study, fake_toolkit
from tests.pipeline.ray_nodes import Nodes, python_without_coreshift
from tests.pipeline.test_fanout_real import smoke

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(300)]
FACTORS = (0.5, 1.0, 2.0)
LANES = 2 * len(FACTORS) * 10


@pytest.fixture(scope="module")
def nodes():
    with Nodes() as found:
        found.start("head", 0)
        found.wait(1)
        found.start("one", 1)
        found.start("two", 1)
        found.wait(3)
        # Only now: Ray reads its environment when it is imported.
        import ray

        # The nodes do not have the tests.
        for module in (fake, sys.modules[__name__]):
            ray.cloudpickle.register_pickle_by_value(module)
        yield found
        for module in (fake, sys.modules[__name__]):
            ray.cloudpickle.unregister_pickle_by_value(module)


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=400)


class Compiling:
    """Stands for a worker's compilation: tells in a file whether it found what another one left."""

    def __init__(self, path):
        self.path, self.driver = Path(path), os.getpid()

    def __call__(self):
        if os.getpid() == self.driver:
            return 0.0
        left = self.path.with_suffix(".cache")
        with self.path.open("a") as file:
            file.write("loads\n" if left.exists() else "compiles\n")
        time.sleep(1.0)
        left.touch()
        return 1.0


def remote(nodes, **more):
    return {"kind": "remote", "address": nodes.address, "wait_s": 60.0, **more}


def small_study(folder, cluster=None, **behaviour):
    """Sixty lanes in chunks of a few."""
    behaviour = {"sleep_s": 0.1, **behaviour}
    return fake_study(folder, factors=FACTORS, replicates=10, cluster=cluster, **behaviour)


def tables(folder):
    """Digests of the tables of lanes."""
    return {name: digest for name, digest in digests(folder).items() if name.startswith("lanes/")}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    study = small_study(tmp_path_factory.mktemp("inline"), sleep_s=0.0)
    return tables(run_study(study, toolkit=fake_toolkit()).folder)


def at_chunk(monkeypatch, number, action):
    """Do something once so many chunks have come back, while others run."""
    seen = []

    def collect(self, before=RayCluster.collect):
        outcomes = before(self)
        if len(seen) < number <= len(seen) + len(outcomes):
            action()
        seen.extend(outcomes)
        return outcomes

    monkeypatch.setattr(RayCluster, "collect", collect)


def test_nodes_without_coreshift_give_the_bytes_of_one_process(nodes, tmp_path):
    expected = smoke(tmp_path / "inline", "cluster=inline")
    words = ("cluster=remote", f"cluster.address={nodes.address}", "cluster.chunk_s=0.01")
    again = smoke(tmp_path / "remote", *words)
    assert again.failed_lanes == []
    assert digests(again.folder) == digests(expected.folder)
    shipped = nodes.folder.glob("two/session_*/runtime_resources/*/_ray_pkg_*/**/*.*")
    names = {path.name for path in shipped if path.is_file() and "__pycache__" not in path.parts}
    assert {"simulate.py", "worker.py"} <= names
    assert {name.rpartition(".")[2] for name in names} == {"py"}
    # The head was left running, and everything listens on loopback only.
    listening = {
        c.laddr.ip
        for name in nodes.running
        for process in nodes.members(name)
        for c in process.net_connections("inet")
        if c.status == psutil.CONN_LISTEN
    }
    assert listening
    assert listening <= {"127.0.0.1", "::1", "::ffff:127.0.0.1"}


def test_a_lost_node_and_a_new_one_cost_time_only(nodes, tmp_path, console, undisturbed, monkeypatch):
    def change():
        nodes.kill("one")
        nodes.start("wide", 2, TMPDIR=str(nodes.folder))
        nodes.wait(len(nodes.running))

    at_chunk(monkeypatch, 3, change)
    study = small_study(tmp_path, cluster=remote(nodes, retries=0, chunk_s=0.4), sleep_s=0.2)
    run = run_study(study, console=console, toolkit=fake_toolkit())
    said = console.file.getvalue()
    assert "1 node(s) left the cluster" in said
    assert "1 node(s) joined the cluster" in said
    # No lane is blamed, though none has a retry.
    assert "A chunk was lost" not in said
    assert run.failed_lanes == []
    assert tables(run.folder) == undisturbed


def test_a_lane_that_ends_its_worker_is_blamed_though_a_node_goes_as_well(
    nodes, tmp_path, console, monkeypatch
):
    at_chunk(monkeypatch, 2, lambda: nodes.kill("two"))
    study = fake_study(
        tmp_path, factors=(0.5, 1.0), topologies=("small",), replicates=10, sleep_s=0.1,
        cluster=remote(nodes, retries=0, chunk_s=0.3), only=1.0, then="kill",
    )  # fmt: skip
    run = run_study(study, console=console, toolkit=fake_toolkit())
    assert "1 node(s) left the cluster" in console.file.getvalue()
    assert [(f["point"], f["replicate"]) for f in run.failed_lanes] == [(1, 1)]
    assert run.failed_lanes[0]["error"] == "the worker process died while it ran"
    assert run.computed_lanes == 19


def test_a_node_with_another_numba_is_refused(nodes, tmp_path, console):
    other = python_without_coreshift(nodes.folder / "other-python", numba="0.0.7")
    nodes.start("other", 1, other)
    nodes.wait(len(nodes.running))
    study = small_study(tmp_path, cluster=remote(nodes))
    with pytest.raises(UserError, match=r"other code than this process: numba 0\.0\.7 there and 0\.\d+"):
        run_study(study, console=console, toolkit=fake_toolkit())
    nodes.kill("other")


@pytest.mark.xfail(
    strict=False, reason="on a busy machine two processes were seen to compile; why is not known"
)
def test_a_machine_compiles_once_however_many_processes_it_runs(nodes, tmp_path, console):
    compiled = tmp_path / "compiled"
    # Sources that this machine has never compiled: the mark of an earlier run outlives it.
    digest = f"fake-{uuid.uuid4().hex}"
    toolkit = fake_toolkit(compile_kernels=Compiling(compiled), source_digest=lambda: digest)
    run = run_study(small_study(tmp_path, cluster=remote(nodes)), console=console, toolkit=toolkit)
    assert run.failed_lanes == []
    assert compiled.read_text().count("compiles") == 1
    assert compiled.read_text().count("loads") >= 1
    assert "compiles the simulator, once" in console.file.getvalue()


def test_without_any_worker_a_sweep_waits_and_ends_and_another_is_refused(
    nodes, tmp_path, console, undisturbed, monkeypatch
):
    study = small_study(tmp_path, cluster=remote(nodes, chunk_s=0.2, wait_s=1.0))
    with monkeypatch.context() as patch:
        at_chunk(patch, 2, lambda: nodes.kill(*(name for name in list(nodes.running) if name != "head")))
        with pytest.raises(ClusterLostError, match=r"has had no CPU for cluster\.wait_s = 1 s(.|\n)*goes on"):
            run_study(study, console=console, toolkit=fake_toolkit())
    with pytest.raises(UserError, match=r"has no CPU to offer(.|\n)*ray start --address"):
        run_study(study, console=console, toolkit=fake_toolkit())
    nodes.start("last", 1)
    nodes.wait(2)
    again = run_study(study, console=console, toolkit=fake_toolkit())
    assert 2 <= again.found_lanes < LANES
    assert tables(again.folder) == undisturbed


def test_a_cluster_that_is_gone_keeps_what_is_stored(nodes, tmp_path, console, undisturbed, monkeypatch):
    monkeypatch.setattr(pipeline.clusters.nodes, "LOST_AFTER_S", 1.0)
    study = small_study(tmp_path, cluster=remote(nodes, chunk_s=0.2))
    with monkeypatch.context() as patch:
        at_chunk(patch, 4, lambda: nodes.kill(*list(nodes.running)))
        with pytest.raises(ClusterLostError, match=r"is lost: its head node does not answer(.|\n)*goes on"):
            run_study(study, console=console, toolkit=fake_toolkit())
    again = run_study(small_study(tmp_path), console=console, toolkit=fake_toolkit())
    assert 4 <= again.found_lanes < LANES
    assert tables(again.folder) == undisturbed
