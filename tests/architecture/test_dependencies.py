"""Every dependency has said what it is for."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from typing import Any

from tests.architecture.planting import REPOSITORY

_NAME = re.compile(r"[\w.-]+")
_ROW = re.compile(r"^\| `([\w.-]+)` \|(.*)\|$", re.MULTILINE)


def _declared() -> Iterator[str]:
    for path in ("pyproject.toml", "olympus/pyproject.toml"):
        project: dict[str, Any] = tomllib.loads((REPOSITORY / path).read_text())
        yield from project["project"]["dependencies"]
        yield from project["build-system"]["requires"]
        for group in ("optional-dependencies", "dependency-groups"):
            for needs in (project["project"] | project).get(group, {}).values():
                yield from needs


def _names(requirements: Iterator[str]) -> set[str]:
    return {match[0] for requirement in requirements if (match := _NAME.match(requirement))}


def _rows() -> dict[str, list[str]]:
    text = (REPOSITORY / "docs/why/dependencies.md").read_text()
    return {name: [cell.strip() for cell in cells.split("|")] for name, cells in _ROW.findall(text)}


def test_every_dependency_has_its_line() -> None:
    """The table names what the projects declare, no more and no less; uv is what everything begins with."""
    assert set(_rows()) == _names(_declared()) | {"uv"}


def test_every_line_says_what_for_and_why() -> None:
    """A name alone is no reason."""
    empty = [name for name, (purpose, reason, _) in _rows().items() if not purpose or not reason]

    assert not empty
