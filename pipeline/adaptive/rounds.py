"""The rounds of a run: which lanes are asked for, in turns with their results.

A plain design asks for all of its lanes at once. An adaptive one (`sweep.kind` = race or search) asks for
some, sees what came of them, and asks again. What it asks for depends on its settings, on the study's seed
and goals and on the results alone, so that the stored lanes of a run that was killed lead to the same
decisions again: nothing else about them is stored.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
import polars as pl
from numpy.typing import NDArray

LaneNumbers = NDArray[np.int64]
ADAPTIVE = ("race", "search")
# Tables of an adaptive run: what each round did; points that a race dropped, and what beat them.
ROUNDS, DROPPED = "rounds.parquet", "dropped.parquet"


class Rounds(Protocol):
    """Asks for lanes, and is told what came of them.

    metrics   : columns of the lanes that it looks at
    is_plain  : whether all lanes are asked for at once, so that their number is known from the start
    lanes_max : lanes that it asks for at most
    """

    metrics: tuple[str, ...]
    is_plain: bool
    lanes_max: int

    def ask(self) -> LaneNumbers | None:
        """The lanes of the next round, ascending; None when nothing is left to ask."""

    def tell(self, results: pl.DataFrame) -> None:
        """The results of the round: point, replicate and `metrics`, sorted; a failed lane has no row."""

    def about(self) -> str:
        """The round in a few words, for the progress display; "" for a plain design."""

    def tables(self) -> Mapping[str, pl.DataFrame]:
        """File name -> what was decided, when nothing is left to ask."""

    def facts(self) -> dict[str, Any]:
        """What the manifest says of it, when nothing is left to ask."""


class OneRound:
    """The rounds of a plain design: one, with every lane."""

    metrics: tuple[str, ...] = ()
    is_plain = True

    def __init__(self, plan: Any) -> None:
        self.lanes_max: int = plan.lane_count
        self._lanes: LaneNumbers | None = np.arange(plan.lane_count)

    def ask(self) -> LaneNumbers | None:
        """All lanes, once."""
        lanes, self._lanes = self._lanes, None
        return lanes

    def tell(self, results: pl.DataFrame) -> None:
        """Nothing depends on results."""

    def about(self) -> str:
        """Nothing to say."""
        return ""

    def tables(self) -> Mapping[str, pl.DataFrame]:
        """None."""
        return {}

    def facts(self) -> dict[str, Any]:
        """None."""
        return {}


def kind_of(study: Any) -> str:
    """The kind of a study's design."""
    return str(study.config.sweep.kind)


def rounds_of(plan: Any) -> Rounds:
    """The rounds of a plan's study, by the kind of its design."""
    kind = kind_of(plan.study)
    # Each here, as only its own kind needs its libraries.
    if kind == "race":
        from pipeline.adaptive.race import Race

        return Race(plan)
    if kind == "search":
        from pipeline.adaptive.search import Search

        return Search(plan)
    return OneRound(plan)


def decisions_of(study: Any) -> dict[str, Any]:
    """What the run key has to fix beside points, seed and replicates: all that decisions depend on.

    Nothing for a plain design.
    """
    kind = kind_of(study)
    if kind not in ADAPTIVE:
        return {}
    from pipeline.config.goals import goals_of

    goals = goals_of(study.config.model_dump(mode="json"))
    if kind == "race":
        from pipeline.adaptive.race import race_decisions

        return {"design": race_decisions(study, goals)}
    from pipeline.adaptive.search import search_decisions

    return {"design": search_decisions(study, goals)}
