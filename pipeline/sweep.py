"""`python -m pipeline.sweep [key=value | key=1,2,4 ...]`: the main job.

The study `experiment=default` runs when the command line does not say what to sweep. With `key=1,2,4` or
`sweep=...`, those axes alone make the study. With `experiment=...` beside them, they join its axes: a key
swept in both takes the values of the command line, and a plain `key=value` fixes an axis.
`debug=invariants` looks at every invariant of the simulator meanwhile (pipeline/debug.py).
"""

import json
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.console import Console

from pipeline.compose import complete_shell, read_command, with_hydra
from pipeline.debug import tell_breaks, toolkit_of
from pipeline.entry import run_main
from pipeline.fanout import StudyRun, run_study
from pipeline.grid import Study
from pipeline.study import make_study

if TYPE_CHECKING:
    from pipeline.analyse import Analysis
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
    run = run_study(study, toolkit=toolkit_of(study))
    if tell_breaks(study, run.failed_lanes) == run.lanes:
        return run.exit_code
    # Here, as statistics and charts take a second to import, which the first lane need not wait for.
    from pipeline.analyse import analyse
    from pipeline.record import Recording

    with Recording(run.folder, study.config.tracking) as recording:
        found = analyse(run.folder)
        status = recording.finish(found.recommendations)
    show(study, run, found, status)
    return run.exit_code


def announce(study: Study) -> None:
    """Say on stderr what is about to run."""
    lanes = len(study.points) * study.replicates
    over = f" over {', '.join(study.axes)}" if study.axes else ""
    print(
        f"Study {study.name}: {len(study.points)} points{over}, {study.replicates} replicates, "
        f"{lanes} lanes.",
        file=sys.stderr,
    )
    if study.merged:
        # Said, as the study is smaller than what was asked for.
        print(f"{study.merged} more came to the settings of another point and were merged.", file=sys.stderr)


def show(study: Study, run: StudyRun, found: "Analysis", status: "RecordStatus") -> None:
    """Print the answer: a table, or JSON alone on stdout."""
    from pipeline.summary_table import print_summary, summary_json

    if study.config.output == "json":
        answer = summary_json(found) | {
            "failed_lanes": len(run.failed_lanes),
            "mlflow": {"ok": status.ok, "message": status.message, "urls": status.urls},
        }
        print(json.dumps(answer, indent=1, default=str))
        return
    print_summary(found)
    console = Console()
    console.print(status.message, style=None if status.ok else "yellow", highlight=False)
    for name, address in status.urls.items():
        console.print(f"  {name}: {address}", highlight=False, soft_wrap=True)


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.sweep` and `coreshift sweep`."""
    return run_main(sweep, words)


if __name__ == "__main__":
    raise SystemExit(main())
