"""Random small configurations: every part of the model, in sizes that a person can read."""

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from random import Random
from typing import Any

import sim
from sim.topology.model import Topology
from sim.workload.replay import NO_PEER
from tests.reference.features import PARTS
from tests.reference.programs import random_affinity, random_classes, random_memory
from tests.reference.traces import random_trace

INFINITY = float("inf")


@dataclass(frozen=True)
class Scenario:
    """All that fixes one lane."""

    topology: Topology
    workload: Any
    policy: sim.Policy
    cost: sim.Cost
    simulation: sim.Simulation
    seed: int
    replicate: int
    binding: sim.Binding = sim.Binding()
    timeline: sim.Timeline = sim.Timeline()


def random_scenario(seed: int, replay: bool | None = None, parts: Iterable[str] = PARTS) -> Scenario:
    """Make the scenario that belongs to a seed; about one in five is a replay.

    `parts` says which groups of features are drawn too, each by itself: what the others draw does
    not depend on it. One scenario in three has the default binding and no timeline in any case, and
    one in six a timeline but the default binding.
    """
    rng = Random(seed)
    topology = with_packages(Random(f"{seed} packages"), random_topology(rng))
    is_replay = rng.random() < 0.2 if replay is None else replay
    workload = random_replay(rng, topology) if is_replay else random_workload(rng, topology)
    scenario = Scenario(
        topology,
        workload,
        random_policy(rng),
        random_cost(rng),
        random_simulation(rng, present_count(workload)),
        rng.randrange(1000),
        rng.randrange(10),
    )
    left_out = {0: ("binding", "timeline"), 1: ("binding",), 3: ("binding", "timeline")}.get(seed % 6, ())
    for name, add in PARTS.items():
        if name in parts and name not in left_out:
            scenario = add(Random(f"{seed} {name}"), scenario)
    return lively(Random(f"{seed} lively"), scenario)


def lively(rng: Random, scenario: Scenario) -> Scenario:
    """Let processes migrate at almost every wake-up, in one scenario of four."""
    if rng.random() > 0.25:
        return scenario
    policy = scenario.policy
    wake = rng.choice(("round_robin", "random", "best_of", "numa_local", "probe"))
    policy = dataclasses.replace(
        policy,
        migrate=True,
        placement=dataclasses.replace(policy.placement, wake=wake),
        decision=dataclasses.replace(policy.decision, rule="always"),
        limits=rng.choice((sim.Limits(), policy.limits)),
    )
    return dataclasses.replace(scenario, policy=policy)


def random_topology(rng: Random) -> Topology:
    """Make a machine of 1 to 8 cores, seldom more: nodes, clusters, siblings, speeds."""
    places = [(0, 0, 0)]  # node, cluster, physical core
    # Sets of cores are words of 64 bits in the kernel: now and then there are more cores.
    others = rng.choice((63, 64, 66, 130)) if rng.random() < 0.04 else None
    for _ in range(rng.choice((0, 1, 2, 3, 3, 4, 5, 7)) if others is None else others):
        node, cluster, smt = places[-1]
        step = rng.random()
        smt += step > 0.25
        cluster += step > 0.6
        node += step > 0.8
        places.append((node, cluster, smt))
    num_nodes, num_clusters = places[-1][0] + 1, places[-1][1] + 1
    if rng.random() < 0.5:
        rng.shuffle(places)
    n = len(places)
    node, cluster, smt = ([place[i] for place in places] for i in range(3))
    is_hybrid = rng.random() < 0.5
    kinds = [rng.randrange(2) for _ in range(n)] if is_hybrid else [0] * n
    local = rng.choice((80, 100))
    remote = [[rng.choice((local, 120, 170, 333)) for _ in range(num_nodes)] for _ in range(num_nodes)]
    for i in range(num_nodes):
        remote[i][i] = rng.choice((local, local + 7))
    distance = [[10 if i == j else 20 for j in range(num_nodes)] for i in range(num_nodes)]
    measured = None
    if rng.random() < 0.4:
        measured = [[rng.randrange(5, 250) for _ in range(n)] for _ in range(n)]
        measured = [[0 if i == j else measured[i][j] for j in range(n)] for i in range(n)]
    same_cache = rng.random() < 0.7
    return Topology(
        name="random",
        core_type_names=("P", "E"),
        core_type=kinds,
        core_speed=[rng.choice((0.37, 0.5)) if kind else rng.choice((1.0, 1.3)) for kind in kinds],
        core_frequency_mhz=[2100 if kind else rng.choice((3000, 3333)) for kind in kinds],
        core_smt=smt,
        core_cluster=cluster,
        core_node=node,
        core_package=node,
        core_os_index=list(range(n)),
        private_cache_bytes=[65536 if same_cache else rng.choice((8192, 65536)) for _ in range(n)],
        cluster_cache_bytes=[1 << 22] * num_clusters,
        cache_line_bytes=rng.choice((64, 128)),
        node_os_index=list(range(num_nodes)),
        node_memory_bytes=[1 << 30] * num_nodes,
        node_bandwidth_mb_s=[20000] * num_nodes,
        node_distance=distance,
        memory_latency_ns=remote,
        line_latency_ns=sorted(rng.randrange(3, 300) for _ in range(4)),
        core_latency_ns=measured,
    )


def with_packages(rng: Random, topology: Topology) -> Topology:
    """Let packages hold several nodes, or parts of one, now and then."""
    package = {
        "all": topology.core_node * 0,
        "pairs": topology.core_node // 2,
        "clusters": topology.core_cluster,
        "nodes": topology.core_node,
    }[rng.choice(("nodes", "nodes", "all", "pairs", "clusters"))]
    return dataclasses.replace(topology, core_package=package)


def random_workload(rng: Random, topology: Topology) -> sim.Workload:
    """Make a workload of 1 to 4 classes."""
    return sim.Workload(
        name="random",
        ns_per_reduction=rng.choice((10.0, 7.3, 1.0)),
        classes=random_classes(rng, topology),
    )


def random_replay(rng: Random, topology: Topology) -> sim.Replay:
    """Make copies of a small trace."""
    return sim.Replay(
        trace=random_trace(rng),
        copies=rng.choice((1, 1, 2, 4)),
        stagger_ns=rng.choice((0, 0, 1, 5_000)),
        memory=random_memory(rng),
        affinity=random_affinity(rng, topology),
    )


def random_policy(rng: Random) -> sim.Policy:
    """Make a policy with parts of every kind."""
    placement = sim.Placement(
        spawn=rng.choice(
            ("parent", "round_robin", "random", "least_loaded", "best_of", "numa_local", "probe")
        ),
        wake=rng.choice(("last", "round_robin", "random", "least_loaded", "best_of", "numa_local", "probe")),
        choices=rng.randint(1, 3),
        probe_load=rng.choice((1, 1, 2, 4)),
    )
    stealing = sim.Stealing(
        victim=rng.choice(("off", "random", "nearest", "longest")),
        amount=rng.choice(("one", "half", "batch")),
        batch=rng.randint(1, 4),
        min_queue=rng.choice((1, 1, 2)),
        scan=rng.choice((1, 2, 4, 8)),
        attempts=rng.choice((1, 2, 8)),
        wake_idle=rng.random() < 0.6,
        poll_ns=rng.choice((0, 0, 5_000, 1_777)),
    )
    balancing = sim.Balancing(
        period_ns=rng.choice((0, 0, 10_000, 3_000)),
        imbalance=rng.choice((1, 2, 2, 3)),
        batch=rng.randint(1, 4),
        scope=rng.choice(("machine", "hierarchical", "node_average")),
    )
    adaptive = sim.Adaptive(
        mode=rng.choice(("off", "feedback")),
        period_ns=rng.choice((1_000, 20_000)),
        overhead_target=rng.choice((0.0, 0.01, 0.2)),
        waste_target=rng.choice((0.0, 0.02)),
        step=rng.choice((1.25, 2.0)),
        span=rng.choice((1.0, 8.0)),
    )
    return sim.Policy(
        migrate=rng.random() < 0.93,
        threshold_factor=rng.choice((0.0, 0.0, 0.1, 0.5, 1.0, 2.5, INFINITY)),
        placement=placement,
        stealing=stealing,
        balancing=balancing,
        decision=random_decision(rng),
        adaptive=adaptive,
        limits=random_limits(rng) if rng.random() < 0.4 else sim.Limits(),
    )


def random_decision(rng: Random) -> sim.Decision:
    """Make the cost-benefit test."""
    return sim.Decision(
        rule=rng.choice(("cost_benefit", "always")),
        same_core_factor=rng.choice((1.0, 0.5, 0.0)),
        same_cluster_factor=rng.choice((1.0, 0.7)),
        same_node_factor=rng.choice((1.0, 1.5)),
        other_node_factor=rng.choice((1.0, 3.0)),
        preferred_bonus_cycles=rng.choice((0, 2000, 50_000)),
    )


def random_limits(rng: Random) -> sim.Limits:
    """Make rate limits, each off about half of the time."""
    return sim.Limits(
        process=sim.ProcessLimit(
            max_migrations=rng.choice((None, None, None, 0, 2, 5, 16)),
            window_ns=rng.choice((None, 5_000, 50_000)),
            min_interval_ns=rng.choice((0, 0, 2_000)),
        ),
        core=random_rate(rng),
        system=random_rate(rng),
        burst=sim.BurstLimit(
            capacity=rng.choice((None, None, 0, 1, 4)),
            refill_per_s=rng.choice((1e-3, 1e5, 123_456.7)),
            storm_count=rng.choice((None, 1, 2, 5)),
            storm_window_ns=rng.choice((1_000, 20_000)),
            cooldown_ns=rng.choice((0, 10_000, 100_000)),
        ),
    )


def random_rate(rng: Random) -> sim.RateLimit:
    """Make a rate limit whose window holds 0 to some 10 migrations."""
    return sim.RateLimit(
        rate_per_s=rng.choice((None, None, None, 0.0, 3e4, 1e5, 7.7e5)),
        window_ns=rng.choice((1, 10_000, 33_333)),
    )


def random_cost(rng: Random) -> sim.Cost:
    """Make either cost model; sometimes everything but the work is free."""
    if rng.random() < 0.2:
        return sim.Cost(
            kind=rng.choice(("flat", "cache")),
            dispatch_cycles=0,
            wake_ns=0,
            context_switch_cycles=0,
            message_lines=0,
        )
    return sim.Cost(
        kind=rng.choice(("flat", "cache")),
        dispatch_cycles=rng.choice((0, 300, 777)),
        wake_ns=rng.choice((0, 500, 3000)),
        context_switch_cycles=rng.choice((0, 150, 151)),
        synchronisation_cycles=(rng.choice((0, 9)), 50, 80, 120),
        numa_crossing_cycles=rng.choice((0, 1000)),
        sync_lines=rng.choice((0, 3)),
        remote_memory=rng.random() < 0.7,
        message_cycles=rng.choice(((0, 0, 0, 0), (10, 100, 200, 1001), (0, 1, 2, 3))),
        message_lines=rng.choice((0, 2)),
    )


def present_count(workload) -> int:
    """Count the processes that are present at the start."""
    if isinstance(workload, sim.Workload):
        return sum(member.count for member in workload.classes)
    begins = workload.trace.peer[workload.trace.op == sim.ReplayOp.BEGIN]
    return workload.copies * int((begins == NO_PEER).sum())


def random_simulation(rng: Random, present: int) -> sim.Simulation:
    """Make a horizon of 0.1 to 0.4 ms, and room at least for who is present at the start."""
    return sim.Simulation(
        horizon_ns=rng.choice((100_000, 200_000, 400_000)),
        warmup_ns=rng.choice((0, 0, 20_000, 50_000)),
        window_ns=rng.choice((50_000, 10_000, 7_777)),
        quantum_reds=rng.choice((0, 50, 200, 1000, 4000)),
        queue_capacity=rng.choice((None, None, None, 1, 3)),
        max_processes=max(present, rng.choice((100, 60, 12))),
        max_events=rng.choice((3000, 3000, 3000, 500)),
    )
