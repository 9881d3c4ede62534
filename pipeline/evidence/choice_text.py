"""What a choice by the study's objective found, and the flags for `erl`, in words."""

from collections.abc import Mapping
from typing import Any

import sim
from pipeline.config.erl_flags import flag_line, full_line
from pipeline.evidence.choice import Change, Choice

NO_FLAGS = "none needed (erl as it comes)"
NO_SUCH_FLAGS = "none beside the binding"
UNBOUND_NOTE = "+sbt is left out: the schedulers stand as the group binding says"


def choice_sentence(choice: Choice, objective: Mapping[str, Any], best: str) -> str:
    """The gain with its interval, and what it was estimated on; `best` names the point that looked best."""
    metric = plain_metric(objective["metric"])
    if choice.verdict == "few":
        return f"no estimate of the {metric}: it takes 4 replicates or more, with a value in each"
    if choice.verdict == "allowed" and choice.gain is None:
        return f"no estimate of the {metric}: it takes 4 replicates or more, with a value in each"
    tied = f"; a tie within noise with {choice.tied} other setting" if choice.tied else ""
    tied += "s" * (choice.tied > 1)
    if choice.gain is None:
        return f"none of {choice.tried} other settings had a better {metric}{tied}"
    kept = "" if choice.kept is None else f"; {plain_metric(objective['keep'])} {change_text(choice.kept)}"
    halves = (
        f"chosen among {choice.tried + 1} settings on {choice.chosen_by} replicates, estimated on "
        f"{choice.estimated_by} others, paired"
    )
    text = f"{metric} {change_text(choice.gain)}{kept} ({halves})"
    if choice.verdict in ("better", "allowed"):
        return f"against the baseline: {text}{tied}"
    why = "that is noise" if choice.gain.low <= 0 else f"{plain_metric(objective['keep'])} pays for it"
    return f"{best} looked best, but {why}: {text}"


def plain_metric(name: str) -> str:
    """A metric in plain words: p99 of slowdown is `slowdown p99`."""
    return name.removesuffix("_ns").removesuffix("_per_s").replace("_", " ")


def change_text(change: Change) -> str:
    """A change in per cent of the baseline, and the interval of the gain."""
    side = "better" if change.mean >= 0 else "worse"
    low, high = percent(change.low), percent(change.high)
    return f"{percent(abs(change.mean))} {side} (95 % interval of the gain {low} to {high})"


def percent(share: float) -> str:
    """A share in per cent, with two decimals where one would tell nothing."""
    return f"{100 * share:.1f} %" if abs(share) >= 0.01 else f"{100 * share:.2f} %"


def short_flags(flags: sim.Erts) -> str:
    """The flags that `erl` needs, or that it needs none."""
    return flag_line(flags) or (NO_FLAGS if flags.sbt is not None else NO_SUCH_FLAGS)


def flags_text(flags: sim.Erts) -> str:
    """The flags that `erl` needs, and all of them."""
    note = f"; {UNBOUND_NOTE}" if flags.sbt is None else ""
    return f"{short_flags(flags)}   (all: {full_line(flags)}{note})"


def flags_file(flags: sim.Erts, found: str, sentence: str) -> str:
    """The text of `erl_flags.txt`, which `erl -args_file` and a release's vm.args take as it is."""
    lines = [f"# Flags for erl, {found}."]
    lines += [f"# {sentence}."] if sentence else []
    lines += [f"# {UNBOUND_NOTE}."] if flags.sbt is None else []
    lines += [
        f"# All of them: {full_line(flags)}",
        "# Use: erl -args_file erl_flags.txt, or copy to vm.args.",
    ]
    lines.append(flag_line(flags) or f"# Flags: {short_flags(flags)}")
    return "\n".join(lines) + "\n"
