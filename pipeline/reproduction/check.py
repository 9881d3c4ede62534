"""Whether this working tree is the one that a run was made with: what differs, and what brings it back."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import polars as pl

from pipeline.config.leaves import MISSING
from pipeline.errors import UserError, shorten
from pipeline.evidence.rerun import word_key
from pipeline.place import ROOT
from pipeline.reproduction.find import Recorded
from pipeline.run.inputs import input_digests
from pipeline.run.lanes import LanePlan
from pipeline.run.manifest import PACKAGES, git_output, git_state, installed, run_key
from pipeline.run.points import points_table
from pipeline.run.tables import FORMAT_VERSION

# Where a study runs and goes does not change what comes out.
PLACES = ("cluster", "tracking", "outputs", "output", "resume", "debug")
DIGITS = 12
SHOWN = 8


@dataclass(frozen=True)
class Check:
    """One thing that was compared.

    name     : what
    same     : whether it is as it was recorded
    decides  : whether the tables can differ if it is not
    recorded : how it was
    here     : how it is in this working tree
    advice   : what to do about a difference; "" if there is nothing to do
    """

    name: str
    same: bool
    decides: bool
    recorded: str
    here: str
    advice: str = ""


def study_words(recorded: Recorded) -> list[str]:
    """The words of the sweep's command that say what is studied.

    Raises
    ------
    UserError if the manifest has no command of a sweep
    """
    command = [str(word) for word in recorded.manifest.get("command") or ()]
    if "pipeline.sweep" not in command:
        given = " ".join(command) or "none"
        raise UserError(
            f"{recorded.origin}: its manifest names no sweep that made it (command: {given})",
            "only runs of python -m pipeline.sweep can be made again",
        )
    words = command[command.index("pipeline.sweep") + 1 :]
    return [w for w in words if "=" in w and word_key(w).split(".")[0] not in PLACES]


def commit_of(recorded: Recorded) -> str:
    """The commit that a run was made with; "" if it was made outside a repository."""
    return str((recorded.manifest.get("git") or {}).get("commit") or "")


def check_all(recorded: Recorded, study: Any, plan: LanePlan) -> list[Check]:
    """Compare commit, simulator, packages, settings and inputs.

    Parameters
    ----------
    study : grid.Study that the recorded command gives here, now
    plan  : its lanes
    """
    checks = [check_commit(recorded), check_simulator(recorded, plan.source_digest)]
    checks += check_packages(recorded)
    if recorded.table_format not in (None, FORMAT_VERSION):
        formats = (str(recorded.table_format), str(FORMAT_VERSION))
        advice = f"git checkout {commit_of(recorded)}"
        return [*checks, Check("format of the tables", False, True, *formats, advice)]
    stated = str(recorded.manifest.get("source_digest", ""))
    if run_key(plan.contents(), stated) == recorded.key:
        return [*checks, Check("settings and inputs", True, True, recorded.key, recorded.key)]
    return [*checks, *check_settings(recorded, study)]


def check_commit(recorded: Recorded) -> Check:
    """The commit, and whether files differed from it; the simulator's own digest is what decides."""
    then, now = recorded.manifest.get("git") or {}, git_state(ROOT) or {}
    commit = commit_of(recorded)
    same = bool(commit) and commit == now.get("commit") and not then.get("dirty") and not now.get("dirty")
    is_other = commit != now.get("commit")
    steps = ["git stash"] if now.get("dirty") and (is_other or not then.get("dirty")) else []
    if commit and is_other:
        known = git_output(ROOT, "cat-file", "-t", commit) == "commit"
        steps += [*([] if known else ["git fetch --all"]), f"git checkout {commit}"]
    advice = "; ".join(steps)
    if then.get("dirty"):
        advice += " (made with uncommitted changes, which no commit has)"
    return Check(
        "commit", same, False, commit_text(then), commit_text(now), advice.strip() if not same else ""
    )


def commit_text(git: Mapping[str, Any]) -> str:
    """A commit for people."""
    if not git.get("commit"):
        return "unknown"
    return f"{str(git['commit'])[:DIGITS]}{' with uncommitted changes' if git.get('dirty') else ''}"


def check_simulator(recorded: Recorded, digest: str) -> Check:
    """The digest of the simulator's sources."""
    stated = str(recorded.manifest.get("source_digest", ""))
    commit = commit_of(recorded)
    advice = f"git checkout {commit}" if commit else "find the version that recorded it: no commit is known"
    short = (stated[:DIGITS] or "unknown", digest[:DIGITS])
    return Check("simulator", stated == digest, True, *short, advice if stated != digest else "")


def check_packages(recorded: Recorded) -> Iterator[Check]:
    """Versions of packages; the tables depend on few of them, and seldom."""
    stated = recorded.manifest.get("packages") or {}
    now = {name: installed(name) for name in PACKAGES if name != "coreshift"}
    other = [name for name in now if name in stated and stated[name] != now[name]]
    if other:
        then = ", ".join(f"{name} {stated[name]}" for name in other)
        here = ", ".join(f"{name} {now[name] or 'missing'}" for name in other)
        commit = commit_of(recorded)
        back = f"git checkout {commit} -- requirements.lock; " if commit else ""
        yield Check("packages", False, False, then, here, f"{back}make setup")
    elif stated:
        yield Check("packages", True, False, "as locked", "as recorded")


# --- settings and inputs --------------------------------------------------------------------------


def check_settings(recorded: Recorded, study: Any) -> list[Check]:
    """What it is that differs, once it is known that something does."""
    found = [*differing_inputs(recorded, study), *differing_config(recorded, study)]
    found += differing_points(recorded, study)
    if not found:
        files = ", ".join(input_digests(study.points))
        what = f"the content of {files}" if files else "a file of conf/ that a point takes its settings from"
        found = [Check("settings and inputs", False, True, recorded.key, f"differ: {what}")]
    commit = commit_of(recorded)
    advice = f"git diff {commit} -- conf; git checkout {commit} -- conf" if commit else ""
    return [check if check.advice else replace_advice(check, advice) for check in found]


def replace_advice(check: Check, advice: str) -> Check:
    """A check with the advice that fits all of them."""
    return Check(check.name, check.same, check.decides, check.recorded, check.here, advice)


def differing_inputs(recorded: Recorded, study: Any) -> Iterator[Check]:
    """Machines and traces with another content than recorded, where the manifest has their digests."""
    stated = recorded.manifest.get("inputs")
    if not isinstance(stated, Mapping):
        return
    now = input_digests(study.points)
    for name in sorted({*stated, *now}):
        then, here = str(stated.get(name, "")), now.get(name, "")
        if then != here:
            advice = f"bring the file back as it was, with digest {then}" if then else ""
            shown = (then[:DIGITS] or "not used", here[:DIGITS] or "not used")
            yield Check(name, False, True, *shown, advice)


def differing_config(recorded: Recorded, study: Any) -> Iterator[Check]:
    """Keys of the base configuration with another value."""
    then = flat(recorded.config)
    here = flat(study.config.model_dump(mode="json"))
    keys = [k for k in {**then, **here} if k.split(".")[0] not in (*PLACES, "study")]
    for key in keys:
        before, now = then.get(key, MISSING), here.get(key, MISSING)
        if before != now:
            yield Check(key, False, True, value_text(before), value_text(now))


def value_text(value: Any) -> str:
    """A setting's value for people."""
    return "not there" if value is MISSING else shorten(value)


def flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Leaves of nested maps under dotted keys."""
    if not isinstance(value, Mapping):
        return {prefix: value}
    found: dict[str, Any] = {}
    for key, item in value.items():
        found |= flat(item, f"{prefix}.{key}" if prefix else str(key))
    return found


def differing_points(recorded: Recorded, study: Any) -> Iterator[Check]:
    """Points with another setting, where the table of points is at hand."""
    manifest = recorded.manifest
    counts = {"points": len(study.points), "replicates": study.replicates, "seed": study.seed}
    if study.search is not None:
        # The points behind its first batch are known when it has run again.
        counts.pop("points")
    for name, here in counts.items():
        if name in manifest and manifest[name] != here:
            yield Check(name, False, True, str(manifest[name]), str(here))
    if recorded.folder is None or manifest.get("points") != len(study.points):
        return
    then = pl.read_parquet(recorded.folder / "points.parquet").sort("point")
    now = points_table(study.points, study.axes)
    differ = sorted(set(then.columns) ^ set(now.columns))
    if differ:
        yield Check(
            "columns of the points", False, True, str(then.width), f"{now.width}: {list_text(differ)}"
        )
    for name in (name for name in then.columns if name in now.columns):
        before, after = then[name].to_list(), now[name].to_list()
        places = [i for i, (a, b) in enumerate(zip(before, after, strict=True)) if a != b]
        if places:
            at = places[0]
            where = f"{len(places)} points, first {at}"
            yield Check(name, False, True, value_text(before[at]), f"{value_text(after[at])} ({where})")


def list_text(names: Sequence[str]) -> str:
    """Some names, and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
