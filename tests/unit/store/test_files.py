"""Atomic writes, checks of a folder before work, and the lock of a run folder."""

import errno
import json
import os
import socket
import subprocess
import sys

import pytest

from pipeline.errors import UserError
from pipeline.run import files
from pipeline.run.files import FolderLock, check_writable, write_atomic

DEAD = 2**22 + 1  # above the largest process id of Linux


@pytest.fixture(autouse=True)
def no_pause(monkeypatch):
    monkeypatch.setattr(files, "RETRY_PAUSE_S", 0.0)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    path = tmp_path / "table"
    write_atomic(path, b"old")

    def fail(handle):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(UserError, match="Input/output error"):
        write_atomic(path, b"new")
    assert path.read_bytes() == b"old"
    assert [p.name for p in tmp_path.iterdir()] == ["table"]


def test_a_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"cannot be written(.|\n)*permissions"):
        check_writable(tmp_path / "file" / "outputs", 0)


def test_a_folder_that_the_system_refuses(monkeypatch):
    with pytest.raises(UserError, match="cannot be written"):
        check_writable(files.Path("/proc/coreshift"), 0)


def test_too_little_space_is_said_before_work(tmp_path):
    with pytest.raises(UserError, match=r"MiB free; this study needs about 1099511627776 MiB"):
        check_writable(tmp_path, 2**60)
    assert list(tmp_path.iterdir()) == []


def test_the_lock_of_a_living_process_holds(tmp_path):
    path = tmp_path / ".lock"
    with FolderLock(path):
        with pytest.raises(UserError, match=f"already being run by process {os.getpid()} on"):
            FolderLock(path).__enter__()
        code = (
            "import sys; from pathlib import Path; from pipeline.run.files import *\n"
            "try: FolderLock(Path(sys.argv[1])).__enter__()\n"
            "except UserError as error: print(error)"
        )
        done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=False)
        assert f"process {os.getpid()}" in done.stdout
    assert not path.exists()
    with FolderLock(path):
        pass


@pytest.mark.parametrize("content", [json.dumps({"pid": DEAD, "host": socket.gethostname()}), "", "{"])
def test_the_lock_of_a_dead_process_is_taken_over(tmp_path, content):
    path = tmp_path / ".lock"
    path.write_text(content)
    with FolderLock(path):
        assert json.loads(path.read_text())["pid"] == os.getpid()


@pytest.mark.parametrize(("pid", "busy"), [(DEAD, False), (os.getpid(), True)], ids=["dead", "alive"])
def test_without_file_locks_the_process_id_decides(tmp_path, monkeypatch, pid, busy):
    def unsupported(handle, how):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(files.fcntl, "flock", unsupported)
    path = tmp_path / ".lock"
    path.write_text(json.dumps({"pid": pid, "host": socket.gethostname()}))
    if busy:
        with pytest.raises(UserError, match="already being run"):
            FolderLock(path).__enter__()
    else:
        with FolderLock(path):
            pass
