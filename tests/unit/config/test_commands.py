"""The small commands at their best, and what Hydra's flags still do."""

import json
from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from pipeline import cli, simulate, sweep, topology, trace
from pipeline.config.compose import read_command, split_flags
from pipeline.evidence.rerun import rerun_of
from tests.unit.config.conftest import MakeStudy

SHORT = (
    "topology=two_core", "workload=steady", "replicates=2", "simulation.horizon_ns=3_000_000",
    "simulation.warmup_ns=1_000_000",
)  # fmt: skip


def test_simulate_prints_json_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main([*SHORT, "policy=balanced", "output=json"]) == 0
    told = capsys.readouterr()
    answer = json.loads(told.out)
    assert told.err == ""
    assert answer["labels"] == {
        "topology": "two_core", "workload": "steady", "policy": "balanced", "binding": "static",
        "faults": "none",
    }  # fmt: skip
    assert answer["completed"] == 2
    metric = answer["metrics"]["load_imbalance"]
    assert metric["low"] <= metric["mean"] <= metric["high"]
    assert len(metric["values"]) == 2


def test_simulate_prints_a_table_with_whole_names(capsys: pytest.CaptureFixture[str]) -> None:
    assert simulate.main([*SHORT, "policy=none"]) == 0
    assert "migration_overhead_share" in capsys.readouterr().out


def test_a_point_of_a_study_is_simulated_by_its_number(
    study_of: MakeStudy, capsys: pytest.CaptureFixture[str]
) -> None:
    words = [*SHORT, "binding=static,none", "policy.threshold_factor=1,2"]
    assert simulate.main([*words, "point=3", "output=json"]) == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["digest"] == study_of(*words).points[3].digest
    assert answer["labels"]["binding"] == "none"


def test_a_point_without_some_axis_is_run_again_by_its_number() -> None:
    command = ["python", "-m", "pipeline.sweep", "experiment=binding", "cluster=inline", "seed=2"]
    axes = ("binding", "binding.performance")
    run = SimpleNamespace(axes=axes, manifest={"command": command})
    row = {"point": 4, "topology": "single", "binding": "hybrid", "binding.performance": 2}
    assert rerun_of(run, row) == [  # type: ignore[arg-type]
        "experiment=binding", "seed=2", "topology=single", "binding=hybrid", "binding.performance=2",
    ]  # fmt: skip
    lacking = {**row, "binding.performance": None}
    assert rerun_of(run, lacking) == ["experiment=binding", "seed=2", "point=4"]  # type: ignore[arg-type]


def test_files_are_named_as_the_command_named_them() -> None:
    command = ["python", "-m", "pipeline.sweep", "topology=big.xml,my/two_core.yaml", "policy=conf/own.yaml"]
    run = SimpleNamespace(axes=("topology",), manifest={"command": command})
    row = {"point": 1, "topology": "two_core_file", "policy": "own"}
    words = rerun_of(run, row)  # type: ignore[arg-type]
    assert words == ["topology=my/two_core.yaml", "policy=conf/own.yaml"]


def test_topologies_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert topology.main(["list"]) == 0
    assert "epyc_7763_2s" in capsys.readouterr().out
    assert topology.main(["show", "topology=two_core"]) == 0
    assert "cores" in capsys.readouterr().out


def test_an_exported_topology_is_the_same_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert topology.main(["export", "topology=apple_m1_pro", "out=m1.yaml"]) == 0
    assert yaml.safe_load(Path("m1.yaml").read_text())["kind"] == "description"
    capsys.readouterr()
    shown = []
    for words in (["show", "apple_m1_pro"], ["show", "m1.yaml"]):
        assert topology.main(words) == 0
        shown.append(capsys.readouterr().out)
    assert shown[0] == shown[1]
    assert topology.main(["export", "topology=apple_m1_pro", "out=m1.yaml"]) == 2
    assert topology.main(["import", "m1.yaml", "out=copy.yaml"]) == 0
    assert Path("copy.yaml").read_bytes() == Path("m1.yaml").read_bytes()


def test_traces_are_listed_and_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert trace.main(["list"]) == 0
    assert trace.main(["show", "mixed_s2"]) == 0
    assert "processes" in capsys.readouterr().out


@pytest.mark.parametrize("words", [["--help"], ["--cfg", "job", "policy=adaptive,none"]])
def test_flags_of_hydra_only_show_something(
    words: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as ended:
        raise SystemExit(sweep.main(words))
    assert not ended.value.code
    assert "policy" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_usage_of_the_console_script(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    assert "coreshift sweep" in capsys.readouterr().out
    assert cli.main(["topology", "list"]) == 0


def test_flags_are_told_from_overrides() -> None:
    words = ["-m", "--cfg", "job", "a=1", "-cd=x", "b=1,2", "--package", "policy"]
    assert split_flags(words) == (
        ["--cfg", "job", "-cd=x", "--package", "policy"],
        ["a=1", "b=1,2"],
    )
    command = read_command(["policy.x=1", "policy.y=1,2", "policy=none", "~cost"])
    assert [o.input_line for o in command.fixed] == [
        "experiment=none", "++policy.x=1", "policy=none", "~cost",
    ]  # fmt: skip
    assert list(command.swept) == ["policy.y"]
