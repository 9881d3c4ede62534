"""Small configurations for the corners of the BEAM's run queues and of schedulers online."""

import sim
from tests.oracle.corners import DOWN, OFF, ON, UP, at, changing, exact, strict
from tests.oracle.handmade import looping, machine, scenario, spread_out, workload

MILLI, SECOND = 1_000_000, 1_000_000_000
TINY = sim.Cost(wake_ns=2000, spin_ns=3000, spin_wake_ns=100, ns_per_reduction=0.002)


def beam(**flags) -> sim.Policy:
    """The policy of the real BEAM, with flags of the emulator."""
    return sim.Policy(
        name="erts",
        stealing=sim.Stealing(victim="erts", wake_idle=False),
        decision=sim.Decision(rule="always"),
        erts=sim.Erts(enabled=True, **flags),
    )


def online(time_ns: int, count: int) -> sim.Change:
    """So many schedulers from then on."""
    return at(time_ns, "schedulers_online", count=count)


def levels(count: int, start: str = "first") -> list[sim.ProcessClass]:
    """A class of each priority: runs of a million reductions, all beside each other at first."""
    return [
        looping(name, count, 1e6, 4000, priority=name, start=start)
        for name in ("max", "high", "normal", "low")
    ]


def forking() -> sim.Workload:
    """Children that are born beside their parents."""
    program = (
        sim.Step(op="run", draw=spread_out(3e6)),
        sim.Step(op="spawn", to="child", count=3),
        sim.Step(op="block", draw=spread_out(9000)),
    )
    child = (sim.Step(op="run", draw=spread_out(1e6)), sim.Step(op="exit"))
    return workload(
        sim.ProcessClass(name="parent", count=3, program=program, start="first"),
        sim.ProcessClass(name="child", program=child),
    )


def spinning(spin_ns: int, schedulers: int, *changes: sim.Change, **binding):
    """Schedulers that spin on two cores beside others that wait for them."""
    sleepers = [looping(name, schedulers, 200, 9000) for name in ("early", "late")]
    base = scenario(
        machine(2),
        workload(*sleepers),
        beam(S=str(schedulers), sbt="u"),
        sim.Cost(wake_ns=500, spin_ns=spin_ns, spin_wake_ns=100),
        warmup_ns=0,
    )
    return changing(base, *changes, binding=sim.Binding(**binding))


def tiny(load: sim.Workload, policy: sim.Policy, cores: int = 4, **simulation):
    """A scenario of very short reductions: a slice of a million is as long as 200 usually are."""
    fields = {"quantum_reds": 1_000_000, "warmup_ns": 0, "max_processes": 60} | simulation
    return scenario(machine(cores), load, policy, TINY, **fields)


LONG_CORNERS = {
    "the BEAM balances by tiny slices": scenario(
        machine(2),
        workload(looping("yielding", 3, 30)),
        beam(swt="very_low"),
        sim.Cost(dispatch_cycles=0, wake_ns=0),
        horizon_ns=2_200_000,
        warmup_ns=0,
        quantum_reds=10,
    ),
    "the BEAM balances utilisation over seconds": scenario(
        machine(4),
        workload(
            looping("busy", 2, 3e7, start="first"),
            looping("seldom", 4, 1e7, 1.2 * SECOND, start="first"),
            looping("rare", 1, 1e7, 11 * SECOND),
        ),
        beam(sub=True),
        horizon_ns=50 * SECOND,
        warmup_ns=0,
        window_ns=10 * SECOND,
        quantum_reds=4_000_000,
    ),
}
ERTS_CORNERS = {
    "all priorities, all on one scheduler": tiny(workload(*levels(3)), beam()),
    "a light load is compacted": tiny(
        workload(looping("light", 3, 2e6, 9000)), beam(swt="very_low"), 6, horizon_ns=2 * MILLI
    ),
    "a load that comes and goes is compacted": changing(
        tiny(workload(*levels(2, "spread")), beam(otp="28", swt="low"), 6, horizon_ns=2 * MILLI),
        at(400_000, "affinity", affinity=strict("0-1")),
        at(900_000, "affinity", affinity=sim.Affinity(type="none")),
    ),
    "not compacted": tiny(workload(*levels(2)), beam(scl=False, swt="high"), 3),
    "children stay or emigrate": tiny(forking(), beam(), 5, horizon_ns=MILLI),
    "children, many stolen at once": tiny(forking(), beam(otp="28", sws="legacy"), 5, horizon_ns=MILLI),
    "children, other victims": tiny(
        forking(),
        sim.Policy(
            stealing=sim.Stealing(victim="longest", amount="half", poll_ns=4000),
            placement=sim.Placement(wake="least_loaded"),
            erts=sim.Erts(enabled=True, sbwt="very_short"),
        ),
        5,
        horizon_ns=MILLI,
    ),
    "the BEAM's victims without the BEAM": scenario(
        machine(4, 2, 2),
        workload(*(looping(name, 5, 300, 2000, priority=name, start="first") for name in ("high", "low"))),
        sim.Policy(stealing=sim.Stealing(victim="erts", amount="half")),
    ),
    "spinning or polling": scenario(
        machine(3),
        workload(exact(2, 100, 1500), looping("other", 1, 100, 9000)),
        beam(sbwt="long"),
        sim.Cost(wake_ns=3000, spin_ns=1000, spin_wake_ns=0),
        warmup_ns=0,
    ),
    "spinning for less than a quantum": spinning(3000, 5, period_ns=0, os_quantum_ns=20_000),
    "spinning for more than a quantum": spinning(50_000, 4, period_ns=7000, os_quantum_ns=4000),
    "spinning without a quantum": spinning(50_000, 4, period_ns=0, os_quantum_ns=0),
    "suspended behind ones that spin": spinning(
        20_000, 6, *(online(31_000 + 13_007 * i, (1, 6, 2, 6)[i % 4]) for i in range(30)),
        period_ns=0, os_quantum_ns=50_000,
    ),
    "cores of ones that spin fail": spinning(
        20_000, 6, at(110_000, OFF, "1"), at(160_000, ON, "1"), at(210_000, DOWN, "0"), at(260_000, UP, "0"),
        at(270_000, "bind", scheduler=3, core=0), at(300_000, "bind", scheduler=2, core=1),
        at(310_000, OFF, "0-1"), at(330_000, ON, "0-1"),
        period_ns=3000, os_quantum_ns=50_000,
    ),
    "more schedulers than cores, few online": changing(
        tiny(workload(*levels(2)), beam(S="7:3", sbt="u"), 3),
        online(100_000, 7), online(150_000, 2), online(150_000, 5), online(350_000, 1), online(351_000, 7),
    ),
    "bound in the BEAM's order": changing(
        tiny(workload(*levels(2)), beam(S="4:2", sbt="tnnps", otp="28")),
        online(200_000, 4), online(300_000, 3),
    ),
    "suspended while they run, wait and wake": changing(
        scenario(machine(4), workload(looping("worker", 9, 900, 2500)), cost=sim.Cost(wake_ns=5000)),
        *(online(110_000 + 7_013 * i, count) for i, count in enumerate((2, 4, 1, 3, 1, 4, 2, 3, 1, 4))),
    ),
    "suspended ones and cores that fail": changing(
        scenario(machine(4), workload(looping("worker", 9, 900, 2500)), beam()),
        online(120_000, 2), at(130_000, OFF, "3"), at(140_000, OFF, "0"), online(160_000, 4),
        at(200_000, ON, "0"), at(220_000, ON, "3"), at(240_000, DOWN, "0-1"), online(241_000, 1),
        at(260_000, UP, "1"), online(280_000, 4), at(290_000, UP, "0"),
    ),
    "suspended ones that are not bound": changing(
        scenario(machine(3), workload(looping("worker", 9, 900, 2500)), beam()),
        online(120_000, 3), at(130_000, OFF, "1"), online(150_000, 1), at(170_000, ON, "1"),
        online(190_000, 6), at(200_000, "bind", scheduler=5, core=0), online(201_000, 4),
        at(210_000, "bind", scheduler=5, core=2), online(260_000, 6),
        binding=sim.Binding(mode="dynamic", schedulers=6, period_ns=9000, rebind_ns=500, os_quantum_ns=4000),
    ),
    "strict ones of a suspended scheduler": changing(
        scenario(
            machine(3),
            workload(looping("strict", 3, 600, 1500, affinity=strict("2")), looping("free", 4, 600, 900)),
            beam(),
        ),
        online(120_000, 2), online(200_000, 3), at(230_000, "affinity", affinity=strict("1")),
        online(250_000, 1),
    ),
    "suspended ones whose processes may not leave": changing(
        scenario(machine(3), workload(looping("worker", 9, 900, 2500)),
                 sim.Policy(triggers=sim.Triggers(power=False))),
        online(120_000, 1), online(250_000, 3),
    ),
    "classes at their own pace": scenario(
        machine(2),
        workload(
            looping("native", 3, 300, 2000),
            looping("plain", 3, 300, 2000, memory=sim.Memory(words_per_reduction=1.0, heap_words=50)),
            sim.ProcessClass(
                name="short",
                arrival=sim.Arrival(kind="poisson", load=0.3),
                program=(sim.Step(op="run", draw=spread_out(300)), sim.Step(op="exit")),
            ),
        ),
        cost=sim.Cost(
            ns_per_reduction=7.3, class_times=(sim.ClassTime(process_class="native", ns_per_reduction=2.1),)
        ),
    ),
}  # fmt: skip
