"""What ``sysctl`` says about the cores and caches of a Mac."""

import re

from sim.topology import defaults
from sim.topology.assemble import CacheFact, CpuFact, MachineFacts, NodeFact
from sim.topology.columns import CORES_MAX, FREQUENCY_MHZ_MAX, SIZE_BYTES_MAX
from sim.topology.errors import TopologyError

TEXT_LENGTH_MAX = 1 << 20
LEVELS_MAX = 8
LINE_PATTERN = re.compile(r"([A-Za-z0-9_.]{1,100})\s*[:=]\s*(.{0,200})", re.ASCII)


def facts_from_sysctl(text: str) -> MachineFacts:
    """Gather the facts about a Mac.

    With performance levels (Apple silicon) the efficiency cores have the lowest numbers, as
    macOS numbers them, and ``cpusperl2`` cores share an L2; without (Intel), all cores are
    alike and share the L3. Memory is one node: it is unified. Apple states no clock.

    Parameters
    ----------
    text : str, what ``sysctl hw`` printed

    Returns
    -------
    MachineFacts

    Raises
    ------
    TopologyError if a count is missing or out of range
    """
    values = _read_lines(text)
    num_levels = _integer(values, "hw.nperflevels", 0, LEVELS_MAX, 0)
    prefixes = [f"hw.perflevel{level}." for level in range(num_levels)] or ["hw."]
    cpus: list[CpuFact] = []
    caches: list[CacheFact] = []
    line_bytes = _integer(values, "hw.cachelinesize", 0, 4096, 0)
    clock_mhz = _integer(values, "hw.cpufrequency", 0, FREQUENCY_MHZ_MAX * 10**6, 0) // 10**6
    for level in range(len(prefixes) - 1, -1, -1):
        prefix = prefixes[level]
        logical = _integer(values, f"{prefix}logicalcpu", 1, CORES_MAX)
        physical = _integer(values, f"{prefix}physicalcpu", 1, CORES_MAX, logical)
        if logical % physical or len(cpus) + logical > CORES_MAX:
            raise TopologyError(f"sysctl {prefix}logicalcpu", logical, f"a multiple of {physical}")
        first, smt = len(cpus), logical // physical
        cpus.extend(
            CpuFact(
                os_index=first + index,
                physical=(level, index // smt),
                package=0,
                rank=-level,
                speed=1.0 if level == 0 else defaults.EFFICIENCY_CORE_SPEED,
                frequency_mhz=clock_mhz or defaults.FREQUENCY_MHZ,
            )
            for index in range(logical)
        )
        caches.extend(_caches(values, prefix, range(first, len(cpus)), smt, line_bytes))
    memory_bytes = _integer(values, "hw.memsize", 0, SIZE_BYTES_MAX, 0)
    node = NodeFact(0, [cpu.os_index for cpu in cpus], memory_bytes)
    return MachineFacts(cpus=cpus, caches=caches, nodes=[node])


def _caches(values: dict[str, str], prefix: str, cpus: range, smt: int, line_bytes: int) -> list[CacheFact]:
    per_l2 = _integer(values, f"{prefix}cpusperl2", 1, CORES_MAX, smt)
    caches: list[CacheFact] = []
    for level, kind, key, width in (
        (1, "data", "l1dcachesize", smt),
        (1, "instruction", "l1icachesize", smt),
        (2, "unified", "l2cachesize", per_l2),
        (3, "unified", "l3cachesize", len(cpus)),
    ):
        size = _integer(values, prefix + key, 0, SIZE_BYTES_MAX, 0)
        starts = range(0, len(cpus), width) if size else range(0)
        caches.extend(
            CacheFact(level, kind, size, line_bytes, cpus[start : start + width]) for start in starts
        )
    return caches


def _read_lines(text: str) -> dict[str, str]:
    if not isinstance(text, str) or len(text) > TEXT_LENGTH_MAX:
        raise TopologyError("sysctl", text, f"text of at most {TEXT_LENGTH_MAX} characters")
    matches = map(LINE_PATTERN.fullmatch, text.splitlines())
    return {match[1]: match[2].strip() for match in matches if match}


def _integer(values: dict[str, str], key: str, low: int, high: int, default: int | None = None) -> int:
    text = values.get(key)
    if text is None and default is not None:
        return default
    number = int(text) if text and re.fullmatch(r"\d{1,20}", text, re.ASCII) else -1
    if not low <= number <= high:
        raise TopologyError(f"sysctl {key}", text, f"an integer {low} to {high}")
    return number
