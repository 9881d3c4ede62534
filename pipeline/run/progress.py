"""What a person sees while lanes are computed: a live bar, or plain lines; on stderr only."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import TracebackType
from typing import Self

import psutil
from rich.console import Console
from rich.markup import escape
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

PLAIN_PERIOD_S = 5.0


class StudyProgress:
    """Steps, a bar of lanes with events a second and the time left, and notes above it.

    console : rich Console; None = stderr. Live if it is a terminal, silent if it is quiet.
    """

    def __init__(self, console: Console | None = None, period_s: float = PLAIN_PERIOD_S) -> None:
        self.console = console or Console(stderr=True)
        self.lanes = self.events = self.failed = 0
        self._total = self._found = 0
        self._about = ""
        self._period_s = period_s
        self._started = self._printed = time.monotonic()
        self._bar: Progress | None = None
        self._task = TaskID(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def step(self, text: str) -> None:
        """Say what is being done before the lanes start."""
        self.note(f"{text} …")

    @contextmanager
    def parts(self, text: str) -> Iterator[Callable[[int, int], None]]:
        """A step of several parts: gives a function to call with (parts done, parts in all)."""
        self.step(text)
        bar = self._part_bar() if self.console.is_terminal and not self.console.quiet else None
        task = bar.add_task("parts", total=None) if bar is not None else TaskID(0)
        printed = time.monotonic()

        def on_part(done: int, total: int) -> None:
            nonlocal printed
            if bar is not None:
                bar.update(task, completed=done, total=total)
            elif time.monotonic() - printed >= self._period_s:
                printed = time.monotonic()
                self.note(f"{done}/{total} parts")

        with bar or nullcontext():
            yield on_part

    def _part_bar(self) -> Progress:
        columns = (
            SpinnerColumn(),
            TextColumn("parts"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
        )
        return Progress(*columns, console=self.console, transient=True)

    def note(self, text: str, style: str = "") -> None:
        """Print a line; a live bar stays below it."""
        self.console.print(escape(text), style=style, highlight=False, soft_wrap=True)

    def start(self, total: int, found: int, about: str = "") -> None:
        """Begin, or go on with a further round, when `found` of `total` lanes are stored.

        about : the round in a few words
        """
        is_first = not self._total
        self._total, self._found, self._about = total, found - self.lanes, about
        if not is_first:
            if self._bar is not None:
                self._bar.update(self._task, total=total, completed=found, description=about or "lanes")
            return
        self._started = self._printed = time.monotonic()
        if self.console.is_terminal and not self.console.quiet:
            self._bar = Progress(
                SpinnerColumn(),
                TextColumn("{task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TextColumn("{task.fields[speed]}"),
                TextColumn("left"),
                TimeRemainingColumn(elapsed_when_finished=False),
                console=self.console,
                transient=True,
            )
            self._bar.start()
            self._task = self._bar.add_task(about or "lanes", total=total, completed=found, speed="")

    def advance(self, lanes: int, failed: int, events: int) -> None:
        """Book lanes that ended, those that failed among them, and their events."""
        self.lanes += lanes
        self.failed += failed
        self.events += events
        if self._bar is not None:
            self._bar.update(self._task, advance=lanes, speed=self.speed())
        else:
            self.tick()

    def tick(self) -> None:
        """Without a terminal: print a line if the last one is a few seconds old."""
        now = time.monotonic()
        if self._bar is None and self._total and now - self._printed >= self._period_s:
            self._printed = now
            self.note(self.line())

    def line(self) -> str:
        """The state in one line."""
        done = self._found + self.lanes
        text = f"{done}/{self._total} lanes, {self.speed()}"
        if self._about:
            text = f"{self._about}: {text}"
        if self.failed:
            text += f", {self.failed} failed"
        if self.lanes and done < self._total:
            left = (self._total - done) * self.elapsed_s() / self.lanes
            text += f", {duration(left)} left"
        return text

    def speed(self) -> str:
        """Events a second so far."""
        rate = self.events / max(self.elapsed_s(), 1e-9)
        for unit, size in (("G", 1e9), ("M", 1e6), ("k", 1e3)):
            if rate >= size:
                return f"{rate / size:.1f} {unit} events/s"
        return f"{rate:.0f} events/s"

    def elapsed_s(self) -> float:
        """Seconds since `start`."""
        return time.monotonic() - self._started

    def stop(self) -> None:
        """Take the live bar away."""
        if self._bar is not None:
            self._bar.stop()
            self._bar = None


def process_age_s() -> float:
    """Seconds since this process was started, by a clock that nobody sets where the system has one."""
    if hasattr(time, "CLOCK_BOOTTIME"):
        # The 22nd field of all, in ticks since the machine started; the second may have spaces in it.
        started = Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19]
        return time.clock_gettime(time.CLOCK_BOOTTIME) - int(started) / os.sysconf("SC_CLK_TCK")
    return time.time() - float(psutil.Process().create_time())


def duration(seconds: float) -> str:
    """Seconds as people write them: 42 s, 3:07 min, 2:05 h."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d} min"
    return f"{whole // 3600}:{whole % 3600 // 60:02d} h"
