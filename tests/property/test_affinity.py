"""Strict masks are never left, on small machines and on such with more than 64 cores."""

import dataclasses

import pytest
from hypothesis import given, settings

import sim
from sim.kernels import log as codes
from sim.masks import mask_words
from tests.analytic.machines import machine
from tests.property.scenes import Scene, lives, scenes


def allowed_cores(scene: Scene) -> list[set[int] | None]:
    """By class: the cores of its mask, or None without a strict one."""
    masks: list[set[int] | None] = []
    for kind in scene.workload.classes:
        if kind.affinity.type != "strict":
            masks.append(None)
            continue
        words = mask_words(scene.topology, kind.affinity.cores, "mask")
        masks.append({c for c in range(scene.topology.num_cores) if int(words[c // 64]) >> (c % 64) & 1})
    return masks


def assert_never_left(scene: Scene) -> int:
    """Assert that no strict process is queued or runs outside its mask; return the number of looks."""
    log, _ = scene.logged()
    masks, kind_of, checks = allowed_cores(scene), {}, 0
    for (_, code, core, _, a, _), life in zip(log.tolist(), lives(log).tolist(), strict=True):
        if code == codes.ARRIVE:
            kind_of[life] = a
        if code in (codes.ARRIVE, codes.WAKE, codes.DISPATCH, codes.MIGRATE, codes.SEGMENT):
            mask = masks[kind_of[life]]
            checks += mask is not None
            assert mask is None or core in mask
    return checks


@settings(max_examples=60)
@given(scenes(migrating=True))
def test_strict_masks_are_never_left(scene: Scene) -> None:
    assert_never_left(scene)


def wide_scene(affinity: sim.Affinity, policy: sim.Policy) -> Scene:
    """130 cores, three words of mask: bound processes that wander, and others."""
    run = sim.Step(op="run", draw=sim.Distribution(mean=400.0))
    block = sim.Step(op="block", draw=sim.Distribution(mean=3000.0))
    classes = (
        sim.ProcessClass(name="bound", count=60, program=(run, block), affinity=affinity, start="random"),
        sim.ProcessClass(name="free", count=200, program=(run, block), start="first"),
    )
    simulation = sim.Simulation(horizon_ns=300_000, warmup_ns=0, window_ns=50_000, quantum_reds=200)
    workload = sim.Workload(classes=classes)
    return Scene(machine(130, 5, 65), workload, policy, sim.Cost(), simulation)


WANDER = sim.Policy(
    decision=sim.Decision(rule="always"),
    placement=sim.Placement(spawn="random", wake="random"),
    balancing=sim.Balancing(period_ns=10_000),
)
MASKS = ["129", "0,64,128", "60-70,126-129", "node:1", "0-129"]


@pytest.mark.parametrize("cores", MASKS)
@pytest.mark.parametrize("wake", ["random", "least_loaded", "round_robin", "best_of", "numa_local", "last"])
def test_masks_of_more_than_64_cores(cores: str, wake: str) -> None:
    policy = dataclasses.replace(
        WANDER, placement=sim.Placement(spawn=wake if wake != "last" else "parent", wake=wake)
    )
    assert assert_never_left(wide_scene(sim.Affinity(type="strict", cores=cores), policy)) > 200


def test_preferred_may_leave_and_comes_back_for_the_bonus() -> None:
    """The nearer the bonus is to infinity, the more of the run time is spent on the preferred cores."""
    shares = []
    for bonus in (0, 10**8):
        policy = dataclasses.replace(WANDER, decision=sim.Decision(preferred_bonus_cycles=bonus))
        scene = wide_scene(sim.Affinity(type="preferred", cores="65-129"), policy)
        log, _ = scene.logged()
        kind_of, inside, total = {}, 0, 0
        for (_, code, core, _, a, b), life in zip(log.tolist(), lives(log).tolist(), strict=True):
            if code == codes.ARRIVE:
                kind_of[life] = a
            elif code == codes.SEGMENT and kind_of[life] == 0:
                inside += b * (core >= 65)
                total += b
        shares.append(inside / total)
    assert shares[0] < 0.8 < shares[1] <= 1.0
