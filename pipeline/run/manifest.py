"""What fixes a result (the run key), and where a result came from (the manifest)."""

import hashlib
import importlib.metadata
import json
import os
import platform
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from pipeline.place import ROOT
from pipeline.run.files import write_atomic
from pipeline.run.tables import FORMAT_VERSION

PACKAGES = (
    "coreshift", "numpy", "numba", "llvmlite", "scipy", "polars", "pyarrow", "ray", "hydra-core",
    "omegaconf", "pydantic", "mlflow", "dvc", "altair", "optuna",
)  # fmt: skip
RUN_KEY_LENGTH = 16
SESSIONS_KEPT = 50
GIT_TIMEOUT_S = 10.0


def run_key(contents: Mapping[str, Any], source_digest: str) -> str:
    """The name of a run folder: a digest of everything that fixes the tables, and of nothing else.

    Parameters
    ----------
    contents      : seed, replicates, axes and points; plain data
    source_digest : of the simulator's sources
    """
    everything = {"format": FORMAT_VERSION, "simulator": source_digest, **contents}
    text = json.dumps(everything, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:RUN_KEY_LENGTH]


def environment() -> dict[str, Any]:
    """Versions, git state and machine of this process."""
    return {
        "python": platform.python_version(),
        "packages": {name: version for name in PACKAGES if (version := installed(name))},
        "git": git_state(ROOT),
        "machine": machine(),
    }


def installed(name: str) -> str | None:
    """The version of a package; None if it is not installed."""
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return None


def git_state(root: Path) -> dict[str, Any] | None:
    """Commit of the sources and whether they differ from it; None outside a repository."""
    commit = git_output(root, "rev-parse", "HEAD")
    if commit is None:
        return None
    # Without its optional locks git cannot get in the way of the user's own git commands.
    changes = git_output(root, "status", "--porcelain", "--untracked-files=no")
    return {"commit": commit, "dirty": bool(changes)}


def git_output(root: Path, *arguments: str) -> str | None:
    """What a git command prints; None if there is no git, no repository, or no answer."""
    command = ["git", "--no-optional-locks", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=GIT_TIMEOUT_S, check=False)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def machine() -> dict[str, Any]:
    """The machine that computes, as far as a reader of the tables may care."""
    return {
        "host": socket.gethostname(),
        "system": f"{platform.system()} {platform.release()}",
        "processor": processor_name(),
        "cpus": os.cpu_count(),
        "memory_bytes": psutil.virtual_memory().total,
    }


def processor_name() -> str:
    """The processor's name, where the system tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def write_manifest(folder: Path, facts: Mapping[str, Any]) -> None:
    """Write `manifest.json`; the sessions that came before are kept.

    Sessions hold what a clock measured; nothing in the hashed tables depends on it.
    """
    manifest = {**facts, **environment(), "command": command_of(facts), "sessions": sessions(folder)}
    write_json(folder / "manifest.json", manifest)


def add_session(folder: Path, session: Mapping[str, Any], tables: Mapping[str, str] | None = None) -> None:
    """Append to the manifest what this process computed and how long that took.

    Parameters
    ----------
    tables : SHA-256 of the tables of a run that is finished, should the COMPLETE marker be damaged
    """
    path = folder / "manifest.json"
    manifest = read_manifest(folder)
    if tables:
        manifest["tables"] = dict(tables)
    manifest["sessions"] = [*sessions(folder), dict(session)][-SESSIONS_KEPT:]
    write_json(path, manifest)


def read_manifest(folder: Path) -> dict[str, Any]:
    """What `manifest.json` says."""
    found: dict[str, Any] = json.loads((folder / "manifest.json").read_text())
    return found


def stated_tables(folder: Path) -> dict[str, str]:
    """Tables of a finished run and their SHA-256 as the manifest states; none if it does not."""
    try:
        found = read_manifest(folder).get("tables")
    except (OSError, ValueError, AttributeError):
        return {}
    return {str(k): str(v) for k, v in found.items()} if isinstance(found, dict) else {}


def design_facts(folder: Path) -> dict[str, Any]:
    """What the manifest says of an adaptive design; nothing if there is none, or it cannot be read."""
    try:
        found = read_manifest(folder).get("design")
    except (OSError, ValueError, AttributeError):
        return {}
    return found if isinstance(found, dict) else {}


def sessions(folder: Path) -> list[dict[str, Any]]:
    """The sessions that the manifest lists; none if it cannot be read."""
    try:
        found = read_manifest(folder)["sessions"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
    return list(found) if isinstance(found, list) else []


def command_of(facts: Mapping[str, Any]) -> Sequence[str]:
    """The command of the study; this process's own if the study does not say."""
    given: Sequence[str] | None = facts.get("command")
    return list(given) if given else list(sys.argv)


def write_json(path: Path, value: Any) -> None:
    """Write readable JSON atomically."""
    write_atomic(path, (json.dumps(value, indent=1, default=str) + "\n").encode())
