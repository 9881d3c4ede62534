"""Plain descriptions: both forms, defaults, errors that name the key, and the way back."""

import copy

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from sim.topology import (
    Topology,
    TopologyError,
    describe,
    to_description,
    topology_from_description,
    topology_from_hwloc,
)
from tests.unit.topology.machines import REPO, TOPOLOGIES, needs_topologies, plain_topology

COMPACT = yaml.safe_load("""
kind: description
name: made_up
packages: 2
nodes_per_package: 2
smt_numbering: split
clusters:
  - {type: P, repeat: 2, cores: 2, smt: 2, frequency_mhz: 3000, speed: 1.0,
     core_caches: {l1d: 32 KiB, l1i: 32 KiB, l2: 1 MiB}, shared_caches: {l3: 8 MiB}}
  - {type: E, cores: 3, speed: 0.5, core_caches: {l1d: 32 KiB}}
node_caches: {l4: 64 MiB}
cache_line_bytes: 64
memory:
  per_node: 16 GiB
  bandwidth_mb_s: 50000
  controllers: 4
  distance: {same_package: 12, other_package: 32}
  latency_ns: {local: 80, same_package: 100, other_package: 160}
line_latency_ns: {same_core: 5, same_cluster: 25, same_node: 100, other_node: 250}
""")
EXPLICIT = yaml.safe_load("""
name: by_hand
core_types: [P, E]
cores: {os_index: "0-1,4,6", type: [0, 0, 1, 1], speed: [1, 1, 0.5, 0.5], frequency_mhz: 3000,
        smt: [0, 0, 1, 2], cluster: [0, 0, 1, 1], node: [0, 0, 2, 2], package: 0}
cluster_cache_bytes: [33554432, 0]
nodes: {os_index: "0,2,5", memory_bytes: [1, 2, 3],
        distance: [[10, 12, 20], [12, 10, 20], [20, 20, 10]]}
caches:
  - {level: 3, kind: unified, size_bytes: 32 MiB, line_bytes: 64, sharing: ["0-1"]}
""")


def change(base: dict, path: str, value: object) -> dict:
    """Copy a description with one value replaced; keys are joined by slashes."""
    result = copy.deepcopy(base)
    place = result
    *keys, last = [int(key) if key.isdigit() else key for key in path.split("/")]
    for key in keys:
        place = place[key]
    place[last] = value
    return result


def test_compact_machine():
    topology = topology_from_description(COMPACT)
    assert topology.name == "made_up"
    assert (topology.num_cores, topology.num_physical_cores) == (44, 28)
    assert (topology.num_nodes, topology.num_clusters) == (4, 12)
    assert topology.core_type_names == ("P", "E")
    # Of a node: 4 P cores, 3 E cores; the second threads of P cores come after all first ones.
    assert topology.core_type[:7].tolist() == [0, 0, 0, 0, 1, 1, 1]
    assert topology.core_node[:28].tolist() == [0] * 7 + [1] * 7 + [2] * 7 + [3] * 7
    assert topology.core_node[28:].tolist() == [0] * 4 + [1] * 4 + [2] * 4 + [3] * 4
    assert topology.core_smt[28:32].tolist() == [0, 1, 2, 3]
    assert topology.core_cluster[:7].tolist() == [0, 0, 1, 1, 2, 2, 2]
    assert topology.core_package.tolist() == [0] * 14 + [1] * 14 + [0] * 8 + [1] * 8
    assert topology.private_cache_bytes[:7].tolist() == [1 << 20] * 4 + [32 << 10] * 3
    assert topology.cluster_cache_bytes[:3].tolist() == [8 << 20, 8 << 20, 64 << 20]
    assert topology.core_speed[4] == 0.5
    assert topology.node_distance[0].tolist() == [10, 12, 32, 32]
    assert topology.memory_latency_ns[3].tolist() == [160, 160, 100, 80]
    assert topology.line_latency_ns.tolist() == [5, 25, 100, 250]
    assert topology.node_memory_bytes.tolist() == [16 << 30] * 4
    assert topology.memory_controllers == 4
    levels = [(item.level, item.kind, len(item.sharing)) for item in topology.caches]
    assert levels == [(1, "data", 28), (1, "instruction", 16), (2, "unified", 16),
                      (3, "unified", 8), (4, "unified", 4)]  # fmt: skip


def test_adjacent_numbering():
    topology = topology_from_description(change(COMPACT, "smt_numbering", "adjacent"))
    assert topology.core_smt[:11].tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 5, 6]
    assert topology.core_node[:11].tolist() == [0] * 11


def test_least_machine_has_documented_defaults():
    topology = topology_from_description({"clusters": [{"cores": 2}]}, name="least")
    assert topology.core_frequency_mhz.tolist() == [2500, 2500]
    assert topology.private_cache_bytes.tolist() == [1 << 20] * 2
    assert topology.cluster_cache_bytes.tolist() == [0]
    assert topology.memory_latency_ns.tolist() == [[90]]
    assert topology.line_latency_ns.tolist() == [8, 40, 110, 200]
    assert topology.core_type_names == ("P",)
    assert topology.node_memory_bytes.tolist() == [0]


def test_name_argument_wins_and_null_is_missing():
    assert topology_from_description(COMPACT, name="other").name == "other"
    assert topology_from_description(change(COMPACT, "node_caches", None)).num_cores == 44
    assert topology_from_description({"clusters": [{"cores": 1}]}).name == "unnamed"


def test_package_cache_is_split_between_nodes():
    text = "{nodes_per_package: 2, clusters: [{cores: 2}], package_caches: {l3: 10 MiB}}"
    topology = topology_from_description(yaml.safe_load(text))
    assert topology.cluster_cache_bytes.tolist() == [5 << 20, 5 << 20]
    assert [item.sharing for item in topology.caches] == [((0, 1, 2, 3),)]


@pytest.mark.parametrize("keys", [(10, 12, 32), ("10", "12", "32")])
def test_latency_by_slit_distance(keys):
    value = dict(zip(keys, (80, 90, 170), strict=True))
    topology = topology_from_description(change(COMPACT, "memory/latency_ns", value))
    assert topology.memory_latency_ns[0].tolist() == [80, 90, 170, 170]


def test_latency_and_distance_as_matrices():
    matrix = [[10, 20, 30, 40], [20, 10, 50, 60], [30, 50, 10, 70], [40, 60, 70, 10]]
    changed = change(change(COMPACT, "memory/distance", matrix), "memory/latency_ns", matrix)
    topology = topology_from_description(changed)
    assert topology.node_distance.tolist() == matrix
    assert topology.memory_latency_ns.tolist() == matrix


@pytest.mark.parametrize(
    ("distance", "packages", "per_package", "expected"),
    [
        ({"other_package": 21}, 2, 1, {90, 158}),
        ({"other_package": 32}, 2, 1, {90, 158}),
        ({"same_package": 12, "other_package": 32}, 2, 2, {90, 108, 158}),
        ({"same_package": 11, "other_package": 21}, 2, 2, {90, 108, 158}),
    ],
)
def test_default_latency_depends_on_the_rank_of_distances(distance, packages, per_package, expected):
    topology = topology_from_description(
        {
            "packages": packages,
            "nodes_per_package": per_package,
            "clusters": [{"cores": 1}],
            "memory": {"distance": distance},
        }
    )
    assert set(topology.memory_latency_ns.ravel().tolist()) == expected


def test_explicit_machine():
    topology = topology_from_description(EXPLICIT)
    assert topology.core_os_index.tolist() == [0, 1, 4, 6]
    assert topology.core_type.tolist() == [0, 0, 1, 1]
    assert topology.core_frequency_mhz.tolist() == [3000] * 4
    assert topology.node_os_index.tolist() == [0, 2, 5]
    assert topology.node_memory_bytes.tolist() == [1, 2, 3]
    assert topology.memory_latency_ns.tolist() == [[90, 158, 180], [158, 90, 180], [180, 180, 90]]
    assert topology.caches[0].sharing == ((0, 1),)


def test_descriptions_are_left_as_they_are():
    before = copy.deepcopy((COMPACT, EXPLICIT))
    topology_from_description(COMPACT)
    topology_from_description(EXPLICIT)
    assert before == (COMPACT, EXPLICIT)


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("kind", "hwloc", "kind"),
        ("name", "", "name"),
        ("name", 7, "name"),
        ("packges", 2, "packges"),
        ("packages", 0, "packages"),
        ("packages", "2", "packages"),
        ("packages", True, "packages"),
        ("packages", 2.0, "packages"),
        ("packages", 10**9, "packages"),
        ("nodes_per_package", 1024, "nodes_per_package"),
        ("clusters", [], "clusters"),
        ("clusters", None, "clusters"),
        ("clusters", "many", "clusters"),
        ("clusters/0", 3, "clusters[0]"),
        ("clusters/0/repeat", 4096, "clusters"),
        ("clusters/0/repeat", -1, "clusters[0].repeat"),
        ("clusters/0/cores", None, "clusters[0].cores"),
        ("clusters/0/cores", 0, "clusters[0].cores"),
        ("clusters/0/smt", 17, "clusters[0].smt"),
        ("clusters/0/type", "", "clusters[0].type"),
        ("clusters/0/type", ["P"], "clusters[0].type"),
        ("clusters/0/speed", 0, "clusters[0].speed"),
        ("clusters/0/speed", float("nan"), "clusters[0].speed"),
        ("clusters/0/speed", "fast", "clusters[0].speed"),
        ("clusters/0/frequency_mhz", 3.5, "clusters[0].frequency_mhz"),
        ("clusters/0/frequency", 3, "clusters[0].frequency"),
        ("clusters/0/core_caches", {"l2d": "-1 KiB"}, "clusters[0].core_caches.l2d"),
        ("clusters/0/core_caches", {"l9": 1}, "clusters[0].core_caches.l9"),
        ("clusters/0/core_caches", {"l2": "1 MB"}, "clusters[0].core_caches.l2"),
        ("clusters/0/core_caches", {"l2": "0.3 KiB"}, "clusters[0].core_caches.l2"),
        ("clusters/0/core_caches", {"l2": "9999999 TiB"}, "clusters[0].core_caches.l2"),
        ("clusters/0/core_caches", {"l2": 1.5}, "clusters[0].core_caches.l2"),
        ("clusters/0/core_caches", ["l2"], "clusters[0].core_caches"),
        ("smt_numbering", "random", "smt_numbering"),
        ("cache_line_bytes", 48, "cache_line_bytes"),
        ("memory", "much", "memory"),
        ("memory/per_nod", 1, "memory.per_nod"),
        ("memory/bandwidth_mb_s", -1, "memory.bandwidth_mb_s"),
        ("memory/controllers", 0, "memory.controllers"),
        ("memory/distance", {"far": 3}, "memory.distance.far"),
        ("memory/distance", [[10, 20], [20, 10]], "memory.distance"),
        ("memory/distance", [[10, "x"], [20, 10]], "memory.distance"),
        ("memory/distance", 20, "memory.distance"),
        ("memory/latency_ns", {"local": 0}, "memory.latency_ns.local"),
        ("memory/latency_ns", {10: 80, 12: 90}, "memory.latency_ns.32"),
        ("memory/latency_ns", {10: 80, 12: 90, 31: 170, 32: 4}, "memory.latency_ns.31"),
        ("memory/latency_ns", [[0] * 4] * 4, "memory.latency_ns[0][0]"),
        ("line_latency_ns", {"same_core": -1}, "line_latency_ns.same_core"),
        ("line_latency_ns", {"samecore": 1}, "line_latency_ns.samecore"),
        ("line_latency_ns", [1, 2, 3, 4], "line_latency_ns"),
    ],
)
def test_bad_compact_value_is_refused_by_key(path, value, where):
    with pytest.raises(TopologyError) as caught:
        topology_from_description(change(COMPACT, path, value))
    assert caught.value.where == where
    assert caught.value.allowed


@pytest.mark.parametrize(
    ("path", "value", "where"),
    [
        ("clusters", [{"cores": 1}], "clusters"),
        ("cores", [], "cores"),
        ("cores/os_index", None, "cores.os_index"),
        ("cores/os_index", "3-1", "cores.os_index"),
        ("cores/os_index", "0,0", "cores.os_index"),
        ("cores/os_index", "0-99999999", "cores.os_index"),
        ("cores/os_index", "", "cores.os_index"),
        ("cores/os_index", [3, 2, 1, 0], "core_os_index[1]"),
        ("cores/speed", [1, 1, 1], "cores.speed"),
        ("cores/speed", "fast", "cores.speed"),
        ("cores/speed", [1, 1, 1, float("nan")], "cores.speed[3]"),
        ("cores/cluster", [0, 0, 1, 5], "cluster_cache_bytes"),
        ("cores/node", [0, 0, 9, 9], "cores.node"),
        ("cores/type", 2, "core_type[0]"),
        ("cores/kind", 2, "cores.kind"),
        ("nodes/distance", [[10]], "nodes.distance"),
        ("nodes/os_index", "0-8000", "nodes.os_index"),
        ("core_types", [], "core_types"),
        ("core_types", ["P", "P"], "core_type_names"),
        ("core_latency_ns", [[0]], "core_latency_ns.shape"),
        ("caches", {"l3": 1}, "caches"),
        ("caches/0/sharing", ["0-4"], "caches[0].sharing[0]"),
        ("caches/0/sharing", ["x"], "caches[0].sharing[0]"),
        ("caches/0/sharing", [], "caches[0].sharing"),
        ("caches/0/level", 10, "caches[0].level"),
        ("caches/0/kind", "both", "caches[0].kind"),
        ("caches/0/line_bytes", 63, "caches[0].line_bytes"),
        ("memory_controllers", 0, "memory_controllers"),
    ],
)
def test_bad_explicit_value_is_refused_by_key(path, value, where):
    with pytest.raises(TopologyError) as caught:
        topology_from_description(change(EXPLICIT, path, value))
    assert caught.value.where == where


@pytest.mark.parametrize("mapping", [None, [], "text", 3, {}, {1: 2}, {"clusters": {}}])
def test_what_is_no_description_is_refused(mapping):
    with pytest.raises(TopologyError):
        topology_from_description(mapping)


def test_misspelt_key_gets_a_suggestion():
    with pytest.raises(TopologyError, match="did you mean 'nodes_per_package'"):
        topology_from_description(change(COMPACT, "node_per_package", 2))


def test_limits_of_cores_hold_exactly():
    whole = {"packages": 16, "clusters": [{"cores": 256}]}
    assert topology_from_description(whole).num_cores == 4096
    with pytest.raises(TopologyError, match="4112 cores in all"):
        topology_from_description({"packages": 16, "clusters": [{"cores": 257}]})


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
PATHS = (
    "kind", "name", "packages", "nodes_per_package", "smt_numbering", "clusters", "clusters/0",
    "clusters/0/cores", "clusters/0/type", "clusters/1/speed", "clusters/0/core_caches", "memory",
    "memory/distance", "memory/latency_ns", "memory/per_node", "line_latency_ns", "node_caches",
)  # fmt: skip
EXPLICIT_PATHS = (
    "cores", "cores/os_index", "cores/type", "cores/smt", "cores/cluster", "cores/node", "nodes",
    "nodes/os_index", "nodes/distance", "core_types", "cluster_cache_bytes", "core_latency_ns",
    "caches", "caches/0", "caches/0/sharing", "cache_line_bytes", "memory_controllers",
)  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(value=VALUES, place=st.sampled_from(PATHS), other=st.sampled_from(EXPLICIT_PATHS))
def test_any_value_gives_a_topology_or_a_clear_error(value, place, other):
    for mapping in (change(COMPACT, place, value), change(EXPLICIT, other, value)):
        try:
            assert isinstance(topology_from_description(mapping), Topology)
        except TopologyError as error:
            assert "\n" not in str(error)


# LibYAML where it is there: the matrices of a large machine take seconds without it.
DUMPER = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def plain_types(value: object) -> bool:
    if isinstance(value, dict):
        return all(type(key) is str and plain_types(item) for key, item in value.items())
    if isinstance(value, list):
        return all(map(plain_types, value))
    return type(value) in (str, int, float)


def assert_comes_back(topology: Topology) -> None:
    description = to_description(topology)
    assert plain_types(description)
    text = yaml.dump(description, Dumper=DUMPER, sort_keys=False)
    assert topology_from_description(yaml.load(text, Loader=LOADER)) == topology


@pytest.mark.parametrize("mapping", [COMPACT, EXPLICIT])
def test_export_comes_back(mapping):
    assert_comes_back(topology_from_description(mapping))


@pytest.mark.parametrize("path", sorted((REPO / "conf" / "topology").glob("*.yaml")), ids=lambda p: p.stem)
def test_presets_come_back(path):
    mapping = yaml.safe_load(path.read_text())
    if mapping["kind"] == "description":
        assert_comes_back(topology_from_description(mapping))


@needs_topologies
@pytest.mark.parametrize("path", sorted(TOPOLOGIES.glob("*.xml")), ids=lambda p: p.stem)
def test_imported_machines_come_back(path):
    assert_comes_back(topology_from_hwloc(path))


def test_measured_latencies_and_large_indexes_come_back():
    topology = plain_topology(
        core_latency_ns=np.arange(64).reshape(8, 8), core_os_index=np.arange(8) * 100_000
    )
    assert_comes_back(topology)


def test_table_tells_the_main_facts():
    rows = dict(describe(topology_from_description(COMPACT)))
    assert rows["cores"] == "44 on 28 physical cores"
    assert rows["core types"] == "32 P (speed 1, 3000 MHz), 12 E (speed 0.5, 2500 MHz)"
    assert rows["NUMA nodes"] == "4"
    assert rows["clusters"] == "8 x 4 cores, sharing 8 MiB; 4 x 3 cores, sharing 64 MiB"
    assert rows["L4"] == "4 x 64 MiB for 11 cores"
    assert rows["memory latency"] == "80 ns local, 100/160 ns remote"
    assert rows["memory bandwidth"] == "50000 MB/s a node"
    assert rows["cache line transfer"].startswith("same core 5 ns, same cluster 25 ns")
    assert len(rows["digest"]) == 64


def test_table_of_a_machine_of_which_little_is_known():
    rows = dict(describe(topology_from_description(EXPLICIT)))
    assert rows["NUMA nodes"] == "3, 1 of them without cores"
    assert rows["memory bandwidth"] == "unknown"
    rows = describe(topology_from_description({"clusters": [{"cores": 1}]}))
    assert all(isinstance(label, str) and isinstance(text, str) for label, text in rows)
