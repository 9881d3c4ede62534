"""The console script: `coreshift sweep ...` is `python -m pipeline.sweep ...`.

    coreshift sweep      run a study: the main job
    coreshift simulate   one point: a table of metrics, or output=json
    coreshift explore    browse the points of a finished study
    coreshift compare    the points of a finished study side by side
    coreshift report     the report of a finished study anew
    coreshift record     record a finished study in MLflow, here or on a server
    coreshift reproduce  check a recorded run, run it again, and compare
    coreshift topology   list, show, import and export machines
    coreshift trace      list, show, record, import and check recorded BEAM programs
    coreshift calibrate  measure this machine's costs, or fit them to a recording
    coreshift ui         browse recorded runs in MLflow
    coreshift doctor     check the installation, and say what to mend

`coreshift COMMAND --help` tells more of each. Every command takes
  --json        JSON and nothing else on stdout, where the command has data to give
  -q, --quiet   no progress and no notes on stderr, unless the command fails
  --traceback   where an error comes from (or set CORESHIFT_TRACEBACK=1)
Exit codes: 0 done; 1 done, with something failed or to be mended; 2 to be mended by you, with a
message; 3 not recorded in MLflow; 70 a bug; 130 interrupted.

Tab completion in this shell (bash; zsh and fish likewise):  eval "$(coreshift -sc install=bash)"
"""

import importlib
import sys
from collections.abc import Callable, Sequence

from pipeline.entry import pick_action, run_main, tell
from pipeline.run.signals import EXIT_INTERRUPTED

COMMANDS = (
    "sweep", "simulate", "explore", "compare", "report", "record", "reproduce", "topology", "trace",
    "calibrate", "ui", "doctor",
)  # fmt: skip


def dispatch(words: Sequence[str]) -> int:
    """Hand the words to the command that the first of them names."""
    return pick_action(words, {name: command(name) for name in COMMANDS}, __doc__)


def command(name: str) -> Callable[[Sequence[str]], int]:
    """The main program of one command, called as if by `python -m`."""

    def run(words: Sequence[str]) -> int:
        sys.argv = [f"coreshift {name}", *words]
        # Imported by name, so that a command starts without the libraries of the others.
        return int(importlib.import_module(f"pipeline.{name}").main() or 0)

    return run


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of the console script."""
    words = sys.argv[1:] if words is None else words
    if not words or words[0] not in COMMANDS:
        return run_main(dispatch, words)
    try:
        # A command takes the words that all have by itself.
        return dispatch(words)
    except KeyboardInterrupt:
        return tell("interrupted", "", EXIT_INTERRUPTED)


if __name__ == "__main__":
    raise SystemExit(main())
