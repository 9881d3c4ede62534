"""Who may import whom: `pipeline -> sim`, through sim's exported names, and nothing the other way round."""

import ast
import sys
from collections.abc import Iterator
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from tests.tidy.source import (
    ROOT,
    assert_none,
    dotted_name,
    exported,
    module_name,
    python_files,
    relative,
    syntax_tree,
)

# The simulator is a library of its own: it stands on these and on the standard library.
SIM_STANDS_ON = {"defusedxml", "llvmlite", "numba", "numpy", "scipy", "sim", "yaml"}
# Its random numbers are keyed streams; the standard library's global one has no place there.
SIM_NEVER = {"random"}
# Besides `sim` itself, the package whose exported names are for everybody: where machines come from.
SIM_PUBLIC_PACKAGES = ("topology",)
COMPILED = ("sim.kernels", "sim.policies", "sim.rng", "pipeline.calibration.kernels")
KERNELS_APART = ("sim.kernels", "sim.policies")


def imports(tree: ast.AST) -> Iterator[tuple[int, str, str]]:
    """Yield (line, module, name) of each import in the tree; the name is empty for `import module`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name, "") for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            yield from ((node.lineno, module, alias.name) for alias in node.names)


def under(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(package + ".") for package in packages)


def found(folders: tuple[str, ...], is_wrong) -> list[str]:
    """Return a line of report for each import in the folders that `is_wrong(importer, module, name)`."""
    return [
        f"{relative(path)}:{line}: {module} {name}".rstrip()
        for path in python_files(*folders)
        for line, module, name in imports(syntax_tree(path))
        if is_wrong(module_name(path), module, name)
    ]


def test_sim_stands_on_numpy_numba_and_scipy_only():
    allowed = (SIM_STANDS_ON | set(sys.stdlib_module_names)) - SIM_NEVER
    assert_none(found(("sim",), lambda _, module, __: module.split(".")[0] not in allowed))


def test_pipeline_uses_only_what_sim_exports():
    public = exported(ROOT / "sim" / "__init__.py")
    packages = {f"sim.{name}": exported(ROOT / "sim" / name / "__init__.py") for name in SIM_PUBLIC_PACKAGES}

    def is_wrong(_: str, module: str, name: str) -> bool:
        if not under(module, ("sim",)):
            return False
        if not name:
            return module != "sim"
        return name not in (public if module == "sim" else packages.get(module, ()))

    reachable = public | set(SIM_PUBLIC_PACKAGES)
    assert public, "sim/__init__.py has no __all__"
    assert_none(found(("pipeline", "conf"), is_wrong))
    reached = [
        f"{relative(path)}:{node.lineno}: sim.{node.attr}"
        for path in python_files("pipeline")
        for node in ast.walk(syntax_tree(path))
        if isinstance(node, ast.Attribute) and dotted_name(node.value) == "sim" and node.attr not in reachable
    ]
    assert_none(reached)


def test_only_compiled_modules_import_numba():
    def is_wrong(importer: str, module: str, _: str) -> bool:
        return under(module, ("numba", "llvmlite")) and not under(importer, COMPILED)

    assert_none(found(("sim", "pipeline"), is_wrong))


def test_policies_do_not_know_the_kernels():
    assert_none(found(("sim/policies",), lambda _, module, __: under(module, ("sim.kernels",))))


def test_reference_simulator_shares_no_code_with_the_kernel():
    def is_wrong(_: str, module: str, name: str) -> bool:
        return under(module, KERNELS_APART) or under(f"{module}.{name}", KERNELS_APART)

    assert_none(found(("tests/reference",), is_wrong))


def test_no_star_and_no_relative_imports():
    def is_wrong(_: str, module: str, name: str) -> bool:
        return name == "*" or module.startswith(".")

    assert_none(found(("sim", "pipeline", "conf", "tests"), is_wrong))


def test_sim_imports_at_the_top_of_its_modules():
    nested = [
        f"{relative(path)}:{inner.lineno}"
        for path in python_files("sim")
        for outer in ast.walk(syntax_tree(path))
        if isinstance(outer, ast.FunctionDef)
        for inner in ast.walk(outer)
        if isinstance(inner, ast.Import | ast.ImportFrom)
    ]
    assert_none(nested)


def test_no_cycles():
    graph = {module_name(path): set(_top_level_imports(path)) for path in python_files("sim", "pipeline")}
    cycle: list[str] = []
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        cycle = error.args[1]
    assert_none([" -> ".join(cycle)] if cycle else [], "cycle of imports")


def _top_level_imports(path: Path) -> Iterator[str]:
    """Yield the modules of this project that the file imports when it is loaded.

    Imports for the type checker alone and imports inside functions are left out: neither makes a cycle.
    """
    modules = {module_name(other) for other in python_files("sim", "pipeline")}
    for node in syntax_tree(path).body:
        if isinstance(node, ast.If) and dotted_name(node.test).endswith("TYPE_CHECKING"):
            continue
        for part in [node] if isinstance(node, ast.Import | ast.ImportFrom) else []:
            for _, module, name in imports(part):
                target = f"{module}.{name}" if f"{module}.{name}" in modules else module
                if target in modules:
                    yield target
