"""Topologies in the BEAM's terms: those of OTP's own tests, and any other that is valid.

The six machines and the orders expected of them are those of OTP's
``erts/emulator/test/scheduler_SUITE.erl`` (cases scheduler_bind_types and cpu_topology), typed
anew as data.
"""

from hypothesis import strategies as st

from sim.topology.beam_cpu import NO_ID, BeamCpu, BeamTopology

SUITE_SCT = {
    "a": "L0-1t0-1c0p0n0:L2-3t0-1c1p0n0:L4-5t0-1c0p1n0:L6-7t0-1c1p1n0"
    ":L8-9t0-1c0p2n1:L10-11t0-1c1p2n1:L12-13t0-1c0p3n1:L14-15t0-1c1p3n1",
    "b": "L0-1t0-1c0n0p0:L2-3t0-1c1n0p0:L4-5t0-1c2n1p0:L6-7t0-1c3n1p0"
    ":L8-9t0-1c0n2p1:L10-11t0-1c1n2p1:L12-13t0-1c2n3p1:L14-15t0-1c3n3p1",
    "c": "L0-1t0-1c0p0n0:L2-3t0-1c1p0n0:L4-5t0-1c0p1n0:L6-7t0-1c1p1n0"
    ":L8-9t0-1c0n1p2:L10-11t0-1c1n1p2:L12-13t0-1c2n2p2:L14-15t0-1c3n2p2"
    ":L16-17t0-1c0p3n3:L18-19t0-1c1p3n3:L20-21t0-1c0p4n3:L22-23t0-1c1p4n3"
    ":L24-25t0-1c0n4p5:L26-27t0-1c1n4p5:L28-29t0-1c2n5p5:L30-31t0-1c3n5p5",
    "d": "L0-1t0-1c0n0p0:L2-3t0-1c1n0p0:L4-5t0-1c2n1p0:L6-7t0-1c3n1p0"
    ":L8-9t0-1c0p1n2:L10-11t0-1c1p1n2:L12-13t0-1c0p2n2:L14-15t0-1c1p2n2"
    ":L16-17t0-1c0n3p3:L18-19t0-1c1n3p3:L20-21t0-1c2n4p3:L22-23t0-1c3n4p3"
    ":L24-25t0-1c0p4n5:L26-27t0-1c1p4n5:L28-29t0-1c0p5n5:L30-31t0-1c1p5n5",
    "e": "L0-1t0-1c0p0n0:L2-3t0-1c1p0n0:L4-5t0-1c2p0n0:L6-7t0-1c3p0n0"
    ":L8-9t0-1c0p1n1:L10-11t0-1c1p1n1:L12-13t0-1c2p1n1:L14-15t0-1c3p1n1",
    "f": "L0-1t0-1c0n0p0:L2-3t0-1c1n0p0:L4-5t0-1c2n0p0:L6-7t0-1c3n0p0"
    ":L8-9t0-1c4n1p0:L10-11t0-1c5n1p0:L12-13t0-1c6n1p0:L14-15t0-1c7n1p0"
    ":L16-17t0-1c8n2p0:L18-19t0-1c9n2p0:L20-21t0-1c10n2p0:L22-23t0-1c11n2p0"
    ":L24-25t0-1c12n3p0:L26-27t0-1c13n3p0:L28-29t0-1c14n3p0:L30-31t0-1c15n3p0",
}

_EVEN = "0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30"
_ODD = "1 3 5 7 9 11 13 15 17 19 21 23 25 27 29 31"
SUITE_ORDERS = {
    "a": {
        "ns": "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        "ts": "0 2 4 6 8 10 12 14 1 3 5 7 9 11 13 15",
        "ps": "0 4 8 12 2 6 10 14 1 5 9 13 3 7 11 15",
        "s": "0 8 4 12 2 10 6 14 1 9 5 13 3 11 7 15",
        "nnts": "0 2 4 6 1 3 5 7 8 10 12 14 9 11 13 15",
        "nnps": "0 4 2 6 1 5 3 7 8 12 10 14 9 13 11 15",
        "tnnps": "0 4 2 6 8 12 10 14 1 5 3 7 9 13 11 15",
    },
    "b": {
        "ns": "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        "ts": "0 2 4 6 8 10 12 14 1 3 5 7 9 11 13 15",
        "ps": "0 8 2 10 4 12 6 14 1 9 3 11 5 13 7 15",
        "s": "0 8 4 12 2 10 6 14 1 9 5 13 3 11 7 15",
        "nnts": "0 2 1 3 4 6 5 7 8 10 9 11 12 14 13 15",
        "nnps": "0 2 1 3 4 6 5 7 8 10 9 11 12 14 13 15",
        "tnnps": "0 2 4 6 8 10 12 14 1 3 5 7 9 11 13 15",
    },
    "c": {
        "ns": " ".join(map(str, range(32))),
        "ts": f"{_EVEN} {_ODD}",
        "ps": "0 4 8 16 20 24 2 6 10 18 22 26 12 28 14 30 1 5 9 17 21 25 3 7 11 19 23 27 13 29 15 31",
        "s": "0 8 16 24 4 20 12 28 2 10 18 26 6 22 14 30 1 9 17 25 5 21 13 29 3 11 19 27 7 23 15 31",
        "nnts": "0 2 4 6 1 3 5 7 8 10 9 11 12 14 13 15 16 18 20 22 17 19 21 23 24 26 25 27 28 30 29 31",
        "nnps": "0 4 2 6 1 5 3 7 8 10 9 11 12 14 13 15 16 20 18 22 17 21 19 23 24 26 25 27 28 30 29 31",
        "tnnps": "0 4 2 6 8 10 12 14 16 20 18 22 24 26 28 30 1 5 3 7 9 11 13 15 17 21 19 23 25 27 29 31",
    },
    "d": {
        "ns": " ".join(map(str, range(32))),
        "ts": f"{_EVEN} {_ODD}",
        "ps": "0 8 12 16 24 28 2 10 14 18 26 30 4 20 6 22 1 9 13 17 25 29 3 11 15 19 27 31 5 21 7 23",
        "s": "0 8 16 24 12 28 4 20 2 10 18 26 14 30 6 22 1 9 17 25 13 29 5 21 3 11 19 27 15 31 7 23",
        "nnts": "0 2 1 3 4 6 5 7 8 10 12 14 9 11 13 15 16 18 17 19 20 22 21 23 24 26 28 30 25 27 29 31",
        "nnps": "0 2 1 3 4 6 5 7 8 12 10 14 9 13 11 15 16 18 17 19 20 22 21 23 24 28 26 30 25 29 27 31",
        "tnnps": "0 2 4 6 8 12 10 14 16 18 20 22 24 28 26 30 1 3 5 7 9 13 11 15 17 19 21 23 25 29 27 31",
    },
    "e": {
        "ns": "0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15",
        "ts": "0 2 4 6 8 10 12 14 1 3 5 7 9 11 13 15",
        "ps": "0 8 2 10 4 12 6 14 1 9 3 11 5 13 7 15",
        "s": "0 8 2 10 4 12 6 14 1 9 3 11 5 13 7 15",
        "nnts": "0 2 4 6 1 3 5 7 8 10 12 14 9 11 13 15",
        "nnps": "0 2 4 6 1 3 5 7 8 10 12 14 9 11 13 15",
        "tnnps": "0 2 4 6 8 10 12 14 1 3 5 7 9 11 13 15",
    },
    "f": {
        "ns": " ".join(map(str, range(32))),
        "ts": f"{_EVEN} {_ODD}",
        "ps": f"{_EVEN} {_ODD}",
        "s": "0 8 16 24 2 10 18 26 4 12 20 28 6 14 22 30 1 9 17 25 3 11 19 27 5 13 21 29 7 15 23 31",
        "nnts": "0 2 4 6 1 3 5 7 8 10 12 14 9 11 13 15 16 18 20 22 17 19 21 23 24 26 28 30 25 27 29 31",
        "nnps": "0 2 4 6 1 3 5 7 8 10 12 14 9 11 13 15 16 18 20 22 17 19 21 23 24 26 28 30 25 27 29 31",
        "tnnps": f"{_EVEN} {_ODD}",
    },
}


def tag(name: str, *inner: str) -> str:
    """Write an entry with a list of entries."""
    return f"{{{name},[{','.join(inner)}]}}"


def cores(first: int, last: int) -> list[str]:
    """Write entries of cores with one thread."""
    return [f"{{core,{{logical,{cpu}}}}}" for cpu in range(first, last + 1)]


def outer(*processors: tuple[int, int]) -> str:
    """Write a node around processors, each with the cores from first to last."""
    return tag("node", *(tag("processor", *cores(*ends)) for ends in processors))


def inner(*nodes: tuple[int, int]) -> str:
    """Write a processor around nodes, each with the cores from first to last."""
    return tag("processor", *(tag("node", *cores(*ends)) for ends in nodes))


# Case cpu_topology: what the string becomes.
SUITE_TERMS = {
    "L0-1c0-1p0n0:L2-3c0-1n1p1:L4-5c0-1p2n2:L6-7c0-1n3p3": (
        outer((0, 1)), inner((2, 3)), outer((4, 5)), inner((6, 7)),
    ),
    "L0-1c0-1p0n0:L2-3c0-1p1n0:L4-5c0-1n1p2:L6-7c2-3n2p2"
    ":L8-9c0-1p3n3:L10-11c0-1p4n3:L12-13c0-1n4p5:L14-15c2-3n5p5": (
        outer((0, 1), (2, 3)), inner((4, 5), (6, 7)), outer((8, 9), (10, 11)), inner((12, 13), (14, 15)),
    ),
    "L0-1c0-1p0n0:L2-3c0-1n1p1:L4-5c0-1n2p2:L6-7c0-1p3n3:L8-9c0-1p4n4:L10-11c0-1n5p5": (
        outer((0, 1)), inner((2, 3)), inner((4, 5)), outer((6, 7)), outer((8, 9)), inner((10, 11)),
    ),
}  # fmt: skip


@st.composite
def beams(draw: st.DrawFn) -> BeamTopology:
    """Draw any valid topology: with gaps, interleaved nodes, ids that repeat, or the largest ids."""
    ids = st.sampled_from([0, 1, 2, 3, 7, 65535])
    has_nodes = draw(st.booleans())
    places = set()
    for processor in draw(st.sets(ids, min_size=1, max_size=4)):
        is_internal = has_nodes and draw(st.booleans())
        external = draw(ids) if has_nodes and not is_internal else NO_ID
        internals = draw(st.sets(ids, min_size=1, max_size=3)) if is_internal else {NO_ID}
        for internal in internals:
            for core, thread in draw(st.sets(st.tuples(ids, ids), min_size=1, max_size=5)):
                places.add((external, processor, internal, core, thread))
    logical = draw(st.lists(st.integers(0, 65535), min_size=len(places), max_size=len(places), unique=True))
    cpus = [BeamCpu(*place, name) for place, name in zip(sorted(places), logical, strict=True)]
    return BeamTopology(tuple(draw(st.permutations(cpus))))
