"""Nothing is lost and nothing is made: processes, work and core time, whatever the configuration."""

from hypothesis import given, settings

import sim
from sim.arena import Arena
from sim.kernels import log as codes
from sim.layout import core as C
from sim.layout import lane as S
from sim.layout import process as P
from sim.plan import plan_of
from sim.simulate import run_one
from tests.property.scenes import Scene, lives, scenes

SOME = settings(max_examples=40)
WAITS = {codes.BLOCK, codes.WAIT, codes.EXIT}


def final_arena(scene: Scene) -> Arena:
    """The memory of a lane as it ended."""
    plan = plan_of(
        scene.topology, scene.workload, [sim.Lane(scene.policy, scene.cost, scene.seed)], scene.simulation
    )
    arena = Arena(plan)
    run_one(plan, arena, 0)
    return arena


@SOME
@given(scenes())
def test_processes_and_work_are_conserved(scene: Scene) -> None:
    log, counters = scene.logged()
    kinds = log[:, 1]
    present = int((kinds == codes.ARRIVE).sum()) - int((kinds == codes.EXIT).sum())
    arena = final_arena(scene)
    assert arena.z[S.LIVE] == present >= 0
    assert counters["completed_count"] == (kinds == codes.EXIT).sum()
    # a segment counts when it ends: those that end behind the horizon are not done
    segments = log[kinds == codes.SEGMENT]
    done = segments[:, 0] + segments[:, 5] <= scene.simulation.horizon_ns
    assert counters["reductions"] == segments[done][:, 4].sum()


@SOME
@given(scenes())
def test_core_time_is_busy_idle_or_waking(scene: Scene) -> None:
    log, counters = scene.logged()
    n, horizon = scene.topology.num_cores, scene.simulation.horizon_ns
    segments = log[log[:, 1] == codes.SEGMENT]
    busy = int((segments[:, 5].clip(max=horizon - segments[:, 0])).sum())
    assert counters["busy_ns"] == busy
    rest = n * horizon - busy - counters["idle_ns"]
    assert rest >= 0
    if scene.cost.wake_ns == 0:
        assert rest == 0
    assert 0 <= counters["wasted_ns"] <= counters["idle_ns"]
    overhead = counters["direct_ns"] + counters["refill_ns"] + counters["remote_ns"]
    assert overhead <= counters["busy_ns"] + int(segments[:, 5].max(initial=0)) * n


@SOME
@given(scenes())
def test_counters_add_up(scene: Scene) -> None:
    _log, c = scene.logged()
    assert c["status"] & ~sim.LaneStatus.PROCESS_LIMIT == sim.LaneStatus.COMPLETED
    assert bool(c["status"] & sim.LaneStatus.PROCESS_LIMIT) == bool(c["refused_count"])
    assert c["migration_attempt_count"] == c["migration_count"] + sum(
        value for name, value in c.items() if name.startswith("denied_")
    )
    distances = ("same_core", "same_cluster", "same_node", "other_node")
    for parts in (("wake", "steal", "balance"), distances):
        assert c["migration_count"] == sum(c[f"migrations_{part}"] for part in parts)
    for kind in ("estimated", "realised"):
        assert c[f"{kind}_cycles"] == sum(c[f"{kind}_{d}"] for d in distances)
    for name in ("sojourn", "waiting"):
        assert sum(c[f"histogram_{name}"].values()) == c["activation_count"]
    assert sum(c["histogram_slowdown"].values()) <= c["activation_count"]


@SOME
@given(scenes())
def test_a_process_is_in_one_place_and_time_goes_on(scene: Scene) -> None:
    """Follow every process through the log: where it is, and what it may do next."""
    log, _ = scene.logged()
    where: dict[int, int] = {}
    running: dict[int, int] = {}  # core -> process
    free_at: dict[int, int] = {}
    before = 0
    for (t, code, core, slot, a, b), life in zip(log.tolist(), lives(log).tolist(), strict=True):
        assert t >= before
        before = t
        if code in (codes.ARRIVE, codes.WAKE):
            assert life not in running.values()
            where[life] = core
        elif code == codes.MIGRATE:
            assert where[life] == a != core
            assert life not in running.values()
            where[life] = core
        elif code == codes.DISPATCH:
            assert where[life] == core
            assert core not in running
            assert life not in running.values()
            running[core] = life
        elif code == codes.SEGMENT:
            assert running[core] == life
            assert free_at.get(core, 0) <= t
            assert a >= 0
            assert b >= 0
            free_at[core] = t + b
        elif code == codes.PREEMPT or code in WAITS:
            assert running.pop(core) == life
            assert free_at.get(core, 0) <= t
        elif code == codes.IDLE:
            assert core not in running
        assert slot < scene.simulation.max_processes


@SOME
@given(scenes())
def test_the_end_of_a_lane_is_consistent(scene: Scene) -> None:
    """Queues, sets, counts and states of the last moment describe the same processes."""
    arena = final_arena(scene)
    z, rows = arena.z, arena.cores()
    processes = z[z[S.PROCESSES] : z[S.PROCESSES] + arena.slots * P.WIDTH].reshape(-1, P.WIDTH)[
        : z[S.SLOTS_USED]
    ]
    queued: list[int] = []
    for c in range(arena.num_cores):
        here = []
        for level in range(C.LEVELS):
            p, previous = rows[c, C.FIRST + level], -1
            while p >= 0:
                assert processes[p, P.PREV] == previous
                assert processes[p, P.LEVEL] == level
                assert processes[p, P.STATE] == P.READY
                assert processes[p, P.QUEUE_CORE] == c
                here.append(int(p))
                previous, p = p, processes[p, P.NEXT]
            assert rows[c, C.LAST + level] == previous
        assert len(here) == rows[c, C.QUEUE_LENGTH]
        for set_, member in ((S.BACKLOG, bool(here)), (S.IDLE_SET, rows[c, C.STATE] == C.IDLE)):
            assert bool(z[z[set_] + c // 64] >> (c % 64) & 1) == member
        queued += here
        p = rows[c, C.PROCESS]
        assert (rows[c, C.STATE] == C.RUNNING) == (p >= 0)
        if p >= 0:
            assert processes[p, P.STATE] == P.RUNNING
            assert processes[p, P.QUEUE_CORE] == c
    states = processes[:, P.STATE].tolist()
    assert len(queued) == len(set(queued)) == z[S.NUM_WAITING] == states.count(P.READY)
    assert states.count(P.RUNNING) == (rows[:, C.STATE] == C.RUNNING).sum()
    assert z[S.NUM_IDLE] == (rows[:, C.STATE] == C.IDLE).sum()
    assert z[S.LIVE] == len(states) - states.count(P.FREE)
