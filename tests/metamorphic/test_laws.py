"""The laws hold for random lanes of every kind, and the wrong ones beside them do not."""

import pytest

from tests.metamorphic.laws import LAWS, hold

SEEDS = range(12)


@pytest.mark.parametrize("name", LAWS)
def test_law_holds_to_the_bit(name: str) -> None:
    verdict = hold(LAWS[name], SEEDS)
    assert verdict.broken == {}
    assert verdict.lanes >= 10
    assert (verdict.migrations == 0) == ("migrate: false" in name or "infinite" in name)


@pytest.mark.parametrize("name", [name for name, law in LAWS.items() if law.wrong])
def test_wrong_law_shows(name: str) -> None:
    assert len(hold(LAWS[name], SEEDS, is_wrong=True).broken) >= 3
