"""A file is one thought and a function one step: at most 400 lines and 40 lines without the docstring."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.checks.exceptions import Exceptions
from scripts.sources import CODE, Fault, Function, Sources

FILE_LINES = 400
FUNCTION_LINES = 40
_WRITTEN_BY_HAND = (".py", ".lua", ".js", ".css", ".sh")


def sizes(sources: Sources, exceptions: Exceptions) -> Iterator[Fault]:
    """Every file and function that is too long."""
    for source in sources.all:
        if not source.within(*CODE) or not source.path.endswith(_WRITTEN_BY_HAND):
            continue
        lines = len(source.text.splitlines())
        if lines > FILE_LINES and not exceptions.allow("file-lines", source.path):
            yield Fault(
                source.path, FILE_LINES, f"{lines} lines, {FILE_LINES} at most. Split it where the thought changes."
            )
        for name, node in source.definitions() if source.python else ():
            if isinstance(node, ast.ClassDef):
                continue
            lines = function_lines(node)
            if lines > FUNCTION_LINES and not exceptions.allow("function-lines", f"{source.path}:{name}"):
                message = f"{name} has {lines} lines without its docstring, {FUNCTION_LINES} at most."
                yield Fault(source.path, node.lineno, message)


def function_lines(node: Function) -> int:
    """The lines from `def` to the end, less those of the docstring."""
    lines = _length(node)
    if ast.get_docstring(node, clean=False) is not None:
        lines -= _length(node.body[0])
    return lines


def _length(node: ast.stmt) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1
