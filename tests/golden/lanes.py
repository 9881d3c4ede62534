"""The lanes whose event logs are pinned, one for each kind of policy."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import numpy as np

import sim
from pipeline.beam_trace import read_replay
from tests.analytic.machines import machine

HERE = Path(__file__).parent
STORED = HERE / "digests.json"
TRACE = HERE.parents[1] / "conf" / "traces" / "mixed_s2.parquet"
CAPACITY = 400_000
TOPOLOGY = machine(
    12, 3, 6, core_smt=[0, 0, 1, 2, 3, 4, 5, 5, 6, 7, 8, 9], core_type=[0] * 6 + [1] * 6,
    core_speed=[1.0] * 6 + [0.7] * 6, core_frequency_mhz=[3200] * 6 + [2100] * 6,
)  # fmt: skip
SIMULATION = sim.Simulation(horizon_ns=3_000_000, warmup_ns=500_000, window_ns=250_000, quantum_reds=700)


def draw(kind: str, mean: float, **numbers: float) -> sim.Distribution:
    """A distribution by its mean."""
    return sim.Distribution(kind=kind, mean=mean, **numbers)


def mixed() -> sim.Workload:
    """Hogs, callers and a server, parents and children, bursts from outside; masks and priorities."""
    run = sim.Step(op="run", draw=draw("exponential", 900.0))
    call, spawn = sim.Step(op="call", to="server"), sim.Step(op="spawn", to="child", count=3)
    receive, reply, tell = sim.Step(op="receive"), sim.Step(op="reply"), sim.Step(op="send", pick="parent")
    short = sim.Step(op="run", draw=draw("lognormal", 150.0, cv=1.5))
    block = sim.Step(op="block", draw=draw("hyperexponential", 20_000.0, cv=2.0))
    leave = sim.Step(op="exit")
    memory = sim.Memory(working_set_bytes=20_000, intensity=0.4)
    return sim.Workload(
        classes=(
            sim.ProcessClass(name="hog", count=6, program=(run,), priority="low", memory=memory),
            sim.ProcessClass(name="caller", count=20, program=(short, call, block)),
            sim.ProcessClass(
                name="server", count=2, priority="high", program=(receive, short, reply)
            ),
            sim.ProcessClass(name="parent", count=4, program=(run, spawn, block)),
            sim.ProcessClass(name="child", program=(run, tell, leave), memory=memory),
            sim.ProcessClass(
                name="guest", program=(short, block, short, leave), start="random",
                arrival=sim.Arrival(kind="on_off", rate_per_s=4e5, on_ns=1e5, off_ns=2e5),
                affinity=sim.Affinity(type="strict", cores="2-9"),
            ),
            sim.ProcessClass(
                name="local", count=8, program=(short, block), start="first",
                affinity=sim.Affinity(type="preferred", cores="node:1"),
            ),
        )
    )  # fmt: skip


POLICIES = {
    "none": sim.Policy(migrate=False),
    "default": sim.Policy(),
    "aggressive": sim.Policy(
        decision=sim.Decision(rule="always"),
        stealing=sim.Stealing(victim="longest", amount="half", poll_ns=5000),
        placement=sim.Placement(spawn="least_loaded", wake="least_loaded"),
    ),
    "conservative": sim.Policy(
        threshold_factor=4.0,
        placement=sim.Placement(spawn="best_of", wake="best_of"),
        stealing=sim.Stealing(victim="random"),
        limits=sim.Limits(
            process=sim.ProcessLimit(max_migrations=3, window_ns=500_000, min_interval_ns=20_000),
            core=sim.RateLimit(rate_per_s=50_000.0),
            system=sim.RateLimit(rate_per_s=300_000.0),
            burst=sim.BurstLimit(
                capacity=20, refill_per_s=2e5, storm_count=10, storm_window_ns=20_000, cooldown_ns=90_000
            ),
        ),
    ),
    "adaptive": sim.Policy(
        placement=sim.Placement(wake="random"),
        balancing=sim.Balancing(period_ns=50_000),
        adaptive=sim.Adaptive(mode="feedback", period_ns=100_000),
    ),
    "numa_aware": sim.Policy(
        placement=sim.Placement(spawn="numa_local", wake="numa_local"),
        balancing=sim.Balancing(period_ns=30_000, scope="hierarchical"),
        decision=sim.Decision(other_node_factor=4.0),
    ),
}
BEAM = {
    "erts 27": sim.Erts(enabled=True, S="12:7"),
    "erts 28": sim.Erts(enabled=True, otp="28", swt="low", sbwt="long"),
    "erts sub": sim.Erts(enabled=True, sub=True, sws="legacy", sbt="u"),
}
# so fast that many balance calls fall within the horizon
FAST = sim.Cost(
    ns_per_reduction=0.05, class_times=(sim.ClassTime(process_class="hog", ns_per_reduction=0.02),)
)
COSTS = {"aggressive": sim.Cost(kind="flat", message_cycles=(0, 50, 100, 400))}


def digest_of(log: np.ndarray, counters: dict) -> str:
    """SHA-256 of an event log and of every counter and histogram."""
    assert len(log) < CAPACITY
    state = hashlib.sha256(np.ascontiguousarray(log, "<i8").tobytes())
    state.update(json.dumps(counters, sort_keys=True, default=np.ndarray.tolist).encode())
    return state.hexdigest()


def faults(*counts: int) -> sim.Timeline:
    """Cores that come and go, slow down, a class that must move, and numbers of schedulers online."""
    strict = sim.Affinity(type="strict", cores="2-7")
    return sim.Timeline(
        changes=(
            sim.Change(time_ns=300_000, op="core_offline", cores="0-1"),
            sim.Change(time_ns=400_000, op="frequency", cores="2-3", mhz=1000),
            sim.Change(time_ns=500_000, op="affinity", affinity=strict),
            sim.Change(time_ns=600_000, op="power_down", cores="node:1"),
            sim.Change(time_ns=700_000, op="power_up", cores="node:1"),
            *(sim.Change(time_ns=750_000, op="schedulers_online", count=count) for count in counts),
            sim.Change(time_ns=800_000, op="core_online", cores="0-1"),
        )
    )


def record(
    topology: sim.Topology,
    workload,
    policy: sim.Policy,
    cost: sim.Cost,
    simulation: sim.Simulation,
    binding: sim.Binding = sim.Binding(),  # noqa: B008 - frozen
    timeline: sim.Timeline | None = None,
) -> dict:
    """What is stored of one lane: its digest, and a few numbers that say what changed if it did."""
    lane = sim.Lane(policy, cost, 20_260_725, binding=binding)
    log, counters = sim.simulate_logged(
        topology, workload, lane, simulation, timeline, capacity=CAPACITY, decisions=1000
    )
    shown = (
        "event_count",
        "dispatch_count",
        "migration_count",
        "completed_count",
        "reductions",
        "sojourn_sum_ns",
    )
    return {
        "digest": digest_of(log, counters),
        "entries": len(log),
        **{name: counters[name] for name in shown},
    }


def records() -> dict[str, dict]:
    """Every pinned lane as it comes out now."""
    found = {
        name: record(TOPOLOGY, mixed(), policy, COSTS.get(name, sim.Cost()), SIMULATION)
        for name, policy in POLICIES.items()
    }
    moving = sim.Binding(mode="dynamic", schedulers=12, period_ns=50_000, os_quantum_ns=30_000)
    found["everything"] = record(
        TOPOLOGY, mixed(), POLICIES["aggressive"], sim.Cost(), SIMULATION, moving, faults()
    )
    for name, flags in BEAM.items():
        policy = sim.Policy(
            erts=flags,
            decision=sim.Decision(rule="always"),
            stealing=sim.Stealing(victim="erts", wake_idle=False),
        )
        fast = replace(SIMULATION, quantum_reds=4000, horizon_ns=1_200_000)
        found[name] = record(TOPOLOGY, mixed(), policy, FAST, fast, timeline=faults(9, 4, 11))
    replay = sim.Replay(trace=read_replay(TRACE), copies=4, stagger_ns=100_000)
    for name in ("none", "default"):
        simulation = sim.Simulation(horizon_ns=4_000_000, warmup_ns=0, window_ns=500_000)
        found[f"replay {name}"] = record(TOPOLOGY, replay, POLICIES[name], sim.Cost(), simulation)
    return found
