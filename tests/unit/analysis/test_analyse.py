"""The whole analysis on made-up runs whose answer is known."""

import hashlib
import io
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest
import yaml
from rich.console import Console

import sim
from pipeline.evidence.aggregate import read_run, summarise
from pipeline.evidence.analyse import analyse
from pipeline.evidence.recommend import mark_front
from pipeline.evidence.rerun import has_value, study_words
from pipeline.evidence.summary_table import print_summary, summary_json
from pipeline.plain import plain, plain_name
from tests.unit.analysis.synthetic import make_points, truth, write_run

TABLES = (
    "summary.parquet",
    "pareto.parquet",
    "sensitivity.parquet",
    "robustness.parquet",
    "recommended.yaml",
    "metrics.json",
)


@pytest.fixture(scope="module")
def found(tmp_path_factory):
    """One run, analysed with figures."""
    return analyse(write_run(tmp_path_factory.mktemp("runs") / "threshold" / "abcdef123456"))


def digests(folder: Path) -> dict[str, str]:
    return {name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in TABLES}


def true_front(points):
    """Points that no other point dominates in truth, without noise."""
    values = {row["point"]: truth(row) for row in points}
    return {
        p for p, (x, y) in values.items()
        if not any((a <= x and b <= y) and (a < x or b < y) for a, b in values.values())
    }  # fmt: skip


def test_front_without_noise_is_the_true_front(tmp_path):
    folder = write_run(tmp_path / "s" / "k", noise=0.0, replicates=2)
    front = analyse(folder, draw=False).front
    assert set(front["point"]) == true_front(
        make_points((0.25, 0.5, 1, 2, 4, 8), (2e3, 2e4, None), [("a", "b")])
    )
    assert front["migration_overhead_share_mean"].is_sorted()


def test_recommendation_is_the_true_knee(found):
    (chosen,) = found.recommendations
    points = make_points((0.25, 0.5, 1.0, 2.0, 4.0, 8.0), (2e3, 2e4, None), [("a", "b")])
    values = {row["point"]: truth(row) for row in points}
    ends = values[0], values[19]

    def below(point):
        y, x = values[point]
        return 1 - (x - ends[0][1]) / (ends[1][1] - ends[0][1]) - (y - ends[1][0]) / (ends[0][0] - ends[1][0])

    assert chosen.point == max(true_front(points), key=below)
    assert chosen.rule == "chord"
    assert chosen.baseline == 0
    assert chosen.front[0] == 0
    assert chosen.front[-1] == 19


def test_policy_file_is_complete_and_usable(found):
    text = (found.folder / "recommended.yaml").read_text()
    policy = yaml.safe_load(text)
    (chosen,) = found.recommendations
    row = found.summary.row(by_predicate=pl.col("point") == chosen.point, named=True)
    assert policy["threshold_factor"] == row["policy.threshold_factor"]
    assert policy["limits"]["core"]["rate_per_s"] == row["policy.limits.core.rate_per_s"]
    assert policy["limits"]["burst"]["cooldown_ns"] == 5_000_000
    assert policy["name"] == "adaptive"
    for word in ("threshold", "abcdef123456", "load_imbalance", chosen.command):
        assert word in text
    limits = sim.Limits(core=sim.RateLimit(**policy["limits"]["core"]))
    assert sim.Policy(threshold_factor=policy["threshold_factor"], limits=limits)


def test_command_names_every_axis(found):
    (chosen,) = found.recommendations
    start = "python -m pipeline.simulate experiment=none seed=1 topology=epyc_7763_2s workload="
    assert chosen.command.startswith(start)
    assert "policy=adaptive" in chosen.overrides
    assert any(o.startswith("policy.threshold_factor=") for o in chosen.overrides)


def test_tables_have_the_same_bytes_each_time(found, tmp_path):
    folder = write_run(tmp_path / "threshold" / "abcdef123456", parts=5)
    analyse(folder, draw=False)
    first = digests(folder)
    analyse(folder, draw=False)
    assert digests(folder) == first == digests(found.folder)


def test_tables_do_not_depend_on_threads(found, tmp_path):
    folder = write_run(tmp_path / "threshold" / "abcdef123456")
    code = "import sys; from pipeline.evidence.analyse import analyse; analyse(sys.argv[1], draw=False)"
    root = Path(__file__).resolve().parents[3]
    subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        check=True,
        cwd=root,
        env={**os.environ, "POLARS_MAX_THREADS": "1"},
    )
    assert digests(folder) == digests(found.folder)


def test_noise_is_told(tmp_path):
    folder = write_run(tmp_path / "s" / "k", noise=0.6, replicates=3)
    (chosen,) = analyse(folder, draw=False).recommendations
    assert chosen.rivals
    assert "not settled within noise" in chosen.doubts
    assert "not settled within noise" in (folder / "recommended.yaml").read_text()


def test_one_replicate_is_told(tmp_path):
    folder = write_run(tmp_path / "s" / "k", replicates=1)
    found = analyse(folder, draw=False)
    assert "one replicate only" in found.recommendations[0].doubts
    assert found.summary["front_probability"].null_count() == found.summary.height


def test_every_cell_gets_an_answer(tmp_path):
    cells = [("epyc_7763_2s", "mixed"), ("altra_2s", "mixed")]
    folder = write_run(tmp_path / "s" / "k", cells=cells, replicates=2)
    found = analyse(folder, draw=False)
    assert [one.cell["topology"] for one in found.recommendations] == ["epyc_7763_2s", "altra_2s"]
    assert set(found.recommendations[1].points) == set(range(20, 40))
    assert (folder / "recommended-altra_2s-mixed.yaml").exists()
    assert set(json.loads((folder / "metrics.json").read_text())) == {
        "epyc_7763_2s-mixed",
        "altra_2s-mixed",
        "robustness",
    }


def test_no_lane_at_all_is_no_crash(tmp_path):
    failed = [(p, 0) for p in range(20)]
    folder = write_run(tmp_path / "s" / "k", replicates=1, failed=failed)
    found = analyse(folder)
    assert found.recommendations == []
    out = io.StringIO()
    print_summary(found, Console(file=out, width=100))
    assert "nothing can be recommended" in out.getvalue()


def test_two_point_study(tmp_path):
    folder = write_run(tmp_path / "s" / "k", thresholds=(), rates=(), replicates=3)
    (chosen,) = analyse(folder).recommendations
    assert chosen.rule == "tie"
    # The lower p99 slowdown decides.
    assert chosen.point == 1


def test_figures_are_made_offline(found):
    for name in ("front", "lines", "heat"):
        assert (found.folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert "<svg" in (found.folder / "figures" / f"{name}.svg").read_text()[:200]
    page = (found.folder / "report.html").read_text()
    # The library's own code, which comes first, has such words in it.
    _, rest = page.split("</script>", 1)
    assert not re.search(r"<(?:script|link|img)[^>]+(?:src|href)=", rest)
    assert page.count("vegaEmbed(") >= 1
    assert "adaptive, threshold_factor" in page


def test_single_axis_and_sampled_designs_draw(tmp_path):
    single = analyse(write_run(tmp_path / "a" / "k", rates=(None,), replicates=2))
    assert "heat.png" not in single.files
    many = tuple(0.1 * 1.1**i for i in range(30))
    sampled = analyse(write_run(tmp_path / "b" / "k", thresholds=many, rates=(1e3, 1e4), replicates=2))
    assert sampled.files["heat.png"].stat().st_size > 10_000


def test_text_in_names_cannot_break_the_page(tmp_path):
    folder = write_run(tmp_path / "s" / "k", cells=[("</script><b>x", "w")], replicates=2)
    page = analyse(folder).files["report"].read_text()
    assert "</script><b>x" not in page


def test_terminal_names_setting_command_and_places(found):
    out = io.StringIO()
    print_summary(found, Console(file=out, width=80))
    text = out.getvalue()
    (chosen,) = found.recommendations
    for word in (chosen.command, "summary.parquet", "recommended.yaml", "report.html", "make ui", "→"):
        assert word in text


def test_json_answer_is_plain_data(found):
    answer = json.loads(json.dumps(summary_json(found), allow_nan=False))
    (cell,) = answer["cells"]
    assert cell["settings"]["threshold_factor"] == 1.0
    assert cell["metrics"]["load_imbalance"]["low"] < cell["metrics"]["load_imbalance"]["high"]
    assert len(cell["front"]) == found.front.height


def test_marks_agree_with_the_front(found):
    run = read_run(found.folder)
    marked, _ = mark_front(run, summarise(run))
    assert marked.filter("recommended").height == 1
    assert marked.filter(pl.col("rank") == 1)["recommended"].all()
    assert marked.filter("pareto")["front_probability"].min() > 0


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "null"), (True, "true"), (2.0, "2"), (0.25, "0.25"), (float("inf"), "inf"), (3, "3"), ("a", "a")],
)
def test_settings_read_as_hydra_writes_them(value, text):
    assert plain(value) == text


def test_plain_names():
    assert plain_name("policy.limits.core.rate_per_s") == "core_rate_per_s"
    assert plain_name("policy.limits.process.max_migrations") == "process_max_migrations"
    assert plain_name("policy.threshold_factor") == "threshold_factor"
    assert plain_name("workload.load") == "workload_load"


def test_null_is_a_value_only_where_it_means_no_limit():
    assert has_value("policy.limits.core.rate_per_s", None)
    assert not has_value("policy.threshold_factor", None)
    assert not has_value("policy.unknown.key", None)


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ([], ["experiment=default"]),
        (["replicates=2", "cluster=inline"], ["experiment=default", "replicates=2"]),
        (["policy.threshold_factor=1,2"], []),
        (["experiment=smoke", "tracking=off"], ["experiment=smoke"]),
        (["sweep=limits", "policy.stealing.victim=random"], ["policy.stealing.victim=random"]),
    ],
)
def test_words_that_hold_for_the_whole_study(tmp_path, words, kept):
    run = read_run(write_run(tmp_path / "s" / "k", replicates=1))
    manifest = {**run.manifest, "command": ["python", "-m", "pipeline.sweep", *words]}
    assert study_words(replace(run, manifest=manifest)) == kept


@pytest.mark.parametrize(
    ("thresholds", "edges"),
    [((4.0, 8.0, 16.0), ("threshold_factor 4",)), ((0.25, 1.0, 8.0), ()), ((4.0, 8.0), ())],
)
def test_choice_at_the_edge_of_the_sweep_is_told(tmp_path, thresholds, edges):
    folder = write_run(tmp_path / "s" / "k", thresholds=thresholds, rates=(None,), noise=0.0)
    (chosen,) = analyse(folder, draw=False).recommendations
    assert chosen.edges == edges
    assert ("at the edge of the sweep" in chosen.doubts) == bool(edges)
