"""SIGKILL of the driver in mid-sweep, and a restart: the bytes of a run that was never killed."""

import contextlib
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.run.fanout import run_study
from tests.pipeline.fake import digests, fake_study, fake_toolkit

ROOT = Path(__file__).resolve().parents[2]
SCRIPT = """
import sys, time
from pathlib import Path
from pipeline.run import store
from pipeline.run.fanout import StudyJob, run_study
from tests.pipeline.test_resume import stored
from tests.pipeline.fake import fake_study, fake_toolkit
import pipeline.run.chunks
store.LANES_PER_PART = pipeline.run.chunks.LANES_PER_PART = 16
folder, kind, enough = sys.argv[1:]
keep = StudyJob._keep_results
def keep_and_stay(self, results):
    keep(self, results)
    while stored(Path(folder)) >= float(enough):
        time.sleep(1)
StudyJob._keep_results = keep_and_stay
cluster = {"kind": kind, "workers": 2, "chunk_s": 0.1}
study = fake_study(Path(folder), cluster=cluster, sleep_s=0.03, replicates=10)
run = run_study(study, toolkit=fake_toolkit())
print(run.found_lanes, run.computed_lanes)
"""


PART = 100
CHUNK = 1


def stored(folder):
    """How far a run is: whole parts, and chunks of parts that are not whole yet."""
    parts, chunks = (list(folder.rglob(f"lanes/{name}.parquet")) for name in ("part-*", ".chunks/*"))
    return PART * len(parts) + CHUNK * len(chunks)


@pytest.fixture
def undisturbed(tmp_path, monkeypatch):
    monkeypatch.setattr("pipeline.run.store.LANES_PER_PART", 16)
    monkeypatch.setattr("pipeline.run.chunks.LANES_PER_PART", 16)
    study = fake_study(tmp_path / "undisturbed", replicates=10, sleep_s=0.03)
    return digests(run_study(study, toolkit=fake_toolkit()).folder)


def start(folder, kind, stay=math.inf):
    """Start a run, which goes no further than to `stay`."""
    return subprocess.Popen(
        [sys.executable, "-c", SCRIPT, str(folder), kind, str(stay)],
        cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def kill_when(process, enough, patience_s=120):
    """SIGKILL the driver and nothing else, as soon as `enough()` holds."""
    end = time.monotonic() + patience_s
    while not enough() and process.poll() is None and time.monotonic() < end:
        time.sleep(0.01)
    assert process.poll() is None, "the run ended before it could be killed"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    with contextlib.suppress(ProcessLookupError):
        # What Ray left in the driver's own process group, which only this test made.
        os.killpg(process.pid, signal.SIGKILL)


@pytest.mark.timeout(900)
@pytest.mark.parametrize("kind", ["inline", pytest.param("local", marks=pytest.mark.ray)])
def test_killed_twice_and_started_again_gives_the_same_bytes(tmp_path, undisturbed, kind):
    folder = tmp_path / "killed"

    # Killed at work, unless this process is late: the run waits for it a part further on.
    for enough in (2 * CHUNK, 2 * PART)[: 2 if kind == "inline" else 1]:
        kill_when(start(folder, kind, enough + PART), lambda least=enough: stored(folder) >= least)
    last = start(folder, kind)
    output, errors = last.communicate(timeout=500)
    assert last.returncode == 0, errors
    found, computed = map(int, output.split())
    assert found > 0
    assert found + computed == 80
    (run,) = (folder / "tiny").iterdir()
    assert digests(run) == undisturbed
    assert not (run / "lanes" / ".chunks").exists()
