"""Whatever is done to a document, a topology or a TopologyError comes out, and nothing else."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.topology import (
    Topology,
    TopologyError,
    parse_hwloc,
    to_description,
    topology_from_description,
    topology_from_tree,
)
from tests.unit.topology.hwloc_texts import VERSION_1, document

SEEDS = (document(), VERSION_1)
WORDS = (
    "", "0", "1", "-1", "2", "3", "99", "4294967295", "18446744073709551616", "1e400", "nan",
    "inf", "0x0", "0xf", "0xff", "0xf...f", "0x1,,0x1", ",", "PU", "Core", "Machine", "NUMANode",
    "MemCache", "Group", "L1iCache", "L9Cache", "Package", "Die", "Misc", "Bridge", "Cache",
    "Socket", "gp", "os", "&amp;", "&#0;", "é", "\u2028", "FrequencyMaxMHz", "LinuxCapacity",
)  # fmt: skip


def attempt(data: bytes) -> None:
    try:
        tree = parse_hwloc(data, "fuzz.xml")
        tree.counts()
        tree.depth_order()
        tree.is_symmetric()
        topology = topology_from_tree(tree)
    except TopologyError as error:
        text = str(error)
        assert "\n" not in text
        assert error.allowed
        return
    assert isinstance(topology, Topology)
    assert topology_from_description(to_description(topology)) == topology


def quoted_places(text: str) -> list[tuple[int, int]]:
    """Find the text between quotes, where the values of attributes stand."""
    places, start = [], None
    for place, char in enumerate(text):
        if char == '"':
            if start is not None:
                places.append((start, place))
            start = None if start is not None else place + 1
    return places


FUZZ = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@FUZZ
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.sampled_from(WORDS)), max_size=4),
)
def test_changed_attribute_values(seed, edits):
    for number, word in edits:
        places = quoted_places(seed)
        start, stop = places[number % len(places)]
        seed = seed[:start] + word + seed[stop:]
    attempt(seed.encode("utf-8", "surrogatepass"))


@FUZZ
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 300), st.binary(max_size=8)), max_size=4),
)
def test_changed_bytes(seed, edits):
    data = seed.encode()
    for start, length, piece in edits:
        start %= len(data)
        data = (data[:start] + piece + data[start + length :]) or b"x"
    attempt(data)


@FUZZ
@given(
    seed=st.sampled_from(SEEDS),
    edits=st.lists(st.tuples(st.integers(0, 500), st.integers(0, 500)), max_size=3),
)
def test_moved_and_repeated_tags(seed, edits):
    tags = seed.split("<")
    for source, target in edits:
        tags.insert(1 + target % len(tags), tags[source % len(tags)])
    attempt("<".join(tags).encode())


@settings(max_examples=100, deadline=None)
@given(data=st.binary(max_size=200))
def test_noise(data):
    attempt(data)
    attempt(b"<topology>" + data + b"</topology>")


@pytest.mark.parametrize("seed", SEEDS)
def test_the_seeds_themselves_are_valid(seed):
    assert topology_from_tree(parse_hwloc(seed.encode(), "seed.xml")).num_cores == 4
