"""What is installed: Python, packages, Ray, MLflow, DVC, git, the compiled kernels, and optional programs."""

import contextlib
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import secrets
import shutil
import socket
import sqlite3
import sys
import tempfile
import tomllib
from collections.abc import Iterable
from pathlib import Path

from pipeline.checks.machine import SOCKET_BYTES, ray_base
from pipeline.checks.result import (
    MEND,
    OK,
    OPTIONAL,
    WARNING,
    Finding,
    answer_of,
    probe,
    size_text,
)
from pipeline.place import ROOT

PROJECT = "coreshift"
SETUP = "Run make setup (or: pip install -e .)."
RAY_S, MLFLOW_S, LOAD_S, PROGRAM_S = 60.0, 120.0, 90.0, 60.0
COMPILE_TEXT = "about half a minute on one core, once"
PORT = 5000
QUIET = {"DVC_NO_ANALYTICS": "1", "MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}
PROGRAMS = {
    "erl": "only recording a BEAM program needs it (python -m pipeline.trace record)",
    "cc": "only the C tracer of recordings needs it, and calibration of this machine",
    "chromium": "only the tests that look at pages need it",
    "lstopo": "only describing a machine by hwloc needs it (lstopo --of xml machine.xml)",
}
NAMES = {
    "cc": ("cc", "gcc", "clang"),
    "chromium": ("chromium", "chromium-browser", "google-chrome"),
    "lstopo": ("lstopo", "lstopo-no-graphics"),
}


# --- Python and packages --------------------------------------------------------------------------


def declared() -> tuple[str, list[str]]:
    """The Python versions and the packages that the project declares, installed or as a checkout."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        data = importlib.metadata.metadata(PROJECT)
        return data["Requires-Python"] or "", importlib.metadata.requires(PROJECT) or []
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project.get("optional-dependencies", {})
    more = [f"{text}; extra == {name!r}" for name, texts in extras.items() for text in texts]
    return project["requires-python"], [*project["dependencies"], *more]


def python() -> Finding:
    """The interpreter's version."""
    from packaging.specifiers import SpecifierSet

    wanted, _ = declared()
    found = f"{platform.python_version()} ({sys.prefix})"
    if SpecifierSet(wanted).contains(platform.python_version(), prereleases=True):
        return Finding(OK, found)
    return Finding(
        MEND, found, f"Coreshift needs Python {wanted}: make distclean, then make setup PYTHON=..."
    )


def packages() -> Finding:
    """Every package that is needed, in a version that fits."""
    from packaging.requirements import Requirement

    _, texts = declared()
    needed = [one for one in map(Requirement, texts) if one.marker is None or one.marker.evaluate()]
    wrong = [text for one in needed if (text := trouble_of(one.name, one.specifier))]
    if wrong:
        return Finding(MEND, "; ".join(wrong), SETUP)
    return Finding(OK, f"{len(needed)} of {len(needed)} within their ranges")


def trouble_of(name: str, wanted: object) -> str:
    """What is wrong with a package, or ""."""
    from packaging.specifiers import SpecifierSet

    try:
        version = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return f"{name} is not installed"
    fits = SpecifierSet(str(wanted)).contains(version, prereleases=True)
    return "" if fits else f"{name} {version} is not {wanted}"


def textual() -> Finding:
    """The library of the interactive browser."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        return Finding(OK, importlib.metadata.version("textual"))
    return Finding(
        OPTIONAL, "not there", "Browsing in the terminal needs it: pip install 'coreshift[explore]'."
    )


# --- the compiled kernels -------------------------------------------------------------------------


def kernels_of(folder: Path, package: Path) -> list[Path]:
    """The indexes of compiled kernels of a checkout, where Numba keeps them: a folder a source folder."""
    source = str(package / "kernels")
    mark = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return list((folder / f"kernels_{mark}").glob("*.nbi"))


def stale_text(current: Path) -> str:
    """Compiled kernels of other sources, which may be deleted."""
    others = [one for one in current.parent.glob("kernels-*") if one != current]
    files = [file for one in others for file in one.rglob("*") if file.is_file()]
    size = sum(file.stat().st_size for file in files)
    return f"; {len(others)} of other sources ({size_text(size)}) may be deleted" if others else ""


def kernels(*, may_load: bool) -> Finding:
    """Whether the simulator is compiled for these sources, and (unless quick) whether that loads."""
    found = probe("find-kernels", LOAD_S, {})
    if "error" in found:
        return Finding(MEND, f"the simulator cannot be imported: {found['error']}", SETUP)
    folder = Path(found["folder"])
    stale = stale_text(folder)
    if not kernels_of(folder, Path(found["package"])):
        remedy = f"The first run compiles ({COMPILE_TEXT}); make setup does it now."
        return Finding(WARNING, f"none for these sources in {folder.parent}{stale}", remedy)
    if not may_load:
        return Finding(OK, f"compiled{stale}")
    loaded = probe("load-kernels", LOAD_S, {})
    if "late" in loaded:
        remedy = f"Made by another Numba or for another CPU: the next run compiles anew ({COMPILE_TEXT})."
        return Finding(WARNING, f"there, but not loaded within {LOAD_S:.0f} s{stale}", remedy)
    if "error" in loaded:
        return Finding(MEND, f"cannot be loaded: {loaded['error']}", f"Delete {folder}, and run again.")
    return Finding(OK, f"load and run in {loaded['load_s']:.1f} s{stale}")


# --- Ray, MLflow, DVC, git ------------------------------------------------------------------------


def ray() -> Finding:
    """A real start of Ray and one task, in a folder that is deleted afterwards."""
    base = ray_base()
    is_short = len(os.fsencode(base)) < SOCKET_BYTES - 20
    folder = Path(tempfile.mkdtemp(prefix="cs-", dir=base if is_short and base.is_dir() else None))
    try:
        # With a token of its own, none is left in the home folder.
        own = {"RAY_TMPDIR": str(folder), "RAY_AUTH_TOKEN": secrets.token_hex(32)}
        found = probe("ray", RAY_S, own)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    remedy = "Look at memory, home and temporary folder above; cluster=inline runs every study without Ray."
    if "error" in found or found.get("answer") != 42:
        return Finding(MEND, f"a trial failed: {found.get('error', 'wrong answer')}", remedy)
    return Finding(OK, f"started in {found['started_s']:.1f} s, ran a task, and left nothing behind")


def mlflow() -> Finding:
    """A run written to an SQLite database of MLflow, and read back."""
    found = probe("mlflow", MLFLOW_S, QUIET)
    if "error" in found or found.get("answer") != 42.0:
        remedy = f"{SETUP} Without MLflow: tracking=off, and all tables are written all the same."
        return Finding(MEND, f"a trial failed: {found.get('error', 'wrong answer')}", remedy)
    return Finding(OK, f"wrote and read a run in {found['seconds']:.0f} s")


def record(outputs: str) -> Finding:
    """The database that sweeps are recorded in."""
    database = Path(outputs) / "mlflow.db"
    if not database.is_file():
        return Finding(OK, "none yet; the first sweep makes it")
    remedy = f"Move {database} away; python -m pipeline.report run=FOLDER record=true records a run again."
    try:
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
            (count,) = connection.execute("SELECT count(*) FROM runs").fetchone()
    except sqlite3.Error as error:
        return Finding(MEND, f"{database}: {error}", remedy)
    if not os.access(database, os.W_OK):
        return Finding(MEND, f"{database} cannot be written", "Mend its permissions.")
    return Finding(OK, f"{count} runs in {database}, {size_text(database.stat().st_size)}")


def port() -> Finding:
    """The port of `make ui`."""
    with socket.socket() as trial:
        trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            trial.bind(("127.0.0.1", PORT))
        except OSError as error:
            taken = f"{PORT} cannot be used: {error.strerror}"
            return Finding(WARNING, taken, 'make ui takes the next free one, or ARGS="port=...".')
    return Finding(OK, f"{PORT} is free on 127.0.0.1")


def dvc() -> Finding:
    """DVC's version, and whether the folder is set up for it."""
    version = answer_of([sys.executable, "-m", "dvc", "--version"], PROGRAM_S, QUIET)
    if version is None or not re.match(r"\d", version):
        return Finding(MEND, "cannot be run", f"{SETUP} Only make repro needs it.")
    if not (ROOT / "dvc.yaml").is_file():
        return Finding(OPTIONAL, f"{version}, but this is no checkout", "make repro needs a git checkout.")
    if not (ROOT / ".dvc").is_dir():
        return Finding(MEND, f"{version}, but .dvc is missing", f"Run in {ROOT}: git checkout .dvc")
    return Finding(OK, version)


def dvc_state() -> Finding:
    """Whether the study's tables are those of these sources."""
    if not (ROOT / ".dvc").is_dir():
        return Finding(OPTIONAL, "no checkout with DVC")
    text = answer_of([sys.executable, "-m", "dvc", "--cd", str(ROOT), "status", "--json"], PROGRAM_S, QUIET)
    try:
        changed = json.loads(text or "")
    except ValueError:
        remedy = f"Run it yourself: python -m dvc --cd {ROOT} status"
        return Finding(WARNING, f"dvc status failed, or took over {PROGRAM_S:.0f} s", remedy)
    if changed:
        return Finding(OPTIONAL, f"to be rebuilt: {', '.join(changed)}", "make repro rebuilds them.")
    return Finding(OK, "the study's tables are up to date")


def git() -> Finding:
    """git, which says what sources a result came from."""
    version = answer_of(["git", "--version"], PROGRAM_S)
    if version is None:
        return Finding(
            WARNING, "not found", "Install it: results name no commit without it, and DVC needs it."
        )
    commit = answer_of(["git", "-C", str(ROOT), "rev-parse", "--short", "HEAD"], PROGRAM_S)
    number = version.removeprefix("git version ")
    return Finding(OK, f"{number}, at commit {commit}" if commit else f"{number}; not a git checkout")


def program(name: str) -> Finding:
    """An optional program."""
    found = first_on_path(NAMES.get(name, (name,)))
    return Finding(OK, found) if found else Finding(OPTIONAL, "not found", PROGRAMS[name])


def first_on_path(names: Iterable[str]) -> str | None:
    """The path of the first program that is there."""
    return next((found for name in names if (found := shutil.which(name))), None)
