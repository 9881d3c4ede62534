"""The reference page is the one that the code gives, and metrics keep to the ranges that it states."""

import math

import pytest

import sim
from sim.reference import PAGE, page
from tests.analytic.machines import machine


def test_page_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m sim.reference"


def test_every_policy_key_is_on_the_page() -> None:
    text = page()
    for key in ("limits.process.forbid_return", "triggers.power", "decision.remaining", "power.off_mw"):
        assert f"`{key}`" in text


@pytest.mark.parametrize("mode", ["static", "dynamic", "none"])
def test_metrics_are_within_their_ranges(mode: str) -> None:
    steps = (
        sim.Step(op="run", draw=sim.Distribution(mean=3000.0)),
        sim.Step(op="block", draw=sim.Distribution(mean=20_000.0)),
    )
    memory = sim.Memory(words_per_reduction=1.0, working_set_bytes=100_000)
    kind = sim.ProcessClass(name="a", count=40, program=steps, memory=memory)
    lane = sim.Lane(sim.Policy(), binding=sim.Binding(mode=mode, schedulers=10, period_ns=50_000))
    changes = (
        sim.Change(time_ns=500_000, op="core_offline", cores="0-3"),
        sim.Change(time_ns=900_000, op="core_online", cores="0-3"),
    )
    simulation = sim.Simulation(horizon_ns=2_000_000, warmup_ns=200_000, window_ns=100_000)
    timeline = sim.Timeline(changes=changes)
    columns = sim.simulate(
        machine(8, 2, 4), sim.Workload(classes=(kind,)), [lane], simulation, timeline
    ).columns
    assert columns["gc_count"][0] > 0
    for name, metric in sim.METRICS.items():
        value = float(columns[name][0])
        assert math.isnan(value) or metric.low <= value <= metric.high + 1e-12, (name, value)
