"""The hwloc reader on small documents: formats, sets, what is assumed, and hostile input."""

import os

import pytest

from sim.topology import Topology, TopologyError, hwloc_xml, parse_hwloc, read_hwloc, topology_from_hwloc
from sim.topology import topology_from_tree as convert
from sim.topology.hwloc_values import bits_to_indexes, format_bits, read_bitmap
from sim.topology.hwloc_xml import DEPTH_MAX, FILE_BYTES_MAX, Element
from tests.unit.topology.hwloc_texts import (
    HEAD,
    KINDS,
    SLIT,
    VERSION_1,
    cache,
    core,
    document,
    node,
    package,
)


def build(text: str) -> Topology:
    return convert(parse_hwloc(text.encode(), "small.xml"))


def refusal(text: str | bytes) -> TopologyError:
    data = text.encode() if isinstance(text, str) else text
    with pytest.raises(TopologyError) as caught:
        convert(parse_hwloc(data, "small.xml"))
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    return caught.value


def bitmap(text: str) -> int | None:
    return read_bitmap(Element("object", {"cpuset": text}, "here", 1), "cpuset")


def test_small_machine():
    topology = build(document())
    assert topology.name == "small"
    assert topology.core_os_index.tolist() == [0, 1, 2, 3]
    assert topology.core_cluster.tolist() == [0, 0, 1, 1]
    assert topology.core_node.tolist() == [0, 0, 1, 1]
    assert topology.core_package.tolist() == [0, 0, 1, 1]
    assert topology.cluster_cache_bytes.tolist() == [1 << 20, 1 << 20]
    assert topology.node_memory_bytes.tolist() == [1 << 30, 1 << 30]
    assert topology.node_distance.tolist() == [[10, 21], [21, 10]]
    assert topology.core_type_names == ("P", "E")
    assert topology.core_speed.tolist() == [1.0, 1.0, 0.5, 0.5]
    assert topology.core_frequency_mhz.tolist() == [4000, 4000, 2000, 2000]


@pytest.mark.parametrize("version", ["2.0", "2.1", "3.0"])
def test_formats_2_and_3_read_alike(version):
    assert build(document(version=version)) == build(document())


def test_format_1_reads_as_the_same_machine():
    old, new = build(VERSION_1), build(document(tail=SLIT))
    assert old == new
    tree = parse_hwloc(VERSION_1.encode(), "old.xml")
    assert tree.version == "1.x"
    # Each node has the CPUs of its socket, so it hangs below that and no Group is needed.
    assert tree.depth_order() == ["Machine", "Package", "L3Cache", "Core", "PU"]


def test_format_1_without_nodes_gets_one():
    text = (
        '<topology><object type="System" os_index="0" cpuset="0x1" local_memory="4096">'
        '<object type="PU" os_index="0" cpuset="0x1"/></object></topology>'
    )
    topology = build(text)
    assert topology.num_nodes == 1
    assert topology.node_memory_bytes.tolist() == [4096]


@pytest.mark.parametrize("version", ["", "0.9", "4.0", "2", "two", "2.0.0", "1" * 5000])
def test_other_formats_are_refused(version):
    assert refusal(document(version=version)).where.endswith("topology, version")


def test_only_allowed_cpus_become_cores():
    machine = 'cpuset="0xf" complete_cpuset="0xff" allowed_cpuset="0x6"'
    topology = build(document(machine=machine))
    assert topology.core_os_index.tolist() == [1, 2]
    assert topology.num_nodes == 2
    # The L3 serves one usable core now: it is private to it.
    assert topology.private_cache_bytes.tolist() == [1 << 20, 1 << 20]
    error = refusal(document(machine='cpuset="0xf" allowed_cpuset="0x0"'))
    assert "allowed CPUs" in error.where


def test_disallowed_node_goes_unless_its_cpus_run():
    machine = 'cpuset="0xf" allowed_cpuset="0x3" allowed_nodeset="0x1"'
    assert build(document(machine=machine)).num_nodes == 1
    machine = 'cpuset="0xf" allowed_cpuset="0xf" allowed_nodeset="0x1"'
    assert build(document(machine=machine)).num_nodes == 2


def test_sparse_indexes_and_long_sets():
    wide = "0x40000000,,,0x0"
    text = document(
        machine=f'cpuset="{wide}"',
        packages=node(0, wide) + f'<object type="PU" os_index="126" cpuset="{wide}"/>',
        tail="",
    )
    assert build(text).core_os_index.tolist() == [126]


def test_distances_by_hwlocs_own_indexes():
    text = SLIT.replace('indexing="os"', 'indexing="gp"').replace("0 1 ", "8 7 ")
    text = text.replace('">10 21 <', '">10 31 <')
    topology = build(document(tail=text))
    assert topology.node_distance.tolist() == [[10, 21], [31, 10]]


def test_latency_and_bandwidth_come_from_memory_attributes():
    values = "".join(
        f'<memattr name="{name}" flags="5">'
        f'<memattr_value target_obj_gp_index="7" target_obj_type="NUMANode" value="{near}" '
        'initiator_cpuset="0x3"/>'
        f'<memattr_value target_obj_gp_index="7" target_obj_type="NUMANode" value="{far}" '
        'initiator_cpuset="0xc"/></memattr>'
        for name, near, far in (("Latency", 80, 145), ("Bandwidth", 100_000, 40_000))
    )
    topology = build(document(tail=SLIT + values))
    assert topology.memory_latency_ns.tolist() == [[80, 140], [145, 80]]
    assert topology.node_bandwidth_mb_s.tolist() == [104857, 0]


def test_io_and_misc_objects_are_left_out():
    extra = (
        '<object type="Bridge" gp_index="5"><object type="PCIDev"><object type="OSDev"/></object>'
        '</object><object type="Misc" name="note"/>'
    )
    plain = document()
    assert build(plain.replace("</object><distances2", f"{extra}</object><distances2")) == build(plain)


def test_clock_comes_from_the_name_of_the_cpu():
    text = document(tail="").replace(
        'cpuset="0x3"><object type="NUMANode"',
        'cpuset="0x3"><info name="CPUModel" value="Xeon @ 2.10GHz"/><object type="NUMANode"',
    )
    assert build(text).core_frequency_mhz.tolist() == [2100, 2100, 2500, 2500]


@pytest.mark.parametrize(
    ("text", "bits"),
    [
        ("0x0", 0),
        ("0x0000000f", 15),
        ("f", 15),
        ("0x1,0x0", 1 << 32),
        ("0x1,,0x3", (1 << 64) | 3),
        ("", 0),
        ("0xf...f", -1),
        ("0xf...f,0xfffffffe", -2),
    ],
)
def test_bitmaps(text, bits):
    assert bitmap(text) == bits


@pytest.mark.parametrize(
    "text",
    ["0x", "-1", "0x1ffffffff", "0x1 ", "1;2", "0xg", "," * 5000, "0x1," * 257, "٣", "0xf...f" * 2],
)
def test_bad_bitmaps_are_refused_or_read_as_zero(text):
    if text == "0x":
        assert bitmap(text) == 0
        return
    with pytest.raises(TopologyError):
        bitmap(text)


def test_indexes_of_bits():
    assert bits_to_indexes(0) == ()
    assert bits_to_indexes((1 << 100) | 5) == (0, 2, 100)
    assert format_bits((1 << 100) | 7) == "0-2,100"
    assert format_bits(-1) == "an infinite set"


# --- hostile and broken documents -------------------------------------------------------------

BOMB = (
    '<?xml version="1.0"?><!DOCTYPE topology [<!ENTITY a "aaaaaaaaaa">'
    + "".join(f'<!ENTITY a{i} "{"&a" + str(i - 1 if i > 1 else "") + ";"}">' for i in range(1, 9))
    + ']><topology version="2.0">&a8;</topology>'
)
OUTSIDE = (
    '<?xml version="1.0"?><!DOCTYPE topology [<!ENTITY x SYSTEM "file:///etc/passwd">]>'
    '<topology version="2.0"><object type="&x;"/></topology>'
)


@pytest.mark.parametrize("text", [BOMB, OUTSIDE])
def test_entities_are_refused(text):
    error = refusal(text)
    assert "DOCTYPE" in error.where
    assert "no definition of entities" in error.allowed


def test_undefined_entity_does_not_come_through():
    refusal(document().replace("</topology>", "&x;</topology>"))
    refusal(document(head="").replace("<topology", "<topology note='&x;'"))
    # Beside an external DTD that nobody reads, expat drops it from an attribute: it is empty.
    assert build(document().replace("<topology", "<topology note='&x;'")) == build(document())


def test_external_dtd_is_not_loaded(tmp_path):
    dtd = tmp_path / "evil.dtd"
    dtd.write_text('<!ATTLIST object type CDATA "Core">')
    head = f'<!DOCTYPE topology SYSTEM "{dtd.as_uri()}">'
    assert build(document(head=head)) == build(document())


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"   \n",
        b"hello",
        b"\x00\x01\x02\x03" * 100,
        b"\x1f\x8b\x08\x00" + b"\x00" * 50,
        b"<html></html>",
        b"<topology/>",
        b'<topology version="2.0"></topology>',
        b'<topology version="2.0"><object type="PU" os_index="0" cpuset="0x1"/></topology>',
        b'<?xml version="1.0" encoding="nonsense"?><topology/>',
        b'<?xml version="1.0" encoding="utf-7"?><topology/>',
        b'<?xml version="1.0" encoding="big5"?><topology/>',
        document().encode("utf-16"),
        document().encode()[:-1],
        document().encode()[:900],
        document().encode() + b"<more/>",
        document().encode().replace(b'os_index="0"', b'os_index="0" os_index="0"'),
        document().encode().replace(b"NUMALatency", b"\xff\xfe"),
    ],
)
def test_what_is_no_such_document_is_refused(data):
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        with pytest.raises(TopologyError, match="well-formed"):
            parse_hwloc(data, "small.xml")
        return
    refusal(data)


def test_every_truncation_is_refused():
    data = document().encode()
    for length in range(0, len(data), 7):
        refusal(data[:length])


def test_depth_is_bounded():
    depth = DEPTH_MAX + 1
    text = '<topology version="2.0">' + "<a>" * depth + "</a>" * depth + "</topology>"
    assert f"{DEPTH_MAX} deep" in str(refusal(text))
    refusal("<a>" * 100_000)


def test_number_of_elements_is_bounded(monkeypatch):
    monkeypatch.setattr(hwloc_xml, "ELEMENTS_MAX", 1000)
    text = '<topology version="2.0">' + "<a/>" * 1001 + "</topology>"
    assert "at most 1000 elements" in str(refusal(text))


def test_file_size_is_bounded(tmp_path):
    path = tmp_path / "large.xml"
    with path.open("wb") as file:
        file.truncate(FILE_BYTES_MAX + 1)
    with pytest.raises(TopologyError, match="at most"):
        read_hwloc(path)


def test_what_is_no_file_is_refused(tmp_path):
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    for path in (tmp_path, tmp_path / "missing.xml", pipe, "/dev/zero", "a\0b"):
        with pytest.raises(TopologyError):
            topology_from_hwloc(path)


DEEP = core(0, (0,))
CONTRADICTIONS = {
    "child outside its parent": (
        document().replace('os_index="3" cpuset="0x8"', 'os_index="3" cpuset="0x10"'),
        "PU 3",
    ),
    "core outside its cache": (
        document().replace('os_index="1" cpuset="0x8"', 'os_index="1" cpuset="0x9"'),
        "Core 1",
    ),
    "siblings overlap": (document().replace('os_index="1" cpuset="0xc"', 'os_index="1" cpuset="0xe"'),
                         "Package 1"),
    "set outside its complete set": (
        document(machine='cpuset="0xf" complete_cpuset="0x7"'), "Machine 0"),
    "PU index twice": (
        document(packages=package(0, "0x1", core(0, (0,))) + package(1, "0x0", "")
                 + '<object type="PU" os_index="0" cpuset="0x0"/>'), "PU 0"),
    "PU with another set": (document().replace('os_index="3" cpuset="0x8"',
                                               'os_index="2" cpuset="0x8"'), "PU 2"),
    "node outside the machine": (document(packages=node(0, "0xf0") + core(0, (0,))), "NUMANode 0"),
    "node index twice": (document(packages=node(0, "0x1") + node(0, "0x1") + core(0, (0,))),
                         "NUMANode 0"),
    "no PU": (document(packages=package(0, "0xf", ""), tail=""), "PU objects"),
    "object below a PU": (
        document().replace('complete_cpuset="0x8"/>',
                           'complete_cpuset="0x8"><object type="PU" os_index="9" cpuset="0x8"/></object>'),
        "PU 3"),
    "PU without index": (document().replace('type="PU" os_index="3"', 'type="PU"'), "PU"),
    "unknown type": (document().replace('"Package" os_index="1"', '"Parcel" os_index="1"'), "Parcel 1"),
    "two machines": (document(tail='<object type="Machine" cpuset="0x1"/>'), "topology"),
    "no set": (document().replace('type="Core" os_index="0" cpuset="0x1"', 'type="Core" os_index="0"'),
               "Core 0"),
    "infinite set": (document(machine='cpuset="0xf...f"'), "Machine 0"),
    "PU beyond all bounds": (
        document().replace('os_index="3" cpuset="0x8"', 'os_index="2147483648" cpuset="0x8"'), "PU 2147"),
    "huge set": (document(machine='cpuset="0x1' + ",0x0" * 70_000 + '"'), "Machine 0"),
    "huge number": (document().replace('os_index="3"', 'os_index="' + "9" * 6000 + '"'), "PU 9"),
    "negative size": (document().replace('cache_size="1048576"', 'cache_size="-1"'), "L3Cache"),
    "fractional size": (document().replace('cache_size="1048576"', 'cache_size="1.5"'), "L3Cache"),
    "negative memory": (document().replace("1073741824", "-5"), "NUMANode 0"),
    "matrix too small": (document(tail=SLIT.replace("21 10 ", "21 ")), "distances2 NUMALatency"),
    "matrix too large": (document(tail=SLIT.replace("21 10 ", "21 10 10 ")), "distances2 NUMALatency"),
    "matrix size not a number": (document(tail=SLIT.replace('nbobjs="2"', 'nbobjs="x"')), "distances2"),
    "matrix without size": (document(tail=SLIT.replace('nbobjs="2"', "")), "distances2"),
    "matrix size huge": (document(tail=SLIT.replace('nbobjs="2"', 'nbobjs="99999999"')), "distances2"),
    "matrix of unknown nodes": (document(tail=SLIT.replace("0 1 ", "0 5 ")), "distances2"),
    "matrix with a node twice": (document(tail=SLIT.replace("0 1 ", "1 1 ")), "distances2"),
    "matrix with NaN": (document(tail=SLIT.replace("21 10 ", "nan 10 ")), "distances2"),
    "matrix with a negative": (document(tail=SLIT.replace("21 10 ", "-1 10 ")), "distances2"),
    "matrix with a huge value": (document(tail=SLIT.replace("21 10 ", f"{2**63} 10 ")), "distances2"),
    "kinds overlap": (document(tail=KINDS.replace('"0xc"', '"0x6"')), "cpukind"),
    "kind without set": (document(tail="<cpukind/>"), "cpukind"),
    "old matrix with NaN": (VERSION_1.replace('"2.1"', '"nan"'), "distances"),
    "old matrix too small": (VERSION_1.replace('<latency value="2.1"/>', ""), "distances"),
    "old matrix of another level": (VERSION_1.replace('depth="1" lat', 'depth="4" lat'), "distances"),
    "old matrix base": (VERSION_1.replace('"10.0"', '"1e999"'), "distances"),
}  # fmt: skip


@pytest.mark.parametrize("name", sorted(CONTRADICTIONS))
def test_contradiction_names_its_element(name):
    text, label = CONTRADICTIONS[name]
    error = refusal(text)
    assert label in error.where, str(error)
    assert "small.xml" in error.where


def test_too_many_cpus_are_refused():
    words = 4097 // 32 + 1
    full = ",".join(["0xffffffff"] * words)
    pus = "".join(
        f'<object type="PU" os_index="{cpu}" cpuset="0x{1 << cpu % 32:x}{",0x0" * (cpu // 32)}"/>'
        for cpu in range(4097)
    )
    error = refusal(document(machine=f'cpuset="{full}"', packages=pus, tail=""))
    assert error.value == 4097


def test_cache_helper_builds_all_levels():
    parts = cache("L2Cache", "0x1", 1 << 18, cache("L1Cache", "0x1", 1 << 15, DEEP))
    text = document(machine='cpuset="0x1"', packages=node(0, "0x1") + parts, tail="", head=HEAD)
    topology = build(text)
    assert topology.private_cache_bytes.tolist() == [1 << 18]
    assert [(item.level, item.kind) for item in topology.caches] == [(1, "data"), (2, "unified")]
