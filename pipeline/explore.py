"""Browse the points of a finished sweep, in the terminal or in a web browser.

    python -m pipeline.explore                 pick a finished sweep from a list (needs textual)
    python -m pipeline.explore STUDY           its newest run; or a run key, a run folder, `latest`
    python -m pipeline.explore list            the finished sweeps, newest first
    python -m pipeline.explore STUDY --front --sort "slowdown p99" --top 5
    python -m pipeline.explore STUDY --where "p99 slowdown <= 3 and policy = balanced" --json
    python -m pipeline.explore STUDY --browser its report in a web browser; --serve: on 127.0.0.1

  --front            only points on the front     --metrics A,B,..  names or patterns: migrations_*
  --where CONDITIONS joined by `and`; a name's words in any order; units as in 10 %, 2 ms, 50k
  --sort NAME        -NAME: the greatest first    --top N           at most N points
  --table, --csv, --json   print and end, as is done where output is no terminal
  --columns          every name that --where and --sort take
  --port N           of --serve (8000)            --outputs FOLDER  where the sweeps are (outputs)

Options may be written key=value as well: sort=slowdown_p99 top=5. Nothing is written, anywhere.
"""

import importlib.util
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pipeline.compare import table_width
from pipeline.entry import run_main
from pipeline.errors import UserError, did_you_mean
from pipeline.explorer.browser import open_report, report_of, serve_report
from pipeline.explorer.runs import finished_runs, open_run, pick_run
from pipeline.explorer.view import (
    Wish,
    columns_table,
    points_csv,
    points_json,
    print_points,
    runs_json,
    runs_table,
)

VALUES = {
    "where": "", "sort": "", "top": "", "metrics": "", "port": "8000", "outputs": "outputs", "output": "",
    "outputs.folder": "",
}  # fmt: skip
SWITCHES = ("front", "browser", "serve", "table", "csv", "json", "columns", "list")
OUTPUTS = ("table", "csv", "json")
MISSING = (
    "browsing in the terminal needs the library textual, which is not installed",
    "pip install 'coreshift[explore]' (some 4 MB); or --table, --json, --browser without it",
)


def explore(words: Sequence[str]) -> int:
    """Show what is asked for."""
    if {"-h", "--help", "help"} & {*words}:
        print((__doc__ or "").strip())
        return 0
    names, values, switches = read_words(words)
    if len(names) > 1:
        raise UserError(
            f"{' '.join(names)}: more than one run", "name one, as a study, a run key or a folder"
        )
    output = output_of(values["output"], switches)
    outputs = Path(values["outputs.folder"] or values["outputs"]).expanduser()
    if "list" in switches or names == ["list"]:
        return show_list(outputs, output)
    wish = wish_of(values, switches)
    if not names and not may_ask(output, switches):
        names = ["latest"]
    if names and {"browser", "serve"} & switches:
        report = report_of(pick_run(names[0], outputs))
        return (
            serve_report(report, whole("port", values["port"], 1, 65_535))
            if "serve" in switches
            else open_report(report)
        )
    if may_ask(output, switches):
        return browse(outputs, names, wish)
    return show_points(pick_run(names[0], outputs), wish, output, is_columns="columns" in switches)


def show_points(folder: Path, wish: Wish, output: str, *, is_columns: bool) -> int:
    """Print the points of a run, or the names of its columns."""
    run = open_run(folder)
    if is_columns:
        Console().print(columns_table(run))
    elif output == "json":
        print(json.dumps(points_json(run, wish), indent=1, allow_nan=False))
    elif output == "csv":
        print(points_csv(run, wish), end="")
    else:
        print_points(run, wish, Console())
    return 0


def show_list(outputs: Path, output: str) -> int:
    """Print the finished sweeps."""
    runs = finished_runs(outputs)
    if output == "json":
        print(runs_json(runs))
    elif not runs:
        raise UserError(
            f"{outputs}: no finished sweep in it", "run one first, or name a folder: --outputs ..."
        )
    else:
        console = Console()
        table = runs_table(runs, console.width)
        Console(width=max(console.width, table_width(table))).print(table)
    return 0


def browse(outputs: Path, names: Sequence[str], wish: Wish) -> int:
    """The interactive browser.

    Raises
    ------
    UserError if its library is missing, or there is nothing to browse
    """
    if importlib.util.find_spec("textual") is None:
        raise UserError(*MISSING)
    from pipeline.explorer.app import Explorer
    from pipeline.explorer.view import metrics_of, rows_of

    run = open_run(pick_run(names[0], outputs)) if names else None
    if run is not None:
        # A mistake is told before the screen is taken.
        rows_of(run, wish), metrics_of(run, wish)
    runs = finished_runs(outputs) if run is None else []
    if run is None and not runs:
        raise UserError(
            f"{outputs}: no finished sweep in it", "run one first, or name a folder: --outputs ..."
        )
    Explorer(runs, run, wish).run()
    return 0


def may_ask(output: str, switches: set[str]) -> bool:
    """Whether a person sits there, and has not asked for a print."""
    is_print = bool(output or {"columns", "browser", "serve"} & switches)
    return not is_print and sys.stdin.isatty() and sys.stdout.isatty()


def output_of(given: str, switches: set[str]) -> str:
    """The form of the output; "" where it was not said."""
    if given and given not in OUTPUTS:
        raise UserError(f"output = {given}: must be {', '.join(OUTPUTS)}")
    return given or next((name for name in OUTPUTS if name in switches), "")


def wish_of(values: dict[str, str], switches: set[str]) -> Wish:
    """What is to be seen, checked as far as it can be without the run."""
    top = whole("top", values["top"], 1, 10**9) if values["top"] else None
    return Wish(values["where"], values["sort"], top, "front" in switches, values["metrics"])


def whole(key: str, text: str, least: int, most: int) -> int:
    """A whole number within bounds."""
    if not text.isdecimal() or not least <= int(text) <= most:
        raise UserError(f"{key} = {text}: must be a whole number from {least} to {most}")
    return int(text)


def read_words(words: Sequence[str]) -> tuple[list[str], dict[str, str], set[str]]:
    """Names, values (`--key value`, `--key=value` or `key=value`) and switches of a command line.

    Raises
    ------
    UserError for an unknown option, or one without its value
    """
    names: list[str] = []
    values, switches = dict(VALUES), set()
    left = list(words)
    while left:
        word = left.pop(0)
        key, equals, value = word.removeprefix("--").partition("=")
        if not word.startswith("--") and not equals:
            names.append(word)
        elif key in SWITCHES and (not equals or value in ("true", "false")):
            switches |= {key} if value != "false" else set()
        elif key not in VALUES:
            known = (*VALUES, *SWITCHES)
            hint = did_you_mean(key, known) or "--help shows the options"
            raise UserError(f"{word}: unknown option", hint)
        elif not equals and not left:
            raise UserError(f"{word}: its value is missing", "--help shows examples")
        else:
            values[key] = value if equals else left.pop(0)
    return names, values, switches


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.explore` and `coreshift explore`."""
    return run_main(explore, words)


if __name__ == "__main__":
    sys.exit(main())
