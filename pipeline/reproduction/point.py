"""One point of a recorded study as a study of its own: whichever design it came from."""

from dataclasses import replace

import polars as pl

from pipeline.config.grid import Point, Study
from pipeline.config.leaves import MISSING
from pipeline.config.schema_sweep import SweepGrid
from pipeline.errors import ConfigError, UserError
from pipeline.reproduction.compare import lanes_of
from pipeline.reproduction.find import Recorded


def lone_point(recorded: Recorded, study: Study, number: int) -> Study:
    """A plain study of one point, with as many replicates as it has in the recorded run.

    Raises
    ------
    UserError for a point that is not to be had here
    """
    point = (
        searched_point(recorded, study, number) if is_searched(study, number) else drawn_point(study, number)
    )
    config = study.config.model_copy(update={"sweep": SweepGrid()})
    return replace(
        study,
        points=(replace(point, index=0, baseline_index=0),),
        baseline_index=0,
        config=config,
        replicates=replicates_of(recorded, study, number),
        samples=(),
        search=None,
    )


def is_searched(study: Study, number: int) -> bool:
    """Whether a point is one that a search came to after its first batch."""
    return study.search is not None and number >= len(study.points)


def drawn_point(study: Study, number: int) -> Point:
    """A point that the command alone leads to."""
    if number >= len(study.points):
        raise UserError(f"point {number}: this study has {len(study.points)} points here", "see --check")
    return study.points[number]


def searched_point(recorded: Recorded, study: Study, number: int) -> Point:
    """A point that a search came to, from the settings in its table of points."""
    whole = "reproduce the whole run: leave point= out, and give the sweep's own run"
    if recorded.folder is None or study.search is None:
        raise UserError(f"point {number}: its settings came of the search, whose tables are not here", whole)
    row = pl.read_parquet(recorded.folder / "points.parquet").row(
        by_predicate=pl.col("point") == number, named=True
    )
    item = {axis.key: row.get(axis.key, MISSING) for axis in study.search.axes}
    try:
        return study.search.make(item, number)
    except ConfigError as error:
        raise UserError(f"point {number}: {error.message}", whole) from None


def replicates_of(recorded: Recorded, study: Study, number: int) -> int:
    """Replicates of a point in the recorded run: a race gives fewer to those that it drops."""
    if study.config.sweep.kind != "race":
        return study.replicates
    if recorded.folder is not None:
        return lanes_of(recorded.folder, number).height
    return recorded.replicates or study.replicates
