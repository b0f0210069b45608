"""A test says its promise in a docstring, waits for what it waits for, and patches nothing."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.sources import Fault, Source, Sources

_WAIT = (
    'Wait for the event, or `await wait_until(condition, "what never happened")`; for "never", await asyncio.Event().'
)
_PATCHES = frozenset({"setattr", "delattr", "setitem", "delitem"})


def tests(sources: Sources) -> Iterator[Fault]:
    """Every test without a docstring, every sleep and every patch."""
    for source in sources.code:
        if source.within("tests"):
            yield from _silent(source)
            yield from _sleeping(source)
            yield from _patching(source)


def _silent(source: Source) -> Iterator[Fault]:
    for name, node in source.definitions():
        is_test = not isinstance(node, ast.ClassDef) and node.name.startswith("test_")
        if is_test and not ast.get_docstring(node):
            yield Fault(source.path, node.lineno, f"{name} has no docstring. Say the promise that it checks, in words.")


def _sleeping(source: Source) -> Iterator[Fault]:
    names = _imported(source.module)
    for node in ast.walk(source.module):
        if not isinstance(node, ast.Call):
            continue
        called = _dotted(node.func, names)
        blocks = called == "time.sleep"
        # asyncio.sleep(0) lets others run; a variable may be the sleep of a clock under test.
        waits = called == "asyncio.sleep" and _is_long(node.args)
        if blocks or waits:
            yield Fault(source.path, node.lineno, f"{called} in a test is slow or flaky. {_WAIT}")


def _patching(source: Source) -> Iterator[Fault]:
    for node in ast.walk(source.module):
        if not isinstance(node, ast.Attribute) or not isinstance(node.value, ast.Name):
            continue
        if node.value.id == "monkeypatch" and node.attr in _PATCHES:
            message = "patches code. Give the code under test a fake that passes the same contract suite."
            yield Fault(source.path, node.lineno, message)


def _is_long(arguments: list[ast.expr]) -> bool:
    return bool(arguments) and isinstance(arguments[0], ast.Constant) and arguments[0].value != 0


def _imported(module: ast.Module) -> dict[str, str]:
    """What each imported name stands for: `from time import sleep as nap` gives {"nap": "time.sleep"}."""
    names: dict[str, str] = {}
    for node in ast.walk(module):
        if isinstance(node, ast.Import):
            names |= {alias.asname or alias.name: alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names |= {alias.asname or alias.name: f"{node.module}.{alias.name}" for alias in node.names}
    return names


def _dotted(node: ast.expr, names: dict[str, str]) -> str:
    if isinstance(node, ast.Attribute):
        return f"{_dotted(node.value, names)}.{node.attr}"
    return names.get(node.id, node.id) if isinstance(node, ast.Name) else ""
