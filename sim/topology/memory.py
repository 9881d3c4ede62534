"""The part of a plain description that says what distance costs: memory and cache lines."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.topology import defaults
from sim.topology.columns import ARRAY_FIELDS, DISTANCE_MAX, LATENCY_NS_MAX, as_field_array
from sim.topology.errors import TopologyError
from sim.topology.section import Section, is_list

FIELDS = {field.name: field for field in ARRAY_FIELDS}
PLACE_KEYS = ("local", "same_package", "other_package")
CLASS_KEYS = ("same_core", "same_cluster", "same_node", "other_node")


def read_distance(memory: Section, node_package: NDArray[Any]) -> NDArray[Any]:
    """Read ``memory.distance``: a matrix, or values for local, same_package and other_package.

    Parameters
    ----------
    memory       : Section
    node_package : int array (node,)

    Returns
    -------
    int32 array (node, node); 10 and 20 if nothing is said

    Raises
    ------
    TopologyError
    """
    num_nodes = node_package.size
    value = memory.get("distance", None)
    if value is None:
        return defaults.default_node_distance(num_nodes)
    if is_list(value):
        return _read_matrix("node_distance", value, memory.at("distance"), num_nodes)
    places = memory.section("distance", PLACE_KEYS)
    local = places.integer("local", 0, DISTANCE_MAX, defaults.LOCAL_DISTANCE)
    near = places.integer("same_package", 0, DISTANCE_MAX, defaults.REMOTE_DISTANCE)
    far = places.integer("other_package", 0, DISTANCE_MAX, defaults.REMOTE_DISTANCE)
    return _by_place(node_package, (local, near, far)).astype(np.int32)


def read_latency(memory: Section, distance: NDArray[Any], node_package: NDArray[Any]) -> NDArray[Any]:
    """Read ``memory.latency_ns``: a matrix, values by place, or values by SLIT distance.

    By place the keys are local, same_package and other_package; what is missing is derived from
    the local latency. By distance the keys are the SLIT values, all of them.

    Parameters
    ----------
    memory       : Section
    distance     : int array (node, node)
    node_package : int array (node,)

    Returns
    -------
    int64 array (node, node), ns

    Raises
    ------
    TopologyError
    """
    value, where = memory.get("latency_ns", None), memory.at("latency_ns")
    if value is None:
        return defaults.default_memory_latency(distance, node_package)
    if is_list(value):
        return _read_matrix("memory_latency_ns", value, where, node_package.size)
    if isinstance(value, Mapping) and value and all(str(key).isdigit() for key in value):
        return _by_distance({str(key): item for key, item in value.items()}, where, distance)
    places = memory.section("latency_ns", PLACE_KEYS)
    local = places.integer("local", 1, LATENCY_NS_MAX, defaults.LOCAL_MEMORY_NS)
    guess = defaults.default_memory_latency(distance, node_package, local)
    keys = zip(PLACE_KEYS[1:], (True, False), strict=True)
    is_one_package = node_package[:, None] == node_package[None, :]
    is_remote = ~np.eye(node_package.size, dtype=bool)
    for key, is_near in keys:
        if places.has(key):
            pairs = is_remote & (is_one_package == is_near)
            guess[pairs] = places.integer(key, 1, LATENCY_NS_MAX)
    return guess


def read_line_latency(top: Section) -> NDArray[Any]:
    """Read ``line_latency_ns``: one cache line by distance class.

    Parameters
    ----------
    top : Section, the whole description

    Returns
    -------
    int64 array (4,), ns; what is missing gets the default of its class

    Raises
    ------
    TopologyError
    """
    section = top.section("line_latency_ns", CLASS_KEYS)
    pairs = zip(CLASS_KEYS, defaults.LINE_LATENCY_NS, strict=True)
    values = [section.integer(key, 0, LATENCY_NS_MAX, default) for key, default in pairs]
    return np.array(values, np.int64)


def _read_matrix(field_name: str, value: object, where: str, num_nodes: int) -> NDArray[Any]:
    matrix = as_field_array(FIELDS[field_name], value, where)
    if matrix.shape != (num_nodes, num_nodes):
        raise TopologyError(where, matrix.shape, f"{num_nodes} rows of {num_nodes} values")
    return matrix


def _by_place(node_package: NDArray[Any], values: tuple[int, int, int]) -> NDArray[Any]:
    is_one_package = node_package[:, None] == node_package[None, :]
    matrix = np.where(is_one_package, values[1], values[2]).astype(np.int64)
    np.fill_diagonal(matrix, values[0])
    return matrix


def _by_distance(value: dict[str, object], where: str, distance: NDArray[Any]) -> NDArray[Any]:
    known = [str(item) for item in np.unique(distance).tolist()]
    section = Section(value, where, known)
    matrix = np.zeros(distance.shape, np.int64)
    for key in known:
        matrix[distance == int(key)] = section.integer(key, 1, LATENCY_NS_MAX)
    return matrix
