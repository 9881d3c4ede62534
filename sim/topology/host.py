"""The topology of the machine this runs on: Linux sysfs, macOS sysctl, or lstopo."""

import os
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from sim.topology.assemble import assemble_topology
from sim.topology.errors import TopologyError
from sim.topology.host_macos import facts_from_sysctl
from sim.topology.host_sysfs import facts_from_sysfs
from sim.topology.hwloc import parse_hwloc, topology_from_tree
from sim.topology.model import Topology

HOST_NAME = "host"
COMMAND_TIMEOUT_S = 30
LSTOPO_NAMES = ("lstopo-no-graphics", "lstopo")


def topology_from_host(
    root: str | os.PathLike[str] = "/", *, prefer_lstopo: bool = False, name: str = HOST_NAME
) -> Topology:
    """Read the topology of this machine.

    The whole machine counts, whatever CPUs this process may use; offline CPUs are left out.
    Nothing that changes from second to second is read, so a machine keeps its digest, unless a
    virtual machine grows or shrinks.

    Parameters
    ----------
    root          : path below which ``sys`` and ``proc`` lie; another one for a copied sysfs
    prefer_lstopo : bool, ask lstopo if it is installed, and sysfs or sysctl only if that fails
    name          : str, of the topology

    Returns
    -------
    Topology

    Raises
    ------
    TopologyError if the machine does not describe itself in one of these ways
    """
    is_this_machine = Path(root) == Path("/")
    if is_this_machine and prefer_lstopo:
        topology = _topology_from_lstopo()
        if topology is not None:
            return replace(topology, name=name)
    if is_this_machine and sys.platform == "darwin":
        text = _run(["sysctl", "hw"]).decode("ascii", "replace")
        return replace(topology_from_sysctl(text), name=name)
    return assemble_topology(facts_from_sysfs(Path(root)), name=name, where=str(root))


def topology_from_sysctl(text: str) -> Topology:
    """Read the topology of a Mac from what ``sysctl hw`` prints.

    Parameters
    ----------
    text : str, lines of ``name: value``

    Returns
    -------
    Topology named ``host``

    Raises
    ------
    TopologyError if the counts of CPUs are missing or contradict each other
    """
    return assemble_topology(facts_from_sysctl(text), name=HOST_NAME, where="sysctl")


def _topology_from_lstopo() -> Topology | None:
    program = next(filter(None, map(shutil.which, LSTOPO_NAMES)), None)
    if program is None:
        return None
    try:
        tree = parse_hwloc(_run([program, "--of", "xml", "--disallowed"]), "lstopo")
        # A container may use a part of the machine only; the whole machine is asked for.
        tree = replace(tree, allowed_cpuset=tree.cpuset, allowed_nodeset=-1)
        return topology_from_tree(tree)
    except TopologyError:
        return None


def _run(command: list[str]) -> bytes:
    try:
        done = subprocess.run(command, capture_output=True, check=True, timeout=COMMAND_TIMEOUT_S)
    except (OSError, subprocess.SubprocessError) as error:
        raise TopologyError(command[0], str(error), "a program that runs and succeeds") from error
    return done.stdout
