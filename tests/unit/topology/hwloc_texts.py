"""Small hwloc documents, written for the tests."""

HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'


def node(index: int, cpuset: str, parts: str = "", gp_index: int = 0) -> str:
    return (
        f'<object type="NUMANode" os_index="{index}" cpuset="{cpuset}" complete_cpuset="{cpuset}" '
        f'nodeset="{1 << index:#x}" local_memory="1073741824" gp_index="{gp_index}">{parts}</object>'
    )


def cache(kind: str, cpuset: str, size: int, parts: str) -> str:
    number = {"1": 1, "1i": 2}.get(kind[1:-5], 0)
    return (
        f'<object type="{kind}" cpuset="{cpuset}" cache_size="{size}" depth="{kind[1]}" '
        f'cache_linesize="64" cache_associativity="8" cache_type="{number}">{parts}</object>'
    )


def core(index: int, cpus: tuple[int, ...]) -> str:
    pus = "".join(
        f'<object type="PU" os_index="{cpu}" cpuset="{1 << cpu:#x}" complete_cpuset="{1 << cpu:#x}"/>'
        for cpu in cpus
    )
    cpuset = f"{sum(1 << cpu for cpu in cpus):#x}"
    return f'<object type="Core" os_index="{index}" cpuset="{cpuset}">{pus}</object>'


def package(index: int, cpuset: str, parts: str) -> str:
    return f'<object type="Package" os_index="{index}" cpuset="{cpuset}">{parts}</object>'


SLIT = (
    '<distances2 type="NUMANode" nbobjs="2" kind="5" name="NUMALatency" indexing="os">'
    '<indexes length="4">0 1 </indexes><u64values length="6">10 21 </u64values>'
    '<u64values length="6">21 10 </u64values></distances2>'
)
KINDS = (
    '<cpukind cpuset="0x3"><info name="FrequencyMaxMHz" value="4000"/></cpukind>'
    '<cpukind cpuset="0xc"><info name="FrequencyMaxMHz" value="2000"/></cpukind>'
)


def document(
    *,
    version: str = "2.0",
    machine: str = 'cpuset="0xf" complete_cpuset="0xf" allowed_cpuset="0xf" allowed_nodeset="0x3"',
    packages: str | None = None,
    tail: str = SLIT + KINDS,
    head: str = HEAD,
) -> str:
    """Give a machine of two packages, each one node with an L3 and two cores."""
    if packages is None:
        packages = package(
            0, "0x3", node(0, "0x3", gp_index=7) + cache("L3Cache", "0x3", 1 << 20,
                                          core(0, (0,)) + core(1, (1,)))
        ) + package(
            1, "0xc", node(1, "0xc", gp_index=8) + cache("L3Cache", "0xc", 1 << 20,
                                          core(0, (2,)) + core(1, (3,)))
        )  # fmt: skip
    return (
        f'{head}<topology version="{version}"><object type="Machine" os_index="0" {machine}>'
        f"{packages}</object>{tail}</topology>"
    )


VERSION_1 = """<?xml version="1.0"?>
<!DOCTYPE topology SYSTEM "hwloc.dtd">
<topology>
 <object type="Machine" os_index="0" cpuset="0xf" allowed_cpuset="0xf" local_memory="4096">
  <distances nbobjs="2" relative_depth="1" latency_base="10.0">
   <latency value="1.0"/><latency value="2.1"/><latency value="2.1"/><latency value="1.0"/>
  </distances>
  <object type="NUMANode" os_index="0" cpuset="0x3" local_memory="1073741824">
   <object type="Socket" os_index="0" cpuset="0x3">
    <object type="Cache" cpuset="0x3" cache_size="1048576" depth="3" cache_linesize="64" cache_type="0">
     <object type="Core" os_index="0" cpuset="0x1"><object type="PU" os_index="0" cpuset="0x1"/></object>
     <object type="Core" os_index="1" cpuset="0x2"><object type="PU" os_index="1" cpuset="0x2"/></object>
    </object>
   </object>
  </object>
  <object type="NUMANode" os_index="1" cpuset="0xc" local_memory="1073741824">
   <object type="Socket" os_index="1" cpuset="0xc">
    <object type="Cache" cpuset="0xc" cache_size="1048576" depth="3" cache_linesize="64" cache_type="0">
     <object type="Core" os_index="0" cpuset="0x4"><object type="PU" os_index="2" cpuset="0x4"/></object>
     <object type="Core" os_index="1" cpuset="0x8"><object type="PU" os_index="3" cpuset="0x8"/></object>
    </object>
   </object>
  </object>
 </object>
</topology>
"""
