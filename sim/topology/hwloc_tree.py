"""The objects of an hwloc document and the questions hwloc's own tools answer about them."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from sim.topology.hwloc_values import bits_to_indexes

CACHE_KIND_LETTERS = {"unified": "", "data": "d", "instruction": "i"}
NO_OS_INDEX = -1
COUNTED_TYPES = {
    "pu": "PU",
    "core": "Core",
    "package": "Package",
    "die": "Die",
    "numanode": "NUMANode",
    "l1d": "L1Cache",
    "l1i": "L1iCache",
    "l2": "L2Cache",
    "l2i": "L2iCache",
    "l3": "L3Cache",
    "l4": "L4Cache",
    "memcache": "MemCache",
    "group": "Group",
}


LevelKey = tuple[str, str, tuple[int, int] | None]


@dataclass(frozen=True, eq=False)
class HwlocObject:
    """One object of the tree. Sets are integers with one bit for each OS index."""

    type: str  # as hwloc 2 names it: Machine, Package, L2Cache, Core, PU, NUMANode ...
    os_index: int  # NO_OS_INDEX if it has none; PUs and NUMANodes always have one
    cpuset: int
    where: str  # element and line, for error messages
    complete_cpuset: int = 0  # also offline and unknown CPUs
    gp_index: int | None = None
    memory_bytes: int | None = None  # of a NUMANode; None = not in the file
    cache_level: int = 0
    cache_kind: str = ""  # data, unified or instruction
    cache_bytes: int = 0
    line_bytes: int = 0
    group_kind: tuple[int, int] = (0, 0)  # kind and subkind: Groups of one level share them
    infos: dict[str, str] = field(default_factory=dict)
    children: tuple["HwlocObject", ...] = ()  # by CPUs, from left to right
    memory_children: tuple["HwlocObject", ...] = ()  # NUMANodes and memory-side caches

    @property
    def level_key(self) -> "LevelKey":
        """Give what two objects of one level have in common."""
        return (self.type, self.cache_kind, self.group_kind if self.type == "Group" else None)

    def walk(self) -> Iterator["HwlocObject"]:
        """Yield this object and all below it, memory first, then from left to right."""
        yield self
        for child in (*self.memory_children, *self.children):
            yield from child.walk()


@dataclass(frozen=True)
class HwlocDistances:
    """A matrix of distances between objects of one type."""

    name: str | None
    kind: int  # hwloc's flags: 1 from the system, 2 from the user, 4 latency, 8 bandwidth
    object_type: str
    indexes: tuple[int, ...]  # OS indexes, increasing
    rows: tuple[tuple[int, ...], ...]

    @property
    def means_latency(self) -> bool:
        """Tell whether larger values mean farther."""
        return bool(self.kind & 4)


@dataclass(frozen=True)
class HwlocCpuKind:
    """A kind of core."""

    cpuset: int
    efficiency: int  # rank, higher is faster and less efficient; -1 = unknown
    infos: dict[str, str]


@dataclass(frozen=True)
class HwlocMemoryValue:
    """A bandwidth (MiB/s) or latency (ns) of a node, seen from some CPUs."""

    attribute: str  # Bandwidth or Latency
    node_os_index: int
    initiator_cpuset: int  # -1 = any CPU
    value: int


@dataclass(frozen=True)
class HwlocTree:
    """All that a document says, before anything is assumed or left out."""

    source: str
    version: str  # 1.x, 2.0, 3.0 ...
    root: HwlocObject
    allowed_cpuset: int
    allowed_nodeset: int
    distances: tuple[HwlocDistances, ...]
    cpukinds: tuple[HwlocCpuKind, ...]  # by increasing efficiency
    memory_values: tuple[HwlocMemoryValue, ...]

    @property
    def cpuset(self) -> int:
        """Give the CPUs present."""
        return self.root.cpuset

    @property
    def complete_cpuset(self) -> int:
        """Give the CPUs present, offline, or unknown."""
        return self.root.complete_cpuset

    def objects(self, object_type: str) -> list[HwlocObject]:
        """List the objects of one type, from left to right.

        Parameters
        ----------
        object_type : str, as hwloc 2 names it

        Returns
        -------
        list of HwlocObject
        """
        return [item for item in self.root.walk() if item.type == object_type]

    def numanodes(self) -> list[HwlocObject]:
        """List the NUMA nodes by OS index."""
        return sorted(self.objects("NUMANode"), key=lambda node: node.os_index)

    def counts(self) -> dict[str, int]:
        """Count the objects of each type, disallowed ones included (keys of COUNTED_TYPES)."""
        return {name: len(self.objects(kind)) for name, kind in COUNTED_TYPES.items()}

    def allowed_counts(self) -> dict[str, int]:
        """Count the objects that keep an allowed CPU, and the allowed NUMA nodes."""
        counts = {}
        for name in ("pu", "core", "package"):
            objects = self.objects(COUNTED_TYPES[name])
            counts[name] = sum(bool(item.cpuset & self.allowed_cpuset) for item in objects)
        nodes = self.objects("NUMANode")
        counts["numanode"] = sum(bool(self.allowed_nodeset >> n.os_index & 1) for n in nodes)
        return counts

    def sharing(self, object_type: str) -> list[tuple[int, ...]]:
        """List the CPUs of each object of a type: two CPUs share one if a tuple holds both."""
        return [bits_to_indexes(item.cpuset) for item in self.objects(object_type)]

    def levels(self) -> list[list[HwlocObject]]:
        """Sort the CPU side of the tree into hwloc's levels, from the root down.

        At each step the topmost type among the objects at hand becomes a level: the first
        type, other than PU, of which no object lies below another object at hand.
        PUs are always the last level.

        Returns
        -------
        list of levels, each a list of objects of one type from left to right

        Source
        ------
        hwloc topology.c, hwloc_connect_levels
        """
        levels, pending = [], [self.root]
        below = _types_below(self.root)
        while pending:
            top = next((item for item in pending if item.type != "PU"), pending[0])
            for item in pending:
                if item.level_key != top.level_key and top.level_key in below[id(item)]:
                    top = item
            levels.append([item for item in pending if item.level_key == top.level_key])
            pending = [
                part
                for item in pending
                for part in (item.children if item.level_key == top.level_key else (item,))
            ]
        return levels

    def depth_order(self) -> list[str]:
        """Name the levels as hwloc prints them, from the root down; Groups are numbered."""
        names, group_count = [], 0
        for level in self.levels():
            item = level[0]
            name = item.type
            if item.cache_level:
                name = f"L{item.cache_level}{CACHE_KIND_LETTERS[item.cache_kind]}Cache"
            elif name == "Group":
                name = f"Group{group_count}"
                group_count += 1
            names.append(name)
        return names

    def is_symmetric(self) -> bool:
        """Tell whether all CPU subtrees of every object look alike.

        Source
        ------
        hwloc topology.c, propagate_symmetric_subtree
        """
        depth_of = {id(item): depth for depth, level in enumerate(self.levels()) for item in level}
        return _is_symmetric(self.root, depth_of)


def _types_below(root: HwlocObject) -> dict[int, frozenset[LevelKey]]:
    below: dict[int, frozenset[LevelKey]] = {}

    def visit(item: HwlocObject) -> frozenset[LevelKey]:
        keys = frozenset[LevelKey]().union(*(visit(child) | {child.level_key} for child in item.children))
        below[id(item)] = keys
        return keys

    visit(root)
    return below


def _is_symmetric(item: HwlocObject, depth_of: dict[int, int]) -> bool:
    if not all(_is_symmetric(child, depth_of) for child in item.children):
        return False
    # Children are symmetric by now, so their leftmost branches stand for all of them.
    row = item.children
    while len(row) > 1 and row[0].children:
        if len({(depth_of[id(part)], len(part.children)) for part in row}) > 1:
            return False
        row = tuple(part.children[0] for part in row)
    return len({(depth_of[id(part)], len(part.children)) for part in row}) <= 1
