"""Comments that switch a checker off say which rule and why."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks.ignores import ignores
from tests.architecture.planting import MODULE, plant


@pytest.mark.parametrize(
    "comment",
    [
        "# type: ignore",
        "# type: ignore[arg-type]  # the other checker's words",
        "# pyright: ignore",
        "# pyright: ignore  # no rule",
        "# pyright: ignore[reportCall]",
        "# pyright: basic",
        "# pyright: reportPrivateUsage=false",
        "# noqa",
        "# noqa: S101",
        "# noqa: S101  #",
        "# ruff: noqa: S101",
        "# pragma: no cover",
    ],
)
def test_an_unexplained_ignore_is_found(tmp_path: Path, comment: str) -> None:
    """Without a rule, or without a reason, it is a fault."""
    sources = plant(tmp_path, {"src/quiet.py": f"{MODULE}x = 1  {comment}\n"})

    assert [fault.line for fault in ignores(sources)] == [4]


@pytest.mark.parametrize(
    "comment",
    [
        "# pyright: ignore[reportCall]  # the stub is older than the library",
        "# noqa: S101, S105  # not a password",
        "# pragma: no cover  # only on macOS",
    ],
)
def test_an_explained_ignore_is_good(tmp_path: Path, comment: str) -> None:
    """With a rule and a reason it may stay."""
    sources = plant(tmp_path, {"src/quiet.py": f"{MODULE}x = 1  {comment}\n"})

    assert not list(ignores(sources))


def test_a_string_is_no_comment(tmp_path: Path) -> None:
    """Text that only looks like an ignore is left alone."""
    sources = plant(tmp_path, {"src/quoted.py": f'{MODULE}x = "# noqa"\n'})

    assert not list(ignores(sources))
