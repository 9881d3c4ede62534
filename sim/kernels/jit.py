"""The decorators of the kernel.

Reference counts are off (`_nrt`): the arrays belong to the caller for the whole lane. Kernels therefore
make no arrays. Division follows NumPy, so that no function needs the path of an exception; divisors are
checked where they are made. A `leaf` is inlined wherever it is called, a `kernel` where LLVM sees fit;
Python calls an `entry`.
"""

import functools

import numba as nb
from numba.core import config, types
from numba.core.dispatcher import Dispatcher

from sim.kernels.compiler import EntryCompiler, PartCompiler

OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}


class Progress:
    """How many of the parts were compiled; `listener`, if there is one, is told of each: (done, of all)."""

    def __init__(self):
        self.parts, self.compiled, self.listener = [], set(), None

    def note(self, function):
        """A part was compiled, perhaps not for the first time."""
        self.compiled.add(function)
        if self.listener is not None:
            self.listener(len(self.compiled), len(self.parts))


PROGRESS = Progress()


def part(function, is_cold=False, is_leaf=False):
    """A function that only kernels call."""
    if config.DISABLE_JIT:
        return function
    # said either way: what is not said, Numba takes from the caller that is compiled first
    made = nb.njit(
        pipeline_class=PartCompiler,
        no_cpython_wrapper=True,
        no_cfunc_wrapper=True,
        forceinline=is_leaf,
        **OPTIONS,
    )(function)

    PROGRESS.parts.append(function)

    def refuse(*args, **kws):
        raise TypeError(
            f"{function.__name__} is a part of the kernel: Python calls those of sim.kernels.entries"
        )

    def add_overload(result):
        result.library.is_cold, result.library.function = is_cold, result.fndesc.llvm_func_name
        key = functools.partial(refuse)  # stands for the machine code that others would call
        made.targetctx.insert_user_function(key, result.fndesc, [result.library])
        made.overloads[tuple(result.signature.args)] = result._replace(entry_point=key)
        PROGRESS.note(function)

    def get_call_template(args, kws):
        # a constant is a number like any other: else each one makes a function of its own
        return Dispatcher.get_call_template(made, tuple(map(types.unliteral, args)), kws)

    made._compile_for_args, made.add_overload = refuse, add_overload
    made.get_call_template = get_call_template
    return made


def kernel(function):
    """A part that LLVM may inline."""
    return part(function)


def cold(function):
    """A part that is never inlined: what most lanes do without stays out of the way of the rest."""
    return part(function, is_cold=True)


def leaf(function):
    """A part that is inlined wherever it is called."""
    return part(function, is_leaf=True)


def entry(function):
    """A function that Python calls, kept in the cache with all of its parts."""
    return nb.njit(cache=True, pipeline_class=EntryCompiler, **OPTIONS)(function)
