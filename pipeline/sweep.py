"""`python -m pipeline.sweep [key=value | key=1,2,4 ...]`: the main job.

The study `experiment=default` runs when the command line does not say what to sweep. With `key=1,2,4` or
`sweep=...`, those axes alone make the study. With `experiment=...` beside them, they join its axes: a key
swept in both takes the values of the command line, and a plain `key=value` fixes an axis.
`debug=invariants` looks at every invariant of the simulator meanwhile (pipeline/debug.py).
"""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from rich.console import Console

from pipeline.adaptive.design_text import design_text
from pipeline.config.compose import complete_shell, read_command, with_hydra
from pipeline.config.grid import Study
from pipeline.config.study import make_study
from pipeline.debug import tell_breaks, toolkit_of
from pipeline.entry import run_main
from pipeline.errors import UserError
from pipeline.evidence.partial import KEY, partial_words
from pipeline.run.fanout import run_study
from pipeline.run.signals import ending_at_once
from pipeline.run.study_run import InterruptedStudyError, StudyRun

if TYPE_CHECKING:
    from pipeline.evidence.analyse import Analysis
    from pipeline.record import RecordStatus

MODULE = "pipeline.sweep"


def sweep(words: Sequence[str]) -> int:
    """Compose, simulate, analyse, record, and show what came out.

    Returns
    -------
    int, exit code: 0, or 1 if a lane has no result. A failed recording is told, and is no failure.

    Raises
    ------
    ConfigError before anything was started or written; UserError when something outside fails
    """
    if complete_shell(words):
        return 0
    command = read_command(words)
    study = with_hydra(command, lambda: make_study(command, MODULE))
    announce(study)
    try:
        run = run_study(study, toolkit=toolkit_of(study))
    except InterruptedStudyError as error:
        if not error.at_once:
            show_partial(study, error)
        raise
    if tell_breaks(study, run.failed_lanes) == run.lanes:
        return run.exit_code
    if len(run.failed_lanes) == run.lanes:
        print("No lane has a result, so there is nothing to compare.", file=sys.stderr)
        return run.exit_code
    # Here, as statistics and charts take a second to import, which the first lane need not wait for.
    from pipeline.evidence.analyse import analyse
    from pipeline.record import Recording, failure

    found = None
    try:
        with Recording(run.folder, study.config.tracking) as recording:
            found = analyse(run.folder)
            status = recording.finish(found.recommendations)
    except KeyboardInterrupt:
        if found is not None and recording.target is not None:
            status = failure(recording.run_dir, recording.target, "interrupted")
            show(study, run, found, status)
        raise InterruptedStudyError(
            f"Interrupted: all {run.lanes} lanes are stored in {run.folder}.",
            "The same command analyses and records them.",
        ) from None
    show(study, run, found, status)
    return run.exit_code


def announce(study: Study) -> None:
    """Say on stderr what is about to run."""
    over = f" over {', '.join(study.axes)}" if study.axes else ""
    print(f"Study {study.name}: {size_text(study, over)}.", file=sys.stderr)
    if study.merged:
        # Said, as the study is smaller than what was asked for.
        print(f"{study.merged} more came to the settings of another point and were merged.", file=sys.stderr)


def show_partial(study: Study, error: InterruptedStudyError) -> None:
    """Write the report on the lanes so far, and print it, marked as what it is."""
    from pipeline.evidence.partial_report import partial_report
    from pipeline.evidence.summary_table import print_summary, summary_json

    assert error.folder is not None
    try:
        with ending_at_once():
            found = partial_report(error.folder, error.lanes)
    except UserError as trouble:
        print(f"No report on the lanes so far: {trouble.message}", file=sys.stderr)
        return
    if found is None:
        return
    mark = found.run.manifest[KEY]
    if study.config.output == "json":
        print(json.dumps(summary_json(found) | {KEY: mark}, indent=1, default=str))
        return
    console, words = Console(), partial_words(found.run.manifest).upper()
    console.print(f"{words}. Everything below may change.", style="bold yellow", highlight=False)
    print_summary(found)
    console.print(f"{words}. Not recorded in MLflow.", style="bold yellow", highlight=False)


def size_text(study: Study, over: str) -> str:
    """How large a study is, as far as that is known before it runs."""
    sweep: Any = study.config.sweep
    points = len(study.points)
    lanes = points * study.replicates
    if sweep.kind == "race":
        text = f"a race of {points} points{over}, up to {study.replicates} replicates"
        return f"{text}, {min(lanes, sweep.lanes or lanes)} lanes at most"
    if study.search is not None:
        beside = points - len(study.search.first)
        most = sweep.points
        text = f"a search of {most} points{over}, {beside} beside them, {study.replicates} replicates"
        return f"{text}, {(most + beside) * study.replicates} lanes at most"
    return f"{points} points{over}, {study.replicates} replicates, {lanes} lanes"


def show(study: Study, run: StudyRun, found: "Analysis", status: "RecordStatus") -> None:
    """Print the answer: a table, or JSON alone on stdout."""
    from pipeline.evidence.summary_table import print_summary, summary_json

    if study.config.output == "json":
        answer = summary_json(found) | {
            "failed_lanes": len(run.failed_lanes),
            "design": run.facts or None,
            "mlflow": {"ok": status.ok, "message": status.message, "urls": status.urls},
        }
        print(json.dumps(answer, indent=1, default=str))
        return
    print_summary(found)
    console = Console()
    if run.facts:
        console.print(design_text(run.facts), highlight=False, soft_wrap=True)
    console.print(status.message, style=None if status.ok else "yellow", highlight=False)
    for name, address in status.urls.items():
        console.print(f"  {name}: {address}", highlight=False, soft_wrap=True)


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.sweep` and `coreshift sweep`."""
    return run_main(sweep, words)


if __name__ == "__main__":
    raise SystemExit(main())
