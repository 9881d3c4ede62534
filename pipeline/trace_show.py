"""`python -m pipeline.trace show TRACE`: what a recording or a replay file holds, as figures and a picture.

    show TRACE [output=table|json] [picture=FILE.png|FILE.svg|FILE.html|none]

TRACE is a name in conf/traces, a replay file, or the folder of a recording. The picture is written beside
the trace unless it is given (of a name in conf/traces, only if it is given). Of a recording it shows load,
slices and migrations over time; a replay file has no times of its own before it is replayed, so that
there it shows how long bursts and blocks are.
"""

import json
import math
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from pipeline.beam_trace import describe, read_beam_trace, read_notes
from pipeline.beam_trace.check_metrics import figures_of
from pipeline.beam_trace.convert import convert_trace
from pipeline.beam_trace.schedule import Schedule, recorded_schedule
from pipeline.charts.trace import PICTURES, draw_recording, draw_replay, write_picture
from pipeline.config.build import TRACES, load_trace, trace_path
from pipeline.entry import split_words
from pipeline.errors import UserError
from pipeline.replay_check import recorded_queues
from pipeline.replay_check_text import number, title

EXAMPLE = "python -m pipeline.trace show mixed_s2 picture=mixed.png"
OUTPUTS = ("table", "json")
GAP_QUANTILES = (0.50, 0.90, 0.99)


def show(words: Sequence[str]) -> int:
    """Print the figures of a trace and draw its picture."""
    names, options = split_words(words, {"output": "table", "picture": ""})
    if len(names) != 1:
        raise UserError("show takes one trace", EXAMPLE)
    if options["output"] not in OUTPUTS:
        raise UserError(f"output={options['output']}: must be one of {', '.join(OUTPUTS)}", EXAMPLE)
    picture = options["picture"]
    if picture not in ("", "none") and not picture.endswith(PICTURES):
        raise UserError(f"picture={picture}: must end with one of {', '.join(PICTURES)}, or be none", EXAMPLE)
    path = trace_path(names[0])
    if path.is_dir():
        recording = read_beam_trace(path)
        trace = convert_trace(recording).trace
        schedule = recorded_schedule(recording, trace.ns_per_reduction)
        figures = {**schedule_figures(schedule, recording.schedulers, recording.window_ns)}
        figures |= recorded_queues(recording) | {"slowdown_by_tracing": recording.slowdown}
        chart = draw_recording(schedule, recording.schedulers, recording.window_ns, recording.name)
        notes: dict[str, str] = {}
    else:
        trace, figures, notes = load_trace(names[0]), {}, read_notes(path)
        chart = draw_replay(trace)
    where = picture_path(path, picture)
    # a folder that cannot be written to is no reason to show nothing, unless the file was asked for
    written = where and write_picture(chart, where, must=bool(picture))
    answer: dict[str, Mapping[str, Any]] = {"recorded": figures, "replay": describe(trace), "notes": notes}
    if options["output"] == "json":
        print(json.dumps({**plain(answer), "picture": str(where) if written else None}, indent=1))
        return 0
    print_figures(answer, Console())
    if written:
        print(f"Picture: {where}")
    elif where:
        print(f"No picture: {where.parent} cannot be written to; give picture=FILE.png", file=sys.stderr)
    return 0


def picture_path(trace: Path, given: str) -> Path | None:
    """Where the picture goes; None if it is not wanted, or if the trace is one of Coreshift's own."""
    if given == "none" or (not given and trace.parent == TRACES):
        return None
    return Path(given or trace.parent / f"{trace.resolve().name.removesuffix('.parquet')}.png").expanduser()


def schedule_figures(schedule: Schedule, schedulers: int, window_ns: int) -> dict[str, float]:
    """The figures of a check, with processes, ports and gaps."""
    own = schedule.process >= 0
    inside = own & (schedule.start_ns >= 0) & (schedule.start_ns < window_ns)
    same = np.append(False, schedule.process[1:] == schedule.process[:-1])[: own.size] & inside
    gap_us = (schedule.start_ns[1:] - schedule.stop_ns[:-1])[same[1:]] / 1e3
    gaps = np.quantile(gap_us, GAP_QUANTILES).tolist() if gap_us.size else []
    return {
        "processes_that_ran": float(np.unique(schedule.process[inside]).size),
        "ports_that_ran": float(np.unique(schedule.process[~own]).size),
        "slices": float(inside.sum()),
        **figures_of(schedule, schedulers, 0, window_ns),
        **{f"gap_us_p{int(q * 100)}": float(v) for q, v in zip(GAP_QUANTILES, gaps, strict=False)},
    }


def print_figures(answer: Mapping[str, Mapping[str, Any]], console: Console) -> None:
    """Print what was recorded, what is replayed, and the notes of the file."""
    titles = {"recorded": "As recorded", "replay": "As replayed (bursts: what is run between two waits)"}
    for part, figures in answer.items():
        if not figures:
            continue
        table = Table(
            title=titles.get(part, "Notes"), title_justify="left", title_style="bold", show_header=False
        )
        table.add_column("figure")
        table.add_column("value", justify="left" if part == "notes" else "right", overflow="fold")
        for name, value in figures.items():
            shown = number(value) if isinstance(value, float) else str(value)
            table.add_row(title(name) if part == "recorded" else name.replace("_", " "), shown)
        console.print(table)


def plain(value: Any) -> Any:
    """Plain data for JSON: what is not a number is null."""
    if isinstance(value, dict):
        return {key: plain(part) for key, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value
