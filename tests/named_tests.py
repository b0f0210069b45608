"""The tests that tables and pages name: whether a file has them."""

from __future__ import annotations

import ast
from functools import cache
from pathlib import Path


@cache
def functions_in(file: Path) -> frozenset[str]:
    """The functions of a file; none when there is no such file."""
    if not file.is_file():
        return frozenset()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))
