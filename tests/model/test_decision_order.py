"""The checks of a candidate are made in the written order; the first that fails is the one that counts."""

import dataclasses
import itertools

import pytest

import sim
from tests.model.lanes import BARE, Case, block, change, group, run, strict

REASONS = sim.REASONS
PAIRS = list(itertools.combinations(REASONS, 2))
CYCLE = (run(1000), block(100_000))


def affinity_of(failing: frozenset[str]) -> sim.Affinity:
    """The mask is core 0, the preferred core is 4: a wake-up proposes to leave the mask."""
    return sim.Affinity(
        type="strict" if "mask" in failing else "preferred",
        cores="0",
        preferred_core=4,
        max_migrations=2 if "process_limit" in failing else None,
    )


def limits_of(failing: frozenset[str]) -> sim.Limits:
    """Limits that the scout's migration exhausts: one within 10 ms, one token, a storm of one."""
    once = sim.RateLimit(rate_per_s=100.0, window_ns=10_000_000)
    burst = sim.BurstLimit(
        capacity=1 if "burst" in failing else None,
        refill_per_s=1e-3,
        storm_count=1 if "storm" in failing else None,
        cooldown_ns=10_000_000,
    )
    return sim.Limits(
        process=sim.ProcessLimit(forbid_return="return" in failing, return_window_ns=10_000_000),
        core=once if "core_limit" in failing else sim.RateLimit(),
        system=once if "system_limit" in failing else sim.RateLimit(),
        burst=burst,
    )


def gauntlet(*names: str) -> Case:
    """A process that has been on core 4 and back would go there again on waking, and fails these checks.

    It begins on core 0, is sent to core 4 and back by affinity, and prefers core 4 from then on. A scout
    goes to core 4 by its own wish before. Two processes wait on core 4, three on core 0.
    """
    failing = frozenset(names)
    big = sim.Memory(working_set_bytes=100_000)
    ram = sim.Memory(working_set_bytes=900_000)
    scout = sim.Affinity(type="preferred", preferred_core=4)
    classes = (
        group("p", program=CYCLE, affinity=strict("0"), memory=big, bound="io"),
        group("scout", program=(run(1), block(50_000), run(1), block(10**9)), affinity=scout, start="first",
              bound="cpu"),
        group("here", 3, (run(10_000),), affinity=strict("0")),
        group("there", 2, (block(70_000), run(10**9)), affinity=strict("4")),
        group("ram", program=(run(1), block(10**9)), affinity=strict("5"), memory=ram),
    )  # fmt: skip
    changes = [
        change(5_000, "affinity", process_class="p", affinity=strict("4")),
        change(200_000, "affinity", process_class="p", affinity=affinity_of(failing)),
    ]
    if "offline" in failing:
        changes.append(change(350_000, "core_offline", "4"))
    policy = sim.Policy(
        placement=sim.Placement(wake="preferred"),
        stealing=sim.Stealing(victim="off"),
        triggers=sim.Triggers(core_failure=False),
        decision=sim.Decision(
            rule="cost_benefit" if "benefit" in failing else "always",
            cpu_bound_factor=0.0,
            io_bound_factor=1e4,
        ),
        limits=limits_of(failing),
    )
    cost = dataclasses.replace(BARE, context_switch_cycles=10_000, synchronisation_cycles=(10, 10, 10, 10))
    case = Case(classes, policy=policy, cost=cost, changes=tuple(changes))
    return case.within(
        900_000,
        quantum_reds=1000,
        queue_capacity=1 if "capacity" in failing else None,
        node_memory_bytes=950_000 if "memory" in failing else None,
    )


def verdict(case: Case) -> str:
    """What became of the process's first wish to go to core 4."""
    rows = [row for row in case.outcome().decisions if row["class"] == 0 and row["verdict"] != -2]
    assert (rows[0]["source"], rows[0]["target"]) == (0, 4)
    assert rows[0]["time_ns"] > 350_000
    return "passed" if rows[0]["verdict"] == -1 else REASONS[rows[0]["verdict"]]


def test_without_an_obstacle_it_goes() -> None:
    assert verdict(gauntlet()) == "passed"


@pytest.mark.parametrize("reason", REASONS)
def test_each_check_alone_refuses(reason: str) -> None:
    assert verdict(gauntlet(reason)) == reason


@pytest.mark.parametrize(("first", "second"), PAIRS, ids=["-".join(pair) for pair in PAIRS])
def test_of_two_failures_the_first_in_the_order_counts(first: str, second: str) -> None:
    assert verdict(gauntlet(first, second)) == first


def test_what_fails_everything_counts_once() -> None:
    out = gauntlet(*REASONS).outcome()
    assert out.denials() == {"offline": out["migration_attempt_count"] - 1}  # the scout's passed
    assert out["migration_count"] == 3


@pytest.mark.parametrize("count", range(1, 11))
def test_the_order_holds_for_any_number_of_failures(count: int) -> None:
    assert verdict(gauntlet(*REASONS[count:])) == REASONS[count]
