"""Where a worker on another machine keeps the compiled simulator: a place that outlives Ray's copies.

Numba files what it compiled under the path of the source. Ray unpacks the sources below a new path for each
cluster that is started, so every one of them would compile again. The kernels' cache is named by a digest of
all of their sources (sim/cache.py); within it, workers look where the driver keeps its own.
"""

import hashlib
import os
from pathlib import Path
from typing import Any, Self

# Read by Numba, and by the class below.
LOCATORS = "NUMBA_CACHE_LOCATOR_CLASSES"
PLACE = "CORESHIFT_KERNEL_PLACE"
NUMBAS_OWN = "UserProvidedCacheLocator,InTreeCacheLocator,UserWideCacheLocator"


class KernelLocator:
    """What Numba asks where a function's machine code is: as its own, but for the folder within the cache."""

    def __init__(self, line: int, source: Path, folder: Path) -> None:
        self._line, self._source, self._folder = line, source, folder

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> Self | None:
        """A locator for the simulator's kernels; None, for Numba to find one, for everything else."""
        if PLACE not in os.environ or not str(py_func.__module__).startswith("sim."):
            return None
        from sim import kernel_cache

        folder = Path(kernel_cache()) / os.environ[PLACE]
        found = cls(py_func.__code__.co_firstlineno, Path(py_file), folder)
        found.ensure_cache_path()
        return found

    def ensure_cache_path(self) -> None:
        """Make the folder."""
        self._folder.mkdir(parents=True, exist_ok=True)

    def get_cache_path(self) -> str:
        """The folder."""
        return str(self._folder)

    def get_source_stamp(self) -> bytes:
        """What tells one source from another."""
        return hashlib.sha256(self._source.read_bytes()).digest()

    def get_disambiguator(self) -> str:
        """What tells functions of one name and file apart."""
        return str(self._line)


def environment(kernels: Path) -> dict[str, str]:
    """The variables that make workers keep kernels as this process does, whose folder is `kernels`."""
    # As Numba names it.
    place = f"{kernels.name}_{hashlib.sha1(str(kernels).encode(), usedforsecurity=False).hexdigest()}"
    return {PLACE: place, LOCATORS: f"{__name__}.{KernelLocator.__name__},{NUMBAS_OWN}"}
