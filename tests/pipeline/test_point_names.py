"""What points are called: short, told apart, and nothing that says nothing."""

import shlex

import pytest

from pipeline.evidence.aggregate import read_run
from pipeline.evidence.point_names import ROLES, child_name, role_of, setting_of, setting_word, sweep_name
from pipeline.mlflow_runs.rows import words
from tests.unit.analysis.synthetic import write_run

RATE = "policy.limits.core.rate_per_s"


@pytest.mark.parametrize(
    ("axis", "value", "text"),
    [
        ("policy.threshold_factor", 0.25, "×0.25"),
        ("policy.threshold_factor", 2.0, "×2"),
        ("policy.limits.system.rate_per_s", 6_000_000.0, "system 6M/s"),
        (RATE, 2_000.0, "core 2000/s"),
        (RATE, 12_500.0, "core 12.5k/s"),
        ("policy.limits.process.min_interval_ns", 100_000, "gap 100µs"),
        ("policy.limits.process.min_interval_ns", 1_500_000, "gap 1.5ms"),
        ("policy.limits.burst.capacity", 1024, "burst 1024"),
        ("policy.stealing.victim", "random", "stealing_victim random"),
        ("policy.erts.swt", "low", "+swt low"),
        ("workload.load", 0.8, "workload_load 0.8"),
    ],
)
def test_words_of_settings(axis, value, text):
    assert setting_word(axis, value) == text


@pytest.mark.parametrize(
    ("marks", "role"),
    [
        ({"recommended": True, "baseline": True, "pareto": True}, "recommended"),
        ({"baseline": True, "pareto": True}, "baseline"),
        ({"replicate_count": 0}, "failed"),
        ({"feasible": False, "pareto": True}, "infeasible"),
        ({"feasible": True, "pareto": True}, "front"),
        ({"pareto": False}, "off"),
    ],
)
def test_a_point_has_one_part_in_the_answer(marks, role):
    assert role_of({"replicate_count": 3, **marks}) == role


def test_names_of_a_sweep_and_its_points(tmp_path):
    run = read_run(write_run(tmp_path / "t" / "abcdef1234", replicates=1))
    rows = [row | {"replicate_count": 1} for row in run.points.iter_rows(named=True)]
    names = [child_name(run, row) for row in rows]
    assert len(set(names)) == len(names)
    assert names[0] == f"{ROLES['off']} ×1 none"
    assert names[1] == f"{ROLES['off']} ×0.25 core 2000/s adaptive"
    # No limit says nothing, and a comma parts what a sentence lists.
    assert setting_of(run, rows[3]) == "adaptive, threshold_factor 0.25"
    assert sweep_name(run, "abcdef1234") == "sweep abcdef12: epyc_7763_2s under ttb_last"


def test_points_of_several_machines_are_told_apart(tmp_path):
    cells = (("a", "mixed"), ("b", "mixed"), ("c", "mixed"))
    run = read_run(write_run(tmp_path / "t" / "k", thresholds=(), rates=(), cells=cells, replicates=1))
    rows = [row | {"replicate_count": 1} for row in run.points.iter_rows(named=True)]
    assert child_name(run, rows[0]) == "○ ×1 none (a)"
    assert sweep_name(run, "k") == "sweep k: 3 topologies under mixed"


def test_a_command_is_told_as_a_shell_takes_it():
    command = ["python", "-m", "pipeline.sweep", 'front.constraints=["slowdown_p99 <= 3"]']
    assert shlex.split(words(command)) == command
    assert words(None) == ""
