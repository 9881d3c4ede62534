"""Other questions to the same tables: objectives, weights and constraints, in words, anew, and in files."""

import io
import json
import shlex
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import yaml
from rich.console import Console

from pipeline.config.compose import read_command
from pipeline.config.constraint_words import expand_constraints
from pipeline.config.goals import goals_of
from pipeline.errors import ConfigError
from pipeline.evidence.aggregate import RunFolderError, read_run
from pipeline.evidence.analyse import analyse
from pipeline.evidence.ask import ask
from pipeline.evidence.choice import choose
from pipeline.evidence.question import is_question, restate
from pipeline.evidence.rerun import command_line, rerun_of, study_words
from pipeline.evidence.summary_table import print_summary, summary_json
from pipeline.report import run as report
from pipeline.run.fanout import run_study
from tests.pipeline import fake
from tests.unit.analysis.synthetic import write_run

TAIL = {"constraints": ["slowdown_p99 <= 6"]}


def write_asking(folder: Path, front: dict, **changes) -> Path:
    """A made-up run that asks about something else."""
    write_run(folder, **changes)
    config = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").write_text(yaml.safe_dump(config | {"front": front}))
    return folder


def terminal(found) -> str:
    out = io.StringIO()
    print_summary(found, Console(file=out, width=300))
    return out.getvalue()


def test_a_recommended_setting_meets_the_constraints(tmp_path):
    found = analyse(write_asking(tmp_path / "k", TAIL), draw=False)
    (chosen,) = found.recommendations
    row = found.summary.row(by_predicate=pl.col("point") == chosen.point, named=True)
    assert row["slowdown_p99_mean"] <= 6
    assert row["feasible"]
    assert found.front["slowdown_p99_mean"].max() <= 6
    met = found.summary["slowdown_p99_mean"] <= 6
    assert found.summary["feasible"].to_list() == met.to_list()
    near = found.summary.filter(~pl.col("feasible"))["feasible_probability"]
    assert 0 <= near.min() < 0.5
    for text in ((found.folder / "recommended.yaml").read_text(), terminal(found)):
        assert "slowdown_p99 <= 6" in text


def test_nothing_feasible_is_said_everywhere(tmp_path):
    front = {"constraints": ["slowdown_p99 <= 0.5"]}
    found = analyse(write_asking(tmp_path / "k", front), draw=False)
    (chosen,) = found.recommendations
    assert (chosen.rule, chosen.feasible, chosen.feasible_count) == ("breach", False, 0)
    # The least in breach of the one constraint.
    assert found.summary.sort("slowdown_p99_mean")["point"][0] == chosen.point
    assert chosen.hypervolume is None
    policy = (found.folder / "recommended.yaml").read_text()
    for text in (policy, terminal(found)):
        assert "NO SETTING MEETS THE CONSTRAINTS (slowdown_p99 <= 0.5)" in text
    assert json.loads((found.folder / "metrics.json").read_text())["feasible"] is False


def test_more_is_better_is_minimised_with_its_sign(tmp_path):
    front = {"objectives": ["throughput_per_s", "load_imbalance"]}
    found = analyse(write_asking(tmp_path / "k", front), draw=False)
    means = found.summary.select("throughput_per_s_mean", "load_imbalance_mean").to_numpy()
    on_front = [
        not any((m[0] >= row[0]) and (m[1] <= row[1]) and (m != row).any() for m in means) for row in means
    ]
    assert found.summary["pareto"].to_list() == on_front
    (cell,) = summary_json(found)["cells"]
    box = cell["hypervolume"]
    assert box["ideal"]["throughput_per_s"] == means[:, 0].max()
    assert box["reference"]["throughput_per_s"] == means[:, 0].min()


def test_three_objectives_have_an_answer_and_a_table(tmp_path):
    front = {"objectives": ["load_imbalance", "migration_overhead_share", "slowdown_p99"]}
    found = analyse(write_asking(tmp_path / "k", front), draw=False)
    assert found.recommendations[0].rule in ("plane", "ideal")
    assert found.summary["pareto"].to_list() == found.summary["pareto_tail"].to_list()
    assert "slowdown p99" in terminal(found)


def test_weights_choose_and_are_told(tmp_path):
    points = []
    for weight in (0.05, 20):
        front = {"weights": {"load_imbalance": weight, "migration_overhead_share": 1}}
        found = analyse(write_asking(tmp_path / str(weight) / "k", front), draw=False)
        assert found.recommendations[0].rule == "weights"
        assert "weights load_imbalance" in (found.folder / "recommended.yaml").read_text()
        points.append(found.recommendations[0].point)
    rows = found.summary.sort("point")["load_imbalance_mean"]
    assert rows[points[1]] < rows[points[0]]


def test_an_unknown_metric_of_old_lanes_is_named(tmp_path):
    folder = write_asking(tmp_path / "k", {"objectives": ["load_imbalance", "energy_j"]})
    with pytest.raises(RunFolderError, match="energy_j"):
        analyse(folder, draw=False)


def test_an_objective_passes_over_what_misses_a_constraint():
    gains = np.array([[100.0, 150.0, 130.0]]) + np.random.default_rng(1).normal(size=(8, 3)) * 0.1
    feasible = np.array([True, False, True])
    changes = np.array([0, 1, 1])
    assert choose(gains, None, 0, changes, 0.01, feasible).row == 2
    # A baseline that misses it is not what is fallen back to.
    gains[:, 2] = gains[:, 0] - 1
    found = choose(gains, None, 0, changes, 0.01, np.array([False, False, True]))
    assert (found.row, found.verdict) == (2, "allowed")
    found = choose(gains[:2], None, 0, changes, 0.01, np.array([False, False, True]))
    assert (found.row, found.verdict) == (2, "allowed")


def test_constraints_in_words_are_one_override():
    words = ["a=1", "constraint=p99 slowdown <= 3 and throughput >= 1e6", "constraint=load imbalance < 10%"]
    command = read_command(words)
    (override,) = [o for o in command.fixed if o.key_or_group == "front.constraints"]
    assert override.value() == ["p99 slowdown <= 3 and throughput >= 1e6", "load imbalance < 10%"]
    # As typed, so that a manifest's command does the same again.
    assert read_command(command.typed).fixed_texts == command.fixed_texts
    assert expand_constraints(["constraint=none"]) == ["front.constraints=[]"]


@pytest.mark.parametrize(
    "words",
    [
        ["constraint="],
        ["constraint=none", "constraint=a <= 1"],
        ["constraint=a <= 1", "front.constraints=[]"],
    ],
)
def test_bad_constraint_words_are_refused(words):
    with pytest.raises(ConfigError, match="constraint"):
        read_command(words)


def test_a_command_line_gives_its_words_back():
    words = ["python", 'front.constraints=["p99 slowdown <= 3"]', "a='b c'", "x=$HOME", "y=1,2", ""]
    assert shlex.split(command_line(words)) == words


def test_the_command_that_runs_a_setting_is_without_the_question_and_quoted(tmp_path):
    run = read_run(write_run(tmp_path / "k", replicates=1))
    words = ['front.constraints=["slowdown_p99 <= 3"]', "workload.name=a b", "experiment=none"]
    run = replace(run, manifest=run.manifest | {"command": ["python", "-m", "pipeline.sweep", *words]})
    assert study_words(run) == ["workload.name=a b", "experiment=none"]
    line = command_line(rerun_of(run, run.points.row(3, named=True)))
    assert "'workload.name=a b'" in line


def test_a_report_asks_a_finished_sweep_something_else(tmp_path):
    folder = write_run(tmp_path / "s" / "k")
    first = analyse(folder, draw=False).recommendations[0].point
    out = io.StringIO()
    words = [f"run={folder}", "draw=false", "constraint=p99 slowdown <= 6"]
    assert report(words, Console(file=out, width=200)) == 0
    assert "slowdown_p99 <= 6" in out.getvalue()
    run = read_run(folder)
    assert [one.text for one in run.goals.constraints] == ["slowdown_p99 <= 6"]
    assert run.manifest["command"][-1] == 'front.constraints=["p99 slowdown <= 6"]'
    assert analyse(folder, draw=False).recommendations[0].point != first
    # By its study's name, as the other commands take it.
    (folder / "COMPLETE").touch()
    report(["run=threshold", f"outputs={tmp_path}", "draw=false", "constraint=none"], Console(file=out))
    assert analyse(folder, draw=False).recommendations[0].point == first


@pytest.mark.parametrize(
    "word",
    [
        "constraint=nonsense",
        "front.weights={energy_j: 1}",
        "front.objectives=[a,b]",
        "front.x=1",
        "objective=3",
        "front.objectives=energy_j,load_imbalance",
    ],
)
def test_a_bad_question_changes_nothing(tmp_path, word):
    folder = write_run(tmp_path / "s" / "k", replicates=1)
    before = (folder / "config.yaml").read_bytes()
    with pytest.raises((ConfigError, RunFolderError)):
        ask(folder, [word])
    assert (folder / "config.yaml").read_bytes() == before


def test_new_objectives_take_back_an_objective_and_weights_of_others(tmp_path):
    folder = write_asking(tmp_path / "k", {"weights": {"load_imbalance": 2}})
    restate(
        folder, {"front": {"weights": {"load_imbalance": 2}}, "objective": {"metric": "slowdown_p99"}}, []
    )
    ask(folder, ["front.objectives=slowdown_p99,throughput_per_s"])
    config = yaml.safe_load((folder / "config.yaml").read_text())
    assert config["objective"] is None
    assert config["front"]["weights"] is None


def test_the_command_asks_all_that_the_configuration_does(tmp_path):
    folder = write_run(tmp_path / "s" / "k", replicates=1)

    def question() -> list[str]:
        words = json.loads((folder / "manifest.json").read_text())["command"]
        return [word for word in words if is_question(word)]

    ask(folder, ["constraint=slowdown_p99 <= 60"])
    ask(folder, ["objective.metric=slowdown_p99"])
    limit = 'front.constraints=["slowdown_p99 <= 60"]'
    assert question() == [limit, "objective.metric=slowdown_p99"]
    ask(folder, ["front.weights={load_imbalance: 2}"])
    assert question() == [limit, "front.weights={load_imbalance: 2}", "objective=null"]
    ask(folder, ["front.objectives=[slowdown_p99,throughput_per_s]", "constraint=none"])
    assert question() == [
        "objective=null", "front.objectives=[slowdown_p99,throughput_per_s]", "front.constraints=[]",
        "front.weights=null",
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["slowdown_p99,throughput_per_s", "[slowdown_p99,throughput_per_s]"])
def test_objectives_with_a_comma_are_a_list_for_report_and_sweep_alike(tmp_path, text):
    folder = write_run(tmp_path / "s" / "k", replicates=1)
    ask(folder, [f"front.objectives={text}"])
    words = json.loads((folder / "manifest.json").read_text())["command"]
    (asked,) = [word for word in words if is_question(word)]
    command = read_command([asked])
    assert not command.swept
    (objectives,) = [one.value() for one in command.fixed if one.key_or_group == "front.objectives"]
    assert objectives == ["slowdown_p99", "throughput_per_s"]


def test_constraints_that_differ_in_a_late_digit_are_told_apart():
    texts = ["throughput_per_s >= 1000000.5", "throughput_per_s >= 1000000", "slowdown_p99 <= 3.0000001"]
    told = [goals_of({"front": {"constraints": [text]}}).constraints[0].text for text in texts]
    assert told == ["throughput_per_s >= 1000000.5", "throughput_per_s >= 1e+06", "slowdown_p99 <= 3.0000001"]


def test_a_finished_sweep_is_not_answered_from_an_older_question(tmp_path):
    quiet = Console(file=io.StringIO(), quiet=True)
    study = fake.fake_study(tmp_path)
    done = run_study(study, console=quiet, toolkit=fake.fake_toolkit())
    lanes = fake.digests(done.folder)

    class Asking(fake.Config):
        def model_dump(self, mode="json"):
            return super().model_dump(mode) | {"front": TAIL}

    asking = replace(
        study,
        config=Asking(**vars(study.config)),
        command=["python", "-m", "pipeline.sweep", "a=1", "front.constraints=[x]"],
    )
    again = run_study(asking, console=quiet, toolkit=fake.fake_toolkit())
    assert (again.folder, again.computed_lanes) == (done.folder, 0)
    assert yaml.safe_load((again.folder / "config.yaml").read_text())["front"] == TAIL
    assert json.loads((again.folder / "manifest.json").read_text())["command"][-1] == "front.constraints=[x]"
    assert fake.digests(done.folder) == lanes
