"""The reader of external terms against the VM's own `term_to_binary`, and against hostile bytes."""

import shutil
import struct
import subprocess
import tracemalloc
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.beam_trace import etf
from tests.pipeline.terms import NIL, atom, integer, pid, port, seq, tup

TERM_COUNT = 500

# Writes `Size:32, Term` records, and the same terms in a plain notation of our own, one a line.
SCRIPT = """
main([Terms, Texts, Count]) ->
    rand:seed(exsss, {1, 2, 3}),
    {ok, F} = file:open(Terms, [write, raw, binary]),
    {ok, T} = file:open(Texts, [write, raw, binary]),
    [begin
        Term = term(rand:uniform(5) - 1),
        %% 1: atoms in Latin-1 where they can be; 2: in UTF-8.
        Options = [{minor_version, rand:uniform(2)}],
        Bytes = term_to_binary(Term, Options),
        ok = file:write(F, [<<(byte_size(Bytes)):32>>, Bytes]),
        ok = file:write(T, [text(Term, Options), 10])
     end || _ <- lists:seq(1, list_to_integer(Count))],
    file:close(F), file:close(T).

pick(L) -> lists:nth(rand:uniform(length(L)), L).
int() -> (rand:uniform(1 bsl pick([3, 8, 9, 16, 31, 32, 33, 63, 64, 200, 2100])) - 1) * pick([1, -1]).
some(F) -> [F() || _ <- lists:seq(1, rand:uniform(6) - 1)].
term(0) ->
    case rand:uniform(13) of
        1 -> pick([a, '', 'hello world', 'caf\\x{e9}', '\\x{3bb}\\x{1F600}', nil, true]);
        2 -> list_to_atom(lists:duplicate(255, pick([$x, 16#e9, 16#3bb])));
        3 -> (rand:uniform() - 0.5) * math:pow(10, rand:uniform(600) - 300);
        4 -> crypto_free(rand:uniform(300) - 1);
        5 -> <<(rand:uniform(1000)):(rand:uniform(13))>>;
        6 -> make_ref();
        7 -> pick([self(), list_to_pid("<0.1234.0>"), list_to_pid("<0.77.3>")]);
        8 -> hd(erlang:ports());
        9 -> pick([fun lists:map/2, fun erlang:self/0]);
        10 -> X = int(), fun(Y) -> X + Y end;
        11 -> [rand:uniform(256) - 1 || _ <- lists:seq(1, rand:uniform(70))];
        12 -> [];
        13 -> int()
    end;
term(D) ->
    Sub = fun() -> term(rand:uniform(D) - 1) end,
    case rand:uniform(6) of
        1 -> list_to_tuple(some(Sub));
        2 -> some(Sub);
        3 -> [Sub() | pick([x, 7, {y}])];
        4 -> maps:from_list([{Sub(), Sub()} || _ <- lists:seq(1, rand:uniform(5))]);
        5 -> list_to_tuple(lists:duplicate(pick([255, 256, 300]), term(0)));
        6 -> {trace_ts, self(), in, {lists, seq, 2}, rand:uniform(64), erlang:monotonic_time()}
    end.
crypto_free(N) -> list_to_binary([rand:uniform(256) - 1 || _ <- lists:seq(1, N)]).

hex(B) -> [io_lib:format("~2.16.0b", [X]) || <<X>> <= B].
text(T, _) when is_integer(T) -> ["i", integer_to_list(T)];
text(T, _) when is_float(T) -> ["f", hex(<<T/float>>)];
text(T, _) when is_atom(T) -> ["a", hex(unicode:characters_to_binary(atom_to_list(T)))];
text(T, _) when is_binary(T) -> ["b", hex(T)];
text(T, O) when is_tuple(T) -> ["(", [[text(X, O), " "] || X <- tuple_to_list(T)], ")"];
text(T, O) when is_map(T) ->
    %% The order of the pairs is that of the bytes.
    Pairs = [iolist_to_binary([text(K, O), " ", text(V, O), " "]) || {K, V} <- maps:to_list(T)],
    ["{", lists:sort(Pairs), "}"];
text(T, O) when is_list(T) -> ["[", list(T, O), "]"];
text(T, _) when is_pid(T) -> ["p", pid_to_list(T)];
text(T, _) when is_port(T) -> ["p", erlang:port_to_list(T)];
text(T, O) -> ["o", hex(binary:part(term_to_binary(T, O), 1, byte_size(term_to_binary(T, O)) - 1))].
list([], _) -> "";
list([H | T], O) -> [text(H, O), " ", list(T, O)];
list(T, O) -> ["| ", text(T, O)].
"""


def text(term: object) -> str:
    """The notation of the script."""
    if isinstance(term, etf.Atom):
        return "a" + term.encode().hex()
    if isinstance(term, int):
        return f"i{term}"
    if isinstance(term, float):
        return "f" + struct.pack(">d", term).hex()
    if isinstance(term, bytes):
        return "b" + term.hex()
    if isinstance(term, etf.Identifier):
        shown = f"#Port<0.{term.number}>" if term.is_port else f"<0.{term.number}.{term.serial}>"
        return "p" + shown
    if isinstance(term, etf.Map):
        return "{" + "".join(sorted(f"{text(k)} {text(v)} " for k, v in term.pairs)) + "}"
    if isinstance(term, etf.Improper):
        return "[" + "".join(f"{text(x)} " for x in term.items) + f"| {text(term.tail)}]"
    if isinstance(term, etf.Opaque):
        return "o" + term.content.hex()
    left, right = ("[", "]") if isinstance(term, list) else ("(", ")")
    return left + "".join(f"{text(x)} " for x in term) + right


@pytest.fixture(scope="module")
def vm_terms(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[bytes, str]]:
    """Terms that the VM wrote, and what they say."""
    if shutil.which("escript") is None:
        pytest.skip("escript of Erlang/OTP is not installed")
    folder = tmp_path_factory.mktemp("terms")
    script = folder / "terms.escript"
    script.write_text("#!/usr/bin/env escript\n%% -*- coding: utf-8 -*-\n-mode(compile).\n" + SCRIPT)
    words = ["escript", script, folder / "terms", folder / "texts", str(TERM_COUNT)]
    subprocess.run(words, check=True, timeout=120, capture_output=True)
    data = (folder / "terms").read_bytes()
    terms, at = [], 0
    for line in (folder / "texts").read_text().splitlines():
        size = int.from_bytes(data[at : at + 4], "big")
        terms.append((data[at + 4 : at + 4 + size], line))
        at += 4 + size
    assert at == len(data)
    assert len(terms) == TERM_COUNT
    return terms


def test_terms_of_the_vm_are_read_as_it_says(vm_terms):
    for data, line in vm_terms:
        assert text(etf.decode(data)) == line


def test_skipping_ends_where_the_term_ends_with_anything_behind_it(vm_terms):
    for data, _ in vm_terms:
        assert etf.skip(data, 1, len(data)) == len(data)
        assert etf.skip(data + b"\xff" * 9, 1, len(data)) == len(data)


def test_terms_of_the_vm_cut_anywhere_are_refused(vm_terms):
    for data, _ in vm_terms[:200]:
        for stop in range(1, len(data), max(len(data) // 50, 1)):
            with pytest.raises(etf.TermError):
                etf.decode(data[:stop])


@given(st.binary(max_size=200))
def test_any_bytes_are_a_term_or_a_term_error(data):
    for whole in (data, b"\x83" + data):
        try:
            etf.decode(whole)
        except etf.TermError as error:
            assert error.found


@given(st.data())
def test_a_flipped_byte_is_a_term_or_a_term_error(data):
    good = b"\x83" + tup(
        atom("trace_ts"), pid(7), seq(integer(1 << 40), port(3)), b"\x6d\0\0\0\3abc", integer(-5)
    )
    at = data.draw(st.integers(1, len(good) - 1))
    bad = good[:at] + bytes([data.draw(st.integers(0, 255))]) + good[at + 1 :]
    try:
        assert etf.skip(bad, 1, len(bad)) <= len(bad)
        etf.decode(bad)
    except (etf.TermError, IndexError, struct.error):
        pass


BOMBS = {
    "list of 2**32 - 1": b"\x6c\xff\xff\xff\xff",
    "tuple of 2**32 - 1": b"\x69\xff\xff\xff\xff",
    "map of 2**32 - 1": b"\x74\xff\xff\xff\xff",
    "binary of 4 GB": b"\x6d\xff\xff\xff\xff",
    "integer of 4 GB": b"\x6f\xff\xff\xff\xff\0",
    "fun of 4 GB": b"\x70\xff\xff\xff\xff",
    "fun of no bytes": b"\x70\0\0\0\0",
    "lists of half of what is left": b"".join(b"\x6c" + struct.pack(">I", 1 << k) for k in range(18, 0, -1)),
    "compressed": b"\x50\x40\0\0\0" + zlib.compress(b"\x6a" * 1000),
    "a reference to an atom cache": b"\x52\x01",
    "an old fun": b"\x75\0\0\0\1",
    "a map of a map": (b"\x74\0\0\0\1" + NIL) * 1000,
}


@pytest.mark.parametrize("name", BOMBS)
def test_bombs_are_refused_at_once(name):
    data = b"\x83" + BOMBS[name]
    tracemalloc.start()
    try:
        with pytest.raises(etf.TermError):
            etf.decode(data)
        assert tracemalloc.get_traced_memory()[1] < 1 << 20
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("shell", [b"\x68\1", b"\x6c\0\0\0\1", b"\x69\0\0\0\1"])
def test_deep_nesting_is_passed_over_but_not_built(shell):
    inner = shell * 200_000 + NIL
    closed = inner + (NIL * 200_000 if shell[0] == etf.LIST else b"")
    assert etf.skip(closed, 0, len(closed)) == len(closed)
    with pytest.raises(etf.TermError, match="nested more than"):
        etf.decode(b"\x83" + closed)


@pytest.mark.parametrize(
    ("data", "found"),
    [
        (atom("ab", 100), ("ab", 5)),
        (atom("é", 100), ("é", 4)),
        (atom("é", 115), ("é", 3)),
        (atom("λ", 118), ("λ", 5)),
        (atom("λ", 119), ("λ", 4)),
        (atom("", 119), ("", 2)),
    ],
)
def test_all_four_forms_of_atoms(data, found):
    assert etf.atom_text(data, 0) == found
    assert etf.skip_atom(data, 0) == found[1]


def test_atoms_that_are_no_text_are_refused():
    with pytest.raises(etf.TermError, match="not UTF-8"):
        etf.atom_text(b"\x77\2\xff\xfe", 0)


@pytest.mark.parametrize("value", [0, 255, 256, -1, 1 << 31, -(1 << 63), 1 << 64, (1 << 2040) - 1])
def test_integers_of_every_size(value):
    assert etf.read_integer(integer(value), 0) == (value, len(integer(value)))


def test_pids_and_ports_of_every_form():
    old = b"\x67" + atom("a@b") + struct.pack(">IIB", 5, 2, 1)
    assert etf.read_identifier(old, 0)[0] == etf.Identifier(False, "a@b", 5, 2)
    assert etf.read_identifier(pid(32768 * 3 + 4), 0)[0] == etf.Identifier(False, "nonode@nohost", 4, 3)
    assert etf.read_identifier(port(9), 0)[0] == etf.Identifier(True, "nonode@nohost", 9, 0)
    assert etf.read_identifier(port(1 << 40, 120), 0)[0].number == 1 << 40
