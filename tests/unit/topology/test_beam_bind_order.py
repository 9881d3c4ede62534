"""The orders of +sbt: OTP's own test vectors, a naive twin of the keys, and the map of schedulers."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.topology import TopologyError
from sim.topology.beam_cpu import BeamTopology
from sim.topology.beam_sct import parse_sct
from sim.topology.bind_order import BIND_ATOMS, BIND_TYPES, bind_order, scheduler_map
from tests.unit.topology.beam_cases import SUITE_ORDERS, SUITE_SCT, beams


def order(sct: str, bind_type: str) -> list[int]:
    return list(bind_order(parse_sct(sct), bind_type))


@pytest.mark.parametrize("machine", SUITE_SCT)
@pytest.mark.parametrize("bind_type", BIND_TYPES)
def test_orders_of_otp(machine, bind_type):
    # default_bind is thread_no_node_processor_spread.
    expected = SUITE_ORDERS[machine]["tnnps" if bind_type == "db" else bind_type]
    assert order(SUITE_SCT[machine], bind_type) == [int(word) for word in expected.split()]


def test_atoms_are_aliases():
    assert set(BIND_ATOMS.values()) == set(BIND_TYPES)
    for atom, short in BIND_ATOMS.items():
        assert order(SUITE_SCT["c"], atom) == order(SUITE_SCT["c"], short)


@pytest.mark.parametrize("name", ["u", "unbound", "", "NS", "tnnp", "core_spread"])
def test_other_bind_types_are_refused(name):
    with pytest.raises(TopologyError, match="no_spread"):
        bind_order(parse_sct("L0"), name)


def test_words_of_the_documentation():
    """erl(1): close ids close together; first threads first; one NUMA node at a time."""
    two_nodes = "L0-3t0-1,0-1c0,0,1,1p0n0:L4-7t0-1,0-1c0,0,1,1p1n1"
    assert order(two_nodes, "ns") == [0, 1, 2, 3, 4, 5, 6, 7]
    assert order(two_nodes, "ts") == [0, 2, 4, 6, 1, 3, 5, 7]
    assert order(two_nodes, "ps") == [0, 4, 2, 6, 1, 5, 3, 7]
    assert order(two_nodes, "nnts") == [0, 2, 1, 3, 4, 6, 5, 7]
    assert order(two_nodes, "tnnps") == [0, 2, 4, 6, 1, 3, 5, 7]


def test_repeated_node_ids_as_a_live_vm_orders_them():
    """Internal nodes of neighbouring processors with one id count as one for the nn types."""
    beam = parse_sct("L106c0n4p2:L35,73t0-1c1n4p2:L48,141t0-1c2n4p2:L81,95,176t0-2c0n4p3:L138,33t0-1c1n4p3")
    assert bind_order(beam, "nnts") == (106, 35, 48, 81, 138, 73, 141, 95, 33, 176)
    assert bind_order(beam, "nnps") == (106, 81, 35, 138, 48, 95, 73, 33, 141, 176)
    assert bind_order(beam, "ns") == beam.logical_ids


def dense(values: list) -> list[int]:
    """Number values by their runs: a value that comes back gets another number."""
    numbers = [0]
    for before, value in pairwise(values):
        numbers.append(numbers[-1] + (value != before))
    return numbers


def keys_of_the_specification(beam: BeamTopology) -> list[dict[str, int]]:
    """Count each level as the text defines it: runs before this CPU that lie in the same parent."""
    cpus = beam.cpus
    levels = {
        "X": dense([cpu.node for cpu in cpus]),
        "N": dense([(cpu.node, cpu.processor_node, cpu.processor if cpu.node < 0 else -1) for cpu in cpus]),
        "P": dense([cpu.processor for cpu in cpus]),
        "I": dense([(cpu.processor, cpu.processor_node) for cpu in cpus]),
        "C": dense([(cpu.processor, cpu.processor_node, cpu.core) for cpu in cpus]),
        "T": list(range(len(cpus))),
    }
    parents = {"P": "X", "I": "P", "C": "I", "T": "C"}
    keys = [{"N": n if beam.has_nodes else -1} for n in levels["N"]]
    for level, parent in parents.items():
        for key, own, above in zip(keys, levels[level], levels[parent], strict=True):
            first = min(v for v, p in zip(levels[level], levels[parent], strict=True) if p == above)
            key[level] = own - first
    return keys


LETTERS = {"ns": "NPICT", "ts": "TNPIC", "ps": "TICNP", "s": "TCIPN"}
LETTERS |= {"nnts": "NTPC", "nnps": "NTCP", "tnnps": "TNCP", "db": "TNCP"}


def names_one_node_each(beam: BeamTopology) -> bool:
    runs = dense([(cpu.node, cpu.processor_node, cpu.processor if cpu.node < 0 else -1) for cpu in beam.cpus])
    node_of = {run: max(cpu.node, cpu.processor_node) for run, cpu in zip(runs, beam.cpus, strict=True)}
    return not beam.has_nodes or len(set(node_of.values())) == len(node_of)


@given(beams(), st.sampled_from(BIND_TYPES))
def test_keys_of_the_specification(beam, bind_type):
    if bind_type in ("nnts", "nnps", "tnnps", "db") and not names_one_node_each(beam):
        return
    keys = keys_of_the_specification(beam)
    places = [tuple(key[letter] for letter in LETTERS[bind_type]) for key in keys]
    assert len(set(places)) == len(places)
    ranked = sorted(zip(places, beam.logical_ids, strict=True))
    assert bind_order(beam, bind_type) == tuple(logical for _, logical in ranked)


@given(beams(), st.sampled_from(BIND_TYPES))
def test_order_is_a_permutation(beam, bind_type):
    assert sorted(bind_order(beam, bind_type)) == sorted(beam.logical_ids)


@given(beams())
def test_no_spread_is_stored_order(beam):
    assert bind_order(beam, "ns") == beam.logical_ids
    assert bind_order(beam, "db") == bind_order(beam, "tnnps")


def test_scheduler_map():
    made = order(SUITE_SCT["a"], "s")
    assert scheduler_map(made, 4) == (0, 8, 4, 12)
    assert scheduler_map(made, 17) == (*made, None)
    # CPUs that are not allowed are skipped; no scheduler is left out for them.
    assert scheduler_map(made, 4, {8, 12, 1}) == (8, 12, 1, None)
    assert scheduler_map(made, 2, []) == (None, None)
    assert scheduler_map(made, 2, [999, 4]) == (4, None)


@pytest.mark.parametrize("schedulers", [0, -1, True, 1.5, "2", None])
def test_number_of_schedulers_is_checked(schedulers):
    with pytest.raises(TopologyError, match="schedulers"):
        scheduler_map((0, 1), schedulers)


@given(beams(), st.integers(1, 40), st.sets(st.integers(0, 65535), max_size=5) | st.none(), st.data())
def test_scheduler_map_keeps_the_order(beam, schedulers, extra, data):
    made = bind_order(beam, "db")
    mask = None if extra is None else extra | data.draw(st.sets(st.sampled_from(made)))
    mapped = scheduler_map(made, schedulers, mask)
    assert len(mapped) == schedulers
    bound = [cpu for cpu in mapped if cpu is not None]
    assert mapped == (*bound, *[None] * (schedulers - len(bound)))
    assert bound == [cpu for cpu in made if mask is None or cpu in mask][:schedulers]
    # One scheduler more moves none of the others.
    assert scheduler_map(made, schedulers + 1, mask)[:schedulers] == mapped
