"""The files of the repository as the checks read them: a path, a text, and the syntax tree of what is Python."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

CODE = ("src", "olympus", "tests", "scripts", "bench")
"""The folders that hold our own code."""

PLANTED = "tests/typing/planted/"
"""Mistakes on purpose: what the type checker has to find, and nothing else is asked of them."""

_NOT_OURS = frozenset({"var", "dist", "build", "node_modules", "vendor", "uv.lock", "package-lock.json"})
_HIDDEN_BUT_OURS = frozenset({".ci", ".editorconfig", ".gitattributes", ".gitignore", ".python-version"})

type Function = ast.FunctionDef | ast.AsyncFunctionDef
type Definition = Function | ast.ClassDef


class Fault(NamedTuple):
    """One thing that breaks a rule: where, what, and what to do about it."""

    path: str
    line: int
    message: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line}: {self.message}"


@dataclass(frozen=True)
class Source:
    """One file. Its path is relative to the root, with slashes."""

    root: Path
    path: str

    @cached_property
    def text(self) -> str:
        """What stands in it; nothing when it is no text."""
        try:
            return (self.root / self.path).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            return ""

    @cached_property
    def module(self) -> ast.Module:
        """The syntax tree of a Python file."""
        return ast.parse(self.text, filename=self.path)

    @property
    def python(self) -> bool:
        """Whether it is a Python file."""
        return self.path.endswith(".py")

    def within(self, *folders: str) -> bool:
        """Whether it lies in one of these folders."""
        return self.path.startswith(tuple(f"{folder}/" for folder in folders))

    def definitions(self) -> Iterator[tuple[str, Definition]]:
        """Every class and function with its dotted name, the outer before the inner."""
        yield from _definitions(self.module, "")


class Sources:
    """Every file under a root that is ours: no environments, caches, data, vendored assets or planted mistakes."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.all = tuple(Source(root, path) for path in sorted(_walk(root)) if not path.startswith(PLANTED))

    @property
    def code(self) -> Iterator[Source]:
        """The Python files of our own code."""
        return (source for source in self.all if source.python and source.within(*CODE))


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if _ours(name)]
        relative = Path(folder).relative_to(root)
        yield from ((relative / name).as_posix() for name in names if _ours(name))


def _ours(name: str) -> bool:
    if name.startswith("."):
        return name in _HIDDEN_BUT_OURS
    return name not in _NOT_OURS and name != "__pycache__" and not name.endswith(".egg-info")


def _definitions(node: ast.AST, prefix: str) -> Iterator[tuple[str, Definition]]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            name = f"{prefix}{child.name}"
            yield name, child
            yield from _definitions(child, f"{name}.")
        else:
            yield from _definitions(child, prefix)
