"""On which hardware core each scheduler stands at first (DESIGN §12)."""

from dataclasses import replace

from sim.topology.beam_convert import beam_of
from sim.topology.bind_order import bind_order


def binding_of(policy, binding):
    """Give the binding of a lane; the flags of an erts policy come first (DESIGN §20)."""
    rule = policy.erts
    if not rule.enabled:
        return binding
    if rule.S is not None:
        binding = replace(binding, schedulers=rule.schedulers()[0])
    if rule.sbt is not None:
        changes = {"mode": "none"} if rule.sbt == "u" else {"mode": "static", "order": rule.sbt}
        binding = replace(binding, **changes)
    return binding


def initial_map(binding, topology, machine) -> list[tuple[int, bool]]:
    """Give each scheduler its hardware core, and whether it is pinned there."""
    places = machine.num_cores
    n = binding.schedulers or places
    match binding.mode:
        case "static":
            order = static_order(binding.order, topology)
            return [(order[c % places], c < places) for c in range(n)]
        case "hybrid":
            return hybrid_map(binding, machine, n)
    return [(c % places, False) for c in range(n)]


def static_order(order: str, topology) -> list[int]:
    """List the hardware cores in the order of a bind type."""
    if order == "cores":
        return list(range(topology.num_cores))
    core_of = {int(logical): core for core, logical in enumerate(topology.core_os_index)}
    return [core_of[logical] for logical in bind_order(beam_of(topology), order)]


def hybrid_map(binding, machine, n: int) -> list[tuple[int, bool]]:
    """Pin scheduler 0, then some on P cores and some on E cores; the rest is not pinned."""
    others = range(1, machine.num_cores)
    fast = [core for core in others if not machine.is_efficient(core)]
    slow = [core for core in others if machine.is_efficient(core)]
    pinned = [0, *fast[: binding.performance], *slow[: binding.efficiency]][:n]
    empty = [core for core in range(machine.num_cores) if core not in pinned]
    places = [(core, True) for core in pinned]
    for i in range(n - len(pinned)):
        again = (i - len(empty)) % machine.num_cores
        places.append((empty[i] if i < len(empty) else again, False))
    return places
