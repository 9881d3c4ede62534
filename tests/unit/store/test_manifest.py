"""The manifest and the table of points."""

import json
import math
import subprocess
from types import SimpleNamespace

import polars as pl

from pipeline.run import manifest
from pipeline.run.manifest import add_session, git_state, run_key, write_manifest
from pipeline.run.points import points_table
from tests.pipeline.fake import Section


def point(policy, axes, labels=None, baseline_index=0):
    config = Section({"policy": Section(policy)})
    return SimpleNamespace(
        config=config,
        axes=axes,
        labels=labels or {"workload": "w", "policy": "p", "topology": "t"},
        baseline_index=baseline_index,
    )


def test_points_have_plain_columns_of_fitting_types():
    points = [
        point(
            {
                "name": "p",
                "threshold_factor": 1,
                "limits": {"core": {"rate_per_s": None}, "count": 3},
                "migrate": True,
                "stealing": {"victim": "off"},
                "list": [1, 2],
            },
            {"policy.threshold_factor": 1, "workload.load": 0.5},
        ),
        point(
            {"threshold_factor": math.inf, "limits": {"core": {"rate_per_s": None}, "count": None}},
            {"policy.threshold_factor": math.inf, "workload.load": None},
            baseline_index=1,
        ),
    ]
    table = points_table(points, ("policy.threshold_factor", "workload.load"))
    assert dict(table.schema) == {
        "point": pl.Int32,
        "baseline": pl.Boolean,
        "topology": pl.String,
        "workload": pl.String,
        "policy": pl.String,
        "policy.threshold_factor": pl.Float64,
        "workload.load": pl.Float64,
        "policy.limits.core.rate_per_s": pl.Float64,
        "policy.limits.count": pl.Int64,
        "policy.list": pl.String,
        "policy.migrate": pl.Boolean,
        "policy.stealing.victim": pl.String,
    }
    assert table["policy.threshold_factor"].to_list() == [1.0, math.inf]
    assert table["baseline"].to_list() == [True, True]
    assert table["policy.limits.count"].to_list() == [3, None]


def test_a_swept_group_is_its_label():
    points = [point({"a": 1}, {"policy": name}, {"policy": name}) for name in ("x", "y")]
    table = points_table(points, ("policy",))
    assert table["policy"].to_list() == ["x", "y"]


def test_the_run_key_does_not_depend_on_the_order_of_keys():
    assert run_key({"a": 1, "b": math.inf}, "s") == run_key({"b": math.inf, "a": 1}, "s")
    assert run_key({"a": 1}, "s") != run_key({"a": 1.5}, "s") != run_key({"a": 1.5}, "t")


def test_sessions_survive_a_new_manifest_and_damage_does_not_matter(tmp_path):
    write_manifest(tmp_path, {"study": "s"})
    add_session(tmp_path, {"lanes": 1})
    write_manifest(tmp_path, {"study": "s", "command": ["a", "b"]})
    add_session(tmp_path, {"lanes": 2})
    found = json.loads((tmp_path / "manifest.json").read_text())
    assert [session["lanes"] for session in found["sessions"]] == [1, 2]
    assert found["command"] == ["a", "b"]
    assert found["machine"]["cpus"] >= 1
    (tmp_path / "manifest.json").write_text("{")
    write_manifest(tmp_path, {"study": "s"})
    assert json.loads((tmp_path / "manifest.json").read_text())["sessions"] == []


def test_the_git_state_tells_a_clean_tree_from_a_changed_one(tmp_path, monkeypatch):
    def git(*words):
        subprocess.run(["git", "-C", tmp_path, *words], check=True, capture_output=True)

    for name in ("GIT_AUTHOR_NAME", "GIT_COMMITTER_NAME", "GIT_AUTHOR_EMAIL", "GIT_COMMITTER_EMAIL"):
        monkeypatch.setenv(name, "someone@example.invalid")
    assert git_state(tmp_path) is None
    git("init", "-q")
    assert git_state(tmp_path) is None
    (tmp_path / "file").write_text("1")
    git("add", "file")
    git("commit", "-q", "-m", "one")
    state = git_state(tmp_path)
    assert len(state["commit"]) == 40
    assert state["dirty"] is False
    (tmp_path / "file").write_text("2")
    assert git_state(tmp_path)["dirty"] is True


def test_no_git_at_all_is_fine(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert git_state(tmp_path) is None
    assert manifest.environment()["python"]
