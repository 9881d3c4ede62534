"""The cases of the validation suite in their quick form; `make validate` runs them in full, with a report."""

import pytest

from tests.validation.case import QUICK
from tests.validation.registry import all_cases

QUICK_CASES = {case.name: case for case in all_cases().values() if case.is_quick}


@pytest.mark.parametrize("name", QUICK_CASES)
def test_theory_and_simulation_agree(name: str) -> None:
    outcome = QUICK_CASES[name].run(QUICK)
    assert outcome.checks
    assert [check for check in outcome.checks if not check.is_ok] == []
