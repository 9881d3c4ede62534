"""How to get a report's numbers again, and with what they were made: all of it from the run's manifest."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from pipeline.evidence.aggregate import RunTables
from pipeline.evidence.rerun import command_line
from pipeline.page.answer import copied
from pipeline.page.asked import facts
from pipeline.page.text import escape, folder_of


def again_part(run: RunTables) -> str:
    """Commands, versions and digests."""
    manifest = run.manifest
    folder = folder_of(run)
    command = manifest.get("command")
    parts = []
    if isinstance(command, Sequence) and not isinstance(command, str):
        parts.append(
            ("The study again (the same folder, the same bytes):", command_line([*map(str, command)]))
        )
    parts += [
        ("Checked against this run, from its commit and configuration:",
         command_line(("python", "-m", "pipeline.reproduce", folder))),
        ("This page again, from the tables; with figures= every figure is written as files too:",
         command_line(("python", "-m", "pipeline.report", f"run={folder}", "figures=png,svg"))),
        ("If this is the study that DVC keeps (conf/dvc/params.yaml):", "dvc repro"),
    ]  # fmt: skip
    commands = "".join(
        f"<p>{escape(text)}</p>{copied(f'again-{i}', words)}" for i, (text, words) in enumerate(parts)
    )
    return commands + "<h3>Versions and digests</h3>" + facts(version_facts(manifest)) + whole(manifest)


def version_facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What a reader looks for first."""
    found = {
        "run key": str(manifest.get("run_key")),
        "simulator (digest of its sources)": str(manifest.get("source_digest", "unknown")),
    }
    git = manifest.get("git")
    if isinstance(git, Mapping):
        found["commit"] = str(git.get("commit")) + (", with local changes" if git.get("dirty") else "")
    if manifest.get("python"):
        found["Python"] = str(manifest["python"])
    packages = manifest.get("packages")
    if isinstance(packages, Mapping):
        found["packages"] = ", ".join(f"{name} {version}" for name, version in packages.items())
    machine = manifest.get("machine")
    if isinstance(machine, Mapping):
        found["computed on"] = ", ".join(f"{name} {value}" for name, value in machine.items())
    sessions = manifest.get("sessions")
    if isinstance(sessions, Sequence) and sessions and isinstance(sessions[-1], Mapping):
        found["last session"] = ", ".join(f"{name} {value}" for name, value in sessions[-1].items())
    return found


def whole(manifest: Mapping[str, Any]) -> str:
    """The rest of the manifest, folded away."""
    rest = {key: value for key, value in manifest.items() if key not in ("policies", "baseline_policies")}
    text = json.dumps(rest, indent=1, default=str)
    return f"<details><summary>The manifest (manifest.json)</summary><pre>{escape(text)}</pre></details>"
