"""What all commands share: help on a screen, errors in words, quiet and JSON modes, tab completion."""

import importlib
import json
import os
import shutil
import subprocess
import sys

import pytest
from hydra.core.config_store import ConfigStore

from pipeline import cli, cli_complete, cli_help, entry
from pipeline.config.groupfile import GROUPS_OF_FILES
from pipeline.errors import UserError, told_of

SCREEN_LINES, SCREEN_COLUMNS = 40, 100
MODULES = [*cli.COMMANDS, "cli"]


def run(action, *words):
    return entry.run_main(action, list(words))


@pytest.mark.parametrize("name", MODULES)
def test_help_fits_on_a_screen(name, capsys, monkeypatch):
    module = importlib.import_module(f"pipeline.{name}")
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    try:
        code = module.main()
    except SystemExit as stop:
        code = stop.code or 0
    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert len(lines) <= SCREEN_LINES
    assert [line for line in lines if len(line) > SCREEN_COLUMNS] == []
    assert any(f"pipeline.{name}" in line or "coreshift" in line for line in lines)


def test_help_of_a_group_lists_its_options(capsys):
    assert cli_help.answer_help("sweep", ["--help", "cost"]) is None
    shown = capsys.readouterr().out
    assert [line.split()[0] for line in shown.splitlines()] == ["cost=OPTION", "cache", "flat"]
    assert cli_help.answer_help("simulate", ["--help"]) == ["--help", "hydra/help=simulate"]
    assert cli_help.answer_help("compare", ["--help", "cost"]) == ["--help", "cost"]


def test_first_sentence_of_a_file():
    assert (
        cli_help.first_sentence("# @package _global_\n# One thing: it\n# goes on. More.\na: 1\n")
        == "One thing: it goes on"
    )
    assert cli_help.first_sentence("a: 1\n# late\n") == ""


def fail(error):
    def action(_):
        raise error

    return action


@pytest.mark.parametrize(
    ("error", "code", "text"),
    [
        (UserError("no such thing", "look"), 2, "no such thing\n  look"),
        (FileNotFoundError(2, "No such file or directory", "x.yaml"), 2, "x.yaml: No such file"),
        (PermissionError(13, "Permission denied", "x"), 2, "x: Permission denied"),
        (json.JSONDecodeError("Expecting value", "{", 1), 2, "not JSON"),
        (KeyError("policy"), 70, "unexpected KeyError: 'policy'"),
        (RecursionError(), 70, "no further word"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_errors_are_told_in_words(error, code, text, capsys):
    assert run(fail(error)) == code
    shown = capsys.readouterr()
    assert shown.out == ""
    assert text in shown.err
    assert "Traceback" not in shown.err


def test_a_bug_names_its_place():
    try:
        cli_complete.answers(None)
    except TypeError as error:
        assert "cli_complete.py, line" in told_of(error).message


@pytest.mark.parametrize("variable", ["", *entry.TRACEBACK_VARIABLES])
def test_tracebacks_when_asked(variable, monkeypatch):
    words = [] if variable else ["--traceback"]
    if variable:
        monkeypatch.setenv(variable, "1")
    with pytest.raises(KeyError):
        run(fail(KeyError("policy")), *words)
    monkeypatch.setenv(variable or "CORESHIFT_TRACEBACK", "0")
    assert run(fail(KeyError("policy"))) == 70


def test_common_words_are_taken_before_a_lone_dash():
    words, asked = entry.take_common(["show", "--json", "-q", "--", "erl", "-q", "--json"])
    assert words == ["show", "output=json", "--", "erl", "-q", "--json"]
    assert asked == {"-q"}


@pytest.mark.parametrize("code", [0, 1])
def test_quiet_keeps_notes_back_unless_it_fails(code, capfd):
    def action(words):
        assert words == ["a=1"]
        print("answer")
        print("note", file=sys.stderr)
        assert sys.stderr.fileno() >= 0
        return code

    assert run(action, "a=1", "-q") == code
    shown = capfd.readouterr()
    assert shown.out == "answer\n"
    assert shown.err == ("note\n" if code else "")


def test_a_command_leaves_stdout_to_json(capsys):
    words = ["topology=two_core", "workload=steady", "replicates=1", "simulation.horizon_ns=3_000_000"]
    simulate = importlib.import_module("pipeline.simulate")
    assert simulate.main([*words, "simulation.warmup_ns=0", "--json", "-q"]) == 0
    shown = capsys.readouterr()
    assert json.loads(shown.out)["completed"] == 1
    assert shown.err == ""


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("python -m pipeline.sweep topology=apple", {"topology=apple_m1_pro", "topology=apple_m2_ultra"}),
        (".venv/bin/python3 -m pipeline.simulate cost=", {"cost=cache", "cost=flat"}),
        ("coreshift sweep workload=steady,flo", {"workload=steady,flood"}),
        ("coreshift topology show topology=gra", {"topology=graviton3"}),
        ("coreshift simulate dec", {"decisions=", "decisions_capacity="}),
        ("coreshift doctor --qu", {"--quick", "--quiet"}),
        ("coreshift sw", {"sweep "}),
        ("python -m pipeline.exp", {"pipeline.explore "}),
        ("coreshift nothing x", set()),
        ("python other.py topology=", set()),
        ("coreshift sweep policy=[ x", set()),
    ],
)
def test_completion(line, found, monkeypatch, capsys):
    # files that other tests gave as options stay in Hydra's store, where a command of its own has none
    store = ConfigStore.instance()
    monkeypatch.setattr(store, "repo", {k: v for k, v in store.repo.items() if k not in GROUPS_OF_FILES})
    monkeypatch.setenv("COMP_LINE", line)
    assert run(fail(AssertionError()), "-sc", "query=bash") == 0
    assert set(filter(None, capsys.readouterr().out.split("\n"))) == found


def test_completion_knows_the_studies(monkeypatch, tmp_path):
    (tmp_path / "outputs" / "mine" / "abc").mkdir(parents=True)
    (tmp_path / "outputs" / "mine" / "abc" / "COMPLETE").touch()
    monkeypatch.chdir(tmp_path)
    assert cli_complete.answers("coreshift compare m") == ["mine"]
    assert cli_complete.answers("coreshift report run=") == ["run=outputs/mine/abc"]
    assert "front.objectives=" in cli_complete.answers("coreshift sweep front.")


def test_completion_of_an_unknown_shell(capsys):
    assert run(fail(AssertionError()), "-sc", "install=tcsh") == 2
    assert "bash, zsh, fish" in capsys.readouterr().err


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_completion_in_bash_itself(tmp_path):
    program = tmp_path / "coreshift"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m pipeline.cli "$@"\n')
    program.chmod(0o755)
    script = (
        'eval "$(coreshift -sc install=bash)"; COMP_LINE="coreshift sweep topology=apple_m1"; '
        'COMP_POINT=${#COMP_LINE}; _coreshift_complete; echo "${COMPREPLY[*]}"; complete -p coreshift'
    )
    paths = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env={**os.environ, **paths}
    )
    first, second = done.stdout.splitlines()
    assert first == "apple_m1_pro"  # bash keeps what stands before the =
    assert second.endswith("-F _coreshift_complete coreshift")
