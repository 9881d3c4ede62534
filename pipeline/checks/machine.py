"""What the machine offers: cores, memory, shared memory, disk, folders that can be written."""

import contextlib
import errno
import os
import shutil
import sys
import tempfile
from pathlib import Path

from pipeline.checks.result import MEND, OK, WARNING, Finding, size_text

CGROUP = Path("/sys/fs/cgroup")
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - looked at, not written to
# Measured (Ray 2.60): its own processes take some 400 MB, a worker 150 to 290 MB.
RAY_BYTES, WORKER_BYTES = 400 * 2**20, 290 * 2**20
STORE_BYTES = 200 * 2**20  # the object store that a local cluster asks for
DISK_LEAST, DISK_ENOUGH = 200 * 2**20, 2 * 2**30
SOCKET_BYTES = 60  # of Ray's temporary folder, so that its sockets' paths stay below the system's 107


def cores() -> Finding:
    """Cores that this process may use: affinity and the container's quota count."""
    usable, total = affinity_cores(), os.cpu_count() or 1
    quota = quota_cores()
    found = f"{usable} of {total} usable"
    if quota is not None and quota < usable:
        workers = max(1, int(quota))
        remedy = f"Ray starts {usable} workers, which share that time: give cluster.workers={workers}."
        return Finding(WARNING, f"{found}, limited to the time of {quota:g} by the container", remedy)
    if usable == 1:
        return Finding(WARNING, found, "Sweeps work, one lane at a time: cluster=inline saves Ray's start.")
    return Finding(OK, found)


def affinity_cores() -> int:
    """Cores in this process's affinity mask; all where the system has none."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def own_groups() -> list[Path]:
    """This process's control groups (version 2), from its own to the root."""
    with contextlib.suppress(OSError, ValueError):
        line = next(x for x in Path("/proc/self/cgroup").read_text().splitlines() if x.startswith("0::"))
        own = CGROUP / line.removeprefix("0::").lstrip("/")
        return [group for group in (own, *own.parents) if group.is_relative_to(CGROUP)]
    return [CGROUP]


def quota_cores() -> float | None:
    """The least CPU time a second that a control group allows; None without a limit."""
    found = []
    for group in own_groups():
        with contextlib.suppress(OSError, ValueError):
            limit, period = (group / "cpu.max").read_text().split()
            found.append(int(limit) / int(period))
    with contextlib.suppress(OSError, ValueError):  # version 1
        limit_us = int((CGROUP / "cpu/cpu.cfs_quota_us").read_text())
        period_us = int((CGROUP / "cpu/cpu.cfs_period_us").read_text())
        found += [limit_us / period_us] if limit_us > 0 else []
    return min(found, default=None)


def memory_left() -> tuple[int, int]:
    """Bytes available and in all, the container's limit included."""
    import psutil

    machine = psutil.virtual_memory()
    available, total = int(machine.available), int(machine.total)
    for group in own_groups():
        with contextlib.suppress(OSError, ValueError):
            limit = int((group / "memory.max").read_text())
            used = int((group / "memory.current").read_text())
            available, total = min(available, max(0, limit - used)), min(total, limit)
    return available, total


def memory() -> Finding:
    """Memory for Ray and one worker a core."""
    available, total = memory_left()
    found = f"{size_text(available)} of {size_text(total)} available"
    if available < RAY_BYTES + WORKER_BYTES:
        return Finding(MEND, found, "Close programs, or run without Ray: cluster=inline.")
    workers = int((available - RAY_BYTES) / WORKER_BYTES)
    if workers < affinity_cores():
        return Finding(WARNING, found, f"Enough for some {workers} workers: give cluster.workers={workers}.")
    return Finding(OK, found)


def shared_memory() -> Finding:
    """The file system in memory, where Ray keeps what workers share."""
    if not SHARED_MEMORY.is_dir():
        return Finding(OK, "not used on this system")
    free = shutil.disk_usage(SHARED_MEMORY).free
    if not os.access(SHARED_MEMORY, os.W_OK):
        return Finding(
            MEND, f"{SHARED_MEMORY} cannot be written", f"Run: chmod 1777 {SHARED_MEMORY} (as root)."
        )
    if free < STORE_BYTES:
        remedy = "Ray takes a file on disk instead, which is slower; a container wants --shm-size=512m."
        return Finding(WARNING, f"{size_text(free)} free, {size_text(STORE_BYTES)} wanted", remedy)
    return Finding(OK, f"{size_text(free)} free")


def existing(folder: Path) -> Path:
    """The folder, or the nearest one above it that exists."""
    folder = folder.expanduser().absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def room(folder: Path, remedy: str) -> Finding:
    """Whether files can be made in a folder (or it can be made), and the space there."""
    place = existing(folder)
    try:
        with tempfile.TemporaryFile(dir=place) as file:
            file.write(b"coreshift")
    except OSError as error:
        is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
        first = "Free some space. " if is_full else ""
        return Finding(MEND, f"{place} cannot be written: {error.strerror}", first + remedy)
    free = shutil.disk_usage(place).free
    found = f"{size_text(free)} free for {folder}"
    if free < DISK_LEAST:
        return Finding(MEND, found, f"Free some space. {remedy}")
    if free < DISK_ENOUGH:
        return Finding(WARNING, found, f"Enough for small studies. {remedy}")
    return Finding(OK, found)


def outputs(folder: str) -> Finding:
    """The folder of results."""
    return room(
        Path(folder), "It must be writable and have room; another one is given with outputs.folder=..."
    )


def cache_folder() -> Path:
    """Where compiled kernels go, by the rules of sim/cache.py."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    if not base:
        base = "~/Library/Caches" if sys.platform == "darwin" else "~/.cache"
    return Path(base).expanduser() / "coreshift"


def cache() -> Finding:
    """The folder of compiled kernels."""
    found = room(cache_folder(), "Set NUMBA_CACHE_DIR to a folder that can be written.")
    if found.state != MEND:
        return found
    spare = "; meanwhile the kernels are kept in the folder for temporary files"
    return Finding(WARNING, found.found + spare, found.remedy)


def home() -> Finding:
    """The home folder, where Ray keeps the token of its clusters."""
    folder = Path.home()
    if os.access(folder, os.W_OK | os.X_OK):
        return Finding(OK, f"{folder} can be written")
    remedy = "Ray keeps a token there: set HOME to a folder that can be written, or run with cluster=inline."
    return Finding(MEND, f"{folder} cannot be written", remedy)


def ray_base() -> Path:
    """The folder below which Ray makes its own, by Ray's rules."""
    names = ("RAY_TMPDIR", "TMPDIR") if sys.platform.startswith("linux") else ("RAY_TMPDIR",)
    given = next((os.environ[name] for name in names if name in os.environ), None)
    return Path(given if given is not None else "/tmp")  # noqa: S108 - what Ray takes


def temporary() -> Finding:
    """Ray's folder for sessions and sockets: its path must be short, and the folder ours."""
    folder = ray_base() / "ray"
    length = len(os.fsencode(folder))
    if length >= SOCKET_BYTES:
        remedy = f"Ray's sockets need less than {SOCKET_BYTES} characters: set RAY_TMPDIR=/tmp."
        return Finding(MEND, f"{folder} has {length} characters", remedy)
    remedy = "Set RAY_TMPDIR to a short folder that is yours, or run with cluster=inline."
    found = room(folder, remedy)
    return Finding(found.state, f"{length} characters, {found.found}", found.remedy)
