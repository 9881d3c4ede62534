"""Help and tab completion agree: what a command's help names as an option, a shell completes."""

import importlib
import re
import sys

import pytest

from pipeline import cli_complete

# Examples of groups and keys, which Hydra completes, and words that stand for them.
EXAMPLES = {
    "cost=",
    "key=",
    "policy=",
    "sort=",
    "top=",
    "topology.key=",
    "topology=",
    "workload.trace=",
    "workload=",
}
OPTION = re.compile(r"(?<![\w.])([a-z_][a-z_.]*=)|(?<!\S)(--[a-z]+)")


def options(text):
    """The options that a text names."""
    return {first or second for first, second in OPTION.findall(text)}


@pytest.mark.parametrize("name", sorted(cli_complete.OWN_WORDS))
def test_options_in_the_help_are_completed(name, capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", [name, "--help"])
    assert importlib.import_module(f"pipeline.{name}").main() == 0
    words = [*cli_complete.OWN_WORDS[name], *cli_complete.COMMON]
    completed = {word.partition("=")[0] + ("=" if "=" in word else "") for word in words}
    assert options(capsys.readouterr().out) - completed - EXAMPLES == set()


def test_how_options_are_read():
    assert options("a [out=FILE] topology.key=1 --json, of run=x") == {
        "out=", "topology.key=", "--json", "run=",
    }  # fmt: skip
