"""The compiled kernel has nothing in it whose result depends on the machine."""

import pytest

from sim.kernels.entries import call
from tests.determinism.code import code_facts, facts_of

EXACT = {"sqrt", "llvm.sqrt.f64", "llvm.floor.f64", "llvm.ceil.f64", "llvm.fabs.f64", "floor", "fabs"}
"""Functions whose result IEEE 754 fixes to the last bit."""


@pytest.mark.skipif(not hasattr(call, "overloads"), reason="NUMBA_DISABLE_JIT: nothing is compiled")
def test_the_kernel_fuses_reorders_and_calls_nothing_inexact() -> None:
    facts = code_facts()
    assert facts["flags"] == {}
    assert set(facts["called"]) <= EXACT
    assert facts["single"] == 0
    assert facts["operations"]["fmul"] > 50


@pytest.mark.parametrize(
    ("code", "name", "found"),
    [
        ("  %a = fmul double %b, %c\n", "flags", {}),
        ("  %a = fmul contract double %b, %c\n", "flags", {"contract": 1}),
        ("  %a = fadd reassoc nsz <4 x double> %b, %c\n", "flags", {"reassoc": 1, "nsz": 1}),
        ("  %a = tail call fast double @exp(double %b)\n", "flags", {"fast": 1}),
        ("declare double @exp(double) local_unnamed_addr\n", "called", ["exp"]),
        ("declare double @llvm.fmuladd.f64(double, double, double) #1\n", "called", ["llvm.fmuladd.f64"]),
        ("declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)\n", "called", []),
        ("  %a = fptrunc double %b to float\n", "single", 1),
    ],
)
def test_facts(code: str, name: str, found: object) -> None:
    assert facts_of(code)[name] == found
