"""Costs from measurements: of this machine, and of a recorded BEAM program.

    python -m pipeline.calibrate host [out=FOLDER] [seconds=60] [force=true] [output=json]
    python -m pipeline.calibrate trace FOLDER [out=FILE.yaml] [holdout=0.3] [frequency_mhz=2500]

`host` measures this machine's costs and writes, into calibration/ unless out= says otherwise, a
cost, a topology, the core-to-core latencies and the rewarm curve. Close other programs before.
`trace` fits times of reductions, switching, waking and spinning to a recording, and checks them on
the part of it, a share of `holdout`, that was not fitted. What was not found keeps its default, and
the file says so.

    python -m pipeline.sweep topology=calibration/topology.yaml cost=calibration/cost.yaml
"""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from pipeline.calibration.measured import Measured
from pipeline.entry import pick_action, run_main, split_words
from pipeline.errors import UserError
from pipeline.run.files import check_writable

SECONDS_LEAST, SECONDS_MOST = 1.0, 3600.0
HOLDOUT_LEAST, HOLDOUT_MOST = 0.1, 0.6
MHZ_LEAST, MHZ_MOST = 100.0, 10_000.0
OUTPUTS = ("table", "json")
PAGE_COLUMNS = 140


def host(words: Sequence[str]) -> int:
    """Measure this machine."""
    from pipeline.calibration.host import measure_host
    from pipeline.calibration.host_files import host_files
    from pipeline.calibration.write import write_files

    defaults = {"out": "calibration", "seconds": "60", "force": "false", "output": "table"}
    names, options = split_words(words, defaults)
    if names:
        raise UserError(
            f"{names[0]}: host takes no such word", "python -m pipeline.calibrate host out=FOLDER"
        )
    output = choice("output", options["output"], OUTPUTS)
    seconds = number("seconds", options["seconds"], SECONDS_LEAST, SECONDS_MOST)
    force = choice("force", options["force"], ("true", "false")) == "true"
    folder = Path(options["out"])
    for name in ("cost.yaml", "topology.yaml"):
        refuse_existing(folder / name, force)
    check_jit()
    check_writable(folder, 1 << 20)
    console = Console(stderr=True)
    found = measure_host(seconds, lambda step: console.print(f"measuring {step} …", highlight=False))
    found.cost["dispatch_cycles"] = found.dispatch()
    paths = write_files(folder, host_files(found, seconds))
    values = [*(value for value in found.cost.values() if value.name != "dispatch_ns"), *found.others]
    if output == "json":
        data = {"files": [str(path) for path in paths], "values": [value.data() for value in values]}
        data |= {"rewarm": [vars(row) for row in found.rewarm], "notes": found.notes}
        print(json.dumps(data, indent=2))
        return 0
    show(values, found.notes)
    show_rewarm(found.rewarm)
    print(f"written to {folder}; use it with topology={paths[1]} cost={paths[0]}")
    return 0


def trace(words: Sequence[str]) -> int:
    """Fit a recording."""
    from pipeline.calibration.fit import fit_trace, trace_text
    from pipeline.run.files import write_atomic

    defaults = {"out": "", "holdout": "0.3", "frequency_mhz": "", "force": "false", "output": "table"}
    folders, options = split_words(words, defaults)
    if len(folders) != 1:
        raise UserError("trace takes one folder", "python -m pipeline.calibrate trace FOLDER out=FILE.yaml")
    output = choice("output", options["output"], OUTPUTS)
    holdout = number("holdout", options["holdout"], HOLDOUT_LEAST, HOLDOUT_MOST)
    mhz = options["frequency_mhz"]
    frequency_mhz = number("frequency_mhz", mhz, MHZ_LEAST, MHZ_MOST) if mhz else None
    folder = Path(folders[0])
    out = Path(options["out"] or f"cost_{folder.resolve().name.replace('-', '_')}.yaml")
    if out.suffix not in (".yaml", ".yml"):
        raise UserError(f"out = {out}: must end in .yaml", "then cost=FILE.yaml finds it")
    refuse_existing(out, choice("force", options["force"], ("true", "false")) == "true")
    Console(stderr=True).print(f"fitting {folder} …", highlight=False, markup=False)
    fitted = fit_trace(folder, holdout, frequency_mhz)
    write_atomic(out, trace_text(fitted).encode())
    if output == "json":
        values = [value.data() for value in fitted.values()]
        classes = [value.data() for value in fitted.classes]
        print(
            json.dumps(
                {"file": str(out), "values": values, "classes": classes, "notes": fitted.notes}, indent=2
            )
        )
        return 0
    show([*fitted.values(), *fitted.classes], fitted.notes)
    print(f"written to {out}; use it with cost={out}")
    return 0


def number(key: str, text: str, low: float, high: float) -> float:
    """A number within a range, from an option."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise UserError(f"{key} = {text}: must be a number from {low:g} to {high:g}")
    return value


def choice(key: str, text: str, known: Sequence[str]) -> str:
    """One word of several, from an option."""
    if text not in known:
        raise UserError(f"{key} = {text}: must be one of {', '.join(known)}")
    return text


def refuse_existing(path: Path, force: bool) -> None:
    """Never overwrite a file that was not meant."""
    if path.exists() and not force:
        raise UserError(f"{path} exists already", "give another place with out=..., or force=true")


def check_jit() -> None:
    """Interpreted loops would measure Python."""
    from pipeline.calibration.kernels import IS_COMPILED

    if not IS_COMPILED:
        raise UserError("NUMBA_DISABLE_JIT is set: nothing can be measured", "run it again without")


def show(values: Sequence[Measured], notes: Sequence[str]) -> None:
    """Print what was found as a table, and the notes below it."""
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("what", "value", "spread", "n", "remarks"):
        table.add_column(heading, justify="left" if heading in ("what", "remarks") else "right")
    for value in values:
        remarks = "; ".join(part for part in (value.held_out, value.note) if part)
        shown = value.value_text() if value.is_found else "not found"
        table.add_row(value.name, shown, value.spread_text(), str(value.count or ""), remarks)
    console = wide_console()
    console.print(table, highlight=False)
    for note in notes:
        console.print(f"note: {note}", highlight=False)


def show_rewarm(rows: Sequence[Any]) -> None:
    """Print the rewarm curve: what a move costs, by size."""
    if not rows:
        return
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("moved", "KiB", "pattern", "warm us", "first pass us", "extra ns a line"):
        table.add_column(heading, justify="left" if heading in ("moved", "pattern") else "right")
    for row in rows:
        times = (row.warm_ns / 1000, row.first_pass_after_migration_ns / 1000)
        numbers = (*(f"{time_us:.2f}" for time_us in times), f"{row.extra_ns_per_line:.2f}")
        table.add_row(row.distance.replace("_", " "), str(row.kib), row.pattern, *numbers)
    wide_console().print(table, highlight=False)


def wide_console() -> Console:
    """The terminal, or a page wide enough for the tables where there is none."""
    console = Console()
    return console if console.is_terminal else Console(width=PAGE_COLUMNS)


def calibrate_command(words: Sequence[str]) -> int:
    """Pick the action."""
    return pick_action(words, {"host": host, "trace": trace}, __doc__)


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.calibrate` and `coreshift calibrate`."""
    return run_main(calibrate_command, words)


if __name__ == "__main__":
    raise SystemExit(main())
