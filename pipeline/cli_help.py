"""`--help GROUP`: the options of a configuration group, each with the first sentence of its file."""

import re
import shutil
from collections.abc import Sequence
from importlib import resources

# Commands whose `--help` is a page of conf/hydra/help, by the name of their function.
PAGES = {"sweep": "coreshift", "simulate": "simulate"}
HELP = ("--help", "-h")
COLUMNS = 100  # where there is no terminal to ask


def answer_help(command: str, words: Sequence[str]) -> list[str] | None:
    """Print the options of a group if that is asked for.

    Returns
    -------
    None if printed; else the words, with the page that Hydra is to show
    """
    if command not in PAGES or not any(word in HELP for word in words):
        return list(words)
    named = [word for word in words if word in groups()]
    for group in named:
        print_group(group)
    return None if named else [*words, f"hydra/help={PAGES[command]}"]


def groups() -> list[str]:
    """The configuration groups, those of other programs left out."""
    found = [entry.name for entry in resources.files("conf").iterdir() if entry.is_dir()]
    return sorted(set(found) - {"hydra", "dvc", "traces", "__pycache__"})


def print_group(group: str) -> None:
    """The options of a group, one a line."""
    folder = resources.files("conf") / group
    files = {e.name.removesuffix(".yaml"): e for e in folder.iterdir() if e.name.endswith(".yaml")}
    width = max(map(len, files))
    room = shutil.get_terminal_size((COLUMNS, 24)).columns - width - 4
    print(f"{group}=OPTION")
    for name in sorted(files):
        text = first_sentence(files[name].read_text(encoding="utf-8"))
        print(f"  {name:<{width}}  {text if len(text) <= room else text[: room - 1] + '…'}".rstrip())


def first_sentence(text: str) -> str:
    """The first sentence of the comment at the head of a file; "" without one."""
    head: list[str] = []
    for line in text.splitlines():
        if not line.startswith("#"):
            break
        comment = line.lstrip("# ").strip()
        head += [comment] if comment and not comment.startswith("@package") else []
    return re.split(r"(?<=[.?!])\s", " ".join(head), maxsplit=1)[0].rstrip(".:")
