"""The lane that a report shows: queues as a plain walk over the log finds them, and when there is none."""

import hashlib
import json

import numpy as np
import polars as pl
import pytest
import yaml

from pipeline import sweep
from pipeline.charts.lane import grouped, total_frame
from pipeline.config.build import Inputs
from pipeline.evidence.aggregate import read_run
from pipeline.evidence.analyse import analyse
from pipeline.page.lane import (
    BINS,
    MARKS_MOST,
    MIGRATIONS,
    QUEUES,
    lane_tables,
    migration_frame,
    queue_frame,
)
from pipeline.timelines.counters import QUEUED
from pipeline.timelines.log import Code, Part, log_of
from tests.reference.compare import lane_of
from tests.reference.scenarios import random_scenario

WORDS = (
    "topology=two_core", "workload=steady", "policy=balanced", "policy.threshold_factor=0.5,2",
    "cluster=inline", "tracking=off", "study=lane", "replicates=2", "output=json",
    "simulation.horizon_ns=4_000_000", "simulation.warmup_ns=1_000_000",
)  # fmt: skip
IDS = {"role": "recommended", "point": 0, "replicate": 0}


def walked(log):
    """Nanoseconds x processes in each queue by bin, entry by entry."""
    edges = np.linspace(0, log.end_ns, BINS + 1).astype(np.int64)
    area = np.zeros((log.num_schedulers, BINS))
    place = {}
    last = 0

    def pass_time(until):
        for scheduler in place.values():
            spans = np.minimum(edges[1:], until) - np.maximum(edges[:-1], last)
            area[scheduler] += np.maximum(spans, 0)

    for i in range(log.time_ns.size):
        code, process = log.code[i], int(log.process[i])
        if code in QUEUED or code == Code.DISPATCH or (code == Code.MIGRATE and process in place):
            pass_time(int(log.time_ns[i]))
            last = int(log.time_ns[i])
            if code == Code.DISPATCH:
                del place[process]
            else:
                place[process] = int(log.core[i])
    pass_time(log.end_ns)
    return area / np.diff(edges)


@pytest.mark.parametrize("seed", [1, 16, 39])
def test_queues_are_those_of_a_walk_over_the_log(seed):
    scene = random_scenario(seed)
    lane = lane_of(scene)
    inputs = Inputs(
        scene.topology, scene.workload, lane.policy, lane.cost, lane.binding, scene.timeline, scene.simulation
    )
    log = log_of(inputs, lane, Part(0, scene.simulation.horizon_ns, 10**7), ["kind"] * 10)
    frame = queue_frame(log, IDS)
    found = frame["queue_mean"].to_numpy().reshape(-1, BINS)
    assert found.max() > 0
    assert np.allclose(found, walked(log), rtol=0, atol=1e-9)
    moves = log.of(Code.MIGRATE)
    assert frame["migrations"].sum() == moves.size
    arrived = np.bincount(log.core[moves], minlength=log.num_schedulers)
    assert frame.group_by("scheduler").agg(pl.col("migrations").sum()).sort("scheduler")[
        "migrations"
    ].to_list() == list(arrived)
    marks = migration_frame(log, IDS)
    step = marks["stands_for"][0] if marks.height else 1
    assert marks.height <= MARKS_MOST
    assert marks["time_ns"].to_list() == log.time_ns[moves[::step]].tolist()


def test_neighbours_share_a_row_and_the_machine_is_their_sum():
    queues = pl.DataFrame(
        {
            "role": ["baseline"] * 3, "scheduler": [0, 1, 2], "from_ns": [0] * 3, "until_ns": [2_000_000] * 3,
            "queue_mean": [1.0, 3.0, 5.0], "migrations": [1, 2, 3],
        }
    )  # fmt: skip
    assert grouped(queues, 2)["queue_mean"].to_list() == [2.0, 5.0]
    total = total_frame(queues).row(0, named=True)
    assert (total["queued"], total["per_ms"]) == (9.0, 3.0)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small study that was computed."""
    outputs = tmp_path_factory.mktemp("outputs")
    assert sweep.main([*WORDS, f"outputs.folder={outputs}"]) == 0
    (run,) = outputs.glob("lane/*")
    return run


def digests(folder):
    names = (QUEUES, MIGRATIONS, "machines.json", "report.html")
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in names}


def test_report_is_the_same_again_from_its_tables_and_without_them(folder):
    before = digests(folder)
    assert "Not shown" not in (folder / "report.html").read_text()
    analyse(folder)
    assert digests(folder) == before
    for name in (QUEUES, MIGRATIONS, "machines.json"):
        (folder / name).unlink()
    analyse(folder)
    assert digests(folder) == before


def test_lane_counts_what_the_run_counted(folder):
    found = analyse(folder, draw=False)
    tables = lane_tables(found.run, found.recommendations[0])
    for role, point in tables.queues.select("role", "point").unique().iter_rows():
        own = tables.queues.filter((pl.col("role") == role) & (pl.col("from_ns") >= 1_000_000))
        lane = found.run.lanes.filter(pl.col("point") == point, pl.col("replicate") == 0).collect()
        # The warm-up ends where a bin begins.
        assert own["migrations"].sum() == lane["migration_count"][0]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"topology": {"kind": "hwloc", "name": "two_core", "path": "gone.xml"}}, "gone.xml"),
        ({"topology": {"kind": "description", "name": "other"}}, "holds topology other, not two_core"),
        ({"cost": {"kind": "flat"}}, "does not go as its row"),
    ],
)
def test_a_lane_that_cannot_be_had_is_told(folder, tmp_path, change, reason):
    for name in ("manifest.json", "points.parquet"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "lanes").mkdir()
    for part in folder.glob("lanes/part-*.parquet"):
        (tmp_path / "lanes" / part.name).write_bytes(part.read_bytes())
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config | change))
    found = analyse(tmp_path, draw=False)
    assert reason in lane_tables(found.run, found.recommendations[0]).reason
    assert not (tmp_path / QUEUES).exists()


def test_a_lane_that_takes_too_long_or_another_simulator_is_told(folder, tmp_path, monkeypatch):
    run = read_run(folder)
    (chosen,) = analyse(folder, draw=False).recommendations
    for name in (QUEUES, MIGRATIONS):
        (folder / name).unlink()
    with monkeypatch.context() as patch:
        patch.setattr("pipeline.page.lane.ENTRIES_SIMULATED", 10)
        assert "not simulated again for a picture" in lane_tables(run, chosen).reason
    manifest = json.loads((folder / "manifest.json").read_text()) | {"source_digest": "0" * 64}
    run.manifest.update(manifest)
    assert "another version of the simulator" in lane_tables(run, chosen).reason
