"""What a worker does with a chunk of lanes: simulate, and isolate the lanes that fail."""

import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Columns = Mapping[str, np.ndarray[Any, Any]]
Simulate = Callable[..., Any]
TRACE_LINES = 12
COMPLETED = 1
# No bit of sim.LaneStatus: the lane was not simulated to any end.
NOT_SIMULATED = 0


@dataclass(frozen=True)
class Batch:
    """What all lanes of one simulator call share; `faults` is the timeline."""

    topology: Any
    workload: Any
    simulation: Any
    faults: Any


@dataclass(frozen=True)
class Slice:
    """Lanes of one batch within a chunk.

    batch : key of the batch
    lanes : lane numbers of the study
    specs : sim.Lane, one a lane
    """

    batch: str
    lanes: tuple[int, ...]
    specs: tuple[Any, ...]


@dataclass(frozen=True)
class LaneFailure:
    """A lane that gave no result.

    lane   : lane number of the study
    status : bits of sim.LaneStatus, or NOT_SIMULATED when the simulator raised or its process died
    error  : one line for people; "" if the status says it all
    trace  : the last lines of the traceback, or ""
    """

    lane: int
    status: int
    error: str
    trace: str = ""


@dataclass
class SliceResult:
    """What came of a slice: completed lanes as columns, the others as failures.

    batch    : key of the batch
    lanes    : int64 array (lane,), completed lanes
    columns  : name -> array (lane,)
    failures : lanes without a result
    events   : events handled, failed lanes included where known
    seconds  : time of the simulator calls
    """

    batch: str
    lanes: np.ndarray[Any, Any]
    columns: dict[str, np.ndarray[Any, Any]]
    failures: list[LaneFailure] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0


def run_chunk(
    simulate: Simulate, batches: Mapping[str, Batch], chunk: Sequence[Slice], threads: int = 1
) -> list[SliceResult]:
    """The slices of a chunk, one after the other."""
    return [run_slice(simulate, batches[work.batch], work, threads) for work in chunk]


def run_slice(simulate: Simulate, batch: Batch, work: Slice, threads: int) -> SliceResult:
    """Simulate the lanes of a slice in one call; after an exception, one by one.

    A lane is independent of its batch, so the lanes beside a failing one lose nothing but time.
    """
    started = time.perf_counter()
    try:
        found = [simulate_lanes(simulate, batch, work.lanes, work.specs, threads)]
    except Exception as error:
        if len(work.lanes) == 1:
            found = [failure_of(work.lanes[0], error)]
        else:
            found = [
                one_lane(simulate, batch, lane, spec)
                for lane, spec in zip(work.lanes, work.specs, strict=True)
            ]
    result = merge(work.batch, found)
    result.seconds = time.perf_counter() - started
    return result


def one_lane(simulate: Simulate, batch: Batch, lane: int, spec: Any) -> SliceResult:
    """Simulate one lane; an exception becomes its failure."""
    try:
        return simulate_lanes(simulate, batch, (lane,), (spec,), 1)
    except Exception as error:
        return failure_of(lane, error)


def simulate_lanes(
    simulate: Simulate,
    batch: Batch,
    lanes: Sequence[int],
    specs: Sequence[Any],
    threads: int,
) -> SliceResult:
    """One call of the simulator, its answer split into completed lanes and flagged ones."""
    answer = simulate(
        batch.topology, batch.workload, list(specs), batch.simulation, batch.faults, threads=threads
    )
    columns = {name: np.asarray(values) for name, values in answer.columns.items()}
    for name, values in columns.items():
        if values.shape != (len(lanes),):
            raise ValueError(f"column {name} has shape {values.shape}, not ({len(lanes)},)")
    status = columns["status"].astype(np.int64)
    good = status == COMPLETED
    numbers = np.asarray(lanes, np.int64)
    reports = getattr(answer, "reports", {})
    failures = [
        LaneFailure(int(numbers[index]), int(status[index]), reports.get(int(index), ""))
        for index in np.flatnonzero(~good)
    ]
    return SliceResult(
        batch="",
        lanes=numbers[good],
        columns={name: values[good] for name, values in columns.items()},
        failures=failures,
        events=int(columns["event_count"].sum()) if "event_count" in columns else 0,
    )


def failure_of(lane: int, error: Exception) -> SliceResult:
    """The result of a lane that raised."""
    lines = "".join(traceback.format_exception(error)).splitlines()[-TRACE_LINES:]
    text = f"{type(error).__name__}: {error}"
    failure = LaneFailure(lane, NOT_SIMULATED, text, "\n".join(lines))
    return SliceResult("", np.zeros(0, np.int64), {}, [failure])


def merge(batch: str, found: Sequence[SliceResult]) -> SliceResult:
    """Several results of one batch as one."""
    filled = [result for result in found if result.lanes.size]
    names = list(filled[0].columns) if filled else []
    return SliceResult(
        batch=batch,
        lanes=np.concatenate([r.lanes for r in filled]) if filled else np.zeros(0, np.int64),
        columns={name: np.concatenate([r.columns[name] for r in filled]) for name in names},
        failures=[failure for result in found for failure in result.failures],
        events=sum(result.events for result in found),
    )
