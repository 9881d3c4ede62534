"""Record a finished run in MLflow, without ever putting its tables at risk.

MLflow takes two seconds and 200 MB to import and may wait on a disk or a network, so it works in a
process of its own (`pipeline/mlflow_record.py`) that is ended when it makes no progress. What goes
wrong is a status, not an exception: the tables are there, and can be recorded later.
"""

import contextlib
import json
import os
import queue
import socket
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pipeline.mlflow_views import UI_ADDRESS, addresses

CHILDREN = 200
ANSWER_S = 5.0
# The first use of a database runs MLflow's migrations: up to 20 s on a busy disk, in one go.
STALL_S = 90.0
# Read once when MLflow is imported, so they must be there before.
QUIET = {
    "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "15",
}  # fmt: skip
DATABASE = "mlflow.db"


@dataclass(frozen=True)
class RecordStatus:
    """What became of a recording.

    ok            : whether the run is in MLflow now
    message       : one or two sentences for the user; on failure with what to do
    tracking_uri  : where it went
    experiment_id : MLflow's id of the study
    parent_run_id : MLflow's id of the sweep
    recorded      : child runs
    left_out      : points without a child run
    urls          : name -> address of pages worth opening
    """

    ok: bool
    message: str
    tracking_uri: str = ""
    experiment_id: str = ""
    parent_run_id: str = ""
    recorded: int = 0
    left_out: int = 0
    urls: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Target:
    """Where to record: tracking URI, artifact folder (None = the server's), limits and patience."""

    uri: str
    artifacts: str | None
    children: int
    answer_s: float
    database: Path | None


Progress = Callable[[int, int], None]


def record(run_dir: Path, tracking: Any = None, progress: Progress | None = None) -> RecordStatus:
    """Record a run that was analysed: a parent run for the sweep, a child run a point.

    Recording a run again replaces what was recorded of it, or leaves it if nothing changed.

    Parameters
    ----------
    run_dir  : outputs/<study>/<run key>, with summary.parquet in it
    tracking : the `tracking` part of the configuration (mapping or model); None = SQLite, default file
    progress : called with (runs written, runs to write)

    Returns
    -------
    RecordStatus; no exception for a database or server that fails
    """
    target = target_of(Path(run_dir).resolve(), tracking)
    if target is None:
        return RecordStatus(True, "Not recorded in MLflow (tracking=off).")
    trouble = trouble_of(target)
    if trouble:
        return failure(run_dir, target, trouble)
    return run_recorder(Path(run_dir).resolve(), target, progress)


def setting(tracking: Any, name: str, default: Any) -> Any:
    """A key of the tracking configuration, whichever form that has; null = the default."""
    is_map = isinstance(tracking, Mapping)
    value = tracking.get(name) if is_map else getattr(tracking, name, None)
    return default if value is None else value


def target_of(run_dir: Path, tracking: Any) -> Target | None:
    """Where the configuration says to record; None for nowhere."""
    kind = setting(tracking, "kind", "sqlite")
    if kind in ("off", False):
        return None
    children = int(setting(tracking, "children", CHILDREN))
    patience = float(setting(tracking, "timeout_s", ANSWER_S))
    if kind == "server":
        return Target(str(setting(tracking, "uri", "")), None, children, patience, None)
    outputs = run_dir.parent.parent
    database = Path(setting(tracking, "file", outputs / DATABASE)).expanduser().resolve()
    # Absolute, as MLflow stores it: relative artifacts would follow the current folder.
    artifacts = (database.parent / "artifacts").as_uri()
    return Target(f"sqlite:///{database}", artifacts, children, patience, database)


def trouble_of(target: Target) -> str:
    """Why recording cannot work, found out within `answer_s`; "" if it looks fine."""
    if target.database is not None:
        return database_trouble(target.database, target.answer_s)
    parts = urlsplit(target.uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        return f"{target.uri!r} is no address of a server (http://host:port)"
    port = parts.port or {"http": 80, "https": 443}[parts.scheme]
    try:
        with socket.create_connection((parts.hostname, port), timeout=target.answer_s):
            return ""
    except OSError as error:
        reason = error.strerror or str(error) or type(error).__name__
        return f"the MLflow server at {target.uri} does not answer ({reason})"


def database_trouble(database: Path, answer_s: float) -> str:
    """Why a SQLite file cannot be written: not a database, locked, or no right to."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
        with contextlib.closing(sqlite3.connect(database, timeout=answer_s)) as connection:
            connection.execute("BEGIN IMMEDIATE")
            connection.rollback()
    except (OSError, sqlite3.Error) as error:
        return f"the MLflow database {database} cannot be written ({error})"
    return ""


def failure(run_dir: Path, target: Target, trouble: str) -> RecordStatus:
    """The status of a recording that failed, with the command that records later."""
    where = f"tracking.uri={target.uri}"
    if target.database is not None:
        is_default = target.database == Path(run_dir).resolve().parent.parent / DATABASE
        where = "" if is_default else f"tracking.file={target.database}"
    command = f"python -m pipeline.report run={run_dir} record=true {where}".rstrip()
    return RecordStatus(
        False,
        f"Not recorded in MLflow: {trouble}. All tables are written; record them later with\n  {command}",
        target.uri,
    )


def run_recorder(run_dir: Path, target: Target, progress: Progress | None) -> RecordStatus:
    """Run the recorder's process, passing its progress on, and end it when it stalls."""
    order = {
        "run_dir": str(run_dir), "uri": target.uri, "artifacts": target.artifacts,
        "children": target.children, "answer_s": target.answer_s,
    }  # fmt: skip
    command = [sys.executable, "-m", "pipeline.mlflow_record", json.dumps(order)]
    stall = STALL_S if target.database else max(STALL_S / 3, 3 * target.answer_s)
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        cwd=Path(__file__).resolve().parent.parent, env={**os.environ, **QUIET},
    ) as process:  # fmt: skip
        try:
            found, log = follow(process, stall, progress)
        finally:
            process.kill()
    if "experiment_id" in found:
        return success(target, found)
    trouble = found.get("error") or last_line(log) or "MLflow ended without a word"
    if found.get("stalled"):
        trouble = f"{target.uri} made no progress for {stall:.0f} s"
    return failure(run_dir, target, trouble)


def follow(
    process: "subprocess.Popen[str]", stall: float, progress: Progress | None
) -> tuple[dict[str, Any], list[str]]:
    """Read the recorder's lines until its last; gives that line's data and what it logged."""
    lines: queue.Queue[str | None] = queue.Queue()
    log: list[str] = []

    def read_output() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    def read_log() -> None:
        log.extend(process.stderr or ())

    readers = [threading.Thread(target=work, daemon=True) for work in (read_output, read_log)]
    for reader in readers:
        reader.start()
    found: dict[str, Any] = {}
    while True:
        try:
            line = lines.get(timeout=stall)
        except queue.Empty:
            return {"stalled": True}, log
        if line is None:
            readers[1].join(timeout=1.0)
            return found, log
        with contextlib.suppress(ValueError):
            found = json.loads(line)
        if progress is not None and "done" in found:
            progress(int(found["done"]), int(found["total"]))


def last_line(log: list[str]) -> str:
    """The last line that a process logged: of a traceback, the error itself."""
    return next((line.strip() for line in reversed(log) if line.strip()), "")


def success(target: Target, found: Mapping[str, Any]) -> RecordStatus:
    """The status of a recording that the recorder reported as done."""
    base = UI_ADDRESS if target.database else target.uri.rstrip("/")
    recorded, left_out = int(found["recorded"]), int(found["left_out"])
    message = f"Recorded in MLflow: {recorded} child runs"
    if left_out:
        message += (
            f"; {left_out} of {recorded + left_out} points left out (the front, the baseline, the best "
            "and a sample are in; tracking.children=N takes more)"
        )
    if found.get("unchanged"):
        message += " (unchanged since it was recorded)"
    experiment, parent = str(found["experiment_id"]), str(found["parent_run_id"])
    return RecordStatus(
        True, message + ".", target.uri, experiment, parent, recorded, left_out,
        addresses(base, experiment, parent),
    )  # fmt: skip
