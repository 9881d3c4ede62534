"""Operations on 64 bits for which processors have one instruction each, and Python has a method."""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload

WORD = ir.IntType(64)


def counting(name, arguments):
    """An intrinsic of LLVM's that counts bits of a word: int64 of uint64."""

    @intrinsic
    def count(typingctx, word):
        def codegen(context, builder, sig, args):
            kinds = [WORD, *(ir.IntType(1) for _ in arguments)]
            function = builder.module.declare_intrinsic(name, [WORD], ir.FunctionType(WORD, kinds))
            return builder.call(function, [args[0], *(ir.Constant(ir.IntType(1), x) for x in arguments)])

        return types.int64(types.uint64), codegen

    return count


# The second argument says what comes of 0: nothing is promised (1), or 64 (0).
_trailing_zeros = counting("llvm.cttz", (1,))
_leading_zeros = counting("llvm.ctlz", (0,))
_ones = counting("llvm.ctpop", ())


def lowest(word):
    """Position of the lowest bit of a word that is not 0."""
    return (int(word) & -int(word)).bit_length() - 1


def ones(word):
    """Number of bits set."""
    return int(word).bit_count()


def bit_length(x):
    """Bits that x >= 0 takes: 0 for 0, 3 for 5."""
    return int(x).bit_length()


@overload(lowest)
def compiled_lowest(word):
    """lowest(), compiled."""
    return lambda word: _trailing_zeros(word)


@overload(ones)
def compiled_ones(word):
    """ones(), compiled."""
    return lambda word: _ones(word)


@overload(bit_length)
def compiled_bit_length(x):
    """bit_length(), compiled."""
    return lambda x: 64 - _leading_zeros(x)
