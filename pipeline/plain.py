"""Settings, their keys and measured numbers as people write them."""

import math
from typing import Any


def plain(value: Any) -> str:
    """A setting as Hydra reads it: null, true, 2 (not 2.0), 0.25, inf."""
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else f"{value:.12g}"
    return str(value)


def plain_name(key: str) -> str:
    """A dotted key under the plain name that tables, charts and MLflow show it by.

    `policy.limits.core.rate_per_s` is `core_rate_per_s`, `policy.threshold_factor` is
    `threshold_factor`, `workload.load` is `workload_load`.
    """
    return key.removeprefix("policy.").removeprefix("limits.").replace(".", "_")


def number(value: float | None, sign: bool = False) -> str:
    """A number for people: four significant digits, thousands in groups."""
    if value is None or math.isnan(value):
        return "n/a"
    if value and abs(value) >= 1000:
        return f"{value:{'+' if sign else ''},.0f}"
    return f"{value:{'+' if sign else ''}.4g}"
