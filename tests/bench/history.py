"""What was measured before: history.json, a list of runs, each with its machine, versions and rows."""

import json
import os
import platform
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

import sim
from tests.bench import plain_c
from tests.bench.row import Row, row_of

FILE = Path(__file__).parent / "history.json"
LIBRARIES = ("coreshift", "numba", "llvmlite", "numpy", "ray", "simpy", "ciw")

Entry = dict[str, Any]


def processor_name() -> str:
    """The processor as the operating system names it."""
    if platform.system() == "Darwin":
        command = ["sysctl", "-n", "machdep.cpu.brand_string"]
        return subprocess.run(command, check=False, capture_output=True, text=True).stdout.strip()
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def version_of(name: str) -> str:
    """Version of an installed package; "" if there is none."""
    try:
        return version(name)
    except ImportError:
        return ""


def entry_of(rows: Sequence[Row], note: str, repetitions: int) -> Entry:
    """A run as it is kept."""
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "note": note,
        "repetitions": repetitions,
        "python": platform.python_version(),
        "versions": {name: version_of(name) for name in LIBRARIES},
        "sources": sim.source_digest()[:16],
        "machine": {
            "processor": processor_name(),
            "cpus": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "compiler": plain_c.compiler_version(),
            "flags": " ".join(plain_c.FLAGS),
        },
        "rows": [row.plain() for row in rows],
    }


def read(path: Path = FILE) -> list[Entry]:
    """Every run, the oldest first.

    Raises
    ------
    ValueError for a file that is no list of runs.
    """
    if not path.exists():
        return []
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
        _ = [row_of(plain) for entry in entries for plain in entry["rows"]]
    except (json.JSONDecodeError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is no history of runs: {error}; restore it from git") from error
    return entries


def append(entry: Entry, path: Path = FILE) -> None:
    """Add a run at the end."""
    entries = [*read(path), entry]
    path.write_text(json.dumps(entries, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def latest(entries: Sequence[Entry], key: str, processor: str) -> tuple[Entry, Row] | None:
    """The newest run that has the row `key`, one on the same processor rather than on another."""
    found = [
        (entry["machine"]["processor"] == processor, index, row_of(plain))
        for index, entry in enumerate(entries)
        for plain in entry["rows"]
        if row_of(plain).key == key
    ]
    if not found:
        return None
    _, index, row = max(found, key=lambda each: each[:2])
    return entries[index], row
