"""The emulator's flags on the command line and in files: read, refused in words, written and read again."""

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import sim
from pipeline.config.compose import read_command
from pipeline.config.erl_flags import erts_of, flag_line, full_line, options_of, parse_flags
from pipeline.config.schema import SweepGrid
from pipeline.errors import ConfigError
from pipeline.evidence.setting import bind_type_of_cores
from tests.unit.config.conftest import MakeStudy

SMALL = ("topology=two_core", "workload=bursty", "experiment=none")


def erts_points(make: MakeStudy, *words: str) -> list[sim.Erts]:
    """Flags of the points of a study whose scheduler is the BEAM's."""
    found = [point.config.policy.spec().erts for point in make(*SMALL, *words).points]
    return [flags for flags in found if flags.enabled]


def schedulers() -> st.SearchStrategy[str | None]:
    """+S as text, or none."""
    pairs = st.tuples(st.integers(1, 1024), st.integers(1, 1024)).map(sorted)
    return st.one_of(st.none(), st.integers(1, 1024).map(str), pairs.map(lambda p: f"{p[1]}:{p[0]}"))


flag_sets = st.builds(
    sim.Erts,
    enabled=st.just(True),
    scl=st.booleans(),
    sub=st.booleans(),
    S=schedulers(),
    **{name: st.sampled_from(options_of(name)) for name in ("sbt", "swt", "sws", "sbwt")},
)


def meaning(flags: sim.Erts) -> tuple[object, ...]:
    """What a setting does: +sub switches +scl off, and N means N:N."""
    scl = flags.scl and not flags.sub
    return (flags.sbt, scl, flags.sub, flags.swt, flags.sws, flags.sbwt, flags.schedulers())


@given(flag_sets)
def test_what_is_written_is_read_as_the_same(flags: sim.Erts) -> None:
    for line in (flag_line(flags), full_line(flags)):
        again = sim.Erts(enabled=True, **({"sbt": "u"} | parse_flags(line)))  # type: ignore[arg-type]
        assert meaning(again) == meaning(flags)


@given(flag_sets)
def test_only_what_differs_is_named(flags: sim.Erts) -> None:
    words = flag_line(flags).split()
    default = full_line(sim.Erts(sbt="u")).split()
    pairs = set(zip(default[::2], default[1::2], strict=True))
    assert not pairs & set(zip(words[::2], words[1::2], strict=True))
    assert len(set(words[::2])) == len(words) // 2


def test_erl_as_it_comes_needs_no_flag() -> None:
    assert flag_line(sim.Erts(sbt="u")) == ""
    assert full_line(sim.Erts(sbt="u")).split()[:4] == ["+sbt", "u", "+scl", "true"]


@pytest.mark.parametrize(
    ("text", "fields"),
    [
        ("+sbt db +scl false +S 8:4", {"sbt": "db", "scl": False, "S": "8:4"}),
        ("+sbtdb +S8:4 +swtvery_low", {"sbt": "db", "S": "8:4", "swt": "very_low"}),
        ("+stbt ns", {"sbt": "ns"}),
        ("+swt low  +swt high", {"swt": "high"}),
        ("'+sub true +sws legacy +sbwt none'", {"sub": True, "sws": "legacy", "sbwt": "none"}),
        ("", {}),
    ],
)
def test_flags_are_read_as_erl_reads_them(text: str, fields: dict[str, object]) -> None:
    assert parse_flags(text) == fields


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("+sbt dd", ("+sbt dd", "u, ns, ts, ps, s, nnts, nnps, tnnps, db")),
        ("+swt lwo", ("+swt lwo", "very_low, low, medium, high, very_high", "did you mean low")),
        ("+scl yes", ("+scl yes", "true, false")),
        ("+S 4:8", ("+S 4:8", "M <= N", "1024")),
        ("+S 0", ("+S 0", "1 to 1024")),
        ("+S 2000", ("+S 2000", "1 to 1024")),
        ("+S :4", ("+S :4", "both, if a colon is there")),
        ("+sbt", ("+sbt", "needs a value")),
        ("+sbt +scl false", ("+sbt +scl", "takes u")),
        ("+SP 50:50", ("+SP", "is not simulated", "+S N:M")),
        ("+sct L0-3c0-3", ("+sct", "is not simulated", "topology=sct")),
        ("+sbwtdcpu none", ("+sbwtdcpu", "dirty schedulers")),
        ("+A 10", ("+A", "is not simulated", "+sbwt")),
        ("+sbbt db", ("+sbbt", "is not simulated", "did you mean +sbt")),
        ("sbt db", ("'sbt'", "is no flag")),
        ("-sname a", ("-sname", "is no flag")),
    ],
)
def test_what_cannot_be_read_is_named_with_what_can(text: str, parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_flags(text)
    assert caught.value.key == "flags"
    for part in parts:
        assert part in str(caught.value)


# --- on the command line ---------------------------------------------------------------------------


def test_flags_choose_the_policy_and_unbound_schedulers_as_erl_does(study_of: MakeStudy) -> None:
    (flags,) = erts_points(study_of, "flags=+scl false +S 8:4")
    assert (flags.sbt, flags.scl, flags.S, flags.otp) == ("u", False, "8:4", "27")


def test_keys_go_before_flags_and_sweep_beside_them(study_of: MakeStudy) -> None:
    found = erts_points(
        study_of,
        "flags=+sbt db +swt low",
        "policy=erts_28",
        "policy.erts.swt=high",
        "policy.erts.scl=true,false",
    )
    assert [(f.sbt, f.swt, f.scl, f.otp) for f in found] == [("db", "high", s, "28") for s in (True, False)]


def test_the_command_that_is_kept_has_plain_keys() -> None:
    command = read_command(["flags=+sbt db", "seed=3"])
    assert not any(word.startswith("flags=") for word in command.typed)
    assert {"policy=erts", "policy.erts.sbt=db", "seed=3"} <= set(command.typed)


def test_flags_without_effect_are_refused(study_of: MakeStudy) -> None:
    with pytest.raises(ConfigError, match="have no effect with policy=balanced"):
        study_of(*SMALL, "policy=balanced", "flags=+sbt db")


@pytest.mark.parametrize(
    ("words", "parts"),
    [
        (["policy.erts.slc=true,false"], ("policy.erts.slc", "did you mean policy.erts.scl")),
        (["policy.erts.slc=true"], ("policy.erts.slc", "unknown key", "scl")),
        (["policy.erts.swt=low,lwo"], ("policy.erts.swt = 'lwo'", "very_low, low, medium")),
        (["policy.erts.sbt=dd"], ("policy.erts.sbt = 'dd'", "u, ns, ts")),
        (["policy.erts.S=4:8"], ("policy.erts.S = '4:8'", "M <= N", "all, cores, half")),
        (["policy.erts.S=quarter"], ("policy.erts.S = 'quarter'", "all, cores, half")),
        (["policy.erts.scl=on"], ("policy.erts.scl = 'on'", "true or false")),
        (["policy.erts.otp=26"], ("policy.erts.otp = 26", "27, 28")),
    ],
)
def test_wrong_settings_are_named(study_of: MakeStudy, words: list[str], parts: tuple[str, ...]) -> None:
    with pytest.raises(ConfigError) as caught:
        study_of(*SMALL, "policy=erts", *words)
    for part in parts:
        assert part in str(caught.value)


def test_numbers_of_schedulers_need_no_quotes_here(study_of: MakeStudy) -> None:
    found = erts_points(study_of, "policy=erts", "policy.erts.S=4,8:2,128")
    assert [flags.S for flags in found] == ["4", "8:2", "128"]
    assert [flags.S for flags in erts_points(study_of, "policy=erts", "policy.erts.S=128")] == ["128"]


def test_a_release_may_be_written_as_a_number(study_of: MakeStudy) -> None:
    found = erts_points(study_of, "policy=erts", "policy.erts.otp=27,28")
    assert [flags.otp for flags in found] == ["27", "28"]


# --- relative to the machine -----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("topology", "word", "text"),
    [
        ("epyc_7763_2s", "cores", "128"),
        ("epyc_7763_2s", "half", "128"),
        ("epyc_7763_2s", "all", None),
        ("altra_q80", "cores", None),
        ("altra_q80", "half", "40"),
        ("single", "half", None),
    ],
)
def test_schedulers_relative_to_the_machine(study_of: MakeStudy, topology: str, word: str, text: str) -> None:
    (flags, *_) = erts_points(study_of, f"topology={topology}", "policy=erts", f"policy.erts.S={word}")
    assert text == flags.S
    swept = study_of(*SMALL, f"topology={topology}", "policy=erts", f"policy.erts.S={word},3").points[0]
    assert swept.axes["policy.erts.S"] == text


def test_a_relative_number_follows_a_swept_machine(study_of: MakeStudy) -> None:
    words = ("policy=erts", "policy.erts.S=half")
    study = study_of(*SMALL, "topology.clusters.0.cores=4,8", *words)
    assert [p.config.policy.spec().erts.S for p in study.points if not p.is_baseline] == ["2", "4"]
    study = study_of(*SMALL, "topology=altra_q80,two_core", *words)
    assert [p.config.policy.spec().erts.S for p in study.points if not p.is_baseline] == ["40", "1"]


def test_all_is_a_number_where_the_binding_has_another(study_of: MakeStudy) -> None:
    found = erts_points(study_of, "policy=erts", "binding.schedulers=1", "policy.erts.S=all,half")
    assert [flags.S for flags in found] == ["2", None]


# --- in files --------------------------------------------------------------------------------------


def policy_file(folder: Path, text: str) -> str:
    """A policy of its own with these flags."""
    path = folder / "mine.yaml"
    path.write_text(f"erts: {{enabled: true, {text}}}\n")
    return f"policy={path}"


def test_schedulers_without_quotes_in_a_file_are_no_silent_number(
    tmp_path: Path, study_of: MakeStudy
) -> None:
    with pytest.raises(ConfigError, match="without them YAML reads that as the number 484"):
        study_of(*SMALL, policy_file(tmp_path, "S: 8:4"))


@pytest.mark.parametrize(
    ("text", "name", "value"),
    [
        ('S: "8:4"', "S", "8:4"),
        ("S: 8", "S", "8"),
        ("sbt: u", "sbt", "u"),
        ("scl: off", "scl", False),
        ("otp: 28", "otp", "28"),
    ],
)
def test_files_mean_what_they_say(
    tmp_path: Path, study_of: MakeStudy, text: str, name: str, value: object
) -> None:
    (flags,) = erts_points(study_of, policy_file(tmp_path, text))
    assert getattr(flags, name) == value


@pytest.mark.parametrize("values", [484, [484, 4], [4, 484]])
def test_axes_without_quotes_are_no_silent_numbers(values: object) -> None:
    # What YAML makes of 8:4, of [8:4, 4] and of [4, 8:4].
    assert yaml.safe_load("[8:4, 4]") == [484, 4]
    with pytest.raises(ValidationError, match="must be text"):
        SweepGrid(axes={"policy.erts.S": values})
    assert SweepGrid(axes={"policy.erts.S": [4, "8:4"]}).axes == {"policy.erts.S": "4,8:4"}


@pytest.mark.parametrize(
    ("name", "value"), [("sbt", "off"), ("sbt", "n"), ("S", "[8, 4]"), ("S", "8.4"), ("swt", "1")]
)
def test_files_that_mean_nothing_are_refused(
    tmp_path: Path, study_of: MakeStudy, name: str, value: str
) -> None:
    with pytest.raises(ConfigError, match=f"policy.erts.{name}"):
        study_of(*SMALL, policy_file(tmp_path, f"{name}: {value}"))


def test_a_cost_model_may_be_a_file(tmp_path: Path, study_of: MakeStudy) -> None:
    path = tmp_path / "my-machine.yaml"
    path.write_text(
        "kind: cache\nwake_ns: 2500\nns_per_reduction: 2.5\n"
        "class_times:\n  - {process_class: request, ns_per_reduction: 3.1}\n"
    )
    points = study_of(*SMALL, f"cost={path},cache").points
    mine = next(point for point in points if point.axes["cost"] == "my-machine").config.cost.spec()
    assert (mine.wake_ns, mine.ns_per_reduction) == (2500, 2.5)
    assert mine.class_times == (sim.ClassTime(process_class="request", ns_per_reduction=3.1),)
    swept = study_of(*SMALL, f"cost={path}", "cost.class_times.0.ns_per_reduction=4,5").points
    times = {point.config.cost.spec().class_times[0].ns_per_reduction for point in swept}
    assert times == {4, 5}


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("class_times: [{process_class: a}]", "cost.class_times.0.ns_per_reduction"),
        ("class_times: [{process_class: a, ns_per_reduction: 1, x: 2}]", "cost.class_times.0.x"),
        ("wake_nz: 3", "cost.wake_nz"),
    ],
)
def test_a_wrong_cost_file_is_told(tmp_path: Path, study_of: MakeStudy, text: str, match: str) -> None:
    path = tmp_path / "cost.yaml"
    path.write_text(f"kind: cache\n{text}\n")
    with pytest.raises(ConfigError, match=match):
        study_of(*SMALL, f"cost={path}")


# --- out of a setting ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("binding", "line"),
    [
        ({"mode": "none"}, ""),
        ({"mode": "static", "order": "db", "schedulers": 4}, "+sbt db +S 4:4"),
        ({"mode": "static", "order": "cores"}, ""),
        (None, ""),
    ],
)
def test_the_group_binding_stands_in_for_flags(binding: dict[str, object] | None, line: str) -> None:
    flags = erts_of({"erts": {"enabled": True}}, binding)
    assert flags is not None
    assert flag_line(flags) == line
    assert (flags.sbt is None) == (binding is None or binding.get("order") == "cores")


def test_other_policies_have_no_flags() -> None:
    assert erts_of({"erts": {"enabled": False, "sbt": "db"}}, {}) is None
    assert erts_of({}, {}) is None


@pytest.mark.parametrize(
    ("topology", "bind_type"), [("graviton3", "ns"), ("two_core", "ns"), ("epyc_7763_2s", "ts")]
)
def test_pinning_core_by_core_is_a_bind_type_on_some_machines(
    study_of: MakeStudy, topology: str, bind_type: str | None
) -> None:
    section = study_of(*SMALL, f"topology={topology}").points[0].config.topology.model_dump()
    assert bind_type_of_cores(section) == bind_type
    assert bind_type_of_cores({"kind": "hwloc", "path": "gone.xml"}) is None
