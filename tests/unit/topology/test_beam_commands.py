"""BEAM terms on the command line: topology=sct, topology=cpu_topology, import, export and binding."""

from pathlib import Path

import pytest
import yaml

from pipeline import topology
from pipeline.config.build import build_topology
from pipeline.config.schema_errors import load_section
from sim.topology.beam_convert import beam_of
from sim.topology.beam_sct import parse_sct
from sim.topology.beam_term import parse_term

SCT = "L0-3c0-3p0n0:L4-7c0-3p1n1"
Output = pytest.CaptureFixture[str]


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def printed(capsys: Output, *words: str) -> str:
    capsys.readouterr()
    assert topology.main(words) == 0
    return capsys.readouterr().out


def refused(capsys: Output, *words: str) -> str:
    capsys.readouterr()
    assert topology.main(words) == 2
    return capsys.readouterr().err


def test_a_string_is_a_machine(capsys: Output) -> None:
    out = printed(capsys, "show", "topology=sct", f"topology.sct={SCT}")
    assert "NUMA nodes" in out
    assert "2 x 4 cores" in out
    # A comma takes quotes within quotes.
    assert "3" in printed(capsys, "show", "topology=sct", 'topology.sct="L0,2,4c0-2"')


def test_export_and_back(capsys: Output) -> None:
    words = ("topology=sct", f"topology.sct={SCT}")
    assert printed(capsys, "export", *words, "format=sct") == f"{SCT}\n"
    term = printed(capsys, "export", *words, "format=cpu_topology").strip()
    assert parse_term(term) == parse_sct(SCT)
    printed(capsys, "export", *words, "format=cpu_topology", "out=machine.term")
    assert Path("machine.term").read_text() == f"{term}.\n"
    for given in ("machine.term", f'"{term}"'):
        read = ("topology=cpu_topology", f"topology.term={given}")
        assert printed(capsys, "export", *read, "format=sct") == f"{SCT}\n"
    assert "exists already" in refused(capsys, "export", *words, "format=sct", "out=machine.term")


@pytest.mark.parametrize("form", ["sct", "cpu_topology"])
def test_import(capsys: Output, form: str) -> None:
    name = {"sct": "box.sct", "cpu_topology": "box.term"}[form]
    printed(capsys, "export", "topology=altra_2s", f"format={form}", f"out={name}")
    printed(capsys, "import", name)
    description = yaml.safe_load(Path("box.yaml").read_text())
    assert description["name"] == "box"
    built = build_topology(load_section("topology", description))
    assert beam_of(built) == parse_sct("L0-79c0-79p0n0:L80-159c0-79p1n1")


def test_binding(capsys: Output) -> None:
    # As wide as the terminal of the tests; the columns are +sbt, bind type, CPUs.
    lines = printed(capsys, "binding", "topology=sct", f"topology.sct={SCT}").splitlines()
    assert "schedulers 1 to 8" in lines[0]
    rows = {line.split()[0]: line.split(maxsplit=2)[2].strip() for line in lines[1:]}
    assert rows["ns"] == "0-7"
    assert rows["s"] == "0, 4, 1, 5, 2, 6, 3, 7"
    assert rows["db"] == rows["tnnps"] == "0-7"
    few = ("binding", "topology=sct", f"topology.sct={SCT}", "schedulers=4", "allowed=0,4-5")
    rows = {line.split()[0]: line.split(maxsplit=2)[2].strip() for line in printed(capsys, *few).splitlines()}
    assert rows["s"] == "0, 4-5; 1 unbound"


def test_list_says_what_is_needed(capsys: Output) -> None:
    out = printed(capsys, "list")
    for key in ("topology.sct=", "topology.term=", "topology.path="):
        assert f"needs {key}" in out


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "topology=sct"], "topology.sct: must be given"),
        (["show", "topology=cpu_topology"], "topology.term: must be given"),
        (["show", "topology=sct", "topology.sct=5"], "must be text"),
        (["show", "topology=sct", "topology.sct=L0-3"], "one CPU at each place"),
        (["show", "topology=sct", "topology.sct=L0-4999c0-4999"], "at most 4096"),
        (["show", "topology=cpu_topology", "topology.term=undefined"], "a known topology"),
        (["show", "topology=cpu_topology", "topology.term=/no/such"], "cannot be read"),
        (["show", "topology=cpu_topology", 'topology.term="[{core}]"'], "topology.term, character 7"),
        (["import", "/no/such.term"], "cannot be read"),
        (["export", "two_core", "format=scr"], "did you mean sct?"),
        (["binding", "two_core", "schedulers=0"], "at least 1"),
        (["binding", "two_core", "schedulers=x"], "whole number"),
        (["binding", "two_core", "allowed=x"], "numbers and ranges"),
    ],
)
def test_what_is_wrong_is_said(capsys: Output, words: list[str], message: str) -> None:
    assert message in refused(capsys, *words)


def test_a_file_that_is_no_text(capsys: Output) -> None:
    Path("binary.term").write_bytes(b"\xff\xfe")
    Path("huge.term").write_bytes(b" " * ((8 << 20) + 1))
    assert "UTF-8" in refused(capsys, "import", "binary.term")
    assert "8 MiB" in refused(capsys, "import", "huge.term")
