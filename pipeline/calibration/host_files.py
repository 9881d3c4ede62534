"""The files that the measurement of a machine leaves."""

from datetime import UTC, datetime

from pipeline.calibration.host import Host, machine_text
from pipeline.calibration.latency import latency_csv, latency_matrix
from pipeline.calibration.rewarm import rewarm_csv
from pipeline.calibration.write import cost_text, topology_text


def host_files(host: Host, seconds: float) -> dict[str, str]:
    """Text by file name; the cost first, then the topology."""
    day = datetime.now(UTC).date()
    head = [
        f"Measured by `pipeline.calibrate host seconds={seconds:g}` on {day}: {machine_text()}.",
        *(f"Note: {note}." for note in host.notes),
    ]
    cost_head = [*head, "What stands in no line here was not measured and has its default."]
    files = {
        "cost.yaml": cost_text(cost_head, host.cost),
        "topology.yaml": topology_text(host.topology, [*head, *_topology_comments(host)]),
    }
    if any(host.samples.values()):
        matrix = latency_matrix(host.samples, host.topology.core_os_index.tolist())
        files["core_latency.csv"] = latency_csv(matrix)
    if host.rewarm:
        files["rewarm.csv"] = rewarm_csv(host.rewarm)
    return files


def _topology_comments(host: Host) -> list[str]:
    lines = [f"frequency_mhz: {host.clock}."]
    for value in host.others:
        shown = value.value_text() if value.is_found else "not found"
        lines.append(f"{value.name}: {shown}; {value.comment()}.")
    if not any(host.samples.values()):
        lines.append("line_latency_ns: not measured, the defaults.")
    return lines
