"""What befalls a run folder between two sessions, or meanwhile: noticed, told, and mended or refused."""

import io
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import polars as pl
import pytest
import yaml
from rich.console import Console

from pipeline.clusters.connect import TOKEN_WORDS, lend_token
from pipeline.clusters.ray import RayCluster
from pipeline.errors import UserError
from pipeline.run import files
from pipeline.run.fanout import run_study
from pipeline.run.files import FolderLock, write_atomic
from pipeline.run.head import ChangedRunError
from pipeline.run.progress import process_age_s
from tests.pipeline.fake import digests, fake_study, fake_toolkit, simulate
from tests.soak import kills

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def console():
    return Console(file=io.StringIO(), width=300)


@pytest.fixture
def finished(tmp_path):
    return run_study(fake_study(tmp_path), console=Console(quiet=True), toolkit=fake_toolkit()).folder


def again(folder, console, **behaviour):
    """The same command once more."""
    return run_study(fake_study(folder.parents[1], **behaviour), console=console, toolkit=fake_toolkit())


# --- a changed configuration under an old run key -------------------------------------------------


def edit_config(folder):
    path = folder / "config.yaml"
    config = yaml.safe_load(path.read_text())
    config["policy"]["threshold_factor"] = 7.5
    path.write_text(yaml.safe_dump(config))


def edit_points(folder):
    path = folder / "points.parquet"
    points = pl.read_parquet(path)
    factor = pl.when(pl.col("point") == 3).then(9.0).otherwise(pl.col("policy.threshold_factor"))
    points.with_columns(factor.alias("policy.threshold_factor")).write_parquet(path)


def drop_a_point(folder):
    pl.read_parquet(folder / "points.parquet").head(7).write_parquet(folder / "points.parquet")


def forge_the_key(folder):
    manifest = json.loads((folder / "manifest.json").read_text()) | {"run_key": "0" * 16, "seed": 8}
    (folder / "manifest.json").write_text(json.dumps(manifest))


@pytest.mark.parametrize("is_complete", [True, False], ids=["complete", "unfinished"])
@pytest.mark.parametrize(
    ("change", "difference"),
    [
        (edit_config, r"config\.yaml was changed(.|\n)*policy\.threshold_factor: 7\.5, and 0\.5"),
        (edit_points, r"points\.parquet was changed(.|\n)*point 3, policy\.threshold_factor: 9\.0, and 4\.0"),
        (drop_a_point, r"points\.parquet was changed(.|\n)*points: 7, and 8"),
        (forge_the_key, r"is of another run(.|\n)*run_key: '0{16}', and(.|\n)*seed: 8, and 7"),
    ],
)
def test_a_changed_configuration_is_refused_with_the_difference(
    finished, console, change, difference, is_complete
):
    if not is_complete:
        (finished / "COMPLETE").unlink()
    tables = digests(finished)
    change(finished)
    with pytest.raises(ChangedRunError, match=difference):
        again(finished, console)
    # Nothing was touched; `resume=false` begins anew.
    unchanged = {**tables, "points.parquet": digests(finished)["points.parquet"]}
    assert digests(finished) == unchanged
    anew = again(finished, console, resume=False)
    assert (anew.computed_lanes, digests(finished)) == (40, tables)


def test_other_places_and_workers_are_no_change(finished, console):
    (finished / "COMPLETE").unlink()
    run = again(finished, console, cluster={"chunk_s": 7.0})
    assert (run.found_lanes, run.exit_code) == (40, 0)
    assert yaml.safe_load((finished / "config.yaml").read_text())["cluster"]["chunk_s"] == 7.0


# --- damage ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["manifest.json", "config.yaml", "points.parquet", "COMPLETE"])
@pytest.mark.parametrize("harm", ["gone", "empty", "half", "noise"])
def test_a_damaged_head_is_written_anew_and_said(finished, console, name, harm):
    tables = digests(finished)
    path = finished / name
    data = path.read_bytes()
    path.unlink()
    if harm != "gone":
        path.write_bytes({"empty": b"", "half": data[: len(data) // 2], "noise": b"\xff\xfe\x00{"}[harm])
    run = again(finished, console)
    assert (run.computed_lanes, digests(finished)) == (0, tables)
    if not (name == "COMPLETE" and harm == "gone"):
        assert f"Damaged or gone, made again: {name}" in console.file.getvalue()
    assert json.loads((finished / "manifest.json").read_text())["run_key"] == finished.name
    assert (finished / "COMPLETE").exists()
    console.file.truncate(0)
    assert again(finished, console).found_lanes == 40
    assert "Damaged" not in console.file.getvalue()


def test_swapped_and_foreign_parts_are_computed_again(tmp_path, console, monkeypatch):
    monkeypatch.setattr("pipeline.run.store.LANES_PER_PART", 8)
    monkeypatch.setattr("pipeline.run.chunks.LANES_PER_PART", 8)
    run = run_study(fake_study(tmp_path / "a"), console=console, toolkit=fake_toolkit())
    tables = digests(run.folder)
    first, second, third = (run.folder / f"lanes/part-0000{n}.parquet" for n in range(3))
    data = first.read_bytes()
    first.write_bytes(second.read_bytes())
    second.write_bytes(data)
    other = fake_study(tmp_path / "b", factors=(0.5, 1.0, 2.0, 8.0))
    foreign = run_study(other, console=console, toolkit=fake_toolkit())
    shutil.copy(foreign.folder / "lanes" / third.name, third)
    mended = again(run.folder, console)
    assert (mended.computed_lanes, digests(run.folder)) == (24, tables)
    for path in (first, second, third):
        assert f"lanes/{path.name}" in console.file.getvalue()


def test_what_a_killed_analysis_left_is_removed(finished, console):
    for left in (finished / "report.html.77.partial", finished / "figures" / "front.png.77.partial"):
        left.parent.mkdir(exist_ok=True)
        left.write_text("half")
    again(finished, console)
    assert list(finished.rglob("*.partial")) == []


# --- while it runs ---------------------------------------------------------------------------------


def vanish(folder):
    def simulated(*arguments, **words):
        shutil.rmtree(folder, ignore_errors=True)
        return simulate(*arguments, **words)

    return simulated


def test_a_folder_that_vanishes_is_named(tmp_path, console, monkeypatch):
    monkeypatch.setattr(files, "RETRY_PAUSE_S", 0.0)
    study = fake_study(tmp_path / "out")
    with pytest.raises(UserError, match=r"vanished while the study ran(.|\n)*computes what is gone"):
        run_study(study, console=console, toolkit=fake_toolkit(simulate=vanish(tmp_path / "out")))
    assert run_study(study, console=console, toolkit=fake_toolkit()).computed_lanes == 40


def test_a_limit_on_the_size_of_files_is_told(tmp_path):
    code = (
        "import resource, sys; from pathlib import Path; from pipeline.run.files import *\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "try: write_atomic(Path(sys.argv[1]), b'x' * 4000)\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "table"], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert "File too large" in done.stdout
    assert "ulimit -f" in done.stdout
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no device that is always full")
def test_a_full_disk_is_told(tmp_path, monkeypatch):
    path = tmp_path / "table"
    # The real error of a real device, under the temporary name, at both attempts.
    link = path.with_name(f"table.{os.getpid()}{files.TEMPORARY_SUFFIX}")
    link.symlink_to("/dev/full")
    monkeypatch.setattr(files.time, "sleep", lambda seconds: link.symlink_to("/dev/full"))
    with pytest.raises(UserError, match=r"disk is full(.|\n)*outputs\.folder"):
        write_atomic(path, b"x" * 4000)
    assert not path.exists()


HOLDER = """
import sys
from pathlib import Path
from pipeline.run.files import FolderLock
with FolderLock(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_a_second_sweep_is_refused_and_a_killed_one_leaves_nothing_in_the_way(tmp_path, finished, console):
    path = finished.parent / f".{finished.name}.lock"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, path], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holder:
        assert holder.stdout.readline() == b"held\n"
        with pytest.raises(
            UserError, match=f"already being run by process {holder.pid} on {os.uname().nodename}"
        ):
            again(finished, console)
        holder.kill()
    assert path.exists()
    assert again(finished, console).found_lanes == 40
    assert not path.exists()
    with FolderLock(path):
        pass


def test_nothing_depends_on_the_wall_clock(tmp_path, finished, console, monkeypatch):
    jumps = iter(range(10**9, 0, -86_400))
    monkeypatch.setattr(time, "time", lambda: float(next(jumps)))
    assert 0 < process_age_s() < 10**6
    run = run_study(fake_study(tmp_path / "b", sleep_s=0.005), console=console, toolkit=fake_toolkit())
    (session,) = json.loads((run.folder / "manifest.json").read_text())["sessions"]
    assert 0 < session["lanes_s"] <= session["seconds"] < 600
    assert 0 < session["first_lanes_s"] < 10**6
    parts = "lanes/part-00000.parquet"
    assert digests(run.folder)[parts] == digests(finished)[parts]


def test_an_encoding_that_lacks_a_character_costs_no_answer():
    code = (
        "import sys; from pipeline.entry import run_main\n"
        "sys.exit(run_main(lambda words: print(*map(chr, (177, 8594))), []))"
    )
    narrow = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "TZ": "Pacific/Kiritimati"}
    for settings in (narrow, {"PYTHONIOENCODING": "latin-1"}):
        done = subprocess.run(
            [sys.executable, "-c", code],
            capture_output=True,
            cwd=ROOT,
            env={**os.environ, **settings},
            check=True,
        )
        assert done.stdout.replace(b"\xb1", b"?") == b"? ?\n"


def test_ray_that_died_is_no_fault_of_lanes():
    cluster = RayCluster(None, 1)
    with pytest.raises(UserError, match=r"Ray on this machine died(.|\n)*same command goes on"):
        cluster._after_loss(None, RuntimeError("the raylet ended"))


@pytest.mark.parametrize("home", ["/proc", "/dev/null"])
def test_without_a_home_folder_ray_gets_a_token(monkeypatch, home):
    monkeypatch.setenv("HOME", home)
    for word in TOKEN_WORDS:
        monkeypatch.delenv(word, raising=False)
    lend_token()
    assert len(os.environ.pop("RAY_AUTH_TOKEN")) == 64


@pytest.mark.slow
def test_killed_at_random_moments_it_ends_with_the_same_bytes(capsys):
    assert kills.main(["--small", "--count", "2", "--seed", "3"]) == 0
    assert capsys.readouterr().out.count("-> same") == 2
