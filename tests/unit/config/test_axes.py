"""Hydra's sweep grammar as axes, and axes as points."""

import itertools
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.config.axes import Axis, axis_of, parse_overrides
from pipeline.config.designs import unit_cube
from pipeline.config.grid import expand_grid, expand_samples
from pipeline.errors import ConfigError


def axis(text: str) -> Axis:
    """The axis of one override."""
    (override,) = parse_overrides([text])
    return axis_of(override)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("k=1,2,4", (1, 2, 4)),
        ("k=1, 2.5, 4", (1, 2.5, 4)),
        ("k=choice(a,b)", ("a", "b")),
        ("k=choice(a)", ("a",)),
        ("k=sort(4,1,2)", (1, 2, 4)),
        ("k=shuffle(4,1,2)", (4, 1, 2)),
        ("k=range(1,5)", (1, 2, 3, 4)),
        ("k=range(0.1,0.5,0.1)", (0.1, 0.2, 0.3, 0.4)),
        ("k=range(3,0,-1)", (3, 2, 1)),
        ("k=true,null,1e3,inf", (True, None, 1000.0, math.inf)),
        ("k='a b',c", ("a b", "c")),
        ("k=interval(1,2)", (1.0, 1.25, 1.5, 1.75, 2.0)),
        ("k=int(interval(1,9))", (1, 3, 5, 7, 9)),
        ("k=int(interval(1,3))", (1, 2, 3)),
        ("k=tag(log,interval(0.25,4))", (0.25, 0.5, 1.0, 2.0, 4.0)),
    ],
)
def test_grammar_gives_values_in_written_order(text: str, values: tuple[object, ...]) -> None:
    levels = axis(text).levels(5)
    assert levels == values
    assert [type(v) for v in levels] == [type(v) for v in values]


@pytest.mark.parametrize(
    "text",
    [
        "k=range(1,5,0)", "k=range(5,1)", "k=range(0,1e9)", "k=range(0,inf)", "k=interval(2,1)",
        "k=interval(1,inf)", "k=tag(log,interval(0,1))", "k=tag(blue,interval(0,1))", "k=[1],[2]",
        "k={a:1},{b:2}", "k=glob(*)", "k=choice()", "k=[1,2", "k=1,", "k=,", "k=foo(1)", "=3",
    ],
)  # fmt: skip
def test_what_is_no_axis_is_refused_with_a_message(text: str) -> None:
    with pytest.raises(ConfigError):
        axis(text)


numbers = st.floats(-1e6, 1e6, allow_nan=False)
axes_lists = st.lists(st.lists(numbers, min_size=1, max_size=4), min_size=0, max_size=4)


@given(axes_lists)
def test_grid_is_the_product_with_the_first_axis_slowest(columns: list[list[float]]) -> None:
    axes = [Axis(f"k{i}", tuple(values)) for i, values in enumerate(columns)]
    points = expand_grid(axes, 5)
    assert len(points) == math.prod(len(c) for c in columns)
    assert [tuple(p.values()) for p in points] == list(itertools.product(*columns))


@given(
    st.floats(1e-6, 1e6),
    st.floats(1.001, 1e6),
    st.booleans(),
    st.integers(2, 50),
)
def test_levels_of_an_interval_are_rising_and_hold_both_ends(
    low: float, factor: float, is_log: bool, count: int
) -> None:
    high = low * factor
    levels = Axis("k", low=low, high=high, is_log=is_log).levels(count)
    assert levels[0] == pytest.approx(low, rel=1e-11)
    assert levels[-1] == pytest.approx(high, rel=1e-11)
    assert all(low <= v <= high for v in levels)  # type: ignore[operator]
    assert list(levels) == sorted(set(levels))  # type: ignore[type-var]


@settings(deadline=None)
@given(st.sampled_from(["random", "latin", "sobol"]), st.integers(0, 6), st.integers(0, 2**32 - 1))
def test_samples_are_repeatable_and_inside_their_axes(kind: str, power: int, seed: int) -> None:
    axes = [
        Axis("f", low=0.25, high=8.0, is_log=True),
        Axis("n", low=1, high=10, is_whole=True),
        Axis("c", ("a", "b", "c")),
    ]
    points = expand_samples(axes, kind, 2**power, seed)
    assert points == expand_samples(axes, kind, 2**power, seed)
    assert len(points) == 2**power
    for point in points:
        assert 0.25 <= point["f"] <= 8.0  # type: ignore[operator]
        assert type(point["n"]) is int
        assert 1 <= point["n"] <= 10
        assert point["c"] in "abc"  # type: ignore[operator]


def test_latin_hypercube_takes_each_choice_equally_often() -> None:
    points = expand_samples([Axis("c", ("a", "b", "c")), Axis("d", (1, 2))], "latin", 12, 7)
    assert [sum(p["c"] == c for p in points) for c in "abc"] == [4, 4, 4]
    assert sum(p["d"] == 1 for p in points) == 6


def test_sobol_design_is_balanced() -> None:
    shares = unit_cube("sobol", 16, 3, 1)
    assert ((shares < 0.5).sum(axis=0) == 8).all()


def test_too_many_points_are_refused() -> None:
    column = tuple(range(1000))
    with pytest.raises(ConfigError, match="1000000 points"):
        expand_grid([Axis("a", column), Axis("b", column)], 5)
