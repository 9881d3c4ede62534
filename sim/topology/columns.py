"""The array fields of a topology: types, shapes, ranges, and the conversion that enforces them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.topology.errors import TopologyError

CORES_MAX = 4096
NODES_MAX = 1024
CORE_TYPES_MAX = 16
OS_INDEX_MAX = 2**31 - 1
SIZE_BYTES_MAX = 1 << 60
LATENCY_NS_MAX = 10_000_000
DISTANCE_MAX = 1_000_000
BANDWIDTH_MB_S_MAX = 1_000_000_000
FREQUENCY_MHZ_MAX = 100_000
SPEED_MIN, SPEED_MAX = 1e-3, 1e3


@dataclass(frozen=True)
class ArrayField:
    """One array of a topology: its element type, its axes, and the range of its values."""

    name: str
    dtype: type[np.generic]
    axes: tuple[str, ...]  # core, cluster, node, or class (4 distance classes)
    low: float
    high: float
    optional: bool = False


CORE, NODE = ("core",), ("node",)
ARRAY_FIELDS = (
    ArrayField("core_type", np.int8, CORE, 0, CORE_TYPES_MAX - 1),
    ArrayField("core_speed", np.float64, CORE, SPEED_MIN, SPEED_MAX),
    ArrayField("core_frequency_mhz", np.int64, CORE, 1, FREQUENCY_MHZ_MAX),
    ArrayField("core_smt", np.int32, CORE, 0, CORES_MAX - 1),
    ArrayField("core_cluster", np.int32, CORE, 0, CORES_MAX - 1),
    ArrayField("core_node", np.int32, CORE, 0, NODES_MAX - 1),
    ArrayField("core_package", np.int32, CORE, 0, CORES_MAX - 1),
    ArrayField("core_os_index", np.int32, CORE, 0, OS_INDEX_MAX),
    ArrayField("private_cache_bytes", np.int64, CORE, 0, SIZE_BYTES_MAX),
    ArrayField("cluster_cache_bytes", np.int64, ("cluster",), 0, SIZE_BYTES_MAX),
    ArrayField("node_os_index", np.int32, NODE, 0, OS_INDEX_MAX),
    ArrayField("node_memory_bytes", np.int64, NODE, 0, SIZE_BYTES_MAX),
    ArrayField("node_bandwidth_mb_s", np.int64, NODE, 0, BANDWIDTH_MB_S_MAX),
    ArrayField("node_distance", np.int32, ("node", "node"), 0, DISTANCE_MAX),
    ArrayField("memory_latency_ns", np.int64, ("node", "node"), 1, LATENCY_NS_MAX),
    ArrayField("line_latency_ns", np.int64, ("class",), 0, LATENCY_NS_MAX),
    ArrayField("core_latency_ns", np.int32, ("core", "core"), 0, LATENCY_NS_MAX, optional=True),
)
AXIS_MAX = {"core": CORES_MAX, "cluster": CORES_MAX, "node": NODES_MAX, "class": 4}


def as_field_array(field: ArrayField, value: object, where: str | None = None) -> NDArray[Any]:
    """Convert a value to the array that a field stores, refusing any loss.

    Parameters
    ----------
    field : ArrayField
    value : array, or nested sequence of numbers
    where : str, the name for messages; the field's own by default

    Returns
    -------
    array of the field's type and number of axes, C-contiguous, read-only, values in range

    Raises
    ------
    TopologyError on text, booleans, NaN, fractions of an integer, ragged rows, too many
    elements, or a value out of range, naming the first such element
    """
    where = where or field.name
    array = _numeric_array(field, value, where)
    if array.ndim != len(field.axes):
        raise TopologyError(where, value, f"an array with axes ({', '.join(field.axes)})")
    for size, axis in zip(array.shape, field.axes, strict=True):
        if not 1 <= size <= AXIS_MAX[axis]:
            raise TopologyError(where, array.shape, f"1 to {AXIS_MAX[axis]} entries a {axis}")
    is_integer = np.issubdtype(field.dtype, np.integer)
    in_range = (array >= field.low) & (array <= field.high)
    if is_integer and array.dtype.kind == "f":
        in_range &= array == np.floor(array)
    if not in_range.all():
        place = tuple(int(index) for index in np.argwhere(~in_range)[0])
        element = where + "".join(f"[{index}]" for index in place)
        kind = "an integer" if is_integer else "a number"
        raise TopologyError(element, array[place].item(), f"{kind} {field.low:g} to {field.high:g}")
    converted: NDArray[Any] = np.array(array, dtype=field.dtype, order="C")
    converted.setflags(write=False)
    return converted


def _numeric_array(field: ArrayField, value: object, where: str) -> NDArray[Any]:
    allowed = f"numbers with axes ({', '.join(field.axes)}), rows of one length"
    if isinstance(value, (str, bytes, dict)):
        raise TopologyError(where, value, allowed)
    try:
        array = np.asarray(value)
    except (ValueError, TypeError, OverflowError) as error:
        raise TopologyError(where, value, allowed) from error
    if array.dtype.kind not in "iuf":
        raise TopologyError(where, value, allowed)
    return array
