"""Reads from the migrations' files in which order they come, without importing them or Alembic.

Most starts have nothing to migrate, and importing Alembic would be half of what they cost. So the line is read from
the text of the files; wherever that leaves a question, the answer is None and Alembic is asked, which also knows how
to say what is wrong.
"""

from __future__ import annotations

import ast
from pathlib import Path

LONGEST_NAME = 32
"""Alembic keeps the name of the revision in a column of this width."""

_NAMES = ("revision", "down_revision", "branch_labels", "depends_on")


def read_line(folder: Path) -> tuple[str, ...] | None:
    """The revisions in the folder, the first one first; None unless every file plainly says its place in one line."""
    after: dict[str | None, str] = {}
    names: set[str] = set()
    files = [path for path in folder.glob("*.py") if path.name != "__init__.py"]
    for path in files:
        step = _step(path)
        if step is None or step[0] in after or step[1] in names:
            return None
        before, name = step
        after[before] = name
        names.add(name)
    line: list[str] = []
    # It ends: each revision stands after one other only, so a circle of them cannot be entered from outside.
    name = after.get(None)
    while name is not None:
        line.append(name)
        name = after.get(name)
    return tuple(line) if len(line) == len(files) else None


def _step(path: Path) -> tuple[str | None, str] | None:
    """The revision before this file's, and its own; None when the file says more, or says it in another way."""
    try:
        tree = ast.parse(path.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return None
    said: dict[str, object] = {}
    for node in tree.body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=word)], value=value)
                | ast.AnnAssign(target=ast.Name(id=word), value=value)
            ):
                if word not in _NAMES:
                    continue
                if word in said or not isinstance(value, ast.Constant):
                    return None
                said[word] = value.value
            case _:
                pass
    name, before = said.get("revision"), said.get("down_revision", "")
    plain = said.get("branch_labels") is None and said.get("depends_on") is None
    if not plain or not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME:
        return None
    return (before, name) if before is None or (isinstance(before, str) and before) else None
