"""A Ray cluster of several nodes on the loopback address, each in a process group of its own.

The nodes know the packages that Coreshift needs, and not Coreshift. Run as a program, this file is a node.
"""

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import tempfile
import time
import venv
from pathlib import Path
from typing import Self

import psutil

STORE_BYTES = 100 * 2**20
START_S = 120.0
ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_USAGE_STATS_REPORT_URL": "http://127.0.0.1:9",
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    # Loopback only; `ray start` of several nodes refuses to run with it, so `main` goes around that.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    # Notice a lost node within seconds.
    "RAY_health_check_period_ms": "500",
    "RAY_health_check_timeout_ms": "1000",
    "RAY_health_check_initial_delay_ms": "1000",
}


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def python_without_coreshift(folder: Path, **other_versions: str) -> Path:
    """An interpreter that finds the installed packages, but no path file and so no editable project.

    other_versions : package -> a version that it pretends to have
    """
    venv.create(folder, with_pip=False, symlinks=True)
    purelib = Path(sysconfig.get_path("purelib", vars={"base": str(folder), "platbase": str(folder)}))
    (purelib / "packages.pth").write_text(sysconfig.get_path("purelib") + "\n")
    for name, version in other_versions.items():
        info = purelib / f"{name}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n")
    return folder / "bin" / "python"


def make_token() -> None:
    """Write the user's token file, if there is none: nodes started by hand expect it."""
    for name in ("RAY_AUTH_MODE", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"):
        os.environ.setdefault(name, ENVIRONMENT[name])
    from ray._private.authentication.authentication_token_setup import ensure_token_if_auth_enabled

    ensure_token_if_auth_enabled(None, create_token_if_missing=True)


class Nodes:
    """Starts nodes, kills them, and leaves none behind."""

    def __init__(self) -> None:
        # Ray's sockets want a short path: pytest's own folders are too long.
        self.folder = Path(tempfile.mkdtemp(prefix="cs-ray-", dir="/tmp"))
        self.python = python_without_coreshift(self.folder / "python")
        make_token()
        self.address = ""
        self.running: dict[str, subprocess.Popen[bytes]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.kill(*self.running)
        shutil.rmtree(self.folder, ignore_errors=True)

    def start(self, name: str, cpus: int, python: Path | None = None, **more: str) -> None:
        """Start a node: the head node if there is none yet. `more` goes into its environment."""
        folder = self.folder / name
        folder.mkdir()
        arguments = ["start", "--block", "--num-cpus", str(cpus), "--temp-dir", str(folder)]
        arguments += ["--object-store-memory", str(STORE_BYTES), "--node-ip-address", "127.0.0.1"]
        arguments += ["--disable-usage-stats", "--include-log-monitor", "false", "--log-color", "false"]
        if self.address:
            arguments += ["--address", self.address]
        else:
            self.address = f"127.0.0.1:{free_port()}"
            port = self.address.rpartition(":")[2]
            arguments += ["--head", "--port", port, "--include-dashboard", "false"]
        clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "RAY_"))}
        clean |= {**ENVIRONMENT, **more}
        with (folder / "out").open("wb") as out:
            self.running[name] = subprocess.Popen(
                [str(python or self.python), __file__, str(os.getpid()), *arguments],
                cwd=folder, env=clean, stdout=out, stderr=out, start_new_session=True,
            )  # fmt: skip

    def wait(self, count: int) -> None:
        """Wait until so many nodes answered that they run."""
        until = time.monotonic() + START_S
        while sum("Ray runtime started" in self.said(name) for name in self.running) < count:
            if time.monotonic() > until or any(p.poll() is not None for p in self.running.values()):
                raise RuntimeError("\n".join(f"{name}: {self.said(name)}" for name in self.running))
            time.sleep(0.1)

    def said(self, name: str) -> str:
        """What a node printed."""
        return (self.folder / name / "out").read_text(errors="replace")

    def kill(self, *names: str) -> None:
        """End nodes at once, with every process of theirs, as a power cut would."""
        for name in names:
            process = self.running.pop(name)
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()

    def members(self, name: str) -> list[psutil.Process]:
        """The processes of a node that runs."""
        first = psutil.Process(self.running[name].pid)
        return [first, *first.children(recursive=True)]


def main() -> None:
    """Be a node, as `ray start` would, until the process that asked for it is gone."""
    if sys.platform == "linux":
        pr_set_pdeathsig = 1
        ctypes.CDLL(None).prctl(pr_set_pdeathsig, signal.SIGTERM)
    if os.getppid() != int(sys.argv[1]):
        return
    import ray._private.ray_constants as constants
    import ray._private.services as services
    from ray.scripts.scripts import cli

    services.resolve_ip_for_localhost = lambda host: host
    constants.ENABLE_RAY_CLUSTER = True
    services.get_node_ip_address = lambda address=None: "127.0.0.1"
    cli(sys.argv[2:])


if __name__ == "__main__":
    main()
