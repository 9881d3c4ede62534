"""`make bench`: every figure beside its peer, in one table.

    python -m tests.bench [--only PART,...] [--quick] [--repetitions N] [--json FILE] [--record [--note TEXT]]

What the parts and figures are stands in tests/bench/README.md.
"""

import argparse
import json
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from tests.bench import history
from tests.bench.effort import QUICK, Effort
from tests.bench.parts import PARTS
from tests.bench.row import Row
from tests.bench.table import HEAD, line


def arguments(words: Sequence[str] | None) -> argparse.Namespace:
    """The command line, checked before anything is measured."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.bench", description="Speed of Coreshift beside its peers, in the same run."
    )
    parser.add_argument("--only", default=",".join(PARTS), help="parts, of: " + ", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a fifth of the events, three repetitions")
    parser.add_argument("--repetitions", type=int, help="pairs of measurements, from 1 to 100")
    parser.add_argument("--json", type=Path, help="write the rows to this file")
    parser.add_argument("--record", action="store_true", help="append the run to tests/bench/history.json")
    parser.add_argument("--note", default="", help="a few words that go into the history")
    options = parser.parse_args(words)
    options.only = [name for name in options.only.split(",") if name]
    unknown = [name for name in options.only if name not in PARTS]
    if unknown or not options.only:
        parser.error(f"--only {','.join(unknown)!r}: no such part; parts are {', '.join(PARTS)}")
    if options.repetitions is not None and not 1 <= options.repetitions <= 100:
        parser.error(f"--repetitions {options.repetitions}: must be from 1 to 100")
    if options.record and options.quick:
        parser.error("--record keeps full runs only: leave out --quick")
    if options.note and not options.record:
        parser.error("--note goes into the history: add --record")
    if options.json is not None and not options.json.absolute().parent.is_dir():
        parser.error(f"--json {options.json}: no such folder as {options.json.absolute().parent}")
    return options


def measure(names: Sequence[str], effort: Effort, console: Console) -> list[Row]:
    """The rows of these parts, each printed as soon as it is there."""
    rows = []
    for name in names:
        print(f"{name}: {(PARTS[name].__doc__ or '').splitlines()[0]}")
        with console.status(f"{name} ...") as status:

            def say(what: str, name: str = name) -> None:
                status.update(f"{name}: {what} ...")

            for row in PARTS[name](effort, say):
                rows.append(row)
                print(line(row), flush=True)
    return rows


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, measure, print, write."""
    options = arguments(words)
    base = QUICK if options.quick else Effort()
    console = Console(stderr=True)
    effort = Effort(
        repetitions=options.repetitions or base.repetitions,
        share=base.share,
        is_cold=base.is_cold,
        skip=lambda why: print(f"  left out: {why}"),
    )
    began = time.monotonic()
    try:
        entries = history.read()
        with console.status("compiling the kernel, if need be ..."):
            import sim

            seconds = sim.compile_kernels()
        print(f"{history.processor_name()}; kernel ready after {seconds:.1f} s")
        print(HEAD)
        rows = measure(options.only, effort, console)
    except (RuntimeError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    entry = history.entry_of(rows, options.note, effort.repetitions)
    if options.json:
        options.json.write_text(json.dumps(entry, indent=1) + "\n", encoding="utf-8")
    from tests.bench.plots import FOLDER, draw

    files = draw(rows, entries)
    if options.record:
        history.append(entry)
        print(f"Appended to {history.FILE.name}: run {len(entries) + 1}.")
    goals = [row.meets_target for row in rows if row.target is not None]
    print(f"{sum(map(bool, goals))} of {len(goals)} goals met, in {time.monotonic() - began:.0f} s.", end=" ")
    print(f"{len(files)} files of figures in {FOLDER.relative_to(FOLDER.parents[1])}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
