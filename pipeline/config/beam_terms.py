"""Machines in the BEAM's own terms: read from a setting or a file, written, and bound to schedulers."""

from collections.abc import Sequence
from pathlib import Path

from rich.table import Table

import sim
from pipeline.errors import ConfigError, UserError, did_you_mean
from sim import Topology

FILE_BYTES_MAX = 8 << 20
FORMATS = {"sct": sim.format_sct, "cpu_topology": sim.format_term}
SHORT_OF_ATOM = {short: atom for atom, short in sim.BIND_ATOMS.items()}


def beam_machine(kind: str, text: str, name: str) -> Topology:
    """The machine of a topology section in BEAM terms.

    Parameters
    ----------
    kind : `sct` or `cpu_topology`
    text : the `+sct` string; or the Erlang term, or the path of a file that holds it
    name : of the topology

    Raises
    ------
    TopologyError for a text that is no such machine; ConfigError for a file that cannot be read
    """
    if kind == "sct":
        return sim.topology_of(sim.parse_sct(text), name)
    is_term = text.lstrip()[:1] in ("[", "{") or text.strip() in ("", "undefined")
    term = text if is_term else read_text(Path(text).expanduser(), "topology.term")
    return sim.topology_of(sim.parse_term(term), name)


def read_text(path: Path, key: str) -> str:
    """The text in a small file.

    Raises
    ------
    ConfigError naming the key, for a file that is missing, too large or no text
    """
    try:
        if path.stat().st_size > FILE_BYTES_MAX:
            raise ConfigError(key, str(path), f"must be at most {FILE_BYTES_MAX >> 20} MiB")
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise ConfigError(key, str(path), "is no text in UTF-8") from None
    except OSError as error:
        raise ConfigError(key, str(path), f"cannot be read: {error.strerror}", "check it") from None


def beam_text(topology: Topology, form: str) -> str:
    """The machine in one line of BEAM terms, in one of FORMATS.

    Raises
    ------
    UserError for another format
    """
    if form not in FORMATS:
        known = f"known: yaml, {', '.join(FORMATS)}"
        raise UserError(f"format={form}: unknown format", did_you_mean(form, ["yaml", *FORMATS]) or known)
    return FORMATS[form](sim.beam_of(topology))


def binding_table(topology: Topology, schedulers: str, allowed: str) -> Table:
    """The CPUs of schedulers 1, 2, ... for each bind type.

    Parameters
    ----------
    topology   : Topology
    schedulers : their number; "" = one for each CPU allowed
    allowed    : CPUs that the BEAM may use, such as 0-7,16; "" = all

    Raises
    ------
    UserError for something else
    """
    beam = sim.beam_of(topology)
    mask = sim.parse_ids(allowed, "allowed") if allowed else beam.logical_ids
    if schedulers and not (schedulers.isdecimal() and len(schedulers) < 6):
        raise UserError(f"schedulers={schedulers}: must be a whole number from 1 to 99999")
    usable = len(set(mask) & set(beam.logical_ids))
    count = int(schedulers) if schedulers else max(usable, 1)
    table = Table(box=None, padding=(0, 2), header_style="dim")
    table.add_column("+sbt")
    table.add_column("bind type", no_wrap=True)
    table.add_column(f"CPUs of schedulers 1 to {count}", overflow="fold")
    for short in sim.BIND_TYPES:
        cpus = sim.scheduler_map(sim.bind_order(beam, short), count, mask)
        table.add_row(short, SHORT_OF_ATOM[short], cpus_text(cpus))
    return table


def cpus_text(cpus: Sequence[int | None]) -> str:
    """CPUs in order, with runs as ranges, and how many schedulers have none."""
    bound = [cpu for cpu in cpus if cpu is not None]
    unbound = len(cpus) - len(bound)
    texts = [sim.format_ids(bound).replace(",", ", ")] if bound else []
    return "; ".join(texts + ([f"{unbound} unbound"] if unbound else []))
