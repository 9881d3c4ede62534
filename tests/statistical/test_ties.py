"""Settings that are the same, and settings that are equal in law, are called a tie by a real sweep."""

import dataclasses
import hashlib
import re

import polars as pl
import pytest
import yaml

from pipeline.evidence.aggregate import read_run, summarise
from pipeline.evidence.recommend import SETTLED_SHARE, mark_front
from tests.statistical.real_sweep import BALANCED, BY_POLICY, BY_START, OBJECTIVE, studies_of, sweep_policies

COPIES = [f"copy{number}" for number in range(10)]
STUDIES, REPLICATES = 24, 8


@pytest.fixture(scope="module")
def copies(tmp_path_factory):
    """Ten copies of a policy under ten names, and `none`: the run folder."""
    folder = tmp_path_factory.mktemp("copies")
    return sweep_policies(folder, dict.fromkeys(COPIES, BALANCED), ["replicates=3"])


@pytest.fixture(scope="module")
def equals(tmp_path_factory):
    """Two policies that are equal in law, under different random numbers, in many replicates."""
    folder = tmp_path_factory.mktemp("equals")
    words = [f"replicates={STUDIES * REPLICATES}", "baseline=by_start", OBJECTIVE]
    return sweep_policies(folder, {"by_start": BY_START, "by_policy": BY_POLICY}, words)


def test_copies_of_a_policy_give_the_same_lanes(copies):
    lanes = pl.read_parquet(copies / "lanes" / "*.parquet").filter(pl.col("point") < len(COPIES))
    assert lanes.drop("point").unique().height == 3


def test_copies_of_a_policy_are_told_as_a_tie(copies):
    run = read_run(copies)
    marked, (chosen,) = mark_front(run, summarise(run))
    assert chosen.point in range(len(COPIES))
    assert sorted([chosen.point, *chosen.twins]) == list(range(len(COPIES)))
    assert not set(chosen.twins) & {point for point, _ in chosen.rivals}
    same = marked.filter(pl.col("point") < len(COPIES))
    assert same.select("front_probability", "knee_probability", "pareto").unique().height == 1
    text = (copies / "recommended.yaml").read_text()
    assert re.search(r"^# Tie: 9 other settings gave exactly this: points ", text, re.MULTILINE)
    assert yaml.safe_load(text)["name"] == COPIES[chosen.point]


def test_a_tie_is_told_in_the_terminal(capsys, tmp_path):
    sweep_policies(tmp_path, dict.fromkeys(COPIES[:3], BALANCED), ["replicates=2"])
    assert "2 other settings gave exactly this: points" in capsys.readouterr().out


def test_copies_of_the_baseline_do_not_beat_it(tmp_path, capsys):
    words = ["replicates=8", "baseline=copy0", OBJECTIVE]
    folder = sweep_policies(tmp_path, dict.fromkeys(COPIES, BALANCED), words)
    run = read_run(folder)
    _, (chosen,) = mark_front(run, summarise(run))
    assert (chosen.point, chosen.baseline, chosen.rule) == (0, 0, "default")
    assert "none of 9 other settings had a better sojourn mean; a tie within noise with 9" in chosen.sentence
    assert "a tie within noise with 9 other settings" in capsys.readouterr().out


def test_the_answer_to_a_tie_does_not_change(copies, tmp_path):
    again = sweep_policies(tmp_path, dict.fromkeys(COPIES, BALANCED), ["replicates=3"])
    for name in ("summary.parquet", "pareto.parquet"):
        digests = {hashlib.sha256((folder / name).read_bytes()).hexdigest() for folder in (copies, again)}
        assert len(digests) == 1, name


def test_equals_in_law_have_no_winner_more_often_than_stated(equals):
    lanes = pl.read_parquet(equals / "lanes" / "*.parquet").pivot(
        "point", index="replicate", values="sojourn_mean_ns"
    )
    assert (lanes["0"] == lanes["1"]).mean() < 0.05
    studies = studies_of(read_run(equals), STUDIES, REPLICATES)
    verdicts = [mark_front(part, summarise(part))[1][0].rule for part in studies]
    # 1.25 % of 24 studies: more than 3 happen once in 4000 times.
    assert verdicts.count("better") <= 3
    assert verdicts.count("default") >= 3
    assert verdicts.count("noise") >= 3


def test_equals_in_law_are_seldom_called_settled(equals):
    settled = 0
    for part in studies_of(read_run(equals), STUDIES, REPLICATES):
        plain = dataclasses.replace(part, config={**part.config, "objective": None})
        _, (chosen,) = mark_front(plain, summarise(plain))
        settled += (chosen.knee_share or 0) >= SETTLED_SHARE and not chosen.twins
        assert ("a tie" in chosen.doubts) == ((chosen.knee_share or 0) < SETTLED_SHARE)
    # 5 % of 24 studies: more than 6 happen once in 10 000 times.
    assert settled <= 6
