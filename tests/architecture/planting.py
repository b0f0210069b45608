"""Plants small trees, so that each check can be seen to find what is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from shutil import copyfile

from scripts.sources import Sources

REPOSITORY = Path(__file__).resolve().parents[2]
"""The root of the repository that the tests stand in."""

MODULE = '"""Something for a test."""\n\nfrom __future__ import annotations\n'
"""How every good module begins."""


def plant(root: Path, files: Mapping[str, str]) -> Sources:
    """Write the files under the root, and read them as the checks do."""
    for path, text in files.items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(text, encoding="utf-8")
    return Sources(root)


def plant_settings(root: Path) -> None:
    """Give the root the settings that the repository's own tools run with."""
    copyfile(REPOSITORY / "pyproject.toml", root / "pyproject.toml")
