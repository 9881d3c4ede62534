"""Each cause of migration has a switch: alone it moves by its own mechanisms, and all off nobody moves."""

import dataclasses

import pytest

import sim
from tests.model.lanes import ALWAYS, TWO_SOCKETS, Case, change, group, move

MECHANISMS = {
    "load_imbalance": {"steal", "balance"},
    "blocking": {"wake"},
    "affinity_change": {"affinity"},
    "core_failure": {"failure"},
    "power": {"power"},
}
DRAWN = sim.Step(op="run", draw=sim.Distribution(mean=900.0))
PAUSE = sim.Step(op="block", draw=sim.Distribution(mean=20_000.0))


def world(*on: str) -> Case:
    """All causes at once: uneven load, wake-ups placed anywhere, a new mask, a failure, a power-down."""
    policy = sim.Policy(
        placement=sim.Placement(wake="random"),
        balancing=sim.Balancing(period_ns=20_000),
        decision=ALWAYS,
        triggers=sim.Triggers(**{name: name in on for name in MECHANISMS}),
    )
    classes = (
        group("p", 10, (DRAWN, PAUSE)),
        group("crowd", 12, (DRAWN,), start="first"),
        group("others", 10, (DRAWN, PAUSE), start="random"),
    )
    changes = (
        move(200_000, "4-7"),
        change(500_000, "core_offline", "0,5"),
        change(1_000_000, "power_down", "6"),
        change(1_400_000, "core_online", "0"),
    )
    return Case(classes, TWO_SOCKETS, policy, sim.Cost(), changes=changes).within(2_000_000, quantum_reds=500)


@pytest.mark.parametrize("trigger", MECHANISMS)
def test_a_trigger_alone_moves_by_its_own_mechanisms(trigger: str) -> None:
    out = world(trigger).outcome()
    assert set(out.mechanisms()) == MECHANISMS[trigger]
    assert out["migration_count"] == sum(out.mechanisms().values())


@pytest.mark.parametrize("trigger", MECHANISMS)
def test_a_trigger_off_takes_away_its_own_mechanisms(trigger: str) -> None:
    out = world(*(set(MECHANISMS) - {trigger})).outcome()
    others = {name for each, names in MECHANISMS.items() if each != trigger for name in names}
    assert set(out.mechanisms()) == others


def test_without_any_trigger_nobody_moves() -> None:
    out = world().outcome()
    assert out["migration_count"] == out["migration_attempt_count"] == 0
    assert out["affinity_refused_count"] > 0
    assert out["stranded_count"] > 0


def test_with_all_of_them_all_mechanisms_move() -> None:
    out = world(*MECHANISMS).outcome()
    assert set(out.mechanisms()) == set(sim.MECHANISMS)
    assert out["affinity_refused_count"] == 0


def test_a_policy_that_never_migrates_has_no_triggers() -> None:
    case = world(*MECHANISMS)
    out = case.but(policy=dataclasses.replace(case.policy, migrate=False)).outcome()
    assert out["migration_count"] == out["migration_attempt_count"] == 0
