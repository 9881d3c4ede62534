"""Hold many random scenarios against the kernel: python -m tests.reference.hunt --from 0 --count 10000.

What differs is made small (tests/reference/shrink.py) and written to outputs/oracle/experiment/seed-N.yaml,
a file that runs again, also in the pipeline (tests/reference/yaml_file.py):

    python -m tests.reference.hunt --file outputs/oracle/experiment/seed-N.yaml
    python -m pipeline.simulate --config-dir outputs/oracle experiment=seed-N
"""

import argparse
import signal
import time
import traceback
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path

from pipeline.entry import run_main
from pipeline.errors import UserError
from sim import SpecError
from tests.reference.compare import difference
from tests.reference.features import PARTS
from tests.reference.scenarios import Scenario, random_scenario
from tests.reference.shrink import ATTEMPTS_MAX, shrink
from tests.reference.yaml_file import FILE_HINT, read_file, write_yaml

REPORTS_MAX = 5
PROGRESS_S = 2.0
COUNT_MAX = 1_000_000
PROCESSES_MAX = 256
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
    with get_context("fork").Pool(processes, initializer=ignore_interrupts) as pool:
        yield from pool.imap_unordered(examine, tasks, chunksize=8)


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the parent, which ends the workers: each would print a traceback of its own."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def hunt(search: Search) -> list[int]:
    """Compare many scenarios, tell how it goes, and give the seeds of those that differ."""
    began = last = time.monotonic()
    tasks = [(seed, search.parts) for seed in range(search.first, search.first + search.count)]
    differing: list[int] = []
    done = 0
    try:
        for seed, report in outcomes(tasks, search.processes):
            if report is not None:
                differing.append(seed)
                tell_difference(search, seed, report, is_written=len(differing) <= REPORTS_MAX)
            done += 1
            if time.monotonic() - last > PROGRESS_S or done == search.count:
                last = time.monotonic()
                rate = done / (last - began)
                print(f"{done} of {search.count}, {len(differing)} differ, {rate:.1f} a second", flush=True)
    except KeyboardInterrupt:
        seeds = sorted(differing)[:100]
        print(f"stopped: {done} of {search.count} were compared; differing seeds: {seeds}", flush=True)
        raise
    return sorted(differing)


def tell_difference(search: Search, seed: int, report: str, is_written: bool) -> None:
    """Print that a seed differs; make it small and write it if asked."""
    print(f"--- seed {seed} differs: {report.splitlines()[0]}", flush=True)
    if is_written:
        scenario = random_scenario(seed, parts=search.parts)
        path = search.folder / f"seed-{seed}.yaml"
        print(write_small(scenario, path, search.attempts_max), flush=True)


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
    """Run a scenario from its file.

    Raises
    ------
    UserError for a file that holds no scenario
    """
    scenario = read_file(path)
    try:
        report = difference(scenario)
    except SpecError as error:
        raise UserError(f"{path}: {error}", FILE_HINT) from None
    except Exception:
        report = traceback.format_exc()
    print(report or f"{path}: kernel and twin agree")
    return int(bool(report))


def whole(least: int, most: int | None = None) -> Callable[[str], int]:
    """Make a reader of whole numbers from `least` to `most` for argparse."""
    allowed = f"{least} or more" if most is None else f"{least} to {most}"

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least or (most is not None and value > most):
            raise argparse.ArgumentTypeError(f"{text}: must be a whole number, {allowed}")
        return value

    return read


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.reference.hunt",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--from", type=whole(0), default=0, dest="first", help="first seed (default: 0)")
    parser.add_argument(
        "--count", type=whole(1, COUNT_MAX), default=1000, help="how many seeds (default: 1000)"
    )
    parser.add_argument(
        "--processes",
        type=whole(1, PROCESSES_MAX),
        default=1,
        help="how many scenarios are compared at a time, each in a process (default: 1)",
    )
    parser.add_argument(
        "--parts",
        nargs="*",
        default=tuple(PARTS),
        choices=tuple(PARTS),
        help="groups of features to draw beside the basic ones; no word: none (default: all)",
    )
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where small scenarios are written")
    parser.add_argument(
        "--attempts", type=whole(0), default=ATTEMPTS_MAX, help="to shrink; 0: write as drawn"
    )
    parser.add_argument("--file", type=Path, help="run this scenario instead")
    given = parser.parse_args(words)
    if given.file is not None:
        return run_file(given.file)
    search = Search(
        given.first, given.count, tuple(given.parts), given.processes, given.folder, given.attempts
    )
    differing = hunt(search)
    print(f"{given.count - len(differing)} of {given.count} agree; differing seeds: {differing[:100]}")
    return int(bool(differing))


if __name__ == "__main__":
    raise SystemExit(run_main(main))
