"""The compiled simulator.

Importing it points Numba's cache, for these modules alone, at the folder of sim/cache.py.
"""

import numba.core.config as numba_config

from sim.cache import kernel_cache

_before = numba_config.CACHE_DIR
numba_config.CACHE_DIR = kernel_cache()
try:
    from sim.kernels import entries  # noqa: F401 - the decorators read the folder now
finally:
    numba_config.CACHE_DIR = _before
