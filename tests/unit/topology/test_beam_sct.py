"""The text of +sct: what a live OTP 25 accepts, refuses and makes of it, and round trips."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.topology import TopologyError
from sim.topology.beam_cpu import BeamCpu, BeamTopology
from sim.topology.beam_sct import SCT_LENGTH_MAX, format_ids, format_sct, parse_ids, parse_sct
from tests.unit.topology.beam_cases import SUITE_SCT, SUITE_TERMS, beams


def rows(text: str) -> list[tuple[int, ...]]:
    """Give (node, processor, processor_node, core, thread, logical) of each CPU, in stored order."""
    return [
        (cpu.node, cpu.processor, cpu.processor_node, cpu.core, cpu.thread, cpu.logical)
        for cpu in parse_sct(text).cpus
    ]


# What erlang:system_flag(internal_cpu_topology, undefined) gave after each of these.
@pytest.mark.parametrize(
    ("text", "cpus"),
    [
        ("L0", [(-1, 0, -1, 0, 0, 0)]),
        ("L0:", [(-1, 0, -1, 0, 0, 0)]),
        ("L0-0", [(-1, 0, -1, 0, 0, 0)]),
        ("  L0 \n", [(-1, 0, -1, 0, 0, 0)]),
        ("L65535", [(-1, 0, -1, 0, 0, 65535)]),
        ("L000000000000000000000001", [(-1, 0, -1, 0, 0, 1)]),
        ("L0c00000000000000000000000065535", [(-1, 0, -1, 65535, 0, 0)]),
        ("L0-1c0-1", [(-1, 0, -1, 0, 0, 0), (-1, 0, -1, 1, 0, 1)]),
        ("L0-1c1-0", [(-1, 0, -1, 0, 0, 1), (-1, 0, -1, 1, 0, 0)]),
        ("L0-1t0-1n0", [(0, 0, -1, 0, 0, 0), (0, 0, -1, 0, 1, 1)]),
        ("L0-1T0-1C3P2N9", [(9, 2, -1, 3, 0, 0), (9, 2, -1, 3, 1, 1)]),
        ("L0-1c0-1p0n0", [(0, 0, -1, 0, 0, 0), (0, 0, -1, 1, 0, 1)]),
        ("L0-1p0-1n5", [(5, 0, -1, 0, 0, 0), (5, 1, -1, 0, 0, 1)]),
        ("L5n2p1", [(-1, 1, 2, 0, 0, 5)]),
        ("L0-1c0-1n0-1p0", [(-1, 0, 0, 0, 0, 0), (-1, 0, 1, 1, 0, 1)]),
        ("L0n0p0:L1p1n0", [(-1, 0, 0, 0, 0, 0), (0, 1, -1, 0, 0, 1)]),
        ("L0c0n0p0:L1c0n0p1", [(-1, 0, 0, 0, 0, 0), (-1, 1, 0, 0, 0, 1)]),
        ("L0p0n0:L1p1n1:L2p2n0", [(0, 0, -1, 0, 0, 0), (1, 1, -1, 0, 0, 1), (0, 2, -1, 0, 0, 2)]),
        ("L3-0,5c0-4", [(-1, 0, -1, core, 0, cpu) for core, cpu in enumerate([3, 2, 1, 0, 5])]),
        ("L0-1t0-1:L2c1", [(-1, 0, -1, 0, 0, 0), (-1, 0, -1, 0, 1, 1), (-1, 0, -1, 1, 0, 2)]),
        (
            # The example of erl(1).
            "L0-1,3-2c0-3p0N0:L7,4,6-5c0-3p1N1",
            [(0, 0, -1, core, 0, cpu) for core, cpu in enumerate([0, 1, 3, 2])]
            + [(1, 1, -1, core, 0, cpu) for core, cpu in enumerate([7, 4, 6, 5])],
        ),
    ],
)  # fmt: skip
def test_strings_that_erl_accepts(text, cpus):
    assert rows(text) == cpus


# erl said: missing logical identifier, invalid identifier, ... range, ... type, invalid hierarchy,
# not unique entities, invalid nodes declaration.
@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("", "sct[0]"),
        (":L0", "sct[0]"),
        ("L0::L1c1", "sct[1]"),
        ("L0::", "sct[1]"),
        ("l0", "sct[0]"),
        ("c0L0", "sct[0]"),
        ("L", "sct[0]"),
        ("L-1", "sct[0]"),
        ("L0,c0", "sct[0]"),
        ("L0-c0", "sct[0]"),
        ("L0-1-2c0-2", "sct[0]"),
        ("L0+1", "sct[0]"),
        ("L0 c0", "sct[0]"),
        ("L0x0", "sct[0]"),
        ("L٣", "sct[0]"),
        ("+sct L0", "sct[0]"),
        ("L65536", "sct[0].L"),
        ("L99999999999999999999", "sct[0].L"),
        ("L" + "9" * 6000, "sct[0].L"),
        ("L0c0t0", "sct[0]"),
        ("L0p1c2", "sct[0]"),
        ("L0c2p1t1n2", "sct[0]"),
        ("L0c0c0", "sct[0]"),
        ("L0-1t0-1T0-1", "sct[0]"),
        ("L0L1", "sct[0]"),
        ("L0-3c0-1", "sct[0].c"),
        ("L0-3t3-0c0,0", "sct[0].c"),
        ("L0c0,1", "sct[0].c"),
        ("L0-1c0-65535", "sct[0].c"),
        ("L0-3", "sct: CPUs 0 and 1"),
        ("L0-1n0p0", "sct: CPUs 0 and 1"),
        ("L0-1c0,0", "sct: CPUs 0 and 1"),
        ("L0,0c0-1", "sct: logical"),
        ("L0-1p0-1:L3-2p2-3n0", "sct: CPU"),
        ("L0-1c0-1p0n0-1", "sct: CPUs 0 and 1 of processor 0"),
        ("L0-1N0-1", "sct: CPUs 0 and 1 of processor 0"),
        ("L0c0p0n0:L1c1n1p0", "sct: CPUs"),
    ],
)
def test_strings_that_erl_refuses(text, where):
    with pytest.raises(TopologyError) as caught:
        parse_sct(text)
    assert where in caught.value.where
    assert caught.value.allowed
    assert len(str(caught.value)) < 600


def test_short_texts_cannot_name_very_many_cpus():
    # Each entry alone would be fine; together they name CPUs over and over.
    text = ":".join(["L0-65535c0-65535"] * 1000)
    with pytest.raises(TopologyError, match="at most 0 ids"):
        parse_sct(text)
    with pytest.raises(TopologyError, match="at most 2 ids"):
        parse_sct("L0-1c" + ",".join(["0-65535"] * 1000))
    with pytest.raises(TopologyError, match="characters"):
        parse_sct("L" * (SCT_LENGTH_MAX + 1))
    with pytest.raises(TopologyError, match="characters"):
        parse_sct(None)


def test_the_largest_machine_makes_the_trip():
    cpus = tuple(BeamCpu(65535 - cpu, 65535 - cpu, -1, 65535, 65535, cpu) for cpu in range(65536))
    beam = BeamTopology(cpus)
    text = format_sct(beam)
    assert len(text) <= SCT_LENGTH_MAX
    assert parse_sct(text) == beam


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("L0", "L0p0"),
        ("L0-3c0-3", "L0-3c0-3p0"),
        ("L0-1c0-1p0n0", "L0-1c0-1p0n0"),
        ("L0,2,4t0c0-2:L1,3,5t1c0-2", "L0,2,4c0-2p0:L1,3,5t1c0-2p0"),
        ("L0-7t0-7:L8-15t0-7c1", "L0-7t0-7p0:L8-15t0-7c1p0"),
        ("L0-1t0-1c0n3p1:L2-3t0-1c1n4p1", "L0-1t0-1n3p1:L2-3t0-1c1n4p1"),
        ("L7-4c0-3", "L7-4c0-3p0"),
    ],
)
def test_strings_are_written_short(text, written):
    assert format_sct(parse_sct(text)) == written


@pytest.mark.parametrize("text", [*SUITE_SCT.values(), *SUITE_TERMS])
def test_suite_strings_make_the_round_trip(text):
    beam = parse_sct(text)
    assert parse_sct(format_sct(beam)) == beam
    assert beam.logical_ids == tuple(range(len(beam.cpus)))


@given(beams())
def test_round_trip(beam):
    text = format_sct(beam)
    assert not set(text) - set("Ltcpn0123456789-,:")
    assert parse_sct(text) == beam


@given(st.lists(st.integers(0, 12) | st.integers(0, 65535), min_size=1, max_size=40))
def test_ids_make_the_round_trip(ids):
    assert parse_ids(format_ids(ids)) == ids


@given(st.text(alphabet="Ltcpn0123-,: LTx", max_size=30))
def test_any_text_is_read_or_refused(text):
    try:
        beam = parse_sct(text)
    except TopologyError as error:
        assert error.where.startswith("sct")
    else:
        assert parse_sct(format_sct(beam)) == beam
