"""Against a running BEAM: what it makes of strings and terms, and which CPUs it would bind.

``erlang:system_flag(internal_cpu_topology, _)`` takes and gives all six ids, and
``erts_debug:get_internal_state({fake_scheduler_bindings, Type})`` the order of a bind type without
binding anything, so the machine that runs this does not matter.
"""

import random
import re
import shutil
import subprocess
from collections.abc import Iterable
from dataclasses import astuple

import pytest

from sim.topology.beam_cpu import NO_ID, BeamCpu, BeamTopology
from sim.topology.beam_sct import format_sct, parse_sct
from sim.topology.beam_term import format_term, parse_term
from sim.topology.bind_order import BIND_ATOMS, BIND_TYPES, bind_order
from tests.unit.topology.beam_cases import SUITE_SCT, SUITE_TERMS

ERL = shutil.which("erl")
pytestmark = pytest.mark.skipif(
    ERL is None, reason="no erl on the path: nothing to compare with (erlang-base)"
)

ATOM_OF = {short: atom for atom, short in BIND_ATOMS.items()}
BINDINGS = ",".join(
    f"erts_debug:get_internal_state({{fake_scheduler_bindings,{ATOM_OF[short]}}})" for short in BIND_TYPES
)
# One line an answer: the term, the ids, and the order of each bind type.
ANSWER = f"""
    Orders = [{BINDINGS}],
    Term = erlang:system_info(cpu_topology),
    Ids = erlang:system_flag(internal_cpu_topology, undefined),
    io:format("~w;~w;~w~n", [Term, Ids, Orders])"""
ENABLE = "erts_debug:set_internal_state(available_internal_state, true)"
LOOP = f"""
    Loop = fun Loop() -> case io:get_line("") of eof -> halt(0); Line ->
        {{ok, Words, _}} = erl_scan:string(Line),
        {{ok, {{Flag, Topology}}}} = erl_parse:parse_term(Words),
        try erlang:system_flag(Flag, Topology) of _ -> {ANSWER}
        catch error:_ -> io:format("refused~n") end,
        Loop() end end,
    {ENABLE}, Loop()."""


def run_erl(code: str, *flags: str, text: str = "") -> list[str]:
    """Run Erlang code in a VM of its own and give the lines of its answers."""
    command = [str(ERL), *flags, "-noshell", "-kernel", "logger_level", "none", "-eval", code]
    # A string that is refused ends the VM with an error: no lines, which is the answer.
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=120, check=False)
    return [line for line in done.stdout.splitlines() if line == "refused" or line.startswith("[{")]


def ask(flag: str, topologies: Iterable[str]) -> list[str]:
    """Set each topology in one VM; one line an answer."""
    given = list(topologies)
    lines = run_erl(LOOP, text="".join(f"{{{flag},{text}}}.\n" for text in given))
    assert len(lines) == len(given)
    return lines


def internal_text(cpus: Iterable[BeamCpu]) -> str:
    rows = (",".join(map(str, ("cpu", *astuple(cpu)))) for cpu in cpus)
    return "[" + ",".join(f"{{{row}}}" for row in rows) + "]"


def assert_alike(line: str, beam: BeamTopology) -> None:
    """Check an answer against our term, ids and orders."""
    term, ids, orders = line.split(";")
    assert ids == internal_text(beam.cpus)
    assert term == format_term(beam)
    found = [tuple(map(int, group.split(","))) for group in re.findall(r"\{([\d,]+)\}", orders)]
    assert found == [bind_order(beam, short) for short in BIND_TYPES]


def random_cpus(draw: random.Random) -> list[BeamCpu]:
    """Make the CPUs of a machine: nodes of both kinds, repeated ids, gaps; in any order."""
    kinds = draw.choice([("none",), ("outer",), ("inner",), ("outer", "inner")])
    places = set()
    for processor in draw.sample(range(8), draw.randint(1, 4)):
        kind = draw.choice(kinds)
        external = draw.randint(0, 2) if kind == "outer" else NO_ID
        internals = draw.sample(range(6), draw.randint(1, 3)) if kind == "inner" else [NO_ID]
        for internal in internals:
            for _ in range(draw.randint(1, 6)):
                places.add((external, processor, internal, draw.randint(0, 4), draw.choice([0, 0, 1, 4])))
    logical = draw.sample(range(300), len(places))
    cpus = [BeamCpu(*place, name) for place, name in zip(sorted(places), logical, strict=True)]
    draw.shuffle(cpus)
    return cpus


def test_random_topologies():
    draw = random.Random(12)
    machines = [random_cpus(draw) for _ in range(200)]
    for line, cpus in zip(ask("internal_cpu_topology", map(internal_text, machines)), machines, strict=True):
        assert_alike(line, BeamTopology(tuple(cpus)))


def test_random_terms():
    draw = random.Random(13)
    terms = [format_term(BeamTopology(tuple(random_cpus(draw)))) for _ in range(200)]
    for line, term in zip(ask("cpu_topology", terms), terms, strict=True):
        assert_alike(line, parse_term(term))


@pytest.mark.parametrize("sct", [*SUITE_SCT.values(), *SUITE_TERMS, "L0-1,3-2c0-3p0N0:L7,4,6-5c0-3p1N1"])
def test_strings(sct):
    code = f"{ENABLE}, {ANSWER}, halt(0)."
    beam = parse_sct(sct)
    # Ours as well as the original, since that is what users will paste.
    for text in (sct, format_sct(beam)):
        (line,) = run_erl(code, "+sct", text)
        assert_alike(line, beam)


@pytest.mark.parametrize("sct", ["L0-3", "L0c0t0", "L0-3c0-1", "L0c0p0n0:L1c1n1p0", "L65536", ":L0", "l0"])
def test_strings_that_are_refused(sct):
    assert run_erl("halt(0).", "+sct", sct) == []
    assert run_erl(f"{ENABLE}, {ANSWER}, halt(0).", "+sct", sct) == []
    with pytest.raises(ValueError, match="sct"):
        parse_sct(sct)


@pytest.mark.parametrize(
    "term",
    [
        "[{core,{logical,0}},{thread,{logical,1}}]",
        "[{node,{logical,0}},{processor,{logical,1}}]",
        "[{core,{logical,65536}}]",
        "[{core,[{core,{logical,1}}]}]",
        "[{logical,0}]",
        "[]",
    ],
)
def test_terms_that_are_refused(term):
    assert ask("cpu_topology", [term]) == ["refused"]
    with pytest.raises(ValueError, match="term"):
        parse_term(term)
