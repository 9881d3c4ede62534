"""`python -m pipeline.trace check FOLDER ...`: replay recordings under the BEAM's own policy, and compare.

    check FOLDER... [key=value ...] [output=table|json] [markdown=FILE.md]

A folder is one recording, or holds recordings. A Markdown file keeps its text: the table goes between the
marks in it. Other settings are those of every command: policy=balanced,
cost.wake_ns=3000, policy.erts.otp='"28"'. They go before what the recordings say.
"""

import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipeline.errors import UserError
from pipeline.replay_check import check_trace
from pipeline.replay_check_text import checks_json, checks_markdown, print_checks, put_between_marks
from pipeline.run.files import write_once

OUTPUTS = ("table", "json")
EXAMPLE = "python -m pipeline.trace check RECORDING [policy=erts] [output=json] [markdown=FILE.md]"


def check(words: Sequence[str]) -> int:
    """Replay and compare; the exit code is 0 whatever the verdicts, which are for the reader."""
    own = {"output": "table", "markdown": ""}
    settings: list[str] = []
    names: list[str] = []
    for word in words:
        key, sign, value = word.partition("=")
        if sign and key in own:
            own[key] = value
        else:
            (settings if sign or word.startswith("-") else names).append(word)
    if own["output"] not in OUTPUTS:
        raise UserError(f"output={own['output']}: must be one of {', '.join(OUTPUTS)}", EXAMPLE)
    if not names:
        raise UserError("check takes the folders of one or more recordings", EXAMPLE)
    folders = [found for name in names for found in recordings_in(Path(name).expanduser())]
    checks = []
    for folder in folders:
        print(f"Replaying {folder.name}.", file=sys.stderr)
        checks.append(check_trace(folder, settings))
    if own["markdown"]:
        write_table(Path(own["markdown"]), checks_markdown(checks))
    if own["output"] == "json":
        print(checks_json(checks))
    else:
        print_checks(checks, Console())
    return 0


def recordings_in(folder: Path) -> list[Path]:
    """The folder itself if it is a recording, else the recordings in it, by name."""
    if not folder.is_dir():
        raise UserError(f"{folder}: is not a folder", "give the folder of a recording, with events.parquet")
    if (folder / "events.parquet").exists():
        return [folder]
    found = sorted(path.parent for path in folder.glob("*/events.parquet"))
    if not found:
        raise UserError(f"{folder}: holds no recording", "a recording has events.parquet and its companions")
    return found


def write_table(path: Path, table: str) -> None:
    """Put the table into a document between its marks, or write a new one: whole, or not at all."""
    try:
        old = path.read_text(encoding="utf-8") if path.is_file() else ""
        path.parent.mkdir(parents=True, exist_ok=True)
        write_once(path, put_between_marks(old, table).encode())
    except UnicodeDecodeError:
        raise UserError(f"{path}: is not a text", "give the file of a document, or a new one") from None
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error.strerror}", "give another file") from None
