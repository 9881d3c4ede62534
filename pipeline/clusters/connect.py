"""Ray's start on this machine, and the way to a cluster that is running.

Ray is told everything by environment variables, before it is imported: no usage statistics, no port
beyond loopback for a local cluster. `ray stop` is never called: it ends every Ray on the machine.
"""

import os
import secrets
import socket
import tempfile
from pathlib import Path
from typing import Any

from pipeline.clusters.ship import kernel_sources, stage_sources
from pipeline.errors import UserError

ENVIRONMENT = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    # Ray's default is to try for ever.
    "RAY_task_oom_retries": "2",
}
# "Not a cluster" in Ray's words. Without it Ray replaces 127.0.0.1 by the machine's address and its
# servers listen on every interface, whatever `_node_ip_address` says (measured with Ray 2.60).
LOOPBACK_ONLY = {"RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
LOOPBACK = ("127.0.0.1", "localhost", "::1")
TOKEN_WORDS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")
OBJECT_STORE_BYTES = 200 * 2**20
AUTO = "auto"
CLIENT = "ray://"
CONNECT_TIMEOUT_S = 5.0
INLINE_HINT = "cluster=inline runs the same study in one process, without Ray."
ADMITTED_HINT = (
    "Copy ~/.ray/auth_token from the head node, or set RAY_AUTH_TOKEN to the same word everywhere.\n"
    "A head node listens at the port that was given to ray start --head --port=..."
)
JOIN_HINT = (
    "Run the command on a machine of the cluster; this one joins without offering CPUs by\n"
    "ray start --address=HOST:PORT --num-cpus=0"
)


def start_ray(workers: int, address: str | None) -> Any:
    """Start Ray on this machine, or connect to `address`; gives the module.

    Raises
    ------
    UserError if nobody answers, or Ray cannot start.
    """
    if address is not None and address != AUTO:
        check_answers(address)
    here_only = address is None or is_loopback_only(address)
    for name, value in (ENVIRONMENT | (LOOPBACK_ONLY if here_only else {})).items():
        os.environ.setdefault(name, value)
    if address is None:
        lend_token()
    import ray

    try:
        if address is None:
            ray.init(
                address="local",
                num_cpus=workers,
                include_dashboard=False,
                object_store_memory=OBJECT_STORE_BYTES,
                log_to_driver=False,
                logging_level="ERROR",
                _node_ip_address="127.0.0.1",
            )
        else:
            connect(ray, address)
    except (RuntimeError, ValueError, OSError, ray.exceptions.RayError) as error:
        raise refused(address, error) from error
    return ray


def lend_token() -> None:
    """Give this process's own cluster a token where the home folder cannot keep the one that Ray makes."""
    if {*TOKEN_WORDS} & {*os.environ}:
        return
    try:
        folder = Path.home() / ".ray"
        folder.mkdir(parents=True, exist_ok=True)
        is_kept = (folder / "auth_token").is_file() or os.access(folder, os.W_OK)
    except (OSError, RuntimeError):
        is_kept = False
    if not is_kept:
        os.environ[TOKEN_WORDS[0]] = secrets.token_hex(32)


def connect(ray: Any, address: str) -> None:
    """Connect to a running cluster, and send it the sources that its workers need."""
    from pipeline.clusters.kernels import environment

    with tempfile.TemporaryDirectory(prefix="coreshift-") as name:
        stage_sources(Path(name))
        ray.init(
            address=address,
            log_to_driver=False,
            logging_level="ERROR",
            # As the working folder, not as modules: Ray would put this process's own folder before
            # modules on the workers' path, and a machine that has such a folder would run what lies there.
            runtime_env={"working_dir": name, "env_vars": environment(kernel_sources())},
        )


def refused(address: str | None, error: Exception) -> UserError:
    """What Ray says when it does not start or connect, in words that tell what to do."""
    text = " ".join(str(error).split())
    where = "on this machine" if address is None else f"at {address}"
    if "Version mismatch" in text:
        found = text.partition("Version mismatch:")[2].strip()
        return UserError(
            f"The Ray cluster {where} has another Python or Ray: {found}",
            "Start its nodes with the same Python and the same packages (requirements.lock).",
        )
    if "uthenticat" in text or "auth_token" in text or "auth token" in text:
        return UserError(
            f"The Ray cluster {where} does not accept this machine's token: {text}", ADMITTED_HINT
        )
    if "Failed to connect to Ray cluster" in text:
        return UserError(
            f"Something listens {where}, but it is no Ray head node, or does not accept the token of here.",
            ADMITTED_HINT,
        )
    if address is not None and ("IP address" in text or "ray start" in text or "raylet" in text):
        return UserError(f"No Ray node of {address} runs on this machine: {last_line(error)}", JOIN_HINT)
    return UserError(f"Ray cannot be used {where}: {last_line(error)}", INLINE_HINT)


def check_answers(address: str) -> None:
    """Raise UserError unless something listens at host:port; Ray itself takes 81 s to notice."""
    if address.startswith(CLIENT):
        raise UserError(
            f"cluster.address = {address!r}: Ray's client is not supported.",
            f"Write host:port of the head node, say 10.0.0.5:6379. {JOIN_HINT}",
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise UserError(
            f"cluster.address = {address!r} is not an address.",
            "Write host:port, say 10.0.0.5:6379, or auto for the cluster that this machine is part of.",
        )
    error = unreachable(address)
    if error is not None:
        raise UserError(
            f"No Ray cluster answers at {address}: {error.strerror or error}.",
            "Start one there (ray start --head), correct cluster.address, or use cluster=local.",
        ) from error


def unreachable(address: str) -> OSError | None:
    """Why nobody can be reached at host:port; None if somebody listens."""
    host, _, port = address.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), CONNECT_TIMEOUT_S):
            return None
    except OSError as error:
        return error


def is_loopback_only(address: str) -> bool:
    """Whether a head node on this machine answers at the loopback address, and at no other."""
    host, _, port = address.rpartition(":")
    if host.strip("[]") not in LOOPBACK:
        return False
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            # Sends nothing: the system only says which of its addresses it would use.
            probe.connect(("192.0.2.1", 9))
        except OSError:
            return True
        return unreachable(f"{probe.getsockname()[0]}:{port}") is not None


def available_cpus() -> int:
    """CPUs that this process may use (containers and taskset count)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def last_line(error: BaseException) -> str:
    """The last line of a message with text in it."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1] if lines else type(error).__name__
