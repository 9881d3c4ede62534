"""How kernels are compiled: each function to LLVM's code alone, and all of them to machine code at once.

Numba makes machine code of every function with all that it calls, and optimises what is called again for
each caller: four hundred functions ten calls deep cost two minutes. A function that only other kernels
call is a part here: its code is kept as it comes from Numba. An entry, which Python calls, links every
part below it once, and optimises the whole.
"""

from numba.core.codegen import JITCodeLibrary
from numba.core.compiler import Compiler
from numba.core.compiler_machinery import PassManager
from numba.core.typed_passes import (
    IRLegalization,
    NativeLowering,
    NoPythonBackend,
    NopythonTypeInference,
    PreLowerStripPhis,
)
from numba.core.untyped_passes import (
    FixupArgs,
    GenericRewrites,
    IRProcessing,
    ReconstructSSA,
    TranslateByteCode,
)

# What Numba does to a function, less what kernels have no use for: closures, object mode, array expressions.
PASSES = (
    (TranslateByteCode, "analyzing bytecode"),
    (FixupArgs, "fix up args"),
    (IRProcessing, "processing IR"),
    (GenericRewrites, "rewrites of constant indices"),
    (ReconstructSSA, "ssa"),
    (NopythonTypeInference, "type inference"),
    (PreLowerStripPhis, "remove phi nodes"),
    (IRLegalization, "legal IR"),
    (NativeLowering, "lowering"),
    (NoPythonBackend, "backend"),
)


class PartLibrary(JITCodeLibrary):
    """Code of one function: neither optimised nor turned into machine code.

    function : its name in the code; is_cold : it is never inlined
    """

    function = ""
    is_cold = False

    def add_linking_library(self, library):
        """Remember what this function calls."""
        self._linking_libraries.append(library)

    def add_llvm_module(self, ll_module):
        """Keep the code as it is."""
        self._final_module.link_in(ll_module)

    def finalize(self):
        """Nothing is to be done before an entry links this."""
        self._finalized = True

    def get_pointer_to_function(self, name):
        """There is no machine code."""
        return 0


class EntryLibrary(JITCodeLibrary):
    """Code of an entry and of all parts below it."""

    def add_linking_library(self, library):
        """Remember what this function calls."""
        self._linking_libraries.append(library)

    def add_llvm_module(self, ll_module):
        """Keep the code as it is until all of it is there."""
        self._final_module.link_in(ll_module)

    def finalize(self):
        """Link each part once, keep them to this module, optimise, and make machine code."""
        self._raise_if_finalized()
        own = {function.name for function in self._final_module.functions if not function.is_declaration}
        seen, left = set(), list(self._linking_libraries)
        while left:
            library = left.pop()
            if library in seen:
                continue
            seen.add(library)
            self._reload_init.update(library._reload_init)
            if isinstance(library, PartLibrary):
                left.extend(library._linking_libraries)
                self._final_module.link_in(library._final_module, preserve=True)
                if library.is_cold:
                    self._final_module.get_function(library.function).add_function_attribute("noinline")
            else:
                self._final_module.link_in(library._get_module_for_linking(), preserve=True)
        for function in self._final_module.functions:
            if not function.is_declaration and function.name not in own:
                function.linkage = "internal"
        self._optimize_final_module()
        self._final_module.verify()
        self._finalize_final_module()

    def _optimize_final_module(self):
        passes, builder = self._codegen._module_pass_manager(opt=2, loop_vectorize=False, slp_vectorize=False)
        with self._recorded_timings.record("Module passes", builder):
            passes.run(self._final_module, builder)


class PartCompiler(Compiler):
    """Numba's compiler, up to LLVM's code."""

    def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):  # noqa: A002
        library = library or PartLibrary(targetctx.codegen(), "part")
        flags = flags.copy()
        flags.no_compile = True
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)

    def define_pipelines(self):
        """The passes of a part."""
        manager = PassManager("kernel")
        for each in PASSES:
            manager.add_pass(*each)
        manager.finalize()
        return [manager]


class EntryCompiler(Compiler):
    """Numba's compiler, with all parts linked once."""

    def __init__(self, typingctx, targetctx, library, args, return_type, flags, locals):  # noqa: A002
        if library is None:
            library = EntryLibrary(targetctx.codegen(), "entry")
            library.enable_object_caching()
        super().__init__(typingctx, targetctx, library, args, return_type, flags, locals)
