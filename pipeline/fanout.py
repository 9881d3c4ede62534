"""A study -> its run folder: cut the missing lanes into chunks, compute them, keep what comes back."""

import inspect
import time
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import yaml
from rich.console import Console

from pipeline.chunks import Cut, Planner
from pipeline.cluster_inline import Cluster, InlineCluster, Outcome
from pipeline.cluster_ray import Program, RayCluster
from pipeline.errors import UserError
from pipeline.files import FolderLock, check_writable, write_atomic
from pipeline.inputs import input_digests
from pipeline.lanes import LanePlan, Toolkit, coreshift_toolkit
from pipeline.manifest import add_session, write_json, write_manifest
from pipeline.points import points_table
from pipeline.progress import StudyProgress, duration
from pipeline.store import RunStore, lane_frame, table_bytes
from pipeline.worker import NOT_SIMULATED, LaneFailure, Slice, SliceResult

BYTES_PER_LANE = 4096
BYTES_AT_LEAST = 1 << 20
HANDLES_KEPT = 64
FAILURES_SHOWN = 5


class InterruptedStudyError(UserError):
    """Ctrl-C: what was computed is stored."""

    exit_code = 130


@dataclass
class StudyRun:
    """What `run_study` did; usable as the path of the run folder.

    folder         : run folder
    key            : run key
    lanes          : lanes of the study
    computed_lanes : results of this session
    found_lanes    : results that were stored already
    failed_lanes   : lanes without a result, each with point, axes, seed and error
    events         : events handled in this session
    seconds        : time of this session
    """

    folder: Path
    key: str
    lanes: int
    computed_lanes: int = 0
    found_lanes: int = 0
    failed_lanes: list[dict[str, Any]] = field(default_factory=list)
    events: int = 0
    seconds: float = 0.0

    @property
    def exit_code(self) -> int:
        """0, or 1 if a lane has no result."""
        return 1 if self.failed_lanes else 0

    def __fspath__(self) -> str:
        return str(self.folder)


def run_study(study: Any, *, console: Console | None = None, toolkit: Toolkit | None = None) -> StudyRun:
    """Compute every lane of a study that is not stored yet.

    The tables have the same bytes whatever the kind of cluster, the number of workers, the sizes of
    chunks, and however often the work was interrupted.

    Parameters
    ----------
    study   : grid.Study
    console : where progress goes; None = stderr. A quiet console shows nothing.
    toolkit : the simulator; None = Coreshift's

    Returns
    -------
    StudyRun; lanes that failed are in it and in `failures.json`, and are tried again by a rerun.

    Raises
    ------
    UserError (folder, disk, lock, cluster) and InterruptedStudyError; what was computed stays stored.
    """
    with StudyProgress(console) as progress:
        plan = LanePlan(study, toolkit or coreshift_toolkit())
        root = outputs_folder(study)
        need = BYTES_AT_LEAST + BYTES_PER_LANE * plan.lane_count
        check_writable(root, need)
        folder = root / plan.key
        with FolderLock(root / f".{plan.key}.lock"):
            check_writable(folder, 0)
            return StudyJob(plan, folder, progress).run()


def outputs_folder(study: Any) -> Path:
    """`outputs/<study>`, absolute, as workers may have another working directory."""
    return Path(study.config.outputs.folder).expanduser().resolve() / str(study.name)


class StudyJob:
    """One session on one run folder, whose lock is held."""

    def __init__(self, plan: LanePlan, folder: Path, progress: StudyProgress) -> None:
        self.plan, self.folder, self.progress = plan, folder, progress
        self.store = RunStore(folder, plan.lane_count, plan.replicates)
        self.failures: dict[int, LaneFailure] = {}
        self._flight: dict[int, tuple[list[Cut], bool]] = {}
        self._handles: OrderedDict[int, Any] = OrderedDict()
        self._started = time.monotonic()
        # From the start of the process to the first lanes that came back.
        self._first_s: float | None = None
        # Of the lanes alone: from the start of the bar to the last chunk.
        self._lanes_s: float | None = None
        # Of the simulator's calls, in all workers together.
        self._simulated_s = 0.0

    def run(self) -> StudyRun:
        """Do what is missing."""
        study = self.plan.study
        run = StudyRun(self.folder, self.plan.key, self.plan.lane_count)
        if not study.config.resume:
            self.store.clear()
        if self.store.is_complete(self.plan.key):
            run.found_lanes = run.lanes
            self.progress.note(f"All {run.lanes} lanes are stored already: {self.folder}")
            return run
        self._write_head()
        self.store.recover()
        self._say_found()
        run.found_lanes = int(self.store.done.sum())
        self._compute()
        self.store.finish(self.plan.key, {lane: f.status for lane, f in self.failures.items()})
        run.failed_lanes = self._report_failures()
        run.computed_lanes = run.lanes - run.found_lanes - len(run.failed_lanes)
        run.events, run.seconds = self.progress.events, time.monotonic() - self._started
        self._end_session("finished")
        return run

    # --- before ---------------------------------------------------------------------------------

    def _write_head(self) -> None:
        study = self.plan.study
        settings = study.config.model_dump(mode="json")
        text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
        write_atomic(self.folder / "config.yaml", text.encode())
        points = points_table(study.points, study.axes)
        write_atomic(self.folder / "points.parquet", table_bytes(points))
        facts = {
            "study": study.name,
            "run_key": self.plan.key,
            "source_digest": self.plan.source_digest,
            "command": list(study.command),
            "axes": list(study.axes),
            "baseline": sorted({point.baseline_index for point in study.points}),
            "points": len(study.points),
            "replicates": self.plan.replicates,
            "lanes": self.plan.lane_count,
            "seed": study.seed,
            "policies": policies_of(study.points),
            "inputs": input_digests(study.points),
        }
        write_manifest(self.folder, facts)

    def _say_found(self) -> None:
        if self.store.damaged:
            names = ", ".join(self.store.damaged[:FAILURES_SHOWN])
            self.progress.note(f"Damaged, computed again: {names}", "yellow")
        if found := int(self.store.done.sum()):
            self.progress.note(f"Going on: {found} of {self.plan.lane_count} lanes are stored.")

    # --- the fan-out ----------------------------------------------------------------------------

    def _compute(self) -> None:
        lanes = np.flatnonzero(~self.store.done)
        if lanes.size == 0:
            return
        try:
            # Once here, so that workers load the compiled kernels instead of each compiling them.
            seconds = self._compile()
            self.progress.note(f"Simulator ready after {seconds:.1f} s.")
            with self._cluster(lanes.size) as cluster:
                chunk_s = self.plan.study.config.cluster.chunk_s
                batches = self.plan.batches_of(lanes)
                planner = Planner(lanes, batches, cluster.workers, chunk_s)
                self.progress.start(self.plan.lane_count, self.plan.lane_count - lanes.size)
                self._pump(cluster, planner)
                self._lanes_s = self.progress.elapsed_s()
        except KeyboardInterrupt:
            self.progress.stop()
            self._end_session("interrupted")
            done = int(self.store.done.sum())
            raise InterruptedStudyError(
                f"Interrupted: {done} of {self.plan.lane_count} lanes are stored in {self.folder}.",
                "The same command goes on from there."
                if self.plan.study.config.resume
                else "The same command begins again, as resume=false.",
            ) from None
        self.progress.stop()

    def _compile(self) -> float:
        """Compile the simulator, part by part on the display where it tells of its parts."""
        compile_kernels = self.plan.toolkit.compile_kernels
        tells = "on_part" in inspect.signature(compile_kernels).parameters
        with self.progress.parts("Compiling the simulator (kept for the next run)") as on_part:
            return compile_kernels(on_part=on_part) if tells else compile_kernels()

    def _cluster(self, lane_count: int) -> Cluster:
        settings = self.plan.study.config.cluster
        toolkit = self.plan.toolkit
        if settings.kind == "inline":
            return InlineCluster(toolkit.simulate)
        program = Program(toolkit.simulate, toolkit.source_digest, self.plan.source_digest)
        retries: int = settings.retries
        if settings.kind == "remote":
            self.progress.step(f"Connecting to the Ray cluster at {settings.address}")
            return RayCluster(program, address=settings.address, retries=retries)
        cluster = RayCluster(program, settings.workers, retries=retries)
        cluster.workers = max(1, min(cluster.workers, lane_count))
        self.progress.step(f"Starting Ray with {cluster.workers} worker(s) on this machine")
        return cluster

    def _pump(self, cluster: Cluster, planner: Planner) -> None:
        """Keep the cluster busy with few chunks under way; store what comes back at once."""
        while True:
            while len(self._flight) < cluster.capacity and planner.remaining:
                self._send(cluster, *planner.next_chunk())
            if not self._flight:
                return
            outcomes = cluster.collect()
            for outcome in outcomes:
                self._book(outcome, planner)
            self._keep_results([r for o in outcomes for r in o.results or ()])
            self.progress.tick()

    def _send(self, cluster: Cluster, cuts: list[Cut], alone: bool) -> None:
        handles = {str(cut.batch): self._handle(cluster, cut.batch) for cut in cuts}
        slices = [
            Slice(
                batch=str(cut.batch),
                lanes=tuple(int(lane) for lane in cut.lanes),
                specs=tuple(self.plan.spec(int(lane)) for lane in cut.lanes),
            )
            for cut in cuts
        ]
        self._flight[cluster.submit(handles, slices, alone=alone)] = (cuts, alone)

    def _handle(self, cluster: Cluster, batch: int) -> Any:
        if batch not in self._handles:
            self._handles[batch] = cluster.share(self.plan.batch(batch))
        self._handles.move_to_end(batch)
        while len(self._handles) > HANDLES_KEPT:
            self._handles.popitem(last=False)
        return self._handles[batch]

    def _book(self, outcome: Outcome, planner: Planner) -> None:
        """Take a chunk off the list: learn its speed, or find out which of its lanes is to blame."""
        cuts, alone = self._flight.pop(outcome.ticket)
        if outcome.results is not None:
            for result in outcome.results:
                count = result.lanes.size + len(result.failures)
                planner.learn(int(result.batch), count, result.seconds)
                self._simulated_s += result.seconds
                self._note_first()
                self._book_failures(result.failures)
            return
        if alone:
            lane = int(cuts[0].lanes[0])
            self._book_failures([LaneFailure(lane, NOT_SIMULATED, outcome.error)])
            self.progress.advance(1, 1, 0)
            return
        count = sum(cut.lanes.size for cut in cuts)
        lost = f"A chunk was lost ({outcome.error}); its {count} lane(s) go one by one."
        self.progress.note(lost, "yellow")
        planner.put_back_alone(cuts)

    def _note_first(self) -> None:
        if self._first_s is None:
            self._first_s = time.time() - psutil.Process().create_time()

    def _book_failures(self, failures: Iterable[LaneFailure]) -> None:
        for failure in failures:
            self.failures[failure.lane] = failure
            if len(self.failures) <= FAILURES_SHOWN:
                self.progress.note(self._failure_line(failure), "red")

    def _failure_line(self, failure: LaneFailure) -> str:
        about = self.plan.describe(failure.lane)
        settings = ", ".join(f"{k}={v}" for k, v in (about["axes"] or about["labels"]).items())
        return (
            f"Lane failed: point {about['point']} ({settings}), replicate {about['replicate']}, "
            f"seed {about['seed']}: {self._failure_text(failure)}"
        )

    def _failure_text(self, failure: LaneFailure) -> str:
        return failure.error or self.plan.toolkit.describe_status(failure.status)

    def _keep_results(self, results: Sequence[SliceResult]) -> None:
        # One file for all that came at once: fewer, and just as safe.
        for group in same_columns([result for result in results if result.lanes.size]):
            lanes = np.concatenate([result.lanes for result in group])
            names = list(group[0].columns)
            columns = {name: np.concatenate([r.columns[name] for r in group]) for name in names}
            width = self.plan.replicates
            self.store.add(lane_frame(lanes // width, lanes % width, columns))
        for result in results:
            failed = len(result.failures)
            self.progress.advance(result.lanes.size + failed, failed, result.events)

    # --- after ----------------------------------------------------------------------------------

    def _report_failures(self) -> list[dict[str, Any]]:
        """Write `failures.json`, or remove it when there is nothing to report."""
        path = self.folder / "failures.json"
        failed = [
            self.plan.describe(lane)
            | {"status": failure.status, "error": self._failure_text(failure), "trace": failure.trace}
            for lane, failure in sorted(self.failures.items())
        ]
        if not failed:
            path.unlink(missing_ok=True)
            return []
        write_json(path, failed)
        self.progress.note(
            f"{len(failed)} of {self.plan.lane_count} lanes failed; the others are stored. "
            f"Errors: {path}. The same command tries the failed lanes again.",
            "red",
        )
        return failed

    def _end_session(self, how: str) -> None:
        seconds = time.monotonic() - self._started
        progress = self.progress
        add_session(
            self.folder,
            {
                "ended": datetime.now(UTC).isoformat(timespec="seconds"),
                "how": how,
                "seconds": round(seconds, 3),
                "first_lanes_s": rounded(self._first_s),
                "lanes_s": rounded(self._lanes_s),
                "simulated_s": rounded(self._simulated_s),
                "lanes": progress.lanes,
                "failed": progress.failed,
                "events": progress.events,
                "cluster": self.plan.study.config.cluster.kind,
            },
        )
        if how == "finished":
            self.progress.note(
                f"{progress.lanes} lanes in {duration(seconds)}, {progress.speed()}: {self.folder}"
            )


def rounded(seconds: float | None) -> float | None:
    """Seconds to the millisecond."""
    return None if seconds is None else round(seconds, 3)


def policies_of(points: Iterable[Any]) -> dict[str, Any]:
    """Policy label -> settings of the first point that has it: what a point's own numbers complete."""
    found: dict[str, Any] = {}
    for point in points:
        if point.labels["policy"] not in found:
            found[point.labels["policy"]] = point.config.policy.model_dump(mode="json")
    return found


def same_columns(results: Sequence[SliceResult]) -> list[list[SliceResult]]:
    """Results grouped by their column names (one group, unless the simulator is at fault)."""
    groups: dict[tuple[str, ...], list[SliceResult]] = {}
    for result in results:
        groups.setdefault(tuple(result.columns), []).append(result)
    return list(groups.values())
