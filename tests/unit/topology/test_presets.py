"""Every preset of conf/topology is a valid machine, short enough to read."""

import numpy as np
import pytest
import yaml

from sim.topology import Topology, read_latency_csv, topology_from_description, topology_from_hwloc
from tests.unit.topology.machines import (
    LATENCIES,
    REPO,
    TOPOLOGIES,
    needs_latencies,
    needs_topologies,
)

FOLDER = REPO / "conf" / "topology"
FILES = sorted(path.stem for path in FOLDER.glob("*.yaml"))
SOURCES = {"hwloc", "host", "yaml_file", "sct", "cpu_topology"}
PRESETS = [name for name in FILES if name not in SOURCES]
# cores, physical cores, packages, nodes, clusters
SHAPES = {
    "altra_2s": (160, 160, 2, 2, 80),
    "altra_q80": (80, 80, 1, 1, 40),
    "apple_m1_pro": (10, 10, 1, 1, 3),
    "apple_m2_ultra": (24, 24, 1, 1, 6),
    "big_1024": (1024, 1024, 16, 16, 128),
    "desktop_i9_12900k": (24, 16, 1, 1, 3),
    "epyc_7763_2s": (256, 128, 2, 2, 16),
    "epyc_7763_2s_nps4": (256, 128, 2, 8, 16),
    "epyc_naples_2s": (96, 48, 2, 8, 16),
    "graviton3": (64, 64, 1, 1, 1),
    "hybrid_i7_1370p": (20, 14, 1, 1, 3),
    "mesh_64": (64, 64, 1, 1, 1),
    "opteron_8n": (48, 48, 4, 8, 8),
    "published_32": (32, 32, 1, 1, 1),
    "published_hosts": (6, 6, 6, 6, 6),
    "published_probe": (256, 256, 64, 64, 128),
    "published_two_nodes": (16, 16, 2, 2, 2),
    "single": (1, 1, 1, 1, 1),
    "two_core": (2, 2, 1, 1, 1),
    "xeon_2s_snc2": (80, 40, 2, 4, 4),
    "xeon_8375c_2s": (128, 64, 2, 2, 2),
}


def load(name: str) -> Topology:
    return topology_from_description(yaml.safe_load((FOLDER / f"{name}.yaml").read_text()))


def test_all_presets_are_listed_here():
    assert sorted(SHAPES) == PRESETS
    assert set(FILES) >= SOURCES


@pytest.mark.parametrize("name", FILES)
def test_files_are_short_and_commented(name):
    lines = (FOLDER / f"{name}.yaml").read_text().splitlines()
    assert len(lines) <= 40
    assert max(map(len, lines)) <= 100
    assert lines[0].startswith("# ")


@pytest.mark.parametrize("name", PRESETS)
def test_shape(name):
    topology = load(name)
    assert topology.name == name
    shape = (
        topology.num_cores,
        topology.num_physical_cores,
        topology.num_packages,
        topology.num_nodes,
        topology.num_clusters,
    )
    assert shape == SHAPES[name]


@pytest.mark.parametrize("name", PRESETS)
def test_distance_costs_do_not_fall(name):
    topology = load(name)
    assert (np.diff(topology.line_latency_ns) >= 0).all()
    assert (topology.memory_latency_ns >= np.diag(topology.memory_latency_ns)[:, None]).all()
    for row, latency in zip(topology.node_distance, topology.memory_latency_ns, strict=True):
        assert (np.diff(latency[np.argsort(row, kind="stable")]) >= 0).all()


def test_uniform_machines_fit_in_25_lines():
    for name in ("epyc_7763_2s", "xeon_8375c_2s", "mesh_64", "big_1024"):
        assert len((FOLDER / f"{name}.yaml").read_text().splitlines()) <= 25


@needs_topologies
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("apple_m1_pro", "constructed-apple-m1pro.xml"),
        ("epyc_naples_2s", "epyc-naples-2s-8n.xml"),
        ("hybrid_i7_1370p", "hybrid-raptorlake-i7-1370P.xml"),
        ("opteron_8n", "opteron-magnycours-4s-8n-sparse.xml"),
    ],
)
def test_preset_and_import_of_one_machine_agree(name, file):
    preset, imported = load(name), topology_from_hwloc(TOPOLOGIES / file)
    for field in (
        "core_type", "core_smt", "core_cluster", "core_node", "core_package",
        "private_cache_bytes", "cluster_cache_bytes", "node_distance",
    ):  # fmt: skip
        assert np.array_equal(getattr(preset, field), getattr(imported, field)), field


@needs_latencies
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("apple_m1_pro", "apple-m1-pro-10c.csv"),
        ("desktop_i9_12900k", "intel-i9-12900k.csv"),
        ("xeon_8375c_2s", "intel-xeon-8375c-2s.csv"),
        ("graviton3", "aws-graviton3.csv"),
        ("altra_q80", "ampere-altra-q80-30.csv"),
    ],
)
def test_line_latencies_match_the_measured_medians(name, file):
    topology = load(name)
    measured = read_latency_csv(LATENCIES / file)
    classes = topology.distance_class_matrix()
    np.fill_diagonal(classes, -1)
    for distance in range(4):
        values = measured[(classes == distance) & ~np.isnan(measured)]
        if values.size:
            median = float(np.median(values))
            assert topology.line_latency_ns[distance] == pytest.approx(median, rel=0.1, abs=1), distance
