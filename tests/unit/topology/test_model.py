"""The frozen topology: types, invariants, distance classes, digest."""

import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest

from sim.topology import CacheLevel, DistanceClass, Topology, TopologyError
from sim.topology.columns import ARRAY_FIELDS
from tests.unit.topology.machines import plain_fields, plain_topology


def test_arrays_are_typed_contiguous_and_read_only():
    topology = plain_topology(core_latency_ns=np.zeros((8, 8)))
    for field in ARRAY_FIELDS:
        array = getattr(topology, field.name)
        assert array.dtype == field.dtype
        assert array.flags.c_contiguous
        assert not array.flags.writeable


def test_fields_cannot_be_replaced():
    with pytest.raises(FrozenInstanceError):
        plain_topology().name = "other"


def test_constructor_does_not_freeze_the_array_it_was_given():
    speeds = np.ones(8)
    topology = plain_topology(core_speed=speeds)
    speeds[0] = 2.0
    assert topology.core_speed[0] == 1.0


def test_sizes():
    topology = plain_topology()
    assert topology.num_cores == 8
    assert topology.num_physical_cores == 4
    assert topology.num_clusters == 2
    assert topology.num_nodes == 2
    assert topology.num_packages == 2


def test_distance_classes_of_a_machine_with_all_four():
    topology = plain_topology(core_cluster=[0, 0, 1, 1, 2, 2, 2, 2], cluster_cache_bytes=[1, 1, 1])
    row = topology.distance_class_matrix()[0]
    assert row.dtype == np.int8
    assert row.tolist() == [0, 0, 2, 2, 3, 3, 3, 3]
    assert topology.distance_class_matrix()[4].tolist() == [3, 3, 3, 3, 0, 0, 1, 1]
    assert [distance.name for distance in DistanceClass] == [
        "SAME_CORE", "SAME_CLUSTER", "SAME_NODE", "OTHER_NODE",
    ]  # fmt: skip


def test_line_latency_falls_back_to_the_class():
    topology = plain_topology()
    assert topology.line_latency_matrix()[0].tolist() == [8, 8, 40, 40, 200, 200, 200, 200]
    measured = np.arange(64).reshape(8, 8)
    assert (replace(topology, core_latency_ns=measured).line_latency_matrix() == measured).all()


def test_memory_without_cores_is_a_node():
    topology = plain_topology(core_node=[0] * 8)
    assert topology.num_nodes == 2
    assert set(topology.core_node.tolist()) == {0}


def test_equal_content_is_equal_and_hashes_alike():
    assert plain_topology() == plain_topology()
    assert hash(plain_topology()) == hash(plain_topology())
    assert plain_topology() != "pairs"
    assert pickle.loads(pickle.dumps(plain_topology())) == plain_topology()


def test_digest_is_pinned():
    # The run key of every result rests on it: a change here makes all stored results stale.
    assert plain_topology().digest().startswith("e66ca4905cd73495")


@pytest.mark.parametrize(
    "changes",
    [
        {"name": "other"},
        {"core_type_names": ("E",)},
        {"core_speed": [1.0] * 7 + [0.5]},
        {"core_frequency_mhz": [3000] * 7 + [3001]},
        {"core_smt": range(8)},
        {"core_os_index": range(1, 9)},
        {"private_cache_bytes": [1 << 20] * 7 + [0]},
        {"cluster_cache_bytes": [1 << 25, 0]},
        {"cache_line_bytes": 128},
        {"node_os_index": [0, 2]},
        {"node_memory_bytes": [1, 2]},
        {"node_bandwidth_mb_s": [0, 1]},
        {"node_distance": [[10, 21], [22, 10]]},
        {"memory_latency_ns": [[90, 150], [151, 90]]},
        {"line_latency_ns": [8, 40, 110, 201]},
        {"core_latency_ns": np.zeros((8, 8))},
        {"caches": (CacheLevel(3, "unified", 1, 64, ((0, 1),)),)},
        {"memory_controllers": 2},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_digest_covers_every_field(changes):
    assert plain_topology(**changes).digest() != plain_topology().digest()


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"name": ""}, "name"),
        ({"name": "a\nb"}, "name"),
        ({"name": 3}, "name"),
        ({"core_type_names": ()}, "core_type_names"),
        ({"core_type_names": ("P", "P")}, "core_type_names"),
        ({"core_type": [0] * 7 + [1]}, "core_type[7]"),
        ({"core_type": ["P"] * 8}, "core_type"),
        ({"core_type": [True] * 8}, "core_type"),
        ({"core_speed": [1.0] * 7 + [0.0]}, "core_speed[7]"),
        ({"core_speed": [1.0] * 7 + [float("nan")]}, "core_speed[7]"),
        ({"core_speed": [1.0] * 7 + [float("inf")]}, "core_speed[7]"),
        ({"core_frequency_mhz": [3000.5] * 8}, "core_frequency_mhz[0]"),
        ({"core_frequency_mhz": [10**30] * 8}, "core_frequency_mhz"),
        ({"core_smt": [0, 0, 2, 2, 3, 3, 4, 4]}, "core_smt"),
        ({"core_smt": [0, 0, 1, 1, 1, 2, 3, 3]}, "core_cluster[4]"),
        ({"core_smt": range(7)}, "core_smt.shape"),
        ({"core_cluster": [0] * 8, "cluster_cache_bytes": [0]}, "core_node[4]"),
        ({"core_cluster": [0, 0, 0, 0, 1, 1, 2, 2]}, "core_cluster[6]"),
        ({"cluster_cache_bytes": [0, 0, 0]}, "cluster_cache_bytes"),
        ({"core_node": [0, 0, 0, 0, 2, 2, 2, 2]}, "core_node[4]"),
        ({"core_package": [0, 0, 0, 1, 1, 1, 1, 1]}, "core_package[3]"),
        ({"core_os_index": [0, 1, 2, 3, 4, 5, 6, 6]}, "core_os_index[7]"),
        ({"core_os_index": []}, "core_os_index"),
        ({"node_os_index": [1, 0]}, "node_os_index[1]"),
        ({"node_distance": [[10, 21]]}, "node_distance.shape"),
        ({"node_distance": [[10, 21], [10]]}, "node_distance"),
        ({"node_distance": [10, 21]}, "node_distance"),
        ({"node_memory_bytes": [-1, 0]}, "node_memory_bytes[0]"),
        ({"memory_latency_ns": [[90, 150], [150, 0]]}, "memory_latency_ns[1][1]"),
        ({"line_latency_ns": [1, 2, 3]}, "line_latency_ns.shape"),
        ({"core_latency_ns": np.zeros((7, 8))}, "core_latency_ns.shape"),
        ({"core_latency_ns": np.full((8, 8), -1)}, "core_latency_ns[0][0]"),
        ({"cache_line_bytes": 65}, "cache_line_bytes"),
        ({"cache_line_bytes": 64.0}, "cache_line_bytes"),
        ({"memory_controllers": 0}, "memory_controllers"),
        ({"caches": (CacheLevel(0, "unified", 1, 64, ((0,),)),)}, "caches[0].level"),
        ({"caches": (CacheLevel(1, "both", 1, 64, ((0,),)),)}, "caches[0].kind"),
        ({"caches": (CacheLevel(1, "data", -1, 64, ((0,),)),)}, "caches[0].size_bytes"),
        ({"caches": (CacheLevel(1, "data", 1, 64, ((8,),)),)}, "caches[0].sharing[0]"),
        ({"caches": (CacheLevel(1, "data", 1, 64, ((1,), (1,))),)}, "caches[0].sharing[1]"),
        ({"caches": (CacheLevel(1, "data", 1, 64, None),)}, "caches[0]"),
        ({"caches": ("L1",)}, "caches[0]"),
        ({"caches": 5}, "caches"),
    ],
)
def test_bad_field_is_refused_by_name(changes, where):
    with pytest.raises(TopologyError) as caught:
        plain_topology(**changes)
    assert caught.value.where == where
    assert caught.value.allowed
    assert "\n" not in str(caught.value)


def test_too_many_cores_are_refused_before_anything_is_compared():
    count = 4097
    with pytest.raises(TopologyError, match="1 to 4096"):
        Topology(**plain_fields(core_type=[0] * count))


def test_error_tells_what_to_do_in_one_line():
    error = TopologyError("a.b", "x" * 500 + "\n", "1 to 2", "count again")
    assert str(error).startswith("a.b: 'xxx")
    assert str(error).endswith("... is refused; allowed: 1 to 2; count again")
    assert "\n" not in str(error)
    assert "a huge int" in str(TopologyError("a", 10**5000, "less"))
    assert len(str(TopologyError("a", [[10**4000] * 9] * 10**6, "less"))) < 200
    assert isinstance(error, ValueError)


def test_errors_cross_process_boundaries():
    error = pickle.loads(pickle.dumps(TopologyError("a.b", 3, "1 to 2", "count again")))
    assert (error.where, error.value, error.allowed, error.hint) == ("a.b", 3, "1 to 2", "count again")
