"""The pages of the documentation: their headings, links and fenced blocks, as a git host reads them."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.tidy.source import ROOT, relative, tracked_files

FENCE = re.compile(r"^(?P<indent> *)```(?P<language>[\w{}]*)\s*$")
NOT_RUN = re.compile(r"^ *<!-- not run: (?P<reason>.+) -->$")
HEADING = re.compile(r"^#{1,6} +(?P<text>.+?) *#*$")
LINK = re.compile(r"!?\[(?:[^\[\]]|\[[^\]]*\])*\]\((?P<target>[^()\s]+)\)")
CODE = re.compile(r"`[^`\n]+`")
SHELL = ("sh", "bash", "console", "shell")


@dataclass(frozen=True)
class Block:
    """A fenced block: where it begins, its language, its text, and why its commands are not run, if so."""

    page: Path
    line: int
    language: str
    text: str
    not_run: str = ""

    @property
    def place(self) -> str:
        """Where it is, for messages."""
        return f"{relative(self.page)}:{self.line}"


def pages() -> list[Path]:
    """Every page of the checkout."""
    return [path for path in tracked_files() if path.suffix == ".md"]


def blocks(page: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page."""
    opened, body, reason = None, [], ""
    for number, line in enumerate(page.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if opened is not None and fence and not fence["language"]:
            start, match = opened
            cut = len(match["indent"])
            yield Block(page, start, match["language"], "\n".join(each[cut:] for each in body) + "\n", reason)
            opened, body, reason = None, [], ""
        elif opened is not None:
            body.append(line)
        elif fence:
            opened = (number, fence)
        elif mark := NOT_RUN.match(line):
            reason = mark["reason"]
        elif line.strip():
            reason = ""
    assert opened is None, f"{relative(page)}: a fence is not closed"


def prose(page: Path) -> str:
    """The text of a page without its fenced blocks."""
    kept, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        fence = FENCE.match(line)
        inside = inside != bool(fence)
        kept.append("" if inside or fence else line)
    return "\n".join(kept)


def anchors(page: Path) -> set[str]:
    """The anchors that a git host gives the headings of a page."""
    found: dict[str, int] = {}
    names = set()
    for line in prose(page).splitlines():
        heading = HEADING.match(line)
        if heading is None:
            continue
        text = re.sub(r"\]\([^)]*\)", "", heading["text"])
        name = re.sub(r"[^\w\- ]", "", text.lower()).replace(" ", "-")
        found[name] = found.get(name, -1) + 1
        names.add(f"{name}-{found[name]}" if found[name] else name)
    return names


def links(page: Path) -> list[str]:
    """The targets of a page's links and pictures; code is no link."""
    return [match["target"] for match in LINK.finditer(CODE.sub("", prose(page)))]


def is_outside(target: str) -> bool:
    """Whether a link leaves the repository."""
    return bool(re.match(r"[a-z]+:", target))


def checkout(target: str, page: Path) -> tuple[Path, str]:
    """The file that a relative link leads to, and the anchor in it."""
    name, _, anchor = target.partition("#")
    return ((page.parent / name).resolve() if name else page), anchor


assert ROOT.is_dir()
