"""Recommendations held against other cells and other seeds: made-up cells whose best settings are known."""

import json

import numpy as np
import polars as pl
import pytest
import yaml

from pipeline.evidence.aggregate import read_run, summarise
from pipeline.evidence.analyse import analyse
from pipeline.evidence.cell import study_cells
from pipeline.evidence.recommend import mark_cells
from pipeline.evidence.regret import check_seeds, front_measure, halves, regret_of
from pipeline.evidence.robustness import COMPROMISE, check_robustness
from tests.unit.analysis.synthetic import write_run

# Setting -> (imbalance, overhead); ends, and a knee that is another setting in each cell.
NEAR = {1: (1.0, 0.0), 2: (0.1, 0.4), 3: (0.3, 0.3), 4: (0.4, 0.9), 5: (0.0, 1.0)}
FAR = {1: (1.0, 0.0), 2: (0.9, 0.4), 3: (0.35, 0.3), 4: (0.1, 0.2), 5: (0.0, 1.0)}


def write_cells(folder, cells, replicates=6, noise=0.001, front=None):
    """A run folder with a cell a topology: its settings are thresholds, noise is each lane's own."""
    (folder / "lanes").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"front": front or {}}))
    manifest = {
        "study": "s", "run_key": "k", "seed": 1, "replicates": replicates, "baseline": 0,
        "axes": ["topology", "policy.threshold_factor"],
    }  # fmt: skip
    (folder / "manifest.json").write_text(json.dumps(manifest))
    rows = [
        {"topology": name, "policy": "p", "policy.threshold_factor": float(setting), "truth": values}
        for name, truth in cells.items() for setting, values in truth.items()
    ]  # fmt: skip
    generator = np.random.default_rng(7)
    lanes = []
    for point, row in enumerate(rows):
        x, y = row.pop("truth")
        for replicate in range(replicates):
            a, b = generator.normal(size=2) * noise
            lanes.append(
                {"point": point, "replicate": replicate, "status": 1, "load_imbalance": x + a,
                 "migration_overhead_share": y + b, "slowdown_p99": 10 * x + a}
            )  # fmt: skip
    pl.DataFrame(rows).with_row_index("point").write_parquet(folder / "points.parquet")
    pl.DataFrame(lanes).write_parquet(folder / "lanes" / "part-00000.parquet")
    return folder


def checked(folder):
    run = read_run(folder)
    summary = summarise(run)
    cells = study_cells(run, summary)
    _, chosen = mark_cells(run, summary, cells)
    return check_robustness(run, cells, chosen), cells


def test_each_choice_is_checked_in_the_other_cell(tmp_path):
    found, _ = checked(write_cells(tmp_path / "k", {"near": NEAR, "far": FAR}))
    rows = {(r["setting"], r["checked_in"]): r for r in found.table.iter_rows(named=True)}
    # Scaled to the front, which runs from 0 to 1 in both objectives: half the sum of the two.
    there = rows["p, threshold_factor 2", "topology far"]
    assert there["regret"] == pytest.approx((0.9 + 0.4) / 2 - (0.1 + 0.2) / 2, abs=0.005)
    assert there["regret_low"] < there["regret"] < there["regret_high"]
    assert (there["is_on_front"], there["front_probability"]) == (False, 0.0)
    back = rows["p, threshold_factor 4", "topology near"]
    assert back["regret"] == pytest.approx((0.4 + 0.9) / 2 - (0.1 + 0.4) / 2, abs=0.005)


def test_the_compromise_is_the_least_worst_though_no_cell_recommends_it(tmp_path):
    found, _ = checked(write_cells(tmp_path / "k", {"near": NEAR, "far": FAR}))
    assert found.best.setting == "p, threshold_factor 3"
    assert found.best.found_in == (COMPROMISE,)
    # By hand: 0.3 - 0.25 in one cell, 0.325 - 0.15 in the other.
    assert found.best.worst.value == pytest.approx(0.175, abs=0.005)
    assert found.best.worst_in == "topology far"
    assert [one.worst.value for one in found.verdicts] == sorted(one.worst.value for one in found.verdicts)


def test_what_misses_a_constraint_somewhere_stands_behind_what_meets_it(tmp_path):
    front = {"constraints": ["slowdown_p99 <= 2.5"]}
    found, _ = checked(write_cells(tmp_path / "k", {"near": NEAR, "far": FAR}, front=front))
    kinds = [one.feasible for one in found.verdicts]
    assert kinds == sorted(kinds, reverse=True)
    assert found.best.feasible
    assert found.best.setting == "p, threshold_factor 5"


def test_a_choice_by_one_metric_is_scored_by_it(tmp_path):
    folder = write_cells(tmp_path / "k", {"near": NEAR, "far": FAR})
    objective = {"metric": "load_imbalance", "keep": None, "tolerance": 0.0}
    (folder / "config.yaml").write_text(yaml.safe_dump({"objective": objective}))
    found, _ = checked(folder)
    rows = found.table.filter(pl.col("found_in") != pl.col("checked_in"))
    # Setting 5 has the least imbalance in both cells: nothing is lost, whatever the fronts look like.
    assert set(rows["setting"].to_list()) == {"p, threshold_factor 5"}
    assert rows["regret"].abs().max() == 0
    assert found.seeds == {}


def test_a_single_cell_has_no_verdict_but_other_seeds(tmp_path):
    found, cells = checked(write_cells(tmp_path / "k", {"near": NEAR}))
    assert found.best is None
    assert found.table.height == 1
    assert found.seeds["topology near"].same == 1.0
    assert regret_of(front_measure(cells[0]), 2, 2).value == 0


def test_other_seeds_tell_a_choice_by_luck(tmp_path):
    equals = {1: (1.0, 0.0), 5: (0.0, 1.0)} | dict.fromkeys(range(10, 30), (0.3, 0.3))
    run = read_run(write_cells(tmp_path / "k", {"equal": equals}, noise=0.02))
    (cell,) = study_cells(run, summarise(run))
    check = check_seeds(cell)
    assert check.same < 0.4
    assert check.regret.value > 0


def test_halves_are_halves_and_each_has_its_complement():
    found = halves(7, 1)
    assert len(found) == len({half.tobytes() for half in found}) <= 50
    assert {half.sum() for half in found} == {3, 4}
    assert all(any((half == ~other).all() for other in found) for half in found)


def test_it_is_written_told_and_the_same_each_time(tmp_path):
    cells = [("epyc_7763_2s", "mixed"), ("altra_2s", "mixed")]
    tables = []
    for name in ("a", "b"):
        folder = write_run(tmp_path / name / "k", cells=cells)
        analyse(folder, draw=False)
        tables.append((folder / "robustness.parquet").read_bytes())
    assert tables[0] == tables[1]
    told = json.loads((folder / "metrics.json").read_text())["robustness"]
    # Both cells have the same truth, so the same setting.
    assert told["best"]["worst_regret"]["value"] == pytest.approx(0, abs=0.02)
    assert set(told["other_seeds"]) == {
        "topology epyc_7763_2s, workload mixed",
        "topology altra_2s, workload mixed",
    }
