"""`points.parquet`: what each point number means, as columns that people group, filter and plot by."""

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from pipeline.config.schema import LABELS


def points_table(points: Sequence[Any], axes: Sequence[str]) -> pl.DataFrame:
    """A row a point: number, baseline mark, labels, axes, and every scalar of the policy.

    Policy parameters stand under plain dotted names (`policy.threshold_factor`). A column is whole,
    decimal, true/false or text for all points; "no limit" is null.

    Parameters
    ----------
    points : grid.Point, in order of their numbers
    axes   : names of the swept keys
    """
    labels = sorted({name for point in points for name in point.labels}, key=label_order)
    rows = []
    for number, point in enumerate(points):
        policy = flatten(point.config.policy.model_dump(mode="json"), "policy")
        policy.pop("policy.name", None)
        swept = {axis: point.axes.get(axis) for axis in axes if axis not in labels}
        rows.append(
            {"point": number, "baseline": number == point.baseline_index}
            | {name: point.labels.get(name) for name in labels}
            | policy
            | swept
        )
    first = ["point", "baseline", *labels, *(axis for axis in axes if axis not in labels)]
    rest = sorted({name for row in rows for name in row} - set(first))
    columns = [column(name, [row.get(name) for row in rows]) for name in (*first, *rest)]
    return pl.DataFrame(columns).with_columns(pl.col("point").cast(pl.Int32))


def label_order(name: str) -> tuple[int, str]:
    """The groups' labels first, in their order; others by name."""
    return (LABELS.index(name) if name in LABELS else len(LABELS), name)


def flatten(value: Mapping[str, Any], prefix: str) -> dict[str, Any]:
    """Scalars of nested maps under dotted names; lists are written as text."""
    flat: dict[str, Any] = {}
    for key, item in value.items():
        name = f"{prefix}.{key}"
        if isinstance(item, Mapping):
            flat |= flatten(item, name)
        else:
            flat[name] = str(item) if isinstance(item, (list, tuple)) else item
    return flat


def column(name: str, values: Sequence[Any]) -> pl.Series:
    """A column of the narrowest type that holds all values; decimal if all are null."""
    kinds = {type(value) for value in values if value is not None}
    if kinds == {bool}:
        return pl.Series(name, values, dtype=pl.Boolean)
    if kinds == {int}:
        return pl.Series(name, values, dtype=pl.Int64)
    if kinds <= {int, float}:
        decimals = [None if value is None else float(value) for value in values]
        return pl.Series(name, decimals, dtype=pl.Float64)
    texts = [None if value is None else str(value) for value in values]
    return pl.Series(name, texts, dtype=pl.String)
