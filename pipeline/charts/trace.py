"""The picture of a recorded program: what its schedulers did over time, or how its bursts are spread."""

import json
from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import polars as pl
import vl_convert
from numpy.typing import NDArray

from pipeline.beam_trace.schedule import Schedule
from pipeline.charts.figure import VEGA_LITE, as_spec
from pipeline.charts.parts import BLUE, POLICY_COLOURS, RED
from pipeline.errors import UserError
from pipeline.run.files import write_once
from sim import ReplayOp, ReplayTrace

PICTURES = (".png", ".svg", ".html")
BINS = 100
"""Of a recording's time axis: 10 to 40 ms each in the recordings of 1 to 4 s."""

BARS_PER_DECADE = 8
WIDTH, HEIGHT = 620, 130


def draw_recording(schedule: Schedule, schedulers: int, window_ns: int, name: str) -> dict[str, Any]:
    """Busy share by scheduler, slices and migrations over time, and a histogram of slice lengths."""
    edges = np.linspace(0, window_ns, BINS + 1)
    own = schedule.process >= 0
    same = np.append(False, schedule.process[1:] == schedule.process[:-1])[: own.size]
    moved = own & same & np.append(False, schedule.scheduler[1:] != schedule.scheduler[:-1])[: own.size]
    busy = [
        pl.DataFrame(
            {
                "time_ms": edges[:-1] / 1e6,
                "share": busy_shares(schedule, number, edges),
                "scheduler": str(number + 1),
            }
        )
        for number in range(schedulers)
    ]
    rates = [rate_frame(schedule.start_ns[rows], edges, text) for text, rows in (
        ("slices per s", own), ("migrations per s", moved),
    )]  # fmt: skip
    length_us = (schedule.stop_ns - schedule.start_ns)[own] / 1e3
    chart = alt.vconcat(
        time_chart(pl.concat(busy), "share", "busy share").encode(
            color=alt.Color("scheduler:N", scale=alt.Scale(range=POLICY_COLOURS), title="scheduler"),
            y=alt.Y(
                "share:Q", title="busy share", axis=alt.Axis(format="~%"), scale=alt.Scale(domain=[0, 1])
            ),
        ),
        time_chart(rates[0], "rate", "slices per s"),
        time_chart(rates[1], "rate", "migrations per s", RED),
        bars_chart(length_us, "slice length (µs)", "slices"),
    ).properties(title=name)
    return as_spec(chart.resolve_scale(color="independent"))


def draw_replay(trace: ReplayTrace) -> dict[str, Any]:
    """Histograms of how long bursts and blocks are."""
    run = trace.value[trace.op == ReplayOp.RUN] / 1e3
    block = trace.value[trace.op == ReplayOp.BLOCK] / 1e3
    charts = [bars_chart(run, "burst (µs)", "bursts")]
    if block.size:
        charts.append(bars_chart(block, "block (µs)", "blocks"))
    return as_spec(alt.vconcat(*charts).properties(title=trace.name))


def busy_shares(schedule: Schedule, number: int, edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Share of each bin that a scheduler spent in slices."""
    of = schedule.scheduler == number
    order = np.argsort(schedule.start_ns[of], kind="stable")
    start, stop = schedule.start_ns[of][order], schedule.stop_ns[of][order]
    # time spent until t: all slices begun before t, less what of the last of them lies beyond t
    before = np.concatenate(([0], np.cumsum(stop - start)))
    begun = np.searchsorted(start, edges)
    last_stop = np.concatenate(([0], np.maximum.accumulate(stop))) if stop.size else np.zeros(1)
    spent = before[begun] - np.maximum(last_stop[begun] - edges, 0)
    return np.clip(np.diff(spent) / np.diff(edges), 0, 1)


def rate_frame(times_ns: NDArray[np.int64], edges: NDArray[np.float64], name: str) -> pl.DataFrame:
    """Events per second in each bin."""
    count, _ = np.histogram(times_ns, edges)
    return pl.DataFrame({"time_ms": edges[:-1] / 1e6, "rate": count / np.diff(edges) * 1e9, "what": name})


def time_chart(frame: pl.DataFrame, field: str, text: str, colour: str = BLUE) -> Any:
    """A step line over time."""
    return (
        alt.Chart(frame, width=WIDTH, height=HEIGHT)
        .mark_line(interpolate="step-after", strokeWidth=1.4, color=colour)
        .encode(
            x=alt.X("time_ms:Q", title="time (ms)", scale=alt.Scale(nice=False), axis=alt.Axis(tickCount=8)),
            y=alt.Y(f"{field}:Q", title=text, axis=alt.Axis(format="~s")),
        )
    )


def bars_chart(values_us: NDArray[np.float64], text: str, counted: str) -> Any:
    """A histogram over a logarithmic axis; what is below 0.1 us is counted there."""
    values_us = np.maximum(values_us, 0.1)
    high = float(values_us.max(initial=1.0))
    decades = int(np.ceil(np.log10(high))) + 1
    edges = np.logspace(-1, decades - 1, max(1, decades) * BARS_PER_DECADE + 1)
    count, _ = np.histogram(values_us, edges)
    frame = pl.DataFrame({"low": edges[:-1], "high": edges[1:], "count": count})
    return (
        alt.Chart(frame.filter(pl.col("count") > 0), width=WIDTH, height=HEIGHT)
        .mark_bar(color=BLUE, stroke="white", strokeWidth=0.5)
        .encode(
            x=alt.X("low:Q", title=text, scale=alt.Scale(type="log"), axis=alt.Axis(format=",~g")),
            x2="high:Q",
            y=alt.Y("count:Q", title=counted, axis=alt.Axis(format="~s")),
            y2=alt.datum(0),
        )
    )


def write_picture(spec: dict[str, Any], path: Path, *, must: bool) -> bool:
    """Write a chart as its file's ending says; False if the place cannot be written to and need not be.

    Raises
    ------
    UserError if the file was asked for and cannot be written
    """
    text = json.dumps(spec)
    if path.suffix == ".png":
        data = vl_convert.vegalite_to_png(text, vl_version=VEGA_LITE, scale=2)
    elif path.suffix == ".svg":
        data = vl_convert.vegalite_to_svg(text, vl_version=VEGA_LITE).encode()
    else:
        data = vl_convert.vegalite_to_html(text, vl_version=VEGA_LITE, bundle=True).encode()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_once(path, data)
    except OSError as error:
        if must:
            raise UserError(f"{path}: cannot be written: {error.strerror}", "give another file") from None
        return False
    return True
