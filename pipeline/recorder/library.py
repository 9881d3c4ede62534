"""Compile the tracer's C part for the virtual machine that is to be recorded."""

import os
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCE = Path(__file__).with_name("node") / "coreshift_tracer.c"
COMPILERS = ("cc", "gcc", "clang")
COMPILE_SECONDS_MAX = 60
WORD_BYTES = 8
FLAGS = ("-std=gnu11", "-O2", "-fPIC", "-shared")
MAC_FLAGS = ("-undefined", "dynamic_lookup")


class NoLibraryError(Exception):
    """Why the tracer cannot be compiled here, as the rest of a sentence."""


@contextmanager
def tracer_library(root: str, erts: str, word_bytes: int) -> Iterator[Path]:
    """Compile into a folder of its own that is gone afterwards.

    Parameters
    ----------
    root       : code:root_dir() of the node
    erts       : version of its run-time system
    word_bytes : size of its machine words

    Raises
    ------
    NoLibraryError if there is no compiler or no header, or the compiler fails
    """
    if word_bytes != WORD_BYTES:
        raise NoLibraryError(f"the node has words of {word_bytes} bytes, the tracer needs {WORD_BYTES}")
    headers = find_headers(root, erts)
    compiler = find_compiler()
    with tempfile.TemporaryDirectory(prefix="coreshift-tracer-") as name:
        folder = Path(name)
        # The node may belong to another user, who has to read the library.
        folder.chmod(0o755)
        library = folder / "coreshift_tracer.so"
        command = [*compiler, *FLAGS, *(MAC_FLAGS if sys.platform == "darwin" else ())]
        command += ["-I", str(headers), "-o", str(library), str(SOURCE)]
        try:
            done = subprocess.run(
                command, capture_output=True, text=True, timeout=COMPILE_SECONDS_MAX, check=False, cwd=folder
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise NoLibraryError(f"{compiler[0]} does not work: {error}") from error
        if done.returncode or not library.is_file():
            lines = [line for line in done.stderr.splitlines() if "error" in line] or [done.stderr]
            raise NoLibraryError(f"{compiler[0]} fails: {lines[0].strip()[:200]}")
        library.chmod(0o755)
        yield library


def find_headers(root: str, erts: str) -> Path:
    """Folder of erl_nif.h in the installation that the node runs from."""
    for folder in (Path(root) / "usr" / "include", Path(root) / f"erts-{erts}" / "include"):
        if (folder / "erl_nif.h").is_file():
            return folder
    raise NoLibraryError(f"no erl_nif.h in {root} (Debian: package erlang-dev)")


def find_compiler() -> list[str]:
    """Words that start the C compiler: $CC, or the first one found."""
    named = shlex.split(os.environ.get("CC", ""))
    for words in [named] if named else [[name] for name in COMPILERS]:
        if shutil.which(words[0]):
            return words
    raise NoLibraryError(f"no C compiler ({', '.join([named[0]] if named else COMPILERS)})")
