"""Threads on CPUs of our choice, which end when the time is up."""

import os
import threading
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pipeline.calibration.kernels import CAN_PIN, STOP

Job = tuple[int | None, Callable[[], None]]
GRACE_S = 5.0


def usable_cpus() -> list[int]:
    """OS indexes of the CPUs that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return sorted(os.sched_getaffinity(0))
    return list(range(os.cpu_count() or 1))


def pinning_problem() -> str:
    """Why threads cannot be bound to CPUs here; "" if they can."""
    if not CAN_PIN or not hasattr(os, "sched_setaffinity"):
        return "this system does not bind threads to CPUs (macOS)"
    problems: list[str] = []

    def attempt() -> None:
        try:
            os.sched_setaffinity(0, {usable_cpus()[0]})
        except OSError as error:
            problems.append(f"binding threads to CPUs is refused here ({error.strerror})")

    thread = threading.Thread(target=attempt, daemon=True)
    thread.start()
    thread.join()
    return "".join(problems)


def run_together(jobs: Sequence[Job], cells: NDArray[np.int64], limit_s: float) -> None:
    """Run jobs in threads of their own, each on its CPU, until all have ended.

    When the time is up, and when this thread is interrupted, STOP is set, which ends the kernels.

    Raises
    ------
    RuntimeError if a thread does not end; whatever a job raised
    """
    problems: list[BaseException] = []

    def start(cpu: int | None, job: Callable[[], None]) -> None:
        try:
            if cpu is not None:
                os.sched_setaffinity(0, {cpu})
            job()
        except BaseException as error:
            problems.append(error)
            cells[STOP] = 1

    threads = [threading.Thread(target=start, args=job, daemon=True) for job in jobs]
    for thread in threads:
        thread.start()
    try:
        for thread in threads:
            thread.join(limit_s)
    finally:
        if any(thread.is_alive() for thread in threads):
            cells[STOP] = 1
        for thread in threads:
            thread.join(GRACE_S)
    if problems:
        raise problems[0]
    if any(thread.is_alive() for thread in threads):
        raise RuntimeError("a measuring thread does not end; the machine is too busy to be measured")
