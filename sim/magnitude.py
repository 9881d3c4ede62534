"""Do the times of a batch fit into the kernel's integers?"""

import math
from collections.abc import Mapping
from types import MappingProxyType

from sim.spec.base import SpecError
from sim.spec.workload import LARGEST_DRAW, Distribution, Memory, Replay, Workload
from sim.topology.model import Topology

PRODUCT_MOST = 2**62  # reductions x (ns per reduction in Q20), with a bit to spare
NO_SCALES: Mapping[str, float] = MappingProxyType({})
EXPONENTIAL_MOST = 40.0  # times the mean: the largest draw from a 52-bit uniform is 36.7


def largest_draw(spec: Distribution) -> float:
    """A bound on the draws of a distribution, in its unit, at most LARGEST_DRAW."""
    mean, cv, shape = float(spec.mean or 0), float(spec.cv or 0), float(spec.shape or 1)
    if spec.values is not None:
        most = max(spec.values)
    elif spec.high is not None:
        most = spec.high
    elif spec.kind == "deterministic":
        most = mean
    elif spec.kind == "exponential":
        most = EXPONENTIAL_MOST * mean
    elif spec.kind == "weibull":
        most = mean / math.gamma(1 + 1 / shape) * EXPONENTIAL_MOST ** (1 / shape)
    elif spec.kind == "lognormal":
        most = mean * math.exp(9 * math.sqrt(math.log(1 + cv * cv)))
    else:
        # the slower of two balanced phases has mean / (2 (1 - p))
        p = (1 + math.sqrt((cv * cv - 1) / (cv * cv + 1))) / 2
        most = EXPONENTIAL_MOST * mean / (2 * (1 - p))
    return min(most, float(LARGEST_DRAW))


def largest_time(workload: Workload | Replay, scales: Mapping[str, float]) -> float:
    """Longest time of a reduction, of any process, over the workload's."""
    if isinstance(workload, Replay):
        slowest_ns: float = workload.trace.pace_ns().max()
        return slowest_ns / float(workload.trace.ns_per_reduction)
    return max(scales.get(kind.name, 1.0) for kind in workload.classes)


def check_magnitude(
    topology: Topology, workload: Workload | Replay, scales: Mapping[str, float] = NO_SCALES
) -> None:
    """Raise SpecError if a segment could last longer than int64 ns arithmetic can hold.

    Without a quantum a segment is as long as its demand; with one, the expected demand still has to fit,
    because the decision multiplies it.

    scales : time of a reduction by class, over the workload's
    """
    slowest = float(topology.core_speed.min())
    latency = topology.memory_latency_ns
    far = float(latency.max()) / max(1.0, float(latency.min()))
    if isinstance(workload, Replay):
        demands = [
            ("workload.trace", float(workload.trace.value.max()) / float(workload.trace.pace_ns().min()))
        ]
        per_reduction, memories = workload.trace.ns_per_reduction, [workload.memory]
    else:
        demands = [
            (f"workload.classes.{i}.program.{j}.draw", largest_draw(step.draw))
            for i, kind in enumerate(workload.classes)
            for j, step in enumerate(kind.program)
            if step.op == "run" and step.draw is not None
        ]
        per_reduction, memories = workload.ns_per_reduction, [kind.memory for kind in workload.classes]
    slow = largest_time(workload, scales)
    each_q20 = per_reduction / slowest * stretch_most(memories, far) * 2**20
    if each_q20 * slow * 65536 > PRODUCT_MOST:
        raise SpecError(
            "cost.class_times" if scales else "workload.trace",
            f"{slow:.3g} times the usual {each_q20 / 2**20:.3g} ns a reduction",
            f"at most {PRODUCT_MOST / each_q20 / 65536:.3g} times here",
            "bring the times of the classes nearer to each other",
        )
    each_q20 *= slow
    for where, most in demands:
        if most * each_q20 > PRODUCT_MOST:
            raise SpecError(
                where,
                f"up to {most:.3g} reductions of {each_q20 / 2**20:.3g} ns",
                f"at most {PRODUCT_MOST / each_q20:.3g} reductions here",
                "shorten the demand or lower ns_per_reduction",
            )


def stretch_most(memories: list[Memory], far: float) -> float:
    """How much remote memory can stretch work."""
    return 1 + max(memory.intensity for memory in memories) * max(0.0, far - 1)
