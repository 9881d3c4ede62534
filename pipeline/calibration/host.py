"""Measure this machine: clock, core-to-core latency, rewarming, waking, spinning, switching."""

import dataclasses
import os
import platform
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from pipeline.calibration.beam_switch import measure_switch
from pipeline.calibration.clock import measure_clock, stated_clock, states_clock_by_core
from pipeline.calibration.latency import Samples, latency_matrix, latency_note, measure_pairs
from pipeline.calibration.measured import Measured, missing, spread_of
from pipeline.calibration.rewarm import Rewarm, measure_rewarm
from pipeline.calibration.threads import pinning_problem, usable_cpus
from pipeline.calibration.wake import Cpus, measure_spin, measure_spin_wake, measure_wake
from pipeline.calibration.write import cycles
from sim import Topology
from sim.topology import DistanceClass, overlay_latency_matrix, topology_from_host

SHARES = {"latency": 0.30, "rewarm": 0.28, "wake": 0.20, "spin": 0.06, "spin_wake": 0.06, "clock": 0.04}
ROUNDS = 3
"""Latency is measured before, between and after the rest: a machine changes from second to second."""
SWITCH_LEAST_S = 10.0
"""`erl` takes some seconds to start on a busy machine, whatever time is given."""
BUSY_LOAD = 0.7
CLOCK_DIFFERS = 0.1


@dataclass
class Host:
    """What was found."""

    topology: Topology
    cost: dict[str, Measured] = field(default_factory=dict)  # dispatch still as dispatch_ns
    others: list[Measured] = field(default_factory=list)
    samples: Samples = field(default_factory=dict)
    rewarm: list[Rewarm] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    clock: str = ""  # what the clock of the topology is

    @property
    def frequency_mhz(self) -> float:
        """The clock that times are turned into cycles with: that of the fastest core."""
        return float(self.topology.core_frequency_mhz[np.argmax(self.topology.core_speed)])

    def dispatch(self) -> Measured:
        """The context switch in cycles."""
        return cycles(self.cost["dispatch_ns"], self.frequency_mhz, self.clock)


def measure_host(seconds: float, tell: Callable[[str], None]) -> Host:
    """Measure everything that can be measured here, in about `seconds` and the start of `erl`.

    Parameters
    ----------
    tell : is told each step as it begins

    Raises
    ------
    TopologyError if the machine does not describe itself
    """
    host = Host(topology_from_host())
    cpus = usable_cpus()
    problem = pinning_problem()
    pinned = not problem and len(cpus) >= 2
    if problem:
        host.notes.append(f"{problem}: no latency matrix and no rewarming; waking is measured unbound")
    if len(cpus) < 2:
        host.notes.append("one CPU only: nothing between two cores can be measured")
    _note_load(host)
    tell("the clock")
    _find_clock(host, cpus, SHARES["clock"] * seconds)

    def latency(number: int) -> None:
        if pinned:
            tell(f"core-to-core latency, round {number} of {ROUNDS}")
            measure_pairs(cpus, SHARES["latency"] / ROUNDS * seconds, host.samples)

    latency(1)
    pair: Cpus = _neighbours(host.topology, cpus) if pinned else (None, None)
    _find_waking(host, pair, len(cpus) >= 2, seconds, tell)
    latency(2)
    if pinned:
        tell("rewarming after a move")
        pairs = distance_pairs(host.topology, cpus)
        for distance, members in pairs.items():
            share = SHARES["rewarm"] / len(pairs) * seconds
            host.rewarm += measure_rewarm(distance, members, share)
        _sum_up_rewarm(host)
    latency(3)
    tell("the BEAM's context switch")
    host.cost["dispatch_ns"] = measure_switch(max(SWITCH_LEAST_S, 0.1 * seconds))
    _lay_latency(host)
    return host


def _find_waking(host: Host, pair: Cpus, has_two: bool, seconds: float, tell: Callable[[str], None]) -> None:
    if has_two:
        tell("waking a thread that sleeps")
        host.cost["wake_ns"] = measure_wake(pair, SHARES["wake"] * seconds)
        tell("waking a thread that spins")
        host.cost["spin_wake_ns"] = measure_spin_wake(pair, SHARES["spin_wake"] * seconds)
    else:
        for name in ("wake_ns", "spin_wake_ns"):
            host.cost[name] = missing(name, "ns", "needs two CPUs")
    tell("how long a scheduler spins")
    host.cost["spin_ns"] = measure_spin(SHARES["spin"] * seconds)


def _sum_up_rewarm(host: Host) -> None:
    """What a line costs on the first pass after a move: to hold against what the model charges."""
    private_kib = int(host.topology.private_cache_bytes.min()) >> 10
    for distance in dict.fromkeys(row.distance for row in host.rewarm):
        extra = [
            row.extra_ns_per_line
            for row in host.rewarm
            if (row.distance, row.pattern) == (distance, "random") and row.kib <= private_kib
        ]
        note = f"sizes up to the private cache; the cost model charges line_latency {distance} for it"
        host.others.append(spread_of(f"rewarm_line {distance}", extra, "ns", note))


def _note_load(host: Host) -> None:
    load = os.getloadavg()[0]
    if load > BUSY_LOAD * host.topology.num_cores / 2:
        host.notes.append(
            f"the load average is {load:.1f}: other programs run; measure on a quiet machine, "
            "or trust medians and not spreads"
        )


def _find_clock(host: Host, cpus: list[int], seconds: float) -> None:
    """Both clocks, and the topology's clock where the system does not state one a core."""
    measured, stated = measure_clock(seconds), stated_clock(cpus[0])
    host.others += [stated, measured]
    best = stated if stated.is_found else measured
    host.clock = "stated by the system" if stated.is_found else "measured"
    if stated.value and measured.value and abs(measured.value / stated.value - 1) > CLOCK_DIFFERS:
        host.notes.append(
            f"the system states {stated.value:.0f} MHz and {measured.value:.0f} MHz were measured (boost, or "
            "a virtual machine); cycles here are those of the stated clock, so times come out right"
        )
    if states_clock_by_core() or best.value is None:
        return
    frequencies = host.topology.core_frequency_mhz.copy()
    # Other types of core keep what the system says of them: this thread ran on one core only.
    frequencies[host.topology.core_type == 0] = round(best.value)
    host.topology = dataclasses.replace(host.topology, core_frequency_mhz=frequencies)


def distance_pairs(topology: Topology, cpus: list[int]) -> dict[str, tuple[int, int]]:
    """The first pair of usable CPUs at each distance, by the name of its distance class."""
    places = np.flatnonzero(np.isin(topology.core_os_index, cpus))
    classes = topology.distance_class_matrix()
    pairs: dict[str, tuple[int, int]] = {}
    for distance in DistanceClass:
        matches = np.argwhere(np.triu(classes[np.ix_(places, places)] == distance, 1))
        if matches.size:
            one, other = topology.core_os_index[places[matches[0]]].tolist()
            pairs[distance.name.lower()] = (one, other)
    return pairs


def _neighbours(topology: Topology, cpus: list[int]) -> tuple[int, int]:
    """Two CPUs near each other, but not siblings on one core if that can be helped."""
    pairs = distance_pairs(topology, cpus)
    names = [name for name in pairs if name != "same_core"] or list(pairs)
    return pairs[names[0]] if names else (cpus[0], cpus[1])


def _lay_latency(host: Host) -> None:
    """Lay the matrix over the topology, and sum it up by distance class."""
    if not any(host.samples.values()):
        return
    topology = host.topology
    matrix = latency_matrix(host.samples, topology.core_os_index.tolist())
    host.topology = overlay_latency_matrix(topology, matrix)
    place = {cpu: number for number, cpu in enumerate(topology.core_os_index.tolist())}
    classes = topology.distance_class_matrix()
    by_class: dict[int, list[float]] = {}
    for (one, other), values in host.samples.items():
        if one in place and other in place:
            by_class.setdefault(int(classes[place[one], place[other]]), []).extend(values)
    for number, values in sorted(by_class.items()):
        name = f"line_latency {DistanceClass(number).name.lower()}"
        host.others.append(spread_of(name, values, "ns", "half a compare-and-swap round trip"))
    note = latency_note(host.samples)
    if note:
        host.notes.append(note)


def machine_text() -> str:
    """This machine in a few words."""
    return f"{platform.system()} {platform.machine()}, {len(usable_cpus())} usable CPUs"
