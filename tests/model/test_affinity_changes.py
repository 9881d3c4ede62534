"""Affinity that changes while processes run: by their own program, by a timeline and by hand."""

import pytest

import sim
from sim.kernels import log as codes
from tests.model.lanes import BARE, QUIET, Case, Outcome, block, change, group, move, run, strict

NOWHERE = strict("99")  # a mask without a core of this machine


def where(out: Outcome, process: int = 0) -> list[int]:
    """Schedulers on which a process was dispatched, without repetitions."""
    cores = [core for _, _, core, p, _, _ in out.entries(codes.DISPATCH) if p == process]
    return [core for i, core in enumerate(cores) if i == 0 or core != cores[i - 1]]


def step(new: sim.Affinity) -> sim.Step:
    """The program changes its own affinity."""
    return sim.Step(op="affinity", affinity=new)


def test_a_program_changes_its_own_affinity() -> None:
    """Each round goes on core 2 after its first part and back to core 6 after its second."""
    program = (run(500), step(strict("2")), block(1000), run(500), step(strict("6")), block(1000))
    out = Case((group(program=program),), cost=BARE).within(100_000).outcome()
    assert where(out)[:5] == [0, 2, 6, 2, 6]
    assert out["affinity_count"] > 10
    assert out.mechanisms() == {"affinity": out["migration_count"]}


def test_a_running_process_moves_at_the_end_of_its_slice_and_loses_no_work() -> None:
    """The change comes at 15 us, in the middle of a slice of 40 us; the work takes as long as without."""
    program = (run(20_000), sim.Step(op="exit"))
    still = Case((group(program=program, affinity=strict("0")),), cost=BARE)
    moved = still.but(changes=(move(15_000, "1"),))
    for out in (still.outcome(), moved.outcome()):
        assert sum(out.work_ns()) == 200_000
        assert out["reductions"] == 20_000
        assert out.entries(codes.EXIT)[0][0] == 200_000
    (when, _, target, _, source, mechanism), = moved.outcome().entries(codes.MIGRATE)  # fmt: skip
    assert (when, source, target, sim.MECHANISMS[mechanism]) == (40_000, 0, 1, "affinity")


def test_a_program_that_excludes_its_own_core_moves_at_the_end_of_its_slice() -> None:
    program = (run(1000), step(strict("3")), run(1000), sim.Step(op="exit"))
    out = Case((group(program=program),), cost=BARE).outcome()
    assert where(out) == [0]  # one slice: the budget is not used up by the change
    short = Case((group(program=program),), cost=BARE).within(100_000, quantum_reds=1500).outcome()
    assert where(short) == [0, 3]
    assert sum(short.work_ns()) == 20_000


def test_a_queued_process_leaves_at_once() -> None:
    classes = (group("first", 1, (run(10_000),), affinity=strict("0")), group("p", 1, affinity=strict("0")))
    out = Case(classes, cost=BARE, changes=(move(15_000, "5"),)).outcome()
    (when, _, target, process, _, _), = out.entries(codes.MIGRATE)  # fmt: skip
    assert (when, target, process) == (15_000, 5, 1)
    assert next(time_ns for time_ns, _, core, *_ in out.entries(codes.DISPATCH) if core == 5) == 15_000


def test_a_blocked_process_moves_when_it_wakes() -> None:
    case = Case((group(program=(run(1000), block(90_000)), affinity=strict("0")),), cost=BARE)
    out = case.but(changes=(move(50_000, "5"),)).within(150_000).outcome()
    assert [row[0] for row in out.entries(codes.MIGRATE)] == [100_000]
    assert where(out) == [0, 5]


@pytest.mark.parametrize("kind", ["preferred", "dynamic"])
def test_a_changed_preference_moves_once_and_then_holds_nobody(kind: str) -> None:
    new = sim.Affinity(type=kind, cores="6-7")
    changes = (change(15_000, "affinity", process_class="p", affinity=new),)
    out = Case((group(count=2),), cost=BARE, changes=changes).outcome()
    assert sorted(out.moves()) == [(0, 6), (1, 7)]
    assert out["migration_count"] == 2


@pytest.mark.parametrize("count", [5, 30])
@pytest.mark.parametrize("kind", ["preferred", "dynamic"])
def test_who_has_moved_for_its_preference_may_leave_again(kind: str, count: int) -> None:
    """Woken anywhere: each is forced into the new mask once, and not again whenever it has left it."""
    new = sim.Affinity(type=kind, cores="6-7")
    changes = (change(200_000, "affinity", process_class="p", affinity=new),)
    policy = sim.Policy(
        placement=sim.Placement(wake="round_robin"),
        stealing=QUIET.stealing,
        decision=sim.Decision(rule="always"),
    )
    case = Case(
        (group(count=count, program=(run(500), block(3000))),), policy=policy, cost=BARE, changes=changes
    )
    out = case.outcome()
    assert 1 <= out["migrations_affinity"] <= count
    assert out["migrations_wake"] > 100
    assert {target for _, target in out.moves()} == set(range(8))


@pytest.mark.parametrize(
    "new", [NOWHERE, sim.Affinity(type="preferred", cores="50-60")], ids=["strict", "preferred"]
)
def test_an_empty_mask_is_refused_and_the_old_one_kept(new: sim.Affinity) -> None:
    program = (run(500), step(new), block(1000))
    own = Case((group(program=program, affinity=strict("3")),), cost=BARE).within(100_000).outcome()
    assert own["affinity_refused_count"] > 5
    assert own["affinity_count"] == own["migration_count"] == 0
    assert where(own) == [3]
    assert {row[5] for row in own.entries(codes.AFFINITY)} == {0}
    changes = (change(50_000, "affinity", process_class="p", affinity=new),)
    lane = Case((group(affinity=strict("3")),), cost=BARE, changes=changes)
    assert lane.outcome()["affinity_refused_count"] == 1
    live = lane.but(changes=()).live()
    live.run_until(50_000)
    assert not live.set_affinity(0, new)
    assert live.get_affinity(0).cores == (3,)
    assert live.get_affinity(0).type == "strict"
    assert live.metrics()["affinity_refused_count"] == 1


def test_only_cores_of_this_machine_count_in_a_mask() -> None:
    out = Case((group(),), cost=BARE, changes=(move(50_000, "6,99"),)).outcome()
    assert where(out) == [0, 6]


@pytest.mark.parametrize(("cores", "taken"), [("3-5", True), ("4-5", False)])
def test_with_the_trigger_off_what_would_move_is_refused(cores: str, taken: bool) -> None:
    policy = sim.Policy(stealing=QUIET.stealing, triggers=sim.Triggers(affinity_change=False))
    case = Case((group(affinity=strict("3")),), cost=BARE, policy=policy, changes=(move(50_000, cores),))
    out = case.outcome()
    assert (out["affinity_count"], out["affinity_refused_count"]) == ((1, 0) if taken else (0, 1))
    assert out["migration_count"] == 0


def test_a_policy_that_never_migrates_refuses_too() -> None:
    policy = sim.Policy(migrate=False)
    out = Case((group(affinity=strict("3")),), policy=policy, changes=(move(50_000, "4"),)).outcome()
    assert (out["affinity_refused_count"], out["migration_count"]) == (1, 0)


def test_a_class_keeps_its_new_affinity_for_those_to_come() -> None:
    guests = sim.ProcessClass(
        name="p",
        arrival=sim.Arrival(kind="deterministic", rate_per_s=100_000),
        program=(run(100), sim.Step(op="exit")),
        affinity=strict("0"),
    )
    out = Case((guests,), cost=BARE, changes=(move(505_000, "4"),)).within(1_000_000).outcome()
    born = [(time_ns, core) for time_ns, _, core, *_ in out.entries(codes.ARRIVE)]
    assert {core for time_ns, core in born if time_ns < 505_000} == {0}
    assert {core for time_ns, core in born if time_ns > 505_000} == {4}


def test_without_a_class_everybody_is_meant() -> None:
    changes = (change(15_000, "affinity", affinity=strict("7")),)
    out = Case((group("a", 2), group("b", 2)), cost=BARE, changes=changes).outcome()
    assert out["affinity_count"] == 4
    assert {target for _, target in out.moves()} == {7}


def test_by_hand_is_the_same_as_by_timeline() -> None:
    """Set, update, clear and get at the times of a timeline give the same counts."""
    case = Case((group(count=1, program=(run(700), block(500))),))
    entries = ((100_000, strict("5")), (200_000, strict("6-7")), (300_000, sim.Affinity(type="none")))
    timeline = case.but(
        changes=tuple(change(t, "affinity", process_class="p", affinity=new) for t, new in entries)
    )
    live = case.live()
    live.run_until(100_000)
    assert live.set_affinity(0, strict("5"))
    live.run_until(200_000)
    assert live.get_affinity(0).cores == (5,)
    assert live.get_affinity(0).migration_count == 1
    assert live.update_affinity(0, cores="6-7")
    live.run_until(300_000)
    assert live.get_affinity(0).cores == (6, 7)
    assert live.get_affinity(0).last_migration_ns > 200_000
    assert live.clear_affinity(0)
    assert live.get_affinity(0).type == "none"
    by_hand, by_timeline = live.metrics(), timeline.metrics()
    for name in (
        "migrations_affinity",
        "affinity_count",
        "activation_count",
        "migration_cost_realised_cycles",
    ):
        assert by_hand[name] == by_timeline[name], name
    assert by_hand["migrations_affinity"] == 2


def test_may_it_run_there() -> None:
    live = Case(
        (group(affinity=strict("node:1")), group("q", affinity=sim.Affinity(type="preferred", cores="0")))
    ).live()
    assert [live.check_affinity(0, c) for c in range(8)] == [False] * 4 + [True] * 4
    assert all(live.check_affinity(1, c) for c in range(8))


def test_a_stranded_process_goes_on_when_its_affinity_lets_it() -> None:
    """Its cores fail for ever; at 50 us it may run anywhere again."""
    two = (group(affinity=strict("0-1")),)
    fails = sim.Change(time_ns=20_000, op="core_offline", cores="0-1")
    free = change(50_000, "affinity", affinity=sim.Affinity(type="none"))
    stuck, freed = (
        Case(two, policy=QUIET, cost=BARE, changes=c).outcome() for c in ((fails,), (fails, free))
    )
    assert stuck["stranded_count"] == freed["stranded_count"] == 1
    assert freed["stranded_ns"] == 30_000 < stuck["stranded_ns"]
    assert freed["migrations_failure"] == 1
    assert freed["reductions"] > stuck["reductions"]
