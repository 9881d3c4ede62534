"""Parts of the kernel, callable from Python: each is compiled alone, with the arrays that it is given."""

import functools
from types import ModuleType
from typing import Any

import numba as nb
from numba.core import config
from numba.core.dispatcher import Dispatcher
from numba.extending import overload

from sim.kernels.compiler import EntryCompiler
from sim.kernels.jit import OPTIONS
from sim.kernels.pointers import arena, numbers


def pointer(x):
    """What a kernel takes for x."""
    return x


@overload(pointer)
def compiled_pointer(x):
    """pointer(), compiled: an array becomes an arena, or a table of real numbers."""
    if not isinstance(x, nb.types.Array):
        return lambda x: x
    convert = arena if isinstance(x.dtype, nb.types.Integer) else numbers
    return lambda x: convert(x)  # noqa: PLW0108 - Numba wants a function of its own


CALLERS = (
    lambda part: lambda a: part(pointer(a)),
    lambda part: lambda a, b: part(pointer(a), b),
    lambda part: lambda a, b, c: part(pointer(a), pointer(b), c),
    lambda part: lambda a, b, c, d: part(pointer(a), pointer(b), pointer(c), d),
    lambda part: lambda a, b, c, d, e: part(pointer(a), pointer(b), pointer(c), d, e),
    lambda part: lambda a, b, c, d, e, h: part(pointer(a), pointer(b), pointer(c), d, e, h),
    lambda part: lambda a, b, c, d, e, h, i: part(pointer(a), pointer(b), pointer(c), d, e, h, i),
    lambda part: lambda a, b, c, d, e, h, i, j: part(pointer(a), pointer(b), pointer(c), d, e, h, i, j),
)


@functools.cache
def python(part: Any) -> Any:
    """A part of the kernel as Python may call it."""
    if config.DISABLE_JIT:
        return part
    count = part.py_func.__code__.co_argcount
    return nb.njit(pipeline_class=EntryCompiler, **OPTIONS)(CALLERS[count - 1](part))


class Compiled:
    """A module of the kernel whose functions Python may call."""

    def __init__(self, module: ModuleType) -> None:
        self._module = module

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._module, name)
        return python(value) if isinstance(value, Dispatcher) else value
