"""From XML elements to the checked tree of hwloc objects, in formats 1.x, 2.x and 3.x."""

from dataclasses import replace

from sim.topology.columns import CORES_MAX, NODES_MAX, SIZE_BYTES_MAX
from sim.topology.errors import TopologyError
from sim.topology.hwloc_tree import NO_OS_INDEX, HwlocObject
from sim.topology.hwloc_values import U64_MAX, format_bits, read_bitmap, read_integer
from sim.topology.hwloc_xml import Element
from sim.topology.quantities import CPU_INDEX_MAX

CPU_TYPES = {"Machine", "Package", "Die", "Group", "Core", "PU"}
CACHE_TYPES = {f"L{level}Cache" for level in range(1, 6)} | {f"L{n}iCache" for n in range(1, 4)}
MEMORY_TYPES = {"NUMANode", "MemCache"}
IGNORED_TYPES = {"Bridge", "PCIDev", "OSDev", "Misc"}
RENAMED_TYPES = {"Socket": "Package", "System": "Machine"}
CACHE_KINDS = ("unified", "data", "instruction")
UNKNOWN_INDEX = 2**32 - 1
INFOS_MAX = 256
INFO_LENGTH_MAX = 1024


def read_objects(element: Element, *, is_version_1: bool) -> HwlocObject:
    """Turn the root object of a document into a tree, and check it against itself.

    I/O devices and Misc objects are left out: they do not say where a process can run.
    Format 1.x puts NUMA nodes among the CPU objects; they become memory children here, below
    a Group where no object has the same CPUs, as hwloc 2 does when it reads such a file.

    Parameters
    ----------
    element      : Element, the Machine object
    is_version_1 : bool, the document has format 1.x

    Returns
    -------
    HwlocObject, the root

    Raises
    ------
    TopologyError on an unknown type, a value out of range, or a contradiction
    """
    root = _read_object(element, is_version_1)
    if root is None or root.type != "Machine":
        raise TopologyError(element.where, element.attributes.get("type"), "a Machine object")
    if is_version_1:
        root = _with_memory_node(_lift_nodes(root), element)
    _check_subsets(root)
    _check_pus(root)
    _check_nodes(root)
    return root


def _read_object(element: Element, is_version_1: bool) -> HwlocObject | None:
    kind, cache = _read_type(element)
    if kind in IGNORED_TYPES:
        return None
    os_index = read_integer(element, "os_index", low=-1, high=UNKNOWN_INDEX, default=NO_OS_INDEX)
    found = (_read_object(child, is_version_1) for child in element.children if child.tag == "object")
    parts = [part for part in found if part is not None]
    is_memory = MEMORY_TYPES if not is_version_1 else {"MemCache"}
    cpuset = _read_cpuset(element)
    complete_cpuset = read_bitmap(element, "complete_cpuset")
    return HwlocObject(
        type=kind,
        os_index=NO_OS_INDEX if os_index == UNKNOWN_INDEX else os_index,
        cpuset=cpuset,
        where=element.where,
        complete_cpuset=cpuset if complete_cpuset is None else complete_cpuset,
        gp_index=read_integer(element, "gp_index", high=U64_MAX),
        memory_bytes=read_integer(element, "local_memory", high=SIZE_BYTES_MAX),
        cache_level=cache[0],
        cache_kind=cache[1],
        cache_bytes=read_integer(element, "cache_size", high=SIZE_BYTES_MAX, default=0),
        line_bytes=_read_line_bytes(element),
        group_kind=(
            read_integer(element, "kind", high=U64_MAX, default=0),
            read_integer(element, "subkind", high=U64_MAX, default=0),
        ),
        infos=read_infos(element),
        children=tuple(part for part in parts if part.type not in is_memory),
        memory_children=tuple(part for part in parts if part.type in is_memory),
    )


def _read_type(element: Element) -> tuple[str, tuple[int, str]]:
    """Give the type by its hwloc 2 name, and the level and kind of a cache."""
    kind = element.attributes.get("type", "")
    kind = RENAMED_TYPES.get(kind, kind)
    no_cache = (0, "")
    if kind in CPU_TYPES | MEMORY_TYPES | IGNORED_TYPES:
        return kind, no_cache
    if kind == "Cache":
        level = read_integer(element, "depth", low=1, high=5, default=1)
        cache_kind = CACHE_KINDS[read_integer(element, "cache_type", high=2, default=0)]
        return f"L{level}{'i' if cache_kind == 'instruction' else ''}Cache", (level, cache_kind)
    if kind in CACHE_TYPES:
        is_instruction = kind[2] == "i"
        number = read_integer(element, "cache_type", high=2, default=2 if is_instruction else 0)
        return kind, (int(kind[1]), "instruction" if is_instruction else CACHE_KINDS[number])
    allowed = ", ".join(sorted(CPU_TYPES | CACHE_TYPES | MEMORY_TYPES | IGNORED_TYPES))
    raise TopologyError(f"{element.where}, type", kind, allowed)


def _read_cpuset(element: Element) -> int:
    cpuset = read_bitmap(element, "cpuset")
    if cpuset is None or cpuset < 0:
        text = element.attributes.get("cpuset")
        raise TopologyError(f"{element.where}, cpuset", text, "a finite bitmap")
    return cpuset


def _read_line_bytes(element: Element) -> int:
    line_bytes: int = read_integer(element, "cache_linesize", high=2**31, default=0)
    # Memory-side caches and firmware bugs give odd line sizes; unknown is truer than those.
    is_plausible = 0 < line_bytes <= 4096 and line_bytes & (line_bytes - 1) == 0
    return line_bytes if is_plausible else 0


def read_infos(element: Element) -> dict[str, str]:
    """Read the name and value pairs below an element, a bounded number of bounded length.

    Parameters
    ----------
    element : Element

    Returns
    -------
    dict of str to str; the first pair of a name counts
    """
    infos: dict[str, str] = {}
    for child in element.children:
        name, value = child.attributes.get("name"), child.attributes.get("value")
        if child.tag != "info" or name is None or value is None:
            continue
        if len(infos) < INFOS_MAX:
            infos.setdefault(name[:INFO_LENGTH_MAX], value[:INFO_LENGTH_MAX])
    return infos


def _lift_nodes(item: HwlocObject) -> HwlocObject:
    """Turn the NUMA nodes of format 1.x from parents into memory children."""
    children: list[HwlocObject] = []
    memory_children = list(item.memory_children)
    for child in map(_lift_nodes, item.children):
        if child.type != "NUMANode":
            children.append(child)
            continue
        node = replace(child, children=(), memory_children=())
        inner = child.children
        if not child.cpuset or child.cpuset == item.cpuset:
            memory_children.append(node)
            children.extend(inner)
        elif len(inner) == 1 and inner[0].cpuset == child.cpuset:
            children.append(replace(inner[0], memory_children=(node, *inner[0].memory_children)))
        else:
            children.append(
                replace(child, type="Group", os_index=NO_OS_INDEX, memory_bytes=None,
                        memory_children=(node, *child.memory_children))
            )  # fmt: skip
    return replace(item, children=tuple(children), memory_children=tuple(memory_children))


def _with_memory_node(root: HwlocObject, element: Element) -> HwlocObject:
    """Add the one node that format 1.x leaves out on machines without NUMA."""
    if any(item.type == "NUMANode" for item in root.walk()):
        return root
    memory = read_integer(element, "local_memory", high=SIZE_BYTES_MAX)
    node = HwlocObject(
        type="NUMANode",
        os_index=0,
        cpuset=root.cpuset,
        where=root.where,
        complete_cpuset=root.complete_cpuset,
        memory_bytes=memory,
    )
    return replace(root, memory_children=(node, *root.memory_children))


def _check_subsets(item: HwlocObject) -> None:
    """No child has a CPU that its parent or a sibling before it does not leave it."""
    taken = 0
    for child in (*item.memory_children, *item.children):
        if child.cpuset & ~item.cpuset:
            _refuse_set(child, child.cpuset & ~item.cpuset, f"inside its parent {item.type}")
        if child.type not in MEMORY_TYPES:
            if child.cpuset & taken:
                _refuse_set(child, child.cpuset & taken, "apart from its siblings' sets")
            taken |= child.cpuset
        _check_subsets(child)
    if item.cpuset & ~item.complete_cpuset:
        _refuse_set(item, item.cpuset & ~item.complete_cpuset, "inside its complete_cpuset")


def _refuse_set(item: HwlocObject, bits: int, rule: str) -> None:
    allowed = f"a set {rule}; CPUs {format_bits(bits)} contradict this"
    raise TopologyError(f"{item.where}, cpuset", format_bits(item.cpuset), allowed)


def _check_pus(root: HwlocObject) -> None:
    pus = [item for item in root.walk() if item.type == "PU"]
    if not 1 <= len(pus) <= CORES_MAX:
        raise TopologyError(f"{root.where}: PU objects", len(pus), f"1 to {CORES_MAX}")
    seen: set[int] = set()
    for pu in pus:
        if not 0 <= pu.os_index <= CPU_INDEX_MAX:
            raise TopologyError(f"{pu.where}, os_index", pu.os_index, f"0 to {CPU_INDEX_MAX}")
        if pu.os_index in seen:
            raise TopologyError(f"{pu.where}, os_index", pu.os_index, "an index used by one PU")
        if pu.cpuset != 1 << pu.os_index:
            allowed = f"the set of PU {pu.os_index} alone"
            raise TopologyError(f"{pu.where}, cpuset", format_bits(pu.cpuset), allowed)
        if pu.children:
            raise TopologyError(pu.where, pu.children[0].type, "no object below a PU")
        seen.add(pu.os_index)


def _check_nodes(root: HwlocObject) -> None:
    nodes = [item for item in root.walk() if item.type == "NUMANode"]
    if len(nodes) > NODES_MAX:
        raise TopologyError(f"{root.where}: NUMANode objects", len(nodes), f"at most {NODES_MAX}")
    seen: set[int] = set()
    for node in nodes:
        if not 0 <= node.os_index <= CPU_INDEX_MAX:
            raise TopologyError(f"{node.where}, os_index", node.os_index, f"0 to {CPU_INDEX_MAX}")
        if node.os_index in seen:
            allowed = "an index used by one NUMANode"
            raise TopologyError(f"{node.where}, os_index", node.os_index, allowed)
        seen.add(node.os_index)
