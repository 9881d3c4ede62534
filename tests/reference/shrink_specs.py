"""Simpler forms of a specification, one change each: defaults, shorter lists, smaller numbers."""

import dataclasses
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Any

import sim
from sim.spec.base import Spec
from tests.reference.yaml_file import default_of, is_required

Attempt = Callable[[], Any]
# Their defaults are larger than what is drawn. Times and events have passes of their own.
KEPT = {
    (sim.Simulation, "horizon_ns"),
    (sim.Simulation, "warmup_ns"),
    (sim.Simulation, "window_ns"),
    (sim.Simulation, "max_events"),
}
REDUCED = {(sim.Simulation, "max_processes")}


def without_some(items: tuple) -> Iterable[tuple]:
    """Leave out halves, quarters, .. and single items, from the end."""
    size = len(items)
    while size >= 1:
        for start in range(len(items) - size, -size, -size):
            yield items[: max(0, start)] + items[start + size :]
        size //= 2


def simpler_spec(spec: Spec) -> Iterable[Attempt]:
    """Change one field: to its default, else to something simpler."""
    if isinstance(spec, sim.Distribution):
        yield from plainer_draw(spec)
        return
    for field in dataclasses.fields(spec):
        value, key, place = getattr(spec, field.name), field.name, (type(spec), field.name)
        if place in KEPT or isinstance(value, sim.ReplayTrace):
            continue
        if not is_required(field) and place not in REDUCED:
            default = default_of(field)
            if value == default:
                continue
            yield lambda key=key, default=default: replace(spec, **{key: default})
        for simpler in simpler_value(value):
            yield lambda key=key, simpler=simpler: replace(spec, **{key: simpler()})


def simpler_value(value: Any) -> Iterable[Attempt]:
    """Make a value simpler in one place."""
    if isinstance(value, Spec):
        yield from simpler_spec(value)
    elif isinstance(value, tuple):
        for rest in without_some(value):
            yield lambda rest=rest: rest
        for at, item in enumerate(value):
            for simpler in simpler_value(item):
                yield lambda at=at, simpler=simpler: (*value[:at], simpler(), *value[at + 1 :])
    elif type(value) is int:
        for smaller in dict.fromkeys((0, 1, value // 8, value // 2, value - 1)):
            if 0 <= smaller < value:
                yield lambda smaller=smaller: smaller


def plainer_draw(draw: sim.Distribution) -> Iterable[Attempt]:
    """Draw the same number each time, a round one if it can be."""
    if draw.kind != "deterministic":
        values = draw.values or (draw.mean or draw.low or draw.high,)
        mean = sum(values) / len(values) or 1.0
        yield lambda: sim.Distribution(kind="deterministic", mean=mean)
    elif draw.mean != round_number(draw.mean):
        yield lambda: sim.Distribution(kind="deterministic", mean=round_number(draw.mean))


def round_number(x: float) -> float:
    """The power of ten at or below a number, at least 1."""
    return float(10 ** (len(str(int(x))) - 1))
