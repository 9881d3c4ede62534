"""Why did it (not) migrate? The decision log of one lane as a table, for `python -m pipeline.simulate`.

`decisions=FILE` (.csv, .json or .parquet) or `decisions=20` (rows to print), and `decisions_capacity`.
"""

import io
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from rich.console import Console
from rich.table import Table

import sim
from pipeline.config.build import build
from pipeline.config.grid import Point, Study
from pipeline.errors import NO_VALUE, ConfigError, UserError
from pipeline.run.files import check_writable, write_atomic

KEY, CAPACITY_KEY = "decisions", "decisions_capacity"
SUFFIXES = (".csv", ".json", ".parquet")
CAPACITY, CAPACITY_MAX = 100_000, 1_000_000
COLUMNS = (
    "time_ns", "process", "class", "source_scheduler", "target_scheduler", "mechanism", "verdict",
    "benefit_cycles", "cost_cycles", "factor", "ahead_count", "target_load_count",
)  # fmt: skip
ROWS_WIDTH = 160
# In a terminal short headings leave the room to the numbers.
HEADINGS = {
    "time_ns": "time\nns", "source_scheduler": "source", "target_scheduler": "target",
    "benefit_cycles": "benefit\ncycles", "cost_cycles": "cost\ncycles", "ahead_count": "ahead",
    "target_load_count": "target\nload",
}  # fmt: skip
WORDS = ("class", "mechanism", "verdict")


@dataclass(frozen=True)
class Wish:
    """What was asked for: a file, or a number of rows to print; and how many rows are kept."""

    file: Path | None
    rows: int
    capacity: int


@dataclass(frozen=True)
class Decisions:
    """The log of one lane.

    wish      : what was asked for
    replicate : the lane's
    warmup_ns : end of the warm-up
    table     : a row a candidate for migration and a row a forced move, in the order of time
    is_full   : whether more happened than was kept
    """

    wish: Wish
    replicate: int
    warmup_ns: int
    table: pl.DataFrame
    is_full: bool


def take_wish(words: Sequence[str]) -> tuple[Wish | None, list[str]]:
    """Take this module's keys off a command line; None if it does not ask for the log.

    Raises
    ------
    ConfigError for a file of another kind, a folder that is not there or cannot be written, a number out of
                range
    """
    own = {KEY: "", CAPACITY_KEY: ""}
    rest = []
    for word in words:
        key, sign, value = word.partition("=")
        if sign and key in own:
            own[key] = value
        else:
            rest.append(word)
    if not own[KEY]:
        if own[CAPACITY_KEY] or any(word.startswith(f"{KEY}=") for word in words):
            raise wrong_wish(NO_VALUE)
        return None, rest
    capacity = count_of(CAPACITY_KEY, own[CAPACITY_KEY] or str(CAPACITY), CAPACITY_MAX)
    if own[KEY].isdecimal():
        return Wish(None, count_of(KEY, own[KEY], capacity), capacity), rest
    return Wish(checked_file(own[KEY]), 0, capacity), rest


def wrong_wish(value: object) -> ConfigError:
    """The error for what is neither a file nor a number."""
    allowed = f"must be a file ending {', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}, or a number of rows"
    return ConfigError(KEY, value, allowed, "write decisions=why.csv or decisions=20")


def count_of(key: str, text: str, most: int) -> int:
    """A whole number of rows, from 1 on."""
    count = int(text) if text.isdecimal() and len(text) < 20 else 0
    if not 1 <= count <= most:
        hint = f"raise {CAPACITY_KEY}" if key == KEY and count > most else ""
        raise ConfigError(key, text, f"must be a whole number from 1 to {most}", hint)
    return count


def checked_file(text: str) -> Path:
    """A file that can be written, of a known kind."""
    path = Path(text).expanduser()
    if path.suffix not in SUFFIXES:
        raise wrong_wish(text)
    if not path.parent.is_dir():
        raise ConfigError(KEY, text, f"the folder {path.parent} does not exist", "make it first")
    try:
        check_writable(path.parent, 0)
    except UserError as error:
        allowed = f"the folder {path.parent} cannot be written"
        raise ConfigError(KEY, text, allowed, "choose another") from error
    return path


def log_decisions(study: Study, point: Point, wish: Wish, replicate: int = 0) -> Decisions:
    """Simulate one lane of a point once more with its decision log, and write the file that was asked for."""
    inputs = build(point.config)
    lane = sim.Lane(
        policy=inputs.policy, cost=inputs.cost, seed=study.seed, replicate=replicate, binding=inputs.binding
    )
    _, counters = sim.simulate_logged(
        inputs.topology, inputs.workload, lane, inputs.simulation, inputs.faults,
        capacity=1, decisions=wish.capacity,
    )  # fmt: skip
    is_full = sim.LaneStatus.DECISIONS_FULL in sim.LaneStatus(counters["status"])
    table = decision_table(np.asarray(counters["decisions"]), class_names(point))
    if wish.file is not None:
        write_decisions(table, wish.file)
    return Decisions(wish, replicate, inputs.simulation.warmup_ns, table, is_full)


def class_names(point: Point) -> Sequence[str]:
    """Names of the workload's classes; a replay has one."""
    classes: Mapping[str, Any] | None = getattr(point.config.workload, "classes", None)
    return list(classes) if classes is not None else ["replay"]


def decision_table(rows: np.ndarray[Any, Any], classes: Sequence[str]) -> pl.DataFrame:
    """The kernel's rows as a table in words and units.

    Columns: COLUMNS and `ratio` = benefit / cost, null where the cost is 0. A candidate passes the test of
    the rule cost_benefit if its ratio exceeds its factor, which has all multipliers of the threshold in it.

    Parameters
    ----------
    rows : int64 (row, 12), sim.simulate_logged's `decisions`
    """
    data = {name: rows[:, at] for at, name in enumerate(COLUMNS)}
    cost, factor = data["cost_cycles"], data["factor"]
    ratio = np.divide(data["benefit_cycles"], cost, out=np.full(cost.shape, np.nan), where=cost != 0)
    verdicts = {-1: "passed", -2: "forced", **dict(enumerate(sim.REASONS))}
    words: dict[str, Any] = {
        "class": [classes[k] if 0 <= k < len(classes) else str(k) for k in data["class"].tolist()],
        "mechanism": [sim.MECHANISMS[k] for k in data["mechanism"].tolist()],
        "verdict": [verdicts[k] for k in data["verdict"].tolist()],
        "factor": np.where(factor < 0, np.inf, factor / 65536),
    }
    columns = [pl.Series(name, words.get(name, data[name])) for name in COLUMNS]
    columns.insert(COLUMNS.index("factor"), pl.Series("ratio", ratio).fill_nan(None))
    return pl.DataFrame(columns).with_columns(pl.col(*WORDS).cast(pl.String))


def write_decisions(table: pl.DataFrame, path: Path) -> None:
    """Write the table in the format that the file's name asks for.

    JSON is a list of objects; it has no infinity, so an infinite factor is null there.
    """
    buffer = io.BytesIO()
    if path.suffix == ".csv":
        table.write_csv(buffer)
    elif path.suffix == ".parquet":
        table.write_parquet(buffer)
    else:
        lines = ",\n".join(json.dumps(row, allow_nan=False) for row in plain_rows(table))
        buffer.write(f"[\n{lines}\n]\n".encode())
    write_atomic(path, buffer.getvalue())


def plain_rows(table: pl.DataFrame) -> list[dict[str, Any]]:
    """Rows as JSON takes them."""
    finite = pl.when(pl.col("factor").is_finite()).then(pl.col("factor")).alias("factor")
    return table.with_columns(finite).to_dicts()


def summary_table(table: pl.DataFrame) -> dict[str, dict[str, int]]:
    """Count of rows by mechanism and verdict, without those that are not there."""
    counted = table.group_by("mechanism", "verdict").len()
    counts = {(row[0], row[1]): int(row[2]) for row in counted.iter_rows()}
    verdicts = ("passed", "forced", *sim.REASONS)
    found = {m: {v: counts[m, v] for v in verdicts if (m, v) in counts} for m in sim.MECHANISMS}
    return {mechanism: row for mechanism, row in found.items() if row}


def decisions_json(found: Decisions) -> dict[str, Any]:
    """What `output=json` prints of the log."""
    answer: dict[str, Any] = {
        "replicate": found.replicate,
        "rows": found.table.height,
        "capacity": found.wish.capacity,
        "full": found.is_full,
        "summary": summary_table(found.table),
    }
    if found.wish.file is not None:
        return answer | {"file": str(found.wish.file)}
    return answer | {"first": plain_rows(shown_rows(found))}


def shown_rows(found: Decisions) -> pl.DataFrame:
    """The rows to show: the first behind the warm-up, as far as the log reaches."""
    later = found.table.filter(pl.col("time_ns") >= found.warmup_ns)
    return (later if later.height else found.table).head(found.wish.rows)


def print_decisions(found: Decisions, console: Console) -> None:
    """The rows that were asked for, the counts, and where the rest is."""
    console.print()
    if found.wish.file is None:
        # A number is never cut: where the terminal is too narrow, its lines are too long.
        wide = Console(width=max(console.width, ROWS_WIDTH))
        wide.print(rows_table(shown_rows(found)))
    console.print(f"Decisions of replicate {found.replicate}, warm-up included:", style="bold")
    console.print(counts_table(summary_table(found.table)))
    if found.is_full:
        hint = f"raise {CAPACITY_KEY} = {found.wish.capacity}"
        console.print(f"{sim.LaneStatus.DECISIONS_FULL.describe()} ({hint})", style="yellow")
    if found.wish.file is not None:
        text = f"{found.table.height} rows: {found.wish.file}"
        console.print(text, highlight=False, soft_wrap=True)


def rows_table(rows: pl.DataFrame) -> Table:
    """Rows of the log for a terminal."""
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for name in rows.columns:
        words = name in WORDS
        table.add_column(HEADINGS.get(name, name), justify="left" if words else "right", no_wrap=True)
    for row in rows.iter_rows():
        table.add_row(*[cell_text(value) for value in row])
    return table


def cell_text(value: object) -> str:
    """One value for a terminal."""
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else "inf"
    return str(value)


def counts_table(counts: Mapping[str, Mapping[str, int]]) -> Table:
    """Mechanisms down, verdicts across."""
    verdicts = [v for v in ("passed", "forced", *sim.REASONS) if any(v in row for row in counts.values())]
    table = Table(box=None, padding=(0, 1), header_style="dim")
    table.add_column("mechanism")
    for verdict in verdicts:
        table.add_column(verdict.replace("_", " "), justify="right")
    for mechanism, row in counts.items():
        table.add_row(mechanism, *[str(row.get(verdict, 0)) for verdict in verdicts])
    if not counts:
        table.add_row("none: nothing was a candidate for migration")
    return table
