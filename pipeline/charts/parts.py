"""What all charts share: names, units and number formats of metrics and axes, and colours."""

import math
from typing import Any

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

# With a shape and a dash for each colour: told apart in grey print too.
POLICY_SHAPES = [
    "circle", "square", "triangle-up", "diamond", "triangle-down", "cross", "triangle-right",
    "triangle-left", "stroke",
]  # fmt: skip
DASHES: list[tuple[int, ...]] = [(1, 0), (6, 3), (2, 2), (10, 3, 2, 3), (12, 4), (4, 2, 1, 2), (1, 3)]
# From dark to light, so that neighbours in a stack differ in grey too.
STACK_COLOURS = ["#1B2A49", "#0072B2", "#D55E00", "#56B4E9", "#F0C94A", "#E3E3E3"]


def metric_title(name: str) -> str:
    """A metric's name and unit for an axis."""
    known = getattr(sim, "METRICS", {}).get(name)
    text = name.removesuffix("_ns").removesuffix("_per_s").removesuffix("_j").replace("_", " ")
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


def extent(values: pl.Series) -> tuple[float, float]:
    """The least and the greatest of some numbers, without null and NaN; (0, 0) if there are none."""
    known = values.cast(pl.Float64).drop_nulls().drop_nans().to_numpy()
    return (float(known.min()), float(known.max())) if known.size else (0.0, 0.0)


def value_frame(rows: pl.DataFrame, metric: str, name: str) -> list[pl.Expr]:
    """Mean and interval of a metric as columns `name`, `name_low`, `name_high`, in shown units."""
    scale = metric_scale(metric)
    mean = pl.col(f"{metric}_mean") * scale
    return [
        mean.alias(name),
        (pl.col(f"{metric}_low") * scale).fill_null(mean).alias(f"{name}_low"),
        (pl.col(f"{metric}_high") * scale).fill_null(mean).alias(f"{name}_high"),
    ]


def axis_label(value: float | None) -> str:
    """A swept value in words."""
    if value is None:
        return "no limit"
    return plain(value) if abs(value) < 1000 or math.isinf(value) else f"{value / 1000:g}k"


def axis_order(rows: pl.DataFrame, axis: str) -> list[str]:
    """Labels of an axis from its least value to its greatest, no limit last."""
    return [axis_label(v) for v in rows[axis].unique().sort(nulls_last=True)]
