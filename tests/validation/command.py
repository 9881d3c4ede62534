"""The command: choose cases, run them with progress, print a table, leave tables and a report in a folder."""

import argparse
import platform
import time
from collections.abc import Sequence
from pathlib import Path

import numba
import numpy as np
from rich.console import Console
from rich.table import Table

import sim
from pipeline.entry import run_main
from pipeline.errors import UserError
from pipeline.run.files import write_atomic
from tests.validation.case import FULL, QUICK, Case, Scale
from tests.validation.markdown import markdown
from tests.validation.registry import all_cases
from tests.validation.report import page
from tests.validation.run import Finding, run_cases
from tests.validation.tables import case_table, check_table, overall

OUTPUT = Path("outputs/validation")
PROCESSES_MAX = 256


def arguments(words: Sequence[str]) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(
        prog="python -m tests.validation",
        description="Hold the simulator against known answers, and write a report of it.",
    )
    parser.add_argument("--quick", action="store_true", help="fewer and shorter replicates: minutes less")
    parser.add_argument("--only", nargs="*", metavar="TEXT", help="cases with this in name or family")
    parser.add_argument("--processes", type=int, default=2, help="cases at a time; changes no number")
    parser.add_argument("--output", type=Path, default=OUTPUT, help="folder of the report")
    parser.add_argument("--markdown", type=Path, help="write the page for the documentation, too")
    parser.add_argument("--list", action="store_true", help="name the cases and do nothing")
    given = parser.parse_args(words)
    if not 1 <= given.processes <= PROCESSES_MAX:
        parser.error(f"--processes {given.processes}: must be from 1 to {PROCESSES_MAX}")
    return given


def chosen_cases(given: argparse.Namespace) -> list[Case]:
    """The cases that were asked for, in their order."""
    wanted = [text.lower() for text in given.only or [""]]
    every = [case for case in all_cases().values() if case.is_quick or not given.quick]
    return [case for case in every if any(w in f"{case.family} {case.name}".lower() for w in wanted)]


def show_progress(console: Console, done: int, total: int, finding: Finding) -> None:
    """One line a case, as it ends, and each check that fails."""
    hold = sum(check.is_ok for check in finding.outcome.checks)
    found = f"{hold} of {len(finding.outcome.checks)} checks hold"
    mark, told = ("ok  ", found) if finding.is_ok else ("FAIL", finding.error or found)
    line = f"{done:3}/{total} {mark} {finding.case.name}: {told} ({finding.seconds:.1f} s)"
    console.print(line, markup=False, soft_wrap=True)
    for check in finding.outcome.checks:
        if not check.is_ok:
            value = f"simulated {check.simulated:.6g} +- {check.half_width:.2g}, theory {check.theory:.6g}"
            line = f"         {check.quantity}: {value}, z {check.z:.3g}. {check.note}"
            console.print(line, markup=False, soft_wrap=True)


def provenance(scale: Scale, seconds: float) -> dict[str, object]:
    """What the report was made with."""
    return {
        "Coreshift sources": sim.source_digest()[:16], "Python": platform.python_version(),
        "NumPy": np.__version__, "Numba": numba.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "suite": f"{scale.name}: {scale.replicates} replicates", "seconds": round(seconds),
    }  # fmt: skip


def write(folder: Path, findings: Sequence[Finding], html: str) -> None:
    """Leave the report, and the tables it was made from."""
    folder.mkdir(parents=True, exist_ok=True)
    write_atomic(folder / "report.html", html.encode())
    write_atomic(folder / "checks.csv", check_table(findings).write_csv().encode())
    write_atomic(folder / "cases.csv", case_table(findings).write_csv().encode())


def summary(findings: Sequence[Finding]) -> Table:
    """A row a family."""
    table = Table(title="Validation")
    for name in ("family", "cases", "checks", "hold", "seconds"):
        table.add_column(name, justify="left" if name == "family" else "right")
    for (family,), rows in case_table(findings).group_by("family", maintain_order=True):
        counts = (rows.height, rows["checks"].sum(), rows["hold"].sum(), round(rows["seconds"].sum()))
        table.add_row(str(family), *map(str, counts))
    return table


def check_places(given: argparse.Namespace) -> None:
    """Make the folder of the report before anything runs.

    Raises
    ------
    UserError if it or the page for the documentation cannot be written
    """
    try:
        given.output.mkdir(parents=True, exist_ok=True)
        write_atomic(given.output / ".probe", b"")
        (given.output / ".probe").unlink()
    except (OSError, UserError) as error:
        raise UserError(
            f"--output {given.output}: cannot be written: {error}", "choose another folder"
        ) from None
    page_folder = given.markdown.parent if given.markdown is not None else given.output
    if not page_folder.is_dir() or (given.markdown is not None and given.markdown.is_dir()):
        raise UserError(f"--markdown {given.markdown}: must be a file in a folder that exists")


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m tests.validation`."""
    return run_main(validate, words)


def validate(words: Sequence[str]) -> int:
    """Run; the exit code is 0 if every check holds, 1 if not, 2 if no case has such a name."""
    given = arguments(words)
    cases = chosen_cases(given)
    console = Console()
    if given.list or not cases:
        console.print(
            "\n".join(f"{case.family}: {case.name}" for case in cases)
            or "No case has such a name; see --list.",
            markup=False,
        )
        return 0 if cases else 2
    check_places(given)
    scale = QUICK if given.quick else FULL
    console.print(f"Compiling the simulator, then {len(cases)} cases, {given.processes} at a time ...")
    began = time.perf_counter()
    sim.compile_kernels()
    found: dict[str, Finding] = {}
    for finding in run_cases(cases, scale, given.processes):
        found[finding.case.name] = finding
        show_progress(console, len(found), len(cases), finding)
    findings = [found[case.name] for case in cases]
    seconds = time.perf_counter() - began
    write(given.output, findings, page(findings, scale.name, provenance(scale, seconds)))
    if given.markdown is not None:
        write_atomic(given.markdown, markdown(findings).encode())
    all_of = overall(findings)
    console.print(summary(findings))
    console.print(f"{all_of.sentence()}.", markup=False, soft_wrap=True)
    if all_of.uniform_p == all_of.uniform_p:
        console.print(
            f"The p-values of the intervals are uniform with p = {all_of.uniform_p:.2g}.", soft_wrap=True
        )
    console.print(
        f"Report: {given.output / 'report.html'} (all checks: checks.csv)", markup=False, soft_wrap=True
    )
    return 0 if all_of.is_ok else 1
