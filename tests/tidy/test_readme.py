"""The README says what is there: its commands exist, and its Python runs."""

import re
import subprocess
import sys

import pytest

from tests.tidy.source import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_make_targets_exist():
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    # Only what stands in code: "make sure" is English.
    code = "\n".join(re.findall(r"```sh.*?```|`[^`]+`", README, flags=re.DOTALL))
    named = {target for line in re.findall(r"\bmake ([a-z ]+)", code) for target in line.split()}
    assert {"sweep", "test"} <= named
    assert named <= targets


def test_commands_and_files_exist():
    modules = set(re.findall(r"python -m pipeline\.(\w+)", README))
    assert modules
    assert {name for name in modules if not (ROOT / "pipeline" / f"{name}.py").exists()} == set()
    assert [link for link in re.findall(r"\]\((?!http)([^)]+)\)", README) if not (ROOT / link).exists()] == []


def test_named_presets_exist():
    chosen = re.findall(r"\b(topology|workload|policy|cluster|cost)=([a-z0-9_,]+)(?![\w/])", README)
    missing = [
        f"{group}={name}"
        for group, names in chosen
        for name in names.split(",")
        if not (ROOT / "conf" / group / f"{name}.yaml").exists()
    ]
    assert missing == []


@pytest.mark.slow
def test_python_example_runs():
    (example,) = re.findall(r"```python\n(.*?)```", README, flags=re.DOTALL)
    done = subprocess.run(
        [sys.executable, "-c", example], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout
