"""What `pipeline.reproduce` found out, for a terminal."""

import shlex
from typing import TYPE_CHECKING, Any

from pipeline.reproduction.check import Check, commit_of
from pipeline.reproduction.find import Recorded

if TYPE_CHECKING:
    from pipeline.reproduce import Answer

SHOWN = 20


def print_answer(recorded: Recorded, answer: "Answer") -> None:
    """Print the checks, the way back to the run, and the verdict last."""
    point = "" if recorded.point is None else f", point {recorded.point}"
    print(f"Study {recorded.study}, run {recorded.key}{point}: {recorded.origin}")
    for check in answer.checks[:SHOWN]:
        print(check_text(check))
    if len(answer.checks) > SHOWN:
        print(f"  and {len(answer.checks) - SHOWN} more; all of them with --json")
    print("The way back to it:")
    if commit := commit_of(recorded):
        print(f"  git checkout {commit}")
    print(f"  {shlex.join(map(str, recorded.manifest.get('command') or ()))}")
    for one in answer.differences[:SHOWN]:
        print(f"  differs: {one.table}{f', {one.column}' if one.column else ''}: {one.what}")
        for row in one.first:
            print(f"    {row_text(row)}")
    if len(answer.differences) > SHOWN:
        print(f"  and {len(answer.differences) - SHOWN} more differences; all of them with --json")
    print(verdict(answer))


def check_text(check: Check) -> str:
    """A check on a line, with the advice below it."""
    if check.same:
        return f"  same     {check.name}: {check.recorded}"
    word = "DIFFERS" if check.decides else "differs"
    advice = f"\n           {check.advice}" if check.advice else ""
    return f"  {word}  {check.name}: {check.recorded} recorded, {check.here} here{advice}"


def row_text(row: dict[str, Any]) -> str:
    """A row that differs, as `point 3, replicate 0: 1.5 recorded, 1.6 found`."""
    keys = ", ".join(f"{name} {value}" for name, value in row.items() if name not in ("recorded", "found"))
    return f"{keys}: {row['recorded']!r} recorded, {row['found']!r} found".removeprefix(": ")


def verdict(answer: "Answer") -> str:
    """The last line."""
    if answer.result == "identical":
        return f"identical: {answer.compared} ({answer.folder})"
    if answer.result == "differs":
        count = len(answer.differences)
        plural = "s" * (count != 1)
        return f"different: {count} difference{plural}; compared: {answer.compared} ({answer.folder})"
    if answer.result == "same":
        return "Nothing that decides differs; nothing was run."
    return "Not run: it would be another run (DIFFERS above). Bring that back, or run it with --anyway."
