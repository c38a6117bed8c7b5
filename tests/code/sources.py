"""The project's own source files, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent.parent
PRODUCT = ("fake_xapi", "compute_core", "contract_tests", "scenarios")
ALL = (*PRODUCT, "tests")
Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class Source:
    """One file: its path in the repository, its lines and its tree."""

    path: str
    lines: tuple[str, ...]
    tree: ast.Module

    @property
    def is_test(self) -> bool:
        """Whether the file proves something rather than doing it."""
        return self.path.startswith("tests/") or "/suite/" in self.path

    def functions(self) -> Iterator[tuple[str, Function]]:
        """Every function with its dotted name within the file."""
        yield from _functions(self.tree, "")


def _functions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Function]]:
    for child in ast.iter_child_nodes(node):
        name = f"{prefix}{child.name}" if isinstance(child, Function | ast.ClassDef) else prefix
        if isinstance(child, Function):
            yield name, child
        yield from _functions(child, f"{name}." if name and not name.endswith(".") else name)


@cache
def sources(packages: tuple[str, ...] = ALL) -> tuple[Source, ...]:
    """The Python files of some packages, in order of their paths."""
    paths = sorted(path for package in packages for path in (ROOT / package).rglob("*.py"))
    return tuple(_read(path) for path in paths)


def _read(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    return Source(str(path.relative_to(ROOT)), tuple(text.splitlines()), ast.parse(text))


@cache
def nodes(tree: ast.AST) -> tuple[ast.AST, ...]:
    """Everything inside, the tree itself included."""
    return tuple(ast.walk(tree))


@cache
def module_names(tree: ast.Module) -> set[str]:
    """The names that a module binds by assignment."""
    nodes = (node for statement in tree.body if isinstance(statement, ast.Assign | ast.AnnAssign) for node in ast.walk(statement))
    return {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def forget() -> None:
    """Let go of every tree: they are millions of objects, through which each collection of garbage would go."""
    for cached in (sources, nodes, module_names):
        cached.cache_clear()
