"""Whatever asks a recording to end early ends it in order, once."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")


@contextmanager
def interruptible() -> Iterator[None]:
    """Raise KeyboardInterrupt at the first signal that asks for an end; later ones wait for the clean-up.

    A signal that is ignored stays ignored, as under nohup. Outside the main thread nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    is_ending = False

    def end(_number: int, _frame: FrameType | None) -> None:
        # `timeout` signals twice, people press Ctrl-C again: neither may cut the clean-up short.
        nonlocal is_ending
        if not is_ending:
            is_ending = True
            raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in SIGNALS if hasattr(signal, name)]
    former = {number: signal.getsignal(number) for number in numbers}
    former = {number: what for number, what in former.items() if what not in (signal.SIG_IGN, None)}
    try:
        for number in former:
            signal.signal(number, end)
        yield
    finally:
        for number, what in former.items():
            signal.signal(number, what)
