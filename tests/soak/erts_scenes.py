"""Lanes of the soak with the BEAM's own run queues: random flags, hogs that bring balance calls about, and
schedulers that come and go."""

from dataclasses import replace
from random import Random

import sim
from sim.binding import binding_of, schedulers_of
from sim.spec.policy import BIND_TYPES, BUSY_WAITS, OTP, WAKEUP_STRATEGIES, WAKEUP_THRESHOLDS
from tests.reference.scenarios import Scenario

SHARE = 1 / 3  # of all lanes
HOG_REDS = 40_000  # of a hog at a time: ten full slices


def with_erts(rng: Random, scene: Scenario) -> Scenario:
    """A scene as it is, or as an erts lane; in some of either kind the schedulers online change."""
    schedulers = schedulers_of(binding_of(scene.policy, scene.binding), scene.topology)
    if rng.random() > SHARE:
        return with_online(rng, scene, schedulers) if rng.random() < 0.3 else scene
    flags, created = erts_flags(rng, schedulers)
    scene = replace(scene, policy=erts_policy(rng, scene.policy, flags), cost=erts_cost(rng, scene.cost))
    if isinstance(scene.workload, sim.Workload):
        scene = replace(scene, workload=with_hogs(rng, scene.workload, created))
        scene = without_masks(scene) if rng.random() < 0.4 else scene
    return with_online(rng, scene, created) if rng.random() < 0.65 else scene


def erts_flags(rng: Random, schedulers: int) -> tuple[sim.Erts, int]:
    """The emulator's flags, and how many schedulers there are then."""
    created = rng.choice((schedulers, schedulers, schedulers + 3))
    online = rng.choice((created, rng.randint(1, created), rng.randint((created + 1) // 2, created)))
    count = f"{created}:{online}" if rng.random() < 0.6 else None
    flags = sim.Erts(
        enabled=True,
        otp=rng.choice(OTP),
        scl=rng.random() < 0.7,
        sub=rng.random() < 0.3,
        swt=rng.choice(WAKEUP_THRESHOLDS),
        sws=rng.choice(WAKEUP_STRATEGIES),
        sbwt=rng.choice(BUSY_WAITS),
        sbt=rng.choice((None, None, *BIND_TYPES)),
        S=count,
    )
    return flags, created if count else schedulers


def erts_policy(rng: Random, policy: sim.Policy, flags: sim.Erts) -> sim.Policy:
    """The BEAM as it is in half of the lanes; its run queues under everything else in the others."""
    if rng.random() < 0.5:
        return replace(
            policy,
            threshold_factor=0.0,
            placement=sim.Placement(spawn="parent", wake="last"),
            stealing=sim.Stealing(victim="erts", wake_idle=False),
            balancing=sim.Balancing(period_ns=0),
            decision=sim.Decision(rule="always"),
            adaptive=sim.Adaptive(),
            limits=sim.Limits(),
            erts=flags,
        )
    victim = rng.choice(("erts", "erts", policy.stealing.victim, "off"))
    balances = rng.random() < 0.9
    return replace(
        policy,
        stealing=replace(policy.stealing, victim=victim),
        placement=replace(policy.placement, wake=rng.choice(("last", policy.placement.wake))),
        triggers=replace(policy.triggers, load_imbalance=balances),
        erts=flags,
    )


def erts_cost(rng: Random, cost: sim.Cost) -> sim.Cost:
    """Idle waits of every length, and reductions so quick that a lane has many balance calls."""
    times = [
        sim.ClassTime(process_class=name, ns_per_reduction=ns) for name, ns in (("hog", 3.0), ("loop", 7.0))
    ]
    return replace(
        cost,
        spin_ns=rng.choice((0, 2_000, 200_000)),
        spin_wake_ns=rng.choice((0, 300)),
        ns_per_reduction=rng.choice((None, 0.5, 0.5, 1.0, 1.0)),
        class_times=tuple(times) if rng.random() < 0.4 else (),
    )


def with_hogs(rng: Random, workload: sim.Workload, schedulers: int) -> sim.Workload:
    """Processes that run long, of one or two priorities; of the others as many as there were, or few."""
    steps = (
        sim.Step(op="run", draw=sim.Distribution(kind="deterministic", mean=float(HOG_REDS))),
        sim.Step(op="block", draw=sim.Distribution(mean=rng.choice((20_000.0, 500_000.0)))),
    )
    is_light = rng.random() < 0.45  # so little that run queues are compacted
    counts = (1, 2, schedulers // 3) if is_light else (schedulers // 3, schedulers, 2 * schedulers)
    hogs = [
        sim.ProcessClass(
            name=name,
            program=steps,
            count=max(1, rng.choice(counts)),
            start=rng.choice(("spread", "first", "random")),
            priority=rng.choice(("max", "high", "normal", "normal", "low")),
        )
        for name in ("hog", "boar")[: rng.randint(1, 2)]
    ]
    classes = list(workload.classes)
    if is_light:
        classes = [replace(kind, count=min(kind.count, 2)) for kind in classes]
    return replace(workload, classes=(*classes, *hogs))


def is_strict(given: sim.Affinity | str | None) -> bool:
    """Is this an affinity of type strict, and not what a spawn step says of it?"""
    return isinstance(given, sim.Affinity) and given.type == "strict"


def without_masks(scene: Scenario) -> Scenario:
    """The scene without strict masks, in classes, programs and timeline: processes may run everywhere."""
    free = sim.Affinity(type="none")
    classes = []
    for kind in scene.workload.classes:
        steps = [replace(step, affinity=free) if is_strict(step.affinity) else step for step in kind.program]
        own = free if is_strict(kind.affinity) else kind.affinity
        classes.append(replace(kind, program=tuple(steps), affinity=own))
    changes = [each for each in scene.timeline.changes if not is_strict(each.affinity)]
    return replace(
        scene,
        workload=replace(scene.workload, classes=tuple(classes)),
        timeline=sim.Timeline(changes=tuple(changes)),
    )


def with_online(rng: Random, scene: Scenario, created: int) -> Scenario:
    """Another timeline: now and then another number of schedulers is online, mostly not for long if few."""
    horizon_ns, many = scene.simulation.horizon_ns, max(2, len(scene.timeline.changes) // 8)
    changes = list(scene.timeline.changes)
    for _ in range(many):
        t = rng.randrange(horizon_ns)
        if changes and rng.random() < 0.5:
            t = rng.choice(changes).time_ns  # after the other entries of that time
        count = rng.choice((1, created, created, *(rng.randint(1, created) for _ in range(5))))
        changes.append(sim.Change(time_ns=t, op="schedulers_online", count=count))
    return replace(scene, timeline=sim.Timeline(changes=tuple(changes)))
