"""The Erlang term of ``erlang:system_info(cpu_topology)``, written and read.

[{node,[{processor,[{core,{logical,0}},{core,{logical,1}}]}]}, ...]
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from sim.topology.beam_cpu import ID_MAX, NO_ID, BeamCpu, BeamTopology, ids_of
from sim.topology.errors import TopologyError

# Room for 65536 CPUs, each with a core and a thread, printed with line breaks.
TERM_LENGTH_MAX = 1 << 23
WHERE = "term"
TAGS = ("node", "processor", "node", "core", "thread")
NODE, PROCESSOR, PROCESSOR_NODE, CORE, THREAD, LOGICAL = range(6)
TOP = -1
# The levels that an entry may be of, by its tag and by the level of the entry around it.
LEVELS_BELOW = {
    "node": {TOP: NODE, PROCESSOR: PROCESSOR_NODE},
    "processor": {TOP: PROCESSOR, NODE: PROCESSOR},
    "core": dict.fromkeys(range(TOP, CORE), CORE),
    "thread": dict.fromkeys(range(TOP, THREAD), THREAD),
    "logical": dict.fromkeys(range(TOP, LOGICAL), LOGICAL),
}
TOKEN = re.compile(r"\s*(?:([a-z_]{1,20})|(\d{1,9})|([\[\]{},.]))", re.ASCII)
EMPTY_LIST_END = re.compile(r"\s*\]\s*,", re.ASCII)
HINT = 'print it in Erlang with io:format("~w.~n", [erlang:system_info(cpu_topology)])'


def format_term(beam: BeamTopology) -> str:
    """Write a topology as ``erlang:system_info(cpu_topology)`` shows it.

    Level by level (node, processor, node within the processor, core, thread), consecutive CPUs
    with equal ids make one entry. A level without ids is left out; so is a level of one entry,
    unless it is a processor or a node within one. Only logical ids are shown.

    Parameters
    ----------
    beam : BeamTopology

    Returns
    -------
    str of one line, without white space or a dot at the end. Reading it back gives the same
    shape; the other ids come out as their positions, and a single external node not at all

    Source
    ------
    OTP ``erts/preloaded/src/erlang.erl: cput_i2e``
    """
    return _format_level(beam.cpus, NODE)


def parse_term(text: str) -> BeamTopology:
    """Read a topology from the Erlang term.

    Every level but ``logical`` may be left out where there is only one of it, and ``{Tag, [], X}``
    reads as ``{Tag, X}``. Ids that the term does not have are numbered as OTP numbers them: nodes
    of both kinds and processors through the machine, cores through the processor, threads through
    the core, each from 0 in the order of the term.

    Parameters
    ----------
    text : str, at most TERM_LENGTH_MAX characters; white space and one dot at the end may be there

    Returns
    -------
    BeamTopology

    Raises
    ------
    TopologyError naming the place in the text, what stands there, and what is allowed

    Complexity
    ----------
    O(length); entries nest at most six deep, because each level lies below the one around it

    Source
    ------
    OTP ``erts/preloaded/src/erlang.erl: cput_e2i``; ``erlang:system_info/1``, type cpu_topology()
    """
    if not isinstance(text, str) or len(text) > TERM_LENGTH_MAX:
        raise TopologyError(WHERE, text, f"at most {TERM_LENGTH_MAX} characters", HINT)
    reader = _Reader(text)
    if reader.word == "undefined":
        hint = "the runtime system could not detect one; describe the machine with sct"
        raise TopologyError(WHERE, "undefined", "a known topology", hint)
    cpus: list[BeamCpu] = []
    _read_entries(reader, cpus, _Place(), TOP)
    if reader.word == ".":
        reader.step()
    if reader.word:
        raise reader.error("nothing after the term")
    try:
        return BeamTopology(tuple(cpus))
    except TopologyError as error:
        raise TopologyError(f"{WHERE}: {error.where}", error.value, error.allowed, error.hint) from None


def _format_level(cpus: Sequence[BeamCpu], level: int) -> str:
    """Write CPUs that agree on every level above."""
    while level < LOGICAL:
        runs = list(_runs(cpus, level))
        value = ids_of(cpus[0])[level]
        if len(runs) > 1 or (value != NO_ID and level in (PROCESSOR, PROCESSOR_NODE)):
            return "[" + ",".join(_format_run(run, level) for run in runs) + "]"
        level += 1
    return f"{{logical,{cpus[0].logical}}}"


def _format_run(cpus: Sequence[BeamCpu], level: int) -> str:
    if ids_of(cpus[0])[level] == NO_ID:
        # Processors without an external node stand beside the external nodes.
        return _format_level(cpus, level + 1)[1:-1]
    return f"{{{TAGS[level]},{_format_level(cpus, level + 1)}}}"


def _runs(cpus: Sequence[BeamCpu], level: int) -> Iterator[Sequence[BeamCpu]]:
    """Yield the longest stretches of CPUs with one id."""
    ids = [ids_of(cpu)[level] for cpu in cpus]
    start = 0
    for stop in range(1, len(cpus) + 1):
        if stop == len(cpus) or ids[stop] != ids[start]:
            yield cpus[start:stop]
            start = stop


class _Reader:
    """The term as tokens: ``word`` is the one in view, empty at the end."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0  # where the token in view begins
        self.end = 0  # where it ends
        self.word = ""
        self.step()

    def step(self) -> None:
        """Go to the next token."""
        match = TOKEN.match(self.text, self.end)
        if match is None:
            self.place = self.end + len(self.text[self.end :]) - len(self.text[self.end :].lstrip())
            self.word = ""
            if self.place < len(self.text):
                raise self.error("brackets, commas, numbers, and node, processor, core, thread or logical")
            return
        self.word = match[1] or match[2] or match[3]
        self.place, self.end = match.end() - len(self.word), match.end()

    def take(self, word: str) -> None:
        """Go past a token that must be here."""
        if self.word != word:
            raise self.error(repr(word))
        self.step()

    def error(self, allowed: str) -> TopologyError:
        """Make the error for what stands here."""
        found = self.text[self.place : self.place + 40]
        where = f"{WHERE}, character {self.place + 1}"
        return TopologyError(where, found or "the end of the text", allowed, HINT)


@dataclass
class _Place:
    """Where the reader is: the ids last given on each level, NO_ID for none yet."""

    node: int = NO_ID
    processor: int = NO_ID
    processor_node: int = NO_ID
    core: int = NO_ID
    thread: int = NO_ID
    last_node: int = NO_ID  # of either kind
    last_processor: int = NO_ID

    def enter(self, level: int) -> None:
        """Number the entry that begins here."""
        if level in (NODE, PROCESSOR_NODE):
            self.last_node += 1
        if level == NODE:
            self.node, self.processor, self.core, self.thread = self.last_node, NO_ID, NO_ID, NO_ID
            self.processor_node = NO_ID
        elif level == PROCESSOR:
            self.last_processor += 1
            self.processor, self.processor_node = self.last_processor, NO_ID
            self.core = self.thread = NO_ID
        elif level == PROCESSOR_NODE:
            # Cores go on counting: their ids are unique in the processor, not in the node.
            self.processor_node = self.last_node
        elif level == CORE:
            self.core, self.thread = self.core + 1, NO_ID
        elif level == THREAD:
            self.thread += 1

    def cpu(self, logical: int) -> BeamCpu:
        """Make the CPU that is here; a level that was left out has its one entry, 0."""
        if self.processor == NO_ID:
            self.last_processor += 1
            self.processor = self.last_processor
        self.core, self.thread = max(self.core, 0), max(self.thread, 0)
        ids = (self.node, self.processor, self.processor_node, self.core, self.thread)
        return BeamCpu(*ids, logical)


def _read_entries(reader: _Reader, cpus: list[BeamCpu], place: _Place, above: int) -> None:
    """Read a list of entries of one level, or the one CPU that stands in place of it."""
    if reader.word == "{":
        _read_entry(reader, cpus, place, above, LOGICAL)
        return
    reader.take("[")
    level: int | None = None
    while True:
        level = _read_entry(reader, cpus, place, above, level)
        if reader.word != ",":
            break
        reader.step()
    reader.take("]")


def _read_entry(reader: _Reader, cpus: list[BeamCpu], place: _Place, above: int, level: int | None) -> int:
    """Read an entry; it is of the given level, or else of any but ``logical``."""
    reader.take("{")
    found = LEVELS_BELOW.get(reader.word, {}).get(above)
    if found is None or (found == LOGICAL) != (level == LOGICAL):
        raise reader.error(_allowed_tags(above, level))
    # External nodes, and processors without one, may stand side by side.
    if level is not None and found != level and not (above == TOP and max(found, level) == PROCESSOR):
        raise reader.error(f"{TAGS[level]}, as the entries before")
    if above == TOP and found == PROCESSOR:
        place.node = NO_ID
    reader.step()
    reader.take(",")
    if found == LOGICAL:
        cpus.append(place.cpu(_read_logical(reader)))
    else:
        place.enter(found)
        _skip_info(reader)
        _read_entries(reader, cpus, place, found)
    reader.take("}")
    return found


def _skip_info(reader: _Reader) -> None:
    """Go past the empty list of ``{Tag, [], X}``, which Erlang keeps for later use."""
    rest = EMPTY_LIST_END.match(reader.text, reader.end)
    if reader.word == "[" and rest is not None:
        reader.step()
        reader.step()
        reader.step()


def _read_logical(reader: _Reader) -> int:
    if not reader.word.isdecimal() or int(reader.word) > ID_MAX:
        raise reader.error(f"a logical id from 0 to {ID_MAX}")
    logical = int(reader.word)
    reader.step()
    return logical


def _allowed_tags(above: int, level: int | None) -> str:
    if level == LOGICAL:
        return "{logical, Id}, or a list of entries"
    tags = [tag for tag, levels in LEVELS_BELOW.items() if above in levels and tag != "logical"]
    return "an entry tagged " + " or ".join(tags) if tags else "{logical, Id}"
