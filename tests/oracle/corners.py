"""Small configurations for the corners of binding, affinity, memory, faults and power."""

import dataclasses

import sim
from tests.oracle.handmade import eager, looping, machine, scenario, spread_out, steady, workload

QUIET = sim.Cost(kind="flat", dispatch_cycles=0, wake_ns=0, context_switch_cycles=0)
OFF, ON, DOWN, UP = "core_offline", "core_online", "power_down", "power_up"


def changing(base, *changes: sim.Change, binding: sim.Binding | None = None):
    """A scenario to which something happens, on schedulers that stand as `binding` says."""
    binding = binding or sim.Binding()
    return dataclasses.replace(base, timeline=sim.Timeline(changes=changes), binding=binding)


def at(time_ns: int, op: str, cores: str | None = None, **fields) -> sim.Change:
    """One entry of a timeline."""
    return sim.Change(time_ns=time_ns, op=op, cores=cores, **fields)


def strict(cores: str) -> sim.Affinity:
    """Never anywhere else."""
    return sim.Affinity(type="strict", cores=cores)


def exact(count: int, reds: float, block_ns: float = 0, **fields) -> sim.ProcessClass:
    """Processes whose segments end at times that one can tell."""
    program = [sim.Step(op="run", draw=steady(reds))]
    if block_ns:
        program.append(sim.Step(op="block", draw=steady(block_ns)))
    return sim.ProcessClass(name="exact", count=count, program=tuple(program), **fields)


def hybrid() -> sim.Topology:
    """Two fast cores and two slow ones, in two nodes."""
    types = [0, 0, 1, 1]
    return machine(4, 2, 2, core_type=types, core_speed=[1.5, 1.0, 0.5, 0.5])


def collecting(working_set_bytes: int, **fields) -> sim.Memory:
    """A process that fills its heap every few hundred reductions."""
    given = {"heap_words": 100, "words_per_reduction": 0.5, "intensity": 0.9} | fields
    return sim.Memory(working_set_bytes=working_set_bytes, **given)


def flood() -> sim.Workload:
    """More messages than mailboxes hold, and calls that find them full."""
    program = (
        sim.Step(op="run", draw=spread_out(100)),
        sim.Step(op="send", to="slow", count=3),
        sim.Step(op="call", to="slow"),
    )
    slow = (sim.Step(op="receive"), sim.Step(op="run", draw=spread_out(900)), sim.Step(op="reply"))
    return workload(
        sim.ProcessClass(name="fast", count=4, program=program),
        sim.ProcessClass(name="slow", count=2, program=slow),
    )


def choosy() -> sim.Workload:
    """Processes that change their affinity as they go, and children that inherit it."""
    parent = (
        sim.Step(op="run", draw=spread_out(400)),
        sim.Step(op="affinity", affinity=strict("2-3")),
        sim.Step(op="spawn", to="child", affinity="inherit"),
        sim.Step(op="run", draw=spread_out(700)),
        sim.Step(op="affinity", affinity=sim.Affinity(type="dynamic", cores="0-1", preferred_core=1)),
        sim.Step(op="block", draw=spread_out(2000)),
    )
    child = (sim.Step(op="run", draw=spread_out(600)), sim.Step(op="exit"))
    return workload(
        sim.ProcessClass(name="parent", count=4, program=parent),
        sim.ProcessClass(name="child", program=child, affinity=strict("0")),
    )


def open_stream(kind: str) -> sim.Workload:
    """Arrivals every 10 us."""
    arrival = sim.Arrival(kind=kind, rate_per_s=1e5, on_ns=30_000.0, off_ns=20_000.0)
    program = (sim.Step(op="run", draw=spread_out(300)), sim.Step(op="exit"))
    return workload(sim.ProcessClass(name="short", arrival=arrival, program=program))


BUSY = workload(looping("worker", 12, 900, 2500))
STILL = sim.Policy(stealing=sim.Stealing(victim="off"))
LOOSE = sim.Binding(mode="dynamic", period_ns=7000, rebind_ns=500, os_quantum_ns=4000)
CORNERS = {
    "cut at the ends of segments": changing(
        scenario(machine(2), workload(exact(4, 500)), STILL, QUIET, warmup_ns=0),
        at(9_999, OFF, "0"), at(14_999, ON, "0"), at(20_000, OFF, "1"), at(25_000, ON, "1"),
        at(30_001, OFF, "0"), at(35_000, OFF, "1"), at(35_000, ON, "1"), at(40_000, ON, "0"),
    ),
    "cut what is owed, refilled and run": changing(
        scenario(
            machine(4, 2, 2),
            workload(looping("wanderer", 6, 400, 1000, memory=sim.Memory(working_set_bytes=30_000))),
            eager(placement=sim.Placement(spawn="random", wake="random")),
            warmup_ns=0,
        ),
        *(at(5_000 + 7_013 * i, OFF if i % 2 else ON, str(i // 2 % 4)) for i in range(40)),
    ),
    "all cores offline": changing(
        scenario(machine(3), BUSY), at(150_000, OFF, "0-2"), at(210_000, ON, "1"), at(230_000, ON, "0-2"),
        at(300_000, DOWN, "0-2"), at(340_000, UP, "0,2"),
    ),
    "failing while it wakes": changing(
        scenario(machine(2), workload(exact(2, 100, 20_000)), STILL, sim.Cost(wake_ns=5000)),
        *(at(t, op, "0") for t, op in ((22_000, OFF), (60_000, ON), (62_000, OFF), (90_000, ON))),
        at(123_000, DOWN, "1"), at(126_000, UP, "1"),
    ),
    "two schedulers share a core": changing(
        scenario(machine(1), BUSY), binding=sim.Binding(schedulers=2, os_quantum_ns=6000, os_switch_ns=700)
    ),
    "five schedulers, two cores": changing(
        scenario(machine(2), BUSY, eager(stealing=sim.Stealing(poll_ns=3000))),
        at(120_000, OFF, "1"), at(200_000, ON, "1"), at(220_000, DOWN, "0"), at(290_000, UP, "0"),
        binding=sim.Binding(schedulers=5, os_quantum_ns=2000, period_ns=9000, rebind_ns=800),
    ),
    "bound elsewhere while it runs": changing(
        scenario(machine(4), workload(looping("long", 5, 4000)), STILL),
        at(110_000, "bind", scheduler=0, core=2), at(111_000, "bind", scheduler=0, core=3),
        at(150_000, "bind", scheduler=1, core=3), at(151_000, OFF, "3"), at(200_000, "unbind", scheduler=0),
        at(250_000, ON, "3"), at(260_000, "bind", scheduler=0, core=0),
        binding=sim.Binding(period_ns=10_000, rebind_ns=1000),
    ),
    "strict ones stranded and rescued": changing(
        scenario(
            machine(4),
            workload(looping("strict", 5, 600, 1500, affinity=strict("1")), looping("free", 3, 600, 900)),
        ),
        at(120_000, OFF, "1"), at(180_000, ON, "1"), at(200_000, "bind", scheduler=1, core=0),
        at(260_000, "bind", scheduler=2, core=1), at(320_000, "bind", scheduler=1, core=1),
    ),
    "moved by affinity at the end of a slice": changing(
        scenario(machine(4), workload(looping("long", 6, 5000))),
        at(120_100, "affinity", affinity=strict("3")),
        at(190_100, "affinity", process_class="long", affinity=sim.Affinity(type="preferred", cores="0-1")),
        at(250_100, "affinity", affinity=sim.Affinity(type="dynamic", preferred_core=2)),
        at(300_000, "affinity", affinity=strict("7-9")), at(310_000, "affinity", affinity=strict("2,7")),
    ),
    "affinity that may move nobody": changing(
        scenario(machine(4), BUSY, sim.Policy(triggers=sim.Triggers(affinity_change=False))),
        at(120_000, "affinity", affinity=strict("3")), at(200_000, OFF, "3"), at(280_000, ON, "3"),
    ),
    "choosy programs": scenario(machine(4), choosy(), max_processes=30),
    "powered down, drained, and back": changing(
        scenario(machine(3), workload(looping("long", 7, 3000)), quantum_reds=3000),
        at(110_000, DOWN, "0"), at(112_000, UP, "0"), at(150_000, DOWN, "1-2"), at(240_000, UP, "1"),
        at(260_000, DOWN, "0"), at(265_000, OFF, "0"), at(350_000, UP, "0,2"),
    ),
    "nobody may leave what fails": changing(
        scenario(machine(3), BUSY, sim.Policy(triggers=sim.Triggers(core_failure=False, power=False))),
        at(110_000, OFF, "0"), at(160_000, DOWN, "1"), at(250_000, ON, "0-1"),
    ),
    "schedulers that are not bound": changing(
        scenario(hybrid(), workload(looping("worker", 5, 900, 2500))),
        at(150_000, OFF, "0"), at(170_000, "frequency", "1", mhz=800), at(220_000, OFF, "0-3"),
        at(250_000, ON, "3"), at(300_000, ON, "0-2"), at(330_000, "frequency", "1", mhz=4200),
        binding=LOOSE,
    ),
    "fast and slow schedulers": changing(
        scenario(hybrid(), workload(looping("worker", 3, 900, 2500))),
        binding=sim.Binding(mode="hybrid", schedulers=6, performance=0, efficiency=1, period_ns=5000),
    ),
    "moved by the operating system": changing(
        scenario(machine(4, 2, 2), BUSY),
        binding=sim.Binding(mode="none", schedulers=3, period_ns=4000, rebind_ns=100),
    ),
    "another clock in a segment that is cut": changing(
        scenario(machine(2), workload(looping("long", 3, 6000)), quantum_reds=0),
        at(110_000, "frequency", "0-1", mhz=1000), at(115_000, OFF, "0"), at(190_000, ON, "0"),
        at(200_000, "frequency", "0", mhz=6000), at(205_000, OFF, "0"),
    ),
    "collections bring memory home": scenario(
        machine(4, 2, 2),
        workload(looping("worker", 7, 700, 2000, memory=collecting(5_000, fullsweep_after=3))),
        eager(placement=sim.Placement(wake="random")),
    ),
    "nodes run out of memory": scenario(
        machine(4, 2, 2),
        workload(looping("worker", 9, 700, 2000, memory=collecting(3_000, old_share=0.6))),
        eager(placement=sim.Placement(spawn="random", wake="least_loaded")),
        node_memory_bytes=11_000,
        warmup_ns=0,
    ),
    "mailboxes overflow": scenario(machine(2), flood(), mailbox_capacity=2),
    "queues overflow": scenario(machine(2), BUSY, queue_capacity=1, warmup_ns=0),
    "no way back": scenario(
        machine(4, 2, 2),
        BUSY,
        eager(
            placement=sim.Placement(wake="round_robin"),
            limits=sim.Limits(process=sim.ProcessLimit(forbid_return=True, return_window_ns=40_000)),
        ),
    ),
    "the old may move": scenario(
        machine(4, 2, 2),
        workload(looping("worker", 12, 3000, bound="cpu"), looping("short", 6, 100, 3000)),
        sim.Policy(
            threshold_factor=0.5,
            decision=sim.Decision(rule="remaining_life", remaining="age", utilisation_weight=2.0),
            balancing=sim.Balancing(period_ns=6000),
        ),
    ),
    "home is where one would rather be": scenario(
        machine(4),
        workload(
            looping("worker", 6, 400, 2500, affinity=sim.Affinity(type="preferred", preferred_core=2)),
            looping("other", 4, 400, 2500, affinity=sim.Affinity(type="dynamic", preferred_core=0)),
        ),
        eager(placement=sim.Placement(spawn="random", wake="preferred")),
    ),
} | {
    f"{kind} arrivals change": changing(
        scenario(machine(2), open_stream(kind), warmup_ns=0),
        at(95_000, "load", factor=4.0), at(211_111, "load", process_class="short", factor=0.3),
        at(400_000, "load", factor=1.0),
    )
    for kind in ("deterministic", "poisson", "on_off")
}  # fmt: skip
