"""Validity of topologies in the BEAM's terms, and their stored order (erl_cpu_topology.c)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.topology import TopologyError
from sim.topology.beam_cpu import BeamCpu, BeamTopology, stored_key
from tests.unit.topology.beam_cases import beams


def beam(*rows: tuple[int, ...]) -> BeamTopology:
    """Make a topology of rows (node, processor, processor_node, core, thread, logical)."""
    return BeamTopology(tuple(BeamCpu(*row) for row in rows))


def refusal(*rows: tuple) -> TopologyError:
    with pytest.raises(TopologyError) as caught:
        beam(*rows)
    assert "\n" not in str(caught.value)
    return caught.value


def test_stored_order_is_by_processor_before_node():
    made = beam((0, 2, -1, 0, 0, 5), (1, 1, -1, 0, 1, 4), (1, 1, -1, 0, 0, 3), (-1, 0, 9, 0, 0, 2))
    assert made.logical_ids == (2, 3, 4, 5)
    assert made.has_nodes
    assert not beam((-1, 0, -1, 0, 0, 0)).has_nodes


def test_any_order_and_iterable_makes_the_same():
    rows = [BeamCpu(-1, 0, -1, core, 0, core) for core in range(4)]
    assert BeamTopology(tuple(rows)) == BeamTopology(reversed(rows))
    assert hash(BeamTopology(tuple(rows))) == hash(BeamTopology(rows))


@given(beams(), st.randoms())
def test_constructor_is_idempotent_and_order_free(made: BeamTopology, random):
    cpus = list(made.cpus)
    random.shuffle(cpus)
    assert BeamTopology(tuple(cpus)) == made
    keys = [stored_key(cpu) for cpu in made.cpus]
    assert keys == sorted(set(keys))


@pytest.mark.parametrize(
    ("rows", "where", "allowed"),
    [
        ([], "cpus", "at least one"),
        ([(-1, 0, -1, 0, 0, 7), (-1, 0, -1, 1, 0, 7)], "logical", "each logical id once"),
        ([(-1, 0, -1, 0, 0, 0), (-1, 0, -1, 0, 0, 1)], "CPUs 0 and 1", "one CPU at each place"),
        ([(0, 0, -1, 0, 0, 0), (-1, 1, -1, 0, 0, 1)], "CPU 1", "one NUMA node"),
        ([(-1, 0, -1, 0, 0, 0), (-1, 1, 3, 0, 0, 1)], "CPU 1", "no NUMA node"),
        ([(0, 0, 1, 0, 0, 0)], "CPU 0", "one NUMA node"),
        ([(0, 0, -1, 0, 0, 0), (1, 0, -1, 1, 0, 1)], "processor 0", "one external node"),
        ([(0, 0, -1, 0, 0, 0), (-1, 0, 1, 1, 0, 1)], "processor 0", "one external node"),
        ([(-2, 0, -1, 0, 0, 0)], "cpus[0].node", "-1 to 65535"),
        ([(-1, -1, -1, 0, 0, 0)], "cpus[0].processor", "0 to 65535"),
        ([(-1, 0, -1, 0, 0, 65536)], "cpus[0].logical", "0 to 65535"),
        ([(-1, 0, -1, True, 0, 0)], "cpus[0].core", "0 to 65535"),
        ([(-1, 0, -1, 0, "0", 0)], "cpus[0].thread", "0 to 65535"),
    ],
)
def test_invalid_topologies_are_refused(rows, where, allowed):
    error = refusal(*rows)
    assert where in error.where
    assert allowed in error.allowed


def test_something_else_than_a_cpu_is_refused():
    with pytest.raises(TopologyError, match="a BeamCpu"):
        BeamTopology(((0, 0, 0, 0, 0, 0),))


def test_internal_node_ids_may_repeat_in_another_processor():
    made = beam((-1, 0, 0, 0, 0, 0), (-1, 1, 0, 0, 0, 1))
    assert made.logical_ids == (0, 1)
