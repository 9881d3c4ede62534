"""How a study is swept: its axes, the kind of its design, and what that kind needs."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from pipeline.config.axes import POINTS_MAX, TEXT_KEYS
from pipeline.config.schema_spec import SEXAGESIMAL_MIN, Part, bounded, one_of, problem

SCALAR = (str, int, float, bool, type(None))
# A search asks one point after the other for a proposal, which takes ever longer.
SEARCHED_MAX = 10_000


def check_axes(value: Any) -> Any:
    """Axes are key -> text in Hydra's sweep grammar; a list or a single value is put into it."""
    if not isinstance(value, Mapping):
        raise problem("must be a mapping of keys to values", value=value, hint='write key: "1,2,4"')
    return {str(key): axis_text(str(key), item) for key, item in value.items()}


def axis_text(key: str, value: Any) -> str:
    """One axis in the sweep grammar."""
    items = value if isinstance(value, list) else [value]
    if not items or not all(isinstance(item, SCALAR) for item in items):
        raise problem("must be values to sweep over", where=key, value=value, hint='write "1,2,4"')
    if key in TEXT_KEYS and any(type(item) is int and item >= SEXAGESIMAL_MIN for item in items):
        hint = 'put them in quotes, "4,8:4"; without them YAML reads 8:4 as the number 484'
        raise problem("must be text", where=key, value=value, hint=hint)
    words = {None: "null", True: "true", False: "false"}
    texts = [words[v] if v is None or isinstance(v, bool) else str(v) for v in items]
    return ",".join(texts)


Axes = Annotated[
    dict[str, str],
    BeforeValidator(check_axes),
    Field(description="dotted key or group -> values in Hydra's sweep grammar"),
]


class SweepGrid(Part):
    """Every combination of the axes' values; `also` adds further grids of their own."""

    kind: Literal["grid"] = "grid"
    axes: Axes = Field(default_factory=dict)
    also: Annotated[tuple[Axes, ...], Field(description="further grids, each beside the first")] = ()
    levels: bounded(  # type: ignore[valid-type]
        int, 2, 10_000, "values taken from an interval(...)"
    ) = 5


class SweepSampled(Part):
    """Points drawn from the axes: independent, Latin hypercube, Sobol' sequence, or Saltelli's design."""

    kind: Literal["random", "latin", "sobol", "saltelli"]
    axes: Axes = Field(default_factory=dict)
    also: Annotated[tuple[Axes, ...], Field(description="further grids, beside the points drawn")] = ()
    levels: bounded(  # type: ignore[valid-type]
        int, 2, 10_000, "values taken from an interval(...) in `also`"
    ) = 5
    points: bounded(  # type: ignore[valid-type]
        int, 1, POINTS_MAX, "drawn; equal ones are merged (sobol, saltelli: a power of two)"
    ) = 64
    seed: bounded(int, 0, 2**32 - 1, "of the design") = 1  # type: ignore[valid-type]

    @model_validator(mode="after")
    def check_points(self) -> Any:
        """Sobol' sequences are balanced at powers of two only."""
        check_power_of_two(self.kind, self.points)
        return self


def check_power_of_two(kind: str, points: int) -> None:
    """Refuse a Sobol' sequence that is not balanced."""
    if kind in ("sobol", "saltelli") and points & (points - 1):
        low = 2 ** (points.bit_length() - 1)
        raise problem(
            f"must be a power of two for {kind}: others leave some ranges with more points than the rest",
            where="points",
            value=points,
            hint=f"take {low} or {2 * low}; latin and random take any number",
        )


class SweepRace(Part):
    """A grid, or points drawn, of which those that are clearly off the front get few replicates."""

    kind: Literal["race"]
    axes: Axes = Field(default_factory=dict)
    also: Annotated[tuple[Axes, ...], Field(description="further grids, each beside the first")] = ()
    levels: bounded(  # type: ignore[valid-type]
        int, 2, 10_000, "values taken from an interval(...)"
    ) = 5
    design: one_of(  # type: ignore[valid-type]
        ("grid", "random", "latin", "sobol"), "how the points come from the axes"
    ) = "grid"
    points: bounded(  # type: ignore[valid-type]
        int, 1, POINTS_MAX, "drawn, unless the design is a grid"
    ) = 64
    seed: bounded(int, 0, 2**32 - 1, "of the design") = 1  # type: ignore[valid-type]
    first: bounded(  # type: ignore[valid-type]
        int,
        2,
        100_000,
        "replicates of the first round; null = 4, or fewer where there are few",
        optional=True,
    ) = None
    growth: bounded(  # type: ignore[valid-type]
        float, 1.01, 10, "replicates of a point after a round / before it"
    ) = 1.5
    error: bounded(  # type: ignore[valid-type]
        float, 1e-9, 0.5, "chance that a member of the front is dropped, at most"
    ) = 0.05
    lanes: bounded(  # type: ignore[valid-type]
        int, 1, 10**12, "budget: no round begins that would exceed it; null = none", optional=True
    ) = None

    @model_validator(mode="after")
    def check_design(self) -> Any:
        """What belongs to points that are drawn is not given for a grid."""
        check_power_of_two(self.design, self.points)
        given = [name for name in ("points", "seed") if name in self.model_fields_set]
        if self.design == "grid" and given:
            raise problem(
                "has no meaning for a grid",
                where=given[0],
                value=getattr(self, given[0]),
                hint="add sweep.design=sobol, latin or random to draw points",
            )
        return self


class SweepSearch(Part):
    """Points that an optimiser proposes, batch by batch, to find the front."""

    kind: Literal["search"]
    axes: Axes = Field(default_factory=dict)
    also: Annotated[tuple[Axes, ...], Field(description="further grids, beside the points searched")] = ()
    levels: bounded(  # type: ignore[valid-type]
        int, 2, 10_000, "values taken from an interval(...) in `also`"
    ) = 5
    points: bounded(  # type: ignore[valid-type]
        int, 2, SEARCHED_MAX, "that are simulated, all different; `also` and the baseline are beside them"
    ) = 64
    batch: bounded(  # type: ignore[valid-type]
        int, 2, 4096, "points proposed at a time: a generation"
    ) = 16
    sampler: one_of(("tpe", "nsgaii"), "the optimiser, of Optuna") = "tpe"  # type: ignore[valid-type]
    seed: bounded(int, 0, 2**32 - 1, "of the optimiser") = 1  # type: ignore[valid-type]


SweepPart = Annotated[SweepGrid | SweepSampled | SweepRace | SweepSearch, Field(discriminator="kind")]
