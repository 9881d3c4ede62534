"""How far one driver goes: what it costs a driver to send, take and store chunks, and what follows from it.

    python -m tests.bench.cluster_driver [--workers 8,32] [--chunks 200]

Costs are CPU seconds of the driver's process, every thread of Ray's in it included: they hold on a busy
machine. Lanes give 64 columns at once, or sleep: workers that sleep stand for CPUs that this machine has not.
"""

import argparse
import resource
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

import pipeline.run.chunks
from pipeline.clusters.ray import GATHER_S, Program, RayCluster
from pipeline.run.lanes import LanePlan
from tests.bench.part_tasks import Job
from tests.pipeline.fake import fake_study, fake_toolkit

METRICS = 60
LANES_OF_CHUNK = (1, 16, 128, 1024)
PRETENDED_WORKERS = (2, 64)
LANE_S = 0.02
SLEEPING_S = 15.0
LANE_TIMES_S = (0.001, 0.01, 0.1, 1.0)
CHUNK_TIMES_S = (1.0, 10.0)


def quick(topology: Any, workload: Any, lanes: Any, *_: Any, threads: int = 1) -> SimpleNamespace:
    """A simulator of no work, with as many columns as the real one."""
    time.sleep((workload.sleep_s or 0.0) * len(lanes))
    number = np.array([lane.replicate for lane in lanes], np.float64)
    columns = {"status": np.ones(number.size, np.uint32), "event_count": np.ones(number.size, np.int64)}
    return SimpleNamespace(columns=columns | {f"m{i}": np.sin(number * (i + 2)) for i in range(METRICS)})


@contextmanager
def chunks_of(lanes: int) -> Iterator[None]:
    """Chunks of at most so many lanes."""
    before = pipeline.run.chunks.LANES_MAX
    pipeline.run.chunks.LANES_MAX = lanes
    try:
        yield
    finally:
        pipeline.run.chunks.LANES_MAX = before


@dataclass(frozen=True)
class Costs:
    """CPU seconds of the driver: for a chunk, for each time that results are stored, for a lane."""

    chunk_s: float
    store_s: float
    lane_s: float


@dataclass(frozen=True)
class Session:
    """What a session cost: lanes, chunks, times of storing, wall and CPU seconds of the driver."""

    lanes: int
    chunks: int
    stored: int
    wall_s: float
    cpu_s: float


def cpu_s() -> float:
    """CPU seconds of this process, every thread."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def session(cluster: RayCluster, lanes: int, chunk_s: float, sleep_s: float = 0.0) -> Session:
    """Compute and store so many lanes."""
    sent: list[int] = []
    came: list[int] = []
    submit, collect = cluster.submit, cluster.collect

    def counted(handles: Any, chunk: Any, *, alone: bool) -> int:
        sent.append(1)
        return submit(handles, chunk, alone=alone)

    def heard() -> list[Any]:
        outcomes = collect()
        came.extend([1] if outcomes else [])
        return outcomes

    with tempfile.TemporaryDirectory(prefix="coreshift-driver-") as name:
        where = {"kind": "local", "workers": cluster.workers, "chunk_s": chunk_s}
        study = fake_study(
            Path(name), factors=(1.0,), topologies=("one",), replicates=lanes, cluster=where, sleep_s=sleep_s
        )
        job = Job(LanePlan(study, fake_toolkit(simulate=quick)), Path(name), cluster)
        cluster.submit, cluster.collect = counted, heard  # type: ignore[method-assign]
        began, used = time.perf_counter(), cpu_s()
        try:
            run = job.run()
        finally:
            del cluster.submit, cluster.collect  # type: ignore[method-assign]
        found = Session(lanes, len(sent), len(came), time.perf_counter() - began, cpu_s() - used)
    if run.computed_lanes != lanes:
        raise RuntimeError(f"{run.computed_lanes} of {lanes} lanes came back")
    return found


def fit(sessions: Sequence[Session]) -> Costs:
    """CPU seconds of a chunk, of storing and of a lane: least squares of relative errors, none negative."""
    from scipy.optimize import nnls

    counts = np.array([[s.chunks, s.stored, s.lanes] for s in sessions], np.float64)
    used = np.array([s.cpu_s for s in sessions])
    found, _ = nnls(counts / used[:, None], np.ones(used.size))
    return Costs(*map(float, found))


def open_cluster(workers: int) -> RayCluster:
    """A local cluster that runs `quick`."""
    toolkit = fake_toolkit(simulate=quick)
    return RayCluster(Program(toolkit.simulate, toolkit.source_digest, toolkit.source_digest()), workers)


def costs(chunks: int) -> Costs:
    """Measure and print the driver's costs."""
    found = []
    print("driver's cost (lanes of no work, 62 columns, 2 worker processes):")
    with open_cluster(2) as cluster:
        session(cluster, 64, 1.0)
        for workers in PRETENDED_WORKERS:
            cluster.workers = workers
            for lanes in LANES_OF_CHUNK:
                with chunks_of(lanes):
                    one = session(cluster, lanes * (chunks if lanes < 1000 else chunks // 4), 1000.0)
                found.append(one)
                print(
                    f"  {one.lanes:7} lanes, {one.chunks:4} chunks, stored {one.stored:4} times: "
                    f"CPU {1000 * one.cpu_s / one.chunks:6.2f} ms a chunk, "
                    f"{1e6 * one.cpu_s / one.lanes:7.1f} us a lane",
                    flush=True,
                )
    costs_s = fit(found)
    print(
        f"fit: {1000 * costs_s.chunk_s:.2f} ms a chunk + {1000 * costs_s.store_s:.2f} ms a time of storing "
        f"+ {1e6 * costs_s.lane_s:.1f} us a lane"
    )
    return costs_s


def sleeping(workers: int) -> None:
    """Lanes that sleep, on more workers than there are CPUs: lanes a second against the ideal."""
    with open_cluster(workers) as cluster:
        # Every worker process is started and has its simulator before the clock runs.
        session(cluster, 40 * workers, 0.2, LANE_S)
        one = session(cluster, int(workers * SLEEPING_S / LANE_S), 1.0, LANE_S)
    ideal = workers / LANE_S
    rate = one.lanes / one.wall_s
    print(
        f"  {workers:4} workers: {rate:7.0f} lanes/s of {ideal:7.0f} ({100 * rate / ideal:3.0f} %), "
        f"driver {100 * one.cpu_s / one.wall_s:3.0f} % of a CPU, {one.chunks} chunks",
        flush=True,
    )


def project(cost: Costs) -> None:
    """Print how many workers keep one driver busy all the time."""
    print("projected: workers that one driver keeps busy, by the time of a lane")
    for target_s in CHUNK_TIMES_S:
        cells = []
        for time_s in LANE_TIMES_S:
            lanes = min(max(1.0, target_s / time_s), pipeline.run.chunks.LANES_MAX)
            a_second = (cost.chunk_s + lanes * cost.lane_s) / (lanes * time_s)
            workers = (1 - cost.store_s / GATHER_S) / a_second
            cells.append(f"{time_s * 1000:g} ms: {workers:,.0f}")
        print(f"  chunks of {target_s:g} s: " + "; ".join(cells))


def main() -> None:
    """Print the three tables."""
    parser = argparse.ArgumentParser(description=str(__doc__).splitlines()[0])
    parser.add_argument("--workers", default="2,8,32", help="counts of workers that sleep")
    parser.add_argument("--chunks", type=int, default=200, help="chunks of each size")
    words = parser.parse_args()
    project(costs(words.chunks))
    print(f"lanes that sleep for {1000 * LANE_S:g} ms:")
    for workers in (int(word) for word in words.workers.split(",") if word):
        sleeping(workers)


if __name__ == "__main__":
    main()
