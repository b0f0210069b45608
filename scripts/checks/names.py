"""Names say what a thing does: words that fit everything are refused in files, classes and functions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import PurePosixPath

from scripts.checks.exceptions import Exceptions
from scripts.sources import CODE, Definition, Fault, Source, Sources

FORBIDDEN = frozenset({"util", "helper", "common", "misc", "manager", "handler"})
_INTERFACES = frozenset({"Protocol", "ABC"})
_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")


def names(sources: Sources, exceptions: Exceptions) -> Iterator[Fault]:
    """Every file, folder, class and function with an empty name, and every `Base` that is no interface."""
    for source in sources.all:
        if source.within(*CODE):
            yield from (fault for fault, what in _faults(source) if not exceptions.allow("names", what))


def _faults(source: Source) -> Iterator[tuple[Fault, str]]:
    """Each fault with the key that an exception for it has."""
    if word := _word_in_path(source):
        yield Fault(source.path, 1, f"is called {word!r}. Name the file after what it is for."), source.path
    if not source.python:
        return
    for name, node in source.definitions():
        if word := _word_in_definition(node):
            message = f"{name} is called {word!r}. Say what it does, or what it handles."
            yield Fault(source.path, node.lineno, message), f"{source.path}:{name}"


def _word_in_path(source: Source) -> str | None:
    path = PurePosixPath(source.path)
    return next((word for part in (*path.parent.parts, path.stem) if (word := _forbidden(part))), None)


def _word_in_definition(node: Definition) -> str | None:
    if node.name.startswith("test_"):
        return None
    if word := _forbidden(node.name):
        return word
    if isinstance(node, ast.ClassDef) and "base" in _words(node.name) and not _is_interface(node):
        return "base"
    return None


def _forbidden(name: str) -> str | None:
    return next((word for word in _words(name) if word in FORBIDDEN or word.removesuffix("s") in FORBIDDEN), None)


def _words(name: str) -> list[str]:
    return [word.lower() for word in _WORD.findall(name)]


def _is_interface(node: ast.ClassDef) -> bool:
    bases = (base.value if isinstance(base, ast.Subscript) else base for base in node.bases)
    return any(ast.unparse(base).rpartition(".")[2] in _INTERFACES for base in bases)
