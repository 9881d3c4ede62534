"""Machines, workloads, policies and timelines of the soak: everything switched on, at random, from a seed."""

from dataclasses import replace
from random import Random

import sim
from sim.spec.policy import PLACEMENTS_SPAWN, PLACEMENTS_WAKE
from tests.analytic.machines import machine
from tests.reference.scenarios import Scenario
from tests.reference.traces import random_trace
from tests.soak.erts_scenes import with_erts

EVENT_NS = 5_000  # about what one event of a busy core takes
MODES = ("static", "dynamic", "none", "hybrid")
NAMES = ("loop", "caller", "server", "chatty", "root", "leaf", "guest", "flock", "wanderer")


def two_nodes() -> sim.Topology:
    """8 cores on 2 nodes, physical cores of two."""
    return machine(8, 4, 4, core_smt=[0, 0, 1, 1, 2, 2, 3, 3], name="2 nodes with SMT")


def sixty_four() -> sim.Topology:
    """64 cores on 4 nodes, more than a word of them as soon as there are more schedulers."""
    return machine(64, 8, 16, name="64 cores")


def hybrid() -> sim.Topology:
    """4 P cores with SMT and 4 E cores in two clusters of one node."""
    slow = [0] * 8 + [1] * 4
    return machine(
        12,
        4,
        12,
        name="hybrid",
        core_type=slow,
        core_speed=[0.55 if kind else 1.0 for kind in slow],
        core_frequency_mhz=[1400 if kind else 3000 for kind in slow],
        core_smt=[0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6, 7],
        private_cache_bytes=[65536 if kind else 1 << 20 for kind in slow],
    )


MACHINES = (two_nodes, sixty_four, hybrid)


def work(rng: Random, mean: float, is_steady: bool) -> sim.Step:
    """A run: always the same if the work is to be counted."""
    if is_steady:
        return sim.Step(op="run", draw=sim.Distribution(kind="deterministic", mean=float(round(mean))))
    kind = rng.choice(("exponential", "lognormal", "bounded_pareto", "uniform"))
    draws = {
        "exponential": sim.Distribution(kind="exponential", mean=mean),
        "lognormal": sim.Distribution(kind="lognormal", mean=mean, cv=2.0),
        "bounded_pareto": sim.Distribution(kind="bounded_pareto", low=mean / 3, high=mean * 30, shape=1.4),
        "uniform": sim.Distribution(kind="uniform", low=1.0, high=2 * mean),
    }
    return sim.Step(op="run", draw=draws[kind])


def pause(rng: Random, mean_ns: float) -> sim.Step:
    """A block."""
    return sim.Step(op="block", draw=sim.Distribution(mean=mean_ns * rng.choice((0.3, 1.0, 3.0))))


def span(rng: Random, count: int) -> str:
    """Some hardware cores in a row, or two of them."""
    first = rng.randrange(count)
    if rng.random() < 0.3:
        return f"{first},{rng.randrange(count)}"
    return f"{first}-{min(count - 1, first + rng.randint(0, count // 2))}"


def affinity(rng: Random, topology: sim.Topology, kinds: tuple[str, ...]) -> sim.Affinity:
    """An affinity of one of the kinds."""
    kind = rng.choice(kinds)
    if kind in ("none", "inherit"):
        return sim.Affinity(type=kind)
    wanted = rng.choice((None, rng.randrange(topology.num_cores)))
    most = rng.choice((None, None, None, 50))
    return sim.Affinity(
        type=kind, cores=span(rng, topology.num_cores), preferred_core=wanted, max_migrations=most
    )


def memory(rng: Random) -> sim.Memory:
    """Working sets up to more than a cache, with collections in half of the classes."""
    return sim.Memory(
        working_set_bytes=rng.choice((0, 2616, 30_000, 400_000)),
        intensity=rng.choice((0.0, 0.3, 0.9)),
        lines_per_reduction=rng.choice((0.05, 0.5)),
        heap_words=rng.choice((233, 2000)),
        words_per_reduction=rng.choice((0.0, 0.4, 2.0)),
        fullsweep_after=rng.choice((3, 20)),
    )


def programs(rng: Random, topology: sim.Topology, is_steady: bool) -> dict[str, list[sim.Step]]:
    """What each class does."""

    def run(mean: float) -> sim.Step:
        return work(rng, mean, is_steady)

    kinds = ("none", "preferred", "strict", "strict", "dynamic")
    own = [sim.Step(op="affinity", affinity=affinity(rng, topology, kinds)) for _ in range(2)]
    leave = sim.Step(op="exit")
    return {
        "loop": [run(900), pause(rng, 6_000)],
        "caller": [run(200), sim.Step(op="call", to="server"), pause(rng, 20_000)],
        "server": [sim.Step(op="receive"), run(300), sim.Step(op="reply")],
        "chatty": [
            run(150), sim.Step(op="send", to="chatty", pick="group", count=2), sim.Step(op="receive"),
            pause(rng, 8_000), sim.Step(op="send", to="loop", pick="random"),
        ],
        "root": [run(300), sim.Step(op="spawn", to="leaf", count=3), pause(rng, 60_000)],
        "leaf": [
            run(400), sim.Step(op="spawn", to="guest", affinity=rng.choice(("class", "inherit", "none"))),
            run(100), sim.Step(op="send", pick="parent"), leave,
        ],
        "guest": [run(500), pause(rng, 5_000), run(700), leave],
        "flock": [run(5_000), pause(rng, 50_000)],
        "wanderer": [run(300), own[0], run(400), pause(rng, 9_000), own[1], run(500), pause(rng, 4_000)],
    }  # fmt: skip


def workload(rng: Random, topology: sim.Topology, is_steady: bool) -> sim.Workload:
    """Closed classes, two open ones, a tree of spawns, calls, messages and changes of affinity."""
    n = topology.num_cores
    counts = {"loop": n, "caller": n, "server": max(1, n // 4), "chatty": n, "root": n // 4, "flock": n // 4}
    counts["wanderer"] = max(2, n // 4)
    kinds = ("inherit", "none", "none", "preferred", "strict", "dynamic")
    arrivals = {
        "guest": sim.Arrival(kind="poisson", load=rng.choice((0.05, 0.2))),
        "leaf": sim.Arrival(kind=rng.choice(("deterministic", "on_off")), load=0.05),
    }
    classes = [
        sim.ProcessClass(
            name=name,
            program=tuple(program),
            count=rng.randint(1, 2) * counts[name] if name in counts else 0,
            arrival=arrivals.get(name, sim.Arrival()),
            start=rng.choice(("spread", "first", "random")),
            group_size=4 if name == "chatty" else 1,
            priority=rng.choice(("max", "high", "normal", "normal", "low")),
            affinity=affinity(rng, topology, kinds),
            memory=memory(rng),
        )
        for name, program in programs(rng, topology, is_steady).items()
    ]
    return sim.Workload(name="mixed", classes=tuple(classes))


def limits(rng: Random) -> sim.Limits:
    """All limits at once, at rates that refuse some and let others pass."""
    return sim.Limits(
        process=sim.ProcessLimit(
            max_migrations=rng.choice((None, 16, 4)),
            window_ns=100_000,
            min_interval_ns=rng.choice((0, 2_000)),
            forbid_return=rng.random() < 0.7,
        ),
        core=sim.RateLimit(rate_per_s=rng.choice((2e5, 1e6)), window_ns=100_000),
        system=sim.RateLimit(rate_per_s=rng.choice((1e5, 1e7, 1e7)), window_ns=100_000),
        burst=sim.BurstLimit(
            capacity=rng.choice((5, 1000, 1000)), refill_per_s=1e5, storm_count=rng.choice((None, 15, 15)),
            storm_window_ns=20_000, cooldown_ns=50_000,
        ),
    )  # fmt: skip


def policy(rng: Random) -> sim.Policy:
    """Every part on."""
    return sim.Policy(
        threshold_factor=rng.choice((0.0, 0.1, 1.0)),
        placement=sim.Placement(
            spawn=rng.choice(PLACEMENTS_SPAWN), wake=rng.choice(PLACEMENTS_WAKE)
        ),
        stealing=sim.Stealing(
            victim=rng.choice(("random", "nearest", "longest")), amount=rng.choice(("half", "half", "batch")),
            batch=3, poll_ns=rng.choice((0, 0, 20_000)), wake_idle=rng.random() < 0.7,
        ),
        balancing=sim.Balancing(
            period_ns=rng.choice((20_000, 200_000)), scope=rng.choice(("hierarchical", "machine"))
        ),
        decision=sim.Decision(
            rule=rng.choice(("remaining_life", "cost_benefit", "always")),
            remaining=rng.choice(("class_mean", "step", "age")), utilisation_weight=0.5,
        ),
        adaptive=sim.Adaptive(mode="feedback", period_ns=50_000),
        limits=limits(rng) if rng.random() < 0.6 else sim.Limits(),
        triggers=sim.Triggers(
            affinity_change=rng.random() < 0.85, core_failure=rng.random() < 0.85, power=rng.random() < 0.85
        ),
    )  # fmt: skip


def binding(rng: Random, index: int, cores: int) -> sim.Binding:
    """Each mode in turn, with fewer, as many and more schedulers than cores."""
    return sim.Binding(
        mode=MODES[index % 4],
        schedulers=rng.choice((None, max(1, cores // 2), cores + 3, 2 * cores)),
        performance=rng.choice((None, 2)),
        efficiency=rng.choice((None, 1)),
        period_ns=rng.choice((30_000, 300_000)),
        batch=rng.choice((1, 4)),
        rebind_ns=rng.choice((0, 4_000)),
        os_quantum_ns=rng.choice((0, 10_000, 100_000)),
        os_switch_ns=rng.choice((0, 2_000)),
    )


def incident(rng: Random, topology: sim.Topology, t: int, long_ns: int) -> list[sim.Change]:
    """Cores go and come back: some, a node, or all of them for a short while."""
    n, how = topology.num_cores, rng.random()
    cores, most = span(rng, n), long_ns
    if how < 0.15:
        cores, most = f"0-{n - 1}", long_ns // 8
    elif how < 0.35:
        cores = f"node:{rng.randrange(topology.num_nodes)}"
    end = t + rng.randint(0, most)
    down, up = rng.choice(("core_offline", "power_down")), rng.choice(("core_online", "power_up"))
    return [sim.Change(time_ns=t, op=down, cores=cores), sim.Change(time_ns=end, op=up, cores=cores)]


def adjustment(rng: Random, topology: sim.Topology, t: int, schedulers: int) -> sim.Change:
    """One change that is not a fault."""
    n = topology.num_cores
    name = rng.choice((None, *NAMES))
    match rng.choice(("frequency", "affinity", "affinity", "bind", "unbind", "unbind", "load")):
        case "frequency":
            mhz = rng.choice((800, 1500, 3000, 3700))
            return sim.Change(time_ns=t, op="frequency", cores=span(rng, n), mhz=mhz)
        case "affinity":
            new = affinity(rng, topology, ("none", "preferred", "strict", "dynamic"))
            if rng.random() < 0.1:
                new = sim.Affinity(type="strict", cores=f"{n}-{n + 3}")  # names no core: refused
            return sim.Change(time_ns=t, op="affinity", process_class=name, affinity=new)
        case "bind":
            return sim.Change(
                time_ns=t, op="bind", scheduler=rng.randrange(schedulers), core=rng.randrange(n)
            )
        case "unbind":
            return sim.Change(time_ns=t, op="unbind", scheduler=rng.randrange(schedulers))
    return sim.Change(time_ns=t, op="load", factor=rng.choice((0.3, 1.0, 1.0, 2.5)))


def timeline(
    rng: Random, topology: sim.Topology, schedulers: int, horizon_ns: int, count: int
) -> sim.Timeline:
    """About `count` entries; now and then several at one time, and everything opens again."""
    changes: list[sim.Change] = []
    gap = max(1, horizon_ns // count)
    while len(changes) < count:
        t = rng.randrange(horizon_ns)
        t -= t % gap if rng.random() < 0.2 else 0  # entries that coincide
        if rng.random() < 0.45:
            changes += incident(rng, topology, t, 4 * gap)
        elif rng.random() < 0.1:
            changes.append(sim.Change(time_ns=t, op="core_online", cores=f"0-{topology.num_cores - 1}"))
        else:
            changes.append(adjustment(rng, topology, t, schedulers))
    return sim.Timeline(changes=tuple(changes))


def simulation(rng: Random, horizon_ns: int) -> sim.Simulation:
    """Capacities that are sometimes reached; the warm-up is nothing, or a part of the run."""
    return sim.Simulation(
        horizon_ns=horizon_ns,
        warmup_ns=rng.choice((0, 0, 0, horizon_ns // 5)),
        window_ns=100_000,
        quantum_reds=rng.choice((200, 1000, 4000)),
        queue_capacity=rng.choice((None, 5, 100)),
        mailbox_capacity=rng.choice((8, 8, 100)),
        node_memory_bytes=rng.choice((None, 3_000_000, 100_000_000)),
        max_processes=rng.choice((1500, 3000)),
    )


def cost(rng: Random) -> sim.Cost:
    """Either model; waking costs time or does not."""
    return sim.Cost(
        kind=rng.choice(("cache", "cache", "flat")),
        wake_ns=rng.choice((0, 3000)),
        message_cycles=(10, 20, 40, 300),
        power=sim.Power(off_mw=rng.choice((0, 7)), frequency_exponent=rng.randint(0, 3)),
    )


def replay_scene(rng: Random, scene: Scenario) -> Scenario:
    """The same machine and faults under many copies of a recorded trace."""
    trace = random_trace(rng)
    stagger_ns = 20_000_000
    horizon_ns = trace.window_ns + stagger_ns
    replay = sim.Replay(
        trace=trace, copies=2000, stagger_ns=stagger_ns, memory=memory(rng),
        affinity=affinity(rng, scene.topology, ("none", "strict", "dynamic")),
    )  # fmt: skip
    count = scene.binding.schedulers or scene.topology.num_cores
    changes = timeline(rng, scene.topology, count, horizon_ns, 150).changes
    kept = tuple(replace(change, process_class=None) for change in changes)
    most = 2000 * (int(trace.process.max()) + 1)
    settings = replace(scene.simulation, horizon_ns=horizon_ns, warmup_ns=0, max_processes=most)
    return replace(scene, workload=replay, simulation=settings, timeline=sim.Timeline(changes=kept))


def soak_scene(seed: int, index: int, events: int, entries: int = 500) -> Scenario:
    """Lane number `index` of a soak: about so many events, about so many entries of the timeline."""
    rng = Random(f"soak {seed} {index}")
    topology = MACHINES[index % len(MACHINES)]()
    if rng.random() < 0.6:
        nodes = topology.num_nodes
        topology = replace(
            topology, node_memory_bytes=[rng.choice((4_000_000, 1 << 30)) for _ in range(nodes)]
        )
    bound = binding(rng, index // len(MACHINES), topology.num_cores)
    schedulers = bound.schedulers or topology.num_cores
    horizon_ns = max(1_000_000, events * EVENT_NS // min(schedulers, topology.num_cores))
    scene = Scenario(
        topology=topology,
        workload=workload(rng, topology, is_steady=rng.random() < 0.7),
        policy=policy(rng),
        cost=cost(rng),
        simulation=simulation(rng, horizon_ns),
        seed=seed,
        replicate=index,
        binding=bound,
        timeline=timeline(rng, topology, schedulers, horizon_ns, entries),
    )
    if index % 10 == 9:
        scene = replay_scene(rng, scene)
    return with_erts(Random(f"soak {seed} {index} erts"), scene)
