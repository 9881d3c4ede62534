"""Sampled designs: where their points lie, what values they take, and what is refused."""

import math
from collections import Counter

import numpy as np
import pytest

from pipeline.config.axes import Axis, axis_of, parse_overrides
from pipeline.config.design_range import takes_whole
from pipeline.config.designs import DESIGNS, unit_cube
from pipeline.config.grid import expand_grid, expand_samples
from pipeline.errors import ConfigError
from tests.unit.config.conftest import MakeStudy

THRESHOLD = "policy.threshold_factor"
RATE = "policy.limits.core.rate_per_s"
LOG_THRESHOLD = f"{THRESHOLD}=tag(log,interval(0.25,8))"
TWO_CORE = "topology=two_core"


def axis(text: str) -> Axis:
    """The axis of one override."""
    (override,) = parse_overrides([text])
    return axis_of(override)


# --- designs --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", DESIGNS)
def test_designs_are_fixed_by_their_seed(kind: str) -> None:
    assert (unit_cube(kind, 16, 3, 7) == unit_cube(kind, 16, 3, 7)).all()
    assert (unit_cube(kind, 16, 3, 7) != unit_cube(kind, 16, 3, 8)).any()


# A library that draws other numbers would give every point of every study another meaning.
@pytest.mark.parametrize(
    ("kind", "first"),
    [
        ("random", (0.5118216247, 0.9504636963)),
        ("latin", (0.9126206816, 0.6032080598)),
        ("sobol", (0.2861691620, 0.1626353040)),
    ],
)
def test_points_stay_what_they_were(kind: str, first: tuple[float, float]) -> None:
    assert unit_cube(kind, 8, 2, 1)[0] == pytest.approx(first, abs=1e-9)


@pytest.mark.parametrize("kind", ["random", "sobol"])
def test_more_points_keep_the_first_ones(kind: str) -> None:
    assert (unit_cube(kind, 64, 5, 3)[:16] == unit_cube(kind, 16, 5, 3)).all()


def test_latin_hypercube_has_one_point_in_each_slice() -> None:
    slices = np.sort((unit_cube("latin", 20, 4, 1) * 20).astype(int), axis=0)
    assert (slices == np.arange(20)[:, None]).all()


def test_sobol_fills_every_box_of_equal_size() -> None:
    boxes = (unit_cube("sobol", 64, 2, 5) * 8).astype(int)
    assert Counter(map(tuple, boxes.tolist())) == Counter({(a, b): 1 for a in range(8) for b in range(8)})


# --- values ---------------------------------------------------------------------------------------


def test_whole_numbers_get_equal_shares_with_both_ends() -> None:
    drawn = expand_samples([Axis("n", low=1, high=4, is_whole=True)], "latin", 400, 1)
    assert Counter(p["n"] for p in drawn) == {1: 100, 2: 100, 3: 100, 4: 100}


def test_a_log_range_has_as_many_points_in_each_doubling() -> None:
    drawn = expand_samples([axis("k=tag(log,interval(0.25,8))")], "latin", 50, 1)
    doublings = Counter(math.floor(math.log2(float(str(p["k"])))) for p in drawn)
    assert doublings == dict.fromkeys(range(-2, 3), 10)


@pytest.mark.parametrize(
    "text", ["k=interval(1,2),null,inf", "k=null,interval(1,2),.inf", "k=null,.inf,interval(1,2)"]
)
def test_values_beside_an_interval_count_as_much_as_it(text: str) -> None:
    drawn = [p["k"] for p in expand_samples([axis(text)], "latin", 30, 1)]
    assert drawn.count(None) == 10
    assert drawn.count(math.inf) == 10
    assert sum(1 <= v <= 2 for v in drawn if v is not None) == 10


def test_values_beside_an_interval_are_levels_of_a_grid() -> None:
    found = expand_grid([axis("k=null,tag(log,interval(1,4)),4.0")], 3)
    assert [p["k"] for p in found] == [1.0, 2.0, 4.0, None]


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("k=interval(1,2),interval(3,4)", "takes one interval"),
        ("k=interval(4,4)", "must have finite ends, the lower one first"),
        ("k=interval(1,inf)", "interval(1, 8),inf"),
        ("k=tag(log,interval(0,1)),null", "above 0"),
        ("k=interval(1,2),[3]", "takes numbers"),
    ],
)
def test_ranges_that_cannot_be_are_refused(text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        axis(text)
    assert says in str(caught.value)


# --- studies --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["random", "latin", "sobol"])
def test_a_design_of_the_settings_of_conf(name: str, study_of: MakeStudy) -> None:
    words = (TWO_CORE, f"sweep={name}", "sweep.points=32")
    study, again = study_of(*words), study_of(*words)
    assert study == again
    drawn = [p for p in study.points if not p.is_baseline]
    assert len(drawn) == 32
    assert len(study.points) == 33
    assert {p.labels["policy"] for p in drawn} == {"balanced"}
    assert all(0.25 <= p.axes[THRESHOLD] <= 8 for p in drawn)  # type: ignore[operator]
    assert {p.axes["policy.stealing.victim"] for p in drawn} == {"nearest", "random", "longest"}
    assert {type(p.axes["policy.limits.process.min_interval_ns"]) for p in drawn} == {int}
    assert 8 <= sum(p.axes[RATE] is None for p in drawn) <= 24
    other = study_of(*words, "sweep.seed=2")
    assert {p.digest for p in other.points} & {p.digest for p in study.points} == {
        study.points[study.baseline_index].digest
    }


def test_the_design_may_be_named_on_the_command_line(study_of: MakeStudy) -> None:
    study = study_of(TWO_CORE, "sweep.kind=sobol", "sweep.points=4", LOG_THRESHOLD, f"{RATE}=null,5000")
    assert study.axes == (THRESHOLD, RATE)
    assert len(study.points) == 5
    assert [p.axes[RATE] for p in study.points].count(5000.0) == 2


def test_a_fixed_setting_is_left_out_of_the_design(study_of: MakeStudy) -> None:
    study = study_of(TWO_CORE, "sweep=sobol", "sweep.points=4", f"{THRESHOLD}=2")
    assert THRESHOLD not in study.axes
    assert {p.config.policy.threshold_factor for p in study.points if not p.is_baseline} == {2.0}


def test_points_that_are_alike_are_merged(study_of: MakeStudy) -> None:
    study = study_of(TWO_CORE, "sweep.kind=random", "sweep.points=50", "policy.stealing.scan=interval(1,4)")
    assert Counter(p.axes["policy.stealing.scan"] for p in study.points[:-1]) == {1: 1, 2: 1, 3: 1, 4: 1}
    assert study.merged == 46


def test_a_range_of_a_limit_that_is_off_gives_whole_numbers_too(study_of: MakeStudy) -> None:
    key = "policy.limits.burst.capacity"
    study = study_of(TWO_CORE, "sweep.kind=latin", "sweep.points=20", f"{key}=interval(1,64),null")
    values = [p.axes[key] for p in study.points[:-1]]
    assert {type(v) for v in values} == {int, type(None)}


@pytest.mark.parametrize(
    ("words", "says", "hints"),
    [
        (["sweep=sobol", "sweep.points=20"], "sweep.points = 20: must be a power of two", "take 16 or 32"),
        (["sweep=latin", "sweep.points=0"], "sweep.points = 0: must be a whole number from 1", ""),
        (["sweep=latin", "sweep.points=1000000"], "sweep.points = 1000000", "100000"),
        (["sweep.kind=latin", "policy=adaptive", "sweep.axes={}", "experiment=none"], "at least one axis",
         "sweep.kind=grid"),
        (["sweep.kind=latin", "policy.stealing.attempts=interval(0.5,4)"],
         "policy.stealing.attempts = 'interval(0.5, 4)': must have whole ends", "interval(1, 4)"),
        (["policy.stealing.attempts=interval(1.5,1.9)"], "must have whole ends", "widen"),
        (["sweep.kind=latin", "policy.stealing.attempts=interval(1,4),null"],
         "policy.stealing.attempts = null: must be a whole number", ""),
        (["sweep.kind=latin", "policy.stealing.victim=nearst,random"], "must be one of off", "nearest?"),
        (["sweep.kind=latin", f"{THRESHOLD}=interval(-1,1)"], "must be a number from 0", ""),
        (["sweep.kind=latn"], "must be one of grid", "latin?"),
    ],
)  # fmt: skip
def test_bad_designs_are_refused_before_anything_starts(
    words: list[str], says: str, hints: str, study_of: MakeStudy
) -> None:
    with pytest.raises(ConfigError) as caught:
        study_of(TWO_CORE, *words)
    assert says in str(caught.value)
    assert hints in str(caught.value)


def test_whole_settings_are_known_by_their_kind(study_of: MakeStudy) -> None:
    config = study_of(TWO_CORE, "workload=steady", "policy=balanced,none").config
    whole = ("policy.limits.burst.capacity", "policy.stealing.attempts", "workload.classes.request.count")
    assert config.policy.limits.burst.capacity is None
    assert [takes_whole(config, key) for key in whole] == [True] * 3
    assert not any(takes_whole(config, key) for key in (THRESHOLD, RATE, "policy.migrate", "policy.no.such"))
