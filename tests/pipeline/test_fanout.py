"""A study becomes a run folder: keys, tables, failures, locks; everything in this process."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml
from rich.console import Console

from pipeline.clusters.ray import check_answers
from pipeline.errors import UserError
from pipeline.run import files, store
from pipeline.run.fanout import outputs_folder, run_study
from pipeline.run.files import FolderLock
from pipeline.run.lanes import LanePlan
from pipeline.run.study_run import InterruptedStudyError
from tests.pipeline.fake import Section, digests, fake_study, fake_toolkit, simulate


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=200)


def test_a_run_folder_has_everything(tmp_path, console):
    run = run_study(fake_study(tmp_path), console=console, toolkit=fake_toolkit())
    assert (run.lanes, run.computed_lanes, run.found_lanes, run.exit_code) == (40, 40, 0, 0)
    assert run.folder == tmp_path / "tiny" / run.key
    assert Path(run) == run.folder
    names = sorted(p.relative_to(run.folder).as_posix() for p in run.folder.rglob("*") if p.is_file())
    assert names == ["COMPLETE", "config.yaml", "lanes/part-00000.parquet", "manifest.json", "points.parquet"]
    assert yaml.safe_load((run.folder / "config.yaml").read_text())["policy"]["threshold_factor"] == 0.5
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert manifest["command"] == ["sweep"]
    assert manifest["axes"] == ["topology", "policy.threshold_factor"]
    assert manifest["packages"]["polars"] == pl.__version__
    assert manifest["sessions"][0]["lanes"] == 40
    lanes = pl.read_parquet(run.folder / "lanes" / "*.parquet")
    assert lanes.select("point", "replicate").rows() == [(p, r) for p in range(8) for r in range(5)]
    points = pl.read_parquet(run.folder / "points.parquet")
    assert points.columns[:5] == ["point", "baseline", "topology", "workload", "policy"]
    assert points["policy.threshold_factor"].to_list() == [0.5, 1, 2, 4] * 2
    assert [p.name for p in run.folder.parent.iterdir()] == [run.key]


def test_a_second_run_does_nothing_but_say_so(tmp_path, console):
    counter = tmp_path / "counter"
    study = fake_study(tmp_path, counter=str(counter))
    first = run_study(study, console=console, toolkit=fake_toolkit())
    again = run_study(study, console=console, toolkit=fake_toolkit())
    assert (again.computed_lanes, again.found_lanes, again.folder) == (0, 40, first.folder)
    assert counter.stat().st_size == 40
    assert "All 40 lanes are stored already" in console.file.getvalue()
    run_study(replace(study, config=replace(study.config, resume=False)), toolkit=fake_toolkit())
    assert counter.stat().st_size == 80


def test_chunks_parts_and_threads_leave_no_trace(tmp_path, monkeypatch):
    expected = digests(run_study(fake_study(tmp_path / "a"), toolkit=fake_toolkit()).folder)
    study = fake_study(tmp_path / "b", cluster={"chunk_s": 100.0})
    run = run_study(study, toolkit=fake_toolkit())
    assert digests(run.folder) == expected
    assert run.folder.name == (tmp_path / "a" / "tiny").iterdir().__next__().name
    monkeypatch.setattr("pipeline.run.chunks.LANES_PER_PART", 8)
    monkeypatch.setattr(store, "LANES_PER_PART", 8)
    cut = [
        run_study(fake_study(tmp_path / str(s), cluster={"chunk_s": s}), toolkit=fake_toolkit()).folder
        for s in (0.01, 5.0)
    ]
    assert digests(cut[0]) == digests(cut[1])
    assert len(digests(cut[0])) == 1 + 5


def test_the_run_key_knows_what_fixes_the_result(tmp_path):
    def key(study, toolkit=None):
        return LanePlan(study, toolkit or fake_toolkit()).key

    study = fake_study(tmp_path)
    same = [
        fake_study(tmp_path / "elsewhere"),
        fake_study(tmp_path, cluster={"kind": "local", "workers": 7}),
        fake_study(tmp_path, resume=False),
        replace(study, command=["other"]),
    ]
    assert {key(s) for s in same} == {key(study)}
    other = [
        key(replace(study, seed=8)),
        key(replace(study, replicates=6)),
        key(fake_study(tmp_path, factors=(0.5, 1.0, 2.0, 8.0))),
        key(fake_study(tmp_path, topologies=("small", "huge"))),
        key(study, fake_toolkit(source_digest=lambda: "fake-2")),
    ]
    assert len({key(study), *other}) == 6


@pytest.mark.parametrize("then", ["raise", "limit"])
def test_a_failing_lane_is_reported_and_takes_nothing_down(tmp_path, console, then):
    study = fake_study(tmp_path, only=2.0, then=then, cluster={"chunk_s": 5.0})
    run = run_study(study, console=console, toolkit=fake_toolkit())
    assert (run.exit_code, run.computed_lanes) == (1, 38)
    reason = "RuntimeError: this lane cannot be" if then == "raise" else "stopped early: bits 2"
    assert [(f["point"], f["replicate"], f["seed"], f["error"]) for f in run.failed_lanes] == [
        (2, 1, 7, reason),
        (6, 1, 7, reason),
    ]
    assert run.failed_lanes[1]["axes"] == {"topology": "large", "policy.threshold_factor": 2.0}
    assert json.loads((run.folder / "failures.json").read_text()) == run.failed_lanes
    assert f"policy.threshold_factor=2.0), replicate 1, seed 7: {reason}" in console.file.getvalue()
    lanes = pl.read_parquet(run.folder / "lanes" / "*.parquet")
    bad = lanes.filter(pl.col("status") != 1)
    assert bad.select("point", "replicate").rows() == [(2, 1), (6, 1)]
    assert bad["event_count"].null_count() == 2
    assert not (run.folder / "COMPLETE").exists()


def test_failed_lanes_are_tried_again_and_then_all_is_as_if_nothing_had_been(tmp_path, console):
    counter = tmp_path / "counter"
    study = fake_study(tmp_path / "a", only=2.0, then="raise", counter=str(counter))
    run_study(study, console=console, toolkit=fake_toolkit())
    counter.unlink()

    def repaired(topology, workload, lanes, simulation, faults, threads=1):
        healthy = Section({**workload.values, "then": None})
        return simulate(topology, healthy, lanes, simulation, faults, threads)

    again = run_study(study, console=console, toolkit=fake_toolkit(simulate=repaired))
    assert (again.exit_code, again.found_lanes, again.computed_lanes) == (0, 38, 2)
    assert counter.stat().st_size == 2
    assert not (again.folder / "failures.json").exists()
    undisturbed = run_study(fake_study(tmp_path / "b"), toolkit=fake_toolkit())
    assert digests(again.folder) == digests(undisturbed.folder)


def test_a_second_run_at_the_same_time_is_refused(tmp_path):
    study = fake_study(tmp_path)
    plan = LanePlan(study, fake_toolkit())
    (tmp_path / "tiny").mkdir()
    with (
        FolderLock(tmp_path / "tiny" / f".{plan.key}.lock"),
        pytest.raises(UserError, match="already being run by process"),
    ):
        run_study(study, toolkit=fake_toolkit())


def test_an_unwritable_folder_is_refused_before_work(tmp_path):
    (tmp_path / "file").write_text("")
    counter = tmp_path / "counter"
    study = fake_study(tmp_path / "file" / "outputs", counter=str(counter))
    with pytest.raises(UserError, match=r"cannot be written(.|\n)*outputs\.folder"):
        run_study(study, toolkit=fake_toolkit())
    assert not counter.exists()


def test_a_disk_that_fills_up_loses_nothing_that_was_stored(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "RETRY_PAUSE_S", 0.0)
    write, room = files.write_once, [4]

    def fills_up(path, data):
        if ".chunks" in path.parts:
            room[0] -= 1
            if room[0] < 0:
                raise OSError(28, "No space left on device")
        write(path, data)

    counter = tmp_path / "counter"
    study = fake_study(tmp_path / "a", counter=str(counter), cluster={"chunk_s": 0.01}, sleep_s=0.01)
    with monkeypatch.context() as patch:
        patch.setattr(files, "write_once", fills_up)
        with pytest.raises(UserError, match="disk is full"):
            run_study(study, toolkit=fake_toolkit())
    computed = counter.stat().st_size
    run = run_study(study, toolkit=fake_toolkit())
    # Only the chunk that could not be written is computed twice.
    assert 4 <= run.found_lanes < computed <= run.found_lanes + 8
    undisturbed = run_study(fake_study(tmp_path / "b"), toolkit=fake_toolkit())
    assert digests(run.folder) == digests(undisturbed.folder)


def test_ctrl_c_keeps_what_is_done(tmp_path, console):
    calls = []

    def interrupted(*arguments, **keywords):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return simulate(*arguments, **keywords)

    study = fake_study(tmp_path, sleep_s=0.01, cluster={"chunk_s": 0.01})
    with pytest.raises(InterruptedStudyError, match=r"lanes are stored(.|\n)*goes on from there") as caught:
        run_study(study, console=console, toolkit=fake_toolkit(simulate=interrupted))
    assert caught.value.exit_code == 130
    run = run_study(study, console=console, toolkit=fake_toolkit())
    assert run.found_lanes >= 4
    manifest = json.loads((run.folder / "manifest.json").read_text())
    assert [session["how"] for session in manifest["sessions"]] == ["interrupted", "finished"]


def test_a_deleted_or_damaged_table_is_made_again(tmp_path, console):
    run = run_study(fake_study(tmp_path), console=console, toolkit=fake_toolkit())
    expected = digests(run.folder)
    (run.folder / "points.parquet").write_bytes(b"PAR1")
    assert run_study(fake_study(tmp_path), console=console, toolkit=fake_toolkit()).computed_lanes == 0
    assert digests(run.folder) == expected
    shutil.rmtree(run.folder / "lanes")
    assert run_study(fake_study(tmp_path), console=console, toolkit=fake_toolkit()).computed_lanes == 40
    assert digests(run.folder) == expected


def test_progress_goes_to_stderr_in_plain_lines_and_can_be_silent(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("pipeline.run.fanout.StudyProgress", impatient)
    run_study(fake_study(tmp_path / "a", sleep_s=0.02), toolkit=fake_toolkit())
    shown = capsys.readouterr()
    assert shown.out == ""
    assert "/40 lanes, " in shown.err
    assert "events/s, " in shown.err
    assert " left" in shown.err
    quiet = Console(stderr=True, quiet=True)
    run_study(fake_study(tmp_path / "b"), console=quiet, toolkit=fake_toolkit())
    assert capsys.readouterr() == ("", "")


def impatient(console):
    from pipeline.run.progress import StudyProgress

    return StudyProgress(console, period_s=0.05)


def test_a_terminal_gets_a_bar(tmp_path):
    screen = Console(file=io.StringIO(), force_terminal=True, width=120)
    run_study(fake_study(tmp_path, sleep_s=0.02), console=screen, toolkit=fake_toolkit())
    assert "/40" in screen.file.getvalue()
    assert "events/s" in screen.file.getvalue()


def test_an_empty_study_is_refused(tmp_path):
    with pytest.raises(UserError, match="no points"):
        run_study(replace(fake_study(tmp_path), points=()), toolkit=fake_toolkit())


def test_the_outputs_folder_is_absolute(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert outputs_folder(fake_study(Path("here"))) == tmp_path / "here" / "tiny"


@pytest.mark.parametrize("address", ["", "host", "host:", ":6379", "host:0", "host:99999", "host:x"])
def test_an_address_that_is_none(address):
    with pytest.raises(UserError, match="is not an address"):
        check_answers(address)
