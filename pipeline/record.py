"""`python -m pipeline.record [RUN] [key=value ...]`: record a finished sweep in MLflow, anywhere.

RUN is a run folder, a run key or its beginning, or a study (its newest sweep); without it, the
newest of all. To record a sweep that is recorded there already changes nothing; one that was
analysed anew is replaced.

  tracking.file=...      SQLite file to record to; default mlflow.db two folders above the run's
  tracking.uri=...       a tracking server (http://HOST:PORT) instead, or sqlite:///FILE
  tracking.children=60   points that get a run of their own, at most
  outputs=outputs        where RUN is looked for

Exit codes: 0 recorded (or recorded before), 3 not recorded.

MLflow takes two seconds and 200 MB to import and may wait on a disk or a network, so it works in a
process of its own (`pipeline/mlflow_runs/record.py`), ended when it makes no progress. What goes
wrong is a status, not an exception: the tables are there, and can be recorded later.
"""

import contextlib
import json
import os
import socket
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from pipeline.entry import run_main, split_words
from pipeline.errors import UserError
from pipeline.mlflow_runs.follow import Progress, follow, give_order, last_line
from pipeline.mlflow_runs.handover import recommendations_text
from pipeline.mlflow_runs.views import UI_ADDRESS, addresses
from pipeline.place import ROOT

# So many take MLflow some 5 s: each run is a dozen of its transactions.
CHILDREN = 100
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
    with Recording(run_dir, tracking) as recording:
        return recording.finish(progress=progress)


class Recording:
    """A recording that is prepared on entry and done by `finish`, as `record` says.

    MLflow takes seconds to import and to open its database; meanwhile a run can be analysed.
    """

    def __init__(self, run_dir: Path, tracking: Any = None) -> None:
        self.run_dir = Path(run_dir).resolve()
        self.target = target_of(self.run_dir, tracking)
        self.trouble = ""
        self._process: subprocess.Popen[str] | None = None

    def __enter__(self) -> Self:
        if self.target is not None:
            self.trouble = trouble_of(self.target)
            if not self.trouble:
                self._process = start_recorder(self.run_dir, self.target)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.__exit__(kind, error, trace)

    def finish(self, chosen: Sequence[Any] | None = None, progress: Progress | None = None) -> RecordStatus:
        """Record the run.

        Parameters
        ----------
        chosen : recommendations that `analyse` gave with the summary.parquet that lies there; None = they
                 are worked out again
        """
        if self.target is None:
            return RecordStatus(True, "Not recorded in MLflow (tracking=off).")
        if self._process is None:
            return failure(self.run_dir, self.target, self.trouble)
        with tempfile.TemporaryDirectory(prefix="coreshift-record-") as folder:
            path = Path(folder) / "recommendations"
            if chosen is not None:
                path.write_text(recommendations_text(chosen))
            give_order(self._process, None if chosen is None else path)
            return self._follow(self._process, self.target, progress)

    def _follow(
        self, process: "subprocess.Popen[str]", target: Target, progress: Progress | None
    ) -> RecordStatus:
        stall = STALL_S if target.database else max(STALL_S / 3, 3 * target.answer_s)
        found, log = follow(process, stall, progress)
        if "experiment_id" in found:
            return success(self.run_dir, target, found)
        trouble = found.get("error") or last_line(log) or "MLflow ended without a word"
        if found.get("stalled"):
            trouble = f"{target.uri} made no progress for {stall:.0f} s"
        return failure(self.run_dir, target, trouble)


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
    again = record_command(run_dir, target)
    return RecordStatus(
        False,
        f"Not recorded in MLflow: {trouble}. All tables are written; record them later with\n  {again}",
        target.uri,
    )


def record_command(run_dir: Path, target: Target) -> str:
    """The command that records a run at the same place."""
    where = f"tracking.uri={target.uri}"
    if target.database is not None:
        is_default = target.database == Path(run_dir).resolve().parent.parent / DATABASE
        where = "" if is_default else f"tracking.file={target.database}"
    return f"python -m pipeline.report run={run_dir} record=true {where}".rstrip()


def start_recorder(run_dir: Path, target: Target) -> "subprocess.Popen[str]":
    """Start the recorder's process, which prepares itself and waits for `give_order`."""
    order = {
        "run_dir": str(run_dir), "uri": target.uri, "artifacts": target.artifacts,
        "children": target.children, "answer_s": target.answer_s,
    }  # fmt: skip
    command = [sys.executable, "-m", "pipeline.mlflow_runs.record", json.dumps(order)]
    return subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.PIPE, text=True,
        cwd=ROOT, env={**os.environ, **QUIET},
    )  # fmt: skip


def success(run_dir: Path, target: Target, found: Mapping[str, Any]) -> RecordStatus:
    """The status of a recording that the recorder reported as done."""
    base = UI_ADDRESS if target.database else target.uri.rstrip("/")
    recorded, left_out = int(found["recorded"]), int(found["left_out"])
    message = f"Recorded in MLflow: {recorded} child runs"
    if left_out:
        message += (
            f"; {left_out} of {recorded + left_out} points left out (the recommended one, the baseline, the "
            "best, the front as far as there is room, and a sample are in)"
        )
    if found.get("unchanged"):
        message += " (unchanged since it was recorded)"
    message += "."
    if left_out:
        every = f"{record_command(run_dir, target)} tracking.children={recorded + left_out}"
        message += f" To record all of them:\n  {every}"
    experiment, parent = str(found["experiment_id"]), str(found["parent_run_id"])
    return RecordStatus(
        True, message, target.uri, experiment, parent, recorded, left_out,
        addresses(base, experiment, parent),
    )  # fmt: skip


# --- the command ----------------------------------------------------------------------------------

OPTIONS = {
    "outputs": "outputs", "output": "table",
    "tracking.file": "", "tracking.uri": "", "tracking.children": str(CHILDREN),
}  # fmt: skip


def tracking_of(options: Mapping[str, str]) -> dict[str, Any]:
    """The `tracking` part of a configuration that `tracking.*=` words describe.

    Raises
    ------
    UserError for a number of children or an address that cannot be
    """
    children, uri, file = (options.get(f"tracking.{name}", "") for name in ("children", "uri", "file"))
    if not (children or "0").isdecimal():
        raise UserError(f"tracking.children={children}: must be a whole number >= 0")
    common = {"children": int(children or CHILDREN)}
    if uri and file:
        raise UserError("tracking.uri and tracking.file: only one place at a time", "leave one of them out")
    if uri.startswith("sqlite:///"):
        uri, file = "", uri.removeprefix("sqlite:///")
    if not uri:
        return {**common, "kind": "sqlite", "file": file or None}
    if urlsplit(uri).scheme not in ("http", "https"):
        raise UserError(
            f"tracking.uri={uri}: must be http://HOST:PORT of an MLflow server, or sqlite:///FILE",
            "another database, such as PostgreSQL, is served by `mlflow server --backend-store-uri ...`",
        )
    return {**common, "kind": "server", "uri": uri, "timeout_s": 10.0}


def check_finished(folder: Path) -> None:
    """Refuse a sweep that is not finished, or whose tables have not their checksums.

    Raises
    ------
    UserError saying which
    """
    from pipeline.run.checksums import check_tables, stated_tables

    if stated_tables(folder) is None and not (folder / "failures.json").is_file():
        hint = "the command in its manifest.json goes on with it"
        raise UserError(f"{folder}: this sweep is not finished", hint)
    check_tables(folder)


def record_run(words: Sequence[str]) -> int:
    """Record the run that the words name; gives the exit code."""
    if {"-h", "--help", "help"} & {*words}:
        print((__doc__ or "").strip())
        return 0
    # Here, as statistics take a second to import, which the recorder's process need not wait for.
    from pipeline.explorer.runs import pick_run

    named, options = split_words(words, OPTIONS)
    if len(named) > 1:
        raise UserError(f"{' '.join(named)}: one run at a time")
    tracking = tracking_of(options)
    folder = pick_run(named[0] if named else "latest", Path(options["outputs"]).expanduser())
    check_finished(folder)
    if not (folder / "summary.parquet").is_file():
        from pipeline.evidence.analyse import analyse

        analyse(folder)
    status = record(folder, tracking, tell_progress)
    if options["output"] == "json":
        print(json.dumps(asdict(status), indent=1))
    else:
        print("\n".join([status.message, *(f"  {name}: {url}" for name, url in status.urls.items())]))
    return 0 if status.ok else 3


def tell_progress(done: int, total: int) -> None:
    """Say on stderr how far a long recording is."""
    if done and done % 100 == 0 and done < total:
        print(f"{done} of {total} runs written", file=sys.stderr)


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.record` and `coreshift record`."""
    return run_main(record_run, words)


if __name__ == "__main__":
    sys.exit(main())
