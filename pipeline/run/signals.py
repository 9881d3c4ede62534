"""SIGINT (Ctrl-C) and SIGTERM (batch systems): once to end in order, twice to end at once."""

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from types import FrameType, TracebackType
from typing import Any, Self

SIGNALS = (signal.SIGINT, signal.SIGTERM)
EXIT_INTERRUPTED = 130
# What a second signal leaves for an end in order, such as Ray's.
GRACE_S = 3.0
SHOW_CURSOR = "\x1b[?25h"

Handler = Callable[[int, FrameType | None], Any]


@contextlib.contextmanager
def handled(handler: Handler) -> Iterator[None]:
    """Within, SIGINT and SIGTERM go to `handler`; what is ignored (nohup, a shell's &) stays ignored.

    Outside of the main thread nothing is changed, as Python allows nothing else.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}
    install(handler)
    try:
        yield
    finally:
        for number, old in before.items():
            if old is not None:
                signal.signal(number, old)


def install(handler: Handler | signal.Handlers) -> None:
    """Make `handler` that of both signals, save where they are ignored."""
    for number in SIGNALS:
        if signal.getsignal(number) not in (signal.SIG_IGN, None):
            signal.signal(number, handler)


def interrupt(_number: int, _frame: FrameType | None) -> None:
    """Handler: Python's KeyboardInterrupt for either signal; the next one ends the process there and then."""
    install(signal.SIG_DFL)
    raise KeyboardInterrupt


@contextlib.contextmanager
def watched(noticed: Callable[[int], None]) -> Iterator[None]:
    """Within, a thread calls `noticed` with the number of signals so far, whatever the main one does."""
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    before = signal.set_wakeup_fd(write_end, warn_on_full_buffer=False)

    def watch() -> None:
        count = 0
        while number := os.read(read_end, 1):
            if number[0] in SIGNALS:
                count += 1
                noticed(count)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield
    finally:
        signal.set_wakeup_fd(before)
        os.close(write_end)
        watcher.join()
        os.close(read_end)


@contextlib.contextmanager
def ending_at_once() -> Iterator[None]:
    """Within, one signal ends the process at once; for work that may be dropped at any moment."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    with handled(lambda _number, _frame: None), watched(lambda _count: end_at_once()):
        yield


class StopSignals:
    """Within a `held` block the first signal is only noted in `requested`; any other one interrupts.

    A thread beside the main one tells of a signal at once, and ends the process if a second one finds the
    main thread in native code, where Python's handlers wait.

    note : called with a line for people, from that thread
    """

    def __init__(self, note: Callable[[str], None]) -> None:
        self.requested = False
        self._note = note
        self._is_held = self._is_entered = False
        self._stack = contextlib.ExitStack()
        self._timer: threading.Timer | None = None

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            self._stack.enter_context(handled(self._handle))
            self._stack.enter_context(watched(self._noticed))
            self._is_entered = True
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._is_entered = False
        self._stack.close()
        if self._timer is not None:
            self._timer.cancel()

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Within, whoever works looks at `requested` now and then, and ends at a good place."""
        if self._is_entered:
            # Ray has put a SIGTERM handler of its own there.
            install(self._handle)
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        is_first, self.requested = not self.requested, True
        if not (is_first and self._is_held):
            raise KeyboardInterrupt

    def _noticed(self, count: int) -> None:
        if count == 1 and self._is_held:
            self._tell("Stopping: the chunks that run are finished and stored. Once more stops at once.")
        elif count == 2:
            self._timer = threading.Timer(GRACE_S, end_at_once)
            self._timer.daemon = True
            self._timer.start()
        elif count > 2:
            end_at_once()

    def _tell(self, text: str) -> None:
        # A terminal that was closed is no reason to go on.
        with contextlib.suppress(OSError, ValueError):
            self._note(text)


def end_at_once() -> None:
    """End the process whatever it is doing; files are whole all the time, so nothing stored is lost."""
    cursor = SHOW_CURSOR if sys.stderr.isatty() else ""
    text = f"{cursor}\ncoreshift: stopped at once; what was stored is kept, and the same command goes on\n"
    with contextlib.suppress(OSError):
        os.write(2, text.encode())
    os._exit(EXIT_INTERRUPTED)
