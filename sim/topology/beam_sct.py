"""The text of ``erl +sct``: a topology in the BEAM's terms on a command line.

L0-7c0-7p0n0:L8-15c0-7p1n1      two processors of eight cores, each in a NUMA node of its own
"""

import re
from collections.abc import Callable, Iterable, Sequence

from sim.topology.beam_cpu import ID_MAX, NO_ID, BeamCpu, BeamTopology
from sim.topology.errors import TopologyError

# Room for 65536 CPUs, one an entry, with five digits for each of their identifiers.
SCT_LENGTH_MAX = 1 << 22
CPUS_MAX = ID_MAX + 1
WHERE = "sct"
# A letter in lower case marks made-up identifiers; nothing depends on it.
IDS = r"[0-9]+(?:-[0-9]+)?(?:,[0-9]+(?:-[0-9]+)?)*"
PART = re.compile(rf"([A-Za-z])({IDS})")
# Threads and cores come first; the order of the last two says which one holds the other.
ORDERS = ("tcpn", "tcnp")
DEFAULTS = {"t": 0, "c": 0, "p": 0, "n": NO_ID}
HINT = "an entry is L0-7, then if needed t, c, p and n: L0-7t0-1,0-1,0-1,0-1c0-3p0n0"


def parse_sct(text: str) -> BeamTopology:
    """Read a topology as ``erl +sct`` does.

    Entries are joined by colons; a last colon is ignored. An entry is ``L`` with logical ids, then
    ``t``, ``c``, ``p`` and ``n`` with those of threads, cores, processors and NUMA nodes, each at
    most once and in this order or with ``n`` before ``p``. Ids are a list of numbers and ranges;
    ``3-0`` counts down. Each list has as many ids as ``L``, or one for all. Without ``t``, ``c``
    or ``p`` the id is 0. A node is within its processor if ``n`` comes before ``p``, around it
    otherwise. Letters but ``L`` may be upper case.

    Parameters
    ----------
    text : str, at most SCT_LENGTH_MAX characters; white space around it is ignored

    Returns
    -------
    BeamTopology

    Raises
    ------
    TopologyError naming the entry, its part, and what is allowed

    Source
    ------
    OTP ``erl_cpu_topology.c: erts_init_cpu_topology_string, get_cput_id_seq``; ``erl(1)``, +sct
    """
    if not isinstance(text, str) or len(text) > SCT_LENGTH_MAX:
        raise TopologyError(WHERE, text, f"at most {SCT_LENGTH_MAX} characters", HINT)
    entries = text.strip().split(":")
    if len(entries) > 1 and not entries[-1]:
        entries.pop()
    cpus: list[BeamCpu] = []
    for index, entry in enumerate(entries):
        cpus.extend(_read_entry(entry, f"{WHERE}[{index}]", CPUS_MAX - len(cpus)))
    try:
        return BeamTopology(tuple(cpus))
    except TopologyError as error:
        raise TopologyError(f"{WHERE}: {error.where}", error.value, error.allowed, error.hint) from None


def format_sct(beam: BeamTopology) -> str:
    """Write a topology for ``erl +sct``.

    Parameters
    ----------
    beam : BeamTopology

    Returns
    -------
    str of one line, without white space; ``parse_sct`` gives an equal topology back
    """
    groups: dict[tuple[int, int, int], list[BeamCpu]] = {}
    for cpu in beam.cpus:
        groups.setdefault((cpu.processor, cpu.node, cpu.processor_node), []).append(cpu)
    entries = []
    for cpus in groups.values():
        by_thread = _format_group(cpus, lambda cpu: cpu.thread)
        by_core = _format_group(cpus, lambda cpu: cpu.core)
        # Siblings numbered far apart are short one way, siblings side by side the other.
        entries.append(min(by_thread, by_core, key=len))
    return ":".join(entries)


def parse_ids(text: str, where: str = "ids", count_max: int = CPUS_MAX) -> list[int]:
    """Read identifiers as ``+sct`` writes them; ``format_ids`` undoes it.

    Parameters
    ----------
    text      : str such as ``0-3,7,6-5``: numbers, and ranges that count up or down
    where     : str, the name for error messages
    count_max : int, most ids accepted; reading stops there, as a short text may name very many

    Returns
    -------
    list of int, 0 to 65535, in the order of the text; repeats stay

    Raises
    ------
    TopologyError for any other text, and for too many ids

    Source
    ------
    OTP ``erl_cpu_topology.c: get_cput_id_seq``
    """
    if re.fullmatch(IDS, text) is None:
        raise TopologyError(where, text, "numbers and ranges such as 0-3,7")
    ids: list[int] = []
    for part in text.split(","):
        first, _, last = part.partition("-")
        start = _read_id(first, where)
        stop = _read_id(last, where) if last else start
        if len(ids) + abs(stop - start) + 1 > count_max:
            allowed = f"at most {count_max} ids"
            raise TopologyError(where, text, allowed, "L names each CPU once, other lists as many or one")
        step = 1 if stop >= start else -1
        ids.extend(range(start, stop + step, step))
    return ids


def format_ids(ids: Sequence[int]) -> str:
    """Write identifiers as ``+sct`` takes them, in their order.

    Parameters
    ----------
    ids : sequence of int, >= 0, at least one

    Returns
    -------
    str such as ``0-3,7,6-5``: numbers, and ranges that count up or down
    """
    runs: list[list[int]] = []
    for value in ids:
        if runs and _continues(runs[-1], value):
            runs[-1].append(value)
        else:
            runs.append([value])
    return ",".join(f"{run[0]}-{run[-1]}" if len(run) > 1 else str(run[0]) for run in runs)


def _continues(run: list[int], value: int) -> bool:
    step = run[1] - run[0] if len(run) > 1 else value - run[0]
    return abs(step) == 1 and value == run[-1] + step


def _format_group(cpus: Iterable[BeamCpu], key: Callable[[BeamCpu], int]) -> str:
    """Write the CPUs of one processor and node, in one entry for each value of the key."""
    groups: dict[int, list[BeamCpu]] = {}
    for cpu in cpus:
        groups.setdefault(key(cpu), []).append(cpu)
    return ":".join(_format_entry(group) for group in groups.values())


def _format_entry(cpus: Sequence[BeamCpu]) -> str:
    first = cpus[0]
    text = "L" + format_ids([cpu.logical for cpu in cpus])
    for letter, ids in (("t", [cpu.thread for cpu in cpus]), ("c", [cpu.core for cpu in cpus])):
        distinct = set(ids)
        if distinct != {0}:
            text += letter + (str(ids[0]) if len(distinct) == 1 else format_ids(ids))
    if first.processor_node != NO_ID:
        return f"{text}n{first.processor_node}p{first.processor}"
    return f"{text}p{first.processor}" + (f"n{first.node}" if first.node != NO_ID else "")


def _read_entry(entry: str, where: str, count_max: int) -> list[BeamCpu]:
    parts = _split_entry(entry, where)
    logical = parse_ids(parts.pop("L"), f"{where}.L", count_max)
    order = "".join(parts)
    columns = {letter: [default] for letter, default in DEFAULTS.items()}
    for letter, text in parts.items():
        columns[letter] = parse_ids(text, f"{where}.{letter}", len(logical))
        if len(columns[letter]) not in (1, len(logical)):
            allowed = f"{len(logical)} ids, as many as L has, or one for all"
            raise TopologyError(f"{where}.{letter}", text, allowed)
    for letter, ids in columns.items():
        columns[letter] = ids * len(logical) if len(ids) == 1 else ids
    is_internal = "np" in order
    rows = zip(*(columns[letter] for letter in "ptcn"), logical, strict=True)
    return [
        BeamCpu(
            node=NO_ID if is_internal else node,
            processor=processor,
            processor_node=node if is_internal else NO_ID,
            core=core,
            thread=thread,
            logical=cpu,
        )
        for processor, thread, core, node, cpu in rows
    ]


def _split_entry(entry: str, where: str) -> dict[str, str]:
    """Take an entry apart: the ids of each letter, as text, in the order of the entry."""
    parts: dict[str, str] = {}
    place = 0
    while place < len(entry):
        match = PART.match(entry, place)
        if match is None:
            allowed = "a letter with ids such as 0-3,7"
            raise TopologyError(where, entry[place:], allowed, HINT)
        letter = match[1] if not parts else match[1].lower()
        if letter in parts or (not parts and letter != "L"):
            break
        parts[letter] = match[2]
        place = match.end()
    order = "".join(parts)[1:]
    is_ordered = any(order == "".join(a for a in known if a in order) for known in ORDERS)
    if place < len(entry) or not parts or not is_ordered:
        allowed = "L first, then t, c, p, n in this order or with n before p, each at most once"
        raise TopologyError(where, entry, allowed, HINT)
    return parts


def _read_id(digits: str, where: str) -> int:
    # int() of many thousand digits raises; leading zeros are fine.
    significant = digits.lstrip("0") or "0"
    if len(significant) > len(str(ID_MAX)) or int(significant) > ID_MAX:
        raise TopologyError(where, digits, f"an id from 0 to {ID_MAX}")
    return int(significant)
