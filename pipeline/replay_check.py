"""Hold the simulator against recordings: replay each under the BEAM's own policy, and compare what shows.

A recording is replayed on the machine and with the flags it was made with: two equal cores, as many
schedulers as it had, its own +S, +sbt and +scl; one copy, from the first event to the last. Then the same
figures are taken from both schedules by the same definition (pipeline/beam_trace/check_metrics.py).

Taken from the recordings, not fitted: a switch of process takes the median time between two slices of the
recording at hand; waking an idle scheduler takes 10 us (the median of the -prof run of httpd); a scheduler
thread keeps its core for 4 ms (SCHED_RR, under which all were recorded).
"""

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

import sim
from pipeline.beam_trace import convert_trace, read_beam_trace
from pipeline.beam_trace.check_metrics import Figures, figures_of
from pipeline.beam_trace.read import BeamTrace
from pipeline.beam_trace.schedule import (
    DISPATCH,
    Schedule,
    recorded_schedule,
    simulated_schedule,
)
from pipeline.config.build import build_topology
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.grid import Point
from pipeline.config.study import make_study
from pipeline.errors import UserError
from sim import ReplayOp, ReplayTrace, TraceError

MIGRATIONS_TOLERANCE = 0.25
BUSY_TOLERANCE = 0.05
WAKE_FACTOR = 2.0
SETTLE_NS = 20_000_000
"""Left out at the start, or a tenth of the window if that is less: the replay begins with idle schedulers."""

END_SHARE = 0.1
"""Left out at the end: a replay that is ahead of its recording runs out of recorded work there, and idles."""

WAKE_NS = 10_000
OS_QUANTUM_NS = 4_000_000
SWITCH_MAX_NS = 10_000
FLAGS = ("S", "sbt", "scl", "sub", "swt", "sws", "sbwt")
LOG_CAPACITY = 2_000_000
LOG_CAPACITY_MAX = 64_000_000


@dataclass(frozen=True)
class Row:
    """One figure of one recording: recorded, simulated, the allowed band, and whether it holds.

    low, high : None without a band; verdict : "right", "wrong", or "shown" without a band
    """

    trace: str
    metric: str
    recorded: float
    simulated: float
    low: float | None
    high: float | None
    verdict: str

    @property
    def ratio(self) -> float | None:
        """Simulated over recorded; None where nothing was recorded."""
        return self.simulated / self.recorded if self.recorded else None


@dataclass(frozen=True)
class Checked:
    """One recording's comparison, and under what it was recorded and replayed."""

    trace: str
    rows: tuple[Row, ...]
    slowdown: float
    window_s: float
    flags: str
    settings: tuple[str, ...]
    repeats: int
    replayed_with: str = ""
    """Flags and settings of the replay, where they are not those of the recording."""

    @property
    def is_idle(self) -> bool:
        """Whether so little ran that a replay of nothing at all would have the right busy shares."""
        shares = [row.recorded for row in self.rows if row.metric == "busy_share_mean"]
        return bool(shares) and shares[0] < BUSY_TOLERANCE

    def as_json(self) -> dict[str, Any]:
        """The comparison as plain data; what is not a number is null."""
        plain = asdict(self) | {"slowdown": None if np.isnan(self.slowdown) else self.slowdown}
        plain["too_idle_to_check"] = self.is_idle
        plain["rows"] = [asdict(row) | {"ratio": row.ratio} for row in self.rows]
        return plain


def check_trace(folder: str | Path, words: Sequence[str] = ()) -> Checked:
    """Replay one recording and compare.

    Parameters
    ----------
    folder : of the recording
    words  : settings as on the command line, which go before those of the recording

    Raises
    ------
    TraceError for a recording that cannot be replayed, ConfigError for a setting that is wrong
    """
    recording = read_beam_trace(folder)
    imported = convert_trace(recording)
    trace = imported.trace
    recorded = recorded_schedule(recording, trace.ns_per_reduction)
    flags = recorded_flags(recording)
    own = default_words(recording, recorded, flags)
    settings = (*own, *words)
    point = compose_point(settings)
    log = replay_log(trace, point)
    ports = imported.pids[trace.peer[trace.op == ReplayOp.BEGIN] < 0] < 0
    switch_ns = switch_cost_ns(point)
    simulated = simulated_schedule(log, ports, switch_ns)
    span = min(SETTLE_NS, trace.window_ns // 10), round(trace.window_ns * (1 - END_SHARE))
    left = figures_of(recorded, recording.schedulers, *span) | recorded_queues(recording)
    right = figures_of(simulated, recording.schedulers, *span) | simulated_queues(log, recording, span)
    spread = repeated_migrations(Path(folder))
    rows = [compare(recording.name, metric, value, right, spread) for metric, value in left.items()]
    return Checked(
        trace=recording.name,
        rows=tuple(rows),
        slowdown=recording.slowdown,
        window_s=trace.window_ns / 1e9,
        flags=flags_line(flags),
        settings=settings,
        repeats=len(spread),
        replayed_with=differing_settings(flags, own, words),
    )


def compare(trace: str, metric: str, recorded: float, simulated: Figures, spread: Sequence[float]) -> Row:
    """One figure against its band."""
    value = simulated.get(metric, 0.0)
    band: tuple[float, float] | None = None
    if metric == "migrations_per_1000_slices":
        low, high = min(recorded, *spread, recorded), max(recorded, *spread, recorded)
        band = low * (1 - MIGRATIONS_TOLERANCE), high * (1 + MIGRATIONS_TOLERANCE)
    elif metric.startswith("busy_share"):
        band = recorded - BUSY_TOLERANCE, recorded + BUSY_TOLERANCE
    elif metric == "wake_to_run_us_p50":
        band = recorded / WAKE_FACTOR, recorded * WAKE_FACTOR
    if band is None:
        return Row(trace, metric, recorded, value, None, None, "shown")
    verdict = "right" if band[0] <= value <= band[1] else "wrong"
    if metric.startswith("busy_share"):
        # judged before: a slice that outlasts the window counts whole, so that a share may pass 1 by a hair
        band = max(0.0, band[0]), min(1.0, band[1])
    return Row(trace, metric, recorded, value, *band, verdict)


# --- what was recorded ----------------------------------------------------------------------------


def recorded_flags(recording: BeamTrace) -> dict[str, str]:
    """Scheduler flags of the recorded VM's command line."""
    path = recording.folder / "summary.json"
    try:
        words = json.loads(path.read_text())["system"]["cmdline"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise TraceError(f"{path}, system.cmdline", str(error)[:80], "the VM's command line") from error
    if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
        raise TraceError(f"{path}, system.cmdline", type(words).__name__, "a list of words")
    pairs = itertools.pairwise(words)
    found = {flag[1:]: value for flag, value in pairs if flag[:1] in ("-", "+") and flag[1:] in FLAGS}
    return {"S": str(recording.schedulers), "sbt": "u"} | found


def flags_line(flags: Mapping[str, str]) -> str:
    """Scheduler flags as on a command line."""
    return " ".join(f"+{name} {value}" for name, value in flags.items())


def differing_settings(flags: dict[str, str], own: Sequence[str], words: Sequence[str]) -> str:
    """What a replay ran with in place of what was recorded; empty if that is the same.

    Parameters
    ----------
    flags : as recorded
    own   : settings that follow from the recording
    words : settings that were given, which go before those
    """
    before = dict(word.split("=", 1) for word in own)
    given = {key: value for key, _, value in (word.partition("=") for word in words)}
    changed = {key: value for key, value in given.items() if before.get(key) != value}
    replayed = flags | {
        key.removeprefix("policy.erts."): value
        for key, value in changed.items()
        if key.removeprefix("policy.erts.") in FLAGS
    }
    others = [
        f"{key}={value}" for key, value in changed.items() if key.removeprefix("policy.erts.") not in FLAGS
    ]
    # another policy knows nothing of the flags
    is_erts = given.get("policy", "erts") == "erts"
    return " ".join([*([flags_line(replayed)] if changed and is_erts else []), *others])


def recorded_queues(recording: BeamTrace) -> Figures:
    """Mean length of each scheduler's run queue over the samples of window B, if sampled."""
    path = recording.folder / "samples.parquet"
    names = [f"run_queue_{number}" for number in range(1, recording.schedulers + 1)]
    try:
        table = pl.DataFrame(pq.read_table(path, columns=["window", *names]))
    except (pa.ArrowException, OSError):
        return {}
    means = table.filter(pl.col("window") == "B").select(pl.col(names).mean()).row(0)
    return {
        f"run_queue_mean_{number}": float(mean)
        for number, mean in enumerate(means, start=1)
        if mean is not None
    }


def repeated_migrations(folder: Path) -> list[float]:
    """Migrations per 1000 slices of the repeats of a configuration; empty if it was recorded once."""
    path = folder.resolve().parent / "repeats.json"
    try:
        runs = json.loads(path.read_text()).get(folder.resolve().name, [])
        return [float(run["migrations_per_1000_ins"]) for run in runs]
    except OSError:
        return []
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TraceError(str(path), str(error)[:80], "lists of runs by name") from error


def switch_ns_of(schedule: Schedule) -> int:
    """Median time between two slices of a scheduler that follow each other closely."""
    order = np.lexsort((schedule.start_ns, schedule.scheduler))
    scheduler, start, stop = (c[order] for c in (schedule.scheduler, schedule.start_ns, schedule.stop_ns))
    gap = (start[1:] - stop[:-1])[scheduler[1:] == scheduler[:-1]]
    gap = gap[(gap > 0) & (gap < SWITCH_MAX_NS)]
    return int(np.median(gap)) if gap.size else 0


# --- the replay -----------------------------------------------------------------------------------


def default_words(recording: BeamTrace, recorded: Schedule, flags: dict[str, str]) -> tuple[str, ...]:
    """Settings that make the simulated machine the recorded one; cores at 3 GHz, so 3 cycles a ns."""
    shares = recording.schedulers > 2
    return (
        "policy=erts",
        "topology=two_core",
        "workload=steady",
        "cost=cache",
        f"cost.dispatch_cycles={3 * switch_ns_of(recorded)}",
        f"cost.wake_ns={WAKE_NS}",
        f"binding.os_quantum_ns={OS_QUANTUM_NS}",
        # the operating system has no reason to move threads that have a core each
        f"binding.period_ns={1_000_000 if shares else 0}",
        *(f"policy.erts.{name}={value}" for name, value in flags.items()),
    )


def compose_point(words: Sequence[str]) -> Point:
    """The point that settings describe; its workload is not used."""
    command = read_command(words, use_default_study=False)
    study = with_hydra(command, lambda: make_study(command, "pipeline.trace"))
    if study.axes:
        raise UserError(f"{', '.join(study.axes)}: takes one value here", "a check replays each trace once")
    return study.points[0]


def switch_cost_ns(point: Point) -> int:
    """Time of a switch to another process in the replay."""
    cycles = float(point.config.cost.spec().dispatch_cycles)
    mhz = float(build_topology(point.config.topology).core_frequency_mhz[0])
    return round(cycles * 1000 / mhz)


def replay_log(trace: ReplayTrace, point: Point) -> np.ndarray:
    """The event log of the replay, complete.

    Raises
    ------
    TraceError if it does not fit into LOG_CAPACITY_MAX entries
    """
    config = point.config
    lane = sim.Lane(policy=config.policy.spec(), cost=config.cost.spec(), binding=config.binding.spec())
    simulation = sim.Simulation(
        horizon_ns=trace.window_ns,
        warmup_ns=0,
        window_ns=min(1_000_000, trace.window_ns),
        max_processes=max(1, trace.process_count),
    )
    replay = sim.Replay(trace=trace, copies=1, stagger_ns=0)
    capacity = LOG_CAPACITY
    while capacity <= LOG_CAPACITY_MAX:
        topology = build_topology(config.topology)
        log, _ = sim.simulate_logged(topology, replay, lane, simulation, capacity=capacity)
        if log.shape[0] < capacity:
            return log
        capacity *= 4
    raise TraceError(
        f"events of the replay of {trace.name}",
        f"over {LOG_CAPACITY_MAX}",
        "fewer",
        "record a shorter window",
    )


def simulated_queues(log: np.ndarray, recording: BeamTrace, span: tuple[int, int]) -> Figures:
    """Mean length of each run queue: the waiting of all who left it, over the time (Little's law)."""
    rows = log[(log[:, 1] == DISPATCH) & (log[:, 0] >= span[0]) & (log[:, 0] < span[1])]
    return {
        f"run_queue_mean_{core + 1}": float(rows[rows[:, 2] == core, 5].sum()) / (span[1] - span[0])
        for core in range(recording.schedulers)
    }
