"""Measured core-to-core latencies: the tables, and what they change in a topology."""

import json

import numpy as np
import pytest

from sim.topology import (
    DistanceClass,
    TopologyError,
    overlay_core_latency,
    read_latency_csv,
    topology_from_description,
    topology_from_hwloc,
)
from tests.unit.topology.machines import (
    LATENCIES,
    TOPOLOGIES,
    expand,
    load_json,
    needs_latencies,
    needs_topologies,
    plain_topology,
)

FOUR = topology_from_description({"clusters": [{"repeat": 2, "cores": 2}]}, name="four")
SUMMARY = load_json(LATENCIES / "summary.json")


def write(tmp_path, text):
    path = tmp_path / "latency.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def test_lower_triangle(tmp_path):
    topology = overlay_core_latency(FOUR, write(tmp_path, ",,,\n20,,,\n91,95,,\n96,90,21.6,\n"))
    assert topology.core_latency_ns.tolist() == [
        [0, 20, 91, 96],
        [20, 0, 95, 90],
        [91, 95, 0, 22],
        [96, 90, 22, 0],
    ]
    assert topology.core_latency_ns.dtype == np.int32
    assert topology.line_latency_ns.tolist() == [8, 21, 93, 200]
    assert topology.line_latency_matrix()[0].tolist() == [0, 20, 91, 96]
    assert FOUR.core_latency_ns is None
    assert topology != FOUR


def test_two_directions_are_kept_and_gaps_filled_by_class(tmp_path):
    text = "5,20,,\n22,5,,100\n,,5,\n,104,,5\n"
    topology = overlay_core_latency(FOUR, write(tmp_path, text))
    assert topology.core_latency_ns.tolist() == [
        [0, 20, 102, 102],
        [22, 0, 102, 100],
        [102, 102, 0, 21],
        [102, 104, 21, 0],
    ]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "\n\n",
        ",,,\n,,,\n,,,\n,,,\n",
        "1,2\n3,4\n",
        "1,2,3\n1,2,3\n1,2\n",
        ",,,\nx,,,\n,,,\n,,,\n",
        ",,,\nnan,,,\n,,,\n,,,\n",
        ",,,\n-1,,,\n,,,\n,,,\n",
        ",,,\ninf,,,\n,,,\n,,,\n",
        ",,,\n1e9,,,\n,,,\n,,,\n",
        ",,,\n" + "1" * 50 + ",,,\n,,,\n,,,\n",
        b"\xff\xfe\x00\x00",
        b"\x00,\x00\n\x00,\x00",
        "," * 5000,
        "1\n" * 5000,
    ],
)
def test_bad_tables_are_refused(tmp_path, text):
    with pytest.raises(TopologyError) as caught:
        overlay_core_latency(FOUR, write(tmp_path, text))
    assert "\n" not in str(caught.value)


def test_error_names_the_cell(tmp_path):
    with pytest.raises(TopologyError, match=r"cell \(2, 1\)"):
        overlay_core_latency(FOUR, write(tmp_path, ",,,\n1,,,\n1,oops,,\n1,1,1,\n"))


def test_missing_file_is_refused(tmp_path):
    with pytest.raises(TopologyError):
        read_latency_csv(tmp_path / "none.csv")


def test_table_of_another_machine_is_refused(tmp_path):
    with pytest.raises(TopologyError, match="8 rows"):
        overlay_core_latency(plain_topology(), write(tmp_path, ",,,\n1,,,\n1,1,,\n1,1,1,\n"))


def test_one_core(tmp_path):
    one = topology_from_description({"clusters": [{"cores": 1}]})
    assert overlay_core_latency(one, write(tmp_path, "3")).core_latency_ns.tolist() == [[0]]


@needs_latencies
@pytest.mark.parametrize("file", sorted(SUMMARY))
def test_every_table_reads_with_the_medians_of_its_summary(file):
    measured = read_latency_csv(LATENCIES / file)
    summary = SUMMARY[file]
    assert measured.shape == (summary["pus"],) * 2
    np.fill_diagonal(measured, np.nan)
    clusters = np.full(summary["pus"], -1)
    for number, text in enumerate(summary["clusters"]):
        clusters[list(expand(text))] = number
    siblings = next((v for k, v in summary["latency_ns"].items() if k.startswith("smt")), None)
    same_cluster = [entry for key, entry in summary["latency_ns"].items() if key.startswith("same_cluster")]
    values = measured[(clusters[:, None] == clusters[None, :]) & ~np.isnan(measured)]
    low = min(entry["p5"] for entry in same_cluster + ([siblings] if siblings else []))
    high = max(entry["p95"] for entry in same_cluster)
    assert low <= float(np.median(values)) <= high, json.dumps(summary["latency_ns"])


@needs_latencies
@needs_topologies
def test_overlay_on_an_import():
    topology = topology_from_hwloc(
        TOPOLOGIES / "constructed-apple-m1pro.xml",
        latency_csv=LATENCIES / "apple-m1-pro-10c.csv",
    )
    assert topology.line_latency_ns[DistanceClass.SAME_CLUSTER] == 40
    assert topology.core_latency_ns[0, 1] == 37
    assert topology.core_latency_ns[1, 0] == 53
