"""Machines: look at them, import and export them.

    python -m pipeline.topology list [output=json]
    python -m pipeline.topology show topology=epyc_7763_2s      with any topology.key=value
    python -m pipeline.topology show topology=machine.xml       an hwloc file, or a YAML description
    python -m pipeline.topology import machine.xml [out=machine.yaml] [latency_csv=table.csv]
    python -m pipeline.topology import machine.term             or .sct: in the BEAM's own terms
    python -m pipeline.topology export topology=host [out=host.yaml] [latency_csv=table.csv]
    python -m pipeline.topology export topology=host format=sct [out=host.sct]     or cpu_topology
    python -m pipeline.topology binding topology=epyc_7763_2s [schedulers=16] [allowed=0-31]

`import` and `export` write a plain description, core by core; copied to conf/topology/NAME.yaml it
is topology=NAME. A file that exists is not overwritten unless force=true. In the BEAM's terms, for
`erl +sct` or as `erlang:system_info(cpu_topology)`, `export` prints one line unless there is an
out=. `binding` shows the CPUs of the schedulers for each bind type of `erl +sbt`. A latency_csv= is
a table of measured core-to-core latencies in ns, a row and a column a CPU in the order of OS
indexes, empty if unknown. `show --json` prints the plain description as JSON.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from pipeline.config.axes import group_options
from pipeline.config.beam_terms import beam_text, binding_table, read_text
from pipeline.config.build import build_topology
from pipeline.config.compose import compose, current_loader, read_command, with_hydra
from pipeline.config.schema_errors import load_section
from pipeline.entry import pick_action, run_main, split_words
from pipeline.errors import ConfigError, UserError
from pipeline.run.files import write_atomic
from sim import Topology
from sim.topology import describe, overlay_core_latency, to_description

KINDS = {".yaml": "yaml", ".yml": "yaml", ".sct": "sct", ".term": "cpu_topology"}


def show(words: Sequence[str]) -> int:
    """Print what a machine is made of."""
    options, rest = own_options(words, {"output": "table"})
    topology = composed_topology(rest)
    if check_output(options["output"]) == "json":
        print(json.dumps(to_description(topology)))
        return 0
    table = Table(box=None, padding=(0, 2), show_header=False)
    for label, text in describe(topology):
        table.add_row(label, text)
    Console().print(table, highlight=False)
    return 0


def list_options(words: Sequence[str]) -> int:
    """Print the machines in conf/topology."""
    _, options = split_words(words, {"output": "table"})
    command = read_command([], use_default_study=False)
    if check_output(options["output"]) == "json":
        print(json.dumps([option_data(*one) for one in with_hydra(command, known_topologies)], indent=1))
        return 0
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("topology", "cores", "types", "clusters", "nodes"):
        table.add_column(heading, justify="left" if heading in ("topology", "types") else "right")
    for name, topology in with_hydra(command, known_topologies):
        if isinstance(topology, str):
            table.add_row(name, f"needs {topology}=")
            continue
        types = "+".join(topology.core_type_names)
        counts = (topology.num_cores, types, topology.num_clusters, topology.num_nodes)
        table.add_row(name, *(str(count) for count in counts))
    Console().print(table, highlight=False)
    return 0


def check_output(text: str) -> str:
    """The form of the output."""
    if text not in ("table", "json"):
        raise UserError(f"output = {text}: must be table or json")
    return text


def option_data(name: str, topology: Topology | str) -> dict[str, Any]:
    """An option of the group as data: its counts, or the key that it needs."""
    if isinstance(topology, str):
        return {"topology": name, "needs": topology}
    counts = {"cores": topology.num_cores, "clusters": topology.num_clusters, "nodes": topology.num_nodes}
    return {"topology": name, "types": list(topology.core_type_names), **counts}


def known_topologies() -> list[tuple[str, Topology | str]]:
    """The options of the group; the key that is missing for those that need a file or a text."""
    found: list[tuple[str, Topology | str]] = []
    for name in group_options(current_loader(), "topology"):
        try:
            plain, _ = compose(["experiment=none", f"topology={name}"])
        except ConfigError as error:
            found.append((name, error.key))
            continue
        found.append((name, build_topology(load_section("topology", named(plain, name)))))
    return found


def import_file(words: Sequence[str]) -> int:
    """Write an hwloc file, or BEAM terms, as a plain description."""
    files, options = split_words(words, {"out": "", "latency_csv": "", "force": "false"})
    if len(files) != 1:
        raise UserError("import takes one file", "python -m pipeline.topology import machine.xml")
    path = Path(files[0])
    kind = KINDS.get(path.suffix, "hwloc")
    data: dict[str, Any] = {"kind": kind}
    if kind in ("sct", "cpu_topology"):
        text = read_text(path, "import")
        data |= {"name": path.stem, "sct" if kind == "sct" else "term": text}
    else:
        data["path"] = str(path)
    topology = with_latency(build_topology(load_section("topology", data)), options["latency_csv"])
    return write_description(topology, Path(options["out"] or f"{path.stem}.yaml"), options["force"])


def export(words: Sequence[str]) -> int:
    """Write any machine as a plain description, or in BEAM terms."""
    options, rest = own_options(words, {"out": "", "force": "false", "format": "yaml", "latency_csv": ""})
    topology = with_latency(composed_topology(rest), options["latency_csv"])
    if options["format"] == "yaml":
        return write_description(topology, Path(options["out"] or f"{topology.name}.yaml"), options["force"])
    text = beam_text(topology, options["format"])
    if not options["out"]:
        print(text)
        return 0
    # A term in a file ends with a dot, as file:consult/1 wants it.
    text += ".\n" if options["format"] == "cpu_topology" else "\n"
    path = new_file(Path(options["out"]), options["force"])
    write_atomic(path, text.encode())
    print(f"{path}: {topology.num_cores} cores")
    return 0


def with_latency(topology: Topology, path: str) -> Topology:
    """The machine with a table of measured latencies laid over it, if there is one."""
    return overlay_core_latency(topology, path) if path else topology


def binding(words: Sequence[str]) -> int:
    """Print the CPUs that schedulers are bound to, for each bind type."""
    options, rest = own_options(words, {"schedulers": "", "allowed": ""})
    table = binding_table(composed_topology(rest), options["schedulers"], options["allowed"])
    Console().print(table, highlight=False)
    return 0


def own_options(words: Sequence[str], defaults: Mapping[str, str]) -> tuple[dict[str, str], list[str]]:
    """The options of an action, and the words that are left for the configuration."""
    own = [word for word in words if word.partition("=")[0] in defaults and "=" in word]
    _, options = split_words(own, defaults)
    return options, [word for word in words if word not in own]


def new_file(path: Path, force: str) -> Path:
    """The path, if it may be written."""
    if path.exists() and force != "true":
        raise UserError(f"{path} exists already", "give another file with out=..., or force=true")
    return path


def write_description(topology: Topology, path: Path, force: str) -> int:
    """Write a description that `topology_from_description` reads back."""
    new_file(path, force)
    body = yaml.safe_dump({"kind": "description", **to_description(topology)}, sort_keys=False, width=100)
    write_atomic(path, f"# {topology.name}: {topology.num_cores} cores.\n{body}".encode())
    print(f"{path}: {topology.num_cores} cores, {topology.num_nodes} nodes")
    return 0


def composed_topology(words: Sequence[str]) -> Topology:
    """The machine that overrides describe.

    Raises
    ------
    ConfigError for a machine that cannot be used, several of them, or no override
    """
    words = [f"topology={word}" if "=" not in word and word[:1] != "-" else word for word in words]
    command = read_command(words, use_default_study=False)
    for key, override in command.swept.items():
        raise ConfigError(key, override.get_value_string(), "takes one value here")
    plain, chosen = with_hydra(command, lambda: compose(command.fixed_texts))
    return build_topology(load_section("topology", named(plain, chosen.get("topology", "custom"))))


def named(plain: dict[str, Any], name: str) -> dict[str, Any]:
    """The topology section, named after its option if it has no name."""
    section: dict[str, Any] = dict(plain["topology"])
    section.setdefault("name", name)
    return section


def topology_command(words: Sequence[str]) -> int:
    """Pick the action."""
    actions = {
        "show": show,
        "list": list_options,
        "import": import_file,
        "export": export,
        "binding": binding,
    }
    return pick_action(words, actions, __doc__)


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.topology` and `coreshift topology`."""
    return run_main(topology_command, words)


if __name__ == "__main__":
    raise SystemExit(main())
