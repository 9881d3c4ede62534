"""The table of mutations can be applied, and two are seen to be killed; all are, in the validation suite."""

import subprocess
import sys
from dataclasses import replace

import pytest

from pipeline.entry import EXIT_BROKEN_PIPE, run_main
from tests.mutation.__main__ import chosen, main
from tests.mutation.run import ROOT, NotApplicableError, judge, mutated, verdict_of
from tests.mutation.table import MUTATIONS, Mutation

PARTS = {
    "queues", "stealing", "balancing", "placement", "limits", "affinity", "costs", "settlement", "timers",
    "draws", "measures", "BEAM", "faults", "memory", "messages",
}  # fmt: skip


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda m: f"{m.part}-{m.name}".replace(" ", "_"))
def test_a_mutation_changes_one_place(mutation: Mutation) -> None:
    text = mutated(mutation)
    assert text != mutated(replace(mutation, new=f"{mutation.new} # other"))
    compile(text, mutation.path, "exec")
    assert mutation.breaks


def test_the_table_covers_the_parts_of_the_kernel() -> None:
    assert len(MUTATIONS) >= 25
    assert {mutation.part for mutation in MUTATIONS} == PARTS
    assert len({(mutation.part, mutation.name) for mutation in MUTATIONS}) == len(MUTATIONS)


@pytest.mark.parametrize("old", ["a text that is not there", "z[process(z, p)"])
def test_a_text_that_is_not_there_once_is_an_error(old: str) -> None:
    with pytest.raises(NotApplicableError, match="times, not once"):
        mutated(replace(MUTATIONS[0], old=old))


def named(part: str, name: str) -> Mutation:
    return next(each for each in MUTATIONS if (each.part, each.name) == (part, name))


@pytest.mark.parametrize(("part", "name"), [("timers", "tree"), ("costs", "rounding")])
def test_a_mutation_is_killed(part: str, name: str) -> None:
    assert verdict_of(named(part, name)).killer.startswith("random scenario ")


def test_the_same_tests_pass_without_a_mutation() -> None:
    assert judge(None, ["--seeds", "0", "1", "2", "--only"])[0] == ""


def test_a_name_is_found_in_any_case() -> None:
    assert chosen(["BEAM: COUNTED"]) == chosen(["beam: counted"]) == [named("BEAM", "counted")]
    assert chosen(["1"]) == [MUTATIONS[0]]
    assert chosen(None) == list(MUTATIONS)


def test_a_name_that_is_not_there_is_told(capsys: pytest.CaptureFixture) -> None:
    assert run_main(main, ["--only", "no such mutation"]) == 2
    assert "No mutation has such a name; see --list." in capsys.readouterr().err


def test_a_list_goes_to_a_reader_that_stops() -> None:
    command = [sys.executable, "-m", "tests.mutation", "--list"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        process.stdout.close()
        told = process.stderr.read()
    assert told == b""
    assert process.returncode == EXIT_BROKEN_PIPE
