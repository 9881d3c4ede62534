"""Where the third-party topology files lie, and small machines that the tests share."""

import json
from pathlib import Path
from typing import Any

import pytest

from sim.topology import Topology

REPO = Path(__file__).parents[3]
SHARED = REPO.parent / "shared" / "data"
TOPOLOGIES = SHARED / "topologies"
LATENCIES = SHARED / "core-latency"
needs_topologies = pytest.mark.skipif(
    not (TOPOLOGIES / "expected.json").is_file(),
    reason=f"the third-party hwloc files are not at {TOPOLOGIES}",
)
needs_latencies = pytest.mark.skipif(
    not (LATENCIES / "summary.json").is_file(),
    reason=f"the third-party latency tables are not at {LATENCIES}",
)


def load_json(path: Path) -> dict[str, Any]:
    """Read a JSON file, or nothing when it is not there: collection must not fail."""
    return json.loads(path.read_text()) if path.is_file() else {}


EXPECTED = load_json(TOPOLOGIES / "expected.json")


def expand(text: str) -> tuple[int, ...]:
    """Expand ``0-3,8`` with code of its own, apart from the reader under test."""
    indexes: list[int] = []
    for part in text.split(",") if text else ():
        first, _, last = part.partition("-")
        indexes.extend(range(int(first), int(last or first) + 1))
    return tuple(indexes)


def plain_fields(**changes: Any) -> dict[str, Any]:
    """Give the fields of a machine of two nodes, each with one cluster of two SMT pairs."""
    fields: dict[str, Any] = {
        "name": "pairs",
        "core_type_names": ("P",),
        "core_type": [0] * 8,
        "core_speed": [1.0] * 8,
        "core_frequency_mhz": [3000] * 8,
        "core_smt": [0, 0, 1, 1, 2, 2, 3, 3],
        "core_cluster": [0, 0, 0, 0, 1, 1, 1, 1],
        "core_node": [0, 0, 0, 0, 1, 1, 1, 1],
        "core_package": [0, 0, 0, 0, 1, 1, 1, 1],
        "core_os_index": range(8),
        "private_cache_bytes": [1 << 20] * 8,
        "cluster_cache_bytes": [1 << 25, 1 << 25],
        "cache_line_bytes": 64,
        "node_os_index": [0, 1],
        "node_memory_bytes": [1 << 30, 1 << 30],
        "node_bandwidth_mb_s": [0, 0],
        "node_distance": [[10, 21], [21, 10]],
        "memory_latency_ns": [[90, 150], [150, 90]],
        "line_latency_ns": [8, 40, 110, 200],
    }
    return fields | changes


def plain_topology(**changes: Any) -> Topology:
    """Give the machine of ``plain_fields``."""
    return Topology(**plain_fields(**changes))
