"""Where affinity lets processes run: strict, preferred, dynamic, and whose affinity a child has."""

import dataclasses

import pytest

import sim
from sim.kernels import log as codes
from tests.analytic.machines import machine
from tests.model.lanes import ALWAYS, BARE, NO_STEALING, Case, Outcome, block, change, group, run, strict

EXPONENTIAL = sim.Step(op="run", draw=sim.Distribution(mean=900.0))
PAUSE = sim.Step(op="block", draw=sim.Distribution(mean=8000.0))
WANDER = (EXPONENTIAL, PAUSE)
EVERYTHING = sim.Policy(
    placement=sim.Placement(spawn="random", wake="random"),
    balancing=sim.Balancing(period_ns=15_000),
    decision=ALWAYS,
    limits=sim.Limits(process=sim.ProcessLimit(return_window_ns=50_000)),
)
FAULTS = (
    change(300_000, "core_offline", "2"),
    change(500_000, "power_down", "4-5"),
    change(800_000, "core_online", "2"),
    change(900_000, "power_up", "4-5"),
    change(1_000_000, "frequency", "3", mhz=1000),
)


def places(out: Outcome, process_class: int) -> dict[int, int]:
    """Run time by core of the processes of a class that were there from the start."""
    members = {p for _, _, _, p, a, _ in out.entries(codes.ARRIVE) if a == process_class}
    time_ns: dict[int, int] = {}
    for _, _, core, p, _, length in out.entries(codes.SEGMENT):
        if p in members:
            time_ns[core] = time_ns.get(core, 0) + length
    return time_ns


@pytest.mark.parametrize("cores", ["3", "1-2", "0,5", "node:1", "cluster:0,7"])
def test_strict_never_runs_outside_whatever_moves_processes(cores: str) -> None:
    """All mechanisms, faults and re-binding at once."""
    classes = (
        group("p", 10, WANDER, affinity=strict(cores)),
        group("others", 20, WANDER, start="first"),
        group("spin", 4, (run(5000),), start="first"),
    )
    out = Case(classes, policy=EVERYTHING, changes=FAULTS).outcome()
    case = Case(classes, policy=EVERYTHING, changes=FAULTS)
    mask = {c for c in range(8) if sim.LiveLane.check_affinity(case.live(), 0, c)}
    ran = {core for _, _, core, p, _, _ in out.entries(codes.DISPATCH) if p < 10}
    assert ran
    assert ran <= mask
    assert set(places(out, 1)) == set(range(8))
    assert len(out.mechanisms()) >= 4


@pytest.mark.parametrize("seed", range(4))
def test_strict_holds_on_schedulers_that_change_cores(seed: int) -> None:
    """Where schedulers wander, what counts is the hardware core under the one that dispatches."""
    classes = (group("p", 10, WANDER, affinity=strict("1-2,6")), group("others", 2, WANDER))
    binding = sim.Binding(mode="none", schedulers=10, period_ns=5_000, rebind_ns=1000, os_quantum_ns=5000)
    case = Case(classes, policy=EVERYTHING, changes=FAULTS, binding=binding, seed=seed)
    out = case.outcome()
    under = {c: c % 8 for c in range(10)}
    looks = 0
    for _, code, core, p, a, _ in out.log.tolist():
        if code == codes.REBIND:
            under[core] = a
        elif code == codes.DISPATCH and p < 10:
            looks += 1
            assert under[core] in (1, 2, 6)
    assert looks > 100
    assert out["rebind_count"] > 10


def stay(affinity: sim.Affinity, bonus: int) -> dict[int, int]:
    """Run time by core of six processes that are woken anywhere, beside twelve others."""
    decision = sim.Decision(preferred_bonus_cycles=bonus)
    policy = sim.Policy(placement=sim.Placement(wake="random"), stealing=NO_STEALING, decision=decision)
    classes = (group("p", 6, WANDER, affinity=affinity), group("others", 12, WANDER))
    return places(Case(classes, policy=policy).outcome(), 0)


def share(time_ns: dict[int, int], cores: set[int]) -> float:
    """Share of the time that was spent on these cores."""
    return sum(time_ns.get(core, 0) for core in cores) / sum(time_ns.values())


@pytest.mark.parametrize("kind", ["preferred", "dynamic"])
def test_preferred_and_dynamic_stay_for_the_bonus_but_may_leave(kind: str) -> None:
    affinity = sim.Affinity(type=kind, cores="0-1")
    loose, bound = (share(stay(affinity, bonus), {0, 1}) for bonus in (0, 10**6))
    assert loose < 0.5
    assert 0.75 < bound <= 1.0
    assert share(stay(strict("0-1"), 0), {0, 1}) == 1.0


def test_none_is_everywhere() -> None:
    assert share(stay(sim.Affinity(type="none"), 10**6), {0, 1}) < 0.5


def away(**fields) -> float:
    """away_share of a process on core 0 that is forced nowhere."""
    case = Case((group(affinity=sim.Affinity(**fields), start="first"),), cost=BARE)
    return case.metrics()["away_share"]


@pytest.mark.parametrize(
    ("kind", "cores", "preferred", "expected"),
    [("preferred", "0-3", None, 0), ("preferred", "1-3", None, 1), ("preferred", "0-3", 0, 0),
     ("preferred", "0-3", 1, 1), ("preferred", "1-3", 0, 0), ("dynamic", "0", None, 0),
     ("dynamic", None, 5, 1)],
)  # fmt: skip
def test_away_share_is_time_off_the_preferred_core_or_mask(kind, cores, preferred, expected) -> None:
    assert away(type=kind, cores=cores, preferred_core=preferred) == expected


def test_away_share_counts_no_others() -> None:
    """Null if nobody prefers anything; the share of those who do otherwise."""
    metrics = Case((group("a", 5), group("b", 5, affinity=strict("2")))).metrics()
    assert metrics["away_share"] != metrics["away_share"]
    both = (
        group("a", 1, affinity=sim.Affinity(type="preferred", cores="1"), start="first"),
        group("b", 3, affinity=sim.Affinity(type="preferred", cores="0"), start="first"),
    )
    assert Case(both, machine(2, 2, 2), cost=BARE).metrics()["away_share"] == pytest.approx(0.25, abs=0.03)


def test_the_preferred_core_of_a_dynamic_process_follows_it() -> None:
    """Forced from core 0 to 2 and on to 4: it prefers each in turn; a preferred process does not."""
    for kind, expected in (("dynamic", [0, 2, 4]), ("preferred", [0, 0, 0])):
        first = sim.Affinity(type=kind, cores="0", preferred_core=0)
        live = Case((group(program=(run(500), block(1000)), affinity=first),), cost=BARE).live()
        seen = []
        for step, cores in enumerate(("0", "2", "4")):
            live.run_until(100_000 * step + 50_000)
            if step:
                live.update_affinity(0, cores=cores)
            live.run_until(100_000 * (step + 1))
            seen.append(live.get_affinity(0).preferred_core)
            assert live.get_affinity(0).current_core == int(cores)
        assert seen == expected


def test_a_dynamic_process_settles_where_it_went() -> None:
    """Woken anywhere, with a bonus for its preferred core: it stays longer than one without."""
    policy = sim.Policy(
        placement=sim.Placement(wake="random"),
        stealing=NO_STEALING,
        decision=sim.Decision(preferred_bonus_cycles=30_000),
    )
    classes = (group("p", 8, WANDER, affinity=sim.Affinity(type="dynamic", preferred_core=0)),
               group("others", 16, WANDER))  # fmt: skip
    case = Case(classes, policy=policy, cost=BARE)
    free = case.but(classes=(group("p", 8, WANDER), classes[1]))
    moves = [
        sum(p < 8 for _, _, _, p, _, _ in each.outcome().entries(codes.MIGRATE)) for each in (case, free)
    ]
    assert 0 < moves[0] < moves[1] / 2


def test_preferred_placement_brings_it_home() -> None:
    """Thieves take it away; wake-ups bring it back to core 7 as long as no more waits there."""
    affinity = sim.Affinity(type="preferred", preferred_core=7)
    others = group("others", 3, (run(3000),), start="first")
    classes = (group("p", 2, WANDER, affinity=affinity, start="first"), others)
    case = Case(classes, policy=sim.Policy(decision=ALWAYS))
    lost = case.metrics()["away_share"]
    home = case.policy_but(placement=sim.Placement(wake="preferred")).metrics()["away_share"]
    assert home < lost / 2


def own_limit(most: int | None, limits: sim.Limits | None = None) -> Outcome:
    """Two processes that are woken anywhere, the first with a limit of its own."""
    affinity = sim.Affinity(type="dynamic", max_migrations=most)
    policy = dataclasses.replace(EVERYTHING, limits=limits or sim.Limits())
    classes = (group("p", 1, WANDER, affinity=affinity), group("q", 1, WANDER))
    return Case(classes, policy=policy).outcome()


@pytest.mark.parametrize("most", [0, 1, 7])
def test_own_limit_of_migrations(most: int) -> None:
    out = own_limit(most)
    moved = [p for _, _, _, p, _, _ in out.entries(codes.MIGRATE)]
    assert moved.count(0) == most
    assert moved.count(1) > 20
    assert out["denied_process_limit"] > 0


def test_the_tighter_of_own_and_general_limit_holds() -> None:
    for general, least in ((3, 3), (9, 5)):
        moved = own_limit(5, sim.Limits(process=sim.ProcessLimit(max_migrations=general)))
        assert [p for _, _, _, p, _, _ in moved.entries(codes.MIGRATE)].count(0) == least


CHILD = (run(100), block(10**9))


@pytest.mark.parametrize(
    ("class_affinity", "override", "cores"),
    [
        ("own", None, {6}),
        ("own", "class", {6}),
        ("own", "inherit", {2, 3}),
        ("own", "none", set(range(8))),
        ("inherit", None, {2, 3}),
        ("inherit", "class", {2, 3}),
        ("inherit", "inherit", {2, 3}),
        ("inherit", "none", set(range(8))),
        ("none", None, set(range(8))),
    ],
)
def test_a_child_has_the_affinity_that_the_spawn_says(class_affinity, override, cores) -> None:
    affinity = {"own": strict("6"), "inherit": sim.Affinity(), "none": sim.Affinity(type="none")}[
        class_affinity
    ]
    spawn = sim.Step(op="spawn", to="child", affinity=override)
    classes = (
        group("parent", 1, (run(100), spawn, block(5000)), affinity=strict("2-3")),
        sim.ProcessClass(name="child", program=CHILD, affinity=affinity),
    )
    policy = sim.Policy(placement=sim.Placement(spawn="round_robin"), stealing=NO_STEALING)
    out = Case(classes, policy=policy).within(300_000).outcome()
    born = {core for _, _, core, _, a, _ in out.entries(codes.ARRIVE) if a == 1}
    assert born == cores


def test_a_child_inherits_what_the_parent_has_by_then() -> None:
    classes = (
        group("parent", 1, (run(100), sim.Step(op="spawn", to="child"), block(5000)), affinity=strict("2")),
        sim.ProcessClass(name="child", program=CHILD),
    )
    changes = (change(100_000, "affinity", process_class="parent", affinity=strict("5")),)
    out = Case(classes, changes=changes).within(300_000).outcome()
    born = [(time_ns, core) for time_ns, _, core, _, a, _ in out.entries(codes.ARRIVE) if a == 1]
    assert {core for time_ns, core in born if time_ns < 100_000} == {2}
    assert {core for time_ns, core in born if time_ns > 110_000} == {5}


def test_a_parentless_process_inherits_nothing() -> None:
    live = Case((group(),)).live()
    assert live.get_affinity(0) == sim.ProcessAffinity(tuple(range(8)), "none", None, None, 0, 0, None)
