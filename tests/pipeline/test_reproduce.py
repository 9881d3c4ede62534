"""From a recorded run back to its numbers: the same here, or what differs, and nothing believed unread."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml

from pipeline import dvc_stages, reproduce
from pipeline.config import build
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.study import make_study
from pipeline.evidence.analyse import analyse
from pipeline.record import record
from pipeline.reproduction import find as reproduce_find
from pipeline.reproduction.find import Recorded, find_recorded
from pipeline.run.checksums import file_digest
from pipeline.run.fanout import run_study
from pipeline.run.inputs import input_digests
from pipeline.run.lanes import LanePlan, coreshift_toolkit
from pipeline.run.tables import table_bytes

TOPOLOGIES = Path(reproduce.__file__).parents[1] / "conf" / "topology"
pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("mlflow"), pytest.mark.timeout(900)]
WORDS = (
    "experiment=none", "study=tiny", "workload=mixed_s2", "policy=balanced", "cluster=inline", "replicates=2",
    "tracking=off", "simulation.horizon_ns=6000000", "simulation.warmup_ns=1000000",
    "policy.threshold_factor=0.5,2",
)  # fmt: skip


def machine_words(path):
    return [*WORDS, "topology=yaml_file", f"topology.path={path}"]


def make(words):
    command = read_command(words)
    return with_hydra(command, lambda: make_study(command, "pipeline.sweep"))


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A finished sweep on a machine of its own file, and its MLflow database: (run folder, status)."""
    home = tmp_path_factory.mktemp("reproduce")
    shutil.copy(TOPOLOGIES / "apple_m1_pro.yaml", home / "laptop.yaml")
    study = make([*machine_words(home / "laptop.yaml"), f"outputs.folder={home / 'outputs'}"])
    run = run_study(study)
    analyse(run.folder, draw=False)
    status = record(run.folder, {"kind": "sqlite", "timeout_s": 120})
    assert status.ok, status.message
    return run.folder, status


@pytest.fixture
def copied(made, tmp_path):
    """The sweep's folder once more, for a test to spoil."""
    folder = tmp_path / "outputs" / "tiny" / made[0].name
    shutil.copytree(made[0], folder)
    return folder


def call(capsys, *words):
    """Exit code, JSON answer (None if there is none), and what was said on stderr."""
    code = reproduce.main([*map(str, words), "cluster=inline", "--json"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out) if shown.out else None, shown.err


def decisive(answer):
    return {check["name"]: check for check in answer["checks"] if check["decides"] and not check["same"]}


def child(status, folder, point):
    from mlflow.tracking import MlflowClient

    client = MlflowClient(tracking_uri=status.tracking_uri)
    query = f"tags.kind = 'config' and params.point = '{point}'"
    (run,) = client.search_runs([status.experiment_id], query)
    assert run.data.tags["lane_tables"] == str(folder / "lanes" / "part-00000.parquet")
    return run.info.run_id


def test_a_whole_sweep_comes_out_identical(made, tmp_path, capsys):
    folder, status = made
    words = (status.parent_run_id, f"outputs={folder.parents[1]}", f"into={tmp_path}")
    code, answer, _ = call(capsys, *words)
    assert (code, answer["result"], answer["differences"]) == (0, "identical", [])
    again = tmp_path / "tiny" / folder.name
    assert answer["new_tables"] == str(again)
    lanes = "lanes/part-00000.parquet"
    assert file_digest(again / lanes) == file_digest(folder / lanes)


def test_a_child_means_its_point_alone(made, tmp_path, capsys):
    folder, status = made
    run_id = child(status, folder, 1)
    code, answer, _ = call(capsys, run_id, f"outputs={folder.parents[1]}", f"into={tmp_path}")
    assert (code, answer["result"], answer["point"]) == (0, "identical", 1)
    assert "the 2 lanes of point 1" in answer["compared"]


def test_without_the_tables_the_means_of_mlflow_are_compared(made, tmp_path, capsys, monkeypatch):
    folder, status = made
    monkeypatch.setattr(reproduce_find, "tables_folder", lambda *_: None)
    run_id = child(status, folder, 1)
    words = (run_id, f"outputs={folder.parents[1]}", f"into={tmp_path}")
    code, answer, _ = call(capsys, *words)
    assert (code, answer["result"], answer["recorded_tables"]) == (0, "identical", None)
    found = find_recorded(run_id, {**reproduce.OPTIONS, "outputs": str(folder.parents[1])})
    wrong = found.means | {"load_imbalance": found.means["load_imbalance"] + 1e-9}
    monkeypatch.setattr(reproduce, "find_recorded", lambda *_: replace(found, means=wrong))
    code, answer, _ = call(capsys, *words)
    assert (code, [one["column"] for one in answer["differences"]]) == (1, ["load_imbalance"])


def spoil(folder):
    """Change one value of one lane."""
    path = folder / "lanes" / "part-00000.parquet"
    frame = pl.read_parquet(path)
    other = (pl.col("point") == 1) & (pl.col("replicate") == 1)
    value = pl.when(other).then(pl.col("load_imbalance") + 1e-9).otherwise(pl.col("load_imbalance"))
    path.write_bytes(table_bytes(frame.with_columns(value.alias("load_imbalance"))))
    return path


def test_tables_that_were_tampered_with_are_refused(copied, capsys):
    path = spoil(copied)
    code, answer, told = call(capsys, copied, "--check")
    assert (code, answer) == (2, None)
    assert str(path) in told
    assert "checksum" in told


def test_a_forged_table_comes_out_different_by_column_and_lane(made, copied, tmp_path, capsys):
    path = spoil(copied)
    marker = json.loads((copied / "COMPLETE").read_text())
    marker["tables"]["lanes/part-00000.parquet"] = file_digest(path)
    (copied / "COMPLETE").write_text(json.dumps(marker))
    code, answer, _ = call(capsys, copied, f"into={tmp_path / 'again'}")
    assert (code, answer["result"]) == (1, "differs")
    (found,) = answer["differences"]
    assert (found["column"], found["what"]) == ("load_imbalance", "differs in 1 of 6 rows")
    assert [(row["point"], row["replicate"]) for row in found["first"]] == [(1, 1)]
    assert reproduce.main([str(copied), f"into={tmp_path / 'again'}", "cluster=inline", "-q"]) == 1
    assert "point 1, replicate 1: " in capsys.readouterr().out
    assert reproduce.main([str(copied), "point=0", f"into={tmp_path / 'again'}", "cluster=inline", "-q"]) == 0
    # What MLflow has recorded was not forged with it.
    recorded = find_recorded(made[1].parent_run_id, {**reproduce.OPTIONS, "outputs": str(made[0].parents[1])})
    with pytest.raises(reproduce.UserError, match="checksum"):
        reproduce.check_tables(copied, recorded.tables)


def test_another_simulator_is_named_with_the_way_back(copied, capsys):
    path = copied / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest |= {"source_digest": "f" * 64, "git": {"commit": "a" * 40, "dirty": False}}
    manifest["packages"]["numba"] = "0.1"
    path.write_text(json.dumps(manifest))
    code, answer, _ = call(capsys, copied)
    assert (code, answer["result"], answer["new_tables"]) == (1, "changed", "")
    assert decisive(answer)["simulator"]["advice"] == f"git checkout {'a' * 40}"
    checks = {check["name"]: check for check in answer["checks"]}
    assert f"git fetch --all; git checkout {'a' * 40}" in checks["commit"]["advice"]
    assert checks["packages"]["recorded"] == "numba 0.1"


def test_another_setting_is_named(copied, capsys):
    path = copied / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["command"] = [w.replace("horizon_ns=6000000", "horizon_ns=7000000") for w in manifest["command"]]
    path.write_text(json.dumps(manifest))
    code, answer, _ = call(capsys, copied)
    found = decisive(answer)
    assert (code, list(found)) == (1, ["simulation.horizon_ns"])
    assert (found["simulation.horizon_ns"]["recorded"], found["simulation.horizon_ns"]["here"]) == (
        "6000000", "7000000",
    )  # fmt: skip
    manifest["command"] += ["policy.threshold_factr=1"]
    path.write_text(json.dumps(manifest))
    code, answer, _ = call(capsys, copied)
    assert code == 1
    assert "threshold_factr" in decisive(answer)["settings"]["here"]


def change(machine, text):
    """Write a machine's file as if before the process began: it reads each once."""
    machine.write_text(text)
    build._topology.cache_clear()


@pytest.mark.parametrize("has_digests", [False, True])
def test_a_machine_whose_file_was_changed_is_named(tmp_path, capsys, has_digests):
    machine = tmp_path / "m.yaml"
    shutil.copy(TOPOLOGIES / "apple_m1_pro.yaml", machine)
    run = run_study(make([*machine_words(machine), f"outputs.folder={tmp_path / 'outputs'}"]))
    path = run.folder / "manifest.json"
    manifest = json.loads(path.read_text()) | {"inputs": input_digests(make(machine_words(machine)).points)}
    if not has_digests:
        del manifest["inputs"]
    path.write_text(json.dumps(manifest))
    assert call(capsys, run.folder, "--check")[0] == 0
    text = machine.read_text()
    change(machine, f"# A remark changes nothing.\n{text}")
    assert call(capsys, run.folder, "--check")[0] == 0
    change(machine, text.replace("speed: 0.35", "speed: 0.5"))
    code, answer, _ = call(capsys, run.folder, "--check")
    (name, check), *further = decisive(answer).items()
    assert (code, further) == (1, [])
    assert f"topology.path={machine}" in (name if has_digests else check["here"])


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("0" * 32,), "there is no such MLflow database"),
        (("0" * 32, "tracking.uri=http://127.0.0.1:9"), "does not answer"),
        (("0" * 32, "tracking.uri=postgresql://host/db"), "must be http://HOST:PORT"),
        (("nothing",), "no finished sweep"),
        ((), "name one run"),
        (("a", "--chekc"), "name one run"),
    ],
)
def test_what_cannot_be_found_is_told(words, text, tmp_path, capsys):
    code, answer, told = call(capsys, *words, f"outputs={tmp_path}")
    assert (code, answer) == (2, None)
    assert text in told
    assert "Traceback" not in told
    assert list(tmp_path.iterdir()) == []


def test_an_id_that_mlflow_does_not_know(made, capsys):
    code, _, told = call(capsys, "0" * 32, f"outputs={made[0].parents[1]}")
    assert code == 2
    assert "no run with this id" in told


def test_recorded_tables_are_never_replaced(made, capsys):
    folder, _ = made
    code, _, told = call(capsys, folder, f"into={folder.parents[1]}")
    assert code == 2
    assert "the recorded tables lie there" in told


def test_dvc_parameters_make_the_same_study(tmp_path, monkeypatch):
    words = [*WORDS, "topology=apple_m1_pro", "seed=7"]
    key = LanePlan(make(words), coreshift_toolkit()).key
    manifest = {"command": ["python", "-m", "pipeline.sweep", *words]}
    recorded = Recorded("here", manifest, {}, None, None)
    text = reproduce.dvc_params(reproduce.study_words(recorded))
    assert yaml.safe_load(text)["seed"] == 7
    (tmp_path / "params.yaml").write_text(text)
    monkeypatch.setattr(dvc_stages, "PARAMS", tmp_path / "params.yaml")
    assert LanePlan(dvc_stages.make(), coreshift_toolkit()).key == key
