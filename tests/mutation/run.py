"""A mutation in a copy of the repository, and the tests that are run against it there."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from tests.mutation.table import Mutation

ROOT = Path(__file__).resolve().parents[2]
COPIED = ("sim", "tests", "conf", "pipeline")
LIMIT_S = 600  # a mutation may keep the simulator from ending
NAME = re.compile(r"killed by (.*)")


class NotApplicableError(ValueError):
    """The text of a mutation does not stand in its file exactly once."""


@dataclass(frozen=True)
class Verdict:
    """What became of a mutation: the test that failed, "" if none did, and the time of it."""

    mutation: Mutation
    killer: str
    seconds: float


def mutated(mutation: Mutation, root: Path = ROOT) -> str:
    """The file of a mutation as it is with it.

    Raises
    ------
    NotApplicableError unless its old text stands there exactly once
    """
    text = (root / mutation.path).read_text(encoding="utf-8")
    count = text.count(mutation.old)
    if count != 1 or mutation.old == mutation.new:
        where = f"{mutation.part}, {mutation.name}: {mutation.path}"
        raise NotApplicableError(f"{where} has the text {count} times, not once: {mutation.old!r}")
    return text.replace(mutation.old, mutation.new)


def copy_to(folder: Path, root: Path = ROOT) -> None:
    """Copy what the tests need."""
    ignore = shutil.ignore_patterns("__pycache__", ".hypothesis")
    for name in COPIED:
        shutil.copytree(root / name, folder / name, ignore=ignore)
    shutil.copy(root / "pyproject.toml", folder)


def arguments(mutation: Mutation) -> list[str]:
    """What tests/mutation/kill.py is to try first."""
    words = ["--test", mutation.test] if mutation.test else []
    words += ["--corner", mutation.corner] if mutation.corner else []
    return [*words, "--seeds", *map(str, mutation.seeds)] if mutation.seeds else words


def judge(mutation: Mutation | None, words: list[str] | None = None) -> tuple[str, float]:
    """Run the tests against a copy with the mutation (None: as it is): what failed or "", and the seconds."""
    began = time.monotonic()
    text = "" if mutation is None else mutated(mutation)
    with tempfile.TemporaryDirectory(prefix="coreshift-mutation-") as name:
        folder = Path(name)
        copy_to(folder)
        given = words or []
        if mutation is not None:
            (folder / mutation.path).write_text(text, encoding="utf-8")
            given = arguments(mutation)
        path = os.environ | {
            "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(folder), "PYTHONDONTWRITEBYTECODE": "1",
        }  # fmt: skip
        command = [sys.executable, "-m", "tests.mutation.kill", *given]
        try:
            done = subprocess.run(
                command, cwd=folder, env=path, capture_output=True, text=True, timeout=LIMIT_S, check=False
            )
        except subprocess.TimeoutExpired:
            return f"the time: it did not end in {LIMIT_S} s", time.monotonic() - began
    found = NAME.search(done.stdout)
    if found is None and (done.returncode != 0 or "survived" not in done.stdout):
        raise RuntimeError(f"the tests could not be run:\n{done.stdout}\n{done.stderr}")
    return found.group(1) if found else "", time.monotonic() - began


def verdict_of(mutation: Mutation) -> Verdict:
    """Whether a test fails with this mutation."""
    killer, seconds = judge(mutation)
    return Verdict(mutation, killer, seconds)
