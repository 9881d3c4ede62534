"""This host and others: copied sysfs trees, the text of sysctl, and the machine at hand."""

import os
import subprocess
import sys

import pytest

from sim.topology import TopologyError, describe, topology_from_host, topology_from_sysctl
from sim.topology import host as host_module
from tests.unit.topology.hwloc_texts import document

CPU, NODE = "sys/devices/system/cpu", "sys/devices/system/node"


def put(root, files):
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{text}\n")
    return root


def cpu_files(cpu, *, package=0, core=0, siblings, l3, die=0, capacity=None):
    place = f"{CPU}/cpu{cpu}"
    files = {
        f"{place}/topology/physical_package_id": package,
        f"{place}/topology/die_id": die,
        f"{place}/topology/core_id": core,
        f"{place}/topology/thread_siblings_list": siblings,
        f"{place}/cpufreq/base_frequency": 2_450_000,
        f"{place}/cpufreq/cpuinfo_max_freq": 3_500_000,
    }
    caches = (("Data", 1, "32K", siblings), ("Instruction", 1, "32K", siblings),
              ("Unified", 2, "512K", siblings), ("Unified", 3, "32M", l3))  # fmt: skip
    for index, (kind, level, size, shared) in enumerate(caches):
        folder = f"{place}/cache/index{index}"
        files |= {f"{folder}/type": kind, f"{folder}/level": level, f"{folder}/size": size,
                  f"{folder}/shared_cpu_list": shared,
                  f"{folder}/coherency_line_size": 64}  # fmt: skip
    if capacity is not None:
        files[f"{place}/cpu_capacity"] = capacity
    return files


@pytest.fixture
def server(tmp_path):
    """Two packages, each one node with one CCX of two cores; SMT sibling of n is n + 4."""
    files = {f"{CPU}/online": "0-7", f"{NODE}/online": "0-1"}
    for cpu in range(8):
        core = cpu % 4
        package = core // 2
        ccx = f"{2 * package}-{2 * package + 1},{2 * package + 4}-{2 * package + 5}"
        files |= cpu_files(cpu, package=package, core=core, siblings=f"{core},{core + 4}", l3=ccx)
    for node in range(2):
        files |= {
            f"{NODE}/node{node}/cpulist": f"{2 * node}-{2 * node + 1},{2 * node + 4}-{2 * node + 5}",
            f"{NODE}/node{node}/distance": "10 32" if node == 0 else "32 10",
            f"{NODE}/node{node}/meminfo": f"Node {node} MemTotal:  1048576 kB",
        }
    return put(tmp_path, files)


def test_server(server):
    topology = topology_from_host(server)
    assert topology.name == "host"
    assert topology.core_smt.tolist() == [0, 1, 2, 3] * 2
    assert topology.core_cluster.tolist() == [0, 0, 1, 1] * 2
    assert topology.core_node.tolist() == [0, 0, 1, 1] * 2
    assert topology.core_package.tolist() == [0, 0, 1, 1] * 2
    assert topology.core_frequency_mhz.tolist() == [2450] * 8
    assert topology.private_cache_bytes.tolist() == [512 << 10] * 8
    assert topology.cluster_cache_bytes.tolist() == [32 << 20] * 2
    assert topology.node_distance.tolist() == [[10, 32], [32, 10]]
    assert topology.node_memory_bytes.tolist() == [1 << 30] * 2
    assert [len(item.sharing) for item in topology.caches] == [4, 4, 4, 2]


def test_offline_cpus_are_left_out(server):
    put(server, {f"{CPU}/online": "0-2,4-7"})
    topology = topology_from_host(server, name="mine")
    assert topology.name == "mine"
    assert topology.core_os_index.tolist() == [0, 1, 2, 4, 5, 6, 7]
    assert topology.num_physical_cores == 4


def test_latencies_of_an_hmat_table(server):
    access = f"{NODE}/node0/access0/initiators"
    put(server, {f"{access}/read_latency": 75, f"{access}/read_bandwidth": 120000})
    (server / access / "node0").mkdir()
    topology = topology_from_host(server)
    assert topology.memory_latency_ns.tolist() == [[75, 131], [131, 75]]
    assert topology.node_bandwidth_mb_s.tolist() == [120000, 0]


def test_capacities_tell_kinds_apart(tmp_path):
    files = {f"{CPU}/online": "0-3"}
    for cpu, capacity in enumerate((1024, 990, 400, 400)):
        files |= cpu_files(cpu, siblings=str(cpu), l3="0-3", capacity=capacity)
    topology = topology_from_host(put(tmp_path, files))
    assert topology.core_type_names == ("P", "E")
    assert topology.core_type.tolist() == [0, 0, 1, 1]
    assert topology.core_speed.tolist() == pytest.approx([1, 990 / 1024, 400 / 1024, 400 / 1024])


def test_intel_hybrid(tmp_path):
    files = {f"{CPU}/online": "0-3", "sys/devices/cpu_atom/cpus": "2-3",
             "sys/devices/cpu_core/cpus": "0-1"}  # fmt: skip
    for cpu in range(4):
        files |= cpu_files(cpu, siblings=str(cpu), l3="0-3")
        if cpu >= 2:
            files[f"{CPU}/cpu{cpu}/cpufreq/cpuinfo_max_freq"] = 2_800_000
    topology = topology_from_host(put(tmp_path, files))
    assert topology.core_type.tolist() == [0, 0, 1, 1]
    assert topology.core_speed.tolist() == pytest.approx([1, 1, 0.8, 0.8])


def test_bare_virtual_machine(tmp_path):
    for cpu in range(3):
        (tmp_path / f"{CPU}/cpu{cpu}").mkdir(parents=True)
    put(tmp_path, {"proc/meminfo": "MemTotal:  2048 kB", "proc/cpuinfo":
                   "processor : 0\nmodel name\t: Intel(R) Xeon(R) @ 2.20GHz\ncpu MHz : 1"})  # fmt: skip
    topology = topology_from_host(tmp_path)
    assert topology.num_cores == topology.num_physical_cores == 3
    assert topology.num_clusters == topology.num_nodes == 1
    assert topology.node_memory_bytes.tolist() == [2 << 20]
    assert topology.core_frequency_mhz.tolist() == [2200] * 3
    assert topology.private_cache_bytes.tolist() == [1 << 20] * 3


def test_no_machine_at_all(tmp_path):
    with pytest.raises(TopologyError, match="cpu0"):
        topology_from_host(tmp_path)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        (f"{CPU}/online", "0-99999"),
        (f"{CPU}/online", "zero"),
        (f"{CPU}/online", "0-8191"),
        (f"{CPU}/cpu0/topology/physical_package_id", "x"),
        (f"{CPU}/cpu0/topology/thread_siblings_list", "4-0"),
        (f"{CPU}/cpu0/cache/index0/size", "32 kilobytes"),
        (f"{CPU}/cpu0/cache/index0/level", "99"),
        (f"{CPU}/cpu0/cache/index0/shared_cpu_list", "a-b"),
        (f"{NODE}/node0/distance", "10"),
        (f"{NODE}/node0/distance", "10 far"),
        (f"{NODE}/node0/cpulist", "-"),
        (f"{NODE}/online", "0-2000"),
    ],
)
def test_nonsense_is_refused(server, name, text):
    put(server, {name: text})
    with pytest.raises(TopologyError):
        topology_from_host(server)


@pytest.mark.skipif(sys.platform not in ("linux", "darwin"), reason="no reader for this system")
def test_the_machine_at_hand():
    topology = topology_from_host()
    assert topology.num_cores >= 1
    assert describe(topology)
    if sys.platform == "linux":
        assert topology.num_cores == os.sysconf("SC_NPROCESSORS_ONLN")


def test_lstopo_is_asked_when_wanted(monkeypatch):
    monkeypatch.setattr(host_module.shutil, "which", lambda name: f"/bin/{name}")
    calls = []

    def run(command, **options):
        calls.append(command)
        text = document(machine='cpuset="0xf" allowed_cpuset="0x1"')
        return subprocess.CompletedProcess(command, 0, stdout=text.encode())

    monkeypatch.setattr(host_module.subprocess, "run", run)
    topology = topology_from_host(prefer_lstopo=True)
    # The whole machine, not the part this process may use.
    assert topology.core_os_index.tolist() == [0, 1, 2, 3]
    assert topology.name == "host"
    assert calls[0][1:] == ["--of", "xml", "--disallowed"]


@pytest.mark.skipif(sys.platform != "linux", reason="falls back to sysfs")
def test_broken_lstopo_is_passed_over(monkeypatch):
    monkeypatch.setattr(host_module.shutil, "which", lambda name: f"/bin/{name}")

    def run(command, **options):
        raise subprocess.TimeoutExpired(command, 30)

    monkeypatch.setattr(host_module.subprocess, "run", run)
    assert topology_from_host(prefer_lstopo=True) == topology_from_host()


M1_PRO = """
hw.ncpu: 10
hw.byteorder: 1234
hw.memsize: 34359738368
hw.cachelinesize: 128
hw.nperflevels: 2
hw.perflevel0.physicalcpu: 8
hw.perflevel0.logicalcpu: 8
hw.perflevel0.l1icachesize: 196608
hw.perflevel0.l1dcachesize: 131072
hw.perflevel0.l2cachesize: 12582912
hw.perflevel0.cpusperl2: 4
hw.perflevel0.name: Performance
hw.perflevel1.physicalcpu: 2
hw.perflevel1.logicalcpu: 2
hw.perflevel1.l1icachesize: 131072
hw.perflevel1.l1dcachesize: 65536
hw.perflevel1.l2cachesize: 4194304
hw.perflevel1.cpusperl2: 2
hw.perflevel1.name: Efficiency
"""
INTEL_MAC = """
hw.physicalcpu: 4
hw.logicalcpu: 8
hw.cpufrequency: 2600000000
hw.cachelinesize: 64
hw.l1dcachesize: 32768
hw.l2cachesize: 262144
hw.l3cachesize: 6291456
hw.memsize: 17179869184
"""


def test_apple_silicon():
    topology = topology_from_sysctl(M1_PRO)
    assert topology.core_type_names == ("P", "E")
    assert topology.core_type.tolist() == [1, 1] + [0] * 8
    assert topology.core_cluster.tolist() == [0, 0, 1, 1, 1, 1, 2, 2, 2, 2]
    assert topology.cluster_cache_bytes.tolist() == [4 << 20, 12 << 20, 12 << 20]
    assert topology.private_cache_bytes.tolist() == [64 << 10] * 2 + [128 << 10] * 8
    assert topology.cache_line_bytes == 128
    assert topology.node_memory_bytes.tolist() == [32 << 30]


def test_intel_mac():
    topology = topology_from_sysctl(INTEL_MAC)
    assert topology.core_smt.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
    assert topology.core_frequency_mhz.tolist() == [2600] * 8
    assert topology.private_cache_bytes.tolist() == [256 << 10] * 8
    assert topology.cluster_cache_bytes.tolist() == [6 << 20]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hw.logicalcpu: many",
        "hw.logicalcpu: 0",
        "hw.logicalcpu: 99999999",
        "hw.logicalcpu: 3\nhw.physicalcpu: 2",
        "hw.nperflevels: 2\nhw.perflevel0.logicalcpu: 4",
        M1_PRO.replace("12582912", "-1"),
        M1_PRO.replace("hw.perflevel0.cpusperl2: 4", "hw.perflevel0.cpusperl2: 0"),
        "x" * (1 << 21),
    ],
)
def test_bad_sysctl_text_is_refused(text):
    with pytest.raises(TopologyError):
        topology_from_sysctl(text)
