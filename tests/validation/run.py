"""Run cases on some processes; what is found depends neither on their number nor on the order of ends."""

import os
import signal
import time
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from tests.validation.case import Case, Outcome, Scale
from tests.validation.registry import all_cases


@dataclass(frozen=True)
class Finding:
    """A case, what it found, and the seconds that it took; `error`, a traceback, if it broke off instead."""

    case: Case
    outcome: Outcome
    seconds: float
    error: str = ""

    @property
    def is_ok(self) -> bool:
        """Do all of its checks hold?"""
        return not self.error and self.outcome.is_ok


def run_case(name: str, scale: Scale) -> tuple[Outcome, float, str]:
    """One case, by name: what it found, the seconds that it took, and the traceback if it broke off.

    The traceback is text, since not every exception can be sent to another process.
    """
    began = time.perf_counter()
    try:
        outcome, error = all_cases()[name].run(scale), ""
    except Exception:
        outcome, error = Outcome(()), traceback.format_exc()
    return outcome, time.perf_counter() - began, error


def finding_of(case: Case, task: "Future[tuple[Outcome, float, str]]") -> Finding:
    """What a task gave. A case that breaks off is a failure of that case, and the others go on."""
    error = task.exception()
    if error is not None:  # its process ended
        return Finding(case, Outcome(()), 0.0, f"{type(error).__name__}: {error}")
    return Finding(case, *task.result())


def run_cases(cases: Sequence[Case], scale: Scale, processes: int) -> Iterator[Finding]:
    """Run cases, and give each as it ends. Those without a quick form, the longest, begin first."""
    # A child of a case (a compiler, a sweep) is not to take the threads of the other processes.
    for name in ("POLARS_MAX_THREADS", "OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    context = get_context("spawn")
    # An interrupt ends the case that a process is at, too.
    with ProcessPoolExecutor(processes, context, signal.signal, (signal.SIGINT, signal.SIG_DFL)) as pool:
        ordered = sorted(cases, key=lambda case: case.is_quick)
        tasks = {pool.submit(run_case, case.name, scale): case for case in ordered}
        try:
            for task in as_completed(tasks):
                yield finding_of(tasks[task], task)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
