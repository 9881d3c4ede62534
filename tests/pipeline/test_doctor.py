"""The doctor on installations that are broken on purpose; the good one has Ray and MLflow tried for real."""

import errno
import importlib.metadata
import json
import socket
import sys
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import doctor
from pipeline.checks import machine, programs
from pipeline.checks.result import MEND, OK, OPTIONAL, WARNING, Check, guarded, probe


def answer(capsys, *words):
    code = doctor.main([*words, "--json"])
    shown = capsys.readouterr()
    return code, json.loads(shown.out), shown.err


def library(folder, name, text):
    """A library that stands before the real one on the path of processes to come."""
    (folder / name).mkdir()
    (folder / name / "__init__.py").write_text(text)
    return str(folder)


def test_quick_json_has_every_quick_check_and_nothing_else_on_stdout(capsys, tmp_path):
    code, found, err = answer(capsys, "--quick", f"outputs={tmp_path}")
    states = {check["name"]: check["state"] for check in found["checks"]}
    assert code == (0 if found["ok"] else 1)
    assert states["python"] == states["packages"] == states["record"] == OK
    assert not {"ray", "mlflow", "dvc"} & set(states)
    assert sum(found["counts"].values()) == len(found["checks"])
    assert err == ""


def test_what_must_be_mended_ends_with_1_and_a_remedy(capsys, tmp_path):
    (tmp_path / "mlflow.db").write_text("no database")
    code, found, _ = answer(capsys, "record", f"outputs={tmp_path}")
    assert code == 1
    assert not found["ok"]
    assert "record=true" in found["checks"][0]["remedy"]
    assert doctor.main(["record", f"outputs={tmp_path}"]) == 1
    assert "To be mended: record" in capsys.readouterr().out


def test_unknown_check_is_told(capsys):
    assert doctor.main(["ry"]) == 2
    assert "did you mean ray?" in capsys.readouterr().err


def test_a_check_that_fails_itself_is_a_finding():
    def broken():
        raise ImportError("libfoo.so: not there")

    found = guarded(Check("broken", broken))
    assert found.state == MEND
    assert "libfoo.so" in found.found


def test_versions_out_of_range_and_missing_packages(monkeypatch):
    assert programs.packages().state == OK
    real = importlib.metadata.version

    def version(name):
        if name == "mlflow":
            raise importlib.metadata.PackageNotFoundError(name)
        return "0.1.0" if name == "numba" else real(name)

    monkeypatch.setattr(importlib.metadata, "version", version)
    found = programs.packages()
    assert found.state == MEND
    assert "numba 0.1.0 is not" in found.found
    assert "mlflow is not installed" in found.found
    monkeypatch.setattr(programs.platform, "python_version", lambda: "3.9.1")
    assert programs.python().state == MEND


def test_quota_of_a_container_counts(monkeypatch, tmp_path):
    (tmp_path / "cpu.max").write_text("150000 100000\n")
    monkeypatch.setattr(machine, "CGROUP", tmp_path)
    monkeypatch.setattr(machine, "own_groups", lambda: [tmp_path])
    monkeypatch.setattr(machine, "affinity_cores", lambda: 8)
    found = machine.cores()
    assert found.state == WARNING
    assert "cluster.workers=1" in found.remedy
    (tmp_path / "cpu.max").write_text("max 100000\n")
    assert machine.cores().state == OK


def test_memory_limit_of_a_container_counts(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "own_groups", lambda: [tmp_path])
    (tmp_path / "memory.max").write_text(str(600 * 2**20))
    (tmp_path / "memory.current").write_text(str(100 * 2**20))
    assert machine.memory().state == MEND
    assert machine.memory_left() == (500 * 2**20, 600 * 2**20)


@pytest.mark.parametrize(
    ("free", "state"),
    [(100 * 2**20, MEND), (2**30, WARNING), (10 * 2**30, OK)],
    ids=["full", "tight", "fine"],
)
def test_free_disk(monkeypatch, tmp_path, free, state):
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=free))
    assert machine.outputs(str(tmp_path / "not" / "yet")).state == state
    assert not list(tmp_path.iterdir())


def test_shared_memory_that_is_small(monkeypatch):
    monkeypatch.setattr(machine, "SHARED_MEMORY", Path("/"))
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda _: SimpleNamespace(free=64 * 2**20))
    found = machine.shared_memory()
    assert found.state == WARNING
    assert "--shm-size" in found.remedy


def test_folder_that_cannot_be_written(monkeypatch, tmp_path):
    def refuse(**_):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(machine.tempfile, "TemporaryFile", refuse)
    found = machine.outputs(str(tmp_path))
    assert found.state == MEND
    assert "Permission denied" in found.found
    assert machine.cache().state == WARNING  # the system's temporary folder takes its place


def test_long_folder_for_rays_sockets(monkeypatch):
    monkeypatch.setenv("RAY_TMPDIR", "/tmp/" + "x" * 60)
    found = machine.temporary()
    assert found.state == MEND
    assert "RAY_TMPDIR=/tmp" in found.remedy


def test_taken_port(monkeypatch):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        monkeypatch.setattr(programs, "PORT", other.getsockname()[1])
        assert programs.port().state == WARNING
    assert programs.port().state == OK


def test_programs_that_are_not_there(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    assert programs.git().state == WARNING
    assert programs.program("erl").state == OPTIONAL
    monkeypatch.setattr(sys, "executable", str(tmp_path / "python"))
    assert programs.dvc().state == MEND


def test_a_folder_without_dvc(monkeypatch, tmp_path):
    monkeypatch.setattr(programs, "answer_of", lambda *_: "3.67.1")
    monkeypatch.setattr(programs, "ROOT", tmp_path)
    assert programs.dvc().state == OPTIONAL
    (tmp_path / "dvc.yaml").write_text("")
    assert programs.dvc().state == MEND


def test_kernels_are_found_where_numba_keeps_them(tmp_path):
    from numba.core.caching import _CacheLocator

    source = tmp_path / "sim" / "kernels" / "entries.py"
    folder = tmp_path / "kernels-1" / _CacheLocator.get_suitable_cache_subpath(str(source))
    folder.mkdir(parents=True)
    assert programs.kernels_of(tmp_path / "kernels-1", tmp_path / "sim") == []
    index = folder / "entries.call-1.py311.nbi"
    index.touch()
    assert programs.kernels_of(tmp_path / "kernels-1", tmp_path / "sim") == [index]
    (tmp_path / "kernels-2").mkdir()
    assert "1 of other sources" in programs.stale_text(tmp_path / "kernels-1")


def test_kernels_that_are_not_compiled(monkeypatch, tmp_path):
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path))
    found = programs.kernels(may_load=True)
    assert found.state == WARNING
    assert "compiles" in found.remedy


@pytest.fixture
def ray_folder(monkeypatch):
    """A folder for Ray alone; pytest's own has too long a path for sockets."""
    with tempfile.TemporaryDirectory(prefix="t", dir="/tmp") as folder:
        monkeypatch.setenv("RAY_TMPDIR", folder)
        yield Path(folder)


def test_ray_that_hangs_is_ended(monkeypatch, tmp_path, ray_folder):
    monkeypatch.setenv("PYTHONPATH", library(tmp_path, "ray", "import time; time.sleep(600)"))
    monkeypatch.setattr(programs, "RAY_S", 1.0)
    found = programs.ray()
    assert found.state == MEND
    assert "no answer within 1 s" in found.found
    assert list(ray_folder.iterdir()) == []


def test_mlflow_that_cannot_be_imported(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", library(tmp_path, "mlflow", "raise ImportError('no libssl')"))
    found = programs.mlflow()
    assert found.state == MEND
    assert "no libssl" in found.found
    assert "tracking=off" in found.remedy


def test_a_probe_that_crashes_is_an_error(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", library(tmp_path, "mlflow", "import os; os._exit(9)"))
    assert "code 9" in probe("mlflow", 30, {})["error"]


@pytest.mark.ray
@pytest.mark.slow
def test_ray_and_mlflow_for_real(capsys, monkeypatch, tmp_path, ray_folder):
    monkeypatch.setenv("HOME", str(tmp_path))
    code, found, _ = answer(capsys, "ray", "mlflow")
    assert (code, found["counts"][OK]) == (0, 2), found
    assert list(ray_folder.iterdir()) == []
    assert not (tmp_path / ".ray").exists()
