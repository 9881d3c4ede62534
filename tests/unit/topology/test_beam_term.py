"""The term of erlang:system_info(cpu_topology): written, read, and refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.topology import TopologyError
from sim.topology.beam_cpu import BeamTopology
from sim.topology.beam_sct import parse_sct
from sim.topology.beam_term import TERM_LENGTH_MAX, format_term, parse_term
from sim.topology.bind_order import BIND_TYPES, bind_order
from tests.unit.topology.beam_cases import SUITE_SCT, SUITE_TERMS, beams, cores, inner, outer, tag


def threads(first: int) -> str:
    return tag("core", *(f"{{thread,{{logical,{cpu}}}}}" for cpu in (first, first + 1)))


def listed(*cpus: int) -> str:
    """Write a node with one processor, which has these CPUs."""
    return tag("node", tag("processor", *(f"{{core,{{logical,{cpu}}}}}" for cpu in cpus)))


def rows(text: str) -> list[tuple[int, ...]]:
    return [
        (cpu.node, cpu.processor, cpu.processor_node, cpu.core, cpu.thread, cpu.logical)
        for cpu in parse_term(text).cpus
    ]


# What a live OTP 25 printed after +sct.
@pytest.mark.parametrize(
    ("sct", "term"),
    [
        ("L0", "[{processor,{logical,0}}]"),
        ("L0-3c0-3", f"[{tag('processor', *cores(0, 3))}]"),
        ("L0-1c0-1p0n0", f"[{tag('processor', *cores(0, 1))}]"),
        ("L0-1,3-2c0-3p0N0:L7,4,6-5c0-3p1N1", f"[{listed(0, 1, 3, 2)},{listed(7, 4, 6, 5)}]"),
        ("L0-1t0-1c0p0", "[{processor,[{thread,{logical,0}},{thread,{logical,1}}]}]"),
        ("L0-1t0-1:L2-3c1-2", f"[{tag('processor', threads(0), *cores(2, 3))}]"),
        ("L0-1p0-1n5", "[{processor,{logical,0}},{processor,{logical,1}}]"),
        ("L5n2p1", "[{processor,[{node,{logical,5}}]}]"),
        ("L0c0n0p0:L1c0n0p1", "[{processor,[{node,{logical,0}}]},{processor,[{node,{logical,1}}]}]"),
        ("L0n0p0:L1p1n0", "[{processor,[{node,{logical,0}}]},{node,[{processor,{logical,1}}]}]"),
        ("L0p0n0:L1p1n1:L2p2n0",
         f"[{','.join(f'{{node,[{{processor,{{logical,{cpu}}}}}]}}' for cpu in range(3))}]"),
    ],
)  # fmt: skip
def test_terms_that_erl_prints(sct, term):
    assert format_term(parse_sct(sct)) == term
    assert format_term(parse_term(term)) == term


@pytest.mark.parametrize(("sct", "entries"), SUITE_TERMS.items())
def test_suite_terms(sct, entries):
    term = f"[{','.join(entries)}]"
    assert format_term(parse_sct(sct)) == term
    # Here the string has the very ids that the positions give.
    assert parse_term(term) == parse_sct(sct)


@pytest.mark.parametrize("sct", SUITE_SCT.values(), ids=SUITE_SCT)
def test_suite_machines_read_back_the_same(sct):
    beam = parse_sct(sct)
    assert parse_term(format_term(beam)) == beam


# What erlang:system_flag(internal_cpu_topology, undefined) gave after
# erlang:system_flag(cpu_topology, Term).
@pytest.mark.parametrize(
    ("term", "cpus"),
    [
        ("{logical,3}", [(-1, 0, -1, 0, 0, 3)]),
        ("[{core,{logical,0}},{core,{logical,1}}]", [(-1, 0, -1, 0, 0, 0), (-1, 0, -1, 1, 0, 1)]),
        ("[{thread,{logical,0}},{thread,{logical,1}}]", [(-1, 0, -1, 0, 0, 0), (-1, 0, -1, 0, 1, 1)]),
        ("[{node,[{core,{logical,0}}]}]", [(0, 0, -1, 0, 0, 0)]),
        ("[{node,[],[{processor,[],{logical,4}}]}]", [(0, 0, -1, 0, 0, 4)]),
        (" [ {processor ,\n\t[ {core,{ logical,0 }} ,{core , {logical,1}}]}\n] .\n",
         [(-1, 0, -1, 0, 0, 0), (-1, 0, -1, 1, 0, 1)]),
        # Cores count through the processor, and threads go on where the core is left out.
        ("[{processor,[{node,[{core,{logical,0}},{core,{logical,1}}]},{node,[{core,{logical,2}}]}]}]",
         [(-1, 0, 0, 0, 0, 0), (-1, 0, 0, 1, 0, 1), (-1, 0, 1, 2, 0, 2)]),
        ("[{processor,[{node,[{thread,{logical,0}},{thread,{logical,1}}]},{node,[{thread,{logical,2}}]}]}]",
         [(-1, 0, 0, 0, 0, 0), (-1, 0, 0, 0, 1, 1), (-1, 0, 1, 0, 2, 2)]),
    ],
)  # fmt: skip
def test_ids_are_numbered_as_erl_numbers_them(term, cpus):
    assert rows(term) == cpus


@pytest.mark.parametrize(
    ("text", "where", "allowed"),
    [
        ("", "character 1", "'['"),
        ("   ", "character 4", "'['"),
        ("undefined", "term", "a known topology"),
        ("undefined.", "term", "a known topology"),
        ("[]", "character 2", "'{'"),
        ("[{processor,[]}]", "character 14", "'{'"),
        ("[{processor,{logical,0}}", "character 25", "']'"),
        ("[{processor,{logical,0}]", "character 24", "'}'"),
        ("[{processor,{logical,0}}]..", "character 27", "nothing after"),
        ("[{processor,{logical,0}}] x", "character 27", "nothing after"),
        ("[{logical,0},{logical,1}]", "character 3", "node or processor or core or thread"),
        ("[{cpu,{logical,0}}]", "character 3", "node or processor or core or thread"),
        ("[{core,{node,{logical,0}}}]", "character 9", "{logical, Id}"),
        ("[{core,[{node,{logical,0}}]}]", "character 10", "thread"),
        ("[{core,[{core,{logical,0}}]}]", "character 10", "thread"),
        ("[{node,[{node,{logical,0}}]}]", "character 10", "processor or core or thread"),
        ("[{thread,[{thread,{logical,0}}]}]", "character 12", "{logical, Id}"),
        ("[{core,{logical,0}},{thread,{logical,1}}]", "character 22", "core, as the entries before"),
        ("[{core,{logical,-1}}]", "character 17", "brackets"),
        ("[{core,{logical,65536}}]", "character 17", "0 to 65535"),
        ("[{core,{logical,12345678901234567890}}]", "character 17", "0 to 65535"),
        ("[{core,{logical,a}}]", "character 17", "0 to 65535"),
        ("[{core,{logical,core}}]", "character 17", "0 to 65535"),
        ("[{core,{logical}}]", "character 16", "','"),
        ("[{core,{logical,0}},{core,{logical,0}}]", "term: logical", "each logical id once"),
        ("[{node,{logical,0}},{processor,{logical,1}}]", "term: CPU 1", "one NUMA node"),
        ("[{node,[{processor,[{node,{logical,0}}]}]}]", "term: CPU 0", "one NUMA node"),
        ("[{'core',{logical,0}}]", "character 3", "brackets"),
        ("[{core,{logical,٣}}]", "character 17", "brackets"),
        ("os:cmd(x)", "character 1", "'['"),
    ],
)  # fmt: skip
def test_other_terms_are_refused(text, where, allowed):
    with pytest.raises(TopologyError) as caught:
        parse_term(text)
    assert where in caught.value.where
    assert allowed in caught.value.allowed
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 600


@pytest.mark.parametrize(
    "text",
    [
        "[" * 1_000_000,
        "{" * 1_000_000,
        "[{processor," * 500_000,
        "[{node,[{processor,[{node,[{core,[{thread," + "[{thread," * 100_000,
        "[{processor,[],[],[],[]," * 100_000,
        " " * 1_000_000,
        "9" * 1_000_000,
        "a" * 1_000_000,
    ],
    ids=lambda text: text[:12],
)
@pytest.mark.timeout(120)  # each is refused within a second, unless the work grows with its square
def test_bombs_are_refused_at_once(text):
    with pytest.raises(TopologyError):
        parse_term(text)


def test_size_is_bounded():
    with pytest.raises(TopologyError, match="characters"):
        parse_term(" " * (TERM_LENGTH_MAX + 1))
    with pytest.raises(TopologyError, match="characters"):
        parse_term(b"[]")


def test_the_largest_machine_is_written_and_read():
    beam = parse_sct("L0-65535c0-65535")
    term = format_term(beam)
    assert len(term) <= TERM_LENGTH_MAX
    assert parse_term(term) == beam


@given(beams())
def test_writing_and_reading_keep_the_shape(beam: BeamTopology):
    term = format_term(beam)
    read = parse_term(term)
    assert read.logical_ids == beam.logical_ids
    assert format_term(read) == term
    assert parse_term(format_term(read)) == read


@given(beams())
def test_the_order_survives_unless_a_node_id_names_two_nodes(beam: BeamTopology):
    internal = {(cpu.processor, cpu.processor_node) for cpu in beam.cpus if cpu.processor_node >= 0}
    external: list[int] = []
    for cpu in beam.cpus:
        if cpu.node >= 0 and external[-1:] != [cpu.node]:
            external.append(cpu.node)
    ids = [node for _, node in internal] + external
    if len(ids) == len(set(ids)):
        read = parse_term(format_term(beam))
        assert all(bind_order(read, name) == bind_order(beam, name) for name in BIND_TYPES)


WORDS = ["[", "]", "{", "}", ",", ".", "[]", "node", "processor", "core", "thread", "logical", "0", "1"]


@given(
    st.text(alphabet="[]{},. \n", max_size=40) | st.lists(st.sampled_from(WORDS), max_size=40).map("".join)
)
def test_any_text_is_read_or_refused(text):
    try:
        beam = parse_term(text)
    except TopologyError as error:
        assert error.where.startswith("term")
    else:
        assert format_term(parse_term(format_term(beam))) == format_term(beam)


def test_helpers_write_what_the_suite_has():
    assert outer((0, 0)) == "{node,[{processor,[{core,{logical,0}}]}]}"
    assert inner((0, 0)) == "{processor,[{node,[{core,{logical,0}}]}]}"
