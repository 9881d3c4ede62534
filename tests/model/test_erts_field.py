"""The BEAM's scheduler where its answer is known: the experiments conf/experiment/field_*.yaml.

Each known answer is read off the specification of the real scheduler (erts-scheduler, by section) or a
maintainer's word, not off the kernel.
"""

from collections import Counter
from functools import cache
from typing import Any

import numpy as np
import pytest

import sim
from pipeline.config.build import build
from pipeline.config.compose import read_command, with_hydra
from pipeline.config.study import make_study
from sim.kernels import log as codes

CAPACITY = 3_000_000


class Lane:
    """One lane: its counters, and its log by code."""

    def __init__(self, log: np.ndarray, counters: dict[str, Any], horizon_ns: int) -> None:
        self.log, self.counters, self.horizon_ns = log, counters, horizon_ns

    def of(self, code: int) -> np.ndarray:
        """Entries of one code: time_ns, code, core, process, a, b."""
        return self.log[self.log[:, 1] == code]

    def moves(self) -> list[tuple[int, int]]:
        """Source and target of every migration."""
        return [(int(row[4]), int(row[2])) for row in self.of(codes.MIGRATE)]

    def slices_before_first_move(self) -> int:
        """Slices that the quantum ended before the first process moved."""
        return int((self.of(codes.PREEMPT)[:, 0] < self.of(codes.MIGRATE)[0, 0]).sum())

    def late(self, code: int, share: float) -> np.ndarray:
        """Entries of one code in the last part of the time."""
        found = self.of(code)
        return found[found[:, 0] >= (1 - share) * self.horizon_ns]


@cache
def lane(*words: str) -> Lane:
    """The first replicate of one point of an experiment."""
    command = read_command(words)
    study = with_hydra(command, lambda: make_study(command))
    inputs = build(study.points[0].config)
    log, counters = sim.simulate_logged(
        inputs.topology,
        inputs.workload,
        sim.Lane(inputs.policy, inputs.cost, seed=1, binding=inputs.binding),
        inputs.simulation,
        inputs.faults,
        capacity=CAPACITY,
    )
    assert len(log) < CAPACITY
    assert not sim.LaneStatus(counters["status"]).is_failure
    return Lane(log, counters, inputs.simulation.horizon_ns)


# --- two CPU-bound processes on one of two schedulers ----------------------------------------------


# Each slice of 4000 reductions with one process left waiting adds 1 x 4000 + 400, and the scheduler out of
# work is woken once the sum is above the limit of +swt (§9.1): 400, 4000, 40 000, 200 000, 800 000.
@pytest.mark.parametrize(
    ("swt", "slices"), [("very_low", 1), ("low", 1), ("medium", 10), ("high", 46), ("very_high", 182)]
)
def test_a_sleeping_scheduler_is_woken_after_as_many_slices_as_swt_says(swt: str, slices: int) -> None:
    found = lane("experiment=field_two_hogs", f"policy.erts.swt={swt}", "policy.erts.sws=default")
    assert found.slices_before_first_move() == slices


# Legacy adds 2 x 4000 + 400 and wakes at the check that finds the limit reached already (§9.1).
@pytest.mark.parametrize(
    ("swt", "slices"), [("very_low", 2), ("low", 2), ("medium", 6), ("high", 25), ("very_high", 97)]
)
def test_legacy_counts_the_running_one_and_wakes_a_check_later(swt: str, slices: int) -> None:
    found = lane("experiment=field_two_hogs", f"policy.erts.swt={swt}", "policy.erts.sws=legacy")
    assert found.slices_before_first_move() == slices


@pytest.mark.parametrize("otp", ["27", "28"])
def test_a_single_waiting_process_is_stolen_and_both_run_on(otp: str) -> None:
    # "Both processes will be left on the scheduler where they are" was a bug, and is not so (OTP PR 9762):
    # one of them is stolen, once, and from then on each has a scheduler of its own.
    found = lane(
        "experiment=field_two_hogs",
        f"policy.erts.otp={otp}",
        "policy.erts.swt=medium",
        "policy.erts.sws=default",
    )
    assert found.moves() == [(0, 1)]
    late = found.late(codes.SEGMENT, 0.5)
    assert {int(core) for core in late[:, 2]} == {0, 1}
    assert len({(int(row[2]), int(row[3])) for row in late}) == 2


def test_without_stealing_the_second_scheduler_stays_out_of_work() -> None:
    found = lane(
        "experiment=field_two_hogs",
        "policy.stealing.victim=off",
        "policy.erts.swt=low",
        "policy.erts.sws=default",
    )
    assert found.moves() == []
    assert {int(core) for core in found.of(codes.SEGMENT)[:, 2]} == {0}


# --- compaction of a light load --------------------------------------------------------------------


def busy_share(found: Lane, cores: range) -> float:
    """Time that some cores ran processes in the second half, in cores."""
    late = found.late(codes.SEGMENT, 0.5)
    return float(late[np.isin(late[:, 2], list(cores)), 5].sum()) / (0.5 * found.horizon_ns)


def test_compaction_gathers_a_light_load_on_the_low_schedulers() -> None:
    # Two schedulers' worth of work on eight. While nobody is busy for a whole period, each balance leaves one
    # fewer active, the highest first, and an inactive scheduler's work goes to index mod active (§6.3).
    found = lane("experiment=field_compaction", "policy.erts.scl=true", "policy.erts.sub=false")
    assert found.counters["compact_count"] > 4
    assert busy_share(found, range(4, 8)) < 0.02
    assert busy_share(found, range(4)) > 1.7


@pytest.mark.parametrize("sub", ["false", "true"])
def test_without_compaction_a_light_load_stays_spread(sub: str) -> None:
    # +sub true switches +scl off (erts_init_scheduling, §1), whatever +scl says.
    found = lane("experiment=field_compaction", f"policy.erts.scl={sub}", f"policy.erts.sub={sub}")
    assert found.counters["compact_count"] == 0
    assert busy_share(found, range(4, 8)) > 0.6


def test_a_run_shorter_than_a_period_sees_no_balance() -> None:
    # A call takes 4 million reductions of one scheduler (§6.1): at 4000 a slice and 25 % busy, 16 ms.
    words = ("simulation.horizon_ns=10_000_000", "simulation.warmup_ns=0")
    found = lane("experiment=field_compaction", "policy.erts.scl=true", "policy.erts.sub=false", *words)
    assert found.counters["balance_count"] == found.counters["compact_count"] == 0


# --- a burst on one scheduler ----------------------------------------------------------------------


def test_up_to_otp_27_each_thief_takes_one_process_and_keeps_to_it() -> None:
    # With 63 left waiting one slice is enough to wake one; wake_one scans downwards from the last (§9.2), so
    # 7 wakes first. Each takes one process (§8), is never out of work again, and wakes nobody: none is left.
    found = lane("experiment=field_burst", "policy.erts.otp=27")
    assert found.moves() == [(0, thief) for thief in (7, 6, 5, 4, 3, 2, 1)]
    assert found.counters["wake_one_count"] == 7
    thieves = [row for row in found.late(codes.DISPATCH, 0.5) if row[2] > 0]
    assert len({(int(row[2]), int(row[3])) for row in thieves}) == 7


def test_from_otp_28_on_a_thief_takes_half_of_the_queue() -> None:
    # 63 wait while one runs: ceil(n / 2) of them go at once (§8).
    found = lane("experiment=field_burst", "policy.erts.otp=28")
    first = found.of(codes.MIGRATE)[0, 0]
    waiting = 63
    assert sum(1 for row in found.of(codes.MIGRATE) if row[0] == first) == (waiting + 1) // 2
    assert found.moves()[0] == (0, 7)


def test_from_otp_28_on_the_woken_wake_others_in_a_chain() -> None:
    # A thief of half a queue has work waiting behind what it runs, so it wakes others itself (§9.1): all
    # eight work sooner than when the first scheduler wakes one a slice.
    def all_work_ns(otp: str) -> int:
        found = lane("experiment=field_burst", f"policy.erts.otp={otp}")
        starts: dict[int, int] = {}
        for row in found.of(codes.DISPATCH):
            starts.setdefault(int(row[2]), int(row[0]))
        assert len(starts) == 8
        return max(starts.values())

    assert all_work_ns("28") < all_work_ns("27")
    moved_from = {source for source, _ in lane("experiment=field_burst", "policy.erts.otp=28").moves()}
    assert len(moved_from) > 1


# --- low priority among normal ---------------------------------------------------------------------


@pytest.mark.parametrize("otp", ["27", "28"])
def test_a_normal_process_runs_eight_times_for_each_run_of_a_low_one(otp: str) -> None:
    # A low process is passed over until its count of 8 is used up (§2; measured on a real one: 8.00).
    found = lane("experiment=field_low_priority", f"policy.erts.otp={otp}")
    runs = Counter(int(row[3]) for row in found.of(codes.PREEMPT))
    normal, low = [runs[p] for p in (0, 1, 2)], [runs[p] for p in (3, 4)]
    assert max(normal) - min(normal) <= 1
    assert max(low) - min(low) <= 1
    assert sum(normal) / 3 / (sum(low) / 2) == pytest.approx(8, abs=0.05)


# --- bound processes -------------------------------------------------------------------------------

BOUND, FREE = range(6), range(6, 10)


@pytest.mark.parametrize("otp", ["27", "28"])
def test_thieves_scan_past_bound_processes(otp: str) -> None:
    # Bound processes stand at the head of the queue, and the first free one behind them is taken (§8, §11.2).
    found = lane("experiment=field_bound", f"policy.erts.otp={otp}")
    moved = [int(row[3]) for row in found.of(codes.MIGRATE)]
    assert moved[0] == FREE[0]
    assert set(moved) <= set(FREE)
    assert {int(row[2]) for row in found.of(codes.SEGMENT) if row[3] in BOUND} == {0}


def test_bound_processes_count_so_that_all_free_ones_leave() -> None:
    # Lengths count bound processes (§11.2): six of them and four free ones are balanced as ten, five each, so
    # the path leads away from the bound ones for as long as a free one is there: six against four.
    found = lane("experiment=field_bound", "policy.erts.otp=27")
    assert found.counters["balance_count"] >= 3
    late = found.late(codes.SEGMENT, 0.25)
    assert {int(row[3]) for row in late if row[2] == 0} == set(BOUND)
    assert {int(row[3]) for row in late if row[2] == 1} == set(FREE)


# --- waking sleepers -------------------------------------------------------------------------------


def wake_ns(found: Lane) -> dict[int, set[int]]:
    """Times from a message to its receiver's run, by scheduler, once all of them have waited."""
    woken: dict[int, tuple[int, int]] = {}
    times: dict[int, set[int]] = {}
    for time_ns, code, core, process, _, _ in found.late(codes.WAKE, 0.9).tolist():
        assert code == codes.WAKE
        woken[time_ns] = (core, process)
    runs = {(int(r[3]), int(r[0])): int(r[2]) for r in found.of(codes.DISPATCH)}
    for start_ns, (_, process) in woken.items():
        later = [t for p, t in runs if p == process and t >= start_ns]
        if later:
            times.setdefault(runs[process, min(later)], set()).add(min(later) - start_ns)
    return times


def test_one_scheduler_polls_and_never_spins() -> None:
    # Who rests while no one polls takes the poll role, and sleeps at once; the others spin and are quick to
    # wake. With one message under way the same one polls for ever (§9.3).
    cost = sim.Cost()
    times = wake_ns(lane("experiment=field_wake_chain", "policy.erts.sbwt=very_long"))
    assert sorted(times) == [0, 1, 2, 3]
    assert sorted(min(t) for t in times.values()) == [cost.spin_wake_ns] * 3 + [cost.wake_ns]
    assert all(len(t) == 1 for t in times.values())


def test_without_busy_wait_every_waking_is_slow() -> None:
    times = wake_ns(lane("experiment=field_wake_chain", "policy.erts.sbwt=none"))
    assert times == {core: {sim.Cost().wake_ns} for core in range(4)}


def test_a_woken_process_stays_on_its_own_scheduler() -> None:
    # The waker's scheduler never takes it over, and an idle one does not either (§5).
    found = lane("experiment=field_wake_chain", "policy.erts.sbwt=medium")
    assert found.moves() == []
