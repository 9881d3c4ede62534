"""The same bits in another process, in any order of hashes, and without the compiler.

Also held elsewhere: batches, orders and threads (tests/property/test_laws.py), workers, chunks and killed
runs (tests/pipeline/test_fanout*.py, test_resume.py), steps of any length (tests/model/test_live.py). Another
CPU is a case of the validation suite: it compiles the kernel anew.
"""

from tests.determinism.digests import SMALL, elsewhere, small


def test_another_process_with_another_order_of_hashes() -> None:
    assert elsewhere("small", PYTHONHASHSEED="7") == small()


def test_the_interpreter_alone_does_what_the_compiled_kernel_does() -> None:
    found = elsewhere("small", NUMBA_DISABLE_JIT="1")
    assert found == small()
    assert len(set(found.values())) == len(SMALL)
