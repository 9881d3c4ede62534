"""The console script: `coreshift sweep ...` is `python -m pipeline.sweep ...`.

    coreshift sweep      run a study: the main job
    coreshift simulate   one point: a table of metrics, or output=json
    coreshift compare    the points of a finished run side by side
    coreshift topology   list, show, import and export machines
    coreshift trace      list, show and import recorded BEAM programs
    coreshift calibrate  measure this machine's costs, or fit them to a recording
    coreshift ui         browse recorded runs in MLflow

`coreshift COMMAND --help` tells more of each.
"""

import importlib
import sys
from collections.abc import Callable, Sequence

from pipeline.entry import pick_action, run_main

COMMANDS = ("sweep", "simulate", "compare", "topology", "trace", "calibrate", "ui")


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
    return run_main(dispatch, words)


if __name__ == "__main__":
    raise SystemExit(main())
