"""From a study to flags that a real `erl` takes, and from `erl`'s flags to a study."""

import json
import os
import random
import shutil
import subprocess

import polars as pl
import pytest
import yaml

import sim
from pipeline import simulate, sweep
from pipeline.config.erl_flags import flag_words, full_line, options_of, parse_flags
from pipeline.errors import ConfigError
from pipeline.evidence.choice_text import flags_file

ERL = shutil.which("erl")
needs_erl = pytest.mark.skipif(
    ERL is None, reason="no erl on the path: nothing to try flags on (erlang-base)"
)
ATOMS = {short: atom for atom, short in sim.BIND_ATOMS.items()} | {"u": "unbound"}
# `erl` answers with what the default stands for.
ATOMS["db"] = ATOMS["tnnps"]
ASK = """io:format("~p ~p ~p~n", [erlang:system_info(scheduler_bind_type), erlang:system_info(schedulers),
    erlang:system_info(schedulers_online)]), halt(0)."""
CONFIGURATIONS = 12


def start(*flags: str) -> subprocess.CompletedProcess[str]:
    """Start a real emulator with flags, and ask it for its schedulers."""
    command = [str(ERL), *flags, "-noshell", "-noinput", "-eval", ASK]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


def machine() -> list[str]:
    """Flags that describe the CPUs at hand: without a topology `erl` refuses to bind."""
    cpus = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    ids = ",".join(map(str, cpus))
    return ["+sct", f"L{ids}c{','.join(str(core) for core in range(len(cpus)))}"]


def random_flags(rng: random.Random) -> sim.Erts:
    """Any setting; at most 32 schedulers, which each cost a thread."""
    online, created = sorted((rng.randint(1, 32), rng.randint(1, 32)))
    words = {name: rng.choice(options_of(name)) for name in ("sbt", "swt", "sws", "sbwt")}
    return sim.Erts(
        enabled=True,
        scl=rng.random() < 0.5,
        sub=rng.random() < 0.3,
        S=rng.choice([None, str(created), f"{created}:{online}"]),
        **words,  # type: ignore[arg-type]
    )


@needs_erl
@pytest.mark.parametrize("seed", range(CONFIGURATIONS))
@pytest.mark.parametrize("is_full", [False, True])
def test_a_real_erl_takes_the_flags_and_agrees(seed: int, is_full: bool) -> None:
    flags = random_flags(random.Random(seed))
    words = full_line(flags).split() if is_full else flag_words(flags)
    done = start(*machine(), *words)
    assert done.returncode == 0, (words, done.stderr[:300])
    bind_type, created, online = done.stdout.split()
    assert bind_type == ATOMS[flags.sbt or "u"]
    if flags.schedulers() is not None:
        assert (int(created), int(online)) == flags.schedulers()


@needs_erl
def test_a_file_of_flags_is_taken_as_it_is(tmp_path) -> None:
    path = tmp_path / "erl_flags.txt"
    path.write_text(
        flags_file(sim.Erts(sbt="u", swt="low", scl=False, S="3:2"), "found by hand", "gains 3 %")
    )
    done = start("-args_file", str(path))
    assert (done.returncode, done.stdout.split()) == (0, ["unbound", "3", "2"])
    path.write_text(flags_file(sim.Erts(sbt="u"), "found by hand", ""))
    assert start("-args_file", str(path)).returncode == 0


@needs_erl
@pytest.mark.parametrize(
    "text", ["+sbt dd", "+swt lwo", "+scl yes", "+sub 1", "+S 4:8", "+S 2000", "+sbwt no"]
)
def test_what_erl_refuses_is_refused_here(text: str) -> None:
    assert start(*machine(), *text.split()).returncode != 0
    with pytest.raises(ConfigError):
        parse_flags(text)


@needs_erl
@pytest.mark.parametrize("text", ["+sbtdb +S2:1", "+stbt ns +swthigh", "+subtrue +scltrue", "+swslegacy"])
def test_attached_values_are_taken_by_both(text: str) -> None:
    assert start(*machine(), *text.split()).returncode == 0
    assert parse_flags(text)


# --- a study ---------------------------------------------------------------------------------------

SMALL = (
    "topology=two_core", "workload=field_two_hogs", "cluster=inline", "tracking=off", "replicates=4",
    "simulation.horizon_ns=4_000_000", "simulation.warmup_ns=0",
)  # fmt: skip
# The second hog waits until it is stolen, which +swt alone decides: a difference without any noise.
AXES = (
    "experiment=erl_flags", "objective.metric=throughput_per_s", "objective.keep=null",
    "policy.erts.sbt=u,db", "policy.erts.scl=true", "policy.erts.sub=false", "policy.erts.S=null",
)  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The run folder of a finished flag study."""
    outputs = tmp_path_factory.mktemp("outputs")
    words = [*AXES, *SMALL, f"outputs.folder={outputs}", "objective.metric=wasted_core_share"]
    assert sweep.main([*words, "policy.erts.swt=medium,low,high"]) == 0
    (found,) = (outputs / "erl_flags").iterdir()
    return found


def test_the_study_ends_with_the_flags_that_win(folder) -> None:
    lines = (folder / "erl_flags.txt").read_text().splitlines()
    assert lines[-1] == "+swt low"
    assert all(line.startswith("#") for line in lines[:-1])
    assert any("95 % interval" in line for line in lines)
    assert any("+sbt u +scl true +sub false +swt low +sws default +sbwt medium" in line for line in lines)
    assert "+swt low" in (folder / "report.html").read_text()


def test_tables_have_a_column_a_flag(folder) -> None:
    points = pl.read_parquet(folder / "points.parquet")
    assert points.height == 6
    assert set(points["policy.erts.swt"]) == {"low", "medium", "high"}
    assert points["policy.erts.scl"].dtype == pl.Boolean
    assert {"policy.erts.sbt", "policy.erts.S", "policy.erts.otp"} <= set(points.columns)


def test_the_recommended_policy_runs_as_a_policy(folder, capsys) -> None:
    path = folder / "recommended.yaml"
    assert yaml.safe_load(path.read_text())["erts"]["swt"] == "low"
    assert "Flags: +swt low" in path.read_text()
    assert simulate.main([*SMALL, f"policy={path}", "output=json"]) == 0
    again = json.loads(capsys.readouterr().out)
    assert simulate.main([*SMALL, "flags=+swt low", "output=json"]) == 0
    flags = json.loads(capsys.readouterr().out)
    assert again["metrics"]["slowdown_p99"] == flags["metrics"]["slowdown_p99"]
    assert again["metrics"]["wasted_core_share"] == flags["metrics"]["wasted_core_share"]


def test_the_answer_as_data_has_flags_and_gain(folder, capsys) -> None:
    words = [*AXES, *SMALL, "objective.metric=wasted_core_share", f"outputs.folder={folder.parent.parent}"]
    assert sweep.main([*words, "policy.erts.swt=medium,low,high", "output=json"]) == 0
    (cell,) = json.loads(capsys.readouterr().out)["cells"]
    assert cell["erl_flags"] == "+swt low"
    assert cell["erl_flags_all"].startswith("+sbt u +scl true")
    assert cell["choice"]["verdict"] == "better"
    assert cell["choice"]["gain"]["low"] > 0


def test_flags_that_change_nothing_are_told_to_be_of_no_use(tmp_path, capsys) -> None:
    # On a single core there is nobody to wake.
    words = [*AXES, *SMALL, "topology=single", f"outputs.folder={tmp_path}", "policy.erts.sbt=u"]
    assert sweep.main([*words, "policy.erts.swt=medium,low", "objective.metric=slowdown_p99"]) == 0
    out = capsys.readouterr().out
    assert "none needed (erl as it comes)" in out
    (path,) = tmp_path.glob("erl_flags/*/erl_flags.txt")
    assert not [line for line in path.read_text().splitlines() if not line.startswith("#")]
