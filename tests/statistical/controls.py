"""Control variates of a lane: what its random numbers brought, as deviations from known expectations.

Everything is drawn again from the lane's key, as sim/DESIGN.md §2 says, so nothing here depends on a policy.
"""

import numpy as np

import sim
from sim.class_times import scales_of
from sim.layout import step as T
from sim.plan import lane_key
from sim.programs import class_numbers

GOLDEN = np.uint64(0x9E3779B97F4A7C15)
MIX_A, MIX_B = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)
ARRIVALS, ARRIVING, STAGGER = 2, 3, 7
Controls = dict[str, np.ndarray]


def mix(key: np.ndarray | int, n: np.ndarray | int) -> np.ndarray:
    """Number n of the stream `key`, uint64; either may be an array."""
    with np.errstate(over="ignore"):
        z = np.asarray(key, np.uint64) + (np.asarray(n, np.uint64) + np.uint64(1)) * GOLDEN
        z = (z ^ (z >> np.uint64(30))) * MIX_A
        z = (z ^ (z >> np.uint64(27))) * MIX_B
    return z ^ (z >> np.uint64(31))


def uniform(bits: np.ndarray) -> np.ndarray:
    """Strictly between 0 and 1."""
    return ((bits >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def stream(seed: int, replicate: int, number: int) -> np.ndarray:
    """Key of a stream of a lane."""
    return mix(np.uint64(lane_key(seed, replicate) % 2**64), number)


def arrival_times_ns(key: np.ndarray, mean_ns: float, horizon_ns: int) -> np.ndarray:
    """Times of Poisson arrivals up to the horizon, from the key of the class's arrival stream."""
    expected = horizon_ns / mean_ns
    gaps = -np.log(uniform(mix(key, np.arange(int(expected + 10 * expected**0.5 + 50))))) * mean_ns
    times = np.cumsum(np.maximum(1, (gaps + 0.5).astype(np.int64)))
    if times[-1] <= horizon_ns:
        raise RuntimeError("fewer arrivals than the horizon may hold: ten standard deviations are not enough")
    return times[times <= horizon_ns]


def open_class_controls(
    topology: sim.Topology, workload: sim.Workload, kind: int, simulation: sim.Simulation, lane: sim.Lane
) -> tuple[float, float]:
    """Of a class of Poisson arrivals with an exponential first demand: arrivals and work above expectation.

    Both count what comes after the warm-up, as shares of what is expected there. Their expectations are 0 but
    for the rounding to whole ns and reductions.
    """
    draw = workload.classes[kind].program[0].draw
    if workload.classes[kind].arrival.kind != "poisson" or draw is None or draw.kind != "exponential":
        raise ValueError(f"{workload.classes[kind].name}: only Poisson arrivals of exponential demands")
    mean_ns = class_numbers(workload, scales_of(workload, lane.cost), kind, topology)[T.ARRIVAL_MEAN_NS]
    times = arrival_times_ns(
        mix(stream(lane.seed, lane.replicate, ARRIVALS), kind), mean_ns, simulation.horizon_ns
    )
    number = np.flatnonzero(times > simulation.warmup_ns)
    processes = mix(mix(stream(lane.seed, lane.replicate, ARRIVING), kind), number)
    demands = -np.log(uniform(mix(processes, 0)))
    expected = (simulation.horizon_ns - simulation.warmup_ns) / mean_ns
    return len(number) / expected - 1, float((demands - 1).sum()) / expected


def class_controls(
    topology: sim.Topology, workload: sim.Workload, simulation: sim.Simulation, lanes: list[sim.Lane]
) -> Controls:
    """Columns of controls (lane,) of every open class of a workload."""
    found: Controls = {}
    for kind, each in enumerate(workload.classes):
        if each.arrival.kind != "none":
            rows = [open_class_controls(topology, workload, kind, simulation, lane) for lane in lanes]
            names = (f"{each.name} arrivals", f"{each.name} work")
            found |= dict(zip(names, np.array(rows).T, strict=True))
    return found


def delays_ns(stagger_ns: int, copies: int, lane: sim.Lane) -> np.ndarray:
    """Delay of each copy of a replay."""
    bits = mix(stream(lane.seed, lane.replicate, STAGGER), np.arange(copies))
    return ((bits >> np.uint64(32)) * np.uint64(stagger_ns + 1) >> np.uint64(32)).astype(np.int64)


def replay_controls(stagger_ns: int, copies: int, lanes: list[sim.Lane]) -> Controls:
    """Of the delay of each copy, all that a replay draws: its mean as a share of the longest, less a half."""
    delays = [delays_ns(stagger_ns, copies, lane).mean() for lane in lanes]
    return {"delay": np.array(delays) / stagger_ns - 0.5}
