"""A check of the replay as a table for people, as JSON, and as Markdown for sim/REPLAY.md."""

import json
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from pipeline.replay_check import Checked, Row

TITLES = {
    "migrations_per_1000_slices": "migrations per 1000 slices",
    "migrations_per_s": "migrations per s",
    "switches_per_s": "context switches per s",
}
PER_SCHEDULER = {"busy_share": "busy share", "run_queue_mean": "run queue, mean"}
QUEUES_NOTE = (
    "Recorded run queues are sampled. Timers of the program expire on the same ticks as the sampler's, so "
    "that a program that mostly sleeps shows longer queues than its mean. Simulated ones are over all time."
)
BEGIN, END = "<!-- table of the check -->", "<!-- end of the table -->"
COLOURS = {"right": "green", "wrong": "red", "shown": ""}


def title(metric: str) -> str:
    """A figure's name with its unit."""
    if metric in TITLES:
        return TITLES[metric]
    head, _, tail = metric.rpartition("_")
    if metric.startswith("busy_share"):
        return "busy share, mean" if tail == "mean" else f"busy share, scheduler {tail}"
    if metric.startswith("run_queue_mean"):
        return f"run queue, mean at the sampler's ticks, scheduler {tail}"
    names = {"slice_us": "slice, us", "gap_us": "gap, us", "wake_to_run_us": "wake-up to run, us"}
    return f"{names[head]}, {tail}" if head in names else metric.replace("_", " ")


def number(value: float | None) -> str:
    """A figure with three significant digits."""
    if value is None:
        return "-"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def band(row: Row) -> str:
    """The allowed band of a figure."""
    return "" if row.low is None else f"{number(row.low)} .. {number(row.high)}"


def heading(checked: Checked) -> str:
    """What was recorded, in a line."""
    slowed = "unknown" if checked.slowdown != checked.slowdown else f"{checked.slowdown:.0%}"
    spread = f"; band of migrations from {checked.repeats} repeats" if checked.repeats else ""
    flags = checked.flags
    if checked.replayed_with:
        flags = f"recorded with {flags}, replayed with {checked.replayed_with}"
    idle = (
        "; too idle to check: with nothing run, the busy shares would be right too" if checked.is_idle else ""
    )
    return f"{checked.trace}: {checked.window_s:.2f} s, {flags}; slowed by tracing: {slowed}{spread}{idle}"


def print_checks(checks: Sequence[Checked], console: Console) -> None:
    """Print a table for each recording, and how many figures are within their bands."""
    for checked in checks:
        table = Table(title=heading(checked), title_justify="left", title_style="bold")
        for column in ("figure", "recorded", "simulated", "ratio", "allowed", "verdict"):
            table.add_column(column, justify="left" if column in ("figure", "verdict") else "right")
        for row in checked.rows:
            cells = (title(row.metric), number(row.recorded), number(row.simulated), number(row.ratio))
            table.add_row(*cells, band(row), row.verdict, style=COLOURS[row.verdict])
        console.print(table)
    if any(row.metric.startswith("run_queue_mean") for checked in checks for row in checked.rows):
        console.print(QUEUES_NOTE, style="dim")
    console.print(verdict_line(checks))


def verdict_line(checks: Sequence[Checked]) -> str:
    """How many of the figures with a band are within it."""
    judged = [row for checked in checks for row in checked.rows if row.verdict != "shown"]
    right = sum(row.verdict == "right" for row in judged)
    return f"{right} of {len(judged)} figures with a band are within it."


def checks_json(checks: Sequence[Checked]) -> str:
    """All of it for machines."""
    return json.dumps([checked.as_json() for checked in checks], indent=1, allow_nan=False)


def checks_markdown(checks: Sequence[Checked]) -> str:
    """A line each recording: recorded / simulated of each figure, in bold where it leaves its band."""
    metrics = list(dict.fromkeys(row.metric for checked in checks for row in checked.rows))
    metrics = [metric for metric in metrics if not metric[-1].isdigit() or "_p" in metric]
    lines = [
        f"| {' | '.join(['recording', *map(title, metrics)])} |",
        f"| {' | '.join(['---', *('---:' for _ in metrics)])} |",
    ]
    for checked in checks:
        rows = {row.metric: row for row in checked.rows}
        cells = [pair(rows[metric]) if metric in rows else "" for metric in metrics]
        lines.append(f"| {' | '.join([checked.trace, *cells])} |")
    lines += ["", "| scheduler | " + " | ".join(PER_SCHEDULER.values()) + " |", "| --- | ---: | ---: |"]
    for checked in checks:
        rows = {row.metric: row for row in checked.rows}
        numbers = [m.rpartition("_")[2] for m in rows if m.startswith("busy_share_") and m[-1].isdigit()]
        for scheduler in numbers:
            found = [rows.get(f"{prefix}_{scheduler}") for prefix in PER_SCHEDULER]
            cells = [pair(row) if row else "" for row in found]
            lines.append(f"| {checked.trace}, {scheduler} | {' | '.join(cells)} |")
    lines += ["", verdict_line(checks), "", "Recorded and replayed with:", ""]
    lines += [f"- {heading(checked)}" for checked in checks]
    return "\n".join(lines) + "\n"


def pair(row: Row) -> str:
    """Recorded / simulated."""
    text = f"{number(row.recorded)} / {number(row.simulated)}"
    return f"**{text}**" if row.verdict == "wrong" else text


def put_between_marks(old: str, table: str) -> str:
    """A document with its table replaced, and all text around it kept; the table alone if it has no marks."""
    head, begin, rest = old.partition(BEGIN)
    _, end, tail = rest.partition(END)
    return f"{head}{begin}\n{table}{end}{tail}" if begin and end else f"{BEGIN}\n{table}{END}\n"
