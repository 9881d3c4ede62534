"""The compiled kernel does what the naive simulator does, event for event."""

import os
from collections import Counter

import pytest

from sim.workload.replay import NO_PEER, ReplayOp
from tests.oracle.corners import CORNERS
from tests.oracle.erts_corners import ERTS_CORNERS, LONG_CORNERS
from tests.oracle.handmade import HANDMADE
from tests.reference import LogCode
from tests.reference.compare import difference, run_reference
from tests.reference.hunt import FOLDER, write_small
from tests.reference.scenarios import Scenario, random_scenario
from tests.reference.shrink_trace import with_rows

SCENARIO_COUNT = int(os.environ.get("CORESHIFT_ORACLE_SCENARIOS", "150"))
REPLAY_COUNT = max(1, SCENARIO_COUNT // 3)


ALL_CORNERS = HANDMADE | CORNERS | ERTS_CORNERS | LONG_CORNERS
ERTS_SEEN = {
    "halftime", "balance", "compact", "util", "balance of one", "forced", "rise", "stay risen",
    "evacuate path", "util path", "emigration evacuate", "emigration inactive", "emigration length",
    "emigration util", "immigration evacuate", "immigration length", "new one emigrates",
    "woken one emigrates", "preempted one emigrates", "robbed active", "robbed inactive", "large booty",
    "woken", "wake-up lost", "one more active", "suspended IDLE", "suspended RUNNING", "suspended STALLED",
    "suspended OFFLINE", "suspended PENDING", "resumed", "resumed on a closed core",
    "others wait for one that spins", "spun out", "spun out, but not the holder",
    "takes over from one that has spun", "one that spins is made due",
    "begins asleep", "begins waiting", "moved by the system",
}  # fmt: skip


def assert_agrees(scenario: Scenario, name: str) -> None:
    """Assert that both simulators agree; else make the scenario small and write it to a file."""
    if difference(scenario) is not None:
        pytest.fail(write_small(scenario, FOLDER / f"{name}.yaml"))


@pytest.mark.parametrize("name", [*ALL_CORNERS])
def test_handmade_scenario_agrees(name: str) -> None:
    assert_agrees(ALL_CORNERS[name], name)


@pytest.mark.parametrize("seed", range(SCENARIO_COUNT))
def test_random_workload_agrees(seed: int) -> None:
    assert_agrees(random_scenario(seed, replay=False), f"workload-{seed}")


@pytest.mark.parametrize("seed", range(REPLAY_COUNT))
def test_random_replay_agrees(seed: int) -> None:
    assert_agrees(random_scenario(seed, replay=True), f"replay-{seed}")


@pytest.mark.parametrize("rows", [1, 2])
def test_replay_of_a_process_that_does_nothing_agrees(rows: int) -> None:
    scenario = random_scenario(5, replay=True, parts=())
    nothing = [(0, ReplayOp.BEGIN, 2616, NO_PEER), (0, ReplayOp.EXIT, 0, NO_PEER)][:rows]
    assert_agrees(with_rows(scenario, nothing), f"replay-of-{rows}-rows")
    assert run_reference(with_rows(scenario, nothing)).log[0][1] == LogCode.ARRIVE


def test_scenarios_reach_every_part_of_the_model() -> None:
    counters: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    codes: set[int] = set()
    for seed in range(300):
        r = run_reference(random_scenario(seed))
        counters.update(r.counters)
        seen.update(r.seen)
        codes |= {entry[1] for entry in r.log}
    assert codes == set(LogCode)
    assert [name for name, value in counters.items() if value == 0] == []
    assert [name for name in sorted(ERTS_SEEN) if seen[name] == 0] == []
    assert counters["balance_count"] > 300
