"""Every module begins with one line that says what it is for; the tree is drawn from these lines."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from scripts.sources import Fault, Source, Sources


def first_lines(sources: Sources) -> Iterator[Fault]:
    """Every module without such a line."""
    for source in sources.code:
        problem = _problem(source)
        if problem:
            yield Fault(source.path, 1, problem)


def first_line(source: Source) -> str:
    """The first line of a module's docstring; nothing when it has none."""
    return (ast.get_docstring(source.module, clean=False) or "").partition("\n")[0]


def _problem(source: Source) -> str | None:
    line = first_line(source)
    if not line or not source.text.startswith(('"""', 'r"""')):
        return 'has no docstring on its first line. Begin with """What it is for."""'
    if line.startswith("TODO"):
        return "does not say yet what it is for."
    if not line.endswith("."):
        return "has a first line that does not end with a period. Say it in one line, then go on below a blank one."
    return None
