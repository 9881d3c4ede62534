"""Real processes and real signals: once ends in order, twice at once, and the next run has the same bytes."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
from rich.console import Console

from pipeline import record, report
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.study import make_study
from pipeline.errors import UserError
from pipeline.run.fanout import run_study
from tests.pipeline.fake import digests, fake_toolkit, simulate
from tests.pipeline.signalled import LANES_BEFORE, gated_study

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_S = 120.0
QUIET = Console(quiet=True)
RAY = pytest.param("local", "SIGINT", marks=[pytest.mark.ray, pytest.mark.slow])


class Signalled:
    """A process with a process group of its own, as a terminal gives a command one."""

    def __init__(self, how, folder, *words):
        self.gate = folder / "gate"
        self.gate.mkdir(parents=True)
        self.errors = folder / "stderr"
        command = [sys.executable, "-m", "tests.pipeline.signalled", how, str(folder), *words]
        with self.errors.open("w") as errors:
            self.process = subprocess.Popen(
                command, cwd=ROOT, start_new_session=True, stdout=subprocess.PIPE, stderr=errors, text=True
            )

    def __enter__(self):
        return self

    def __exit__(self, *error):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()

    def wait_for(self, holds):
        """Until something holds; fails if the process ends before."""
        end = time.monotonic() + PATIENCE_S
        while not holds():
            assert self.process.poll() is None, self.errors.read_text()
            assert time.monotonic() < end, self.errors.read_text()
            time.sleep(0.01)

    def reached(self):
        """Until its lanes wait at the gate."""
        self.wait_for((self.gate / "reached").exists)

    def send(self, name):
        """To the whole group, as a terminal and batch systems do."""
        os.killpg(self.process.pid, getattr(signal, name))

    def told(self, text):
        """Until it says so on stderr."""
        self.wait_for(lambda: text in self.errors.read_text())

    def open_gate(self):
        """Let its lanes go on."""
        (self.gate / "open").touch()

    def end(self):
        """Exit code, stdout and stderr."""
        output, _ = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, output, self.errors.read_text()


def run_folder(folder, study="tiny"):
    (found,) = (path for path in (folder / study).iterdir() if path.is_dir())
    return found


def stored(run):
    """Lanes in spill files and parts."""
    return sum(pl.read_parquet(path).height for path in (run / "lanes").rglob("*.parquet"))


def undisturbed(folder):
    return digests(run_study(gated_study(folder, "inline"), toolkit=fake_toolkit()).folder)


@pytest.mark.parametrize(("kind", "name"), [("inline", "SIGINT"), ("inline", "SIGTERM"), RAY])
def test_one_signal_finishes_what_runs(tmp_path, kind, name):
    folder = tmp_path / "stopped"
    with Signalled("small", folder, kind) as process:
        process.reached()
        process.send(name)
        process.told("Stopping: the chunks that run are finished")
        process.open_gate()
        code, _, errors = process.end()
    assert code == 130
    assert "Traceback" not in errors
    assert "of 30 lanes are stored" in errors
    run = run_folder(folder)
    # No lane that was computed is lost, and none was begun after the signal.
    computed = (folder / "gate" / "counter").stat().st_size
    assert LANES_BEFORE < stored(run) == computed < 30
    assert not (run / "COMPLETE").exists()
    assert json.loads((run / "manifest.json").read_text())["sessions"][-1]["how"] == "interrupted"
    assert [path.name for path in run.parent.iterdir()] == [run.name]

    again = run_study(gated_study(folder, "inline"), console=QUIET, toolkit=fake_toolkit())
    assert (again.found_lanes, again.computed_lanes) == (computed, 30 - computed)
    (tmp_path / "other" / "gate").mkdir(parents=True)
    assert digests(run)["lanes/part-00000.parquet"] == undisturbed_part(tmp_path / "other")


def undisturbed_part(folder):
    return undisturbed(folder)["lanes/part-00000.parquet"]


@pytest.mark.parametrize("then", [pytest.param("", marks=pytest.mark.slow), "native"])
def test_two_signals_end_at_once_and_keep_what_is_stored(tmp_path, then):
    folder = tmp_path / "stopped"
    with Signalled("small", folder, "inline", then) as process:
        process.reached()
        run = run_folder(folder)
        before = stored(run)
        assert before >= LANES_BEFORE
        if then == "native":
            process.open_gate()
        process.send("SIGINT")
        process.told("Stopping: the chunks that run are finished")
        process.send("SIGINT")
        code, _, errors = process.end()
    assert code == 130
    assert "stored" in errors
    assert "Traceback" not in errors
    assert stored(run) == before
    (folder / "gate" / "open").touch()
    again = run_study(gated_study(folder, "inline"), console=QUIET, toolkit=fake_toolkit())
    assert (again.found_lanes, again.computed_lanes) == (before, 30 - before)


WORDS = (
    "topology=two_core", "workload=steady", "policy=balanced", "policy.threshold_factor=1,2,4",
    "baseline=balanced", "simulation.horizon_ns=4_000_000", "simulation.warmup_ns=1_000_000",
    "study=partial", "replicates=24", "cluster=inline", "cluster.chunk_s=0.05", "tracking=off",
)  # fmt: skip


@pytest.mark.slow
def test_a_stopped_sweep_reports_on_the_lanes_so_far_and_says_so(tmp_path, capsys):
    folder = tmp_path / "stopped"
    with Signalled("real", folder, *WORDS) as process:
        process.reached()
        process.send("SIGINT")
        process.told("Stopping: the chunks that run are finished")
        process.open_gate()
        code, output, errors = process.end()
    run = run_folder(folder, "partial")
    partial = run / "partial"
    counts = json.loads((partial / "manifest.json").read_text())["partial"]
    assert counts == {"lanes": stored(run), "of": 72}
    words = f"{counts['lanes']} of 72 lanes"
    assert code == 130
    assert f"Interrupted: {words} are stored" in errors
    assert output.startswith(f"PARTIAL: {words.upper()}.")
    page = (partial / "report.html").read_text()
    assert f"(partial: {words})</title>" in page
    assert f"<b>Partial: {words}.</b>" in page
    # Nothing lies where a finished run has it, and nothing records it.
    assert {path.name for path in run.iterdir()} == {
        "config.yaml", "manifest.json", "points.parquet", "lanes", "partial",
    }  # fmt: skip
    for unfinished in (run, partial):
        assert record.main([str(unfinished)]) == 2
        assert "is not finished" in capsys.readouterr().err
    assert report.main([f"run={run}", "draw=false", "record=true"]) == 2
    assert report.main([f"run={run}", "draw=false"]) == 0
    assert not (run / "summary.parquet").exists()

    assert computed(folder) == computed(tmp_path / "other")
    assert not partial.exists()


def computed(folder):
    """The tables of the sweep, run to its end."""
    command = read_command([*WORDS, f"outputs.folder={folder}"])
    study = with_hydra(command, lambda: make_study(command, "pipeline.sweep"))
    return digests(run_study(study, console=QUIET).folder)


def test_a_signal_while_nothing_is_computed_ends_at_once(tmp_path):
    def interrupted():
        os.kill(os.getpid(), signal.SIGTERM)
        time.sleep(PATIENCE_S)

    (tmp_path / "gate").mkdir()
    study = gated_study(tmp_path, "inline")
    with pytest.raises(UserError, match="Interrupted: 0 of 30 lanes") as caught:
        run_study(study, console=QUIET, toolkit=fake_toolkit(compile_kernels=interrupted))
    assert (caught.value.exit_code, caught.value.at_once) == (130, True)
    assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL
    assert run_study(study, console=QUIET, toolkit=fake_toolkit(simulate=simulate)).exit_code == 0
