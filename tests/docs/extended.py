"""Runs the commands of pipeline/EXTEND.md in a copy of the repository that has the page's files.

    cd COPY; python -m tests.docs.extended     a line of JSON a command

`simulate` runs to its end, at a small size and without compilation; other commands up to their work.
"""

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest

import pipeline
import sim
from tests.docs.commands import arguments, attempt, commands, stand_ins
from tests.docs.pages import SHELL, blocks
from tests.tidy.source import ROOT

PAGE = ROOT / "pipeline" / "EXTEND.md"
SMALL = (
    "replicates=1", "simulation.horizon_ns=1_500_000", "simulation.warmup_ns=500_000",
    "simulation.window_ns=100_000", "--json", "-q",
)  # fmt: skip


def run(name: str, words: list[str]) -> str:
    """Run one command; give what it printed."""
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(printed):
        for target, stand_in in stand_ins().items():
            if name != "simulate" or not target.startswith("pipeline.simulate"):
                patch.setattr(target, stand_in)
        code = attempt(name, words, patch)
    assert code == 0, f"{name} {words}: exit code {code}"
    return printed.getvalue()


def main() -> None:
    """Run them all."""
    here = Path.cwd()
    assert Path(pipeline.__file__).is_relative_to(here), "run it in the copy"
    assert Path(sim.__file__).is_relative_to(here)
    for block in blocks(PAGE):
        if block.language not in SHELL or block.not_run:
            continue
        for command in commands(block):
            ours = arguments(command)
            if ours is None:
                continue
            name, words = ours
            if name == "simulate":
                # The usual machine has 256 cores, which takes minutes without compilation.
                words += [] if any(w.startswith("topology=") for w in words) else ["topology=two_core"]
                words += [*SMALL]
            shown = run(name, words)
            answer = json.loads(shown) if name == "simulate" else {}
            print(json.dumps({"command": str(command), "name": name, "answer": answer}), flush=True)


if __name__ == "__main__":
    sys.exit(main())
