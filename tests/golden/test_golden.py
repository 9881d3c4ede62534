"""Behaviour does not change unless somebody means it."""

import json

import pytest

from tests.golden.lanes import STORED, records

EXPECTED = json.loads(STORED.read_text(encoding="utf-8"))
ADVICE = """
The simulator no longer does what it did in this lane. If nobody meant that, it is a bug (try tests/oracle).
If it was meant, write an entry under "Results changed" in CHANGELOG.md that says what moves and why, then run
    python -m tests.golden.update
and commit tests/golden/digests.json with it."""


@pytest.fixture(scope="module")
def found() -> dict[str, dict]:
    """All lanes, simulated once."""
    return records()


@pytest.mark.parametrize("name", EXPECTED)
def test_lane_is_as_pinned(found: dict[str, dict], name: str) -> None:
    assert found[name] == EXPECTED[name], ADVICE


def test_pinned_lanes_are_those_that_there_are_and_differ(found: dict[str, dict]) -> None:
    assert found.keys() == EXPECTED.keys()
    assert len({entry["digest"] for entry in EXPECTED.values()}) == len(EXPECTED)
    assert all(entry["migration_count"] > 0 for name, entry in found.items() if "none" not in name)
