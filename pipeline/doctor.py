"""Check the installation, and say what to mend.

    python -m pipeline.doctor                 everything, in half a minute to a minute
    python -m pipeline.doctor --quick         without starting Ray, MLflow and DVC, in a few seconds
    python -m pipeline.doctor ray mlflow      these checks only
    python -m pipeline.doctor --json          for scripts: nothing but JSON on stdout

  outputs=FOLDER     the folder of results to look at (default: outputs)
  -q, --quiet        no progress on stderr

✓ fine   – not there, and only some features need it   ! works, with a drawback   ✗ to be mended
Exit code 1 if something must be mended, else 0. Nothing is changed and nothing left behind: Ray and
MLflow are tried in folders of their own.
"""

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from functools import partial

from pipeline.checks import machine, programs
from pipeline.checks.result import MEND, OK, OPTIONAL, WARNING, Check, Finding, guarded
from pipeline.entry import run_main, split_words
from pipeline.errors import UserError, did_you_mean

MARKS = {OK: ("✓", "green"), OPTIONAL: ("–", "dim"), WARNING: ("!", "yellow"), MEND: ("✗", "bold red")}


def checks_of(outputs: str, *, is_quick: bool) -> list[Check]:
    """Every check, in the order in which a newcomer would mend things."""
    return [
        Check("python", programs.python),
        Check("packages", programs.packages),
        Check("cores", machine.cores),
        Check("memory", machine.memory),
        Check("shared memory", machine.shared_memory),
        Check("outputs", partial(machine.outputs, outputs)),
        Check("cache", machine.cache),
        Check("home", machine.home),
        Check("temporary", machine.temporary),
        Check("kernels", partial(programs.kernels, may_load=not is_quick)),
        Check("ray", programs.ray, is_slow=True),
        Check("mlflow", programs.mlflow, is_slow=True),
        Check("record", partial(programs.record, outputs)),
        Check("port", programs.port),
        Check("git", programs.git),
        Check("dvc", programs.dvc, is_slow=True),
        Check("dvc status", programs.dvc_state, is_slow=True),
        Check("textual", programs.textual),
        *[Check(name, partial(programs.program, name)) for name in programs.PROGRAMS],
    ]


def doctor(words: Sequence[str]) -> int:
    """Run the checks and print what they found."""
    if {"-h", "--help", "help"} & {*words}:
        print((__doc__ or "").strip())
        return 0
    is_quick = "--quick" in words
    names, options = split_words(
        [word for word in words if word != "--quick"], {"outputs": "outputs", "output": "table"}
    )
    if options["output"] not in ("table", "json"):
        raise UserError(f"output = {options['output']}: must be table or json")
    every = checks_of(options["outputs"], is_quick=is_quick)
    wanted = chosen(every, names)
    # A check that was asked for by name is done, quick or not.
    wanted = [check for check in wanted if names or not (is_quick and check.is_slow)]
    found = {}
    for check in wanted:
        note(f"checking {check.name} …")
        found[check.name] = guarded(check)
    note("")
    if options["output"] == "json":
        print(json.dumps(answer_of(found), indent=1))
    else:
        print_findings(found)
        print(advice(found, is_quick=is_quick and not names))
    return 1 if any(one.state == MEND for one in found.values()) else 0


def chosen(checks: Iterable[Check], names: Sequence[str]) -> list[Check]:
    """The checks with these names; all without a name.

    Raises
    ------
    UserError for a name that no check has
    """
    known = {check.name.replace(" ", "_"): check for check in checks}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or f"known: {', '.join(known)}"
            raise UserError(f"{name}: no such check", hint)
    return [known[name] for name in names] if names else list(known.values())


def note(text: str) -> None:
    """What is being done, on one line of a terminal that is written anew each time."""
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="", file=sys.stderr, flush=True)


def print_findings(found: Mapping[str, Finding]) -> None:
    """A table for people; plain lines where rich itself is missing."""
    try:
        from rich.console import Console
        from rich.table import Table
        from rich.text import Text
    except ImportError:
        for name, one in found.items():
            print(f"{MARKS[one.state][0]} {name:<14} {one.found}  {one.remedy}".rstrip())
        return
    table = Table(box=None, padding=(0, 1), show_header=False)
    table.add_column()
    table.add_column(no_wrap=True)
    table.add_column(overflow="fold")
    for name, one in found.items():
        mark, style = MARKS[one.state]
        text = Text(one.found)
        if one.remedy:
            text.append(
                f"\n{one.remedy}", style="dim" if one.state == OPTIONAL else style.removeprefix("bold ")
            )
        table.add_row(Text(mark, style=style), Text(name), text)
    Console().print(table)


def advice(found: Mapping[str, Finding], *, is_quick: bool) -> str:
    """The last line: whether one can start."""
    mend = [name for name, one in found.items() if one.state == MEND]
    if mend:
        return f"To be mended: {', '.join(mend)}."
    left = " Ray, MLflow and DVC were not tried (--quick)." if is_quick else ""
    warned = [name for name, one in found.items() if one.state == WARNING]
    drawbacks = f", with drawbacks: {', '.join(warned)}" if warned else ""
    return f"Nothing to mend{drawbacks}.{left}"


def answer_of(found: Mapping[str, Finding]) -> dict[str, object]:
    """The findings as data."""
    states = [one.state for one in found.values()]
    return {
        "ok": MEND not in states,
        "counts": {state: states.count(state) for state in MARKS},
        "checks": [
            {"name": name, "state": one.state, "found": one.found, "remedy": one.remedy}
            for name, one in found.items()
        ],
    }


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.doctor` and `coreshift doctor`."""
    return run_main(doctor, words)


if __name__ == "__main__":
    sys.exit(main())
