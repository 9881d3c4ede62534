"""What a person reads when a Ray cluster cannot be used: no cluster is started here."""

import re

import pytest

from pipeline.clusters.connect import check_answers, refused
from pipeline.clusters.kernels import LOCATORS, PLACE, KernelLocator, environment
from pipeline.clusters.node import Program, differences, versions
from pipeline.clusters.ship import ROOT, kernel_sources, stage_sources
from pipeline.errors import UserError


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("ray://127.0.0.1:10001", "client is not supported(.|\n)*host:port(.|\n)*--num-cpus=0"),
        ("somewhere", "not an address"),
        ("127.0.0.1:70000", "not an address"),
        ("127.0.0.1:9", "No Ray cluster answers at 127.0.0.1:9(.|\n)*ray start --head"),
    ],
)
def test_an_address_that_cannot_be_used(address, words):
    with pytest.raises(UserError, match=words):
        check_answers(address)


@pytest.mark.parametrize(
    ("said", "words"),
    [
        (
            (
                "Version mismatch: The cluster was started with:\n    Ray: 2.59.0\n    Python: 3.12.1\n"
                "This process on node 10.0.0.5 was started with:\n    Ray: 2.60.0\n    Python: 3.11.7\n"
            ),
            r"another Python or Ray: .*2\.59\.0 Python: 3\.12\.1 This .*2\.60\.0(.|\n)*requirements\.lock",
        ),
        ("AuthenticationError: WRONG_AUTHENTICATION_TOKEN", r"token(.|\n)*RAY_AUTH_TOKEN"),
        (
            "Did you do `ray start` on this node?",
            r"No Ray node of h:1 runs on this(.|\n)*--num-cpus=0",
        ),
        ("Failed to connect to Ray cluster at h:1", r"Something listens at h:1(.|\n)*RAY_AUTH_TOKEN"),
        ("Could not find any running Ray instance.", r"cannot be used at h:1(.|\n)*cluster=inline"),
        ("something else", r"Ray cannot be used at h:1: something else"),
    ],
)
def test_what_ray_says_becomes_what_to_do(said, words):
    assert re.search(words, str(refused("h:1", RuntimeError(said))))


def test_a_difference_names_both_sides():
    program = Program(len, lambda: "1" * 64, "2" * 64, versions=versions() | {"numpy": "1.0"})
    told = differences(program)
    assert "simulator sources 111111111111 there and 222222222222 here" in told
    assert f"numpy {versions()['numpy'][:12]} there and 1.0 here" in told
    assert "Python" not in told


def test_only_sources_are_sent_and_all_that_the_digest_covers(tmp_path):
    stage_sources(tmp_path)
    sent = {path.relative_to(tmp_path) for path in tmp_path.rglob("*") if path.is_file()}
    assert {path.suffix for path in sent} == {".py"}
    assert {path.parts[0] for path in sent} == {"sim", "pipeline"}
    assert {path for path in sent if path.parts[0] == "sim"} == {
        path.relative_to(ROOT) for path in (ROOT / "sim").rglob("*.py")
    }


def test_workers_look_for_kernels_where_this_process_keeps_its_own(monkeypatch, tmp_path):
    from sim.kernels import entries

    found = environment(kernel_sources())
    own = entries.call._cache._impl.locator
    assert own.get_cache_path().endswith("/" + found[PLACE])
    assert found[LOCATORS].startswith("pipeline.clusters.kernels.KernelLocator,")
    # Unpacked elsewhere, the sources have the same place, and what was compiled from them is taken.
    copy = tmp_path / "unpacked" / "entries.py"
    copy.parent.mkdir()
    copy.write_bytes((kernel_sources() / "entries.py").read_bytes())
    monkeypatch.setenv(PLACE, found[PLACE])
    locator = KernelLocator.from_function(entries.call.py_func, str(copy))
    assert locator.get_cache_path() == own.get_cache_path()
    assert locator.get_source_stamp() == own.get_source_stamp()
    assert locator.get_disambiguator() == own.get_disambiguator()
    assert KernelLocator.from_function(test_a_difference_names_both_sides, str(copy)) is None
