"""What a run folder holds beside its lanes: configuration, points, manifest and failures."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import polars as pl
import yaml

from pipeline.config.grid import DESIGN, design_table
from pipeline.evidence.question import KEYS, restate
from pipeline.run.files import write_atomic
from pipeline.run.head import (
    POINTS,
    STATED,
    ChangedRunError,
    Head,
    changed_points,
    check_head,
    head_digests,
)
from pipeline.run.inputs import input_digests
from pipeline.run.lanes import LanePlan
from pipeline.run.manifest import write_json, write_manifest
from pipeline.run.points import points_table
from pipeline.run.tables import table_bytes
from pipeline.run.worker import LaneFailure


def write_head(folder: Path, plan: LanePlan) -> None:
    """Write what is known before the first lane: configuration, points and provenance."""
    settings = plan.study.config.model_dump(mode="json")
    text = yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)
    write_atomic(folder / "config.yaml", text.encode())
    write_points(folder, plan)
    write_design(folder, plan.study)
    write_manifest(folder, facts_of(plan) | {STATED: head_digests(folder)})


def check_files(folder: Path, plan: LanePlan, *, may_grow: bool) -> list[str]:
    """Hold what lies in a run folder against the plan; gives the head's files that are damaged.

    Parameters
    ----------
    may_grow : whether an adaptive design may have added points there

    Raises
    ------
    ChangedRunError if it is another configuration
    """
    head = Head(
        plan.key,
        plan.study.config.model_dump(mode="json"),
        points_table(plan.points, plan.study.axes),
        lambda: facts_of(plan),
    )
    return check_head(folder, head, may_grow=may_grow)


def restate_run(folder: Path, study: Any) -> None:
    """Let a finished run folder state the question of this study, which its analysis will answer."""
    settings = study.config.model_dump(mode="json")
    restate(folder, {key: settings.get(key) for key in KEYS}, [str(word) for word in study.command])


def write_points(folder: Path, plan: LanePlan) -> None:
    """Write `points.parquet` with the points that the plan has by now; a search's that has more stays.

    Raises
    ------
    ChangedRunError if the lanes that are stored there are of other points
    """
    path = folder / POINTS
    points = points_table(plan.points, plan.study.axes)
    is_searched = getattr(plan.study, "search", None) is not None
    if is_searched and (folder / "lanes").is_dir() and path.is_file():
        differences = changed_points(path, points, may_grow=True)
        if differences:
            raise ChangedRunError(
                f"{path}: the search comes to other points now than those whose lanes are stored. There, and "
                f"now: {differences[0]}.",
                "Proposals follow from all results before: a lane that failed has one now, or this machine "
                "computes other last digits. resume=false computes the run anew.",
            )
        if differences is not None and pl.read_parquet(path).height > points.height:
            return
    write_atomic(path, table_bytes(points))


def write_design(folder: Path, study: Any) -> None:
    """Write `design.parquet` of a Saltelli design, whose rows say which points belong together."""
    if samples := getattr(study, "samples", ()):
        write_atomic(folder / DESIGN, table_bytes(design_table(study.sampled_axes, samples)))


def facts_of(plan: LanePlan) -> dict[str, Any]:
    """What the manifest states of a plan."""
    study = plan.study
    return {
        "study": study.name,
        "run_key": plan.key,
        "source_digest": plan.source_digest,
        "command": list(study.command),
        "axes": list(study.axes),
        "baseline": sorted({point.baseline_index for point in plan.points}),
        "points": len(plan.points),
        "replicates": plan.replicates,
        "lanes": plan.lane_count,
        "seed": study.seed,
        "policies": policies_of(plan.points),
        "inputs": input_digests(plan.points),
    }


def policies_of(points: Iterable[Any]) -> dict[str, Any]:
    """Policy label -> settings of the first point that has it: what a point's own numbers complete."""
    found: dict[str, Any] = {}
    for point in points:
        if point.labels["policy"] not in found:
            found[point.labels["policy"]] = point.config.policy.model_dump(mode="json")
    return found


def write_failures(path: Path, plan: LanePlan, failures: Mapping[int, LaneFailure]) -> list[dict[str, Any]]:
    """Write `failures.json`, or remove it when there is nothing to report; gives what it says."""
    failed = [
        plan.describe(lane)
        | {"status": failure.status, "error": failure_text(plan, failure), "trace": failure.trace}
        for lane, failure in sorted(failures.items())
    ]
    if failed:
        write_json(path, failed)
    else:
        path.unlink(missing_ok=True)
    return failed


def failure_text(plan: LanePlan, failure: LaneFailure) -> str:
    """Why a lane has no result."""
    return failure.error or plan.toolkit.describe_status(failure.status)


def failure_line(plan: LanePlan, failure: LaneFailure) -> str:
    """A failed lane in one line, with what it was."""
    about = plan.describe(failure.lane)
    settings = ", ".join(f"{k}={v}" for k, v in (about["axes"] or about["labels"]).items())
    return (
        f"Lane failed: point {about['point']} ({settings}), replicate {about['replicate']}, "
        f"seed {about['seed']}: {failure_text(plan, failure)}"
    )
