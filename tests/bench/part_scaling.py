"""Two threads beside one, and two Ray workers beside one, at the same lanes; wall time."""

import os
import time
from collections.abc import Callable, Iterator

import sim
from pipeline.clusters.ray import Program, RayCluster, available_cpus
from pipeline.run.worker import Batch, Slice
from tests.bench.effort import Effort
from tests.bench.row import Row, paired
from tests.bench.systems import System, closed

EVENTS, LANES = 1_000_000, 8
TARGET = 1.9


def lanes_of(system: System) -> list[sim.Lane]:
    """Replicates of one point."""
    return [sim.Lane(system.policy, system.cost, 1, replicate) for replicate in range(LANES)]


def threads_speed(system: System, threads: int) -> float:
    """Events a second of all lanes by so many threads."""
    began = time.perf_counter()
    result = sim.simulate(
        system.topology, system.workload, lanes_of(system), system.simulation, threads=threads
    )
    return float(result.columns["event_count"].sum()) / (time.perf_counter() - began)


def workers_speed(cluster: RayCluster, system: System, workers: int) -> float:
    """Events a second of all lanes, a chunk each, with so many chunks under way."""
    batch = Batch(system.topology, system.workload, system.simulation, None)
    began, handles = time.perf_counter(), {"0": cluster.share(batch)}
    chunks = [[Slice("0", (index,), (lane,))] for index, lane in enumerate(lanes_of(system))]
    under_way = events = 0
    while chunks or under_way:
        while chunks and under_way < workers:
            cluster.submit(handles, chunks.pop(), alone=False)
            under_way += 1
        for outcome in cluster.collect():
            under_way -= 1
            if outcome.results is None or any(result.failures for result in outcome.results):
                raise RuntimeError(f"a chunk was lost: {outcome}")
            events += sum(result.events for result in outcome.results)
    return events / (time.perf_counter() - began)


def row(case: str, one: str, speed: Callable[[int], float], effort: Effort) -> Row:
    """Two, then one, again and again; the best pair is the greatest ratio."""
    speed(2)  # every worker has loaded the kernel, every thread its memory
    pairs = [(speed(2), speed(1)) for _ in range(effort.repetitions)]
    two, alone = zip(*pairs, strict=True)
    facts = {"cpus": available_cpus(), "load_average": os.getloadavg()[0]}
    return paired("scaling", case, "events/s", two, one, alone, target=TARGET, facts=facts)


def scaling(effort: Effort, say: Callable[[str], None]) -> Iterator[Row]:
    """Threads within a process, then processes."""
    if available_cpus() < 2:
        effort.skip("one CPU: nothing to scale to")
        return
    system = closed(64, 1024, effort.scaled(EVENTS))
    say("threads")
    yield row("two threads", "one thread", lambda threads: threads_speed(system, threads), effort)
    say("Ray workers")
    digest = sim.source_digest()
    with RayCluster(Program(sim.simulate, sim.source_digest, digest), 2) as cluster:
        yield row(
            "two Ray workers", "one Ray worker", lambda count: workers_speed(cluster, system, count), effort
        )
