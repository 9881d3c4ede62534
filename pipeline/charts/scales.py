"""Scales and ticks of a swept axis."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt


def axis_field(values: Sequence[float | None]) -> tuple[str, Any]:
    """Type and scale of a swept axis: logarithmic if all values are finite and positive.

    A null (no limit) or infinite value has no place on a number line: then the axis is ordinal.
    """
    numbers = [v for v in values if v is not None]
    if not numbers or len(numbers) < len(values) or not all(math.isfinite(v) for v in numbers):
        return "O", alt.Undefined
    if min(numbers) > 0 and max(numbers) / min(numbers) >= 8:
        return "Q", alt.Scale(type="log", nice=False)
    return "Q", alt.Scale(zero=False, nice=False)


def axis_ticks(kind: str, values: Sequence[float]) -> Any:
    """Ticks at the values that were simulated, when they are few."""
    few = kind == "Q" and len(values) <= 12
    return alt.Axis(values=list(values), format="~g", labelAngle=0) if few else alt.Axis(labelAngle=0)
