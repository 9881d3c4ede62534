"""The two decorators of the kernel.

Reference counts are off (`_nrt`): the arrays belong to the caller of run_lane for the whole lane, and
counting them took two atomic operations an array and call, half of a lane's time. Kernels therefore
make no arrays. Division follows NumPy, so that no function needs the path of an exception; divisors are
checked where they are made. A `leaf` is inlined wherever it is called, a `kernel` where LLVM sees fit.
"""

import numba as nb

kernel = nb.njit(cache=True, nogil=True, error_model="numpy", _nrt=False)
leaf = nb.njit(cache=True, nogil=True, error_model="numpy", _nrt=False, forceinline=True)
