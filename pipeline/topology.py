"""Machines: look at them, import and export them.

    python -m pipeline.topology list
    python -m pipeline.topology show topology=epyc_7763_2s      an option, with any topology.key=value
    python -m pipeline.topology show topology=machine.xml       an hwloc file, or a YAML description
    python -m pipeline.topology import machine.xml [out=machine.yaml] [latency_csv=table.csv]
    python -m pipeline.topology export topology=host [out=host.yaml]

`import` and `export` write a plain description, core by core; copied to conf/topology/NAME.yaml it is
topology=NAME. A file that exists is not overwritten unless force=true.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml
from rich.console import Console
from rich.table import Table

from pipeline.axes import group_options
from pipeline.build import build_topology
from pipeline.compose import compose, current_loader, read_command, with_hydra
from pipeline.entry import pick_action, run_main, split_words
from pipeline.errors import ConfigError, UserError
from pipeline.files import write_atomic
from pipeline.schema_errors import load_section
from sim import Topology
from sim.topology import describe, to_description


def show(words: Sequence[str]) -> int:
    """Print what a machine is made of."""
    topology = composed_topology(words)
    table = Table(box=None, padding=(0, 2), show_header=False)
    for label, text in describe(topology):
        table.add_row(label, text)
    Console().print(table, highlight=False)
    return 0


def list_options(words: Sequence[str]) -> int:
    """Print the machines in conf/topology."""
    split_words(words, {})
    command = read_command([], use_default_study=False)
    table = Table(box=None, padding=(0, 2), header_style="dim")
    for heading in ("topology", "cores", "types", "clusters", "nodes"):
        table.add_column(heading, justify="left" if heading in ("topology", "types") else "right")
    for name, topology in with_hydra(command, known_topologies):
        if topology is None:
            table.add_row(name, "needs topology.path=")
            continue
        types = "+".join(topology.core_type_names)
        counts = (topology.num_cores, types, topology.num_clusters, topology.num_nodes)
        table.add_row(name, *(str(count) for count in counts))
    Console().print(table, highlight=False)
    return 0


def known_topologies() -> list[tuple[str, Topology | None]]:
    """The options of the group; None for those that need a file."""
    found: list[tuple[str, Topology | None]] = []
    for name in group_options(current_loader(), "topology"):
        try:
            plain, _ = compose(["experiment=none", f"topology={name}"])
        except ConfigError:
            found.append((name, None))
            continue
        found.append((name, build_topology(load_section("topology", named(plain, name)))))
    return found


def import_file(words: Sequence[str]) -> int:
    """Write an hwloc file or a host's description as a plain description."""
    files, options = split_words(words, {"out": "", "latency_csv": "", "force": "false"})
    if len(files) != 1:
        raise UserError("import takes one file", "python -m pipeline.topology import machine.xml")
    path = Path(files[0])
    kind = "yaml" if path.suffix in (".yaml", ".yml") else "hwloc"
    data: dict[str, Any] = {"kind": kind, "path": str(path)}
    if kind == "hwloc":
        data["latency_csv"] = options["latency_csv"] or None
    topology = build_topology(load_section("topology", data))
    return write_description(topology, Path(options["out"] or f"{path.stem}.yaml"), options["force"])


def export(words: Sequence[str]) -> int:
    """Write any machine as a plain description."""
    own = [word for word in words if word.startswith(("out=", "force="))]
    _, options = split_words(own, {"out": "", "force": "false"})
    topology = composed_topology([word for word in words if word not in own])
    return write_description(topology, Path(options["out"] or f"{topology.name}.yaml"), options["force"])


def write_description(topology: Topology, path: Path, force: str) -> int:
    """Write a description that `topology_from_description` reads back."""
    if path.exists() and force != "true":
        raise UserError(f"{path} exists already", "give another file with out=..., or force=true")
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
    actions = {"show": show, "list": list_options, "import": import_file, "export": export}
    return pick_action(words, actions, __doc__)


def main(words: Sequence[str] | None = None) -> int:
    """Entry point of `python -m pipeline.topology` and `coreshift topology`."""
    return run_main(topology_command, words)


if __name__ == "__main__":
    raise SystemExit(main())
