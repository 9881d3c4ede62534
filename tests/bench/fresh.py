"""Calls a measurement of child.py in a fresh process."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def ask(
    name: str, *words: object, environment: Mapping[str, str] | None = None, under: Sequence[str] = ()
) -> Any:
    """The answer of `child.py name words`, run by the program `under`, if any.

    Raises
    ------
    RuntimeError with the end of what the process said, if it failed.
    """
    command = [*under, sys.executable, "-m", "tests.bench.child", name, *map(str, words)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False,
        env={**os.environ, **(environment or {})},
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])
