"""What is assumed of a machine when its description does not say."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

# One cache line between two cores, by DistanceClass. Typical medians of measured machines: SMT
# siblings 4-12 ns, one cluster 23-83, another cluster of the node 80-160, another node 74-304.
LINE_LATENCY_NS = (8, 40, 110, 200)
# Idle latency of local DRAM; two-socket servers measure 79-130 ns.
LOCAL_MEMORY_NS = 90
CACHE_LINE_BYTES = 64
# The L2 of most servers since 2017 has 0.5 to 2 MiB.
PRIVATE_CACHE_BYTES = 1 << 20
FREQUENCY_MHZ = 2500
# Efficiency cores whose speed nobody states: between 0.35 (Apple M1) and 0.6 (Intel Gracemont).
EFFICIENCY_CORE_SPEED = 0.5
# What Linux reports when firmware has no SLIT.
LOCAL_DISTANCE, REMOTE_DISTANCE = 10, 20
# Remote memory as a multiple of local: measured 1.6-1.9 across two sockets, and 1.1-1.3 between
# the nodes of one package. A further step of distance costs about a router hop more.
SAME_PACKAGE_RATIO, OTHER_PACKAGE_RATIO, STEP_RATIO, RATIO_MAX = 1.2, 1.75, 0.25, 3.0
NO_PACKAGE = -1


def default_node_distance(num_nodes: int) -> NDArray[np.int32]:
    """Give the distances that Linux assumes for nodes that nothing is known of.

    Parameters
    ----------
    num_nodes : int, >= 1

    Returns
    -------
    int32 array (node, node), 10 on the diagonal, 20 elsewhere
    """
    distance = np.full((num_nodes, num_nodes), REMOTE_DISTANCE, np.int32)
    np.fill_diagonal(distance, LOCAL_DISTANCE)
    return distance


def default_memory_latency(
    node_distance: NDArray[Any], node_package: NDArray[Any], local_ns: int = LOCAL_MEMORY_NS
) -> NDArray[np.int64]:
    """Guess memory latencies from the order, not the size, of SLIT distances.

    A SLIT value is an opinion of the firmware: 10/21 was measured as 1 to 1.8, and 10/32 as 1 to
    2. So only the rank of a distance among the remote ones counts. The nearest rank costs 1.2
    times the local latency if any two such nodes lie in one package, else 1.75; the ranks
    after it go on to 1.75 and then by a quarter each, up to 3.

    Parameters
    ----------
    node_distance : int array (node, node)
    node_package  : int array (node,), package of each node, NO_PACKAGE if it has no cores
    local_ns      : int, ns, latency of a node's own memory

    Returns
    -------
    int64 array (node, node), ns
    """
    num_nodes = node_distance.shape[0]
    is_remote = ~np.eye(num_nodes, dtype=bool)
    ranks = np.unique(node_distance[is_remote])
    is_one_package = node_package[:, None] == node_package[None, :]
    is_one_package &= node_package[:, None] != NO_PACKAGE
    ratios = np.ones((num_nodes, num_nodes))
    ratio = 1.0
    for rank, distance in enumerate(ranks.tolist()):
        pairs = is_remote & (node_distance == distance)
        if rank == 0:
            ratio = SAME_PACKAGE_RATIO if (pairs & is_one_package).any() else OTHER_PACKAGE_RATIO
        elif ratio < OTHER_PACKAGE_RATIO:
            ratio = OTHER_PACKAGE_RATIO
        else:
            ratio = min(ratio + STEP_RATIO, RATIO_MAX)
        ratios[pairs] = ratio
    return np.rint(ratios * local_ns).astype(np.int64)
