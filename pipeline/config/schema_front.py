"""What a study wants: the objectives of its front, constraints, weights, or one metric to choose by."""

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

import sim
from pipeline.config.conditions import Column, Condition, parse_conditions
from pipeline.config.schema_spec import Part, bounded, problem
from pipeline.errors import UserError, did_you_mean

OBJECTIVES = ("load_imbalance", "migration_overhead_share")


def check_better(value: Any) -> Any:
    """Refuse what is no metric, or one of which neither side is better."""
    known = [name for name, metric in sim.METRICS.items() if metric.better]
    if value not in known:
        hint = did_you_mean(value, known) or "see sim/REFERENCE.md, such as slowdown_p99 or throughput_per_s"
        raise problem("must be a metric of which more or less is better", value=value, hint=hint)
    return value


def check_kept(value: Any) -> Any:
    """As `check_better`, or nothing."""
    return None if value is None else check_better(value)


class Objective(Part):
    """One metric to choose a setting by, instead of the knee of the front (`pipeline/evidence/choice.py`)."""

    metric: Annotated[str, BeforeValidator(check_better), Field(description="chosen by")] = "slowdown_p99"
    keep: Annotated[
        str | None, BeforeValidator(check_kept), Field(description="what may not get worse; null = nothing")
    ] = "throughput_per_s"
    tolerance: bounded(  # type: ignore[valid-type]
        float, 0, 1, "share of the baseline's by which `keep` may be worse"
    ) = 0.01


def check_objectives(value: Any) -> Any:
    """Two or three different metrics."""
    names = value.replace(",", " ").split() if isinstance(value, str) else value
    if (
        not isinstance(names, (list, tuple))
        or len(names) not in (2, 3)
        or len({*map(str, names)}) < len(names)
    ):
        raise problem("must be two or three different metrics", value=value, hint=f"as in {list(OBJECTIVES)}")
    return tuple(check_better(name) for name in names)


def check_weights(value: Any) -> Any:
    """Objective -> how much it counts."""
    if value is None:
        return None
    if not isinstance(value, Mapping) or not value:
        raise problem("must be null, or objectives with their weights", value=value,
                      hint="as in {load_imbalance: 2, migration_overhead_share: 1}")  # fmt: skip
    for name, weight in value.items():
        number = not isinstance(weight, bool) and isinstance(weight, (int, float))
        if not number or not 0 < weight < math.inf:
            raise problem("must be a number above 0", where=str(name), value=weight)
    return {str(name): float(weight) for name, weight in value.items()}


def check_constraints(value: Any) -> Any:
    """Conditions that a recommended setting must meet, put into one spelling: slowdown_p99 <= 3."""
    texts = [value] if isinstance(value, str) else [] if value is None else value
    if not isinstance(texts, (list, tuple)) or not all(isinstance(text, str) for text in texts):
        raise problem("must be conditions on metrics", value=value, hint='as in ["slowdown_p99 <= 3"]')
    return tuple(f"{c.column.name} {c.sign} {c.value!r}" for text in texts for c in read_constraints(text))


def read_constraints(text: str) -> list[Condition]:
    """Conditions on means of metrics; raises a validation error naming what is wrong."""
    columns = [Column(name, f"{name}_mean", is_metric=True) for name in sim.METRICS]
    try:
        found = parse_conditions(text, columns)
    except UserError as error:
        raise problem(error.message, value=text, hint=error.hint) from None
    for one in found:
        if one.sign not in ("<=", ">=", "<", ">") or not isinstance(one.value, float):
            raise problem("must compare a metric with a number by <=, >=, < or >", value=text)
        if not math.isfinite(one.value):
            raise problem("must compare with a finite number", value=text)
    return found


class Front(Part):
    """The trade-off that is looked for: the objectives, what is not allowed, and what counts how much."""

    objectives: Annotated[
        tuple[str, ...],
        BeforeValidator(check_objectives),
        Field(description="two or three metrics to trade off"),
    ] = OBJECTIVES
    weights: Annotated[
        dict[str, float] | None,
        BeforeValidator(check_weights),
        Field(description="objective -> weight: the least weighted sum is chosen; null = the knee"),
    ] = None
    constraints: Annotated[
        tuple[str, ...],
        BeforeValidator(check_constraints),
        Field(description="what a recommended setting must meet, as in slowdown_p99 <= 3"),
    ] = ()

    @model_validator(mode="after")
    def check_names(self) -> Any:
        """Weights are of the objectives."""
        for name in self.weights or {}:
            if name not in self.objectives:
                hint = (
                    did_you_mean(name, self.objectives) or f"the objectives are {', '.join(self.objectives)}"
                )
                raise problem("must be one of the objectives", where="weights", value=name, hint=hint)
        return self
