"""The one call: lanes in, columns out."""

import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np

from sim.arena import Arena
from sim.kernels import entries
from sim.kernels.jit import PROGRESS
from sim.layout import hardware as H
from sim.layout import lane as S
from sim.layout import parameter as K
from sim.metrics.derive import metrics_of
from sim.metrics.table import METRICS
from sim.plan import Lane, Plan, plan_of
from sim.spec.policy import Policy
from sim.spec.simulation import Simulation
from sim.spec.timeline import Timeline
from sim.spec.workload import Distribution, ProcessClass, Replay, Step, Workload
from sim.topology.model import Topology


@dataclass(frozen=True)
class Result:
    """What a batch of lanes gave, in the order of the lanes.

    columns          : metric name -> float64 or int64 array (lane,), in the order of sim.METRICS;
                       `status` int32 first
    core_utilisation : float64 array (lane, hardware core), busy share of each core after the warm-up
    """

    columns: dict[str, np.ndarray]
    core_utilisation: np.ndarray


Row = tuple[int, dict[str, float], np.ndarray]
"""Status, metrics and utilisation by core of a lane."""


def run_one(plan: Plan, arena: Arena, index: int) -> Row:
    """Simulate lane `index` of a plan in an arena; returns status, metrics and utilisation by core."""
    arena.clear(index)
    tables = plan.tables
    entries.run_lane(arena.z, tables.whole, tables.real, plan.stagger_ns, plan.schedulers)
    span_ns = int(arena.z[K.HORIZON_NS] - arena.z[K.WARMUP_NS])
    utilisation = arena.hardware()[:, H.BUSY_NS] / span_ns
    return int(arena.z[S.STATUS]), metrics_of(arena, span_ns), utilisation


def run_plan(
    plan: Plan, numbers: list[int], threads: int, on_lane: Callable[[int], None] | None
) -> list[Row]:
    """Every lane of a plan, in order, on some threads; `numbers` are what on_lane is told."""
    local = threading.local()

    def work(index: int) -> Row:
        if not hasattr(local, "arena"):
            local.arena = Arena(plan)
        outcome = run_one(plan, local.arena, index)
        if on_lane is not None:
            on_lane(numbers[index])
        return outcome

    every = range(plan.parameters.shape[0])
    if threads <= 1:
        return [work(index) for index in every]
    with ThreadPoolExecutor(threads) as pool:
        return list(pool.map(work, every))


def collect(rows: list[Row]) -> Result:
    """Rows to columns."""
    columns: dict[str, np.ndarray] = {"status": np.array([status for status, _, _ in rows], np.int32)}
    for name, metric in METRICS.items():
        kind = np.int64 if metric.is_count else np.float64
        columns[name] = np.array([metrics[name] for _, metrics, _ in rows], kind)
    return Result(columns, np.stack([utilisation for _, _, utilisation in rows]))


def simulate(
    topology: Topology,
    workload: Workload | Replay,
    lanes: Iterable[Lane],
    simulation: Simulation | None = None,
    timeline: Timeline | None = None,
    *,
    threads: int = 1,
    on_lane: Callable[[int], None] | None = None,
) -> Result:
    """Simulate lanes that share a machine and a workload.

    A lane's row is a pure function of (topology, workload, lane, simulation): the same bits for any
    `threads`, alone or in a batch. Memory is one arena a thread, whatever the number of lanes.

    Parameters
    ----------
    lanes    : one or more Lane (policy, cost model, seed, replicate, binding)
    timeline : faults and changes at given times; nothing happens without
    threads  : int >= 1; the kernel releases the interpreter lock
    on_lane  : called with the index of each lane that ended, for progress, in any order

    Raises
    ------
    SpecError before anything runs, for a configuration that cannot be simulated. What happens to a lane
    while it runs is in the column `status` (sim.LaneStatus).
    """
    every = list(lanes)
    groups: dict[Any, list[int]] = {}
    for index, lane in enumerate(every):
        groups.setdefault(lane.times, []).append(index)
    plans = [
        plan_of(topology, workload, [every[i] for i in members], simulation or Simulation(), timeline)
        for members in groups.values() or [[]]
    ]
    rows: dict[int, Row] = {}
    for plan, members in zip(plans, groups.values(), strict=True):
        rows |= zip(members, run_plan(plan, members, threads, on_lane), strict=True)
    return collect([rows[index] for index in range(len(every))])


def simulate_logged(
    topology: Topology,
    workload: Workload | Replay,
    lane: Lane,
    simulation: Simulation,
    timeline: Timeline | None = None,
    *,
    capacity: int = 100_000,
    decisions: int = 0,
) -> tuple[np.ndarray, dict[str, Any]]:
    """One lane with its event log, for oracles, tests and timelines.

    Returns
    -------
    log : int64 (entry, 6): time_ns, code, core, process, a, b (codes in sim/kernels/log.py); the first
          `capacity` entries
    counters : every counter and `status`, int; the three histograms as `histogram_<name>`, a dict of
               bucket -> count of those that are not empty; `decisions`, the first rows of the decision log,
               int64 (row, len(DECISION_COLUMNS)); `energy_pj` and `hardware_busy_ns`, by hardware core
    """
    plan = plan_of(
        topology, workload, [lane], simulation, timeline, log_capacity=capacity, decisions=decisions
    )
    arena = Arena(plan, capacity)
    run_one(plan, arena, 0)
    counters: dict[str, Any] = {**arena.counters()}
    counters["status"] = int(arena.z[S.STATUS])
    counters["decisions"] = arena.decisions()
    counters["energy_pj"] = arena.hardware()[:, H.ENERGY_PJ].tolist()
    counters["hardware_busy_ns"] = arena.hardware()[:, H.BUSY_NS].tolist()
    for name, histogram in zip(("sojourn", "waiting", "slowdown"), arena.histograms(), strict=True):
        counters[f"histogram_{name}"] = {int(i): int(histogram[i]) for i in np.flatnonzero(histogram)}
    return arena.log(), counters


def compile_kernels(on_part: Callable[[int, int], None] | None = None) -> float:
    """Compile the kernel, or load it from the cache; returns the seconds it took.

    Call it once in a driver before workers start: they then load what it left. Compiling takes about half a
    minute; `on_part` is called with the number of parts compiled so far and of all, never if it is loaded.
    """
    began = time.perf_counter()
    PROGRESS.listener = on_part
    try:
        simulate_one_process()
    finally:
        PROGRESS.listener = None
    return time.perf_counter() - began


def simulate_one_process() -> None:
    """The least lane there is."""
    ones = np.ones(1)
    topology = Topology(
        name="one", core_type_names=("core",), core_type=[0], core_speed=ones, core_frequency_mhz=[1000],
        core_smt=[0], core_cluster=[0], core_node=[0], core_package=[0], core_os_index=[0],
        private_cache_bytes=[1 << 20], cluster_cache_bytes=[1 << 20], cache_line_bytes=64, node_os_index=[0],
        node_memory_bytes=[0], node_bandwidth_mb_s=[0], node_distance=[[10]], memory_latency_ns=[[100]],
        line_latency_ns=[10, 20, 30, 40],
    )  # fmt: skip
    program = (Step(op="run", draw=Distribution(mean=10.0)), Step(op="exit"))
    workload = Workload(classes=(ProcessClass(name="one", count=1, program=program),))
    simulate(topology, workload, [Lane(Policy())], Simulation(horizon_ns=1000, warmup_ns=0, window_ns=100))
