"""The documentation builds without a warning, and what is built asks nothing of the network."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import pytest

from tests.docs.pages import pages
from tests.tidy.source import ROOT, relative

LOADED = {"script": "src", "link": "href", "img": "src", "iframe": "src", "source": "src", "object": "data"}
ABSOLUTE = re.compile(r"^(?:[a-z]+:)?//")
STYLE_URL = re.compile(r"url\(['\"]?((?:[a-z]+:)?//[^)]*)|@import\s+['\"]?((?:[a-z]+:)?//)")
# Pages that are no part of the site: those that belong to files beside them are.
LEFT_OUT: set[str] = set()


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The built site."""
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q", "-b", "html",
         "-c", "pipeline/site", "-d", str(folder / "doctrees"), ".", str(folder / "html")],
        cwd=ROOT, capture_output=True, text=True, check=False,
        # Nothing can be fetched.
        env={**os.environ, "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder / "html"


class Page(HTMLParser):
    """What a page loads, where its links lead, and whether it has formulas."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.formulas = 0
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        found = dict(attrs)
        if tag in LOADED and found.get("rel") not in ("canonical",):
            self.loads += [found.get(LOADED[tag]) or ""]
        self.formulas += tag == "math"


def test_every_page_is_there(site):
    built = {path.relative_to(site).with_suffix(".md").as_posix() for path in site.rglob("*.html")}
    assert {relative(page) for page in pages()} - built <= LEFT_OUT
    assert "README.html" in (site / "index.html").read_text(encoding="utf-8")
    assert (site / "searchindex.js").stat().st_size > 10_000


def test_nothing_is_loaded_from_elsewhere(site):
    loads = {path: Page(path.read_text(encoding="utf-8")).loads for path in site.rglob("*.html")}
    assert sum(map(len, loads.values())) > 100
    assert {src for found in loads.values() for src in found if ABSOLUTE.match(src)} == set()
    missing = {
        f"{path.relative_to(site)}: {src}"
        for path, found in loads.items()
        for src in found
        if src
        and not src.startswith("data:")
        and not (path.parent / src.split("?")[0].split("#")[0]).exists()
    }
    assert missing == set()
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert STYLE_URL.findall(styles) == []
    assert Page('<script src="//cdn.example/x.js"></script>').loads == ["//cdn.example/x.js"]


def test_formulas_are_formulas(site):
    text = (site / "sim" / "MODEL.html").read_text(encoding="utf-8")
    assert Page(text).formulas >= 8
    assert "\\text{" not in text


def test_every_page_is_in_the_navigation(site):
    start = (site / "README.html").read_text(encoding="utf-8")
    tree = start[start.index('class="sidebar-tree"') :]
    tree = tree[: tree.index("</div>\n</div>")] if "</div>\n</div>" in tree else tree
    missing = [relative(page) for page in pages() if f'href="{relative(page)[:-3]}.html"' not in tree]
    assert [name for name in missing if name != "README.md"] == []
