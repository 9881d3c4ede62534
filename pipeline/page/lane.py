"""One lane of the recommended setting and one of the baseline, as small tables that the report draws.

Replicate 0 of both is simulated once more with its event log. What comes of it is kept in the run folder, so
that a report made anew needs no simulator; where it cannot be made, the reason is told instead.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

import sim
from pipeline.config.build import Inputs, build
from pipeline.config.schema_errors import load_config
from pipeline.errors import UserError
from pipeline.evidence.aggregate import RunTables, write_table
from pipeline.evidence.partial import partial_words
from pipeline.evidence.recommend import Recommendation
from pipeline.evidence.setting import policy_of
from pipeline.timelines.counters import queue_changes
from pipeline.timelines.log import Code, LaneLog

QUEUES, MIGRATIONS = "representative.parquet", "representative_migrations.parquet"
REPLICATE = 0
BINS = 100
MARKS_MOST = 2_000
"""Migrations that are kept a lane; of more, every n-th."""
ENTRIES_SIMULATED, ENTRIES_LOGGED = 12_000_000, 6_000_000
"""Events and attempts of a lane: two to four seconds; 48 bytes each while they are logged."""
GROUPS = ("topology", "workload", "binding", "faults")


@dataclass(frozen=True)
class LaneTables:
    """The representative lanes, or why there are none.

    queues     : a row a role, scheduler and bin of time: processes queued (mean), migrations that arrived
    migrations : a row a migration that is kept, each of which stands for `stands_for`
    reason     : why there are no tables, or ""
    """

    queues: pl.DataFrame | None
    migrations: pl.DataFrame | None
    reason: str = ""


class NoLaneError(Exception):
    """A lane that cannot be shown, and why, in words for the report."""


def lane_tables(run: RunTables, chosen: Recommendation) -> LaneTables:
    """The lanes of a recommendation: from the run folder if they lie there, else simulated and written."""
    roles = {"recommended": chosen.point}
    if chosen.baseline is not None and chosen.baseline != chosen.point:
        roles["baseline"] = chosen.baseline
    kept = kept_tables(run.folder, roles)
    if kept is not None:
        return kept
    if partial_words(run.manifest):
        return LaneTables(None, None, "the run is not finished")
    try:
        parts = [lane_frames(run, role, point) for role, point in roles.items()]
    except NoLaneError as error:
        return LaneTables(None, None, str(error))
    except (UserError, sim.SpecError, sim.TopologyError, OSError) as error:
        return LaneTables(None, None, f"the lane cannot be simulated again: {' '.join(str(error).split())}")
    queues, migrations = (pl.concat(frames) for frames in zip(*parts, strict=True))
    write_table(queues, run.folder / QUEUES)
    write_table(migrations, run.folder / MIGRATIONS)
    return LaneTables(queues, migrations)


def kept_tables(folder: Path, roles: Mapping[str, int]) -> LaneTables | None:
    """The tables in a run folder if they are of these points, else None."""
    try:
        queues, migrations = (pl.read_parquet(folder / name) for name in (QUEUES, MIGRATIONS))
        found = dict(queues.select("role", "point").unique(maintain_order=True).iter_rows())
    except (OSError, pl.exceptions.PolarsError):
        return None
    return LaneTables(queues, migrations) if found == dict(roles) else None


def lane_frames(run: RunTables, role: str, point: int) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Queues and migrations of one lane.

    Raises
    ------
    NoLaneError with the reason if it cannot be simulated again, or would take too long
    """
    row = run.points.row(by_predicate=pl.col("point") == point, named=True)
    measured = run.lanes.filter(pl.col("point") == point, pl.col("replicate") == REPLICATE).collect()
    if not measured.height:
        raise NoLaneError(f"replicate {REPLICATE} of point {point} has no result")
    counts = measured.row(0, named=True)
    check_source(run)
    inputs = inputs_of(run, row)
    log = logged(run, inputs, counts)
    ids = {"role": role, "point": point, "replicate": REPLICATE}
    return queue_frame(log, ids), migration_frame(log, ids)


def check_source(run: RunTables) -> None:
    """Refuse a run of another simulator: its lanes may have gone differently."""
    if run.manifest.get("source_digest") != sim.source_digest():
        raise NoLaneError("the run was computed by another version of the simulator")


def inputs_of(run: RunTables, row: Mapping[str, Any]) -> Inputs:
    """What a point is simulated from, put together from the run's own configuration and points."""
    config: dict[str, Any] = {**run.config, "policy": policy_of(run, row)}
    for group in GROUPS:
        named = (config.get(group) or {}).get("name")
        if row.get(group) is not None and named is not None and named != row[group]:
            raise NoLaneError(f"the run's configuration holds {group} {named}, not {row[group]}")
    for axis in run.axes:
        first, *path = axis.split(".")
        if path and first != "policy":
            config[first] = changed(config.get(first) or {}, path, row[axis])
    return build(load_config(config))


def changed(section: Mapping[str, Any], path: list[str], value: Any) -> dict[str, Any]:
    """A section with one nested value replaced."""
    first, *rest = path
    return {**section, first: changed(section.get(first) or {}, rest, value) if rest else value}


def logged(run: RunTables, inputs: Inputs, counts: Mapping[str, Any]) -> LaneLog:
    """The log of a lane, checked to be the lane of the run's table.

    Raises
    ------
    NoLaneError if it would take too long, or the lane goes differently than it did
    """
    simulation = inputs.simulation
    share = 1 - simulation.warmup_ns / simulation.horizon_ns
    entries = int((counts["event_count"] + counts["migration_attempt_count"]) / share)
    if entries > ENTRIES_SIMULATED:
        raise NoLaneError(
            f"the lane has some {entries / 1e6:.0f} million events and attempts, more than "
            f"{ENTRIES_SIMULATED // 10**6} million, so it is not simulated again for a picture; "
            "python -m pipeline.simulate timeline=true shows a part of it"
        )
    seed = int(run.manifest.get("seed") or 0)
    lane = sim.Lane(
        policy=inputs.policy, cost=inputs.cost, seed=seed, replicate=REPLICATE, binding=inputs.binding
    )
    parts = (inputs.topology, inputs.workload, lane, simulation, inputs.faults)
    capacity = min(entries * 5 // 4 + 65_536, ENTRIES_LOGGED)
    rows, counters = sim.simulate_logged(*parts, capacity=capacity)
    if sim.LaneStatus.LOG_FULL in sim.LaneStatus(counters["status"]) and capacity < ENTRIES_LOGGED:
        rows, counters = sim.simulate_logged(*parts, capacity=ENTRIES_LOGGED)
    if not is_same(counters, counts):
        raise NoLaneError("simulated again, the lane does not go as its row in the run's table says")
    is_whole = sim.LaneStatus.LOG_FULL not in sim.LaneStatus(counters["status"])
    end_ns = simulation.horizon_ns if is_whole else int(rows[-1, 0])
    plan = sim.plan_of(inputs.topology, inputs.workload, [lane], simulation, inputs.faults)
    homes = np.asarray(plan.maps[0][:, 0], np.int64)
    columns = [np.ascontiguousarray(rows[:, i]) for i in range(rows.shape[1])]
    return LaneLog(
        time_ns=columns[0], code=columns[1], core=columns[2], process=columns[3], a=columns[4], b=columns[5],
        first=0, last=rows.shape[0], first_ns=0, last_ns=end_ns, is_cut=not is_whole,
        is_whole=is_whole, end_ns=end_ns, homes=homes, online=homes.size,
        decisions=np.empty((0, len(sim.DECISION_COLUMNS)), np.int64), counters=counters, classes=(),
        inputs=inputs,
    )  # fmt: skip


def is_same(counters: Mapping[str, Any], counts: Mapping[str, Any]) -> bool:
    """Whether a lane's counters are those of its row: all counts, and what its migrations cost."""
    shared = [name for name in counts if name in counters and isinstance(counts[name], int)]
    same = all(counters[name] == counts[name] for name in shared if name != "status")
    number = counters["migration_count"]
    for kind in ("estimated", "realised") if same and number else ():
        cost = counts[f"migration_cost_{kind}_cycles"]
        same = same and math.isclose(counters[f"{kind}_cycles"] / number, cost, rel_tol=1e-9)
    return same


def queue_frame(log: LaneLog, ids: Mapping[str, Any]) -> pl.DataFrame:
    """Mean queue length and migrations that arrived, by scheduler and bin of time."""
    edges = np.linspace(0, log.end_ns, BINS + 1).astype(np.int64)
    size = log.num_schedulers * BINS
    changes = queue_changes(log)
    time_ns = log.time_ns[changes.entries]
    place = bin_of(edges, time_ns)
    cell = changes.scheduler * BINS + place
    # What a change adds to its own bin from its time on, and to every later bin. Both are sums of whole
    # numbers, below 2**53, so that they are exact.
    own = np.bincount(cell, changes.change * (edges[place + 1] - time_ns), size).reshape(-1, BINS)
    level = np.bincount(cell, changes.change, size).reshape(-1, BINS).cumsum(axis=1)
    before = np.concatenate([np.zeros((log.num_schedulers, 1)), level[:, :-1]], axis=1)
    mean = own / np.diff(edges) + before
    moves = log.of(Code.MIGRATE)
    arrived = np.bincount(log.core[moves] * BINS + bin_of(edges, log.time_ns[moves]), minlength=size)
    return pl.DataFrame(
        {
            "scheduler": np.repeat(np.arange(log.num_schedulers, dtype=np.int32), BINS),
            "core": np.repeat(log.homes.astype(np.int32), BINS),
            "from_ns": np.tile(edges[:-1], log.num_schedulers),
            "until_ns": np.tile(edges[1:], log.num_schedulers),
            "queue_mean": mean.ravel(),
            "migrations": arrived.astype(np.int32),
        }
    ).select(
        *id_columns(ids),
        pl.all(),
        warmup_ns=pl.lit(log.inputs.simulation.warmup_ns, pl.Int64),
        horizon_ns=pl.lit(log.inputs.simulation.horizon_ns, pl.Int64),
    )  # fmt: skip


def id_columns(ids: Mapping[str, Any]) -> list[pl.Expr]:
    """Role, point and replicate as columns."""
    return [pl.lit(v, pl.String if name == "role" else pl.Int32).alias(name) for name, v in ids.items()]


def bin_of(edges: np.ndarray[Any, Any], time_ns: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The bin of each time; the last one has its end too."""
    found: np.ndarray[Any, Any] = np.clip(np.searchsorted(edges, time_ns, "right") - 1, 0, BINS - 1)
    return found


def migration_frame(log: LaneLog, ids: Mapping[str, Any]) -> pl.DataFrame:
    """Migrations from scheduler to scheduler, thinned evenly to MARKS_MOST."""
    every = log.of(Code.MIGRATE)
    step = max(1, -(-every.size // MARKS_MOST))
    moves = every[::step]
    return pl.DataFrame(
        {
            "time_ns": log.time_ns[moves],
            "process": log.process[moves].astype(np.int32),
            "source": log.a[moves].astype(np.int32),
            "target": log.core[moves].astype(np.int32),
        }
    ).select(
        *id_columns(ids),
        pl.all(),
        stands_for=pl.lit(step, pl.Int32),
    )  # fmt: skip
