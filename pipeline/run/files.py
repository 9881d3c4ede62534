"""Files that are either wholly there or not at all, and the lock of a run folder."""

import contextlib
import errno
import fcntl
import json
import os
import shutil
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from pipeline.errors import UserError

TEMPORARY_SUFFIX = ".partial"
RETRY_PAUSE_S = 0.5
DISK_FULL = (errno.ENOSPC, errno.EDQUOT)


def write_atomic(path: Path, data: bytes) -> None:
    """Put `data` under `path`: readers see the old bytes or all of the new ones, also after a power cut.

    A failed write is tried once more after a pause (a disk may be full for a moment).

    Raises
    ------
    UserError saying what is wrong with the folder, and that finished work is kept.
    """
    for attempt in (1, 2):
        try:
            write_once(path, data)
            return
        except OSError as error:
            if attempt == 2:
                raise unwritable(path, error) from error
            time.sleep(RETRY_PAUSE_S)


def write_once(path: Path, data: bytes) -> None:
    """One attempt of `write_atomic`; leaves no temporary file behind when it fails."""
    # Another suffix than the target's, so that a glob over finished files never sees it.
    temporary = path.with_name(f"{path.name}.{os.getpid()}{TEMPORARY_SUFFIX}")
    try:
        with temporary.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise
    sync_folder(path.parent)


def remove_temporaries(folder: Path) -> None:
    """Remove what a killed process was writing below `folder`; one that lives tries its write again."""
    for left in folder.rglob(f"*{TEMPORARY_SUFFIX}"):
        with contextlib.suppress(FileNotFoundError):
            left.unlink()


def sync_folder(folder: Path) -> None:
    """Make renames in `folder` durable, where the file system offers it."""
    with contextlib.suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def unwritable(path: Path, error: OSError) -> UserError:
    """The message for a file that could not be written."""
    kept = "Lanes already stored are kept; the same command goes on from there."
    if error.errno == errno.ENOENT and not path.parent.exists():
        return UserError(
            f"The folder {path.parent} vanished while the study ran.",
            "Is its disk still there? The same command computes what is gone.",
        )
    if error.errno == errno.EFBIG:
        return UserError(
            f"{path} cannot be written: {error.strerror}.",
            f"Raise the limit on the size of files (ulimit -f). {kept}",
        )
    if error.errno in DISK_FULL:
        return UserError(
            f"The disk is full: {path} could not be written ({error.strerror}).",
            f"Free some space, or choose another disk with outputs.folder=... {kept}",
        )
    return UserError(
        f"{path} cannot be written: {error.strerror or error}.",
        f"Check the folder's owner and permissions, or choose another with outputs.folder=... {kept}",
    )


def check_writable(folder: Path, bytes_needed: int) -> None:
    """Create `folder`, write and remove a file in it, and compare the free space with the need.

    Raises
    ------
    UserError before any work is done, when the results could not be stored.
    """
    probe = folder / f".probe-{os.getpid()}{TEMPORARY_SUFFIX}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"probe")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise unwritable(folder, error) from error
    if free < bytes_needed:
        raise UserError(
            f"{folder} has {free / 2**20:.0f} MiB free; this study needs about "
            f"{bytes_needed / 2**20:.0f} MiB.",
            "Free some space, choose another disk with outputs.folder=..., or sweep fewer points.",
        )


class FolderLock:
    """At most one process works on a run folder; a dead process holds nothing.

    The operating system's lock on an open file does the work, so it ends with its process however
    that ends; the content (host and pid) is for the message. The file lies beside the run folder
    and is removed at the end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._handle: int | None = None

    def __enter__(self) -> Self:
        while self._handle is None:
            handle = self._open()
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(handle)
                raise self._busy() from None
            except OSError:
                # A file system without locks (some network mounts): the pid has to do.
                self._check_holder(handle)
            if self._is_current(handle):
                self._handle = handle
            else:
                # Its last holder removed the file between our open and our lock.
                os.close(handle)
        os.ftruncate(self._handle, 0)
        os.pwrite(self._handle, json.dumps(identity()).encode(), 0)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._handle is not None:
            with contextlib.suppress(OSError):
                self.path.unlink()
            os.close(self._handle)
            self._handle = None

    def _open(self) -> int:
        try:
            return os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except OSError as error:
            raise unwritable(self.path, error) from error

    def _is_current(self, handle: int) -> bool:
        try:
            return os.path.samestat(os.fstat(handle), self.path.stat())
        except FileNotFoundError:
            return False

    def _check_holder(self, handle: int) -> None:
        holder = self._holder()
        if holder.get("host") == socket.gethostname() and not is_alive(holder.get("pid", 0)):
            return
        if holder:
            os.close(handle)
            raise self._busy()

    def _holder(self) -> dict[str, int | str]:
        try:
            found = json.loads(self.path.read_text())
        except (OSError, ValueError):
            return {}
        return found if isinstance(found, dict) else {}

    def _busy(self) -> UserError:
        holder = self._holder()
        who = f"process {holder['pid']} on {holder['host']}" if holder else "another process"
        return UserError(
            f"This study is already being run by {who}.",
            "Wait for it to end (or end it); what it has stored is then taken over.",
        )


def identity() -> dict[str, int | str]:
    """This process, as a lock file names it."""
    return {"pid": os.getpid(), "host": socket.gethostname()}


def is_alive(pid: object) -> bool:
    """Whether a process with this id exists on this machine."""
    if not isinstance(pid, int) or pid <= 0:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
