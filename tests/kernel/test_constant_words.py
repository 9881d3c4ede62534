"""Compiled code keeps some words of the arena in registers: no kernel may write to any of them."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import sim.kernels
from sim.layout import lane as S
from sim.layout import parameter as K

FOLDER = Path(sim.kernels.__file__).parent
LAYOUTS = {"S": S, "K": K}


def words_written(code: str) -> Iterator[str]:
    """Names of layout words that are assigned to."""
    for node in ast.walk(ast.parse(code)):
        targets = node.targets if isinstance(node, ast.Assign) else []
        targets += [node.target] if isinstance(node, ast.AugAssign) else []
        for target in (part for each in targets for part in getattr(each, "elts", [each])):
            index = target.slice if isinstance(target, ast.Subscript) else None
            if isinstance(index, ast.Attribute) and isinstance(index.value, ast.Name):
                yield f"{index.value.id}.{index.attr}"


def is_constant(name: str) -> bool:
    """Is it a parameter, or a place or size that stays?"""
    layout, word = name.split(".")
    position = getattr(LAYOUTS[layout], word) if layout in LAYOUTS else None
    return layout == "K" or (layout == "S" and position in S.FIXED)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.py")), ids=lambda path: path.stem)
def test_no_kernel_writes_a_constant_word(path: Path) -> None:
    assert [name for name in words_written(path.read_text(encoding="utf-8")) if is_constant(name)] == []


def test_writes_are_seen() -> None:
    code = "z[S.HEAP] = 1\nz[K.SCAN] += 1\nz[S.NOW_NS] = t\nz[a], z[S.WORDS] = 1, 2\nz[z[S.MAIL] + 1] = 3\n"
    written = list(words_written(code))
    assert sorted(written) == ["K.SCAN", "S.HEAP", "S.NOW_NS", "S.WORDS"]
    assert [name for name in written if not is_constant(name)] == ["S.NOW_NS"]
