"""The conversation with the recorder's process: its order, its progress, and its last word."""

import contextlib
import json
import queue
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

Progress = Callable[[int, int], None]


def give_order(process: "subprocess.Popen[str]", chosen: Path | None) -> None:
    """Let the recorder begin: the tables are there, and the recommendations, if any, in a file."""
    assert process.stdin is not None
    # One that ended already has said why.
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(json.dumps({"chosen": None if chosen is None else str(chosen)}) + "\n")
        process.stdin.flush()


def follow(
    process: "subprocess.Popen[str]", stall: float, progress: Progress | None
) -> tuple[dict[str, Any], list[str]]:
    """Read the recorder's lines until its last; gives that line's data and what it logged."""
    lines: queue.Queue[str | None] = queue.Queue()
    log: list[str] = []

    def read_output() -> None:
        for line in process.stdout or ():
            lines.put(line)
        lines.put(None)

    def read_log() -> None:
        log.extend(process.stderr or ())

    readers = [threading.Thread(target=work, daemon=True) for work in (read_output, read_log)]
    for reader in readers:
        reader.start()
    found: dict[str, Any] = {}
    while True:
        try:
            line = lines.get(timeout=stall)
        except queue.Empty:
            return {"stalled": True}, log
        if line is None:
            readers[1].join(timeout=1.0)
            return found, log
        with contextlib.suppress(ValueError):
            found = json.loads(line)
        if progress is not None and "done" in found:
            progress(int(found["done"]), int(found["total"]))


def last_line(log: list[str]) -> str:
    """The last line that a process logged: of a traceback, the error itself."""
    return next((line.strip() for line in reversed(log) if line.strip()), "")
