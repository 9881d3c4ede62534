"""Small configurations made by hand, each for one thing that random ones seldom reach."""

import dataclasses

import numpy as np

import sim
from sim.workload.replay import ReplayOp
from tests.reference.scenarios import Scenario


def machine(num_cores: int = 4, per_cluster: int = 2, per_node: int = 4, **changes) -> sim.Topology:
    """A machine of equal cores."""
    n = num_cores
    cluster, node = ([i // size for i in range(n)] for size in (per_cluster, per_node))
    num_nodes = node[-1] + 1
    fields = {
        "name": "handmade",
        "core_type_names": ("P", "E"),
        "core_type": [0] * n,
        "core_speed": [1.0] * n,
        "core_frequency_mhz": [3000] * n,
        "core_smt": list(range(n)),
        "core_cluster": cluster,
        "core_node": node,
        "core_package": node,
        "core_os_index": list(range(n)),
        "private_cache_bytes": [32768] * n,
        "cluster_cache_bytes": [1 << 22] * (cluster[-1] + 1),
        "cache_line_bytes": 64,
        "node_os_index": list(range(num_nodes)),
        "node_memory_bytes": [0] * num_nodes,
        "node_bandwidth_mb_s": [0] * num_nodes,
        "node_distance": [[10 if i == j else 20 for j in range(num_nodes)] for i in range(num_nodes)],
        "memory_latency_ns": [[90 if i == j else 150 for j in range(num_nodes)] for i in range(num_nodes)],
        "line_latency_ns": [4, 20, 45, 120],
    }
    return sim.Topology(**(fields | changes))


def steady(mean: float) -> sim.Distribution:
    """Always the same."""
    return sim.Distribution(kind="deterministic", mean=mean)


def spread_out(mean: float) -> sim.Distribution:
    """Exponential."""
    return sim.Distribution(kind="exponential", mean=mean)


def workload(*classes: sim.ProcessClass) -> sim.Workload:
    """At 10 ns a reduction."""
    return sim.Workload(classes=classes)


def looping(name: str, count: int, reds: float, block_ns: float = 0, **fields) -> sim.ProcessClass:
    """Processes that run, and block if asked to, for ever."""
    program = [sim.Step(op="run", draw=spread_out(reds))]
    if block_ns:
        program.append(sim.Step(op="block", draw=spread_out(block_ns)))
    return sim.ProcessClass(name=name, count=count, program=tuple(program), **fields)


def scenario(topology=None, load=None, policy=None, cost=None, **simulation) -> Scenario:
    """A scenario with defaults for what does not matter."""
    fields = {"horizon_ns": 500_000, "warmup_ns": 100_000, "window_ns": 50_000, "quantum_reds": 500}
    return Scenario(
        topology or machine(),
        load or workload(looping("worker", 9, 300, 3000)),
        policy or sim.Policy(),
        cost or sim.Cost(),
        sim.Simulation(**(fields | simulation)),
        1,
        0,
    )


def eager(**parts) -> sim.Policy:
    """A policy whose candidates all pass the test of benefit."""
    return sim.Policy(decision=sim.Decision(rule="always"), **parts)


def all_priorities() -> sim.Workload:
    """Each priority, more work than cores."""
    return workload(
        *(looping(name, 3, 200, 2000, priority=name) for name in ("max", "high", "normal", "low"))
    )


def bursty() -> sim.Workload:
    """Arrivals that are rare even in a burst: some gaps reach over the horizon, others do not."""
    arrival = sim.Arrival(kind="on_off", rate_per_s=1e5, on_ns=10_000.0, off_ns=15_000.0)
    program = (sim.Step(op="run", draw=steady(50)), sim.Step(op="exit"))
    return workload(sim.ProcessClass(name="short", arrival=arrival, program=program))


def going_back() -> sim.Workload:
    """Big working sets that wander and return: the caches remember."""
    memory = sim.Memory(working_set_bytes=20_000, lines_per_reduction=0.3, intensity=0.5)
    return workload(looping("wanderer", 6, 400, 4000, memory=memory))


def own_messages() -> sim.Workload:
    """A class of one that sends to itself, calls that cross, replies that come too late."""
    alone = sim.ProcessClass(
        name="alone",
        count=1,
        program=(
            sim.Step(op="run", draw=steady(100)),
            sim.Step(op="send", to="alone", pick="random", count=3),
            sim.Step(op="receive", count=2),
            sim.Step(op="reply"),
        ),
    )
    asking = sim.ProcessClass(
        name="asking",
        count=3,
        program=(
            sim.Step(op="run", draw=spread_out(100)),
            sim.Step(op="call", to="server", pick="random"),
            sim.Step(op="call", to="server", pick="group"),
        ),
    )
    server = sim.ProcessClass(
        name="server",
        count=2,
        group_size=2,
        program=(
            sim.Step(op="receive"),
            sim.Step(op="run", draw=spread_out(80)),
            sim.Step(op="reply"),
            sim.Step(op="reply"),
        ),
    )
    return workload(alone, asking, server)


def gone_targets() -> sim.Workload:
    """Messages and calls to processes that have exited, and to slots taken again."""
    mortal = sim.ProcessClass(
        name="mortal",
        count=3,
        program=(sim.Step(op="run", draw=steady(500)), sim.Step(op="exit")),
    )
    sender = sim.ProcessClass(
        name="sender",
        count=3,
        program=(
            sim.Step(op="run", draw=spread_out(300)),
            sim.Step(op="send", to="mortal", pick="same"),
            sim.Step(op="spawn", to="child"),
        ),
    )
    child = sim.ProcessClass(
        name="child",
        program=(
            sim.Step(op="run", draw=spread_out(200)),
            sim.Step(op="send", pick="parent"),
            sim.Step(op="exit"),
        ),
    )
    caller = sim.ProcessClass(
        name="caller",
        count=1,
        program=(sim.Step(op="run", draw=steady(900)), sim.Step(op="call", to="mortal")),
    )
    return workload(mortal, sender, child, caller)


def small_trace() -> sim.ReplayTrace:
    """Two processes that pass edges both ways, a child, and a message that wakes nobody."""
    rows = [
        (0, ReplayOp.BEGIN, 2616, -1),
        (0, ReplayOp.RUN, 5000, -1),
        (0, ReplayOp.SEND, 0, 1),
        (0, ReplayOp.SPAWN, 0, 2),
        (0, ReplayOp.WAIT, 1, 1),
        (0, ReplayOp.RUN, 3000, -1),
        (0, ReplayOp.SEND, -1, -1),
        (0, ReplayOp.SEND, -1, 1),
        (0, ReplayOp.EXIT, 0, -1),
        (1, ReplayOp.BEGIN, 50_000, -1),
        (1, ReplayOp.RUN, 20_000, -1),
        (1, ReplayOp.WAIT, 0, 0),
        (1, ReplayOp.BLOCK, 2500, -1),
        (1, ReplayOp.RUN, 800, -1),
        (1, ReplayOp.SEND, 1, 0),
        (1, ReplayOp.BLOCK, 0, -1),
        (1, ReplayOp.WAIT, 2, 2),
        (2, ReplayOp.BEGIN, 3000, 0),
        (2, ReplayOp.RUN, 9000, -1),
        (2, ReplayOp.SEND, 2, 1),
    ]
    process, op, value, peer = (list(column) for column in zip(*rows, strict=True))
    return sim.ReplayTrace(
        name="small",
        process=np.array(process, np.int32),
        op=np.array(op, np.int8),
        value=np.array(value, np.int64),
        peer=np.array(peer, np.int32),
        window_ns=500_000,
        ns_per_reduction=10.0,
        schedulers=2,
        busy_ns=40_000,
    )


DAY_NS = 86_400 * 10**9


def extremes() -> dict[str, Scenario]:
    """Values near the ends of their ranges, whose products must still fit 64 bits."""
    long = {"horizon_ns": DAY_NS, "warmup_ns": 0, "window_ns": 10**11, "max_events": 800}
    memory = sim.Memory(working_set_bytes=2**40, overlap=1.0, lines_per_reduction=64.0)
    big_caches = machine(4, 2, 2, private_cache_bytes=[1 << 40] * 4)
    slow = machine(4, 2, 2, core_frequency_mhz=[1] * 4, core_speed=[1e-3] * 4)
    costly = sim.Cost(dispatch_cycles=10**9, context_switch_cycles=10**9)
    seldom = workload(looping("seldom", 6, 300, 1e12))
    bucket = sim.BurstLimit(capacity=1_000_000, refill_per_s=1e9)
    dear = sim.Decision(
        same_core_factor=1e4, same_cluster_factor=1e4, same_node_factor=1e4, other_node_factor=1e4
    )
    strict = sim.Policy(threshold_factor=10_000.0, placement=WANDER)
    return {
        "runs of ten seconds": scenario(
            machine(2), workload(looping("long", 3, 1e9)), quantum_reds=0, **long
        ),
        "long slices, deep queues": scenario(
            machine(4),
            workload(looping("long", 60, 1e9, start="first")),
            dataclasses.replace(strict, balancing=sim.Balancing(period_ns=10**9)),
            quantum_reds=0,
            **long,
        ),
        "terabyte working sets": scenario(
            big_caches,
            workload(looping("huge", 9, 300, 2000, memory=memory)),
            eager(placement=WANDER),
            max_events=800,
        ),
        "greatest factors": scenario(
            machine(4, 2, 2), None, dataclasses.replace(strict, decision=dear), max_events=800
        ),
        "a bucket that fills for hours": scenario(
            machine(4, 2, 2),
            seldom,
            eager(placement=WANDER, limits=sim.Limits(burst=bucket)),
            **long,
        ),
        "slow cores, costly switches": scenario(slow, None, eager(placement=WANDER), costly, **long),
    }


WANDER = sim.Placement(spawn="round_robin", wake="round_robin")


def late_replies() -> sim.Workload:
    """A server that replies twice, the second time when the caller calls again."""
    caller = (sim.Step(op="run", draw=steady(20)), sim.Step(op="call", to="server"))
    server = (
        sim.Step(op="receive"), sim.Step(op="reply"), sim.Step(op="run", draw=steady(500)),
        sim.Step(op="reply"),
    )  # fmt: skip
    return workload(
        sim.ProcessClass(name="caller", count=1, program=caller),
        sim.ProcessClass(name="server", count=1, program=server),
    )


HANDMADE = {
    "a late reply": scenario(machine(2), late_replies(), quantum_reds=0),
    "default policy": scenario(),
    "one core": scenario(machine(1)),
    "free": scenario(cost=sim.Cost(kind="flat", dispatch_cycles=0, wake_ns=0, context_switch_cycles=0)),
    "priorities": scenario(machine(2), all_priorities()),
    "priorities stolen": scenario(
        machine(3), all_priorities(), eager(stealing=sim.Stealing(amount="half", scan=8))
    ),
    "wander with memory": scenario(machine(6, 2, 2), going_back(), eager(placement=WANDER)),
    "wander, siblings": scenario(machine(4, 4, core_smt=[0, 0, 1, 1]), going_back(), eager(placement=WANDER)),
    "wander, measured latency": scenario(
        machine(3, 1, core_latency_ns=[[0, 30, 77], [31, 0, 50], [78, 51, 0]]),
        going_back(),
        eager(placement=WANDER),
    ),
    "wander, flat": scenario(machine(6, 2, 2), going_back(), eager(placement=WANDER), sim.Cost(kind="flat")),
    "hierarchical balancing": scenario(
        machine(8, 2, 4),
        workload(looping("worker", 30, 300, start="first")),
        eager(
            stealing=sim.Stealing(victim="off"),
            balancing=sim.Balancing(period_ns=5000, scope="hierarchical", batch=2),
        ),
    ),
    "balancing by the averages of nodes": scenario(
        machine(8, 2, 4),
        workload(looping("worker", 30, 300, start="first"), looping("other", 5, 900, start="random")),
        eager(
            stealing=sim.Stealing(victim="off"),
            balancing=sim.Balancing(period_ns=5000, scope="node_average", imbalance=1, batch=3),
        ),
    ),
    "probing for a place": scenario(
        machine(6, 2, 2), going_back(), eager(placement=sim.Placement(spawn="probe", wake="probe"))
    ),
    "adaptive up and down": scenario(
        machine(4),
        going_back(),
        sim.Policy(
            threshold_factor=0.2,
            placement=WANDER,
            balancing=sim.Balancing(period_ns=10_000),
            adaptive=sim.Adaptive(mode="feedback", period_ns=20_000, step=1.5, span=4.0),
        ),
    ),
    "storms": scenario(
        machine(4),
        None,
        eager(
            placement=WANDER,
            limits=sim.Limits(
                burst=sim.BurstLimit(
                    capacity=5,
                    refill_per_s=1e6,
                    storm_count=3,
                    storm_window_ns=9000,
                    cooldown_ns=20_000,
                )
            ),
        ),
    ),
    "own messages": scenario(machine(3), own_messages(), cost=sim.Cost(message_cycles=(5, 50, 90, 400))),
    "gone targets": scenario(machine(2), gone_targets(), max_processes=20),
    "replay": scenario(machine(3), sim.Replay(trace=small_trace(), copies=3, stagger_ns=30_000), warmup_ns=0),
    "replay at once": scenario(
        machine(3),
        sim.Replay(trace=small_trace(), copies=2, stagger_ns=0),
        eager(placement=WANDER),
        warmup_ns=0,
    ),
    "warm-up inside segments": scenario(
        machine(2),
        workload(looping("worker", 3, 5000)),
        warmup_ns=123_457,
        horizon_ns=400_001,
        quantum_reds=0,
    ),
    "event limit": scenario(max_events=77),
    "a hundred cores": scenario(
        machine(100, 5, 50),
        workload(looping("worker", 150, 200, 2000, start="random")),
        eager(
            placement=sim.Placement(spawn="numa_local", wake="least_loaded"),
            stealing=sim.Stealing(victim="longest", amount="half", scan=8),
            balancing=sim.Balancing(period_ns=20_000, scope="hierarchical"),
        ),
        horizon_ns=100_000,
        warmup_ns=10_000,
        window_ns=30_000,
        max_processes=200,
    ),
    "bursts that outlast the horizon": dataclasses.replace(
        scenario(machine(2), bursty(), warmup_ns=0), seed=107
    ),
} | extremes()
