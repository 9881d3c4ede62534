"""Where compiled kernels are kept: a folder named by a hash of the sources that can change them.

Numba looks only at the file of a function itself, so an edit in a callee's file would go on giving
old results.
"""

import functools
import hashlib
import os
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent


@functools.cache
def source_digest() -> str:
    """SHA-256 over every source file of `sim`, 64 hex digits: the same sources give the same results."""
    sha = hashlib.sha256()
    for path in sorted(HERE.rglob("*.py")):
        sha.update(path.relative_to(HERE).as_posix().encode() + b"\0" + path.read_bytes() + b"\0")
    return sha.hexdigest()


def kernel_digest() -> str:
    """As source_digest, over the kernels and the layouts that they are compiled from."""
    sha = hashlib.sha256()
    for folder in ("kernels", "layout"):
        for path in sorted((HERE / folder).rglob("*.py")):
            sha.update(path.read_bytes() + b"\0")
    return sha.hexdigest()


def user_cache() -> Path:
    """The platform's folder for caches, or a private temporary one where there is no home to write to."""
    base = os.environ.get("NUMBA_CACHE_DIR") or os.environ.get("XDG_CACHE_HOME")
    if not base:
        home = Path.home() if os.environ.get("HOME") else None
        mac = sys.platform == "darwin"
        base = str(home / ("Library/Caches" if mac else ".cache")) if home else ""
    folder = Path(base or tempfile.gettempdir()) / "coreshift"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.touch()
        probe.unlink()
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"coreshift-{os.getuid()}"
        folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def kernel_cache() -> str:
    """Folder for the compiled kernels of these very sources."""
    return str(user_cache() / f"kernels-{kernel_digest()[:16]}")
