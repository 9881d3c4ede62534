"""Measured core-to-core latencies, laid over a topology."""

import math
import os
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from sim.topology.columns import CORES_MAX, LATENCY_NS_MAX
from sim.topology.errors import TopologyError, one_line
from sim.topology.hwloc_xml import read_bytes
from sim.topology.model import DistanceClass, Topology

CELL_LENGTH_MAX = 40
FILE_BYTES_MAX = 64 << 20


def overlay_core_latency(topology: Topology, path: str | os.PathLike[str]) -> Topology:
    """Lay a measured table of core-to-core latencies over a topology.

    The table replaces ``core_latency_ns``, and the median of each distance class replaces that
    class in ``line_latency_ns``. A pair measured in one direction counts for both; a pair not
    measured at all gets the latency of its class.

    Parameters
    ----------
    topology : Topology, left as it is
    path     : path of a CSV file, one row and one column a CPU in the order of OS indexes

    Returns
    -------
    Topology, a new one

    Raises
    ------
    TopologyError if the file is unreadable or has another number of CPUs
    """
    measured_ns = read_latency_csv(path)
    if measured_ns.shape[0] != topology.num_cores:
        allowed = f"{topology.num_cores} rows, one a core of {topology.name}"
        hint = "the table must come from the same machine, with SMT siblings if it has them"
        raise TopologyError(str(path), f"{measured_ns.shape[0]} rows", allowed, hint)
    return overlay_latency_matrix(topology, measured_ns)


def overlay_latency_matrix(topology: Topology, measured_ns: NDArray[np.float64]) -> Topology:
    """Lay a matrix of core-to-core latencies over a topology, as ``overlay_core_latency`` does.

    Parameters
    ----------
    topology    : Topology, left as it is
    measured_ns : float64 array (core, core), ns, NaN where nothing was measured

    Returns
    -------
    Topology, a new one

    Raises
    ------
    TopologyError for a matrix of another shape, or with values below 0 or above LATENCY_NS_MAX
    """
    _check_matrix(topology, measured_ns)
    both_ns = np.where(np.isnan(measured_ns), measured_ns.T, measured_ns)
    np.fill_diagonal(both_ns, np.nan)
    classes = topology.distance_class_matrix()
    line_latency_ns = topology.line_latency_ns.copy()
    for distance in DistanceClass:
        values = both_ns[(classes == distance) & ~np.isnan(both_ns)]
        if values.size:
            line_latency_ns[distance] = round(float(np.median(values)))
    filled = np.where(np.isnan(both_ns), line_latency_ns[classes], both_ns)
    np.fill_diagonal(filled, 0)
    core_latency_ns = np.rint(filled).astype(np.int32)
    return replace(topology, line_latency_ns=line_latency_ns, core_latency_ns=core_latency_ns)


def _check_matrix(topology: Topology, measured_ns: NDArray[np.float64]) -> None:
    shape = (topology.num_cores, topology.num_cores)
    if measured_ns.shape != shape:
        raise TopologyError("core_latency_ns", f"shape {measured_ns.shape}", f"shape {shape}, a row a core")
    outside = ~np.isnan(measured_ns) & ~((measured_ns >= 0) & (measured_ns <= LATENCY_NS_MAX))
    if outside.any():
        row, column = np.argwhere(outside)[0].tolist()
        where = f"core_latency_ns ({row}, {column})"
        raise TopologyError(where, float(measured_ns[row, column]), f"0 to {LATENCY_NS_MAX} ns, or NaN")


def read_latency_csv(path: str | os.PathLike[str]) -> NDArray[np.float64]:
    """Read a square table of latencies in nanoseconds.

    Cells may be empty (not measured), so a lower triangle is a table like any other. The first
    line is a row, not a heading.

    Parameters
    ----------
    path : path of a CSV file

    Returns
    -------
    float64 array (core, core), ns, NaN where nothing was measured

    Raises
    ------
    TopologyError on a cell that is no number from 0 to LATENCY_NS_MAX, on a table that is not
    square, or on one larger than CORES_MAX
    """
    source = one_line(str(path))
    try:
        text = read_bytes(path, FILE_BYTES_MAX).decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise TopologyError(source, str(error), "a CSV file in UTF-8") from error
    lines = text.splitlines()
    # Blank lines are dropped at the end only: inside, a blank line is a row without values.
    while lines and not lines[-1].strip():
        lines.pop()
    size = len(lines)
    if not 1 <= size <= CORES_MAX:
        raise TopologyError(source, f"{size} rows", f"1 to {CORES_MAX} rows")
    latency_ns = np.full((size, size), np.nan)
    for row, line in enumerate(lines):
        cells = line.split(",")
        if len(cells) != size:
            where = f"{source} line {row + 1}"
            allowed = f"{size} cells, as many as there are rows"
            raise TopologyError(where, f"{len(cells)} cells", allowed)
        for column, cell in enumerate(cells):
            if cell.strip():
                latency_ns[row, column] = _read_cell(cell, f"{source} cell ({row}, {column})")
    if size > 1 and np.isnan(latency_ns[~np.eye(size, dtype=bool)]).all():
        raise TopologyError(source, "only empty cells", "one measured pair or more")
    return latency_ns


def _read_cell(cell: str, where: str) -> float:
    try:
        value = float(cell) if len(cell) <= CELL_LENGTH_MAX else math.nan
    except ValueError:
        value = math.nan
    if not 0 <= value <= LATENCY_NS_MAX:
        raise TopologyError(where, cell, f"a number of nanoseconds, 0 to {LATENCY_NS_MAX}")
    return value
