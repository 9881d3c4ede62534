"""Cores and nodes that go and come: nothing is lost, and each kind of change has its effect."""

import itertools

import pytest

import sim
from sim.kernels import log as codes
from sim.layout import process as P
from tests.analytic.machines import machine
from tests.model.lanes import (
    ALWAYS,
    BARE,
    FREE,
    NO_STEALING,
    SHORT,
    Case,
    Outcome,
    block,
    change,
    group,
    run,
    strict,
)

DEMAND = 30_000
FINITE = (
    run(DEMAND / 3),
    block(20_000),
    run(DEMAND / 3),
    block(20_000),
    run(DEMAND / 3),
    sim.Step(op="exit"),
)
BUSY = sim.Policy(
    placement=sim.Placement(wake="random"), balancing=sim.Balancing(period_ns=50_000), decision=ALWAYS
)
FLIP = ("core_offline", "core_online")
STORIES = {
    "nothing": (),
    "core": (change(200_000, "core_offline", "2"), change(700_000, "core_online", "2")),
    "node": (change(200_000, "core_offline", "node:1"), change(700_000, "core_online", "node:1")),
    "power": (change(200_000, "power_down", "0-5"), change(700_000, "power_up", "0-5")),
    "all": (change(200_000, "core_offline", "0-7"), change(700_000, "core_online", "0-7")),
    "all_down": (change(200_000, "power_down", "0-7"), change(700_000, "power_up", "0-7")),
    "all_by_one": tuple(change(200_000 + 10_000 * c, "core_offline", str(c)) for c in range(8))
    + tuple(change(700_000 + 10_000 * c, "core_online", str(7 - c)) for c in range(8)),
    "both": (change(200_000, "power_down", "0-3"), change(210_000, "core_offline", "0-6"),
             change(600_000, "power_up", "0"), change(700_000, "core_online", "1-6")),
    "slow": (change(100_000, "frequency", "0-7", mhz=700), change(900_000, "frequency", "0-7", mhz=3000)),
    "flapping": tuple(change(50_000 * (i + 1), FLIP[i % 2], "1,3,5") for i in range(20)),
}  # fmt: skip
BINDINGS = {
    "fixed": sim.Binding(),
    "dynamic": sim.Binding(mode="dynamic", period_ns=40_000),
    "crowded": sim.Binding(mode="none", schedulers=12, period_ns=40_000, os_quantum_ns=20_000),
}


def story(name: str, binding: str = "fixed", horizon_ns: int = 20_000_000) -> Case:
    """Forty processes with a fixed demand, a few of them bound, through one story."""
    classes = (group("p", 32, FINITE), group("q", 8, FINITE, affinity=strict("4-7")))
    case = Case(classes, policy=BUSY, cost=FREE, changes=STORIES[name], binding=BINDINGS[binding])
    return case.within(horizon_ns, quantum_reds=1000)


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("name", STORIES)
def test_all_complete_whatever_happens(name: str, binding: str) -> None:
    """Forty processes exit, and the reductions done are exactly their demands."""
    out = story(name, binding).outcome()
    assert out["completed_count"] == out["created_count"] + 40 == 40  # created before the count begins
    assert out["reductions"] == 40 * DEMAND
    assert out["refused_count"] == 0
    assert out.status() == sim.LaneStatus.COMPLETED


@pytest.mark.parametrize("binding", BINDINGS)
@pytest.mark.parametrize("name", STORIES)
@pytest.mark.parametrize("time_ns", [250_000, 650_000])
def test_at_any_time_each_process_is_somewhere_and_its_work_is_counted(time_ns, name, binding) -> None:
    """Reductions booked = those of the exited + what each living one has done of its program."""
    case = story(name, binding, 1_000_000)
    live = case.live()
    live.run_until(time_ns)
    counters = live.arena.counters()
    alive = live.processes()
    assert len(alive) + counters["completed_count"] == 40
    assert {live.column(p, P.STATE) for p in alive} <= {P.READY, P.RUNNING, P.BLOCKED}
    partial = sum(work_done(live, p) for p in alive)
    assert counters["reductions"] == partial + counters["completed_count"] * DEMAND


def work_done(live: sim.LiveLane, p: int) -> int:
    """Reductions of the run steps begun, less what is left of the last; each class has its own steps."""
    step = live.column(p, P.PC) - len(FINITE) * live.column(p, P.CLASS)
    return sum(each.op == "run" for each in FINITE[:step]) * DEMAND // 3 - live.column(p, P.REMAINING)


@pytest.mark.parametrize("name", ["all", "all_down"])
def test_while_all_cores_are_off_nothing_runs(name: str) -> None:
    out = story(name).outcome()
    begun = [row[0] for row in out.entries(codes.SEGMENT) if row[0] < 700_000]
    assert max(begun) <= 200_000
    assert out["stranded_count"] > 0
    assert out["stranded_ns"] > 10 * 400_000


def test_an_offline_core_is_left_and_taken_again() -> None:
    out = story("core").outcome()
    used = [row[0] for row in out.entries(codes.DISPATCH) if row[2] == 2]
    assert not [t for t in used if 200_000 <= t < 700_000]
    assert [t for t in used if t < 200_000]
    assert [t for t in used if t >= 700_000]
    assert out.mechanisms()["failure"] > 0
    assert "power" not in out.mechanisms()


def test_a_node_goes_offline_with_all_its_cores() -> None:
    out = story("node").outcome()
    assert not [row for row in out.entries(codes.DISPATCH) if row[2] >= 4 and 200_000 <= row[0] < 700_000]
    # those bound to it wait until it is back
    bound = [row for row in out.entries(codes.DISPATCH) if row[3] >= 32]
    assert not [row for row in bound if 200_000 <= row[0] < 700_000]
    assert out["stranded_count"] > 0
    assert [row for row in bound if row[0] >= 700_000]


def one(op: str, *, on: bool = True, work: float = 100_000) -> Outcome:
    """One process on core 0 with a slice of 1 ms, and something happens to the core after 0.3 ms."""
    triggers = sim.Triggers(core_failure=on, power=on)
    policy = sim.Policy(stealing=NO_STEALING, triggers=triggers)
    classes = (group(program=(run(work), sim.Step(op="exit"))),)
    case = Case(classes, machine(2, 2, 2), policy, BARE, changes=(change(300_000, op, "0"),))
    return case.within(3_000_000, quantum_reds=100_000).outcome()


def test_a_failure_cuts_the_slice() -> None:
    """30 000 of 100 000 reductions were done after 0.3 ms; the rest runs on core 1."""
    out = one("core_offline")
    assert [(row[0], row[2], row[4]) for row in out.entries(codes.PREEMPT)] == [(300_000, 0, 70_000)]
    assert out.moves() == [(0, 1)]
    assert out.mechanisms() == {"failure": 1}
    assert out.entries(codes.EXIT)[0][0] == 1_000_000
    assert out["reductions"] == 100_000


def test_a_power_down_lets_the_slice_end() -> None:
    """The slice of 1 ms ends on core 0; the next is run on core 1."""
    out = one("power_down", work=150_000)
    assert [(row[0], row[2]) for row in out.entries(codes.PREEMPT)] == [(1_000_000, 0)]
    assert [row[0] for row in out.entries(codes.OFFLINE)] == [1_000_000]
    assert out.mechanisms() == {"power": 1}
    assert out.entries(codes.EXIT)[0][0] == 1_500_000


@pytest.mark.parametrize("op", ["core_offline", "power_down"])
def test_with_the_trigger_off_it_is_stranded(op: str) -> None:
    out = one(op, on=False, work=150_000)
    assert out["migration_count"] == out["completed_count"] == 0
    assert out["stranded_count"] == 1
    assert out["stranded_ns"] == 3_000_000 - (300_000 if op == "core_offline" else 1_000_000)


def test_a_thief_may_rescue_the_stranded() -> None:
    """The trigger is off, but stealing is on: the other core takes it as any other's."""
    policy = sim.Policy(decision=ALWAYS, stealing=sim.Stealing(poll_ns=10_000),
                        triggers=sim.Triggers(core_failure=False))  # fmt: skip
    awake = group("awake", 1, (run(10), block(10**9)), affinity=strict("1"))  # only who has run polls
    case = Case((group(program=(run(10_000),)), awake), machine(2, 2, 2), policy, BARE)
    out = case.but(changes=(change(300_000, "core_offline", "0"),)).outcome()
    assert out.mechanisms() == {"steal": 1}
    assert 0 < out["stranded_ns"] <= 10_000


def test_a_blocked_process_wakes_elsewhere_when_its_core_is_gone() -> None:
    program = (run(1000), block(400_000))
    changes = (change(100_000, "core_offline", "0"),)
    out = (
        Case((group(program=program),), machine(2, 2, 2), cost=BARE, changes=changes)
        .within(600_000)
        .outcome()
    )
    assert [(row[0], row[2]) for row in out.entries(codes.MIGRATE)] == [(410_000, 1)]
    assert out.mechanisms() == {"failure": 1}


@pytest.mark.parametrize(("off", "on", "cause"), [("core_offline", "core_online", "failure"),
                                                  ("power_down", "power_up", "power")])  # fmt: skip
def test_the_stranded_are_rescued_by_the_first_core_that_opens(off: str, on: str, cause: str) -> None:
    """Their two cores go, one comes back: who was stranded on the other goes there at once."""
    classes = (group("p", 4, affinity=strict("4-5")),)
    changes = (change(200_000, off, "4-5"), change(500_000, on, "5"))
    out = Case(classes, cost=BARE, changes=changes).outcome()
    rescued = [row[0] for row in out.entries(codes.MIGRATE) if row[2] == 5]
    assert rescued
    assert set(rescued) == {500_000}
    assert set(out.mechanisms()) == {cause}
    assert {row[3] for row in out.entries(codes.DISPATCH) if row[0] >= 500_000} == {0, 1, 2, 3}
    assert out["stranded_count"] == 4


def test_a_strict_process_waits_while_no_scheduler_stands_in_its_mask() -> None:
    """Four schedulers on the first half of eight cores: who is bound to the second half is stranded."""
    classes = (group("p", 8), group("q", 2, affinity=strict("4-7")))
    case = Case(classes, cost=FREE, binding=sim.Binding(schedulers=4))
    out = case.outcome()
    assert not [row for row in out.entries(codes.DISPATCH) if row[3] >= 8]
    assert out["stranded_ns"] == 2 * SHORT.horizon_ns
    assert case.metrics()["stranded_mean"] == 2


@pytest.mark.parametrize("mhz", [300, 1500, 2999, 6000])
def test_work_goes_with_the_frequency(mhz: int) -> None:
    """1 ms at 3 GHz, then 1 ms at another frequency; slices of 10 us."""
    case = Case(
        (group(program=(run(1000),)),), cost=BARE, changes=(change(1_000_000, "frequency", "0", mhz=mhz),)
    )
    out = case.within(2_000_000, quantum_reds=1000).outcome()
    assert out["reductions"] == pytest.approx(100_000 + 100_000 * mhz / 3000, abs=2000)
    assert out.work_ns()[-1] == pytest.approx(10_000 * 3000 / mhz, rel=1e-3)


def arrivals(kind: str, changes: tuple[sim.Change, ...], name: str = "p") -> list[int]:
    """Times at which processes of class p come, a hundred thousand a second."""
    kinds = [
        sim.ProcessClass(name=each, program=(run(10), sim.Step(op="exit")),
                         arrival=sim.Arrival(kind=kind, rate_per_s=100_000))
        for each in ("p", "q")
    ]  # fmt: skip
    case = Case(tuple(kinds), cost=BARE, changes=changes).within(20_000_000)
    wanted = ("p", "q").index(name)
    return [row[0] for row in case.outcome().entries(codes.ARRIVE) if row[4] == wanted]


@pytest.mark.parametrize("kind", ["deterministic", "poisson"])
@pytest.mark.parametrize("factor", [0.25, 3.0])
def test_a_load_step_changes_the_rate_of_arrivals(factor: float, kind: str) -> None:
    times = arrivals(kind, (change(10_000_000, "load", factor=factor),))
    before = sum(t < 10_000_000 for t in times)
    assert before == pytest.approx(1000, rel=0.12 if kind == "poisson" else 0.01)
    assert len(times) - before == pytest.approx(1000 * factor, rel=0.15 if kind == "poisson" else 0.01)


def test_a_load_step_may_concern_one_class() -> None:
    changes = (change(10_000_000, "load", factor=4.0, process_class="q"),)
    assert arrivals("deterministic", changes, "p") == arrivals("deterministic", (), "p")
    assert len(arrivals("deterministic", changes, "q")) == pytest.approx(5000, abs=5)


def test_regular_arrivals_go_on_regularly_after_a_load_step() -> None:
    times = arrivals("deterministic", (change(1_000_001, "load", factor=2.0),))
    gaps = {b - a for a, b in itertools.pairwise(times) if a > 1_100_000}
    assert gaps == {5_000}
