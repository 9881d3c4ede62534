"""Random policies of the BEAM's own kind, and loads that make them balance often."""

from dataclasses import replace
from random import Random

import numpy as np

import sim
from sim.spec.policy import BIND_TYPES, BUSY_WAITS, WAKEUP_STRATEGIES, WAKEUP_THRESHOLDS
from tests.reference.erts_sharing import share_cores
from tests.reference.programs import block, random_memory, run

PACE = 7  # ReplayOp.PACE
LARGE, LONG = 10_000, 1_000
LONG_HORIZON_NS = 800_000
NS_PER_REDUCTION_MIN = 1e-3
LONG_TIME_NS = 3.0  # with the largest draws, what a run may last


def add_erts(rng: Random, scenario):
    """Make an erts lane of about one scenario in three; another one in ten gets what goes beside it."""
    x = rng.random()
    if x < 0.34:
        return as_erts(rng, scenario)
    return add_beside(rng, scenario) if x < 0.45 else scenario


def add_beside(rng: Random, scenario):
    """Let lanes that are not erts lanes use what came with them."""
    if rng.random() < 0.5:
        stealing = replace(scenario.policy.stealing, victim="erts")
        scenario = replace(scenario, policy=replace(scenario.policy, stealing=stealing))
    if rng.random() < 0.6:
        scenario = add_times(rng, scenario)
    created = scenario.binding.schedulers or scenario.topology.num_cores
    return add_online(rng, scenario, created) if rng.random() < 0.6 else scenario


def as_erts(rng: Random, scenario):
    """Turn a scenario into an erts lane: one as the BEAM is, or any mixture."""
    rule = random_erts(rng, scenario.topology)
    policy = scenario.policy
    if isinstance(scenario.workload, sim.Workload) and rng.random() < 0.6:
        classes = uneven_classes(rng, scenario.topology)
        simulation = replace(scenario.simulation, max_processes=100, max_events=4000)
        workload = replace(scenario.workload, classes=classes)
        scenario = replace(
            scenario, workload=workload, simulation=simulation, timeline=unnamed(scenario.timeline)
        )
    if rng.random() < 0.6:
        policy = sim.Policy(
            name="erts",
            migrate=rng.random() < 0.97,
            threshold_factor=0,
            stealing=sim.Stealing(victim="erts", wake_idle=False, poll_ns=rng.choice((0, 0, 0, 5_000))),
            decision=sim.Decision(rule="always"),
            triggers=policy.triggers,
            erts=rule,
        )
    else:
        victim = rng.choice(("erts", "erts", policy.stealing.victim))
        stealing = replace(policy.stealing, victim=victim)
        policy = replace(policy, stealing=stealing, erts=rule)
    cost = replace(
        scenario.cost,
        spin_ns=rng.choice((0, 200, 5_000, 50_000)),
        spin_wake_ns=rng.choice((0, 50, 300)),
    )
    scenario = replace(scenario, policy=policy, cost=cost)
    shares = rng.random() < 0.5
    if shares:
        scenario = share_cores(rng, scenario)
        rule = scenario.policy.erts
    created = scenario.binding.schedulers or scenario.topology.num_cores
    if rule.schedulers() is not None:
        created = rule.schedulers()[0]
        scenario = replace(scenario, timeline=within(scenario.timeline, created))
    if rng.random() < 0.4:
        scenario = add_online(rng, scenario, created)
    if rng.random() < 0.25:
        scenario = add_times(rng, scenario)
    if rng.random() < (0.4 if shares else 0.85):
        scenario = enlarge(rng, scenario)
    return stretch(scenario) if rule.sub and isinstance(scenario.workload, sim.Workload) else scenario


def unnamed(timeline: sim.Timeline) -> sim.Timeline:
    """Let entries that name classes mean all."""
    return replace(timeline, changes=tuple(replace(c, process_class=None) for c in timeline.changes))


def uneven_classes(rng: Random, topology) -> tuple[sim.ProcessClass, ...]:
    """Make processes that wake where they ran, and children that stay beside their parents: uneven loads."""
    n = max(2, topology.num_cores)
    classes = []
    for name in ("a", "b", "c")[: rng.randint(1, 3)]:
        program = [run(rng), block(rng)] if rng.random() < 0.7 else [run(rng)]
        if rng.random() < 0.3:
            program.append(sim.Step(op="spawn", to="child", count=rng.randint(1, 3)))
        classes.append(crowded(rng, name, program, rng.choice((1, 2, n // 2, n, 2 * n))))
    if rng.random() < 0.3:
        program = [run(rng), sim.Step(op="spawn", to="child"), sim.Step(op="exit")]
        arrival = sim.Arrival(kind="poisson", rate_per_s=rng.choice((1e4, 1e5)))
        classes.append(replace(crowded(rng, "guest", program, 0), arrival=arrival))
    child = crowded(rng, "child", [run(rng), *([block(rng)] * rng.randint(0, 1)), sim.Step(op="exit")], 0)
    return (*classes, child)


def crowded(rng: Random, name: str, program: list, count: int) -> sim.ProcessClass:
    """Make a class, often all on the first scheduler."""
    return sim.ProcessClass(
        name=name,
        count=min(count, 30),
        start=rng.choice(("spread", "first", "first")),
        priority=rng.choice(("max", "high", "normal", "normal", "normal", "low")),
        memory=random_memory(rng),
        program=tuple(program),
    )


def random_erts(rng: Random, topology) -> sim.Erts:
    """Make the flags; the thresholds that wake others soon come more often."""
    cores = topology.num_cores
    created = rng.choice((2, 3, 4, cores + 1, cores + 2, 2 * cores))
    counts = rng.choice((None, str(created), f"{created}:{rng.randint(1, created)}"))
    if cores == 1 and rng.random() < 0.8:
        counts = str(created)
    return sim.Erts(
        enabled=True,
        otp=rng.choice(("27", "28")),
        scl=rng.random() < 0.75,
        sub=rng.random() < 0.2,
        swt=rng.choice((*WAKEUP_THRESHOLDS, "very_low", "low", "medium")),
        sws=rng.choice(WAKEUP_STRATEGIES),
        sbwt=rng.choice(BUSY_WAITS),
        sbt=rng.choice((None, None, None, *BIND_TYPES)),
        S=counts,
    )


def within(timeline: sim.Timeline, created: int) -> sim.Timeline:
    """Let entries name schedulers that are there."""
    changes = [
        change if change.scheduler is None else replace(change, scheduler=change.scheduler % created)
        for change in timeline.changes
    ]
    return replace(timeline, changes=tuple(changes))


def add_online(rng: Random, scenario, created: int):
    """Let schedulers be suspended and resumed; seldom all at times that other entries have too."""
    horizon_ns = scenario.simulation.horizon_ns
    changes = list(scenario.timeline.changes)
    times = [rng.randint(0, horizon_ns), *(change.time_ns for change in changes)]
    for _ in range(rng.choice((1, 2, 3, 5))):
        time_ns = rng.choice((rng.randint(0, horizon_ns), rng.randint(0, 50_000), rng.choice(times)))
        count = rng.choice((created, rng.randint(1, created), rng.randint(1, created)))
        time_ns = min(time_ns, horizon_ns)
        changes.append(sim.Change(time_ns=time_ns, op="schedulers_online", count=count))
    return replace(scenario, timeline=replace(scenario.timeline, changes=tuple(changes)))


def add_times(rng: Random, scenario):
    """Let reductions of some classes, or of some recorded processes, take another time."""
    workload = scenario.workload
    if isinstance(workload, sim.Replay):
        if PACE not in set(sim.ReplayOp):
            return scenario
        return replace(scenario, workload=replace(workload, trace=with_paces(rng, workload.trace)))
    names = {kind.name for kind in workload.classes} | {"nobody"}
    times = [
        sim.ClassTime(process_class=name, ns_per_reduction=rng.choice((0.5, 3.0, 7.3, 25.0)))
        for name in sorted(names)
        if rng.random() < 0.6
    ]
    usual = rng.choice((None, None, 2.0, 8.1))
    return replace(scenario, cost=replace(scenario.cost, class_times=tuple(times), ns_per_reduction=usual))


def with_paces(rng: Random, trace):
    """Put a PACE row behind some BEGIN rows of a trace."""
    begins = np.flatnonzero(trace.op == sim.ReplayOp.BEGIN)
    chosen = np.array([row for row in begins if rng.random() < 0.7], int) + 1
    paces = [rng.choice((1_000, 4_567, 9_999, 30_000)) for _ in chosen]
    owners = trace.process[chosen - 1]
    return replace(
        trace,
        process=np.insert(trace.process, chosen, owners).astype(np.int32),
        op=np.insert(trace.op, chosen, PACE).astype(np.int8),
        value=np.insert(trace.value, chosen, paces).astype(np.int64),
        peer=np.insert(trace.peer, chosen, -1).astype(np.int32),
    )


def enlarge(rng: Random, scenario):
    """Let reductions be many and short, so that a few slices make a balance call due."""
    simulation, workload, cost = scenario.simulation, scenario.workload, scenario.cost
    factor = rng.choice((LARGE // 10, LARGE, LARGE))
    if scenario.policy.erts.sub:
        factor = LARGE // 10  # runs will be stretched, and have to stay within what int64 holds
    if isinstance(workload, sim.Workload):
        usual = cost.ns_per_reduction or workload.ns_per_reduction
        shortest = min([usual, *(time.ns_per_reduction for time in cost.class_times)])
        factor = min(factor, int(shortest / NS_PER_REDUCTION_MIN))
    simulation = replace(simulation, quantum_reds=simulation.quantum_reds * factor)
    if isinstance(workload, sim.Replay):
        time_ns = max(1e-6, workload.trace.ns_per_reduction / factor)
        workload = replace(workload, trace=faster_trace(workload.trace, time_ns, factor))
        return replace(scenario, simulation=simulation, workload=workload)
    simulation = replace(simulation, horizon_ns=LONG_HORIZON_NS)
    times = [replace(t, ns_per_reduction=shorter(t.ns_per_reduction, factor)) for t in cost.class_times]
    if cost.ns_per_reduction is None and rng.random() < 0.5:
        workload = replace(workload, ns_per_reduction=shorter(usual, factor))
    else:
        cost = replace(cost, ns_per_reduction=shorter(usual, factor))
    classes = [larger_runs(kind, factor) for kind in workload.classes]
    return replace(
        scenario,
        simulation=simulation,
        workload=replace(workload, classes=tuple(classes)),
        cost=replace(cost, class_times=tuple(times)),
    )


def shorter(time_ns: float, factor: int) -> float:
    """Give a time of a reduction that is shorter, as far as it goes."""
    return max(NS_PER_REDUCTION_MIN, time_ns / factor)


def faster_trace(trace, ns_per_reduction: float, factor: int):
    """Let a recorded program have done more reductions in the same time."""
    value = np.where(trace.op == PACE, np.maximum(1, trace.value // factor), trace.value)
    return replace(trace, ns_per_reduction=ns_per_reduction, value=value)


def larger_runs(kind: sim.ProcessClass, factor: int) -> sim.ProcessClass:
    """Let a class run for more reductions."""
    program = [
        replace(step, draw=times_factor(step.draw, factor)) if step.op == "run" else step
        for step in kind.program
    ]
    return replace(kind, program=tuple(program))


def times_factor(draw: sim.Distribution, factor: int) -> sim.Distribution:
    """Multiply a distribution."""
    changes = {
        name: getattr(draw, name) * factor
        for name in ("mean", "low", "high")
        if getattr(draw, name) is not None
    }
    if draw.values:
        changes["values"] = tuple(value * factor for value in draw.values)
    return replace(draw, **changes)


def stretch(scenario):
    """Let everything last longer, up to some seconds: utilisation is one over seconds."""
    simulation, binding, workload = scenario.simulation, scenario.binding, scenario.workload
    policy, changes = scenario.policy, scenario.timeline.changes
    long = {name: getattr(simulation, name) * LONG for name in ("horizon_ns", "warmup_ns", "window_ns")}
    long["horizon_ns"] *= 2
    periods = {
        "period_ns": min(binding.period_ns * LONG, 10**12),
        "os_quantum_ns": binding.os_quantum_ns * LONG,
    }
    stealing = replace(policy.stealing, poll_ns=policy.stealing.poll_ns * LONG)
    balancing = replace(policy.balancing, period_ns=policy.balancing.period_ns * LONG)
    adaptive = replace(policy.adaptive, period_ns=policy.adaptive.period_ns * LONG)
    policy = replace(policy, stealing=stealing, balancing=balancing, adaptive=adaptive, limits=sim.Limits())
    cost, usual = scenario.cost, scenario.cost.ns_per_reduction or workload.ns_per_reduction
    cost = replace(
        cost,
        spin_ns=min(cost.spin_ns * LONG, 10**9),
        ns_per_reduction=min(LONG_TIME_NS, usual * LONG),
        class_times=tuple(
            replace(t, ns_per_reduction=min(LONG_TIME_NS, t.ns_per_reduction * LONG))
            for t in cost.class_times
        ),
    )
    later = [replace(change, time_ns=change.time_ns * LONG) for change in changes]
    return replace(
        scenario,
        simulation=replace(simulation, **long),
        binding=replace(binding, **periods),
        policy=policy,
        cost=cost,
        workload=replace(workload, classes=tuple(slower(kind) for kind in workload.classes)),
        timeline=replace(scenario.timeline, changes=tuple(later)),
    )


def slower(kind: sim.ProcessClass) -> sim.ProcessClass:
    """Let a class block for longer, and come less often."""
    program = [
        replace(step, draw=times_factor(step.draw, LONG)) if step.op == "block" else step
        for step in kind.program
    ]
    arrival = kind.arrival
    if arrival.kind != "none":
        rare = (
            {"rate_per_s": arrival.rate_per_s / LONG} if arrival.rate_per_s else {"load": arrival.load / LONG}
        )
        long = {"on_ns": arrival.on_ns * LONG, "off_ns": arrival.off_ns * LONG}
        arrival = replace(arrival, **rare, **long)
    return replace(kind, program=tuple(program), arrival=arrival)
