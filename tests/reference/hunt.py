"""Hold many random scenarios against the kernel: python -m tests.reference.hunt --from 0 --count 10000."""

import argparse
import time
import traceback
from collections.abc import Iterable
from multiprocessing import get_context

from tests.reference.compare import difference
from tests.reference.features import PARTS
from tests.reference.scenarios import random_scenario

REPORTS_MAX = 5
PROGRESS_S = 20.0


def examine(task: tuple[int, tuple[str, ...]]) -> tuple[int, str | None]:
    """Compare one scenario; give its seed and a report if it differs."""
    seed, parts = task
    try:
        return seed, difference(random_scenario(seed, parts=parts))
    except Exception:
        return seed, traceback.format_exc()


def outcomes(tasks: list, processes: int) -> Iterable[tuple[int, str | None]]:
    """Examine all, here or in worker processes."""
    if processes <= 1:
        yield from map(examine, tasks)
        return
    examine(tasks[0])  # compile before the workers start
    with get_context("fork").Pool(processes) as pool:
        yield from pool.imap_unordered(examine, tasks, chunksize=8)


def hunt(first: int, count: int, processes: int, parts: tuple[str, ...], is_long: bool) -> list[int]:
    """Compare many scenarios, tell how it goes, and give the seeds of those that differ."""
    began = last = time.monotonic()
    tasks = [(seed, parts) for seed in range(first, first + count)]
    differing: list[int] = []
    for done, (seed, report) in enumerate(outcomes(tasks, processes), start=1):
        if report is not None:
            differing.append(seed)
            print(f"--- seed {seed}", flush=True)
            if len(differing) <= REPORTS_MAX:
                print((report if is_long else report.split("\n\n")[0]) + "\n", flush=True)
        if time.monotonic() - last > PROGRESS_S or done == count:
            last = time.monotonic()
            rate = done / (last - began)
            print(f"{done} of {count}, {len(differing)} differ, {rate:.1f} a second", flush=True)
    return sorted(differing)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.reference.hunt", description=__doc__)
    parser.add_argument("--from", type=int, default=0, dest="first")
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--parts", nargs="*", default=tuple(PARTS), choices=tuple(PARTS))
    parser.add_argument("--long", action="store_true", help="reports with the whole configuration")
    given = parser.parse_args()
    differing = hunt(given.first, given.count, given.processes, tuple(given.parts), given.long)
    print(f"{given.count - len(differing)} of {given.count} agree; differing seeds: {differing[:100]}")
    return bool(differing)


if __name__ == "__main__":
    raise SystemExit(main())
