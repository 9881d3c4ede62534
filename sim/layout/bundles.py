"""Sentinels of time, and the read-only tables of a batch."""

from typing import NamedTuple

import numpy as np

TIME_NEVER_NS = 2**63 - 1
TIME_PAST_NS = -(2**62)


class Tables(NamedTuple):
    """What a lane reads and never changes.

    whole : int64 (n,), `g` of the kernel: header (layout/table.py), then program steps, classes, replay, memory
    real  : float64 (n,), `f` of the kernel: distributions, class numbers, values
    cores : int64 (core, core.WIDTH), the facts of the machine in their columns, the rest zero
    sets  : int64 (set, word): every core, physical cores, clusters, nodes, masks, in this order
    """

    whole: np.ndarray
    real: np.ndarray
    cores: np.ndarray
    sets: np.ndarray
    num_smt: int
    num_clusters: int
    num_nodes: int
    num_masks: int
    num_classes: int
    num_trace: int
    num_edges: int
