"""Small lanes whose policy conserves work (sim/invariants/work.py): no faults, limits, masks or refusals."""

from dataclasses import replace

import sim
from tests.reference.scenarios import Scenario, random_scenario

VICTIMS = ("nearest", "longest", "erts")


def calm_scene(seed: int) -> Scenario:
    """The random scenario of a seed, with a policy under which nobody may wait beside an idle scheduler."""
    scene = random_scenario(seed, replay=False)
    classes = tuple(
        replace(kind, affinity=sim.Affinity(), program=tuple(s for s in kind.program if s.op != "affinity"))
        for kind in scene.workload.classes
    )
    policy = replace(
        scene.policy,
        migrate=True,
        triggers=sim.Triggers(),
        decision=sim.Decision(rule="always"),
        limits=sim.Limits(),
        erts=sim.Erts(),
        stealing=replace(
            scene.policy.stealing,
            victim=VICTIMS[seed % len(VICTIMS)],
            attempts=4096,
            min_queue=1,
            wake_idle=True,
        ),
    )
    unlimited = [0] * scene.topology.num_nodes
    return replace(
        scene,
        topology=replace(scene.topology, node_memory_bytes=unlimited),
        workload=replace(scene.workload, classes=classes),
        policy=policy,
        simulation=replace(scene.simulation, node_memory_bytes=None),
        binding=sim.Binding(),
        timeline=sim.Timeline(),
    )
