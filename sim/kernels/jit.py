"""The decorators of the kernel.

Reference counts are off (`_nrt`): the arrays belong to the caller for the whole lane. Kernels therefore
make no arrays. Division follows NumPy, so that no function needs the path of an exception; divisors are
checked where they are made. A `leaf` is inlined wherever it is called, a `kernel` where LLVM sees fit;
Python calls an `entry`.
"""

import functools

import numba as nb
from numba.core import config

from sim.kernels.compiler import EntryCompiler, PartCompiler

OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}


def part(function, **options):
    """A function that only kernels call."""
    if config.DISABLE_JIT:
        return function
    made = nb.njit(
        pipeline_class=PartCompiler, no_cpython_wrapper=True, no_cfunc_wrapper=True, **OPTIONS, **options
    )(function)

    def refuse(*args, **kws):
        raise TypeError(f"{function.__name__} is a part of the kernel: call it through tests.kernel.call")

    def add_overload(result):
        key = functools.partial(refuse)  # stands for the machine code that others would call
        made.targetctx.insert_user_function(key, result.fndesc, [result.library])
        made.overloads[tuple(result.signature.args)] = result._replace(entry_point=key)

    made._compile_for_args, made.add_overload = refuse, add_overload
    return made


def kernel(function):
    """A part that LLVM may inline."""
    return part(function)


def leaf(function):
    """A part that is inlined wherever it is called."""
    return part(function, forceinline=True)


def entry(function):
    """A function that Python calls, kept in the cache with all of its parts."""
    return nb.njit(cache=True, pipeline_class=EntryCompiler, **OPTIONS)(function)
