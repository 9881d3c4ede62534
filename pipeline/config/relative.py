"""+S relative to the machine: `all`, `cores` and `half` as numbers of schedulers.

The emulator's own flag takes numbers, which suit one machine only; a study over machines needs words.
"""

from collections.abc import Mapping
from typing import Any

import sim
from pipeline.config.build import build_topology
from pipeline.config.schema_errors import load_section

SCHEDULERS_KEY = "policy.erts.S"
# all: one a hardware thread; cores: one a physical core; half: one for every other hardware thread.
RELATIVE = ("all", "cores", "half")


def schedulers_text(word: str, topology: Any, schedulers: int | None) -> str | None:
    """+S for one of RELATIVE on a machine; None where that is what it has without +S.

    Parameters
    ----------
    topology   : validated section
    schedulers : what the group `binding` says; None = one a hardware thread
    """
    machine: sim.Topology = build_topology(topology)
    counts = {
        "all": machine.num_cores,
        "cores": machine.num_physical_cores,
        "half": max(1, machine.num_cores // 2),
    }
    return None if counts[word] == (schedulers or machine.num_cores) else str(counts[word])


def resolve_schedulers(plain: Mapping[str, Any]) -> str | None:
    """Replace +S in composed data by a number where it is relative; gives what was written, else None."""
    policy = plain.get("policy")
    erts = policy.get("erts") if isinstance(policy, Mapping) else None
    word = erts.get("S") if isinstance(erts, dict) else None
    if not isinstance(word, str) or word not in RELATIVE or not isinstance(erts, dict):
        return None
    topology = load_section("topology", plain.get("topology") or {})
    binding = load_section("binding", plain.get("binding") or {})
    erts["S"] = schedulers_text(word, topology, binding.schedulers)
    return word
