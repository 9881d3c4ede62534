"""The table of mutations can be applied, and two are seen to be killed; all are, in the validation suite."""

from dataclasses import replace

import pytest

from tests.mutation.run import NotApplicableError, judge, mutated, verdict_of
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


@pytest.mark.parametrize("old", ["a text that is not there", "@kernel"])
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
