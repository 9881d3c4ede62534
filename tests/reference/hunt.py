"""Hold many random scenarios against the kernel: python -m tests.reference.hunt --from 0 --count 10000.

What differs is made small (tests/reference/shrink.py) and written to outputs/oracle/experiment/seed-N.yaml,
a file that runs again, also in the pipeline (tests/reference/yaml_file.py):

    python -m tests.reference.hunt --file outputs/oracle/experiment/seed-N.yaml
    python -m pipeline.simulate --config-dir outputs/oracle experiment=seed-N
"""

import argparse
import time
import traceback
from collections.abc import Iterable
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from tests.reference.compare import difference
from tests.reference.features import PARTS
from tests.reference.scenarios import Scenario, random_scenario
from tests.reference.shrink import ATTEMPTS_MAX, shrink
from tests.reference.yaml_file import read_yaml, write_yaml

REPORTS_MAX = 5
PROGRESS_S = 20.0
FOLDER = Path("outputs") / "oracle" / "experiment"


@dataclass(frozen=True)
class Search:
    """What is hunted through: seeds first, first + 1, .., with these parts; how, and where reports go."""

    first: int
    count: int
    parts: tuple[str, ...] = tuple(PARTS)
    processes: int = 1
    folder: Path = FOLDER
    attempts_max: int = ATTEMPTS_MAX


def report_of(scenario: Scenario) -> str | None:
    """Compare both simulators on a scenario; a report if they differ, or if one of them fails."""
    try:
        return difference(scenario)
    except Exception:
        return traceback.format_exc()


def kind_of(report: str | None) -> str:
    """What went wrong, roughly: nothing, a difference, or the name of an error."""
    if report is None:
        return ""
    return report.strip().splitlines()[-1].split(":")[0] if report.startswith("Traceback") else "difference"


def examine(task: tuple[int, tuple[str, ...]]) -> tuple[int, str | None]:
    """Compare the scenario of one seed; give the seed and a report if it differs."""
    seed, parts = task
    return seed, report_of(random_scenario(seed, parts=parts))


def outcomes(tasks: list, processes: int) -> Iterable[tuple[int, str | None]]:
    """Examine all, here or in worker processes."""
    if processes <= 1:
        yield from map(examine, tasks)
        return
    examine(tasks[0])  # compile before the workers start
    with get_context("fork").Pool(processes) as pool:
        yield from pool.imap_unordered(examine, tasks, chunksize=8)


def hunt(search: Search) -> list[int]:
    """Compare many scenarios, tell how it goes, and give the seeds of those that differ."""
    began = last = time.monotonic()
    tasks = [(seed, search.parts) for seed in range(search.first, search.first + search.count)]
    differing: list[int] = []
    for done, (seed, report) in enumerate(outcomes(tasks, search.processes), start=1):
        if report is not None:
            differing.append(seed)
            print(f"--- seed {seed} differs: {report.splitlines()[0]}", flush=True)
            if len(differing) <= REPORTS_MAX:
                scenario = random_scenario(seed, parts=search.parts)
                path = search.folder / f"seed-{seed}.yaml"
                print(write_small(scenario, path, search.attempts_max), flush=True)
        if time.monotonic() - last > PROGRESS_S or done == search.count:
            last = time.monotonic()
            rate = done / (last - began)
            print(f"{done} of {search.count}, {len(differing)} differ, {rate:.1f} a second", flush=True)
    return sorted(differing)


def write_small(scenario: Scenario, path: Path, attempts_max: int = ATTEMPTS_MAX) -> str:
    """Shrink a scenario that differs and write it to a file; give the name, the text and the report."""
    kind = kind_of(report_of(scenario))
    small = shrink(scenario, lambda other: kind_of(report_of(other)) == kind, attempts_max)
    text = write_yaml(small.scenario)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    report = report_of(small.scenario) or "it no longer differs"
    return f"{path} ({small.attempts} attempts):\n\n{text}\n{report}\n"


def run_file(path: Path) -> int:
    """Run a scenario from its file."""
    report = report_of(read_yaml(path.read_text(encoding="utf-8")))
    print(report or f"{path}: kernel and twin agree")
    return bool(report)


def main(words: list[str] | None = None) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reference.hunt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--from", type=int, default=0, dest="first", help="first seed")
    parser.add_argument("--count", type=int, default=1000, help="how many seeds")
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--parts", nargs="*", default=tuple(PARTS), choices=tuple(PARTS))
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where small scenarios are written")
    parser.add_argument("--attempts", type=int, default=ATTEMPTS_MAX, help="to shrink; 0: write as drawn")
    parser.add_argument("--file", type=Path, help="run this scenario instead")
    given = parser.parse_args(words)
    if given.file is not None:
        return run_file(given.file)
    search = Search(
        given.first, given.count, tuple(given.parts), given.processes, given.folder, given.attempts
    )
    differing = hunt(search)
    print(f"{given.count - len(differing)} of {given.count} agree; differing seeds: {differing[:100]}")
    return bool(differing)


if __name__ == "__main__":
    raise SystemExit(main())
