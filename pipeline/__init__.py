"""Coreshift's pipeline: configuration to lanes, lanes to tables, tables to decisions."""

import sys
from types import TracebackType


def tell_interrupt(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """Say in a word that Ctrl-C ended the program; show any other error as Python does."""
    if issubclass(kind, KeyboardInterrupt):
        print("coreshift: interrupted", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, trace)


# `python -m pipeline.sweep` loads libraries for a second or two before code of its own can catch Ctrl-C;
# meanwhile the first argument is -m. Whoever imports the package as a library is left alone.
if sys.argv[:1] == ["-m"]:
    sys.excepthook = tell_interrupt
