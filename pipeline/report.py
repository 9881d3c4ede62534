"""`python -m pipeline.report [run=outputs/<study>/<run key>] [record=true] ...`: a run's report anew.

Aggregates the lanes again, finds the front and the recommended setting, draws the figures, writes
summary.parquet, pareto.parquet, recommended.yaml, metrics.json and report.html, and prints the
answer.

  run=latest             run folder; `latest` is the newest one below outputs=
  outputs=outputs        where `run=latest` looks
  draw=true              figures and report.html
  record=false           also record the run in MLflow (again, or for the first time)
  tracking.file=...      SQLite file to record to; default mlflow.db in the outputs folder
  tracking.uri=...       tracking server to record to instead
  tracking.children=60   child runs at most
  output=table           or json
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.analyse import analyse
from pipeline.entry import run_main
from pipeline.errors import UserError
from pipeline.record import CHILDREN, Recording, RecordStatus
from pipeline.summary_table import print_record, print_summary, summary_json
from pipeline.ui import parse

DEFAULTS = {
    "run": "latest", "outputs": "outputs", "draw": "true", "record": "false", "output": "table",
    "tracking.file": "", "tracking.uri": "", "tracking.children": str(CHILDREN),
}  # fmt: skip
CHOICES = {"draw": ("true", "false"), "record": ("true", "false"), "output": ("table", "json")}


def find_run(values: Mapping[str, str]) -> Path:
    """The run folder that is meant.

    Raises
    ------
    UserError if there is none.
    """
    if values["run"] != "latest":
        return Path(values["run"]).expanduser()
    found = list(Path(values["outputs"]).expanduser().glob("*/*/manifest.json"))
    if not found:
        raise UserError(f"{values['outputs']}: no run in it", "run a sweep first, or name one: run=...")
    return max(found, key=lambda path: path.stat().st_mtime).parent


def tracking_of(values: Mapping[str, str]) -> dict[str, Any]:
    """The `tracking` configuration that the arguments describe."""
    if not values["tracking.children"].isdigit():
        raise UserError(f"tracking.children={values['tracking.children']}: must be a whole number >= 0")
    common = {"children": int(values["tracking.children"])}
    if values["tracking.uri"]:
        return {**common, "kind": "server", "uri": values["tracking.uri"]}
    return {**common, "kind": "sqlite", "file": values["tracking.file"] or None}


def run(arguments: Sequence[str], console: Console) -> int:
    """Rebuild a report; gives the exit code: 0, or 3 if recording was asked for and failed."""
    values = parse(arguments, DEFAULTS)
    for key, allowed in CHOICES.items():
        if values[key] not in allowed:
            raise UserError(f"{key}={values[key]}: must be one of {', '.join(allowed)}")
    tracking = tracking_of(values)
    run_dir, draw = find_run(values), values["draw"] == "true"
    status: RecordStatus | None = None
    if values["record"] == "true":
        with Recording(run_dir, tracking) as recording:
            found = analyse(run_dir, draw=draw)
            status = recording.finish(found.recommendations)
    else:
        found = analyse(run_dir, draw=draw)
    if values["output"] == "json":
        answer = summary_json(found)
        if status is not None:
            answer["mlflow"] = {"ok": status.ok, "message": status.message, "urls": status.urls}
        print(json.dumps(answer, indent=1))
    else:
        print_summary(found, console)
        if status is not None:
            print_record(status, console)
    return 3 if status is not None and not status.ok else 0


def main(arguments: Sequence[str] | None = None) -> int:
    """Console entry."""
    return run_main(report, arguments)


def report(words: Sequence[str]) -> int:
    """`run` for a terminal, or the usage."""
    if {"-h", "--help", "help"} & {*words}:
        print((__doc__ or "").strip())
        return 0
    return run(words, Console())


if __name__ == "__main__":
    sys.exit(main())
