"""What was recorded of a run: found by an MLflow run id, or in a run folder."""

import json
import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import UserError
from pipeline.evidence.aggregate import read_run
from pipeline.explorer.runs import pick_run
from pipeline.record import QUIET, Target, target_of, tracking_of, trouble_of
from pipeline.run.checksums import COMPLETE, format_of, stated_tables, tables_of

MLFLOW_ID = re.compile(r"[0-9a-f]{32}")
NOT_THERE = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")
ELSEWHERE = "name the place with tracking.uri=http://HOST:PORT or tracking.file=FILE, or give a run folder"
SQLITE = b"SQLite format 3\0"


@dataclass(frozen=True)
class Recorded:
    """A run as it was recorded.

    origin   : where that was read, for people
    manifest : its provenance, with the command that made it
    config   : its resolved configuration, before any axis was applied
    tables   : table -> SHA-256 stated when it was written; None if the run did not finish
    table_format : version of the tables' format; None if the run did not finish
    folder   : where its tables lie on this machine; None if they do not
    point    : number of the point that is meant; None for all of them
    means    : metric -> mean over the point's replicates, as MLflow has it
    replicates : of the point, as MLflow has it; 0 = not known
    """

    origin: str
    manifest: dict[str, Any]
    config: dict[str, Any]
    tables: dict[str, str] | None
    folder: Path | None
    table_format: int | None = None
    point: int | None = None
    means: dict[str, float] = field(default_factory=dict)
    replicates: int = 0

    @property
    def key(self) -> str:
        """The run key."""
        return str(self.manifest.get("run_key", ""))

    @property
    def study(self) -> str:
        """The study's name."""
        return str(self.manifest.get("study", ""))


def find_recorded(text: str, options: Mapping[str, str]) -> Recorded:
    """The run that a person means.

    Parameters
    ----------
    text    : MLflow run id, run folder, run key or its beginning, or study
    options : outputs, point, and tracking.* of the command line

    Raises
    ------
    UserError if there is none, or it cannot be read
    """
    outputs = Path(options["outputs"]).expanduser()
    if MLFLOW_ID.fullmatch(text) and not Path(text).exists():
        found = from_mlflow(text, options, outputs)
    else:
        found = from_folder(pick_run(text, outputs))
    return with_point(found, options["point"]) if options["point"] else found


def with_point(found: Recorded, text: str) -> Recorded:
    """The run with one point of it chosen."""
    count = int(found.manifest.get("points") or 0)
    if not text.isdecimal() or int(text) >= count:
        raise UserError(f"point={text}: must be a number from 0 to {count - 1}, the points of this study")
    if found.point not in (None, int(text)):
        raise UserError(f"point={text}: the MLflow run is that of point {found.point}", "leave point= out")
    return replace(found, point=int(text))


def from_folder(folder: Path) -> Recorded:
    """What a run folder says."""
    run = read_run(folder)
    tables = stated_tables(folder)
    version = None if tables is None else format_of((folder / COMPLETE).read_text(encoding="utf-8"))
    return Recorded(str(folder), run.manifest, run.config, tables, folder, version)


# --- MLflow ---------------------------------------------------------------------------------------


def from_mlflow(run_id: str, options: Mapping[str, str], outputs: Path) -> Recorded:
    """What MLflow has of a run, a sweep's own or a point's."""
    target = target_of(outputs.resolve() / "study" / "run", tracking_of(options))
    assert target is not None
    check_answers(target)
    # Read when MLflow is imported.
    os.environ.update({**QUIET, "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false"})
    from mlflow.exceptions import MlflowException

    try:
        return read_mlflow(run_id, target.uri, outputs)
    except UserError:
        raise
    except MlflowException as error:
        if error.error_code in NOT_THERE:
            raise UserError(
                f"{run_id}: no run with this id at {target.uri}",
                ELSEWHERE,
            ) from None
        raise unreadable(target.uri, error) from error
    except Exception as error:
        # Of SQLAlchemy's, requests' and others' making: whatever speaks there is no MLflow.
        raise unreadable(target.uri, error) from error


def unreadable(uri: str, error: Exception) -> UserError:
    """The error for a place that does not answer as MLflow does."""
    reason = " ".join(str(error).split())[:160] or type(error).__name__
    return UserError(f"{uri}: does not answer as MLflow does ({reason})", "look at it with `make ui`")


def check_answers(target: Target) -> None:
    """Refuse a server that does not answer, and a file that is not there: MLflow would make one."""
    if target.database is None:
        if trouble := trouble_of(target):
            raise UserError(trouble, ELSEWHERE)
        return
    if not target.database.is_file():
        raise UserError(f"{target.database}: there is no such MLflow database", ELSEWHERE)
    with target.database.open("rb") as file:
        if file.read(len(SQLITE)) != SQLITE:
            raise UserError(f"{target.database}: is no SQLite database", ELSEWHERE)


def read_mlflow(run_id: str, uri: str, outputs: Path) -> Recorded:
    """The facts of a run and of the sweep that it belongs to."""
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=uri)
    run = client.get_run(run_id)
    kind = run.data.tags.get("kind")
    if kind not in ("sweep", "config"):
        raise UserError(f"{run_id}: this MLflow run at {uri} was not recorded by Coreshift")
    is_child = kind == "config"
    parent = client.get_run(run.data.tags["mlflow.parentRunId"]) if is_child else run
    files = artifacts(client, parent.info.run_id, uri)
    manifest = json.loads(files["manifest.json"])
    return Recorded(
        origin=f"MLflow run {run_id} at {uri}",
        manifest=manifest,
        config=yaml.safe_load(files["config.yaml"]) or {},
        tables=tables_of(files[COMPLETE]) if COMPLETE in files else None,
        table_format=format_of(files[COMPLETE]) if COMPLETE in files else None,
        folder=tables_folder(manifest, parent.data.tags.get("run_folder"), outputs),
        point=int(run.data.params["point"]) if is_child else None,
        means=dict(run.data.metrics) if is_child else {},
        replicates=int(run.data.params.get("replicates") or 0) if is_child else 0,
    )


def artifacts(client: Any, run_id: str, uri: str) -> dict[str, str]:
    """The texts of a sweep's manifest, configuration and marker, as far as MLflow has them."""
    names = ("manifest.json", "config.yaml", COMPLETE)
    there = {item.path for item in client.list_artifacts(run_id)}
    with tempfile.TemporaryDirectory(prefix="coreshift-reproduce-") as folder:
        texts = {
            name: Path(client.download_artifacts(run_id, name, folder)).read_text(encoding="utf-8")
            for name in names
            if name in there
        }
    for name in names[:2]:
        if name not in texts:
            raise UserError(
                f"MLflow run {run_id} at {uri} has no artifact {name}: its recording was broken off, or its "
                "artifacts lie elsewhere",
                "record it again (python -m pipeline.record), or give the run folder",
            )
    return texts


def tables_folder(manifest: Mapping[str, Any], stated: str | None, outputs: Path) -> Path | None:
    """Where a recorded run's tables lie on this machine: where they were made, or in the outputs."""
    usual = outputs / str(manifest.get("study")) / str(manifest.get("run_key"))
    for folder in (*([Path(stated)] if stated else []), usual):
        try:
            found = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue
        is_same = isinstance(found, dict) and found.get("run_key") == manifest.get("run_key")
        if is_same and (folder / "points.parquet").is_file():
            return folder
    return None
