"""Affinity masks: the text form of a set of cores, and its words."""

import re

import numpy as np

from sim.spec.base import SpecError
from sim.topology.model import Topology

ITEM = re.compile(r"^(\d{1,5})(?:-(\d{1,5}))?$")
GROUP = re.compile(r"^(type|node|cluster|package):(.{1,40})$")
ALLOWED = 'a list such as "0-3,8", "type:P", "node:0", "cluster:2" or "package:1"'


def all_cores(topology: Topology) -> np.ndarray:
    """The set of every core, uint64 (word,)."""
    return words_of(np.ones(topology.num_cores, bool))


def words_of(chosen: np.ndarray) -> np.ndarray:
    """A boolean per core to uint64 words, core 0 in the lowest bit of the first."""
    words = np.zeros((chosen.shape[0] + 63) // 64, np.uint64)
    for core in np.flatnonzero(chosen):
        words[core >> 6] |= np.uint64(1) << np.uint64(core & 63)
    return words


def group_of(topology: Topology, kind: str, name: str, where: str, lenient: bool) -> np.ndarray:
    """The cores of a type, node, cluster or package, bool (core,); none at all if `lenient` and unknown."""
    nothing = np.zeros(topology.num_cores, bool)
    if kind == "type":
        if name not in topology.core_type_names:
            if lenient:
                return nothing
            raise SpecError(where, f"type:{name}", "type: one of " + ", ".join(topology.core_type_names))
        return np.asarray(topology.core_type == topology.core_type_names.index(name))
    ids = {"node": topology.core_node, "cluster": topology.core_cluster, "package": topology.core_package}[
        kind
    ]
    if not name.isdigit() or int(name) > int(ids.max()):
        if lenient and name.isdigit():
            return nothing
        raise SpecError(where, f"{kind}:{name}", f"{kind}: 0 to {int(ids.max())}")
    return np.asarray(ids == int(name))


def chosen_cores(topology: Topology, text: str, where: str, *, lenient: bool = False) -> np.ndarray:
    """The cores that `text` names on this machine, bool (core,); perhaps none.

    `lenient` leaves out what this machine does not have, for masks that are checked at run time.

    Raises
    ------
    SpecError for a text that cannot be read, and, unless lenient, for cores beyond the machine: a policy
    that was meant for them would silently change its meaning
    """
    chosen = np.zeros(topology.num_cores, bool)
    if not isinstance(text, str) or len(text) > 10_000:
        raise SpecError(where, text, ALLOWED)
    for item in (part.strip() for part in text.split(",")):
        group, span = GROUP.match(item), ITEM.match(item)
        if group:
            chosen |= group_of(topology, group[1], group[2], where, lenient)
        elif span:
            first, last = int(span[1]), int(span[2] or span[1])
            if first > last or (last >= topology.num_cores and not lenient):
                raise SpecError(
                    where,
                    text,
                    f"cores 0 to {topology.num_cores - 1} of this machine ({topology.name}), rising",
                )
            chosen[first : last + 1] = True
        else:
            raise SpecError(where, text, ALLOWED)
    return chosen


def mask_words(topology: Topology, text: str, where: str, *, lenient: bool = False) -> np.ndarray:
    """Words of the mask that `text` describes on this machine, uint64 (word,).

    Raises
    ------
    SpecError as chosen_cores; and, unless lenient, for a mask without a core
    """
    chosen = chosen_cores(topology, text, where, lenient=lenient)
    if not chosen.any() and not lenient:
        raise SpecError(
            where, text, "a mask with at least one core of this machine", "name a core, type or node it has"
        )
    return words_of(chosen)
