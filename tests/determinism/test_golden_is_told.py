"""The pinned lanes change together with the CHANGELOG: "Results changed" names the digest of what is pinned.

Whoever pins other results has to come to that section, where what moved and why belongs. No history of the
repository is needed to check it.
"""

import hashlib
import re
from pathlib import Path

import pytest

from tests.golden.lanes import STORED

CHANGELOG = Path(__file__).resolve().parents[2] / "CHANGELOG.md"
LINE = re.compile(r"^- Pinned lanes \(`tests/golden/digests.json`\): `([0-9a-f]{16})`\.$", re.MULTILINE)
NAMED = "- Pinned lanes (`tests/golden/digests.json`): `0123456789abcdef`.\n"
SECTION = re.compile(r"^### Results changed\n(.*?)(?=^##|\Z)", re.MULTILINE | re.DOTALL)


def digest_of_pins(data: bytes) -> str:
    """What the CHANGELOG names: the first 16 digits of the SHA-256 of the file."""
    return hashlib.sha256(data.replace(b"\r\n", b"\n")).hexdigest()[:16]


def named_digests(changelog: str) -> list[str]:
    """Digests in the newest section "Results changed"."""
    section = SECTION.search(changelog)
    return LINE.findall(section[1]) if section else []


def test_results_changed_names_what_is_pinned() -> None:
    digest = digest_of_pins(STORED.read_bytes())
    assert named_digests(CHANGELOG.read_text(encoding="utf-8")) == [digest], (
        'say in CHANGELOG.md, under "Results changed", what moved and why, and name what is pinned now: '
        f"- Pinned lanes (`tests/golden/digests.json`): `{digest}`."
    )


@pytest.mark.parametrize(
    ("changelog", "found"),
    [
        (f"### Results changed\n\n- A.\n{NAMED}", 1),
        (f"### Fixed\n{NAMED}", 0),
        (f"### Results changed\n- A.\n\n## 0.0\n{NAMED}", 0),
        (f"### Results changed\n{NAMED[:-6]}`.\n", 0),
    ],
)  # fmt: skip
def test_only_the_newest_section_counts(changelog: str, found: int) -> None:
    assert len(named_digests(changelog)) == found
