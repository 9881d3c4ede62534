"""The policy file of a recommended setting: where it comes from, what to expect of it, then the policy."""

from collections.abc import Mapping
from typing import Any

import polars as pl
import yaml

from pipeline.config.schema_front import OBJECTIVES
from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.choice_text import flags_text
from pipeline.evidence.point_names import twins_text
from pipeline.evidence.recommend import RULES, Recommendation, weights_text
from pipeline.plain import number

EXPECTED = (*OBJECTIVES, "wasted_core_share", "slowdown_p99", "throughput_per_s")


def policy_file(run: RunTables, summary: pl.DataFrame, chosen: Recommendation) -> str:
    """The text of a policy file: where it comes from, what to expect of it, then the policy."""
    row = summary.row(by_predicate=pl.col("point") == chosen.point, named=True)
    study, key = run.manifest.get("study", "study"), run.manifest.get("run_key", run.folder.name)
    lines = [
        f"Recommended by Coreshift for {chosen.title}: study {study}, run {key}, point {chosen.point}.",
        f"Why: {RULES[chosen.rule]}{weights_text(run, chosen)}.",
    ]
    if not is_default(run):
        lines.append(f"Trade-off: {' against '.join(run.goals.objectives)}.")
    if chosen.constraints:
        lines.append(f"Constraints: {chosen.constraint_text}.")
    if chosen.doubts:
        lines.append(f"Doubt: {chosen.doubts}.")
    if chosen.twins:
        lines.append(f"Tie: {twins_text(chosen.twins, 5)}.")
    if chosen.sentence:
        lines.append(f"Gain: {chosen.sentence}.")
    if chosen.flags is not None:
        lines.append(f"Flags: {flags_text(chosen.flags)}")
    expected = dict.fromkeys((*run.goals.metrics, *EXPECTED))
    lines += [f"Expect {expectation(row, name)}" for name in expected if f"{name}_mean" in row]
    lines += [
        f"Once:   {chosen.command}",
        "Keep:   copy this file to conf/policy/<name>.yaml, then use policy=<name>",
    ]
    body = yaml.safe_dump(chosen.policy, sort_keys=False, default_flow_style=False, width=100)
    return "".join(f"# {line}\n" for line in lines) + body


def is_default(run: RunTables) -> bool:
    """Whether the objectives are those that a study has by itself."""
    return run.goals.objectives == OBJECTIVES


def expectation(row: Mapping[str, Any], name: str) -> str:
    """One metric of the recommended point, with its interval and its difference from baseline."""
    mean, low, high = row[f"{name}_mean"], row.get(f"{name}_low"), row.get(f"{name}_high")
    text = f"{name} {number(mean)}"
    if low is not None and high is not None:
        text += f" (95 % interval {number(low)} to {number(high)})"
    difference = row.get(f"{name}_diff")
    if difference is not None and row.get("baseline_point") != row["point"]:
        text += f", {number(difference, sign=True)} against the baseline"
    return text
