"""What further tables of a run hold, if it has them: sensitivity, robustness, rounds of a design."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import altair as alt
import polars as pl

from pipeline.charts.figure import Figure, Key, Panel
from pipeline.charts.parts import BLUE, INK, POLICY_COLOURS, extent, metric_title
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.recommend import Recommendation
from pipeline.plain import plain_name

SENSITIVITY, ROBUSTNESS, ROUNDS = "sensitivity.parquet", "robustness.parquet", "rounds.parquet"
PARAMETERS_MOST = 12
ROUND_PANELS = {
    "points_alive": "settings still in it", "points_dropped": "settings dropped",
    "dropped": "settings dropped", "points_contested": "settings contested", "points": "new settings",
    "points_on_front": "settings on the front", "hypervolume": "share of the trade-off won (hypervolume)",
    "lanes": "lanes run",
}  # fmt: skip
MEANINGS = {
    "rank_correlation": "from -1 to 1, more of the parameter goes with less or with more of the metric",
    "eta_squared": "share of the variance that lies between the parameter's values",
    "sobol_first": "share of the variance that is due to the parameter alone",
    "sobol_total": "share of the variance in which it has a part, alone or with others",
}
METHOD_COLOURS = [BLUE, "#E69F00", *POLICY_COLOURS]


def table_of(run: RunTables, name: str, columns: set[str]) -> pl.DataFrame | None:
    """A further table of a run with at least these columns; None if there is none that can be used."""
    path: Path = run.folder / name
    try:
        found = pl.read_parquet(path)
    except (OSError, pl.exceptions.PolarsError):
        return None
    return found if found.height and columns <= set(found.columns) else None


def of_cell(table: pl.DataFrame, chosen: Recommendation) -> pl.DataFrame:
    """The rows of a study cell; else those of a design that varies the cells' keys, where they are null."""
    keys = [key for key in chosen.cell if key in table.columns]
    if not keys:
        return table
    own = table.filter(pl.all_horizontal(pl.col(k).eq_missing(pl.lit(chosen.cell[k])) for k in keys))
    shared = pl.all_horizontal(
        pl.col(k).is_null() | pl.col(k).eq_missing(pl.lit(chosen.cell[k])) for k in keys
    )
    return own if own.height else table.filter(shared)


def sensitivity_figure(run: RunTables, chosen: Recommendation, name: str) -> Figure | None:
    """How much each parameter matters to each metric: bars with intervals, a panel a metric."""
    table = table_of(run, SENSITIVITY, {"metric", "parameter", "method", "value", "low", "high"})
    if table is None:
        return None
    table = of_cell(table, chosen)
    panels = [
        Panel(metric_title(metric), sensitivity_chart(part))
        for (metric,), part in table.group_by("metric", maintain_order=True)
    ]
    methods = table["method"].unique(maintain_order=True).to_list()
    words = [str(method).replace("_", " ") for method in methods]
    keys = [Key(word, METHOD_COLOURS[i % len(METHOD_COLOURS)]) for i, word in enumerate(words)]
    return Figure(
        name, "sensitivity", f"Which parameter matters: {chosen.title}",
        "How strongly each parameter moves a metric over the settings that were run, with 95 % intervals. "
        + " ".join(f"{word.capitalize()}: {MEANINGS[m]}." for m, word in zip(methods, words, strict=True)
                   if m in MEANINGS),
        panels, keys, note="" if panels else "No parameter of this cell varies.",
    )  # fmt: skip


def sensitivity_chart(part: pl.DataFrame) -> Any:
    """Parameters of one metric, the strongest first, a bar a method."""
    strength = part.group_by("parameter").agg(pl.col("value").abs().max())
    order = strength.sort("value", "parameter", descending=[True, False])["parameter"].to_list()
    order = order[:PARAMETERS_MOST]
    frame = part.filter(pl.col("parameter").is_in(order)).with_columns(
        name=pl.Series([plain_name(p) for p in part.filter(pl.col("parameter").is_in(order))["parameter"]]),
        method=pl.col("method").cast(pl.String),
    )
    methods = part["method"].unique(maintain_order=True).cast(pl.String).to_list()
    y = alt.Y("name:N", sort=[plain_name(p) for p in order], title=None, axis=alt.Axis(labelLimit=170))
    offset = alt.YOffset("method:N", sort=methods)
    colour = alt.Color(
        "method:N", scale=alt.Scale(domain=methods, range=METHOD_COLOURS[: len(methods)]), legend=None
    )
    tip = [alt.Tooltip("name:N"), alt.Tooltip("method:N"),
           *[alt.Tooltip(f"{n}:Q", format=".3f") for n in ("value", "low", "high")]]  # fmt: skip
    base = alt.Chart(frame.select("name", "method", "value", "low", "high"))
    bars = base.mark_bar(stroke=INK, strokeWidth=0.5).encode(
        alt.X("value:Q", title=None, axis=alt.Axis(format="~g", tickCount=5)),
        y, colour, yOffset=offset, tooltip=tip,
    )  # fmt: skip
    ends = base.transform_filter("isValid(datum.low) && isValid(datum.high)").mark_rule(color=INK)
    spread = ends.encode(alt.X("low:Q"), y, alt.X2("high:Q"), yOffset=offset, tooltip=tip)
    return alt.layer(bars, spread).properties(height=max(80, (14 * len(methods) + 10) * len(order)))


def robustness_figure(run: RunTables, chosen: Recommendation, name: str) -> Figure | None:
    """What a setting found in one situation loses in the others: a matrix; None with a single situation."""
    needed = {"setting", "found_in", "checked_in", "regret", "regret_low", "regret_high", "feasible"}
    table = table_of(run, ROBUSTNESS, needed)
    if table is None or table["checked_in"].n_unique() < 2:
        return None
    rows = table.select("setting", "found_in").unique(maintain_order=True).rows()
    columns = table["checked_in"].unique(maintain_order=True).to_list()
    keys = [Key(f"{letter(i)}: {s}, found in {found}", "", "none") for i, (s, found) in enumerate(rows)]
    keys += [Key(f"{i + 1}: {words}", "", "none") for i, words in enumerate(columns)]
    # Of the whole study, so that any of its answers tells by what all were chosen.
    unit = "the front's extent" if chosen.choice is None else "its mean of the metric chosen by"
    return Figure(
        name, "robustness", "Does it hold elsewhere?",
        "A row is a recommended setting, a column a situation where it was tried. The number is its "
        f"regret: what it loses there against the setting that the rule takes there, as a share of {unit}. "
        "✕ = it breaks a constraint there. Framed: where it was found; the number is that on other seeds, if "
        "there are replicates enough. Intervals are below the pointer.",
        [Panel("Regret", robustness_chart(table, rows, columns))], keys, is_wide=True,
    )  # fmt: skip


def letter(number: int) -> str:
    """A, B, .. Z, A1, B1, .."""
    return chr(ord("A") + number % 26) + (str(number // 26) if number >= 26 else "")


def robustness_frame(
    table: pl.DataFrame, rows: Sequence[tuple[Any, ...]], columns: Sequence[str]
) -> pl.DataFrame:
    """The fields of the matrix: row letter, column number, regret with its interval, and the words in it."""
    letters = {row: letter(i) for i, row in enumerate(rows)}
    numbers = {column: str(i + 1) for i, column in enumerate(columns)}
    pairs = table.select("setting", "found_in").rows()
    found = table.select(
        "setting", "found_in", "checked_in", regret="regret", low="regret_low", high="regret_high",
        row=pl.Series([letters[pair] for pair in pairs]),
        column=pl.Series([numbers[column] for column in table["checked_in"]]),
        feasible=pl.col("feasible").fill_null(True), own=pl.col("found_in") == pl.col("checked_in"),
    ).with_columns(pl.col("regret", "low", "high").fill_nan(None))  # fmt: skip
    texts = [
        ("n/a" if row["regret"] is None else f"{100 * row['regret']:.1f} %")
        + ("" if row["feasible"] else " ✕")
        for row in found.iter_rows(named=True)
    ]
    return found.with_columns(words=pl.Series(texts, dtype=pl.String))


def robustness_chart(table: pl.DataFrame, rows: Sequence[tuple[Any, ...]], columns: Sequence[str]) -> Any:
    """Settings against situations, coloured by regret, with the number in each field."""
    frame = robustness_frame(table, rows, columns)
    most = extent(frame["regret"])[1]
    x = alt.X("column:N", title="tried in", sort=[str(i + 1) for i in range(len(columns))],
              axis=alt.Axis(labelAngle=0))  # fmt: skip
    y = alt.Y("row:N", title="setting", sort=[letter(i) for i in range(len(rows))])
    names = ("setting", "found_in", "checked_in", "feasible")
    tip = [*[alt.Tooltip(f"{n}:N", title=n.replace("_", " ")) for n in names],
           *[alt.Tooltip(f"{n}:Q", format=".2%") for n in ("regret", "low", "high")]]  # fmt: skip
    base = alt.Chart(frame)
    ink = alt.condition(f"datum.regret > {most / 2!r}", alt.value("white"), alt.value(INK))
    colour = alt.Color(
        "regret:Q", title="regret", legend=alt.Legend(orient="bottom", gradientLength=220, format=".0%"),
        scale=alt.Scale(scheme=alt.SchemeParams(name="viridis", extent=[1, 0.1]), domain=[0, most or 1.0]),
    )  # fmt: skip
    own = alt.Chart(frame.filter("own"))
    frames = [
        own.mark_rect(filled=False, fillOpacity=0, stroke=line, strokeWidth=width).encode(x, y)
        for line, width in (("white", 6), (INK, 3))
    ]
    return alt.layer(
        base.mark_rect(stroke="white").encode(x, y, colour, tooltip=tip),
        base.mark_text(fontSize=11).encode(x, y, text="words:N", color=ink),
        *frames,
    ).properties(height=max(80, 34 * len(rows)))


def rounds_figure(run: RunTables, chosen: Recommendation, name: str) -> Figure | None:
    """How an adaptive design went on from round to round."""
    table = table_of(run, ROUNDS, {"round", "lanes"})
    if table is None:
        return None
    table = of_cell(table, chosen)
    if "baseline" in table.columns and chosen.baseline is not None:
        # A race has rows for each cell, told apart by the baseline that its points are compared with.
        table = table.filter(pl.col("baseline") == chosen.baseline)
    panels = [
        Panel(words, rounds_chart(table, column, words))
        for column, words in ROUND_PANELS.items()
        if column in table.columns and table[column].dtype.is_numeric() and table.height
    ]
    return Figure(
        name, "rounds", f"Rounds of the design: {chosen.title}",
        "An adaptive design asks round by round for what decides something: a race drops early the settings "
        "that are clearly off the front, a search tries new ones where the front may still move.", panels,
        note="" if panels else "This cell has no rounds.",
    )  # fmt: skip


def rounds_chart(table: pl.DataFrame, column: str, words: str) -> Any:
    """A number a round."""
    base = alt.Chart(table.select("round", column))
    x = alt.X("round:O", title="round", axis=alt.Axis(labelAngle=0))
    is_whole = table[column].dtype.is_integer()
    form = "~s" if is_whole else ".3~f"
    step = {"tickMinStep": 1} if is_whole else {}
    y = alt.Y(f"{column}:Q", title=None, axis=alt.Axis(format=form, **step))
    tip = [alt.Tooltip("round:O"), alt.Tooltip(f"{column}:Q", title=words, format=",~f")]
    bars = base.mark_bar(color=BLUE).encode(x, y, tooltip=tip)
    words_layer = base.mark_text(dy=-6, fontSize=11, color=INK)
    text = words_layer.encode(x, y, text=alt.Text(f"{column}:Q", format=form))
    return alt.layer(bars, text).properties(height=150)
