"""What keeps big studies cheap: nothing is imported too early, summed at once, or drawn without bound."""

import dataclasses
import hashlib
import subprocess
import sys

import numpy as np
import pytest
from rich.console import Console

import sim
from pipeline.charts.rows import DRAWN_MAX, drawn_note, drawn_rows
from pipeline.evidence import aggregate
from pipeline.evidence.aggregate import read_run, summarise, table_bytes
from pipeline.evidence.analyse import analyse
from pipeline.evidence.choice import Change, Choice
from pipeline.evidence.front import bootstrap_front, draw_means, find_knee, pareto_mask
from pipeline.mlflow_runs.handover import read_recommendations, recommendations_text
from pipeline.run.fanout import run_study
from tests.bench.overhead import write_made_up
from tests.pipeline import fake
from tests.unit.analysis.synthetic import write_run

QUIET = Console(quiet=True)
LATE = ("altair", "vl_convert", "mlflow", "ray", "pyarrow", "scipy.stats", "matplotlib", "pandas")
NOT_IN_WORKERS = (*LATE, "polars", "pydantic", "hydra", "rich")


@pytest.mark.parametrize(
    ("module", "late"), [("pipeline.sweep", LATE), ("sim, pipeline.clusters.ray", NOT_IN_WORKERS)]
)
def test_nothing_is_imported_before_it_is_needed(module, late):
    code = f"import sys, {module}; print([name for name in {late} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("lanes", [1, 7, 50])
def test_bytes_of_the_summary_do_not_depend_on_its_blocks(tmp_path, monkeypatch, lanes):
    run = read_run(write_run(tmp_path / "t" / "k", failed=((3, 1), (4, 0)), parts=2))
    whole = table_bytes(summarise(run))
    monkeypatch.setattr(aggregate, "BLOCK_LANES", lanes)
    assert hashlib.sha256(table_bytes(summarise(run))).digest() == hashlib.sha256(whole).digest()


@pytest.mark.parametrize(("replicates", "noise"), [(2, 0.01), (6, 0.02), (6, 0.3)])
def test_points_left_out_of_the_resamples_change_no_share(replicates, noise):
    rng = np.random.default_rng(replicates)
    along = rng.random(2500)
    truth = np.stack([along, 1 - along + rng.random(2500), rng.random(2500)], axis=1)
    lanes = np.round(truth + noise * rng.standard_normal((replicates, 2500, 3)), 2)
    found = bootstrap_front(lanes, 1, 40)
    on_front, is_knee = np.zeros(2500), np.zeros(2500)
    for means in draw_means(lanes, 1, 40):
        mask = pareto_mask(means[:, :2])
        on_front += mask
        knee = find_knee(means[:, :2], mask, means[:, 2]).row
        is_knee += (means[:, :2] == means[knee, :2]).all(axis=1)
    assert found is not None
    assert 0 < (on_front > 0).sum() < 2500
    assert found.on_front.tobytes() == (on_front / 40).tobytes()
    assert found.is_knee.tobytes() == (is_knee / 40).tobytes()


def test_charts_of_many_points_show_the_telling_ones(tmp_path):
    found = analyse(write_made_up(tmp_path / "made-up" / "k", 2500, 2), draw=False)
    (chosen,) = found.recommendations
    drawn = drawn_rows(found.summary, chosen, 1)
    assert drawn.height <= DRAWN_MAX < found.summary.height
    ends = {found.front["point"][0], found.front["point"][-1]}
    assert {chosen.point, chosen.baseline} | ends <= set(drawn["point"])
    assert drawn["point"].to_list() == sorted(drawn["point"])
    assert drawn.equals(drawn_rows(found.summary, chosen, 1))
    assert f"{drawn.height:,} of 2,501 settings" in drawn_note(drawn, found.summary)
    few = found.summary.head(100)
    assert drawn_rows(few, chosen, 1).equals(few)
    assert drawn_note(few, few) == ""


def test_compiling_tells_of_its_parts_where_it_can(tmp_path):
    told = []

    def by_parts(on_part=None):
        told.append(on_part)
        on_part(1, 2)
        return 0.0

    def at_once():
        told.append(None)
        return 0.0

    for name, compile_kernels in (("parts", by_parts), ("once", at_once)):
        study = fake.fake_study(tmp_path / name)
        run_study(study, console=QUIET, toolkit=fake.fake_toolkit(compile_kernels=compile_kernels))
    assert [on_part is not None for on_part in told] == [True, False]


def test_recommendations_reach_the_recorder_as_they_are(tmp_path):
    found = analyse(write_run(tmp_path / "t" / "k"), draw=False).recommendations
    choice = Choice(1, 2, "better", Change(0.1, 0.0, float("inf")), None, 3, 3, 5, 1)
    changed = dataclasses.replace(found[0], choice=choice, flags=sim.Erts(), rivals=((3, 0.2),))
    assert read_recommendations(recommendations_text([*found, changed])) == [*found, changed]
