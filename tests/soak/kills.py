"""Kill a sweep at random moments, start it again, and look whether the bytes are those of one left alone.

    python -m tests.soak.kills --count 50 --seed 1                (the whole command: lanes, analysis, report)
    python -m tests.soak.kills --count 8 --seed 1 --small         (lanes of a toy, some seconds in all)

Each round has a folder of its own, which is killed by SIGKILL up to `--kills` times, at moments drawn over
the time that a sweep takes, then finished, and compared file by file. `--ray-every 5` runs every fifth of
them on a local Ray. The same seed draws the same moments.
"""

import argparse
import contextlib
import hashlib
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = (
    "topology=two_core", "workload=steady", "policy=balanced", "policy.threshold_factor=0.5,1,2,4",
    "baseline=balanced", "study=killed", "simulation.horizon_ns=20_000_000", "simulation.warmup_ns=1_000_000",
    "replicates=60", "cluster.chunk_s=0.05", "tracking=off",
)  # fmt: skip
SMALL = """
import sys
from pathlib import Path
from pipeline.run import chunks
from pipeline.run import store
from pipeline.run.fanout import run_study
from tests.pipeline.fake import fake_study, fake_toolkit
store.LANES_PER_PART = chunks.LANES_PER_PART = 16
folder, kind = sys.argv[1:]
cluster = {"kind": kind, "workers": 2, "chunk_s": 0.02}
study = fake_study(Path(folder), cluster=cluster, sleep_s=0.01, replicates=10)
print("ready", file=sys.stderr, flush=True)
run_study(study, toolkit=fake_toolkit())
"""
# They hold what a clock measured, and where the command ran.
UNLIKE = ("manifest.json", "config.yaml", "report.html", "recommended.yaml")
PATIENCE_S = 600.0
READY = ("ready", "Study killed")


def command(folder: Path, kind: str, is_small: bool) -> list[str]:
    """The command that sweeps into a folder."""
    if is_small:
        return [sys.executable, "-c", SMALL, str(folder), kind]
    return [sys.executable, "-m", "pipeline.sweep", *WORDS, f"cluster={kind}", f"outputs.folder={folder}"]


def start(words: list[str]) -> "subprocess.Popen[str]":
    """Start it, and wait until it is about to work: before, there is nothing to lose."""
    process = subprocess.Popen(
        words, cwd=ROOT, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith(READY):
            return process
    raise RuntimeError(f"{words} ended before it began: {process.wait()}")


def finish(words: list[str]) -> float:
    """Run it to its end; gives the seconds from when it began to work."""
    process = start(words)
    began = time.monotonic()
    _, errors = process.communicate(timeout=PATIENCE_S)
    if process.returncode:
        raise RuntimeError(f"exit code {process.returncode}:\n{errors}")
    return time.monotonic() - began


def kill_after(words: list[str], seconds: float) -> bool:
    """Run it, and SIGKILL the driver after some time; gives whether it was still at work."""
    process = start(words)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.communicate(timeout=seconds)
    is_killed = process.poll() is None
    process.kill()
    process.communicate()
    with contextlib.suppress(ProcessLookupError):
        # What Ray left in the driver's own process group.
        os.killpg(process.pid, signal.SIGKILL)
    return is_killed


def files_of(folder: Path) -> dict[str, str]:
    """Every file below a folder, hidden ones too, with its checksum where its bytes are fixed."""
    return {
        path.relative_to(folder).as_posix(): "" if path.name in UNLIKE else digest(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()


def state(folder: Path) -> str:
    """How far a killed run was."""
    parts = len(list(folder.rglob("lanes/part-*.parquet")))
    spills = len(list(folder.rglob(".chunks/*.parquet")))
    done = "".join(f", {name}" for name in ("COMPLETE", "report.html") if list(folder.rglob(name)))
    return f"{parts} parts, {spills} chunks{done}"


def soak(given: argparse.Namespace, home: Path) -> int:
    """All rounds; gives the number of those that came out different."""
    draw = random.Random(given.seed)
    whole = command(home / "whole", "inline", given.small)
    seconds = finish(whole)
    expected = files_of(home / "whole")
    print(f"undisturbed: {seconds:.1f} s of work, {len(expected)} files", flush=True)
    wrong = 0
    for number in range(1, given.count + 1):
        is_ray = bool(given.ray_every) and number % given.ray_every == 0
        folder = home / f"run-{number}"
        words = command(folder, "local" if is_ray else "inline", given.small)
        told = []
        for _ in range(draw.randint(1, given.kills)):
            moment = draw.uniform(0, seconds + (8 if is_ray else 0))
            is_killed = kill_after(words, moment)
            told.append(f"{moment:.2f} s{'' if is_killed else ' (was done)'}: {state(folder)}")
        finish(words)
        found = files_of(folder)
        differ = sorted(name for name in {*found, *expected} if found.get(name) != expected.get(name))
        wrong += bool(differ)
        what = f"DIFFERENT: {differ}" if differ else "same"
        print(f"{number:3} {'ray' if is_ray else 'inline'}  {'; '.join(told)} -> {what}", flush=True)
        shutil.rmtree(folder)
    return wrong


def main(words: list[str] | None = None) -> int:
    """Exit code: 0, or 1 if a run came out different."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--count", type=int, default=50)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--kills", type=int, default=1, help="kills a run, at most")
    parser.add_argument("--small", action="store_true")
    parser.add_argument("--ray-every", type=int, default=0)
    given = parser.parse_args(words)
    with tempfile.TemporaryDirectory(prefix="coreshift-kills-") as home:
        wrong = soak(given, Path(home))
    print(f"{given.count} runs killed, {wrong} came out different")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
