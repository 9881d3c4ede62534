"""What the tidy tests look at: the files of this checkout, and their syntax trees."""

import ast
import functools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef


@functools.cache
def tracked_files() -> tuple[Path, ...]:
    """Return the files that git tracks or would add; outside a checkout, those that are not hidden."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    except (OSError, subprocess.CalledProcessError):
        return tuple(sorted(_walk()))
    paths = (ROOT / name for name in listed.split("\0") if name)
    return tuple(sorted(path for path in paths if path.is_file()))


def _walk() -> Iterator[Path]:
    for folder, subfolders, names in os.walk(ROOT):
        subfolders[:] = [name for name in subfolders if name == ".ci" or name[0] not in "._"]
        if Path(folder) == ROOT:
            subfolders[:] = [name for name in subfolders if name != "outputs"]
        yield from (Path(folder) / name for name in names)


def python_files(*folders: str) -> list[Path]:
    """Return the Python files under the given top-level folders or `folder/subfolder` prefixes."""
    prefixes = tuple(f"{folder}/" for folder in folders)
    return [path for path in tracked_files() if path.suffix == ".py" and relative(path).startswith(prefixes)]


def relative(path: Path) -> str:
    """Return the path as it is written in messages: from the root of the checkout."""
    return path.relative_to(ROOT).as_posix()


@functools.cache
def syntax_tree(path: Path) -> ast.Module:
    """Return the module's syntax tree."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


def module_name(path: Path) -> str:
    """Return the dotted name by which the file is imported."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(path: Path) -> Iterator[FunctionNode]:
    """Yield every function of the module, nested ones and methods too."""
    for node in ast.walk(syntax_tree(path)):
        if isinstance(node, FunctionNode):
            yield node


def dotted_name(node: ast.expr) -> str:
    """Return `a.b.c` for a chain of plain names, and an empty text for anything else."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        names.append(node.attr)
        node = node.value
    return ".".join([node.id, *reversed(names)]) if isinstance(node, ast.Name) else ""


def assert_none(found: list[str], rule: str = "") -> None:
    """Fail with every line of the report, and with the rule that they break."""
    more = [f"... and {len(found) - 50} more"] if len(found) > 50 else []
    assert not found, "\n  ".join([rule, *found[:50], *more])


def exported(path: Path) -> set[str]:
    """Return the names in the module's `__all__`."""
    for node in syntax_tree(path).body:
        if isinstance(node, ast.Assign) and any(dotted_name(target) == "__all__" for target in node.targets):
            return set(ast.literal_eval(node.value))
    return set()
