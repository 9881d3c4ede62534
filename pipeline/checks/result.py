"""What a check of the installation finds, and how a check runs other programs: bounded, and none left behind.

Nothing beyond the standard library is imported here, as these checks are for installations that are broken.
"""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pipeline.place import ROOT

OK, OPTIONAL, WARNING, MEND = "ok", "optional", "warning", "mend"
STOP_S = 5.0


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    state  : ok, optional (not there, and only some features need it), warning (works, with a drawback), or
             mend (something will fail)
    found  : what is there, as a short phrase
    remedy : what to do, as a sentence; "" where there is nothing to do
    """

    state: str
    found: str
    remedy: str = ""


@dataclass(frozen=True)
class Check:
    """A named check; `is_slow` ones start a program that takes seconds, and are left out by --quick."""

    name: str
    run: Callable[[], Finding]
    is_slow: bool = False


def guarded(check: Check) -> Finding:
    """Run a check; one that fails itself is a finding as well."""
    try:
        return check.run()
    except Exception as error:
        text = " ".join(str(error).split()) or "no further word"
        remedy = "make setup brings the environment up to date; make distclean, then make setup, renews it"
        return Finding(MEND, f"{type(error).__name__}: {text[:200]}", remedy)


def answer_of(command: Sequence[str], seconds: float, extra: Mapping[str, str] | None = None) -> str | None:
    """What a program prints, stripped; None if there is no such program, it fails, or takes too long."""
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=seconds, check=True, stdin=subprocess.DEVNULL,
            env={**os.environ, **(extra or {})}, errors="replace",
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return (done.stdout.strip() or done.stderr.strip()) or ""


def probe(name: str, seconds: float, extra: Mapping[str, str]) -> dict[str, Any]:
    """Run one action of pipeline/checks/probe.py in a process of its own.

    Returns
    -------
    what it reports; `error` if it failed, or was ended after `seconds`; `seconds` it took
    """
    began = time.monotonic()
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline.checks.probe", name], cwd=ROOT, env={**os.environ, **extra},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True,
        start_new_session=True,
    ) as process:  # fmt: skip
        try:
            out, log = process.communicate(timeout=seconds)
        except subprocess.TimeoutExpired:
            end_all(process)
            return {"error": f"no answer within {seconds:.0f} s", "late": True, "seconds": seconds}
        except BaseException:
            end_all(process)
            raise
    lines = [line.strip() for line in log.splitlines() if line.strip()]
    found: dict[str, Any] = {"error": lines[-1][:300] if lines else f"ended with code {process.returncode}"}
    with contextlib.suppress(ValueError, IndexError):
        found = json.loads(out.strip().splitlines()[-1])
    return {**found, "seconds": time.monotonic() - began}


def end_all(process: "subprocess.Popen[str]") -> None:
    """End a probe and every process that it started, first politely."""
    family = descendants(process.pid)
    for sign in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, sign)
        for pid in family if sign == signal.SIGKILL else ():
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, sign)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
    for pipe in (process.stdout, process.stderr):
        if pipe is not None:
            pipe.close()


def descendants(pid: int) -> list[int]:
    """The processes that a process started, and theirs; none known without psutil."""
    try:
        import psutil

        return [child.pid for child in psutil.Process(pid).children(recursive=True)]
    except (ImportError, psutil.Error):
        return []


def size_text(count: float) -> str:
    """Bytes for people."""
    for unit, size in (("GiB", 2**30), ("MiB", 2**20)):
        if count >= size:
            return f"{count / size:.1f} {unit}"
    return f"{count / 1024:.0f} KiB"
