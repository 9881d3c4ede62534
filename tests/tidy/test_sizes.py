"""Hard caps on size and shape; most code sits far below them."""

import ast
from collections.abc import Callable

import pytest
import yaml

from tests.tidy.source import FunctionNode, assert_none, functions, python_files, relative, tracked_files

MODULE_LINES = 600
FUNCTION_LINES = 70
LINE_COLUMNS = 110
PARAMETERS = 8
NESTING = 5
CONFIG_LINES = 40

# The kernel's loop over events is one long switch on purpose; nothing else is.
EVENT_LOOP_LINES = 120
EVENT_LOOPS = {("sim/kernels/event_loop.py", "event_loop")}

BLOCKS = (ast.If, ast.For, ast.AsyncFor, ast.While, ast.With, ast.AsyncWith, ast.Try, ast.Match)


def function_lines(function: FunctionNode) -> int:
    """Return the length of the function in lines, from `def` on, without its docstring."""
    length = function.end_lineno - function.lineno + 1
    if ast.get_docstring(function, clean=False) is None:
        return length
    docstring = function.body[0]
    return length - (docstring.end_lineno - docstring.lineno + 1)


def parameter_count(function: FunctionNode) -> int:
    """Return how many arguments a caller may give, `self` and `cls` left out."""
    arguments = function.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs]
    gathered = [rest for rest in (arguments.vararg, arguments.kwarg) if rest is not None]
    return len([each for each in named if each.arg not in ("self", "cls")]) + len(gathered)


def nesting_depth(node: ast.AST) -> int:
    """Return how many blocks deep the code goes; an `elif` is as deep as its `if`."""
    depth = 0
    for child in ast.iter_child_nodes(node):
        is_elif = isinstance(node, ast.If) and isinstance(child, ast.If) and node.orelse == [child]
        if not isinstance(child, FunctionNode | ast.ClassDef):
            depth = max(depth, nesting_depth(child) + (isinstance(child, BLOCKS) and not is_elif))
    return depth


def over(cap: int, measure: Callable[[FunctionNode], int]) -> list[str]:
    """Return the functions of sim and pipeline that measure more than the cap."""
    return [
        f"{relative(path)}:{function.lineno} {function.name}: {measure(function)} > {cap}"
        for path in python_files("sim", "pipeline")
        for function in functions(path)
        if measure(function) > cap and (relative(path), function.name) not in EVENT_LOOPS
    ]


def test_modules_are_short():
    files = python_files("sim", "pipeline", "tests")
    lengths = [(relative(path), len(path.read_text(encoding="utf-8").splitlines())) for path in files]
    assert_none([f"{name}: {length} > {MODULE_LINES}" for name, length in lengths if length > MODULE_LINES])


def test_functions_are_short():
    assert_none(over(FUNCTION_LINES, function_lines))


def test_event_loops_stay_within_their_own_cap():
    loops = [
        function_lines(function)
        for path in python_files("sim/kernels")
        for function in functions(path)
        if (relative(path), function.name) in EVENT_LOOPS
    ]
    assert all(length <= EVENT_LOOP_LINES for length in loops), loops


def test_functions_take_few_parameters():
    assert_none(over(PARAMETERS, parameter_count))


def test_functions_nest_little():
    assert_none(over(NESTING, nesting_depth))


def test_lines_are_no_wider_than_the_limit():
    wide = [
        f"{relative(path)}:{number}: {len(line)} columns"
        for path in python_files("sim", "pipeline", "conf", "tests")
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if len(line) > LINE_COLUMNS
    ]
    assert_none(wide)


def test_configuration_files_are_small_and_are_data():
    long, code = [], []
    for path in tracked_files():
        if not relative(path).startswith("conf/") or path.suffix not in (".yaml", ".yml"):
            continue
        text = path.read_text(encoding="utf-8")
        # Comments cite sources and are welcome, so they do not count.
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        if len(lines) > CONFIG_LINES:
            long.append(f"{relative(path)}: {len(lines)} > {CONFIG_LINES}")
        if "_target_" in str(yaml.safe_load(text)):
            code.append(relative(path))
    assert_none(long)
    assert_none(code, "configuration names a kind, never a Python object")


@pytest.mark.parametrize(
    ("source", "lines", "parameters", "depth"),
    [
        ("def f(): pass", 1, 0, 0),
        ('def f(self, a, *rest, key=1, **others):\n    """One.\n\n    Two.\n    """\n    return a', 2, 4, 0),
        ("def f(a):\n if a:\n  pass\n elif a > 1:\n  for b in a:\n   pass", 6, 1, 2),
        ("def f():\n while True:\n  with x:\n   def g():\n    if y:\n     pass", 6, 0, 2),
    ],
)
def test_measures(source, lines, parameters, depth):
    function = ast.parse(source).body[0]
    measured = (function_lines(function), parameter_count(function), nesting_depth(function))
    assert measured == (lines, parameters, depth)
