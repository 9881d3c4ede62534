"""`python -m pipeline.ui [port=5000] [outputs=outputs] [file=...]`: browse the recorded runs.

Serves MLflow on 127.0.0.1 (never beyond) on the database that sweeps record to, prints the
addresses worth opening, and stops with Ctrl-C. If the port is taken, the next free one is used.
"""

import contextlib
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from pipeline.entry import run_main
from pipeline.errors import UserError, did_you_mean
from pipeline.mlflow_runs.views import RANKING, TRADEOFF, VIEW_TAG, view_address
from pipeline.record import DATABASE, QUIET

HOST = "127.0.0.1"
PORTS_TRIED = 20
START_S = 180.0
STOP_S = 10.0
DEFAULTS = {"port": "5000", "outputs": "outputs", "file": ""}


def parse(arguments: Sequence[str], defaults: Mapping[str, str]) -> dict[str, str]:
    """`key=value` arguments over their defaults.

    Raises
    ------
    UserError for an argument of another form or an unknown key.
    """
    values = dict(defaults)
    for argument in arguments:
        key, equals, value = argument.partition("=")
        if not equals or key not in defaults:
            known = ", ".join(f"{k}=" for k in defaults)
            raise UserError(
                f"{argument}: not understood", did_you_mean(key, defaults) or f"known here: {known}"
            )
        values[key] = value
    return values


def free_port(wanted: int) -> int:
    """`wanted`, or the first free port after it."""
    for port in range(wanted, min(wanted + PORTS_TRIED, 65_536)):
        with socket.socket() as probe:
            # As the server does; else a port that was just left counts as taken.
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind((HOST, port))
                return port
    raise UserError(f"no free port from {wanted} on", "give another one with port=...")


@contextlib.contextmanager
def serve(database: Path, port: int) -> Iterator[str]:
    """Serve a tracking database while the block runs; gives the address once it answers.

    Raises
    ------
    UserError if the server ends, or does not answer within START_S.
    """
    command = [
        sys.executable, "-m", "mlflow", "ui", "--backend-store-uri", f"sqlite:///{database}",
        "--host", HOST, "--port", str(port), "--workers", "1",
    ]  # fmt: skip
    environment = {**os.environ, **QUIET, "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    address = f"http://{HOST}:{port}"
    # A session of its own, so that all of the server's processes can be ended together.
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
        start_new_session=True, cwd=database.parent,
    ) as process:  # fmt: skip
        try:
            wait_for_health(process, address)
            yield address
        finally:
            stop(process)


def wait_for_health(process: "subprocess.Popen[bytes]", address: str) -> None:
    """Return when the server answers on /health."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        if process.poll() is not None:
            log = (process.stderr.read() if process.stderr else b"").decode(errors="replace")
            raise UserError(f"the MLflow server ended at once:\n{log[-800:].strip()}")
        if answers(address):
            return
        time.sleep(0.3)
    raise UserError(f"the MLflow server did not answer within {START_S:.0f} s", "try again")


def answers(address: str) -> bool:
    """Whether the server says that it is well."""
    try:
        with urllib.request.urlopen(f"{address}/health", timeout=2):  # noqa: S310 - loopback only
            return True
    except (OSError, urllib.error.URLError):
        return False


def stop(process: "subprocess.Popen[bytes]") -> None:
    """End the server and its workers, first politely."""
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
            # A worker may outlive its parent by a moment; then the second round ends it.
            if sign == signal.SIGTERM and not group_is_alive(process.pid):
                return


def group_is_alive(group: int) -> bool:
    """Whether a process of the group still runs."""
    time.sleep(0.2)
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, 0)
        return True
    return False


def studies(database: Path) -> list[tuple[str, str]]:
    """(experiment id, name) of the studies that have a ranking view, newest first."""
    query = (
        "SELECT e.experiment_id, e.name FROM experiments e JOIN experiment_tags t USING (experiment_id) "
        "WHERE t.key = ? AND e.lifecycle_stage = 'active' ORDER BY e.last_update_time DESC"
    )
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            rows = connection.execute(query, (VIEW_TAG + RANKING,)).fetchall()
    except sqlite3.Error:
        return []
    return [(str(one), str(name)) for one, name in rows]


def find_database(values: Mapping[str, str]) -> Path:
    """The database to serve.

    Raises
    ------
    UserError if there is none yet.
    """
    given = values["file"] or str(Path(values["outputs"]) / DATABASE)
    database = Path(given).expanduser().resolve()
    if not database.is_file():
        raise UserError(f"{database}: no runs are recorded there", "run a sweep first: make sweep")
    return database


def run(arguments: Sequence[str]) -> None:
    """Serve until Ctrl-C."""
    values = parse(arguments, DEFAULTS)
    database = find_database(values)
    if not values["port"].isdigit() or not 0 < int(values["port"]) < 65_536:
        raise UserError(f"port={values['port']}: must be a number from 1 to 65535")
    port = free_port(int(values["port"]))
    # Ended politely by others, it must end its server too.
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    print(f"Starting MLflow on {database} (some 10 to 30 s) ...", flush=True)
    with serve(database, port) as address:
        print(f"MLflow: {address}   (Ctrl-C stops it)")
        for experiment_id, name in studies(database):
            print(f"  {name}: ranking    {address}/{view_address(experiment_id, RANKING)}")
            print(f"  {name}: trade-off  {address}/{view_address(experiment_id, TRADEOFF)}")
        sys.stdout.flush()
        with contextlib.suppress(KeyboardInterrupt):
            signal.pause()
    print("\nMLflow stopped.")


def browse(words: Sequence[str]) -> int:
    """`run`, or the usage."""
    if {"-h", "--help", "help"} & {*words}:
        print((__doc__ or "").strip())
        return 0
    run(words)
    return 0


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.ui` and `coreshift ui`."""
    return run_main(browse, words)


if __name__ == "__main__":
    sys.exit(main())
