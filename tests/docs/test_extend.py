"""pipeline/EXTEND.md does what it says: its files, put where it says, are options, and its rule decides."""

import json
import os
import re
import shutil
import subprocess
import sys

import pytest

from tests.docs.extended import PAGE
from tests.docs.pages import blocks
from tests.docs.scratch import lay_files
from tests.tidy.source import ROOT, relative, tracked_files

NAMED_FILE = re.compile(r"`((?:conf|sim)/[\w/]+\.(?:yaml|py))`")
COPIED = ("conf", "pipeline", "sim")


def files_of_the_page():
    """The files that the page shows: the last path named before a block of YAML or Python."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    for block in blocks(PAGE):
        if block.language in ("yaml", "python"):
            before = " ".join(lines[max(0, block.line - 6) : block.line - 1])
            yield NAMED_FILE.findall(before)[-1], block.text


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    """What the commands of the page printed, in a copy of the repository with its files."""
    copy = tmp_path_factory.mktemp("copy")
    for path in tracked_files():
        if relative(path).split("/")[0] in COPIED and path.suffix != ".md":
            (copy / relative(path)).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy / relative(path))
    files = dict(files_of_the_page())
    assert {name.split("/")[1] for name in files} == {
        "policy",
        "workload",
        "topology",
        "experiment",
        "kernels",
    }
    for name, text in files.items():
        assert not (copy / name).exists(), f"{name} is not new"
        (copy / name).write_text(text, encoding="utf-8")
    (change,) = (block.text for block in blocks(PAGE) if block.language == "diff")
    applied = subprocess.run(
        ["git", "apply", "--unidiff-zero", "-"], input=change, cwd=copy, capture_output=True, text=True,
        check=False, env={**os.environ, "GIT_CEILING_DIRECTORIES": str(copy.parent)},
    )  # fmt: skip
    assert applied.returncode == 0, applied.stderr
    assert "crowd" in (copy / "sim" / "spec" / "policy.py").read_text(encoding="utf-8")
    lay_files(copy)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.docs.extended"], cwd=copy, capture_output=True,
        text=True, check=False, env={**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": str(ROOT)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_every_file_is_an_option(answers):
    simulated = [each["answer"] for each in answers if each["name"] == "simulate"]
    assert [answer["completed"] for answer in simulated] == [1] * len(simulated)
    labels = [answer["labels"] for answer in simulated]
    assert {"gentle"} <= {label["policy"] for label in labels}
    assert {"shop"} <= {label["workload"] for label in labels}
    assert {"twin", "machine"} <= {label["topology"] for label in labels}
    assert sum(each["name"] == "sweep" for each in answers) >= 4


def test_the_rule_decides(answers):
    (crowd,) = [each["answer"] for each in answers if "crowd" in each["command"]]
    metrics = crowd["metrics"]
    assert metrics["migration_attempt_count"]["mean"] > metrics["migration_count"]["mean"] > 0, metrics


def test_every_key_of_a_machine_is_in_the_table():
    from sim.topology import build, memory

    text = PAGE.read_text(encoding="utf-8")
    table = "\n".join(line for line in text.splitlines() if line.startswith("| `"))
    known = {
        *build.COMPACT_KEYS,
        *build.CLUSTER_KEYS,
        *build.MEMORY_KEYS,
        *memory.CLASS_KEYS,
        *memory.PLACE_KEYS,
    }
    assert {key for key in known if f"`{key}`" not in table} == set()
