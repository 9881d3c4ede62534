"""What a person sees while a recording is under way; on stderr only."""

import time
from collections.abc import Callable
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

POLL_S = 0.1
NAMES = {"A": "window A, untraced", "B": "window B, traced", "C": "window C, untraced"}


class Windows:
    """A bar over the three windows on a terminal, a line for each elsewhere.

    console : rich Console; None = stderr
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self._bar: Progress | None = None
        self._task = TaskID(0)
        self._started = time.monotonic()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._stop()

    def note(self, text: str) -> None:
        """Print a line; a live bar stays below it."""
        self.console.print(escape(text), highlight=False, soft_wrap=True)

    def pause(self, seconds: float, meanwhile: Callable[[], None] | None = None) -> None:
        """Wait before the first window."""
        if seconds > 0:
            self.note(f"waiting {seconds:g} s")
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            time.sleep(min(POLL_S, left))
            if meanwhile is not None:
                meanwhile()

    def start(self, total_s: float) -> None:
        """Begin a recording of so many seconds in all."""
        self._started = time.monotonic()
        if self.console.is_terminal and not self.console.quiet:
            text = TextColumn("{task.description}")
            columns = (SpinnerColumn(), text, BarColumn(), TimeRemainingColumn())
            self._bar = Progress(*columns, console=self.console, transient=True)
            self._bar.start()
            self._task = self._bar.add_task("starting", total=total_s)

    def enter(self, window: str, seconds: float) -> None:
        """A window begins."""
        if self._bar is not None:
            self._bar.update(self._task, description=NAMES[window])
        else:
            self.note(f"{NAMES[window]}: {seconds:g} s")

    def reading(self) -> None:
        """The windows are over, the node hands its events out."""
        self._stop()
        self.note("reading the events")

    def tick(self) -> None:
        """Move the bar."""
        if self._bar is not None:
            self._bar.update(self._task, completed=time.monotonic() - self._started)

    def _stop(self) -> None:
        if self._bar is not None:
            self._bar.stop()
            self._bar = None
