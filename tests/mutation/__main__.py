"""Break the kernel in each listed way, and see a test fail: `python -m tests.mutation [--only WORD ...]`.

Each mutation is applied to a copy of sim, tests, conf and pipeline in a temporary folder, and tests of the
repository are run there with NUMBA_DISABLE_JIT=1 until one fails. A mutation that none notices survives, and
the exit code is 1; it is 2 for one whose text does not stand in its file exactly once.
"""

import argparse
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from pipeline.entry import run_main
from pipeline.errors import UserError
from tests.mutation.run import NotApplicableError, Verdict, mutated, verdict_of
from tests.mutation.table import MUTATIONS, Mutation


def chosen(words: list[str] | None) -> list[Mutation]:
    """Those whose number is one of the words, or whose part or name contains one.

    Raises
    ------
    UserError if there is none
    """
    found = [
        mutation
        for number, mutation in enumerate(MUTATIONS, 1)
        if words is None
        or any(
            word == str(number) or word.lower() in f"{mutation.part}: {mutation.name}".lower()
            for word in words
        )
    ]
    if not found:
        raise UserError("No mutation has such a name; see --list.")
    return found


def row(number: int, verdict: Verdict) -> str:
    """A line of the table."""
    mutation = verdict.mutation
    name = f"{mutation.part}: {mutation.name}"
    return f"{number:>3}  {name:<28} {verdict.seconds:>6.1f} s  {verdict.killer[:110] or 'SURVIVED'}"


def main(words: Sequence[str] | None = None) -> int:
    """Read the command line, run, and print the table."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.mutation",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--only", nargs="+", help="numbers, or parts of names")
    parser.add_argument("--processes", type=int, default=1, choices=(1, 2), help="at a time (default: 1)")
    parser.add_argument("--list", action="store_true", help="what there is, without running it")
    given = parser.parse_args(words)
    mutations = chosen(given.only)
    numbers = {id(mutation): number for number, mutation in enumerate(MUTATIONS, 1)}
    try:
        for mutation in mutations:
            mutated(mutation)
    except NotApplicableError as error:
        raise UserError(str(error)) from None
    if given.list:
        for mutation in mutations:
            print(
                f"{numbers[id(mutation)]:>3}  {mutation.part}: {mutation.name} "
                f"({mutation.file}): {mutation.breaks}"
            )
        sys.stdout.flush()  # here, where a reader that has gone (`| head`) is met without a traceback
        return 0
    survived, seconds = 0, 0.0
    with ThreadPoolExecutor(given.processes) as pool:
        for verdict in pool.map(verdict_of, mutations):
            print(row(numbers[id(verdict.mutation)], verdict), flush=True)
            survived += not verdict.killer
            seconds += verdict.seconds
    print(f"{len(mutations) - survived} of {len(mutations)} killed, {survived} survived, in {seconds:.0f} s")
    return int(survived > 0)


if __name__ == "__main__":
    raise SystemExit(run_main(main))
