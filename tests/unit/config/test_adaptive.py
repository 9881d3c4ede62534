"""Races and searches from the command line: what they begin with, and what is refused before any work."""

import pytest

from pipeline.config.compose import read_command, with_hydra
from pipeline.config.study import make_study
from pipeline.errors import ConfigError
from pipeline.run.lanes import LanePlan, coreshift_toolkit

SMALL = ("topology=two_core", "workload=steady")


def study_of(*words):
    command = read_command([*SMALL, *words])
    return with_hydra(command, lambda: make_study(command))


def test_a_race_has_the_points_of_its_grid_and_another_key():
    axes = ("policy.threshold_factor=1,2,4", "replicates=8")
    grid, race = study_of(*axes), study_of(*axes, "sweep.kind=race")
    assert [p.digest for p in race.points] == [p.digest for p in grid.points]
    keys = [LanePlan(study, coreshift_toolkit()).key for study in (grid, race)]
    assert keys[0] != keys[1]


def test_a_race_of_drawn_points():
    drawn = ("policy.threshold_factor=interval(1,8)", "sweep.points=8", "replicates=8")
    plain = study_of(*drawn, "sweep.kind=sobol")
    race = study_of(*drawn, "sweep.kind=race", "sweep.design=sobol")
    assert [p.digest for p in race.points] == [p.digest for p in plain.points]


def test_every_design_of_conf_composes():
    assert study_of("sweep=race", "replicates=8").config.sweep.kind == "race"
    assert study_of("sweep=search").config.sweep.kind == "search"


def test_a_search_begins_with_a_batch_landmarks_and_the_baseline():
    words = (
        "sweep.kind=search", "sweep.batch=4", "sweep.points=9", "policy.threshold_factor=interval(1,8)",
        "policy.stealing.victim=nearest,longest", "sweep.also=[{policy.limits.core.rate_per_s: '1000,2000'}]",
    )  # fmt: skip
    study = study_of(*words)
    assert sorted(study.search.first) == [0, 1, 2, 3]
    assert study.points[study.baseline_index].labels["policy"] == "none"
    # The settings of a proposal are those of a point, without Hydra.
    item = {"policy.threshold_factor": 3.5, "policy.stealing.victim": "longest"}
    point = study.search.make(item, 77)
    assert (point.index, point.baseline_index) == (77, study.baseline_index)
    assert point.config.policy.threshold_factor == 3.5
    assert point.axes["policy.stealing.victim"] == "longest"


def test_a_search_over_policies_makes_points_of_each():
    study = study_of("sweep.kind=search", "sweep.points=8", "policy=balanced,aggressive")
    names = {study.search.make({"policy": name}, 9).labels["policy"] for name in ("balanced", "aggressive")}
    assert names == {"balanced", "aggressive"}


SEARCH, RACE = "sweep.kind=search", "sweep.kind=race"
AXIS = "policy.threshold_factor=interval(1,8)"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([SEARCH, "experiment=none"], r"sweep\.axes: a search needs at least one axis"),
        ([SEARCH, AXIS, "topology=two_core,single"], "topology: is no setting of the policy"),
        ([SEARCH, AXIS, "workload.load=0.5,0.7"], r"workload\.load"),
        ([SEARCH, AXIS, "sweep.points=1"], r"sweep\.points = 1: must be a whole number from 2 to 10000"),
        ([SEARCH, AXIS, "sweep.batch=1"], r"sweep\.batch = 1: must be a whole number from 2"),
        ([SEARCH, AXIS, "sweep.sampler=nsga"], r"sweep\.sampler = 'nsga': must be one of tpe, nsgaii"),
        ([SEARCH, "policy.threshold_factor=interval(-1,8)"], r"policy\.threshold_factor"),
        ([SEARCH, "policy.threshold_facto=interval(1,8)"], r"policy\.threshold_facto"),
        ([SEARCH, AXIS, "sweep.first=3"], r"sweep\.first"),
        ([RACE, AXIS, "replicates=2"], "replicates = 2: must be 3 or more for a race"),
        ([RACE, AXIS, "replicates=8", "sweep.first=8"], r"sweep\.first = 8: must be below replicates = 8"),
        ([RACE, AXIS, "replicates=8", "sweep.error=0"], r"sweep\.error"),
        ([RACE, AXIS, "replicates=8", "sweep.points=8"], r"sweep\.points = 8: has no meaning for a grid"),
        ([RACE, AXIS, "replicates=8", "sweep.design=sobol", "sweep.points=7"], "must be a power of two"),
        ([RACE, AXIS, "replicates=8", "sweep.lanes=10"], r"sweep\.lanes = 10: must be 24 or more"),
        ([RACE, AXIS, "replicates=8", "objective.metric=slowdown_p99"], r"cannot be raced for"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(words, message):
    with pytest.raises(ConfigError, match=message):
        study_of(*words)
