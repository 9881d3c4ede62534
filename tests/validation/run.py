"""Run cases on some processes; what is found depends neither on their number nor on the order of ends."""

import os
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from dataclasses import dataclass
from multiprocessing import get_context

from tests.validation.case import Case, Outcome, Scale
from tests.validation.registry import all_cases


@dataclass(frozen=True)
class Finding:
    """A case, what it found, and the seconds that it took; `error` if it broke off instead."""

    case: Case
    outcome: Outcome
    seconds: float
    error: str = ""

    @property
    def is_ok(self) -> bool:
        """Do all of its checks hold?"""
        return not self.error and self.outcome.is_ok


def run_case(name: str, scale: Scale) -> tuple[Outcome, float]:
    """One case, by name, and the seconds that it took."""
    began = time.perf_counter()
    return all_cases()[name].run(scale), time.perf_counter() - began


def finding_of(case: Case, task: "Future[tuple[Outcome, float]]") -> Finding:
    """What a task gave. A case that breaks off is a failure of that case, and the others go on."""
    error = task.exception()
    if error is not None:
        return Finding(case, Outcome(()), 0.0, f"{type(error).__name__}: {error}")
    outcome, seconds = task.result()
    return Finding(case, outcome, seconds)


def run_cases(cases: Sequence[Case], scale: Scale, processes: int) -> Iterator[Finding]:
    """Run cases, and give each as it ends. Those without a quick form, the longest, begin first."""
    # A child of a case (a compiler, a sweep) is not to take the threads of the other processes.
    os.environ.setdefault("POLARS_MAX_THREADS", "1")
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        ordered = sorted(cases, key=lambda case: case.is_quick)
        tasks = {pool.submit(run_case, case.name, scale): case for case in ordered}
        for task in as_completed(tasks):
            yield finding_of(tasks[task], task)
