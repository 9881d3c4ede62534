"""Energy is what busy, idle and offline times and their powers say."""

import numpy as np
import pytest

import sim
from sim.kernels import log as codes
from tests.analytic.machines import machine
from tests.model.lanes import BARE, SHORT, Case, block, change, group, run

POWER = sim.Power(
    performance_active_mw=4000,
    performance_idle_mw=300,
    efficiency_active_mw=900,
    efficiency_idle_mw=70,
    off_mw=11,
)
HYBRID = machine(4, 2, 4, core_type=[0, 0, 1, 1], core_speed=[1.0, 1.0, 0.5, 0.5],
                 core_frequency_mhz=[3000, 3000, 2000, 2000])  # fmt: skip
HORIZON_NS = SHORT.horizon_ns


def powered(*changes: sim.Change, exponent: int = 3) -> Case:
    """Five processes on four cores, running and blocking."""
    power = sim.Power(**{**vars(POWER), "frequency_exponent": exponent})
    cost = sim.Cost(**{**vars(BARE), "power": power})
    program = (sim.Step(op="run", draw=sim.Distribution(mean=2000.0)), block(15_000))
    return Case((group(count=5, program=program),), HYBRID, cost=cost, changes=changes)


def test_energy_is_power_by_time() -> None:
    case = powered()
    out, metrics = case.outcome(), case.metrics()
    busy = np.array(out["hardware_busy_ns"])
    active, idle = np.array([4000, 4000, 900, 900]), np.array([300, 300, 70, 70])
    expected = active * busy + idle * (HORIZON_NS - busy)
    assert 0 < busy.min() < busy.max() < HORIZON_NS
    assert out["energy_pj"] == expected.tolist()
    assert metrics["energy_j"] == pytest.approx(expected.sum() / 1e12)
    assert metrics["energy_performance_j"] == pytest.approx(expected[:2].sum() / 1e12)
    assert metrics["energy_efficiency_j"] == pytest.approx(expected[2:].sum() / 1e12)
    assert metrics["energy_per_activation_j"] == pytest.approx(
        metrics["energy_j"] / metrics["activation_count"]
    )


@pytest.mark.parametrize("op", ["core_offline", "power_down"])
def test_an_offline_core_takes_its_own_power(op: str) -> None:
    """From its end of work until the horizon core 1 draws 11 mW."""
    out = powered(change(1_000_000, op, "1")).outcome()
    closed = out.entries(codes.OFFLINE)[0][0]
    busy = out["hardware_busy_ns"][1]
    assert closed >= 1_000_000
    assert out["energy_pj"][1] == 4000 * busy + 300 * (closed - busy) + 11 * (HORIZON_NS - closed)


def test_being_off_saves_energy() -> None:
    on, off = powered(), powered(change(0, "core_offline", "2-3"))
    assert off.metrics()["energy_efficiency_j"] == pytest.approx(2 * 11 * HORIZON_NS / 1e12, rel=1e-3)
    assert on.metrics()["energy_efficiency_j"] > 10 * off.metrics()["energy_efficiency_j"]


@pytest.mark.parametrize("exponent", [0, 1, 2, 3])
@pytest.mark.parametrize("mhz", [1500, 3000, 6000])
def test_active_power_goes_with_the_frequency(mhz: int, exponent: int) -> None:
    """A core that is always busy; from 0.5 ms on at another frequency, the running segment included."""
    case = powered(change(500_000, "frequency", "0", mhz=mhz), exponent=exponent)
    out = case.but(classes=(group(program=(run(10_000),)),)).outcome()
    power = 4000 * (mhz / 3000) ** exponent
    assert out["hardware_busy_ns"][0] == HORIZON_NS
    assert out["energy_pj"][0] == pytest.approx(4000 * 500_000 + power * 1_500_000, rel=1e-9)


def test_the_horizon_and_the_warm_up_bound_what_is_counted() -> None:
    case = powered()
    part = case.within(HORIZON_NS, warmup_ns=500_000).outcome()
    whole, before = case.outcome(), case.within(500_000).outcome()
    assert np.array(part["energy_pj"]) + before["energy_pj"] == pytest.approx(np.array(whole["energy_pj"]))


def test_slow_and_long_takes_less_energy_than_fast_and_short() -> None:
    """The same work at half the frequency: an eighth of the power for twice the time, but for a first slice
    of 40 us that had begun: power changes at once, speed with the next segment."""
    work = (group(program=(run(20_000), sim.Step(op="exit"))),)
    idle_free = {**vars(POWER), "performance_idle_mw": 0, "efficiency_idle_mw": 0}
    cost = sim.Cost(**{**vars(BARE), "power": sim.Power(**idle_free)})
    fast = powered().but(classes=work, cost=cost)
    slow = fast.but(changes=(change(0, "frequency", "0", mhz=1500),))
    energies = [case.metrics()["energy_j"] for case in (fast, slow)]
    assert energies == pytest.approx([4000 * 200_000 / 1e12, 500 * (40_000 + 320_000) / 1e12], rel=1e-3)


@pytest.mark.parametrize("mode", ["dynamic", "none"])
def test_energy_is_that_of_the_hardware_core_under_each_scheduler(mode: str) -> None:
    binding = sim.Binding(mode=mode, period_ns=40_000, schedulers=5)
    out = powered().but(binding=binding).outcome()
    busy = np.array(out["hardware_busy_ns"])
    active, idle = np.array([4000, 4000, 900, 900]), np.array([300, 300, 70, 70])
    assert out["rebind_count"] > 3
    assert busy.sum() == out["busy_ns"]
    assert out["energy_pj"] == (active * busy + idle * (HORIZON_NS - busy)).tolist()
