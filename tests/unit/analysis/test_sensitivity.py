"""Which parameter matters: a function whose indices are known, and measures against their definitions."""

import json
import math

import numpy as np
import polars as pl
import pytest
import yaml
from scipy import stats

from pipeline.config.axes import Axis
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.designs import saltelli_cube
from pipeline.config.grid import DESIGN, design_table, expand_grid, expand_samples
from pipeline.config.study import make_study
from pipeline.evidence.aggregate import read_run, summarise
from pipeline.evidence.effects import eta_squared, level_codes, partial_ranks, ranks_of
from pipeline.evidence.sensitivity import sensitivity_table
from pipeline.evidence.sobol import resampled
from tests.unit.analysis.synthetic import write_run

KEYS = ("policy.a", "policy.b", "policy.c")
AXES = [Axis(key, low=-math.pi, high=math.pi) for key in KEYS]


def ishigami(a, b, c):
    """T. Ishigami and T. Homma 1990, with the usual constants."""
    return math.sin(a) + 7 * math.sin(b) ** 2 + 0.1 * c**4 * math.sin(a)


def write_design(folder, kind, rows, metric=ishigami, replicates=1, noise=0.0):
    """A run folder of points that a design drew; equal ones are merged, as a study does."""
    unique = {tuple(row.values()): None for row in rows}
    place = {values: number for number, values in enumerate(unique)}
    (folder / "lanes").mkdir(parents=True)
    (folder / "config.yaml").write_text(yaml.safe_dump({"sweep": {"kind": kind}}))
    manifest = {"study": "s", "run_key": "k", "seed": 1, "replicates": replicates, "axes": list(rows[0])}
    (folder / "manifest.json").write_text(json.dumps(manifest | {"baseline": 0}))
    table = pl.DataFrame(list(unique), schema=list(rows[0]), orient="row").with_row_index("point")
    table.write_parquet(folder / "points.parquet")
    spread = np.random.default_rng(4).normal(size=(len(unique), replicates)) * noise
    lanes = [
        {"point": point, "replicate": r, "status": 1, "load_imbalance": metric(*values) + spread[point, r],
         "migration_overhead_share": 0.5}
        for values, point in place.items() for r in range(replicates)
    ]  # fmt: skip
    pl.DataFrame(lanes).write_parquet(folder / "lanes" / "part-00000.parquet")
    if kind == "saltelli":
        samples = [place[tuple(row.values())] for row in rows]
        design_table(list(rows[0]), samples).write_parquet(folder / DESIGN)
    return folder


def found_in(folder):
    """(method, parameter) -> (value, low, high) of the load imbalance."""
    run = read_run(folder)
    table = sensitivity_table(run, summarise(run))
    rows = table.filter(pl.col("metric") == "load_imbalance").iter_rows(named=True)
    return {(r["method"], r["parameter"]): (r["value"], r["low"], r["high"]) for r in rows}


def test_ishigami_has_its_known_indices(tmp_path):
    rows = expand_samples(AXES, "saltelli", 1024, 1)
    assert len(rows) == 1024 * 5
    found = found_in(write_design(tmp_path / "k", "saltelli", rows))
    known = {
        "sobol_first": (0.3139, 0.4424, 0.0),
        "sobol_total": (0.5576, 0.4424, 0.2437),
    }
    assert {method for method, _ in found} == set(known)
    for method, values in known.items():
        for key, value in zip(KEYS, values, strict=True):
            estimate, low, high = found[method, key]
            assert estimate == pytest.approx(value, abs=0.03)
            assert low < value < high


def test_merged_points_count_for_each_of_their_rows(tmp_path):
    # A metric that is the sum of coins: a third of the variance each, many rows the same point.
    coins = [Axis(key, (0, 1)) for key in KEYS]
    rows = expand_samples(coins, "saltelli", 256, 1)
    folder = write_design(tmp_path / "k", "saltelli", rows, metric=lambda *sides: float(sum(sides)))
    assert pl.read_parquet(folder / "points.parquet").height == 8
    found = found_in(folder)
    for key in KEYS:
        for method in ("sobol_first", "sobol_total"):
            assert found[method, key][0] == pytest.approx(1 / 3, abs=0.03)


def test_a_missing_result_leaves_ranks_only(tmp_path):
    rows = expand_samples(AXES, "saltelli", 16, 1)
    folder = write_design(tmp_path / "k", "saltelli", rows)
    part = folder / "lanes" / "part-00000.parquet"
    pl.read_parquet(part).filter(pl.col("point") != 3).write_parquet(part)
    assert {method for method, _ in found_in(folder)} == {"rank_correlation"}


def test_the_design_takes_one_axis_from_the_second_sample():
    cube = saltelli_cube(8, 2, np.random.default_rng(1)).reshape(4, 8, 2)
    first, second, *mixed = cube
    assert (mixed[0] == np.column_stack([second[:, 0], first[:, 1]])).all()
    assert (mixed[1] == np.column_stack([first[:, 0], second[:, 1]])).all()


def test_the_bootstrap_is_of_scipys_estimator():
    values = np.random.default_rng(2).normal(size=(5, 64))
    func = {"f_A": values[None, 0], "f_B": values[None, 1], "f_AB": values[2:, None]}
    exact = stats.sobol_indices(func=func, n=64)
    first, total = resampled(values, 1, resamples=2000)
    assert np.abs(first.mean(axis=0) - exact.first_order).max() < 0.05
    assert np.abs(total.mean(axis=0) - exact.total_order).max() < 0.05


def test_a_study_knows_the_points_of_its_design():
    words = ["sweep=saltelli", "sweep.points=8", "policy.stealing.attempts=interval(1,3)"]
    command = read_command(words)
    study = with_hydra(command, lambda: make_study(command))
    assert len(study.samples) == 8 * (len(study.sampled_axes) + 2)
    assert study.merged > 0
    rows = np.array(study.samples).reshape(-1, 8)
    for axis, key in enumerate(study.sampled_axes):
        for base in range(8):
            mixed = study.points[rows[2 + axis, base]].axes
            for other in study.sampled_axes:
                source = rows[1, base] if other == key else rows[0, base]
                assert mixed[other] == study.points[source].axes[other]


def test_partial_ranks_are_correlations_of_what_is_left():
    generator = np.random.default_rng(3)
    first = generator.normal(size=80)
    second = first + generator.normal(size=80)
    metric = second + 0.5 * generator.normal(size=80)
    ranks = np.array([ranks_of(first), ranks_of(second)])
    found = partial_ranks(ranks, ranks_of(metric))
    for place in range(2):
        others = np.column_stack([np.ones(80), stats.rankdata((first, second)[1 - place])])

        def left(values, others=others):
            values = stats.rankdata(values)
            return values - others @ np.linalg.lstsq(others, values, rcond=None)[0]

        expected = np.corrcoef(left((first, second)[place]), left(metric))[0, 1]
        assert found[place] == pytest.approx(expected, abs=1e-9)


def test_one_parameter_has_spearmans_correlation():
    generator = np.random.default_rng(3)
    one, metric = generator.integers(0, 5, 40).astype(float), generator.normal(size=40)
    found = partial_ranks(np.array([ranks_of(one)]), ranks_of(metric))
    assert found[0] == pytest.approx(stats.spearmanr(one, metric).statistic)


def test_parameters_that_rank_alike_fall_back_to_spearman():
    one, metric = np.arange(20.0), np.random.default_rng(1).normal(size=20)
    ranks = np.array([ranks_of(one), ranks_of(2 * one)])
    assert np.isfinite(partial_ranks(ranks, ranks_of(metric))).all()


def test_eta_squared_is_the_first_order_index_of_a_full_grid():
    rows = expand_grid([Axis("x", (0, 1, 2)), Axis("y", ("a", "b"))], 5)
    values = np.array([row["x"] ** 2 + (3.0 if row["y"] == "b" else 0.0) * row["x"] for row in rows])
    for key in ("x", "y"):
        column = pl.Series([row[key] for row in rows])
        means = [values[[row[key] == level for row in rows]].mean() for level in column.unique()]
        assert eta_squared(level_codes(column), values) == pytest.approx(np.var(means) / np.var(values))


def test_a_grid_over_names_says_which_axis_matters(tmp_path):
    rows = expand_grid([Axis("policy.name", ("a", "b", "c")), Axis("policy.flag", (False, True))], 5)
    folder = write_design(
        tmp_path / "k", "grid", rows, lambda name, flag: "abc".index(name) + 0.1 * flag, 4, 0.01
    )
    found = found_in(folder)
    assert {method for method, _ in found} == {"eta_squared"}
    value, low, high = found["eta_squared", "policy.name"]
    assert low <= value <= high
    assert value > 0.99
    assert found["eta_squared", "policy.flag"][0] < 0.01


def test_the_table_is_the_same_each_time_and_one_replicate_has_no_interval(tmp_path):
    tables = []
    for name in ("a", "b"):
        run = read_run(write_run(tmp_path / name / "k"))
        tables.append(sensitivity_table(run, summarise(run)))
    assert tables[0].equals(tables[1])
    assert tables[0]["low"].null_count() == 0
    run = read_run(write_run(tmp_path / "c" / "k", replicates=1))
    single = sensitivity_table(run, summarise(run))
    assert single["low"].null_count() == single.height > 0


def test_no_limit_is_the_greatest_number(tmp_path):
    # Both directions of the truth: the rate moves overhead up, the threshold moves it down.
    run = read_run(write_run(tmp_path / "s" / "k", noise=0.0, replicates=2))
    table = sensitivity_table(run, summarise(run)).filter(
        pl.col("metric") == "migration_overhead_share", pl.col("method") == "rank_correlation"
    )
    values = dict(table.select("parameter", "value").iter_rows())
    assert values["policy.limits.core.rate_per_s"] > 0.3
    assert values["policy.threshold_factor"] < -0.5


def test_several_cells_have_rows_of_their_own_and_together(tmp_path):
    cells = [("small", "w"), ("large", "w")]
    run = read_run(write_run(tmp_path / "s" / "k", cells=cells, replicates=2))
    table = sensitivity_table(run, summarise(run))
    assert set(table["topology"].to_list()) == {"small", "large", None}
    assert table.columns == ["topology", "workload", "metric", "parameter", "method", "value", "low", "high"]
