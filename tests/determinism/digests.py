"""Digests of lanes, to be made again elsewhere: python -m tests.determinism.digests golden | small | code

golden : the lanes that tests/golden pins
small  : random lanes of the oracle, short enough for the interpreter alone
code   : what the compiled kernel calls and allows, see tests/determinism/code.py
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from tests.determinism.code import code_facts
from tests.golden.lanes import digest_of, records
from tests.reference.compare import run_kernel
from tests.reference.scenarios import random_scenario

ROOT = Path(__file__).resolve().parents[2]
SMALL = range(700, 724)
PATIENCE_S = 1800


def small() -> dict[str, str]:
    """Digests of random lanes: classes and replays, every part of the model."""
    found = {}
    for seed in SMALL:
        log, counters = run_kernel(random_scenario(seed))
        found[str(seed)] = digest_of(np.array(log, np.int64), counters)
    return found


KINDS = {"golden": records, "small": small, "code": code_facts}


def elsewhere(kind: str, **environment: str) -> dict[str, Any]:
    """The same in a process of its own, with other settings in its environment."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore::RuntimeWarning", "-m", "tests.determinism.digests", kind],
        cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, timeout=PATIENCE_S,
        check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(done.stderr[-2000:])
    found: dict[str, Any] = json.loads(done.stdout)
    return found


if __name__ == "__main__":
    print(json.dumps(KINDS[sys.argv[1]]()))
