"""A lane that is stepped is the same lane; and what it does not know it refuses."""

import dataclasses
import math

import pytest

import sim
from tests.analytic.machines import machine
from tests.model.lanes import ALWAYS, Case, block, change, group, move, run, strict
from tests.reference.scenarios import random_scenario

DRAWN = sim.Step(op="run", draw=sim.Distribution(mean=900.0))
PAUSE = sim.Step(op="block", draw=sim.Distribution(mean=8000.0))
EVERYTHING = sim.Policy(
    placement=sim.Placement(spawn="least_loaded", wake="best_of"),
    balancing=sim.Balancing(period_ns=40_000, scope="hierarchical"),
    adaptive=sim.Adaptive(mode="feedback", period_ns=100_000),
    limits=sim.Limits(process=sim.ProcessLimit(max_migrations=8, window_ns=100_000)),
)
PLAIN = Case((group(count=20, program=(DRAWN, PAUSE)), group("crowd", 6, (DRAWN,), start="first")),
             policy=EVERYTHING, cost=sim.Cost())  # fmt: skip
GUESTS = sim.ProcessClass(
    name="guest",
    arrival=sim.Arrival(kind="poisson", rate_per_s=200_000),
    program=(DRAWN, sim.Step(op="exit")),
)
CALLS = (
    group("caller", 10, (DRAWN, sim.Step(op="call", to="server"))),
    group("server", 3, (sim.Step(op="receive"), DRAWN, sim.Step(op="reply"))),
    group("parent", 2, (DRAWN, sim.Step(op="spawn", to="guest"), PAUSE)),
    GUESTS,
)
MEMORY = sim.Memory(working_set_bytes=200_000, heap_words=2000, words_per_reduction=1.0, fullsweep_after=4)
FAULTS = (
    move(200_000, "2-5"),
    change(300_000, "core_offline", "0-1"),
    change(600_000, "power_down", "7"),
    change(700_000, "frequency", "3", mhz=1200),
    change(900_000, "core_online", "0"),
)
# A stepped lane is always ready for faults, masks and re-binding; the first ones below are not
CASES = {
    "plain": PLAIN,
    "no_stealing": PLAIN.policy_but(stealing=sim.Stealing(victim="off")),
    "always": PLAIN.policy_but(decision=ALWAYS),
    "never": PLAIN.but(policy=sim.Policy(migrate=False)),
    "random_victims": PLAIN.policy_but(stealing=sim.Stealing(victim="random", amount="half", poll_ns=7000)),
    "numa_local": PLAIN.policy_but(placement=sim.Placement(spawn="numa_local", wake="numa_local")),
    "round_robin": PLAIN.policy_but(placement=sim.Placement(spawn="round_robin", wake="round_robin")),
    "flat": PLAIN.but(cost=sim.Cost(kind="flat", message_cycles=(10, 20, 30, 400))),
    "calls_and_arrivals": PLAIN.but(classes=CALLS),
    "collections": PLAIN.but(classes=(group(count=24, program=(DRAWN, PAUSE), memory=MEMORY),)),
    "warm_up": PLAIN.within(2_000_000, warmup_ns=500_000),
    "overload": PLAIN.but(classes=(group(count=60),)).within(2_000_000, queue_capacity=4),
    "strict": PLAIN.but(classes=(group(count=20, program=(DRAWN, PAUSE), affinity=strict("1-4")), GUESTS)),
    "preferred": PLAIN.but(
        classes=(group(count=20, program=(DRAWN, PAUSE), affinity=sim.Affinity(type="dynamic", cores="1-4")),)
    ),
    "timeline": PLAIN.but(changes=FAULTS),
    "binding": PLAIN.but(binding=sim.Binding(mode="none", schedulers=11, period_ns=50_000)),
    "both": PLAIN.but(changes=FAULTS, binding=sim.Binding(mode="hybrid", performance=2, period_ns=50_000)),
    "one_core": PLAIN.but(topology=machine(1, 1, 1)),
    "wide": PLAIN.but(topology=machine(70, 7, 35), classes=(group(count=150, program=(DRAWN, PAUSE)),)),
}


def assert_same(live: dict[str, float], simulated: dict[str, float]) -> None:
    """Assert that all columns are equal to the last bit."""
    different = {
        name: (live[name], value)
        for name, value in simulated.items()
        if name != "status" and not (live[name] == value or (math.isnan(live[name]) and math.isnan(value)))
    }
    assert not different


@pytest.mark.parametrize("name", CASES)
def test_a_stepped_lane_gives_the_same_metrics(name: str) -> None:
    case = CASES[name]
    live = case.live()
    steps = [live.run_until(time_ns) for time_ns in range(0, case.simulation.horizon_ns, 97_001)]
    assert sum(steps) > 0
    assert_same(live.metrics(), case.metrics())


@pytest.mark.parametrize("seed", range(30))
def test_any_random_lane_gives_the_same_metrics_stepped(seed: int) -> None:
    """Replays, limits, faults, bindings, and lanes that max_events stops, as the oracle's hunt draws them."""
    drawn = random_scenario(seed)
    lane = sim.Lane(drawn.policy, drawn.cost, drawn.seed, drawn.replicate, drawn.binding)
    parts = (drawn.topology, drawn.workload)
    live = sim.LiveLane(*parts, lane, drawn.simulation, drawn.timeline)
    for time_ns in range(0, drawn.simulation.horizon_ns, 7_001):
        live.run_until(time_ns)
    result = sim.simulate(*parts, [lane], drawn.simulation, drawn.timeline)
    assert_same(live.metrics(), {name: column[0].item() for name, column in result.columns.items()})


@pytest.mark.parametrize("step_ns", [1_000_000, 33_333, 1_001])
def test_the_length_of_the_steps_does_not_matter(step_ns: int) -> None:
    case = CASES["both"]
    live = case.live()
    for time_ns in range(step_ns, case.simulation.horizon_ns, step_ns):
        live.run_until(time_ns)
        assert live.now_ns == time_ns
    assert_same(live.metrics(), case.metrics())


def test_the_events_of_all_steps_are_those_of_the_lane() -> None:
    """Events at time 0 belong to the warm-up, which ends there, and are not counted by the lane."""
    live = PLAIN.live()
    first = live.run_until(0)
    counted = sum(live.run_until(time_ns) for time_ns in range(100_000, 2_000_001, 100_000))
    assert 0 <= counted + first - PLAIN.metrics()["event_count"] <= 1


def test_the_limit_of_events_holds_for_all_steps_together() -> None:
    """A lane that is stopped stays stopped, and its time with it."""
    case = PLAIN.within(2_000_000, max_events=200)
    live = case.live()
    assert sum(live.run_until(time_ns) for time_ns in range(0, 2_000_000, 50_000)) == 200
    assert_same(live.metrics(), case.metrics())


def test_looking_changes_nothing() -> None:
    live = PLAIN.live()
    for time_ns in range(0, 2_000_000, 50_000):
        live.run_until(time_ns)
        for p in live.processes():
            live.get_affinity(p)
            live.check_affinity(p, 3)
        live.get_scheduler_core(0)
        live.is_bound(0)
    assert_same(live.metrics(), PLAIN.metrics())


def test_changing_nothing_twice_is_the_same_twice() -> None:
    """Two lanes with the same interventions at the same times."""
    rows = []
    for _ in range(2):
        live = PLAIN.live()
        live.run_until(100_000)
        live.set_affinity(3, strict("5-6"))
        live.unbind_scheduler(1)
        live.migrate_scheduler(1, 4)
        rows.append(live.metrics())
    assert_same(*rows)
    assert rows[0]["affinity_count"] == rows[0]["rebind_count"] == 1


# calls that name what there is not
UNKNOWN = {
    "get_process": lambda live: live.get_affinity(999),
    "negative_process": lambda live: live.get_affinity(-1),
    "set_process": lambda live: live.set_affinity(999, strict("1")),
    "update_process": lambda live: live.update_affinity(26, cores="1"),
    "clear_process": lambda live: live.clear_affinity(10**6),
    "check_process": lambda live: live.check_affinity(999, 0),
    "check_scheduler": lambda live: live.check_affinity(0, 8),
    "scheduler": lambda live: live.get_scheduler_core(8),
    "negative_scheduler": lambda live: live.get_scheduler_core(-1),
    "is_bound": lambda live: live.is_bound(8),
    "bind_scheduler": lambda live: live.bind_scheduler_to_core(8, 0),
    "bind_core": lambda live: live.bind_scheduler_to_core(0, 8),
    "migrate_scheduler": lambda live: live.migrate_scheduler(-3, 0),
    "migrate_core": lambda live: live.migrate_scheduler(0, -1),
    "unbind": lambda live: live.unbind_scheduler(99),
    "preferred_core": lambda live: live.set_affinity(0, sim.Affinity(type="dynamic", preferred_core=8)),
    "inherit": lambda live: live.set_affinity(0, sim.Affinity()),
    "unreadable_mask": lambda live: live.set_affinity(0, strict("one")),
    "past": lambda live: live.run_until(99_999),
    "beyond_the_horizon": lambda live: live.run_until(2_000_001),
}


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_there_is_not_is_refused_with_its_value(name: str) -> None:
    live = PLAIN.live()
    live.run_until(100_000)
    with pytest.raises(sim.SpecError, match="must be"):
        UNKNOWN[name](live)
    assert_same(live.metrics(), PLAIN.metrics())


def test_a_type_of_core_that_this_machine_lacks_is_an_empty_mask() -> None:
    """Not an error: the kernel refuses it, keeps the old one and counts."""
    live = PLAIN.live()
    live.run_until(100_000)
    assert live.set_affinity(0, strict("type:X")) is False
    assert live.metrics()["affinity_refused_count"] == 1


def test_an_exited_process_is_no_process() -> None:
    live = Case(
        (group(program=(run(100), sim.Step(op="exit"))), group("q", program=(run(10), block(10))))
    ).live()
    assert live.processes() == [0, 1]
    live.run_until(100_000)
    assert live.processes() == [1]
    with pytest.raises(sim.SpecError):
        live.set_affinity(0, strict("1"))


def test_masks_by_hand_have_an_end() -> None:
    """32 new ones may be made; those known already cost nothing."""
    live = dataclasses.replace(PLAIN, classes=(group(),)).live()
    masks = [f"{a},{b}" for a in range(8) for b in range(a + 1, 8)] + [f"0,1,{c}" for c in range(2, 8)]
    for mask in masks[:32]:
        assert live.set_affinity(0, strict(mask))
    for mask in masks[:32]:
        assert live.set_affinity(0, strict(mask))
    with pytest.raises(sim.SpecError, match="different masks"):
        live.set_affinity(0, strict(masks[32]))
    assert live.get_affinity(0).cores == tuple(int(core) for core in masks[31].split(","))
