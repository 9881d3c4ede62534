"""How long a reduction of each class takes: the cost model's times over the workload's (DESIGN §20)."""

import dataclasses

from sim.spec.cost import Cost
from sim.spec.workload import Workload


def with_times(workload: Workload, cost: Cost) -> Workload:
    """The workload with the time of a reduction that the cost model gives, if it gives one."""
    if cost.ns_per_reduction is None:
        return workload
    return dataclasses.replace(workload, ns_per_reduction=cost.ns_per_reduction)


def scales_of(workload: Workload, cost: Cost) -> dict[str, float]:
    """Time of a reduction by class, relative to the workload's; 1 for classes that are not named."""
    times = {time.process_class: time.ns_per_reduction for time in cost.class_times}
    base = workload.ns_per_reduction
    return {kind.name: times.get(kind.name, base) / base for kind in workload.classes}
