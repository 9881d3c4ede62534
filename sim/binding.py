"""A binding to the hardware core of each scheduler at the start (DESIGN §12)."""

import dataclasses

import numpy as np

from sim.spec.binding import Binding
from sim.spec.policy import Policy
from sim.topology.beam_convert import beam_of
from sim.topology.bind_order import bind_order
from sim.topology.model import Topology


def binding_of(policy: Policy, binding: Binding) -> Binding:
    """The binding of a lane: an erts lane's flags `sbt` and `S` go before the binding group (DESIGN §20)."""
    flags = policy.erts
    if not flags.enabled:
        return binding
    if flags.sbt == "u":
        binding = dataclasses.replace(binding, mode="none")
    elif flags.sbt is not None:
        binding = dataclasses.replace(binding, mode="static", order=flags.sbt)
    count = flags.schedulers()
    return binding if count is None else dataclasses.replace(binding, schedulers=count[0])


def is_efficiency(topology: Topology) -> np.ndarray:
    """Which cores are E cores: those whose type's name begins with E; bool (core,)."""
    kinds = np.array([name.startswith("E") for name in topology.core_type_names])
    return np.asarray(kinds[topology.core_type])


def schedulers_of(binding: Binding, topology: Topology) -> int:
    """Number of schedulers."""
    return binding.schedulers or topology.num_cores


def order_of(binding: Binding, topology: Topology) -> list[int]:
    """Hardware cores in the order of the bind type."""
    if binding.order == "cores":
        return list(range(topology.num_cores))
    index = {int(os_index): h for h, os_index in enumerate(topology.core_os_index)}
    return [index[logical] for logical in bind_order(beam_of(topology), binding.order)]


def hybrid_cores(binding: Binding, topology: Topology) -> list[int]:
    """Hardware cores that hybrid binding pins schedulers to, in order."""
    slow = is_efficiency(topology)
    fast_ones = [h for h in range(1, topology.num_cores) if not slow[h]]
    slow_ones = [h for h in range(1, topology.num_cores) if slow[h]]
    fast_ones = fast_ones[: len(fast_ones) if binding.performance is None else binding.performance]
    slow_ones = slow_ones[: len(slow_ones) if binding.efficiency is None else binding.efficiency]
    return [0, *fast_ones, *slow_ones]


def binding_map(binding: Binding, topology: Topology) -> np.ndarray:
    """Where each scheduler begins, and whether it is pinned there: int64 (scheduler, 2).

    Source: erts-scheduler §12.3 and §12.4 for bind types (OTP: erl_cpu_topology.c); hybrid is ours.
    """
    n, count = schedulers_of(binding, topology), topology.num_cores
    pinned: list[int] = []
    free = list(range(count))
    if binding.mode == "static":
        pinned = free = order_of(binding, topology)
    elif binding.mode == "hybrid":
        pinned = hybrid_cores(binding, topology)
        left = [h for h in range(count) if h not in set(pinned)]
        free = [*left, *range(count)]
    rows = [(h, 1) for h in pinned[:n]]
    beyond = n - len(rows)
    if binding.mode == "hybrid":
        rows += [(h, 0) for h in [*free[: len(free) - count], *(h % count for h in range(beyond))][:beyond]]
    else:
        rows += [(free[k % count], 0) for k in range(beyond)]
    return np.array(rows, np.int64)
