"""Choosing by one metric: an honest gain for the winner, and no winner where there is only noise."""

import numpy as np
import pytest

from pipeline.evidence.choice import Choice, choose
from pipeline.evidence.choice_text import choice_sentence

POINTS, REPLICATES = 90, 16
BASELINE = 0
ONE_CHANGE = np.r_[0, np.ones(POINTS - 1, np.int64)]
OBJECTIVE = {"metric": "slowdown_p99", "keep": "throughput_per_s", "tolerance": 0.01}


def lanes(effects: np.ndarray, seed: int, noise: float = 1.0, common: float = 5.0) -> np.ndarray:
    """Values (replicate, point), more being better: 100, what a replicate shares, an effect, own noise."""
    rng = np.random.default_rng(seed)
    shared = common * rng.standard_normal((REPLICATES, 1))
    return 100 + shared + effects + noise * rng.standard_normal((REPLICATES, len(effects)))


def chosen(gains: np.ndarray, kept: np.ndarray | None = None, tolerance: float = 0.01) -> Choice:
    return choose(gains, kept, BASELINE, ONE_CHANGE[: gains.shape[1]], tolerance)


def test_a_real_gain_is_found_and_its_interval_holds_it() -> None:
    effects = np.zeros(POINTS)
    effects[17] = 10.0
    found = chosen(lanes(effects, seed=1))
    assert (found.row, found.best, found.verdict) == (17, 17, "better")
    assert found.gain is not None
    assert found.gain.low < 0.10 < found.gain.high
    assert (found.chosen_by, found.estimated_by, found.tried) == (8, 8, 89)


def test_the_gain_of_the_winner_is_not_its_luck() -> None:
    # Many settings with the same small gain: the one that looks best looks better than it is.
    effects = np.r_[0.0, np.full(POINTS - 1, 1.0)]
    honest, naive = [], []
    for seed in range(150):
        gains = lanes(effects, seed)
        found = chosen(gains)
        assert found.gain is not None
        honest.append(found.gain.mean)
        naive.append((gains - gains[:, [BASELINE]]).mean(axis=0).max() / gains[:, BASELINE].mean())
    error = np.std(honest) / np.sqrt(len(honest))
    assert abs(np.mean(honest) - 0.01) < 4 * error
    assert np.mean(naive) > 0.014


def test_among_equals_a_winner_is_declared_as_rarely_as_the_interval_says() -> None:
    verdicts = [chosen(lanes(np.zeros(POINTS), seed)).verdict for seed in range(400)]
    # One side of a 95 % interval: 2.5 % of 400 studies are 10, give or take 3.
    assert verdicts.count("better") <= 20
    assert verdicts.count("noise") >= 370


def test_intervals_cover_the_truth_as_often_as_they_say() -> None:
    effects = np.zeros(POINTS)
    effects[5] = 3.0
    gains = [chosen(lanes(effects, seed)).gain for seed in range(400)]
    covered = sum(g.low <= 0.03 <= g.high for g in gains if g is not None)
    assert 0.92 * 400 <= covered <= 0.98 * 400


def test_noise_leaves_the_baseline() -> None:
    found = chosen(lanes(np.zeros(POINTS), seed=3))
    assert (found.row, found.verdict) == (BASELINE, "noise")
    assert "noise" in choice_sentence(found, OBJECTIVE, "+sbt db")


def test_a_baseline_that_is_best_stays() -> None:
    effects = np.r_[50.0, np.zeros(POINTS - 1)]
    found = chosen(lanes(effects, seed=1))
    assert (found.row, found.best, found.verdict, found.gain) == (BASELINE, BASELINE, "default", None)


def test_of_equals_the_one_with_the_fewest_changes_is_taken() -> None:
    effects = np.r_[0.0, np.full(5, 10.0)]
    changes = np.array([0, 4, 3, 1, 2, 4])
    found = choose(lanes(effects, seed=2), None, BASELINE, changes, 0.01)
    assert found.best == 3


def test_what_costs_the_kept_metric_is_passed_over() -> None:
    effects = np.r_[0.0, 20.0, 10.0]
    kept = np.full((REPLICATES, 3), 1000.0)
    kept[:, 1] = 980.0
    assert chosen(lanes(effects, 1), kept).best == 2
    assert chosen(lanes(effects, 1), kept, tolerance=0.05).best == 1
    assert chosen(lanes(effects, 1)).best == 1


def test_what_costs_the_kept_metric_in_the_second_half_is_not_taken() -> None:
    kept = np.full((REPLICATES, 2), 1000.0)
    kept[1::2, 1] = 900.0
    found = chosen(lanes(np.r_[0.0, 20.0], 1), kept)
    assert (found.row, found.best, found.verdict) == (BASELINE, 1, "noise")
    assert "throughput pays for it" in choice_sentence(found, OBJECTIVE, "+sbt db")


@pytest.mark.parametrize("replicates", [1, 2, 3])
def test_too_few_replicates_give_no_winner(replicates: int) -> None:
    found = chosen(lanes(np.r_[0.0, 20.0], 1)[:replicates])
    assert (found.row, found.verdict, found.gain) == (BASELINE, "few", None)
    assert "4 replicates" in choice_sentence(found, OBJECTIVE, "")


def test_a_point_with_a_failed_lane_does_not_compete() -> None:
    gains = lanes(np.r_[0.0, 20.0, 10.0], 1)
    gains[3, 1] = np.nan
    assert chosen(gains).best == 2
    gains[3, 0] = np.nan
    assert chosen(gains).verdict == "few"


def test_the_sentence_tells_gain_interval_and_how_it_was_found() -> None:
    found = chosen(lanes(np.r_[0.0, 20.0, 10.0], 1), np.full((REPLICATES, 3), 1000.0))
    text = choice_sentence(found, OBJECTIVE, "")
    assert "slowdown p99" in text
    assert "95 % interval" in text
    assert "on 8 replicates, estimated on 8 others" in text
