"""What Linux says about a machine below ``/sys`` and ``/proc``."""

import re
from collections.abc import Hashable
from pathlib import Path

from sim.topology import defaults
from sim.topology.assemble import CacheFact, CpuFact, MachineFacts, NodeFact, NodePairs
from sim.topology.columns import (
    BANDWIDTH_MB_S_MAX,
    CORES_MAX,
    DISTANCE_MAX,
    FREQUENCY_MHZ_MAX,
    LATENCY_NS_MAX,
    NODES_MAX,
    SIZE_BYTES_MAX,
)
from sim.topology.errors import TopologyError
from sim.topology.hwloc import model_clock_mhz
from sim.topology.quantities import read_cpu_list

TEXT_BYTES_MAX = 1 << 16
CPUINFO_BYTES_MAX = 1 << 24
CACHE_INDEXES_MAX = 16
KIB_UNITS = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "": 1}
# Cores of one kind differ a little in capacity: the firmware marks the best of them.
SAME_KIND_SHARE = 0.9


def facts_from_sysfs(root: Path) -> MachineFacts:
    """Gather the facts about a Linux machine.

    A missing file stands for an unknown fact: virtual machines hide many. A file that holds
    something else than it should is refused.

    Parameters
    ----------
    root : Path below which ``sys`` and ``proc`` lie

    Returns
    -------
    MachineFacts

    Raises
    ------
    TopologyError if there is no CPU directory, or a file holds nonsense
    """
    cpu_root = root / "sys/devices/system/cpu"
    online = _read_online(cpu_root)
    if len(online) > CORES_MAX:
        raise TopologyError(str(cpu_root), f"{len(online)} CPUs", f"at most {CORES_MAX}")
    model_mhz = _model_clock(root)
    kinds = _kinds(root, online)
    cpus, caches = [], {}
    for cpu in online:
        place = cpu_root / f"cpu{cpu}"
        rank, speed = kinds[cpu]
        package = _read_integer(place / "topology/physical_package_id", -1, 1 << 31, 0)
        die = _read_integer(place / "topology/die_id", -1, 1 << 31, -1)
        cpus.append(
            CpuFact(
                os_index=cpu,
                physical=_physical(place, cpu),
                # Some ARM kernels say -1 for every CPU: one package.
                package=max(package, 0),
                die=None if die < 0 else die,
                rank=rank,
                speed=speed,
                frequency_mhz=_clock(place, model_mhz),
            )
        )
        for cache in _caches(place, cpu):
            caches[cache.level, cache.kind, tuple(cache.cpus)] = cache
    nodes = _nodes(root, online)
    distances, latencies_ns = _node_tables(root, [node.os_index for node in nodes])
    return MachineFacts(cpus, list(caches.values()), nodes, distances, latencies_ns)


def _read_online(cpu_root: Path) -> tuple[int, ...]:
    text = _read_text(cpu_root / "online")
    if text:
        return read_cpu_list(text, str(cpu_root / "online"))
    cpus = _numbered(cpu_root, "cpu")
    if not cpus:
        hint = "describe the machine in YAML, or import an hwloc XML file"
        raise TopologyError(str(cpu_root), None, "a directory with cpu0, cpu1 ...", hint)
    return cpus


def _numbered(place: Path, prefix: str) -> tuple[int, ...]:
    """List the numbers of the entries ``prefix0``, ``prefix1`` ... of a directory."""
    try:
        names = [entry.name for entry in place.iterdir()]
    except OSError:
        return ()
    matches = (re.fullmatch(rf"{prefix}(\d{{1,5}})", name, re.ASCII) for name in names)
    return tuple(sorted(int(match[1]) for match in matches if match))


def _physical(place: Path, cpu: int) -> Hashable:
    for name in ("core_cpus_list", "thread_siblings_list"):
        text = _read_text(place / "topology" / name)
        if text:
            # The first sibling names the core: core_id repeats between dies and packages.
            return min((*read_cpu_list(text, str(place / "topology" / name)), cpu))
    return cpu


def _caches(place: Path, cpu: int) -> list[CacheFact]:
    caches = []
    for index in _numbered(place / "cache", "index")[:CACHE_INDEXES_MAX]:
        folder = place / f"cache/index{index}"
        kind = _read_text(folder / "type").lower()
        if kind not in ("data", "unified", "instruction"):
            continue
        text = _read_text(folder / "shared_cpu_list")
        cpus = read_cpu_list(text, str(folder / "shared_cpu_list")) if text else (cpu,)
        level = _read_integer(folder / "level", 1, 9, 1)
        line_bytes = _read_integer(folder / "coherency_line_size", 0, 4096, 0)
        line_bytes = line_bytes if line_bytes & (line_bytes - 1) == 0 else 0
        caches.append(CacheFact(level, kind, _read_kib(folder / "size"), line_bytes, cpus))
    return caches


def _kinds(root: Path, online: tuple[int, ...]) -> dict[int, tuple[int, float]]:
    """Give rank and speed of each CPU, by Linux's capacity or by the two Intel PMUs."""
    cpu_root = root / "sys/devices/system/cpu"
    capacities = {cpu: _read_integer(cpu_root / f"cpu{cpu}/cpu_capacity", 0, 1 << 20, 0) for cpu in online}
    if min(capacities.values()) > 0:
        return _kinds_by_capacity(capacities)
    atom_path = root / "sys/devices/cpu_atom/cpus"
    atoms = set(read_cpu_list(_read_text(atom_path), str(atom_path)))
    if not atoms & set(online) or not set(online) - atoms:
        return dict.fromkeys(online, (0, 1.0))
    clocks = {cpu: _max_clock(cpu_root / f"cpu{cpu}") for cpu in online}
    speed = defaults.EFFICIENCY_CORE_SPEED
    if min(clocks.values()) > 0:
        fastest = max(clocks[cpu] for cpu in online if cpu not in atoms)
        speed = min(max(clocks[cpu] for cpu in online if cpu in atoms) / fastest, 1.0)
    return {cpu: (0, speed) if cpu in atoms else (1, 1.0) for cpu in online}


def _kinds_by_capacity(capacities: dict[int, int]) -> dict[int, tuple[int, float]]:
    top = max(capacities.values())
    rank, kind_capacity = 0, top
    rank_of: dict[int, int] = {}
    for capacity in sorted(set(capacities.values()), reverse=True):
        if capacity < SAME_KIND_SHARE * kind_capacity:
            rank, kind_capacity = rank - 1, capacity
        rank_of[capacity] = rank
    return {cpu: (rank_of[value], max(value / top, 1e-3)) for cpu, value in capacities.items()}


def _max_clock(place: Path) -> int:
    return _read_integer(place / "cpufreq/cpuinfo_max_freq", 0, FREQUENCY_MHZ_MAX * 1000, 0) // 1000


def _clock(place: Path, model_mhz: int) -> int:
    high = FREQUENCY_MHZ_MAX * 1000
    base = _read_integer(place / "cpufreq/base_frequency", 0, high, 0) // 1000
    return base or model_mhz or _max_clock(place) or defaults.FREQUENCY_MHZ


def _model_clock(root: Path) -> int:
    """Give the clock in the name of the CPU, or 0.

    The line ``cpu MHz`` is not used: it changes from second to second, and the digest with it.
    """
    text = _read_text(root / "proc/cpuinfo", CPUINFO_BYTES_MAX)
    match = re.search(r"^model name\s*:(.{0,200})$", text, re.MULTILINE)
    return model_clock_mhz(match[1], 0) if match else 0


def _nodes(root: Path, online: tuple[int, ...]) -> list[NodeFact]:
    node_root = root / "sys/devices/system/node"
    text = _read_text(node_root / "online")
    indexes = read_cpu_list(text, str(node_root / "online")) if text else ()
    indexes = indexes or _numbered(node_root, "node")
    if len(indexes) > NODES_MAX:
        raise TopologyError(str(node_root), f"{len(indexes)} nodes", f"at most {NODES_MAX}")
    if not indexes:
        memory = _memory_total(_read_text(root / "proc/meminfo"))
        return [NodeFact(0, online, memory)]
    nodes = []
    for index in indexes:
        place = node_root / f"node{index}"
        cpus = read_cpu_list(_read_text(place / "cpulist"), str(place / "cpulist"))
        memory = _memory_total(_read_text(place / "meminfo"))
        access = place / "access0/initiators/read_bandwidth"
        bandwidth = _read_integer(access, 0, BANDWIDTH_MB_S_MAX, 0)
        nodes.append(NodeFact(index, cpus, memory, bandwidth))
    return nodes


def _memory_total(text: str) -> int:
    match = re.search(r"MemTotal:\s*(\d{1,15}) kB", text, re.ASCII)
    return min(int(match[1]) * 1024, SIZE_BYTES_MAX) if match else 0


def _node_tables(root: Path, indexes: list[int]) -> tuple[NodePairs | None, NodePairs | None]:
    """Read SLIT rows, and the latencies of an HMAT table where the firmware has one."""
    distances: NodePairs = {}
    latencies_ns: NodePairs = {}
    for index in indexes:
        place = root / f"sys/devices/system/node/node{index}"
        row = _read_text(place / "distance").split()
        if row and len(row) != len(indexes):
            where = str(place / "distance")
            raise TopologyError(where, f"{len(row)} values", f"{len(indexes)}, one a node")
        for target, text in zip(indexes, row, strict=False):
            value = _as_integer(text, str(place / "distance"), 0, DISTANCE_MAX)
            distances[index, target] = value
        access = place / "access0/initiators"
        latency = _read_integer(access / "read_latency", 0, LATENCY_NS_MAX, 0)
        for initiator in _numbered(access, "node") if latency else ():
            latencies_ns[initiator, index] = latency
    return distances or None, latencies_ns or None


def _read_text(path: Path, bytes_max: int = TEXT_BYTES_MAX) -> str:
    """Read a small file; a missing or unreadable one is empty."""
    try:
        with path.open("rb") as file:
            return file.read(bytes_max).decode("ascii", "replace").strip()
    except OSError:
        return ""


def _read_integer(path: Path, low: int, high: int, default: int) -> int:
    text = _read_text(path)
    return _as_integer(text, str(path), low, high) if text else default


def _as_integer(text: str, where: str, low: int, high: int) -> int:
    number = int(text) if re.fullmatch(r"-?\d{1,18}", text, re.ASCII) else None
    if number is None or not low <= number <= high:
        raise TopologyError(where, text, f"an integer {low} to {high}")
    return number


def _read_kib(path: Path) -> int:
    text = _read_text(path)
    if not text:
        return 0
    match = re.fullmatch(r"(\d{1,12})([KMG]?)", text, re.ASCII)
    if match is None:
        raise TopologyError(str(path), text, "a size such as 32K")
    return min(int(match[1]) * KIB_UNITS[match[2]], SIZE_BYTES_MAX)
