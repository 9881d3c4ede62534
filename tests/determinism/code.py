"""What the compiled kernel is made of, as far as results could depend on the machine.

Read from LLVM's optimised code of the whole kernel. On every platform IEEE 754 fixes the result of + - * /,
of square roots and of comparisons. A result differs where code may fuse a multiplication with an addition
(`fmuladd`, `fma`, or an operation with the flag `contract`), reorder additions (`reassoc`, as any fast-math
flag does), or call a function that a library rounds as it likes (exp, log, pow, sin). LLVM fuses and reorders
only what is allowed to be in this code, so what is not there cannot happen later.
"""

import re
from collections import Counter
from typing import Any

import sim
from sim.kernels.entries import call

OPERATION = re.compile(
    r"= (?:tail )?(fadd|fsub|fmul|fdiv|frem|fneg|fcmp|call)((?: [a-z]+)*) (?:double|float|<)"
)
DECLARED = re.compile(r"^declare [^@]*\b(?:double|float)\b[^@]*@\"?([\w.$]+)", re.MULTILINE)
SINGLE = re.compile(r"\bfloat\b")
FLAGS = ("fast", "contract", "reassoc", "arcp", "afn", "nnan", "ninf", "nsz")


def kernel_code() -> str:
    """LLVM's code of the kernel with all that it calls."""
    sim.compile_kernels()
    library = call.overloads[call.signatures[0]].library
    # What comes from the cache has no text of its own, but the module that others would link.
    return str(library._shared_module) if library._disable_inspection else str(library.get_llvm_str())


def facts_of(code: str) -> dict[str, Any]:
    """Operations on floating-point numbers, the flags they carry, functions called, and single precision."""
    operations: Counter[str] = Counter()
    flags: Counter[str] = Counter()
    for name, words in OPERATION.findall(code):
        operations[name] += 1
        flags.update(word for word in words.split() if word in FLAGS)
    called = sorted(set(DECLARED.findall(code)))
    return {
        "operations": dict(operations),
        "flags": dict(flags),
        "called": called,
        "single": len(SINGLE.findall(code)),
    }


def code_facts() -> dict[str, Any]:
    """The facts of the kernel as it is compiled here."""
    return facts_of(kernel_code())
