"""How far an answer can be trusted, in a few lines of the terminal: front, parameters, seeds, other cells."""

from typing import Any

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pipeline.evidence.analyse import Analysis
from pipeline.evidence.recommend import Recommendation
from pipeline.evidence.robustness import Verdict
from pipeline.evidence.robustness_text import (
    best_sentence,
    found_in_text,
    regret_text,
    seeds_sentence,
    short_title,
)
from pipeline.plain import plain_name

VERDICTS_SHOWN = 4
PARAMETERS_SHOWN = 3
# Which of the methods speaks for a parameter, where a table has several.
PREFERRED = ("sobol_total", "eta_squared", "rank_correlation")
METHOD_WORDS = {
    "sobol_total": "total Sobol' index", "eta_squared": "share of the variance between its values",
    "rank_correlation": "rank correlation",
}  # fmt: skip


def print_evidence(found: Analysis, chosen: Recommendation, console: Console) -> None:
    """The lines of one study cell."""
    for line in (volume_line(chosen), sensitivity_line(found, chosen), seeds_line(found, chosen)):
        if line:
            console.print(Text(line, style="dim"), soft_wrap=True)


def volume_line(chosen: Recommendation) -> str:
    """The front's hypervolume."""
    volume = chosen.hypervolume
    if volume is None:
        return ""
    low, high = volume["low"], volume["high"]
    spread = "" if low is None else f" ({100 * low:.1f} to {100 * high:.1f})"
    return (
        f"Front:  hypervolume {100 * volume['value']:.1f} %{spread} of the box from the worst to the best of "
        "each objective"
    )


def sensitivity_rows(found: Analysis, chosen: Recommendation) -> pl.DataFrame:
    """Rows of the sensitivity table that speak for a cell, or for all cells where it has none of its own."""
    table = found.sensitivity
    own = table
    for key in found.run.cell_keys:
        own = own.filter(pl.col(key).eq_missing(pl.lit(chosen.cell[key], dtype=table.schema[key])))
    if own.height or not found.run.cell_keys:
        return own
    return table.filter(pl.all_horizontal([pl.col(key).is_null() for key in found.run.cell_keys]))


def sensitivity_line(found: Analysis, chosen: Recommendation) -> str:
    """The parameters that matter most for the first objective."""
    objective = found.run.config.get("objective") or {}
    metric = objective.get("metric") or found.run.goals.objectives[0]
    rows = sensitivity_rows(found, chosen).filter(pl.col("metric") == metric, pl.col("value").is_not_null())
    method = next((name for name in PREFERRED if name in rows["method"].to_list()), None)
    if method is None or rows["parameter"].n_unique() < 2:
        return ""
    rows = rows.filter(pl.col("method") == method).sort(pl.col("value").abs(), descending=True)
    words = [parameter_text(row) for row in rows.head(PARAMETERS_SHOWN).iter_rows(named=True)]
    return f"Matters for {metric.replace('_', ' ')}:  {', '.join(words)}  [{METHOD_WORDS[method]}]"


def parameter_text(row: dict[str, Any]) -> str:
    """A parameter with its measure and interval."""
    spread = "" if row["low"] is None else f" ({row['low']:.2f} to {row['high']:.2f})"
    return f"{plain_name(row['parameter'])} {row['value']:.2f}{spread}"


def seeds_line(found: Analysis, chosen: Recommendation) -> str:
    """What other seeds say of the choice."""
    sentence = seeds_sentence(found.robustness, chosen.title)
    return f"Other seeds:  {sentence}" if sentence else ""


def print_robustness(found: Analysis, console: Console) -> None:
    """The settings over all cells in a short table; nothing with a single cell."""
    checked = found.robustness
    if checked.best is None:
        return
    console.print()
    console.print(Text(best_sentence(checked), style="bold"), soft_wrap=True)
    table = Table(box=None, padding=(0, 1), header_style="dim")
    for heading in ("", "setting", "recommended in", "worst regret, %", "in"):
        table.add_column(heading, justify="right" if "regret" in heading else "left")
    for place, one in enumerate(checked.verdicts[:VERDICTS_SHOWN]):
        table.add_row(*verdict_cells(one, place), style="bold green" if not place else "")
    console.print(table)
    rest = len(checked.verdicts) - VERDICTS_SHOWN
    if rest > 0:
        console.print(f"... and {rest} more settings: see robustness.parquet.")
    if checked.left_out:
        console.print(f"[yellow]{checked.left_out} more study cells were not compared with each other.[/]")


def verdict_cells(one: Verdict, place: int) -> list[str]:
    """A row of the table."""
    missed = "" if one.feasible else " (misses a constraint)"
    regret = regret_text(one.worst).replace(" %", "")
    where = short_title(one.worst_in)
    return ["→" if not place else "", one.setting + missed, found_in_text(one), regret, where]
