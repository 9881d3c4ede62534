"""A lane of a scenario, to be stepped and looked at."""

from sim.invariants.lane import LOG_ENTRIES, SteppedLane
from sim.plan import Lane, plan_of
from tests.reference.scenarios import Scenario


def lane_of(scene: Scenario) -> Lane:
    """The lane that a scenario describes."""
    return Lane(scene.policy, scene.cost, scene.seed, scene.replicate, scene.binding)


def stepped(scene: Scenario, log_entries: int = LOG_ENTRIES) -> SteppedLane:
    """A scenario at time 0."""
    plan = plan_of(
        scene.topology,
        scene.workload,
        [lane_of(scene)],
        scene.simulation,
        scene.timeline,
        log_capacity=log_entries,
    )
    return SteppedLane(plan)
