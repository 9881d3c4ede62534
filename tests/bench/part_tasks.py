"""What the fan-out costs: trivial lanes through it, beside as many plain Ray tasks in the same session."""

import io
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.clusters.inline import Cluster, InlineCluster
from pipeline.clusters.ray import Program, RayCluster
from pipeline.run.fanout import StudyJob
from pipeline.run.lanes import LanePlan
from pipeline.run.progress import StudyProgress
from pipeline.run.worker import Batch, Slice
from tests.bench.effort import Effort
from tests.bench.row import Row, paired
from tests.pipeline.fake import fake_study, fake_toolkit

TASKS, WORKERS = 1000, 2
ONE_LANE = 0.0  # seconds of work in a chunk: so little that each lane is a chunk
PLAIN, LOOP = "plain Ray tasks", "plain calls"


class Job(StudyJob):
    """A session on a cluster that is up already, and stays up."""

    def __init__(self, plan: LanePlan, folder: Path, cluster: Cluster) -> None:
        console = Console(file=io.StringIO(), quiet=True)
        self.given = cluster
        super().__init__(plan, folder, StudyProgress(console))

    def _cluster(self, lane_count: int) -> Cluster:
        return Open(self.given)


class Open:
    """A cluster that neither starts nor ends."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    def __enter__(self) -> Cluster:
        return self._cluster

    def __exit__(self, *_: object) -> None:
        return None


def study_ms(cluster: Cluster, lanes: int, chunk_s: float) -> float:
    """Milliseconds a lane of a study of trivial lanes: from its plan to its finished table."""
    with tempfile.TemporaryDirectory(prefix="coreshift-tasks-") as name:
        where = {"kind": "local", "workers": WORKERS, "chunk_s": chunk_s}
        study = fake_study(Path(name), factors=(1.0,), topologies=("one",), replicates=lanes, cluster=where)
        began = time.perf_counter()
        run = Job(LanePlan(study, fake_toolkit()), Path(name), cluster).run()
        seconds = time.perf_counter() - began
    if run.computed_lanes != lanes:
        raise RuntimeError(f"{run.computed_lanes} of {lanes} lanes came back")
    return 1000 * seconds / lanes


def trivial_batch() -> tuple[Batch, tuple[Any, ...]]:
    """A batch and the lane of a study with one lane."""
    plan = LanePlan(fake_study(Path("unused"), factors=(1.0,), topologies=("one",)), fake_toolkit())
    return plan.batch(0), (plan.spec(0),)


def chunks_ms(cluster: Cluster, count: int) -> float:
    """Milliseconds a chunk of one trivial lane: sent and collected, nothing stored."""
    batch, specs = trivial_batch()
    handles = {"0": cluster.share(batch)}
    began, sent, back = time.perf_counter(), 0, 0
    while back < count:
        while sent < min(count, back + cluster.capacity):
            cluster.submit(handles, [Slice("0", (sent,), specs)], alone=False)
            sent += 1
        outcomes = cluster.collect()
        if any(outcome.results is None for outcome in outcomes):
            raise RuntimeError(f"a chunk was lost: {outcomes}")
        back += len(outcomes)
    return 1000 * (time.perf_counter() - began) / count


def nothing(number: int) -> int:
    """A trivial task."""
    return number


def ray_ms(count: int) -> float:
    """Milliseconds a task of plain Ray: all sent, then all collected."""
    import ray

    task = ray.remote(num_cpus=1)(nothing)
    began = time.perf_counter()
    found = ray.get([task.remote(number) for number in range(count)])
    seconds = time.perf_counter() - began
    if found != list(range(count)):
        raise RuntimeError("plain Ray tasks came back wrong")
    return 1000 * seconds / count


def calls_ms(count: int) -> float:
    """Milliseconds a call of the trivial simulator, in a loop."""
    batch, specs = trivial_batch()
    simulate = fake_toolkit().simulate
    began = time.perf_counter()
    for _ in range(count):
        simulate(batch.topology, batch.workload, list(specs), batch.simulation, batch.faults)
    return 1000 * (time.perf_counter() - began) / count


def rows(
    cases: dict[str, Callable[[], float]], peer: str, measure_peer: Callable[[], float], effort: Effort
) -> Iterator[Row]:
    """A row for each case; within a repetition all cases and the peer run one after the other."""
    for measure in (*cases.values(), measure_peer):
        measure()  # workers and files that are there
    mine: dict[str, list[float]] = {name: [] for name in cases}
    theirs = []
    for _ in range(effort.repetitions):
        theirs.append(measure_peer())
        for name, measure in cases.items():
            mine[name].append(measure())
    for name, values in mine.items():
        yield paired("tasks", name, "ms/lane", values, peer, theirs, better="low")


def tasks(effort: Effort, say: Callable[[str], None]) -> Iterator[Row]:
    """Ray, then the executor in this process."""
    from pipeline.run.chunks import TARGET_S

    toolkit, count = fake_toolkit(), max(20, effort.scaled(TASKS))
    say("starting Ray")
    program = Program(toolkit.simulate, toolkit.source_digest, toolkit.source_digest())
    with RayCluster(program, WORKERS) as cluster:
        say("trivial lanes")
        cases = {
            "Ray, a chunk a lane, nothing stored": lambda: chunks_ms(cluster, count),
            "Ray, a chunk a lane, whole study": lambda: study_ms(cluster, count, ONE_LANE),
            "Ray, chunks as usual, whole study": lambda: study_ms(cluster, count, TARGET_S),
        }
        yield from rows(cases, PLAIN, lambda: ray_ms(count), effort)
    inline = InlineCluster(toolkit.simulate)
    cases = {
        "inline, a chunk a lane, nothing stored": lambda: chunks_ms(inline, count),
        "inline, chunks as usual, whole study": lambda: study_ms(inline, count, TARGET_S),
    }
    yield from rows(cases, LOOP, lambda: calls_ms(count), effort)
