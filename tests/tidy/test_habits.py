"""Habits that hold everywhere: documented names, no dangerous calls, tests that check something."""

import ast
import re
from collections.abc import Iterator

import pytest

from tests.tidy.source import (
    ROOT,
    FunctionNode,
    assert_none,
    dotted_name,
    python_files,
    relative,
    syntax_tree,
)

BANNED_CALLS = {
    "eval": "parse the text instead",
    "exec": "write the function instead",
    "os.system": "use subprocess.run with a list",
}
# A pickle runs code as it is read; a test may still check that what goes to a worker comes back whole.
BANNED_BUT_IN_TESTS = {"pickle.load", "pickle.loads"}
# Generators with a state of their own; every other name in numpy.random uses or sets the global one.
RANDOM_OBJECTS = {"BitGenerator", "Generator", "PCG64", "PCG64DXSM", "Philox", "SeedSequence", "default_rng"}
# It ends every Ray process on the machine, other people's too.
RAY_STOP = re.compile(r"\bray\s+stop\b")


def complaint(node: ast.AST, folder: str) -> str:
    """Return what is wrong with this piece of syntax, or an empty text."""
    if isinstance(node, ast.Attribute):
        module, _, name = dotted_name(node).rpartition(".")
        if module in ("np.random", "numpy.random") and name not in RANDOM_OBJECTS:
            return f"{module}.{name}: global random state"
    if not isinstance(node, ast.Call):
        return ""
    name = dotted_name(node.func)
    if name in BANNED_CALLS:
        return f"{name}: {BANNED_CALLS[name]}"
    if folder != "tests" and name in BANNED_BUT_IN_TESTS:
        return f"{name}: a pickle runs code, use Parquet, JSON or YAML"
    if folder == "sim" and name == "print":
        return "print: a library returns what it has to say"
    for keyword in node.keywords:
        if keyword.arg == "shell" and isinstance(keyword.value, ast.Constant) and keyword.value.value:
            return "shell=True: give a list of arguments"
    return ""


def test_no_banned_calls():
    found = [
        f"{relative(path)}:{node.lineno}: {text}"
        for path in python_files("sim", "pipeline", "tests")
        for node in ast.walk(syntax_tree(path))
        if (text := complaint(node, relative(path).split("/")[0]))
    ]
    assert_none(found)


def command_line(node: ast.AST) -> str:
    """Return the texts that stand side by side in a call or a list: what may be a command."""
    parts = node.args if isinstance(node, ast.Call) else getattr(node, "elts", [])
    texts = [part.value for part in parts if isinstance(part, ast.Constant)]
    return " ".join(text for text in texts if isinstance(text, str))


def test_nothing_ends_ray_processes_of_others():
    found = [
        f"{relative(path)}:{node.lineno}"
        for path in python_files("sim", "pipeline", "tests")
        for node in ast.walk(syntax_tree(path))
        if RAY_STOP.search(command_line(node))
    ]
    scripts = [ROOT / "Makefile", ROOT / "dvc.yaml", *(ROOT / ".ci").iterdir()]
    found += [relative(path) for path in scripts if path.exists() and RAY_STOP.search(path.read_text())]
    assert_none(found)
    assert RAY_STOP.search(command_line(ast.parse("run(['ray', 'stop'])").body[0].value.args[0]))


@pytest.mark.parametrize(
    ("source", "is_fine"),
    [
        ("np.random.default_rng(3)", True),
        ("np.random.seed(3)", False),
        ("numpy.random.shuffle", False),
        ("run(['a'], shell=True)", False),
        ("run(['a'], shell=False)", True),
        ("print(1)", False),
        ("pickle.load(file)", False),
    ],
)
def test_complaints(source, is_fine):
    assert any(complaint(node, "sim") for node in ast.walk(ast.parse(source))) != is_fine


def public_definitions(body: list[ast.stmt], prefix: str = "") -> Iterator[tuple[str, ast.stmt]]:
    """Yield the public functions and classes of a module, and the public methods of its public classes."""
    for node in body:
        if not isinstance(node, FunctionNode | ast.ClassDef) or node.name.startswith("_"):
            continue
        yield prefix + node.name, node
        if isinstance(node, ast.ClassDef):
            yield from public_definitions(node.body, f"{node.name}.")


def is_told_elsewhere(name: str, node: ast.stmt, documented: set[str], bases: dict[str, list[str]]) -> bool:
    """Whether another definition has the docstring: this is an overload, a setter or a base's method."""
    decorators = {dotted_name(each).rpartition(".")[2] for each in node.decorator_list}
    owner, _, method = name.rpartition(".")
    inherited = any(f"{base}.{method}" in documented for base in bases.get(owner, ()))
    return inherited or bool(decorators & {"overload", "override", "setter"})


def test_public_names_are_documented():
    files = python_files("sim", "pipeline")
    definitions = [(path, *each) for path in files for each in public_definitions(syntax_tree(path).body)]
    classes = [
        node for path in files for node in ast.walk(syntax_tree(path)) if isinstance(node, ast.ClassDef)
    ]
    bases = {node.name: [dotted_name(base).rpartition(".")[2] for base in node.bases] for node in classes}
    documented = {name for _, name, node in definitions if ast.get_docstring(node)}
    undocumented = [
        f"{relative(path)}:{node.lineno} {name}"
        for path, name, node in definitions
        if not ast.get_docstring(node) and not is_told_elsewhere(name, node, documented, bases)
    ]
    modules = [path for path in files if syntax_tree(path).body and not ast.get_docstring(syntax_tree(path))]
    assert_none(undocumented + [relative(path) for path in modules], "each needs a docstring")


def checks_something(node: ast.AST) -> bool:
    """Whether this is `assert`, `pytest.raises`, or a call of a function named assert-something."""
    if isinstance(node, ast.Assert):
        return True
    name = dotted_name(node.func).rpartition(".")[2] if isinstance(node, ast.Call) else ""
    return name in ("raises", "warns") or name.lstrip("_").startswith("assert")


def test_every_test_file_checks_something():
    files = [path for path in python_files("tests") if path.name.startswith("test_")]
    assert files
    idle = [path for path in files if not any(map(checks_something, ast.walk(syntax_tree(path))))]
    assert_none([relative(path) for path in idle], "a test file without a single assertion")
