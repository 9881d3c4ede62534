"""How far the reading of a large file is: a live bar on a terminal, else a line every few seconds."""

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.progress import BarColumn, DownloadColumn, Progress, TaskID, TextColumn, TimeRemainingColumn

PLAIN_PERIOD_S = 5.0


class ReadProgress:
    """Call it with the bytes read, the bytes in all, and the events found; it shows them on stderr.

    console : rich Console; None = stderr
    """

    def __init__(self, console: Console | None = None, period_s: float = PLAIN_PERIOD_S) -> None:
        self.console = console or Console(stderr=True)
        self._period_s = period_s
        self._printed = time.monotonic()
        self._total = 0
        self._task = TaskID(0)
        self._bar: Progress | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def __call__(self, done: int, total: int, events: int) -> None:
        """Show a state; another total begins a new bar."""
        if total != self._total:
            self._start(total)
        if self._bar is not None:
            self._bar.update(self._task, completed=done, events=f"{events:,} events")
        elif time.monotonic() - self._printed >= self._period_s:
            self._printed = time.monotonic()
            self.note(f"{done / total:.0%} read, {events:,} events")

    def note(self, text: str) -> None:
        """Print a line."""
        self.console.print(text, highlight=False, markup=False, soft_wrap=True)

    def _start(self, total: int) -> None:
        self._stop()
        self._total = total
        if self.console.is_terminal and not self.console.quiet:
            columns = (
                TextColumn("reading"),
                BarColumn(),
                DownloadColumn(),
                TextColumn("{task.fields[events]}"),
                TextColumn("left"),
                TimeRemainingColumn(),
            )
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._task = self._bar.add_task("reading", total=total, events="")
            self._bar.start()

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
