"""The files that a reader of the documentation is supposed to have: a machine, a trace, latencies."""

import shutil
from pathlib import Path

from tests.tidy.source import ROOT

CONF = ROOT / "conf"
HWLOC = """<?xml version="1.0" encoding="UTF-8"?>
<!DOCTYPE topology SYSTEM "hwloc2.dtd">
<topology version="2.0">
 <object type="Machine" os_index="0" cpuset="0x3" complete_cpuset="0x3" allowed_cpuset="0x3"
         nodeset="0x1" complete_nodeset="0x1" allowed_nodeset="0x1" gp_index="1">
  <object type="Package" os_index="0" cpuset="0x3" complete_cpuset="0x3" nodeset="0x1" gp_index="2">
   <object type="NUMANode" os_index="0" cpuset="0x3" complete_cpuset="0x3" nodeset="0x1" gp_index="3"
           local_memory="8589934592"/>
   <object type="L3Cache" cpuset="0x3" nodeset="0x1" gp_index="4" cache_size="33554432" depth="3"
           cache_linesize="64" cache_associativity="16" cache_type="0">
    <object type="Core" os_index="0" cpuset="0x1" nodeset="0x1" gp_index="5">
     <object type="PU" os_index="0" cpuset="0x1" nodeset="0x1" gp_index="6"/></object>
    <object type="Core" os_index="1" cpuset="0x2" nodeset="0x1" gp_index="7">
     <object type="PU" os_index="1" cpuset="0x2" nodeset="0x1" gp_index="8"/></object>
   </object>
  </object>
 </object>
</topology>
"""
APPLE_CPUS = 10


def lay_files(folder: Path) -> None:
    """Write them, by the names that the pages use."""
    (folder / "machine.xml").write_text(HWLOC, encoding="utf-8")
    shutil.copy(CONF / "topology" / "two_core.yaml", folder / "machine.yaml")
    shutil.copy(CONF / "traces" / "mixed_s2.parquet", folder / "mine.parquet")
    shutil.copy(CONF / "policy" / "balanced.yaml", folder / "my_policy.yaml")
    (folder / "cookie.txt").write_text("secret\n", encoding="utf-8")
    (folder / "cookie.txt").chmod(0o600)
    (folder / "here").mkdir()
    shutil.copy(CONF / "cost" / "cache.yaml", folder / "here" / "cost.yaml")
    shutil.copy(CONF / "topology" / "two_core.yaml", folder / "here" / "topology.yaml")
    rows = [["" if i == j else str(40 + abs(i - j)) for j in range(APPLE_CPUS)] for i in range(APPLE_CPUS)]
    (folder / "latencies.csv").write_text("".join(",".join(row) + "\n" for row in rows), encoding="utf-8")
