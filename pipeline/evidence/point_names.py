"""What points and sweeps are called: a mark for their part in the answer, then a few words of settings."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.config.erl_flags import FIELDS, PREFIX
from pipeline.evidence.aggregate import RunTables, is_policy_key
from pipeline.evidence.rerun import has_value
from pipeline.plain import plain, plain_name

# In this order: a point that is several of them is named by the first.
ROLES = {"recommended": "★", "baseline": "◆", "failed": "✗", "infeasible": "▽", "front": "●", "off": "○"}
ROLE_TEXTS = {
    "recommended": "recommended", "baseline": "the baseline", "failed": "no lane completed",
    "infeasible": "breaks a constraint", "front": "on the Pareto front", "off": "off the front",
}  # fmt: skip
SHORT = {
    "threshold_factor": "×", "system_rate_per_s": "system ", "core_rate_per_s": "core ",
    "process_min_interval_ns": "gap ", "burst_capacity": "burst ",
}  # fmt: skip
UNITS = {"_per_s": "/s", "_ns": "ns"}
COUNTED = 10_000
TIMES = ((1e9, "s"), (1e6, "ms"), (1e3, "µs"))
COUNTS = ((1e9, "G"), (1e6, "M"), (1e3, "k"))
# What says nothing without the other.
NEEDS = {"policy.limits.burst.refill_per_s": "policy.limits.burst.capacity"}
LABELS_SHOWN = 2
PLURALS = {"topology": "topologies", "workload": "workloads"}


def role_of(row: Mapping[str, Any]) -> str:
    """A point's part in the answer: a key of ROLES."""
    holds = {
        "recommended": row.get("recommended"),
        "baseline": row.get("baseline"),
        "failed": not row.get("replicate_count"),
        "infeasible": row.get("feasible") is False,
        "front": row.get("pareto"),
    }
    return next((role for role, is_one in holds.items() if is_one), "off")


def child_name(run: RunTables, row: Mapping[str, Any]) -> str:
    """A point's name: mark, the swept values that it has in few characters, then the policy.

    The table cuts long names, so what tells points apart stands first.
    """
    own = [setting_word(axis, row[axis]) for axis in run.axes if is_named(axis, row)]
    own.append(str(row["policy"]) if row.get("policy") is not None else f"point {row['point']}")
    cells = [plain(row[k]) for k in PLURALS if run.points[k].n_unique() > 1 and row.get(k) is not None]
    return " ".join([ROLES[role_of(row)], *own, *([f"({', '.join(cells)})"] if cells else [])])


def twins_text(points: Sequence[int], most: int | None = None) -> str:
    """Which other points gave the same, at most so many by number."""
    what = "1 other setting" if len(points) == 1 else f"{len(points)} other settings"
    named = ", ".join(map(str, points[:most])) + (", .." if len(points[:most]) < len(points) else "")
    return f"{what} gave exactly this: point{'' if len(points) == 1 else 's'} {named}"


def setting_of(run: RunTables, row: Mapping[str, Any]) -> str:
    """A point's setting in a sentence: the policy, and the swept values that say something."""
    words = [str(row["policy"])] if row.get("policy") is not None else []
    return ", ".join([*words, *[f"{plain_name(a)} {plain(row[a])}" for a in run.axes if is_named(a, row)]])


def is_named(axis: str, row: Mapping[str, Any]) -> bool:
    """Whether a swept value says something about a point: a limit that is not set, or 0, does not."""
    value = row[axis]
    if value is None or axis in ("policy", "topology", "workload") or not has_value(axis, value):
        return False
    is_off = axis.startswith("policy.limits.") and not value
    return not is_off and (axis not in NEEDS or row.get(NEEDS[axis]) is not None)


def setting_word(axis: str, value: Any) -> str:
    """One setting: ×0.5, system 6M/s, gap 100µs, +swt low, workload_load 0.8."""
    if axis.removeprefix(PREFIX) in FIELDS and axis.startswith(PREFIX):
        return f"+{axis.removeprefix(PREFIX)} {plain(value)}"
    name = plain_name(axis)
    ending = next((e for e in UNITS if name.endswith(e)), "")
    start = SHORT.get(name, f"{name.removesuffix(ending)} " if is_policy_key(axis) else f"{name} ")
    return start + short_value(value, UNITS.get(ending, ""))


def short_value(value: Any, unit: str = "") -> str:
    """A value in few characters: 6M/s, 100µs, 1024, 0.25."""
    if isinstance(value, (str, bool)) or not math.isfinite(value):
        return f"{plain(value)}{unit}"
    if unit == "ns":
        size, letter = next(((s, u) for s, u in TIMES if s <= abs(value)), (1.0, unit if value else ""))
        return f"{value / size:.4g}{letter}"
    size, letter = next(((s, u) for s, u in COUNTS if max(s, COUNTED) <= abs(value)), (1.0, ""))
    return f"{plain(float(value)) if size == 1.0 else f'{value / size:.4g}'}{letter}{unit}"


def sweep_name(run: RunTables, run_key: str) -> str:
    """A sweep's name: its run key, and what was studied."""
    found = []
    for label, many in PLURALS.items():
        names = run.points[label].unique(maintain_order=True).drop_nulls().to_list()
        found.append(", ".join(names) if len(names) <= LABELS_SHOWN else f"{len(names)} {many}")
    return f"sweep {run_key[:8]}: {' under '.join(name for name in found if name)}"
