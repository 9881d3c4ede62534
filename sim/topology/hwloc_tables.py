"""The tables beside the tree in an hwloc document: distances, kinds of core, memory attributes."""

import math

from sim.topology.columns import DISTANCE_MAX, LATENCY_NS_MAX, NODES_MAX
from sim.topology.errors import TopologyError
from sim.topology.hwloc_read import read_infos
from sim.topology.hwloc_tree import (
    HwlocCpuKind,
    HwlocDistances,
    HwlocMemoryValue,
    HwlocObject,
)
from sim.topology.hwloc_values import U64_MAX, read_bitmap, read_integer, read_numbers
from sim.topology.hwloc_xml import Element

MATRICES_MAX = 64
CPUKINDS_MAX = 64
KIND_FROM_SYSTEM_LATENCY = 5
MEMORY_ATTRIBUTES = ("Bandwidth", "Latency")
MEMORY_VALUES_MAX = 65536
INTEL_CORE_TYPES = {"IntelAtom": 0, "IntelCore": 1}


def read_distances(document: Element, root: HwlocObject) -> tuple[HwlocDistances, ...]:
    """Read the distance matrices of formats 2.x and 3.x.

    Matrices between objects of several types are left out: none of them is about nodes.

    Parameters
    ----------
    document : Element, the topology element
    root     : HwlocObject, to translate hwloc's own indexes

    Returns
    -------
    tuple of HwlocDistances, rows and columns by increasing OS index

    Raises
    ------
    TopologyError on a wrong size, an unknown or repeated object
    """
    elements = [child for child in document.children if child.tag == "distances2"]
    if len(elements) > MATRICES_MAX:
        raise TopologyError(elements[-1].where, len(elements), f"at most {MATRICES_MAX} matrices")
    return tuple(_read_matrix(element, root) for element in elements)


def _read_matrix(element: Element, root: HwlocObject) -> HwlocDistances:
    size = read_integer(element, "nbobjs", low=1, high=NODES_MAX)
    if size is None:
        raise TopologyError(f"{element.where}, nbobjs", None, f"1 to {NODES_MAX}")
    object_type = element.attributes.get("type", "")
    indexes = read_numbers(element, "indexes", size)
    values = read_numbers(element, "u64values", size * size)
    items = [item for item in root.walk() if item.type == object_type]
    if element.attributes.get("indexing", "os") == "gp":
        os_index_of = {item.gp_index or 0: item.os_index for item in items}
    else:
        os_index_of = {item.os_index: item.os_index for item in items}
    if object_type == "NUMANode":
        for index in indexes:
            if index not in os_index_of:
                raise TopologyError(f"{element.where}, indexes", index, "indexes of NUMANodes")
        indexes = [os_index_of[index] for index in indexes]
        if max(values) > DISTANCE_MAX:
            allowed = f"distances up to {DISTANCE_MAX}"
            raise TopologyError(f"{element.where}, u64values", max(values), allowed)
    rows = [values[row * size : (row + 1) * size] for row in range(size)]
    return _sorted_matrix(
        element, element.attributes.get("name"), object_type, indexes, rows,
        kind=read_integer(element, "kind", high=U64_MAX, default=0),
    )  # fmt: skip


def _sorted_matrix(
    element: Element,
    name: str | None,
    object_type: str,
    indexes: list[int],
    rows: list[list[int]],
    *,
    kind: int,
) -> HwlocDistances:
    if len(set(indexes)) != len(indexes):
        raise TopologyError(f"{element.where}, indexes", indexes, "each object once")
    order = sorted(range(len(indexes)), key=indexes.__getitem__)
    return HwlocDistances(
        name=name,
        kind=kind,
        object_type=object_type,
        indexes=tuple(indexes[place] for place in order),
        rows=tuple(tuple(rows[i][j] for j in order) for i in order),
    )


def read_distances_1(machine: Element) -> tuple[HwlocDistances, ...]:
    """Read the distance matrices of format 1.x, which stand below any object.

    Their objects are found by depth below that object, in document order.

    Parameters
    ----------
    machine : Element, the root object

    Returns
    -------
    tuple of HwlocDistances

    Raises
    ------
    TopologyError on a wrong size, or a value that is not a number
    """
    matrices = []
    pending = [machine]
    while pending:
        item = pending.pop()
        for child in item.children:
            if child.tag == "object":
                pending.append(child)
            elif child.tag == "distances":
                matrices.append(_read_matrix_1(child, item))
                if len(matrices) > MATRICES_MAX:
                    raise TopologyError(child.where, len(matrices), f"at most {MATRICES_MAX}")
    return tuple(matrices)


def _read_matrix_1(element: Element, parent: Element) -> HwlocDistances:
    size = read_integer(element, "nbobjs", low=1, high=NODES_MAX)
    depth = read_integer(element, "relative_depth", high=64)
    base = _read_number(element, element.attributes.get("latency_base", "1"), "latency_base")
    texts = [child.attributes.get("value", "") for child in element.children if child.tag == "latency"]
    if size is None or depth is None or len(texts) != size * size:
        found = f"{len(texts)} values for {size} objects"
        raise TopologyError(element.where, found, "nbobjs, relative_depth, nbobjs^2 latencies")
    row = [parent]
    for _ in range(depth):
        row = [part for item in row for part in item.children if part.tag == "object"]
    object_type = row[0].attributes.get("type", "") if row else ""
    indexes = [read_integer(item, "os_index", low=-1, high=2**32 - 1, default=-1) for item in row]
    if len(indexes) != size:
        raise TopologyError(f"{element.where}, nbobjs", size, f"{len(indexes)}, as in the tree")
    numbers = [round(base * _read_number(element, text, "latency")) for text in texts]
    rows = [numbers[place * size : (place + 1) * size] for place in range(size)]
    return _sorted_matrix(element, None, object_type, indexes, rows, kind=KIND_FROM_SYSTEM_LATENCY)


def _read_number(element: Element, text: str, name: str) -> float:
    try:
        number = float(text) if len(text) <= 64 else math.nan
    except ValueError:
        number = math.nan
    if not 0 <= number <= DISTANCE_MAX:
        raise TopologyError(f"{element.where}, {name}", text, f"a number 0 to {DISTANCE_MAX}")
    return number


def read_cpukinds(document: Element) -> tuple[HwlocCpuKind, ...]:
    """Read the kinds of core, ranked as hwloc ranks them by default.

    The first of these that is known of every kind and differs between kinds ranks them: the
    efficiency forced in the file, the capacity Linux gives, Intel's core type, the highest
    frequency, the base frequency. A single kind has rank 0; kinds that nothing ranks have -1.

    Parameters
    ----------
    document : Element, the topology element

    Returns
    -------
    tuple of HwlocCpuKind, by increasing rank

    Raises
    ------
    TopologyError on a kind without a set, or sets that overlap
    """
    elements = [child for child in document.children if child.tag == "cpukind"]
    if len(elements) > CPUKINDS_MAX:
        raise TopologyError(elements[-1].where, len(elements), f"at most {CPUKINDS_MAX} cpukinds")
    cpusets, infos, forced, taken = [], [], [], 0
    for element in elements:
        cpuset = read_bitmap(element, "cpuset")
        if cpuset is None or cpuset < 0 or cpuset & taken:
            text = element.attributes.get("cpuset")
            raise TopologyError(f"{element.where}, cpuset", text, "a finite set of its own")
        taken |= cpuset
        cpusets.append(cpuset)
        infos.append(read_infos(element))
        forced.append(read_integer(element, "forced_efficiency", low=-1, high=2**31, default=-1))
    ranks = _rank_kinds(forced, infos)
    kinds = [HwlocCpuKind(*parts) for parts in zip(cpusets, ranks, infos, strict=True)]
    return tuple(sorted(kinds, key=lambda kind: kind.efficiency))


def _rank_kinds(forced: list[int], infos: list[dict[str, str]]) -> list[int]:
    if len(infos) <= 1:
        return [0] * len(infos)
    core_types = [INTEL_CORE_TYPES.get(info.get("CoreType", ""), -1) for info in infos]
    capacities, max_clocks, base_clocks = (
        [info_integer(info, name) for info in infos]
        for name in ("LinuxCapacity", "FrequencyMaxMHz", "FrequencyBaseMHz")
    )
    candidates = [forced, capacities, core_types, max_clocks, base_clocks]
    for values in candidates:
        if min(values) >= 0 and len(set(values)) == len(values):
            return [sorted(values).index(value) for value in values]
    return [-1] * len(infos)


def info_integer(infos: dict[str, str], name: str) -> int:
    """Read a number from a pair of name and value.

    Parameters
    ----------
    infos : dict of str to str
    name  : str

    Returns
    -------
    int, or -1 if it is missing or no number up to 9 digits
    """
    text = infos.get(name, "")
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 9 else -1


def read_memory_values(document: Element, root: HwlocObject) -> tuple[HwlocMemoryValue, ...]:
    """Read bandwidths and latencies of nodes, which firmware with an HMAT table gives.

    Parameters
    ----------
    document : Element, the topology element
    root     : HwlocObject, to translate hwloc's own indexes

    Returns
    -------
    tuple of HwlocMemoryValue; values of other attributes or of other objects are left out

    Raises
    ------
    TopologyError on a value out of range
    """
    nodes = {item.gp_index: item.os_index for item in root.walk() if item.type == "NUMANode"}
    values: list[HwlocMemoryValue] = []
    for attribute in document.children:
        name = attribute.attributes.get("name")
        if attribute.tag != "memattr" or name not in MEMORY_ATTRIBUTES:
            continue
        high = LATENCY_NS_MAX if name == "Latency" else 10**9
        for child in attribute.children:
            if child.tag != "memattr_value" or len(values) >= MEMORY_VALUES_MAX:
                continue
            node = nodes.get(read_integer(child, "target_obj_gp_index", high=U64_MAX))
            value = read_integer(child, "value", low=0, high=high)
            initiator = read_bitmap(child, "initiator_cpuset")
            if node is not None and value:
                initiator = -1 if initiator is None else initiator
                values.append(HwlocMemoryValue(name, node, initiator, value))
    return tuple(values)
