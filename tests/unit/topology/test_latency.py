"""Measured core-to-core latencies: the tables, and what they change in a topology."""

import json

import numpy as np
import pytest

from pipeline import topology as command
from sim.topology import (
    DistanceClass,
    TopologyError,
    overlay_core_latency,
    overlay_latency_matrix,
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


def machine_of(summary):
    """A machine with the clusters, siblings and sockets that the summary of a table states."""
    size = summary["pus"]
    columns = {"cluster": [0] * size, "package": [0] * size, "node": [0] * size, "smt": list(range(size))}
    for key, name in (("clusters", "cluster"), ("sockets", "package"), ("sockets", "node")):
        for number, text in enumerate(summary[key]):
            for cpu in expand(text):
                columns[name][cpu] = number
    if summary["smt"] == 2 and "8 P-cores" in summary["description"]:
        columns["smt"] = [*(cpu // 2 for cpu in range(16)), *range(8, 16)]
    elif summary["smt"] == 2:
        columns["smt"] = [cpu % (size // 2) for cpu in range(size)]
    nodes = len(summary["sockets"])
    distance = [[10 if one == other else 21 for other in range(nodes)] for one in range(nodes)]
    return topology_from_description(
        {
            "core_types": ["P"],
            "cores": {"os_index": f"0-{size - 1}", **columns},
            "nodes": {"os_index": f"0-{nodes - 1}" if nodes > 1 else "0", "distance": distance},
        },
        name="fitting",
    )


@needs_latencies
@pytest.mark.parametrize("file", sorted(SUMMARY))
def test_every_table_lies_over_a_machine_that_fits(file):
    summary = SUMMARY[file]
    topology = overlay_core_latency(machine_of(summary), LATENCIES / file)
    matrix = topology.core_latency_ns
    assert (np.diag(matrix) == 0).all()
    assert (matrix[~np.eye(summary["pus"], dtype=bool)] > 0).all()
    medians = summary["latency_ns"]
    classes = topology.distance_class_matrix()
    expected = {"smt": DistanceClass.SAME_CORE, "cross_socket": DistanceClass.OTHER_NODE}
    for prefix, distance in expected.items():
        for key in (key for key in medians if key.startswith(prefix)):
            found = topology.line_latency_ns[distance]
            assert medians[key]["p5"] - 1 <= found <= medians[key]["p95"] + 1, key
    same = [entry for key, entry in medians.items() if key.startswith("same_cluster")]
    found = topology.line_latency_ns[DistanceClass.SAME_CLUSTER]
    assert min(entry["p5"] for entry in same) - 1 <= found <= max(entry["p95"] for entry in same) + 1
    # A class's figure is the median of the pairs of that class.
    of_class = matrix[(classes == DistanceClass.SAME_CLUSTER) & (matrix > 0)]
    assert abs(float(np.median(of_class)) - found) <= 1


@pytest.mark.parametrize(
    ("matrix", "where"),
    [
        (np.full((3, 3), 20.0), r"shape \(3, 3\)"),
        (np.full((4, 3), 20.0), r"shape \(4, 3\)"),
        (np.where(np.arange(16).reshape(4, 4) == 6, -5.0, 20.0), r"\(1, 2\)"),
        (np.where(np.arange(16).reshape(4, 4) == 8, np.inf, 20.0), r"\(2, 0\)"),
    ],
)
def test_bad_matrices_are_refused(matrix, where):
    with pytest.raises(TopologyError, match=where):
        overlay_latency_matrix(FOUR, matrix)


@needs_latencies
@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("apple_m1_pro", "apple-m1-pro-10c"),
        ("desktop_i9_12900k", "intel-i9-12900k"),
        ("xeon_8375c_2s", "intel-xeon-8375c-2s"),
        ("graviton3", "aws-graviton3"),
        ("altra_q80", "ampere-altra-q80-30"),
    ],
)
def test_command_lays_a_table_over_any_machine(name, file, tmp_path, capsys):
    out = tmp_path / "machine.yaml"
    table = f"latency_csv={LATENCIES / file}.csv"
    assert command.main(["export", f"topology={name}", table, f"out={out}"]) == 0
    assert command.main(["show", str(out)]) == 0
    assert "measured" in capsys.readouterr().out
    # The same by importing the file that was written, over which the table lies again.
    again = tmp_path / "again.yaml"
    assert command.main(["import", str(out), table, f"out={again}"]) == 0
    assert again.read_text().splitlines()[1:] == out.read_text().splitlines()[1:]


def test_command_refuses_a_table_of_another_machine(tmp_path, capsys):
    out = tmp_path / "machine.yaml"
    table = write(tmp_path, "1,2\n3,4\n")
    assert command.main(["export", "topology=apple_m1_pro", f"latency_csv={table}", f"out={out}"]) == 2
    assert "10 rows, one a core of apple_m1_pro" in capsys.readouterr().err
    assert not out.exists()
