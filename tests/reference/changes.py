"""Random timelines: faults, power and changes within the horizon."""

from dataclasses import replace
from random import Random

import sim
from tests.reference.programs import random_cores

OPS = (
    ("core_offline", "core_online", "power_down", "power_up") * 3
    + ("frequency", "frequency", "affinity", "affinity", "bind", "unbind", "load")
)  # fmt: skip


def add_timeline(rng: Random, scenario):
    """Let some things happen."""
    horizon_ns = scenario.simulation.horizon_ns
    places = [random_places(rng, scenario.topology) for _ in range(3)]
    changes = []
    for _ in range(rng.choice((0, 2, 4, 6, 8, 12))):
        time_ns = rng.choice((rng.randint(0, horizon_ns), rng.randrange(12) * 5000, rng.randint(0, 30_000)))
        changes.append(random_change(rng, scenario, min(time_ns, horizon_ns), places))
    return replace(scenario, timeline=sim.Timeline(changes=tuple(changes)))


def random_places(rng: Random, topology) -> str:
    """Make a set of cores that something happens to together, seldom the whole machine."""
    if rng.random() < 0.15:
        return f"0-{topology.num_cores - 1}"
    return random_cores(rng, topology)


def random_change(rng: Random, scenario, time_ns: int, places: list[str]) -> sim.Change:
    """Make one entry; few sets of cores are used, so that what goes offline comes back."""
    topology = scenario.topology
    op = rng.choice(OPS)
    match op:
        case "frequency":
            mhz = rng.choice((800, 2100, 3333, 5000))
            return sim.Change(time_ns=time_ns, op=op, cores=rng.choice(places), mhz=mhz)
        case "affinity":
            name = rng.choice(class_names(scenario))
            affinity = late_affinity(rng, topology)
            return sim.Change(time_ns=time_ns, op=op, process_class=name, affinity=affinity)
        case "bind":
            scheduler = rng.randrange(scenario.binding.schedulers or topology.num_cores)
            core = rng.randrange(topology.num_cores)
            return sim.Change(time_ns=time_ns, op=op, scheduler=scheduler, core=core)
        case "unbind":
            scheduler = rng.randrange(scenario.binding.schedulers or topology.num_cores)
            return sim.Change(time_ns=time_ns, op=op, scheduler=scheduler)
        case "load":
            name = rng.choice(class_names(scenario, with_arrivals=True))
            factor = rng.choice((0.1, 0.5, 1.0, 2.0, 7.7))
            return sim.Change(time_ns=time_ns, op=op, process_class=name, factor=factor)
    return sim.Change(time_ns=time_ns, op=op, cores=rng.choice(places))


def class_names(scenario, with_arrivals: bool = False) -> list[str | None]:
    """List the classes that a change may name; None means all."""
    if isinstance(scenario.workload, sim.Replay):
        return [None]
    classes = scenario.workload.classes
    return [None] + [c.name for c in classes if not with_arrivals or c.arrival.kind != "none"]


def late_affinity(rng: Random, topology) -> sim.Affinity:
    """Make an affinity for a running process; its mask may name cores that are not there."""
    kind = rng.choice(("none", "preferred", "strict", "strict", "dynamic"))
    if kind == "none":
        return sim.Affinity(type="none")
    n = topology.num_cores
    beyond = rng.choice((str(n), f"{n}-{n + 3}", f"0,{n}", f"{n - 1}-{n + 1}"))
    cores = beyond if rng.random() < 0.15 else random_cores(rng, topology)
    wanted = rng.choice((None, rng.randrange(n)))
    return sim.Affinity(type=kind, cores=cores, preferred_core=wanted)
