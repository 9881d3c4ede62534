"""Which settings a chart shows: few enough to be drawn, and opened in a browser, in a moment."""

from collections.abc import Sequence

import numpy as np
import polars as pl

from pipeline.config.schema_front import OBJECTIVES
from pipeline.evidence.recommend import Recommendation

DRAWN_MAX = 2000
DRAWN_LEAST = 300
FRONT_SHARE = 0.4


def drawn_rows(
    rows: pl.DataFrame, chosen: Recommendation, charts: int, objectives: Sequence[str] = OBJECTIVES
) -> pl.DataFrame:
    """All rows of a study cell if they are few; else the telling ones and a sample, in the same order.

    The recommended point and the baseline stay, the front is thinned evenly along its last objective with
    the ends of all objectives, and the rest is a sample that is the same each time.

    Parameters
    ----------
    rows       : summary rows of the cell
    charts     : cells that are drawn, which share DRAWN_MAX
    objectives : of the front
    """
    most = max(DRAWN_MAX // max(charts, 1), DRAWN_LEAST)
    if rows.height <= most:
        return rows
    marked = {chosen.point, chosen.baseline}
    front = rows.filter(pl.col("pareto"))
    kept = {*marked}
    for name in objectives:
        order = front.sort(f"{name}_mean", "point")["point"]
        kept |= {*order.head(1), *order.tail(1)}
    steps = np.linspace(0, len(order) - 1, min(len(order), int(FRONT_SHARE * most)))
    kept |= {*order.gather(np.unique(steps.astype(np.int64)))}
    kept.discard(None)
    others = rows.filter(~pl.col("point").is_in(list(kept)))["point"]
    kept |= set(others.sample(min(len(others), most - len(kept)), seed=1))
    return rows.filter(pl.col("point").is_in(list(kept)))


def drawn_note(drawn: pl.DataFrame, rows: pl.DataFrame) -> str:
    """A sentence for the caption where not all settings are drawn, or ""."""
    if drawn.height == rows.height:
        return ""
    return f" Drawn are {drawn.height:,} of {rows.height:,} settings: a share of the front and of the others."
