"""From a topology to BEAM terms and back: what is kept, what is assumed, what a base gives."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import yaml
from hypothesis import given

import conf
from sim.topology import Topology, TopologyError, topology_from_description
from sim.topology.assemble import dense_ids
from sim.topology.beam_convert import beam_of, topology_of
from sim.topology.beam_sct import format_sct, parse_sct
from sim.topology.beam_term import format_term
from tests.unit.topology.beam_cases import beams
from tests.unit.topology.machines import plain_topology

PRESETS = {
    path.stem: data
    for path in sorted((Path(str(conf.__path__[0])) / "topology").glob("*.yaml"))
    if (data := yaml.safe_load(path.read_text()))["kind"] == "description"
}


def preset(name: str) -> Topology:
    return topology_from_description(PRESETS[name], name=name)


@pytest.mark.parametrize("name", PRESETS)
def test_presets_make_the_round_trip(name):
    topology = preset(name)
    beam = beam_of(topology)
    assert parse_sct(format_sct(beam)) == beam
    assert topology_of(beam, name, base=topology) == topology
    plain = topology_of(beam, name)
    assert beam_of(plain) == beam
    for field in ("core_smt", "core_node", "core_package", "core_os_index"):
        assert np.array_equal(getattr(plain, field), getattr(topology, field)), field


@pytest.mark.parametrize(
    ("name", "sct"),
    [
        # One node: Linux shows one node directory, so it is an external node 0.
        ("two_core", "L0-1c0-1p0n0"),
        ("single", "L0p0n0"),
        # A node a package: external.
        ("altra_2s", "L0-79c0-79p0n0:L80-159c0-79p1n1"),
        ("epyc_7763_2s", "L0-63c0-63p0n0:L128-191t1c0-63p0n0:L64-127c0-63p1n1:L192-255t1c0-63p1n1"),
        # Two nodes a package: internal, and cores count through the package.
        ("xeon_2s_snc2", ":".join((
            "L0-9c0-9n0p0", "L40-49t1c0-9n0p0", "L10-19c10-19n1p0", "L50-59t1c10-19n1p0",
            "L20-29c0-9n2p1", "L60-69t1c0-9n2p1", "L30-39c10-19n3p1", "L70-79t1c10-19n3p1",
        ))),
        ("desktop_i9_12900k", "L0,2,4,6,8,10,12,14,16-23c0-15p0n0:L1,3,5,7,9,11,13,15t1c0-7p0n0"),
    ],
)  # fmt: skip
def test_machines_as_linux_shows_them(name, sct):
    assert format_sct(beam_of(preset(name))) == sct


def test_single_node_is_not_shown():
    assert format_term(beam_of(preset("two_core"))) == "[{processor,[{core,{logical,0}},{core,{logical,1}}]}]"


def test_packages_in_one_node_and_packages_of_nodes_side_by_side():
    topology = plain_topology(
        core_smt=range(8), core_cluster=[0, 0, 1, 1, 2, 2, 3, 3], core_node=[0, 0, 0, 0, 1, 1, 2, 2],
        core_package=[0, 0, 1, 1, 2, 2, 2, 2], cluster_cache_bytes=[0] * 4, node_os_index=[1, 4, 6],
        node_memory_bytes=[0] * 3, node_bandwidth_mb_s=[0] * 3,
        node_distance=[[10, 20, 20]] * 3, memory_latency_ns=[[90] * 3] * 3,
    )  # fmt: skip
    text = "L0-1c0-1p0n1:L2-3c0-1p1n1:L4-5c0-1n4p2:L6-7c2-3n6p2"
    assert format_sct(beam_of(topology)) == text
    assert beam_of(topology_of(parse_sct(text), "back")) == parse_sct(text)


def test_indexes_are_kept_and_bounded():
    topology = plain_topology(core_os_index=[3, 5, 8, 9, 20, 21, 30, 65535], node_os_index=[2, 65535])
    beam = beam_of(topology)
    assert beam.logical_ids == (3, 5, 8, 9, 20, 21, 30, 65535)
    assert {cpu.node for cpu in beam.cpus} == {2, 65535}
    for field in ("core_os_index", "node_os_index"):
        indexes = getattr(topology, field).tolist()
        with pytest.raises(TopologyError, match=field):
            beam_of(replace(topology, **{field: [*indexes[:-1], 65536]}))


def test_what_is_assumed():
    topology = topology_of(parse_sct("L0-1t0-1c0p5n7:L2-3c1-2p5n7:L4-5c0-1p6n7:L6-7c0-1p8n9"), "terms")
    assert topology.name == "terms"
    assert topology.core_smt.tolist() == [0, 0, 1, 2, 3, 4, 5, 6]
    assert topology.core_package.tolist() == [0, 0, 0, 0, 1, 1, 2, 2]
    # A cluster is what a processor has in one node.
    assert topology.core_cluster.tolist() == topology.core_package.tolist()
    assert topology.node_os_index.tolist() == [7, 9]
    assert topology.core_node.tolist() == [0] * 6 + [1] * 2
    assert topology.node_distance.tolist() == [[10, 20], [20, 10]]
    assert topology.caches == ()
    assert topology.core_type_names == ("P",)
    assert topology_of(parse_sct("L3,1c0-1"), "none").num_nodes == 1


def test_internal_nodes_cut_a_processor_into_clusters():
    topology = topology_of(parse_sct("L0-1c0-1n0p0:L2-3c2-3n1p0"), "snc")
    assert topology.num_packages == 1
    assert topology.core_node.tolist() == topology.core_cluster.tolist() == [0, 0, 1, 1]


def test_a_base_gives_what_the_terms_lack():
    base = preset("desktop_i9_12900k")
    # The P cores alone, as two processors in two nodes.
    topology = topology_of(parse_sct("L0-7t0-1,0-1,0-1,0-1c0,0,1,1,2,2,3,3p0n0:L8-15c0-7p1n1"), "half", base)
    assert topology.num_cores == 16
    assert topology.core_type.tolist() == [0] * 16
    assert topology.core_frequency_mhz.tolist() == [3200] * 16
    assert topology.line_latency_ns.tolist() == base.line_latency_ns.tolist()
    shared = [cache for cache in topology.caches if cache.level == 3]
    assert shared[0].sharing == (tuple(range(16)),)
    # Its one node is not these two: memory is assumed.
    assert topology.node_distance.tolist() == [[10, 20], [20, 10]]
    assert topology.node_memory_bytes.tolist() == [0, 0]


def test_a_base_must_have_the_cpus_and_hold_siblings_together():
    base = preset("epyc_7763_2s")
    with pytest.raises(TopologyError, match="epyc_7763_2s"):
        topology_of(parse_sct("L0,256c0-1"), "more", base)
    with pytest.raises(TopologyError, match="core_cluster"):
        topology_of(parse_sct("L0,8t0-1"), "siblings across clusters", base)


def test_measured_latencies_follow_their_cores():
    matrix = np.arange(64).reshape(8, 8)
    base = plain_topology(core_latency_ns=matrix)
    topology = topology_of(parse_sct("L4-7t0-1,0-1c0,0,1,1"), "some", base)
    assert topology.core_latency_ns.tolist() == matrix[4:, 4:].tolist()
    # The base's nodes divide these CPUs in the same way, so all stay: node 0 has memory only.
    assert topology.core_node.tolist() == [1] * 4
    assert topology.node_distance.tolist() == base.node_distance.tolist()


def test_too_many_cpus_are_refused():
    with pytest.raises(TopologyError, match="4096"):
        topology_of(parse_sct("L0-4096c0-4096"), "large")


@given(beams())
def test_any_beam_topology_becomes_a_machine(beam):
    topology = topology_of(beam, "any")
    cpus = sorted(beam.cpus, key=lambda cpu: cpu.logical)
    assert topology.core_os_index.tolist() == [cpu.logical for cpu in cpus]
    assert topology.core_package.tolist() == dense_ids([cpu.processor for cpu in cpus])
    places = [(cpu.processor, cpu.processor_node, cpu.core) for cpu in cpus]
    assert topology.core_smt.tolist() == dense_ids(places)
    nodes = topology.node_os_index[topology.core_node].tolist()
    assert nodes == [max(cpu.node, cpu.processor_node, 0) for cpu in cpus]
    # Detection is idempotent: from here on nothing changes.
    again = beam_of(topology)
    assert beam_of(topology_of(again, "any")) == again
    assert topology_of(again, "any") == topology
