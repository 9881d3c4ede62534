"""A study -> its run folder: cut the missing lanes into chunks, compute them, keep what comes back.

Lanes are asked for in rounds (`pipeline/adaptive/rounds.py`): one with all of them, or several.
"""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console

from pipeline.adaptive.rounds import LaneNumbers, Rounds, rounds_of
from pipeline.clusters.inline import Cluster, Outcome
from pipeline.clusters.make import compile_simulator, make_cluster
from pipeline.evidence.partial import forget_partial
from pipeline.run.chunks import Cut, Planner
from pipeline.run.contents import (
    check_files,
    facts_of,
    failure_line,
    restate_run,
    write_failures,
    write_head,
    write_points,
)
from pipeline.run.files import FolderLock, check_writable, remove_temporaries, write_atomic
from pipeline.run.head import STATED, head_digests
from pipeline.run.lanes import LanePlan, Toolkit, coreshift_toolkit
from pipeline.run.manifest import add_session, design_facts, stated_tables, write_manifest
from pipeline.run.progress import StudyProgress, duration
from pipeline.run.session_times import SessionTimes
from pipeline.run.signals import StopSignals
from pipeline.run.store import RunStore
from pipeline.run.study_run import InterruptedStudyError, StudyRun
from pipeline.run.tables import lane_frame, table_bytes
from pipeline.run.worker import NOT_SIMULATED, LaneFailure, Slice, SliceResult

BYTES_PER_LANE = 4096
BYTES_AT_LEAST = 1 << 20
HANDLES_KEPT = 64
FAILURES_SHOWN = 5


def run_study(
    study: Any,
    *,
    console: Console | None = None,
    toolkit: Toolkit | None = None,
    make_rounds: Callable[[LanePlan], Rounds] = rounds_of,
) -> StudyRun:
    """Compute every lane of a study that is not stored yet.

    The tables have the same bytes whatever the kind of cluster, the number of workers, the sizes of
    chunks, and however often the work was interrupted.

    Parameters
    ----------
    study   : grid.Study
    console : where progress goes; None = stderr. A quiet console shows nothing.
    toolkit : the simulator; None = Coreshift's
    make_rounds : which lanes are asked for, and when

    Returns
    -------
    StudyRun; lanes that failed are in it and in `failures.json`, and are tried again by a rerun.

    Raises
    ------
    UserError (folder, disk, lock, cluster) and InterruptedStudyError; what was computed stays stored.
    """
    with StudyProgress(console) as progress, StopSignals(progress.note) as stop:
        plan = LanePlan(study, toolkit or coreshift_toolkit())
        root = outputs_folder(study)
        rounds = make_rounds(plan)
        need = BYTES_AT_LEAST + BYTES_PER_LANE * rounds.lanes_max
        check_writable(root, need)
        folder = root / plan.key
        with FolderLock(root / f".{plan.key}.lock"):
            check_writable(folder, 0)
            return StudyJob(plan, folder, progress, rounds, stop).run()


def outputs_folder(study: Any) -> Path:
    """`outputs/<study>`, absolute, as workers may have another working directory."""
    return Path(study.config.outputs.folder).expanduser().resolve() / str(study.name)


class StudyJob:
    """One session on one run folder, whose lock is held."""

    def __init__(
        self,
        plan: LanePlan,
        folder: Path,
        progress: StudyProgress,
        rounds: Rounds | None = None,
        stop: StopSignals | None = None,
    ) -> None:
        self.plan, self.folder, self.progress = plan, folder, progress
        self.stop = StopSignals(progress.note) if stop is None else stop
        self.rounds = rounds_of(plan) if rounds is None else rounds
        self.store = RunStore(folder, plan.lane_count if self.rounds.is_plain else None, plan.replicates)
        self.failures: dict[int, LaneFailure] = {}
        self._found = 0
        # Whether a signal ended the rounds before all was computed.
        self._is_cut = False
        self._damaged_told = 0
        # Batch -> lanes and seconds of its last slice, for the chunks of the next round.
        self._speeds: dict[int, tuple[int, float]] = {}
        self._flight: dict[int, tuple[list[Cut], bool]] = {}
        self._handles: OrderedDict[int, Any] = OrderedDict()
        self._times = SessionTimes()

    def run(self) -> StudyRun:
        """Do what is missing."""
        run = StudyRun(self.folder, self.plan.key, self.plan.lane_count)
        remove_temporaries(self.folder)
        if not self.plan.study.config.resume:
            self.store.clear()
        self.store.damaged += self._damaged_head()
        if self.store.is_complete(self.plan.key) and not self.store.damaged:
            return self._all_stored(run)
        tables = stated_tables(self.folder)
        write_head(self.folder, self.plan)
        self.store.recover(tables)
        self._compute()
        run.lanes, run.found_lanes = int(self.store.asked.sum()), self._found
        run.facts = self._write_decisions()
        failed = {lane: f.status for lane, f in self.failures.items()}
        forget_partial(self.folder)
        self.store.finish(self.plan.key, failed, sorted(self.rounds.tables()))
        run.failed_lanes = self._report_failures()
        run.computed_lanes = run.lanes - run.found_lanes - len(run.failed_lanes)
        run.events, run.seconds = self.progress.events, self._times.elapsed_s()
        self._end_session("finished")
        return run

    def _damaged_head(self) -> list[str]:
        """Files of the head that cannot be read; those of another configuration are refused."""
        if not self.plan.study.config.resume:
            return []
        return check_files(self.folder, self.plan, may_grow=not self.rounds.is_plain)

    def _all_stored(self, run: StudyRun) -> StudyRun:
        run.lanes = run.found_lanes = self.store.stated_lanes
        run.facts = design_facts(self.folder)
        # Lanes do not depend on what is asked of them, and the analysis must not answer an older question.
        restate_run(self.folder, self.plan.study)
        self.progress.note(f"All {run.lanes} lanes are stored already: {self.folder}")
        return run

    def _write_decisions(self) -> dict[str, Any]:
        """Write what an adaptive design decided, now that it asks no more; gives what the manifest says."""
        if self.rounds.is_plain:
            return {}
        for name, table in self.rounds.tables().items():
            write_atomic(self.folder / name, table_bytes(table))
        facts = self.rounds.facts()
        lanes = int(self.store.asked.sum())
        stated = {"lanes": lanes, "design": facts, STATED: head_digests(self.folder)}
        write_manifest(self.folder, facts_of(self.plan) | stated)
        return facts

    # --- the fan-out ----------------------------------------------------------------------------

    def _compute(self) -> None:
        try:
            with ExitStack() as opened:
                self._compute_rounds(opened)
        except KeyboardInterrupt:
            raise self._interrupted(at_once=True) from None
        if self._is_cut:
            raise self._interrupted(at_once=False)
        self.progress.stop()

    def _interrupted(self, *, at_once: bool) -> InterruptedStudyError:
        self.progress.stop()
        self._end_session("interrupted")
        done = int(self.store.done.sum())
        most = int(self.store.asked.sum()) if self.rounds.is_plain else self.rounds.lanes_max
        error = InterruptedStudyError(
            f"Interrupted: {done} of {'' if self.rounds.is_plain else 'at most '}{most} lanes are stored in "
            f"{self.folder}.",
            "The same command goes on from there."
            if self.plan.study.config.resume
            else "The same command begins again, as resume=false.",
        )
        error.folder, error.lanes, error.at_once = self.folder, most, at_once
        return error

    def _compute_rounds(self, opened: ExitStack) -> None:
        """Ask, compute what is not stored, and tell, until nothing more is asked for."""
        cluster: Cluster | None = None
        while (lanes := self.rounds.ask()) is not None:
            missing = self._ask(lanes)
            if missing.size:
                if cluster is None:
                    count = missing.size if self.rounds.is_plain else lanes.size
                    # Once here, so that workers load the compiled kernels instead of each compiling them.
                    compile_simulator(self.plan.toolkit, self.progress)
                    cluster = opened.enter_context(self._cluster(count))
                self._compute_lanes(cluster, missing)
                if self._is_cut:
                    return
            self.rounds.tell(self.store.results(lanes, self.rounds.metrics))

    def _ask(self, lanes: LaneNumbers) -> LaneNumbers:
        """Add a round to the run; gives its lanes that are not stored yet."""
        if not self.rounds.is_plain:
            write_points(self.folder, self.plan)
            self.store.ask(lanes)
        missing: LaneNumbers = lanes[~self.store.done[lanes]]
        self._found += lanes.size - missing.size
        self._say_found(missing.size)
        return missing

    def _say_found(self, missing: int) -> None:
        if damaged := self.store.damaged[self._damaged_told :]:
            names = ", ".join(damaged[:FAILURES_SHOWN])
            self.progress.note(f"Damaged or gone, made again: {names}", "yellow")
        self._damaged_told = len(self.store.damaged)
        if missing and self._found and not self.progress.lanes:
            self.progress.note(f"Going on: {self._found} of {self.store.asked.sum()} lanes are stored.")
        if about := self.rounds.about():
            self.progress.note(about)

    def _cluster(self, lane_count: int) -> Cluster:
        return make_cluster(self.plan, lane_count, self.progress)

    def _compute_lanes(self, cluster: Cluster, lanes: LaneNumbers) -> None:
        chunk_s = self.plan.study.config.cluster.chunk_s
        planner = Planner(lanes, self.plan.batches_of(lanes), cluster.workers, chunk_s)
        for batch, (count, seconds) in self._speeds.items():
            planner.learn(batch, count, seconds)
        self.progress.start(int(self.store.asked.sum()), int(self.store.done.sum()), self.rounds.about())
        with self.stop.held():
            self._pump(cluster, planner)
        # An adaptive design would go on to ask.
        self._is_cut = self.stop.requested and (planner.remaining > 0 or not self.rounds.is_plain)
        self._times.lanes_s = self.progress.elapsed_s()

    def _pump(self, cluster: Cluster, planner: Planner) -> None:
        """Keep the cluster busy with few chunks under way; store what comes back at once."""
        while True:
            planner.workers = cluster.workers  # nodes come and go
            while len(self._flight) < cluster.capacity and planner.remaining and not self.stop.requested:
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
                self._speeds[int(result.batch)] = (count, result.seconds)
                self._times.add(result.seconds)
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

    def _book_failures(self, failures: Iterable[LaneFailure]) -> None:
        for failure in failures:
            self.failures[failure.lane] = failure
            if len(self.failures) <= FAILURES_SHOWN:
                self.progress.note(failure_line(self.plan, failure), "red")

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
        path = self.folder / "failures.json"
        failed = write_failures(path, self.plan, self.failures)
        if failed:
            self.progress.note(
                f"{len(failed)} of {self.store.asked.sum()} lanes failed; the others are stored. "
                f"Errors: {path}. The same command tries the failed lanes again.",
                "red",
            )
        return failed

    def _end_session(self, how: str) -> None:
        progress, times = self.progress, self._times.facts()
        done = {"lanes": progress.lanes, "failed": progress.failed, "events": progress.events}
        kind = {"cluster": self.plan.study.config.cluster.kind}
        add_session(self.folder, {"how": how} | times | done | kind, self.store.finished_tables)
        if how == "finished":
            took = duration(times["seconds"])
            progress.note(f"{progress.lanes} lanes in {took}, {progress.speed()}: {self.folder}")


def same_columns(results: Sequence[SliceResult]) -> list[list[SliceResult]]:
    """Results grouped by their column names (one group, unless the simulator is at fault)."""
    groups: dict[tuple[str, ...], list[SliceResult]] = {}
    for result in results:
        groups.setdefault(tuple(result.columns), []).append(result)
    return list(groups.values())
