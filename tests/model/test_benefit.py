"""What a migration is expected to gain: each term by itself, in the first decision of one balancing pass."""

import dataclasses

import pytest

import sim
from tests.analytic.machines import machine
from tests.model.lanes import BARE, NO_STEALING, Case, block, group, run

WAITING_ONLY = {"waiting_weight": 1.0, "speed_weight": 0.0}
SPEED_ONLY = {"waiting_weight": 0.0, "speed_weight": 1.0}
NEITHER = {"waiting_weight": 0.0, "speed_weight": 0.0}


def one_pass(topology: sim.Topology, *classes: sim.ProcessClass, **decision) -> Case:
    """A balancing pass after 105 us looks at one candidate; slices of 1000 reductions."""
    policy = sim.Policy(
        stealing=NO_STEALING,
        balancing=sim.Balancing(period_ns=105_000, batch=1),
        decision=sim.Decision(**decision),
    )
    return Case(classes, topology, policy, BARE).within(200_000, quantum_reds=1000, window_ns=50_000)


def candidate(case: Case) -> dict[str, int]:
    """The row of the first decision."""
    return case.outcome().decisions[0]


CROWD = group(count=3, start="first")  # three processes on core 0 that run on and on
PAIR = machine(2, 2, 2)


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 2.0])
def test_waiting_saved_is_the_work_that_runs_before_it(weight: float) -> None:
    """Two slices of 10 us before it here, nothing there: 20 us at 3 GHz."""
    row = candidate(one_pass(PAIR, CROWD, waiting_weight=weight, speed_weight=0.0))
    assert (row["source"], row["target"], row["before"], row["target_load"]) == (0, 1, 2, 0)
    assert row["benefit_cycles"] == 20_000 * 3 * weight


def test_work_at_the_target_is_subtracted() -> None:
    """Four processes here, one there whose slices take 5 us: 3 x 10 us - 1 x 5 us."""
    crowd = group(count=4, start="first")
    other = group("other", 1, (run(500), block(1)), affinity=sim.Affinity(type="strict", cores="1"))
    row = candidate(one_pass(PAIR, crowd, other, **WAITING_ONLY))
    assert (row["before"], row["target_load"]) == (3, 1)
    assert row["benefit_cycles"] == (3 * 10_000 - 5_000) * 3


HYBRID = {"core_type": [0, 1], "core_speed": [1.0, 0.5], "core_frequency_mhz": [3000, 2000]}


@pytest.mark.parametrize("weight", [0.0, 0.5, 1.0, 2.0])
@pytest.mark.parametrize(("start", "gain_ns", "mhz"), [(1, 100_000, 3000), (0, -100_000, 2000)])
def test_speed_gained_is_that_on_the_remaining_work(
    start: int, gain_ns: int, mhz: int, weight: float
) -> None:
    """10 000 reductions take 100 us on the P core and 200 us on the E core."""
    crowd = group(count=3, start="first")
    topology = machine(2, 2, 2, **({k: v[::-1] for k, v in HYBRID.items()} if start else HYBRID))
    row = candidate(one_pass(topology, crowd, waiting_weight=0.0, speed_weight=weight))
    assert row["benefit_cycles"] == gain_ns * mhz // 1000 * weight


@pytest.mark.parametrize(("remaining", "reds"), [("class_mean", 10_000), ("step", 7_000), ("age", 3_000)])
def test_remaining_work_is_estimated_as_told(remaining: str, reds: int) -> None:
    """The candidate has run three slices on the slow core when the pass comes."""
    topology = machine(2, 2, 2, **{key: value[::-1] for key, value in HYBRID.items()})
    case = one_pass(topology, CROWD, **SPEED_ONLY, remaining=remaining)
    balancing = sim.Balancing(period_ns=190_000, batch=1)
    row = candidate(case.policy_but(balancing=balancing))
    assert row["benefit_cycles"] == reds * 10 * 3


def test_remote_memory_is_part_of_the_speed() -> None:
    """Half of the time waits for memory, which takes 5/3 as long from the other node."""
    topology = machine(2, 1, 1)
    crowd = group(count=3, start="first", memory=sim.Memory(intensity=0.5))
    row = candidate(one_pass(topology, crowd, **SPEED_ONLY))
    assert row["benefit_cycles"] == pytest.approx(-100_000 / 3 * 3, rel=1e-3)


@pytest.mark.parametrize("weight", [0.0, 0.5, 2.0])
def test_utilisation_counts_the_busy_share_of_the_last_window(weight: float) -> None:
    """Core 0 was busy in all of the window and core 1 half of it; 10 000 reductions take 100 us."""
    half = group("half", 1, (run(500), block(5_000)), affinity=sim.Affinity(type="strict", cores="1"))
    row = candidate(one_pass(PAIR, CROWD, half, **NEITHER, utilisation_weight=weight))
    assert row["benefit_cycles"] == pytest.approx(100_000 * 0.5 * weight * 3, rel=0.01)


@pytest.mark.parametrize("kind", ["preferred", "dynamic"])
@pytest.mark.parametrize(
    ("cores", "preferred", "sign"),
    [
        ("1", None, 1),
        ("0", None, -1),
        ("0-1", None, 0),
        ("1", 1, 2),
        ("0", 1, 0),
        ("0-1", 0, -1),
        ("1", 0, 0),
    ],
    ids=["into_mask", "out_of_mask", "within_mask", "both", "opposed", "leaves_core", "opposed_too"],
)
def test_bonus_of_mask_and_preferred_core(kind: str, cores: str, preferred: int | None, sign: int) -> None:
    affinity = sim.Affinity(type=kind, cores=cores, preferred_core=preferred)
    crowd = group(count=3, start="first", affinity=affinity)
    row = candidate(one_pass(PAIR, crowd, **NEITHER, preferred_bonus_cycles=7000))
    assert row["benefit_cycles"] == sign * 7000


def test_a_strict_process_has_no_bonus() -> None:
    affinity = sim.Affinity(type="strict", cores="0-1", preferred_core=1)
    crowd = group(count=3, start="first", affinity=affinity)
    row = candidate(one_pass(PAIR, crowd, **NEITHER, preferred_bonus_cycles=7000))
    assert row["benefit_cycles"] == 0


def test_the_terms_add_up() -> None:
    topology = machine(2, 2, 2, **{key: value[::-1] for key, value in HYBRID.items()})
    affinity = sim.Affinity(type="preferred", cores="1")
    crowd = group(count=3, start="first", affinity=affinity)
    row = candidate(one_pass(topology, crowd, preferred_bonus_cycles=7000))
    assert row["benefit_cycles"] == (2 * 20_000 + 100_000) * 3 + 7000


BOUNDS = {  # program: is it CPU-bound
    "runs_only": ((run(1000),), True),
    "runs_longer_than_it_blocks": ((run(1000), block(10_000)), True),
    "blocks_longer": ((run(1000), block(10_001)), False),
    "two_blocks": ((run(1000), block(9000), block(9000)), False),
    "sends": ((run(1000), sim.Step(op="send", to="sink")), True),
    "waits_for_messages": ((run(1000), sim.Step(op="receive")), False),
}


@pytest.mark.parametrize("bound", ["auto", "cpu", "io"])
@pytest.mark.parametrize("kind", BOUNDS)
def test_factor_is_that_of_cpu_bound_or_io_bound_processes(kind: str, bound: str) -> None:
    program, is_cpu = BOUNDS[kind]
    crowd = group(count=30, start="first", program=program, bound=bound)
    sink = group("sink", 1, (sim.Step(op="receive"), run(1)))
    case = one_pass(PAIR, crowd, sink, cpu_bound_factor=3.0, io_bound_factor=0.5)
    out = case.policy_but(balancing=sim.Balancing(period_ns=15_000, batch=1)).outcome()
    row = next(row for row in out.decisions if row["class"] == 0)
    expected = is_cpu if bound == "auto" else bound == "cpu"
    assert row["factor_q16"] == (3.0 if expected else 0.5) * 65536


PLACES = machine(4, 2, 2, core_smt=[0, 0, 1, 2], core_cluster=[0, 0, 1, 2], core_node=[0, 0, 0, 1],
                 core_package=[0, 0, 0, 1], cluster_cache_bytes=[1 << 22] * 3)  # fmt: skip


@pytest.mark.parametrize(("core", "factor"), [(1, 2.0), (2, 4.0), (3, 5.0)])
def test_factors_multiply_and_go_by_distance(core: int, factor: float) -> None:
    blocked = tuple(
        group(f"full{c}", 5, affinity=sim.Affinity(type="strict", cores=str(c))) for c in {1, 2, 3} - {core}
    )
    crowd = group("crowd", 9, start="first")
    case = one_pass(
        PLACES, crowd, *blocked,
        same_core_factor=2.0, same_cluster_factor=3.0, same_node_factor=4.0, other_node_factor=5.0,
        cpu_bound_factor=1.5,
    ).policy_but(threshold_factor=0.5)  # fmt: skip
    row = candidate(case)
    assert row["target"] == core
    assert row["factor_q16"] == factor * 1.5 * 0.5 * 65536


def crossing(**decision) -> Case:
    """CPU-bound and I/O-bound processes on one of two cores that steals and wakes would relieve."""
    policy = sim.Policy(
        placement=sim.Placement(wake="least_loaded"),
        balancing=sim.Balancing(period_ns=20_000),
        decision=sim.Decision(**decision),
    )
    classes = (
        group("cpu", 6, (run(900),), start="first"),
        group("io", 6, (run(100), block(9_000)), start="first"),
    )
    cost = dataclasses.replace(BARE, wake_ns=1000, synchronisation_cycles=(9, 9, 9, 9))
    return Case(classes, PAIR, policy, cost).within(1_000_000, quantum_reds=300)


def movers(case: Case) -> set[int]:
    """Classes whose processes migrated."""
    return {row["class"] for row in case.outcome().decisions if row["verdict"] == -1}


def test_a_factor_too_high_keeps_its_kind_in_place() -> None:
    assert movers(crossing()) == {0, 1}
    assert movers(crossing(cpu_bound_factor=1e4)) == {1}
    assert movers(crossing(io_bound_factor=1e4)) == {0}


def test_an_infinite_threshold_lets_nobody_pass_but_where_there_is_no_test() -> None:
    never = crossing().policy_but(threshold_factor=float("inf"))
    assert movers(never) == set()
    assert {row["factor_q16"] for row in never.outcome().decisions} == {-1}
    assert movers(crossing(rule="always").policy_but(threshold_factor=float("inf"))) == {0, 1}


def ages(rule: str, cycles: int) -> dict[str, int]:
    """Migrations of processes that run for ever, and of such that exit after 3 us."""
    balancing = sim.Balancing(period_ns=10_000, imbalance=1)
    policy = sim.Policy(balancing=balancing, decision=sim.Decision(rule=rule))
    young = sim.ProcessClass(
        name="young", program=(run(300), sim.Step(op="exit")), start="first",
        arrival=sim.Arrival(kind="deterministic", rate_per_s=100_000),
    )  # fmt: skip
    cost = dataclasses.replace(BARE, context_switch_cycles=cycles)
    case = Case((group("old", 4, start="first"), young), PAIR, policy, cost)
    rows = case.within(3_000_000, quantum_reds=1000).outcome().decisions
    return {
        name: sum(row["verdict"] == -1 for row in rows if row["class"] == kind)
        for kind, name in enumerate(("old", "young"))
    }


def test_by_remaining_life_the_old_migrate_and_the_young_do_not() -> None:
    """A migration takes 20 us, more than the young ever live (Harchol-Balter and Downey 1997)."""
    always, by_age = ages("always", 60_000), ages("remaining_life", 60_000)
    assert always["young"] > 20
    assert by_age["young"] == 0
    assert by_age["old"] > 0


def test_by_remaining_life_what_is_free_is_done_at_any_age() -> None:
    """But for those that have not run yet: age 0 pays for nothing."""
    assert ages("remaining_life", 0)["young"] == 0
    assert ages("remaining_life", 0)["old"] > 0


@pytest.mark.parametrize(("cycles", "passes"), [(239_000, True), (240_000, False)])
def test_age_must_exceed_the_cost_shared_by_those_left_behind(cycles: int, passes: bool) -> None:
    """The candidate has run 10 us four times and two come before it: 40 us x 2 at 3 GHz."""
    case = one_pass(PAIR, CROWD, rule="remaining_life")
    cost = dataclasses.replace(BARE, context_switch_cycles=cycles, synchronisation_cycles=(0,) * 4)
    row = candidate(case.but(cost=cost))
    assert (row["verdict"] == -1) == passes


@pytest.mark.parametrize(("cycles", "passes"), [(239_000, True), (240_000, False)])
def test_those_at_the_target_count_against_age(cycles: int, passes: bool) -> None:
    """Three come before it here and one is there: again 40 us x 2 at 3 GHz."""
    there = group("there", 1, affinity=sim.Affinity(type="strict", cores="1"))
    case = one_pass(PAIR, group(count=4, start="first"), there, rule="remaining_life")
    case = case.policy_but(balancing=sim.Balancing(period_ns=145_000, batch=1))
    row = candidate(case.but(cost=dataclasses.replace(BARE, context_switch_cycles=cycles)))
    assert (row["before"], row["target_load"]) == (3, 1)
    assert (row["verdict"] == -1) == passes
