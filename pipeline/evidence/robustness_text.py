"""What the robustness checks found, as data and in words."""

import math
from typing import Any

from pipeline.evidence.regret import Regret
from pipeline.evidence.robustness import COMPROMISE, Robustness, Verdict

DIGITS = 9


def robustness_json(found: Robustness) -> dict[str, Any]:
    """The verdicts as plain data; `best` is the setting with the least worst regret."""
    return {
        "best": None if found.best is None else verdict_json(found.best),
        "settings": [verdict_json(one) for one in found.verdicts],
        "other_seeds": {
            name: {
                "splits": check.splits,
                "same": rounded(check.same),
                "regret": regret_json(check.regret),
            }
            for name, check in found.seeds.items()
        },
        "cells_left_out": found.left_out,
    }


def verdict_json(found: Verdict) -> dict[str, Any]:
    """One setting over all cells."""
    return {
        "setting": found.setting,
        "found_in": list(found.found_in),
        "worst_regret": regret_json(found.worst),
        "worst_in": found.worst_in,
        "feasible": found.feasible,
        "cells": found.cells,
    }


def regret_json(found: Regret) -> dict[str, float | None]:
    """A regret with its interval."""
    return {"value": rounded(found.value), "low": rounded(found.low), "high": rounded(found.high)}


def rounded(value: float) -> float | None:
    """Rounded to what a table keeps; None where there is none."""
    return round(value, DIGITS) if math.isfinite(value) else None


def regret_text(found: Regret) -> str:
    """A regret in hundredths of the front's extent, with its interval."""
    if not math.isfinite(found.value):
        return "n/a"
    if not math.isfinite(found.low) or found.low == found.high:
        return f"{100 * found.value:.1f} %"
    return f"{100 * found.value:.1f} % ({100 * found.low:.1f} to {100 * found.high:.1f})"


def found_in_text(found: Verdict) -> str:
    """Where a setting is the recommended one."""
    if found.found_in == (COMPROMISE,):
        return "nowhere, a compromise"
    return short_title(found.found_in[0]) if len(found.found_in) == 1 else f"{len(found.found_in)} cells"


def short_title(title: str) -> str:
    """A cell's title without the words that say what its first two names are."""
    return title.replace("topology ", "").replace("workload ", "")


def best_sentence(found: Robustness) -> str:
    """The setting with the least worst regret in one sentence; "" with a single cell."""
    best = found.best
    if best is None:
        return ""
    missed = "" if best.feasible else ", though it misses a constraint in some"
    return (
        f"Least worst regret over {best.cells} cells: {best.setting}; at most {regret_text(best.worst)} of "
        f"{found.unit}, for {short_title(best.worst_in)}{missed}"
    )


def seeds_sentence(found: Robustness, title: str) -> str:
    """How often the same setting wins on other seeds; "" where that was not tried."""
    check = found.seeds.get(title)
    if check is None:
        return ""
    return (
        f"chosen on half of the replicates, the other half takes the same setting in {check.same:.0%} of "
        f"{check.splits} splits, and loses {regret_text(check.regret)} of the front's extent by it"
    )
