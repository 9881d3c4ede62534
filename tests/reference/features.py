"""Groups of features that are added to a random scenario, each from draws of its own."""

from dataclasses import replace
from random import Random

import numpy as np

import sim
from sim.spec.binding import MODES, ORDERS
from tests.reference.changes import add_timeline
from tests.reference.erts_features import add_erts
from tests.reference.programs import random_affinity, random_cores


def add_decision(rng: Random, scenario):
    """Vary the rules of decision, returns, placement by preference, and power."""
    decision = replace(
        scenario.policy.decision,
        rule=rng.choice(("cost_benefit", "cost_benefit", "always", "always", "remaining_life")),
        remaining=rng.choice(("class_mean", "step", "age")),
        waiting_weight=rng.choice((1.0, 1.0, 0.0, 0.3, 5.0)),
        speed_weight=rng.choice((1.0, 1.0, 0.0, 2.5)),
        utilisation_weight=rng.choice((0.0, 0.0, 0.7, 3.0)),
        cpu_bound_factor=rng.choice((1.0, 0.2, 2.0)),
        io_bound_factor=rng.choice((1.0, 0.3, 3.0)),
    )
    limits = replace(
        scenario.policy.limits,
        process=replace(
            scenario.policy.limits.process,
            return_window_ns=rng.choice((0, 3_000, 40_000, 1_000_000)),
            forbid_return=rng.random() < 0.2,
        ),
    )
    placement = scenario.policy.placement
    if rng.random() < 0.2:
        placement = replace(placement, wake="preferred")
    power = sim.Power(
        performance_active_mw=rng.choice((5000, 1234)),
        efficiency_idle_mw=rng.choice((100, 0)),
        off_mw=rng.choice((0, 7)),
        frequency_exponent=rng.randint(0, 3),
    )
    policy = replace(scenario.policy, decision=decision, limits=limits, placement=placement)
    workload = scenario.workload
    if isinstance(workload, sim.Replay):
        workload = replace(workload, bound=rng.choice(("auto", "cpu", "io")))
    else:
        classes = [replace(c, bound=rng.choice(("auto", "auto", "cpu", "io"))) for c in workload.classes]
        workload = replace(workload, classes=tuple(classes))
    return replace(scenario, policy=policy, workload=workload, cost=replace(scenario.cost, power=power))


def add_memory(rng: Random, scenario):
    """Vary memory of processes and nodes, mailboxes, and what caches hold."""
    topology = random_nodes(rng, scenario.topology)
    simulation = replace(
        scenario.simulation,
        node_memory_bytes=rng.choice((None, None, None, None, 1, 20_000, 300_000)),
        mailbox_capacity=rng.choice((None, None, None, 1, 4)),
    )
    cost = replace(
        scenario.cost,
        shared_cache=rng.random() < 0.7,
        line_homes=rng.random() < 0.7,
        batch_share=rng.choice((0.3, 0.0, 1.0)),
    )
    workload = scenario.workload
    if isinstance(workload, sim.Replay):
        workload = replace(workload, memory=random_heap(rng, workload.memory))
    else:
        classes = [replace(c, memory=random_heap(rng, c.memory)) for c in workload.classes]
        workload = replace(workload, classes=tuple(classes))
    return replace(scenario, topology=topology, simulation=simulation, cost=cost, workload=workload)


def random_heap(rng: Random, memory: sim.Memory) -> sim.Memory:
    """Vary heaps; about half of the processes collect garbage often."""
    return replace(
        memory,
        overlap=rng.choice((None, memory.overlap)),
        pattern=rng.choice(("dependent", "mixed", "streaming")),
        heap_words=rng.choice((1, 17, 233, 2000)),
        words_per_reduction=rng.choice((0.0, 0.0, 0.1, 1.7)),
        survivors=rng.choice((0.5, 0.0, 1.0, 0.33)),
        old_share=rng.choice((0.3, 0.0, 1.0)),
        fullsweep_after=rng.choice((65535, 1, 3)),
    )


def random_nodes(rng: Random, topology):
    """Vary the memory of the nodes and the shared caches; now and then add a node without cores."""
    if rng.random() < 0.2:
        topology = with_memory_node(rng, topology)
    sizes = rng.choice(((1 << 30,), (0,), (0, 50_000, 400_000), (10_000, 1 << 30)))
    caches = rng.choice(((1 << 22, 300_000), (0, 30_000, 150_000, 300_000)))
    return replace(
        topology,
        node_memory_bytes=[rng.choice(sizes) for _ in range(topology.num_nodes)],
        cluster_cache_bytes=[rng.choice(caches) for _ in range(topology.num_clusters)],
    )


def with_memory_node(rng: Random, topology):
    """Add a node that has memory alone."""
    n = topology.num_nodes
    latency = np.full((n + 1, n + 1), rng.choice((120, 300)))
    latency[:n, :n] = topology.memory_latency_ns
    latency[n, n] = 80
    distance = np.full((n + 1, n + 1), 20)
    distance[:n, :n] = topology.node_distance
    distance[n, n] = 10
    return replace(
        topology,
        node_os_index=[*topology.node_os_index, int(topology.node_os_index[-1]) + 1],
        node_memory_bytes=[*topology.node_memory_bytes, 1 << 30],
        node_bandwidth_mb_s=[*topology.node_bandwidth_mb_s, 20_000],
        node_distance=distance,
        memory_latency_ns=latency,
    )


def add_affinity(rng: Random, scenario):
    """Vary affinities, let programs change them, and switch triggers off now and then."""
    triggers = sim.Triggers(
        load_imbalance=rng.random() < 0.93,
        blocking=rng.random() < 0.93,
        affinity_change=rng.random() < 0.85,
        core_failure=rng.random() < 0.85,
        power=rng.random() < 0.85,
    )
    topology, workload = scenario.topology, scenario.workload
    if isinstance(workload, sim.Replay):
        workload = replace(workload, affinity=any_affinity(rng, topology))
    else:
        classes = tuple(with_affinity(rng, topology, kind) for kind in workload.classes)
        workload = replace(workload, classes=classes)
    return replace(scenario, workload=workload, policy=replace(scenario.policy, triggers=triggers))


def with_affinity(rng: Random, topology, kind: sim.ProcessClass) -> sim.ProcessClass:
    """Give a class an affinity, and its program some steps that change it."""
    program = [
        replace(step, affinity=rng.choice((None, "class", "inherit", "none"))) if step.op == "spawn" else step
        for step in kind.program
    ]
    for _ in range(rng.choice((0, 0, 1, 2))):
        at = rng.randrange(len(program))  # before the exit, if there is one
        program.insert(at, sim.Step(op="affinity", affinity=new_affinity(rng, topology)))
    return replace(kind, affinity=any_affinity(rng, topology), program=tuple(program))


def any_affinity(rng: Random, topology) -> sim.Affinity:
    """Make the affinity of a class, of any type."""
    return random_affinity(rng, topology) if rng.random() < 0.5 else new_affinity(rng, topology)


def new_affinity(rng: Random, topology) -> sim.Affinity:
    """Make an affinity that a running process may be given."""
    kind = rng.choice(("none", "preferred", "strict", "strict", "dynamic"))
    if kind == "none":
        return sim.Affinity(type="none", max_migrations=rng.choice((None, None, 2)))
    wanted = rng.choice((None, rng.randrange(topology.num_cores)))
    has_mask = kind == "strict" or wanted is None or rng.random() < 0.6
    return sim.Affinity(
        type=kind,
        cores=random_cores(rng, topology) if has_mask else None,
        preferred_core=wanted,
        max_migrations=rng.choice((None, None, None, None, 0, 3, 10)),
    )


def add_binding(rng: Random, scenario):
    """Let fewer or more schedulers than cores stand on the machine, pinned or not."""
    topology = scenario.topology
    if rng.random() < 0.3:
        steps = [rng.choice((1, 1, 2)) for _ in range(topology.num_cores)]
        topology = replace(topology, core_os_index=[sum(steps[: i + 1]) for i in range(len(steps))])
    cores = topology.num_cores
    binding = sim.Binding(
        mode=rng.choice((*MODES, "static")),
        order=rng.choice(ORDERS),
        schedulers=rng.choice((None, 1, max(1, cores // 2), cores + 1, cores + 3, 2 * cores)),
        performance=rng.choice((None, None, 0, 1, 2)),
        efficiency=rng.choice((None, None, 0, 1, 2)),
        period_ns=rng.choice((0, 2_000, 7_000, 30_000)),
        batch=rng.choice((1, 2, 4)),
        rebind_ns=rng.choice((0, 300, 4_000)),
        os_quantum_ns=rng.choice((0, 1_000, 5_000, 40_000)),
        os_switch_ns=rng.choice((0, 100, 2_000)),
    )
    return replace(scenario, topology=topology, binding=binding)


def add_prices(rng: Random, scenario):
    """Vary the prices and powers that nothing else varies."""
    cost = scenario.cost
    power = replace(
        cost.power,
        performance_idle_mw=rng.choice((500, 0, 77)),
        efficiency_active_mw=rng.choice((1000, 321)),
    )
    cost = replace(
        cost,
        misses=rng.choice(((0, 1, 3, 4), (0, 0, 0, 0), (9, 5, 1, 2))),
        miss_cycles=rng.choice((200, 0, 33)),
        remote_accesses=rng.choice(((0, 0, 0, 1), (1, 0, 2, 3))),
        remote_access_cycles=rng.choice((350, 1)),
        power=power,
    )
    return replace(scenario, cost=cost)


PARTS = {
    "decision": add_decision,
    "memory": add_memory,
    "affinity": add_affinity,
    "binding": add_binding,
    "timeline": add_timeline,
    "erts": add_erts,
    "prices": add_prices,
}
