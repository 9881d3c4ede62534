"""Machines made by hand for tests: equal cores in clusters and nodes of a given size."""

import sim


def machine(num_cores: int = 4, per_cluster: int = 2, per_node: int = 4, **changes) -> sim.Topology:
    """A machine of equal cores; `changes` are fields of sim.Topology."""
    cluster, node, total = [], [], 0
    for i in range(num_cores):  # a cluster does not reach over the end of a node
        if i % per_node == 0 or i % per_node % per_cluster == 0:
            total += 1
        cluster.append(total - 1)
        node.append(i // per_node)
    nodes = range(node[-1] + 1)
    fields = {
        "name": "by hand",
        "core_type_names": ("P", "E"),
        "core_type": [0] * num_cores,
        "core_speed": [1.0] * num_cores,
        "core_frequency_mhz": [3000] * num_cores,
        "core_smt": list(range(num_cores)),
        "core_cluster": cluster,
        "core_node": node,
        "core_package": node,
        "core_os_index": list(range(num_cores)),
        "private_cache_bytes": [32768] * num_cores,
        "cluster_cache_bytes": [1 << 22] * total,
        "cache_line_bytes": 64,
        "node_os_index": list(nodes),
        "node_memory_bytes": [0 for _ in nodes],
        "node_bandwidth_mb_s": [0 for _ in nodes],
        "node_distance": [[10 if i == j else 20 for j in nodes] for i in nodes],
        "memory_latency_ns": [[90 if i == j else 150 for j in nodes] for i in nodes],
        "line_latency_ns": [4, 20, 45, 120],
    }
    return sim.Topology(**(fields | changes))
