"""What all charts share: names, units and number formats of metrics and axes, and colours."""

import math
from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

import sim
from pipeline.plain import plain

# Okabe-Ito colours: told apart with every kind of colour vision.
RED, BLUE, INK, MUTED = "#D55E00", "#0072B2", "#222222", "#9a9a9a"
POLICY_COLOURS = [
    BLUE,
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
    "#8C6D31",
    "#7F7F7F",
    "#B5A900",
]


def metric_title(name: str) -> str:
    """A metric's name and unit for an axis."""
    known = getattr(sim, "METRICS", {}).get(name)
    text = name.removesuffix("_ns").removesuffix("_per_s").replace("_", " ")
    if name.endswith("_ns"):
        return f"{text} (µs)"
    if name.endswith("_per_s"):
        return f"{text} (1/s)"
    unit = getattr(known, "unit", "") or ""
    return f"{text} ({unit})" if unit not in ("", "1") and not is_share(name) else text


def is_share(name: str) -> bool:
    """Whether a metric lies between 0 and 1, and reads best in per cent."""
    return name.endswith(("_share", "hit_rate", "success_rate")) or name in (
        "load_imbalance", "load_balance", "utilisation",
    )  # fmt: skip


def metric_axis(name: str) -> dict[str, Any]:
    """Number format of a metric's axis."""
    return {"format": "~%"} if is_share(name) else {"format": "~s"}


def metric_scale(name: str) -> float:
    """What a metric is multiplied by to be shown: times are shown in microseconds."""
    return 1e-3 if name.endswith("_ns") else 1.0


def value_frame(rows: pl.DataFrame, metric: str, name: str) -> list[pl.Expr]:
    """Mean and interval of a metric as columns `name`, `name_low`, `name_high`, in shown units."""
    scale = metric_scale(metric)
    mean = pl.col(f"{metric}_mean") * scale
    return [
        mean.alias(name),
        (pl.col(f"{metric}_low") * scale).fill_null(mean).alias(f"{name}_low"),
        (pl.col(f"{metric}_high") * scale).fill_null(mean).alias(f"{name}_high"),
    ]


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


def axis_label(value: float | None) -> str:
    """A swept value in words."""
    if value is None:
        return "no limit"
    return plain(value) if abs(value) < 1000 or math.isinf(value) else f"{value / 1000:g}k"


def axis_order(rows: pl.DataFrame, axis: str) -> list[str]:
    """Labels of an axis from its least value to its greatest, no limit last."""
    return [axis_label(v) for v in rows[axis].unique().sort(nulls_last=True)]


def axis_ticks(kind: str, values: Sequence[float]) -> Any:
    """Ticks at the values that were simulated, when they are few."""
    few = kind == "Q" and len(values) <= 12
    return alt.Axis(values=list(values), format="~g", labelAngle=0) if few else alt.Axis(labelAngle=0)
