"""Every command in the documentation is understood by the program that it names.

Commands of ours run in a scratch folder up to where their work would begin: composed, validated, expanded
into points, their files found. What is cheap runs to its end. A block whose commands cannot be tried says
why, in a comment before it: `<!-- not run: reason -->`.
"""

import ast
import shutil
import subprocess
import sys

import pytest
from hydra.core.config_store import ConfigStore

from pipeline import sweep
from pipeline.config.groupfile import GROUPS_OF_FILES
from tests.docs.commands import Command, arguments, attempt, commands, complaint, fill, read_line, stand_ins
from tests.docs.pages import SHELL, Block, blocks, pages
from tests.docs.scratch import lay_files
from tests.pipeline.calibrate_recording import Truth, make_recording
from tests.tidy.source import ROOT, assert_none, relative

# This page makes its files itself: test_extend.py.
APART = ("pipeline/EXTEND.md",)
ALL = [block for page in pages() for block in blocks(page)]
SHELLS = [block for block in ALL if block.language in SHELL]
TRIED = [block for block in SHELLS if not block.not_run and relative(block.page) not in APART]
PYTHONS = [block for block in ALL if block.language == "python"]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory):
    """A folder as a reader's: a finished study, a recording, a machine's files."""
    folder = tmp_path_factory.mktemp("reader")
    words = (
        "topology=two_core", "workload=steady", "cluster=inline", "study=default", "replicates=2",
        "simulation.horizon_ns=6_000_000", "simulation.warmup_ns=1_000_000", "policy=balanced",
        "policy.threshold_factor=0,1,4,64", f"outputs.folder={folder / 'outputs'}",
    )  # fmt: skip
    assert sweep.main(words) == 0
    lay_files(folder)
    make_recording(folder / "mine", Truth())
    return folder


@pytest.fixture
def reader(scratch, monkeypatch):
    """Stand where a reader stands, with stand-ins for what takes long."""
    # Files that were given as options stay in Hydra's store, which a command of its own has not.
    store = ConfigStore.instance()
    monkeypatch.setattr(store, "repo", {k: v for k, v in store.repo.items() if k not in GROUPS_OF_FILES})
    monkeypatch.chdir(scratch)
    for name, stand_in in stand_ins().items():
        monkeypatch.setattr(name, stand_in)
    return scratch


def test_every_shell_block_is_shell():
    wrong = []
    for block in SHELLS:
        done = subprocess.run(["bash", "-n"], input=block.text, capture_output=True, text=True, check=False)
        wrong += [f"{block.place}: {done.stderr.strip()}"] if done.returncode else []
    assert_none(wrong)


def test_commands_stand_in_blocks_that_say_so():
    found = [
        f"{block.place}: label it sh"
        for block in ALL
        if not block.language
        and any(line.startswith(("python -m pipeline.", "coreshift ")) for line in block.text.splitlines())
    ]
    assert_none(found)


def test_programs_and_targets_exist():
    every = [command for block in SHELLS for command in commands(block)]
    assert len(every) > 100
    assert_none([f"{command}: {text}" for command in every if (text := complaint(command))])


@pytest.mark.parametrize("block", TRIED, ids=lambda block: block.place)
def test_commands_are_understood(block, reader, monkeypatch, capsys):
    for command in commands(block):
        ours = arguments(command)
        if ours is None:
            continue
        name, words = ours
        try:
            code = attempt(name, fill(name, words, reader), monkeypatch)
        except Exception as error:
            pytest.fail(f"{command}\n{type(error).__name__}: {error}")
        shown = "".join(capsys.readouterr())
        assert code == 0, f"{command}: exit code {code}\n{shown}"


def test_python_blocks_run(tmp_path):
    for block in PYTHONS:
        tree = ast.parse(block.text, block.place)
        assert tree.body, block.place
        # README's runs in tests/tidy/test_readme.py.
        if block.not_run or relative(block.page) in (*APART, "README.md"):
            continue
        done = subprocess.run(
            [sys.executable, "-c", block.text], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{block.place}: {done.stderr}"


@pytest.mark.parametrize(
    "line",
    [
        "python -m pipeline.sweep policy.treshold_factor=1,2",
        "python -m pipeline.sweep policy.threshold_factor=-1",
        "python -m pipeline.simulate policy=balancd",
        "coreshift explore default --were 'policy = none'",
        "coreshift trace record second=1 out=new -- node@host",
        "coreshift compare default no_such_metric",
        'make sweep ARGS="topologie=two_core"',
    ],
)
def test_a_mistake_in_a_page_is_noticed(line, reader, monkeypatch):
    (command,) = read_line(line, "page:1")
    name, words = arguments(command)
    with pytest.raises(Exception, match=r"unknown|must be|no such|did you mean|known"):
        attempt(name, words, monkeypatch)


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("FOO=1 .venv/bin/python -m pipeline.ui port=1 > log.txt  # why", [("pipeline.ui", ("port=1",))]),
        ("f=$(coreshift sweep -q | jq -r .x)", [("pipeline.sweep", ("-q",)), ("jq", ("-r", ".x"))]),
        ('eval "$(coreshift -sc install=bash)"', [("pipeline.cli", ("-sc", "install=bash")),
                                                  ("eval", ("$(coreshift -sc install=bash)",))]),
        ("a && b 'x y'", [("a", ()), ("b", ("x y",))]),
    ],
)  # fmt: skip
def test_how_a_line_is_read(line, found):
    assert [(each.program, each.words) for each in read_line(line, "page:1")] == found
    assert complaint(Command("page:1", "pyhton", ()))
    assert complaint(Command("page:1", "make", ("swep",)))
    assert complaint(Command("page:1", "pipeline.swep", ()))
    assert complaint(Command("page:1", "make", ("sweep", "ARGS=x"))) == ""


def test_a_reason_is_read():
    page = ROOT / "pipeline" / "TUTORIAL.md"
    reasons = [block.not_run for block in blocks(page) if block.not_run]
    assert reasons
    assert shutil.which("bash")
    assert all(isinstance(block, Block) for block in TRIED)
