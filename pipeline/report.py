"""`python -m pipeline.report [run=outputs/<study>/<run key>] [record=true] ...`: a run's report anew.

Aggregates the lanes again, finds the front and the recommended setting, draws the figures, writes
summary.parquet, pareto.parquet, recommended.yaml, metrics.json and report.html, and prints the
answer.

  run=latest             run folder, run key or its beginning, or a study (its newest sweep);
                         `latest` is the run written last
  outputs=outputs        where runs are looked for
  draw=true              figures and report.html
  figures=png,svg        every figure as these files; without it the main ones as both
  record=false           also record the run in MLflow (again, or for the first time)
  tracking.file=...      SQLite file to record to; default mlflow.db in the outputs folder
  tracking.uri=...       tracking server to record to instead
  tracking.children=60   child runs at most
  output=table           or json

Another question, without simulating again (it becomes the folder's own):
  constraint="p99 slowdown <= 3 and throughput >= 1e6"    what a setting must meet; or none
  front.objectives=slowdown_p99,throughput_per_s            two or three metrics to trade off
  front.weights="{slowdown_p99: 3, throughput_per_s: 1}"    the least weighted sum; null = the knee
  objective.metric=slowdown_p99                             one metric to choose by; or null
"""

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console

from pipeline.charts.figures import KINDS, draw_figures
from pipeline.entry import run_main
from pipeline.errors import UserError
from pipeline.evidence.analyse import Analysis, analyse
from pipeline.evidence.ask import ask, split_question
from pipeline.evidence.partial_report import reportable
from pipeline.evidence.summary_table import print_record, print_summary, summary_json
from pipeline.explorer.runs import pick_run
from pipeline.record import CHILDREN, Recording, RecordStatus
from pipeline.ui import parse

DEFAULTS = {
    "run": "latest", "outputs": "outputs", "draw": "true", "record": "false", "output": "table",
    "figures": "",
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
        path = Path(values["run"]).expanduser()
        return path if path.is_dir() else pick_run(values["run"], Path(values["outputs"]).expanduser())
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


def kinds_of(text: str) -> tuple[str, ...]:
    """The kinds of files that every figure is to be written as; none for the main figures only.

    Raises
    ------
    UserError for another kind
    """
    kinds = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not {*kinds} <= {*KINDS}:
        raise UserError(f"figures={text}: must be some of {', '.join(KINDS)}", "write figures=png,svg")
    return kinds


def analysed(run_dir: Path, draw: bool, kinds: Sequence[str]) -> Analysis:
    """The analysis of a run, with every figure as files if some kinds are asked for."""
    found = analyse(run_dir, draw=draw)
    if kinds and draw:
        draw_figures(found.run, found.summary, found.recommendations, found.folder / "figures", kinds)
    return found


def run(arguments: Sequence[str], console: Console) -> int:
    """Rebuild a report; gives the exit code: 0, or 3 if recording was asked for and failed."""
    asked, others = split_question(arguments)
    values = parse(others, DEFAULTS)
    for key, allowed in CHOICES.items():
        if values[key] not in allowed:
            raise UserError(f"{key}={values[key]}: must be one of {', '.join(allowed)}")
    kinds = kinds_of(values["figures"])
    tracking = tracking_of(values)
    run_dir = reportable(find_run(values), for_record=values["record"] == "true")
    draw = values["draw"] == "true"
    if asked:
        ask(run_dir, asked)
    status: RecordStatus | None = None
    if values["record"] == "true":
        with Recording(run_dir, tracking) as recording:
            found = analysed(run_dir, draw, kinds)
            status = recording.finish(found.recommendations)
    else:
        found = analysed(run_dir, draw, kinds)
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
