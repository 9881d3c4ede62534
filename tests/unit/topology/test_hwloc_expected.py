"""Every file of real machines against what hwloc's own tools printed for it."""

from collections import Counter

import numpy as np
import pytest

from sim.topology import DistanceClass, read_hwloc, topology_from_hwloc, topology_from_tree
from sim.topology.hwloc_values import bits_to_indexes
from tests.unit.topology.machines import EXPECTED, TOPOLOGIES, expand, needs_topologies

pytestmark = needs_topologies
FILES = sorted(EXPECTED)
ALL_FILES = sorted(path.name for path in TOPOLOGIES.glob("*.xml"))
SHARED_TYPES = {
    "package": "Package", "die": "Die", "group": "Group", "l3": "L3Cache", "l2": "L2Cache",
    "core": "Core",
}  # fmt: skip


@pytest.fixture(params=FILES)
def case(request):
    return EXPECTED[request.param], read_hwloc(TOPOLOGIES / request.param)


def test_there_are_the_files_that_the_project_counts_on():
    assert len(FILES) >= 22
    assert len(ALL_FILES) >= 23


def test_counts(case):
    expected, tree = case
    assert tree.counts() == expected["counts"]
    assert tree.allowed_counts() == expected["allowed_counts"]


def test_sets(case):
    expected, tree = case
    assert bits_to_indexes(tree.cpuset) == expand(expected["cpuset"])
    assert bits_to_indexes(tree.complete_cpuset) == expand(expected["complete_cpuset"])
    assert bits_to_indexes(tree.allowed_cpuset) == expand(expected["allowed_cpuset"])
    nodes = tuple(node.os_index for node in tree.numanodes())
    assert nodes == expand(expected["nodeset"])
    allowed = tuple(node for node in nodes if tree.allowed_nodeset >> node & 1)
    assert allowed == expand(expected["allowed_nodeset"])


def test_numa_nodes(case):
    expected, tree = case
    found = [
        {
            "os_index": node.os_index,
            "cpus": bits_to_indexes(node.cpuset),
            "local_memory_kib": node.memory_bytes // 1024 if node.memory_bytes else None,
        }
        for node in tree.numanodes()
    ]
    wanted = [{**node, "cpus": expand(node["cpus"])} for node in expected["numanodes"]]
    assert found == wanted
    empty = [node.os_index for node in tree.numanodes() if not node.cpuset]
    assert empty == expected["cpuless_numanodes"]
    if expected.get("total_memory_bytes") is not None:
        total = sum(node.memory_bytes or 0 for node in tree.numanodes())
        assert total == expected["total_memory_bytes"]


def test_sharing_sets(case):
    expected, tree = case
    for level, wanted in expected["sharing"].items():
        kind = SHARED_TYPES[level]
        found = tree.sharing(kind)
        assert Counter(found) == Counter(map(expand, wanted["cpusets"])), level
        if "pus_each" in wanted:
            sizes = Counter(str(len(cpus)) for cpus in found)
            assert sizes == Counter(wanted["pus_each"]), level
        if "size_kib" in wanted:
            sizes = Counter(str(item.cache_bytes // 1024) for item in tree.objects(kind))
            assert sizes == Counter(wanted["size_kib"]), level
    # A level that expected.json leaves out has no object in the file.
    for level in SHARED_TYPES.keys() - expected["sharing"].keys():
        assert not tree.objects(SHARED_TYPES[level]), level


def test_distances(case):
    expected, tree = case
    assert len(tree.distances) == len(expected["distances"])
    for found, wanted in zip(tree.distances, expected["distances"], strict=True):
        assert found.name == wanted["name"]
        assert found.kind == wanted["kind"]
        assert found.means_latency == (wanted["means"] == "latency")
        assert f"{found.object_type}s" == wanted["objects"]
        assert list(found.indexes) == wanted["index"]
        assert [list(row) for row in found.rows] == wanted["rows"]


def test_kinds_of_core(case):
    expected, tree = case
    found = [
        {"efficiency": kind.efficiency, "cpus": bits_to_indexes(kind.cpuset), "info": kind.infos}
        for kind in tree.cpukinds
    ]
    wanted = [
        {"efficiency": kind["efficiency"], "cpus": expand(kind["cpus"]), "info": kind["info"]}
        for kind in expected["cpukinds"]
    ]
    assert found == wanted


def test_levels_and_symmetry(case):
    expected, tree = case
    assert tree.depth_order() == expected["depth_order"]
    assert tree.is_symmetric() == expected["symmetric"]


def test_topology_agrees_with_the_counts(case):
    expected, tree = case
    topology = topology_from_tree(tree)
    assert topology.core_os_index.tolist() == list(expand(expected["allowed_cpuset"]))
    assert topology.num_physical_cores == expected["allowed_counts"]["core"]
    assert topology.num_packages == expected["allowed_counts"]["package"]
    assert topology.num_nodes == expected["allowed_counts"]["numanode"]
    nodes = {node["os_index"]: set(expand(node["cpus"])) for node in expected["numanodes"]}
    for os_index, node in zip(topology.core_os_index.tolist(), topology.core_node, strict=True):
        assert os_index in nodes[int(topology.node_os_index[node])]
    for wanted in expected["distances"]:
        assert topology.node_distance.tolist() == wanted["rows"]


def test_clusters_follow_the_shared_caches(case):
    expected, tree = case
    topology = topology_from_tree(tree)
    classes = topology.distance_class_matrix()
    index_of = {os_index: core for core, os_index in enumerate(topology.core_os_index.tolist())}
    for text in expected["sharing"]["core"]["cpusets"]:
        cores = [index_of[cpu] for cpu in expand(text)]
        assert (classes[np.ix_(cores, cores)] == DistanceClass.SAME_CORE).all()
    for level in ("l2", "l3"):
        for text in expected["sharing"].get(level, {"cpusets": ()})["cpusets"]:
            cores = [index_of[cpu] for cpu in expand(text)]
            nearer = classes[np.ix_(cores, cores)] <= DistanceClass.SAME_NODE
            same_node = topology.core_node[cores][:, None] == topology.core_node[cores][None, :]
            assert (nearer == same_node).all()


CLUSTERS = {
    "epyc-7763-2s-nps1.xml": (16, {8}, {32 << 20}, {512 << 10}),
    "epyc-9654-2s-nps1.xml": (24, {16}, {32 << 20}, {1 << 20}),
    "epyc-naples-2s-8n.xml": (16, {6}, {8 << 20}, {512 << 10}),
    "constructed-apple-m1pro.xml": (3, {2, 4}, {4 << 20, 12 << 20}, {64 << 10, 128 << 10}),
    "hybrid-raptorlake-i7-1370P.xml": (3, {4, 12}, {2 << 20, 24 << 20}, {32 << 10, 1280 << 10}),
    "knl-snc4-flat.xml": (34, {8}, {1 << 20}, {32 << 10}),
    "cascadelake-2s-snc2-optane.xml": (4, {20}, {14080 << 10}, {1 << 20}),
    "power9-lassen-2s.xml": (20, {8}, {10 << 20}, {32 << 10}),
    "kunpeng920-2s-4n.xml": (4, {32}, {32 << 20}, {512 << 10}),
    "desktop-i7-4790.xml": (1, {8}, {0}, {1 << 20}),
    "altix-256pu-64n.xml": (128, {2}, {0}, {1 << 20}),
    "jetson-xavier-agx.xml": (4, {2}, {0}, {1 << 20}),
    "aws-g4dn-metal-2s.xml": (2, {48}, {36608 << 10}, {1 << 20}),
}


@pytest.mark.parametrize("file", sorted(CLUSTERS))
def test_clusters_of_known_machines(file):
    topology = topology_from_hwloc(TOPOLOGIES / file)
    count, sizes, shared, private = CLUSTERS[file]
    assert topology.num_clusters == count
    assert set(np.bincount(topology.core_cluster).tolist()) == sizes
    assert set(topology.cluster_cache_bytes.tolist()) == shared
    assert set(topology.private_cache_bytes.tolist()) == private


def test_hybrid_kinds_and_clocks():
    topology = topology_from_hwloc(TOPOLOGIES / "hybrid-raptorlake-i7-1370P.xml")
    assert topology.core_type_names == ("P", "E")
    assert topology.core_type.tolist() == [0] * 12 + [1] * 8
    assert topology.core_frequency_mhz.tolist() == [1900] * 12 + [1400] * 8
    assert topology.core_speed.tolist() == [1.0] * 12 + [0.78] * 8


def test_memory_without_cpus_of_its_own_keeps_its_node():
    topology = topology_from_hwloc(TOPOLOGIES / "knl-snc4-flat.xml")
    assert topology.num_nodes == 8
    assert set(topology.core_node.tolist()) == {0, 1, 2, 3}


def test_slit_is_used_as_a_ranking_only():
    topology = topology_from_hwloc(TOPOLOGIES / "epyc-naples-2s-8n.xml")
    by_distance = {
        int(distance): set(topology.memory_latency_ns[topology.node_distance == distance].tolist())
        for distance in np.unique(topology.node_distance)
    }
    assert by_distance == {10: {90}, 16: {108}, 32: {158}}


@pytest.mark.parametrize("file", ALL_FILES)
def test_every_file_converts(file):
    topology = topology_from_hwloc(TOPOLOGIES / file)
    assert topology.name == file.removesuffix(".xml")
    assert topology == topology_from_hwloc(TOPOLOGIES / file)


def test_name_can_be_chosen():
    assert topology_from_hwloc(TOPOLOGIES / ALL_FILES[0], name="mine").name == "mine"
