"""Links between pages work on a git host: the file is there, and so is the heading."""

from pathlib import Path

import pytest

from tests.docs.pages import anchors, checkout, is_outside, links, pages
from tests.tidy.source import ROOT, assert_none, relative


def broken(page: Path, target: str) -> str:
    """What is wrong with a relative link, or an empty text."""
    path, anchor = checkout(target, page)
    if not path.exists():
        return f"{relative(page)}: {target}: no such file"
    if not path.is_relative_to(ROOT):
        return f"{relative(page)}: {target}: leaves the repository"
    if anchor and (path.suffix != ".md" or anchor not in anchors(path)):
        return f"{relative(page)}: {target}: no such heading"
    return ""


def test_links_lead_somewhere():
    inner = [(page, target) for page in pages() for target in links(page) if not is_outside(target)]
    assert len(inner) > 50
    assert_none([text for page, target in inner if (text := broken(page, target))])


def test_every_page_is_reached_from_the_readme():
    seen: set[Path] = set()
    ahead = [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        if page in seen or page.suffix != ".md" or not page.is_file():
            continue
        seen.add(page)
        ahead += [checkout(target, page)[0] for target in links(page) if not is_outside(target)]
    assert_none([relative(page) for page in pages() if page not in seen], "no way from README.md to")


@pytest.mark.parametrize(
    ("text", "links_found", "anchors_found"),
    [
        ("# One `two`, three!\n[a](b.md#c) `[no](x)`\n", ["b.md#c"], {"one-two-three"}),
        ("## A\n## A\n```sh\n# not a heading\n[no](x)\n```\n", [], {"a", "a-1"}),
        ("![p](a.svg) and [[1]](d.md)\n", ["a.svg", "d.md"], set()),
        ("### faults.changes.N\n### workload (replay)\n", [], {"faultschangesn", "workload-replay"}),
    ],
)
def test_how_a_page_is_read(text, links_found, anchors_found, tmp_path):
    page = tmp_path / "page.md"
    page.write_text(text)
    assert links(page) == links_found
    assert anchors(page) == anchors_found
    assert broken(ROOT / "README.md", "LICENSE#x")
    assert broken(ROOT / "README.md", "nowhere.md")
    assert broken(ROOT / "README.md", "sim/REFERENCE.md#policy") == ""
