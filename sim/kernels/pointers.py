"""What the kernel's three arrays are to compiled code: bare pointers that know which words never change.

An array of Numba's is seven arguments to every function, and each index is tested for being below zero:
half of the instructions of a lane. Here `z[i]` is one load. A load from a place that no kernel writes
(parameters, the tables g and f, where the parts of the arena begin) is marked invariant, so that LLVM
keeps it in a register across stores to z. Without compilation (NUMBA_DISABLE_JIT) arrays stay arrays.
"""

import operator

from llvmlite import ir
from numba.core import types
from numba.core.datamodel import models
from numba.core.typing.templates import AbstractTemplate, infer, infer_global, signature
from numba.extending import intrinsic, lower_builtin, overload, register_model

from sim.layout import lane as S
from sim.layout import parameter as K

CONSTANT = frozenset(range(K.BASE, K.CORES)) | S.FIXED


class Pointer(types.Type):
    """Pointer to numbers of one type; `is_table` if a kernel never writes to any."""

    def __init__(self, dtype: types.Type, is_table: bool) -> None:
        self.dtype, self.is_table = dtype, is_table
        super().__init__(name=f"coreshift.{'Table' if is_table else 'Arena'}({dtype})")


ARENA = Pointer(types.int64, False)
TABLE = Pointer(types.int64, True)
NUMBERS = Pointer(types.float64, True)


@register_model(Pointer)
class PointerModel(models.PrimitiveModel):
    """One machine word."""

    def __init__(self, dmm, fe_type):
        super().__init__(dmm, fe_type, dmm.lookup(fe_type.dtype).get_data_type().as_pointer())


@infer_global(operator.getitem)
class GetItem(AbstractTemplate):
    """Type of pointer[i]."""

    def generic(self, args, kws):
        """The signature, or None if it is not about a pointer."""
        pointer, index = args
        if isinstance(pointer, Pointer) and isinstance(index, types.Integer):
            return signature(pointer.dtype, pointer, types.intp)
        return None


@infer_global(operator.setitem)
class SetItem(AbstractTemplate):
    """Type of pointer[i] = x."""

    def generic(self, args, kws):
        """The signature, or None if it is not about a pointer."""
        pointer, index, _ = args
        if isinstance(pointer, Pointer) and not pointer.is_table and isinstance(index, types.Integer):
            return signature(types.none, pointer, types.intp, pointer.dtype)
        return None


@infer
class StaticGetItem(AbstractTemplate):
    """Type of pointer[number]."""

    key = "static_getitem"

    def generic(self, args, kws):
        """The signature, or None if it is not about a pointer."""
        pointer, index = args
        if isinstance(pointer, Pointer) and isinstance(index, int):
            return signature(pointer.dtype, pointer, types.intp)
        return None


def load(builder, pointer, index, is_invariant):
    """pointer[index]."""
    value = builder.load(builder.gep(pointer, [index], inbounds=True))
    if is_invariant:
        value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


@lower_builtin(operator.getitem, Pointer, types.Integer)
def get_item(context, builder, sig, args):
    """pointer[i]."""
    return load(builder, *args, sig.args[0].is_table)


@lower_builtin("static_getitem", Pointer, types.Integer)
def get_static_item(context, builder, sig, args):
    """pointer[number]."""
    pointer, index = args
    is_invariant = sig.args[0].is_table or index in CONSTANT
    return load(builder, pointer, ir.Constant(ir.IntType(64), index), is_invariant)


@lower_builtin(operator.setitem, Pointer, types.Integer, types.Any)
def set_item(context, builder, sig, args):
    """pointer[i] = x."""
    pointer, index, value = args
    builder.store(value, builder.gep(pointer, [index], inbounds=True))


def pointer_to(array_type, pointer_type):
    """An intrinsic that takes an array's pointer."""

    @intrinsic
    def convert(typingctx, array):
        def codegen(context, builder, sig, args):
            return context.make_array(sig.args[0])(context, builder, args[0]).data

        return pointer_type(array), codegen

    return convert


_arena, _table, _numbers = (pointer_to(None, each) for each in (ARENA, TABLE, NUMBERS))


def arena(z):
    """The arena as kernels take it."""
    return z


def table(g):
    """The tables of whole numbers as kernels take them."""
    return g


def numbers(f):
    """The tables of real numbers as kernels take them."""
    return f


@overload(arena)
def compiled_arena(z):
    """arena(), compiled."""
    return lambda z: _arena(z)


@overload(table)
def compiled_table(g):
    """table(), compiled."""
    return lambda g: _table(g)


@overload(numbers)
def compiled_numbers(f):
    """numbers(), compiled."""
    return lambda f: _numbers(f)
