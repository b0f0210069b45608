"""The generated pages are what the code says, and the tree is drawn from what the modules say themselves."""

from __future__ import annotations

from pathlib import Path

from scripts.docs import stale
from scripts.sources import Sources
from scripts.tree import tree
from tests.architecture.planting import REPOSITORY, plant


def test_every_generated_page_is_what_the_code_says() -> None:
    """Whoever reads docs/why/layers.md reads the tree as it is."""
    assert not [str(fault) for fault in stale(Sources(REPOSITORY))]


def test_a_page_that_fell_behind_is_found(tmp_path: Path) -> None:
    """A page with another line, and one that is missing, are faults that name the line."""
    sources = plant(tmp_path, {"docs/old.md": "one\nTWO\nthree\n"})

    faults = list(stale(sources, {"docs/old.md": lambda _: "one\ntwo\nthree\n", "docs/new.md": lambda _: "one\n"}))

    assert [(fault.path, fault.line) for fault in faults] == [("docs/old.md", 2), ("docs/new.md", 1)]


def test_a_page_that_only_grew_is_found(tmp_path: Path) -> None:
    """Lines at the end count too."""
    sources = plant(tmp_path, {"docs/old.md": "one\n"})

    (fault,) = stale(sources, {"docs/old.md": lambda _: "one\ntwo\n"})

    assert fault.line == 2


def test_the_tree_shows_each_file_with_its_first_line(tmp_path: Path) -> None:
    """Folders stand with the line of their package, files with their own, scripts with their first comment."""
    files = {
        "src/antiphon/__init__.py": '"""All of it.\n\nMore."""\n',
        "src/antiphon/core/__init__.py": '"""What a call is."""\n',
        "src/antiphon/core/call.py": '"""The call."""\n',
        "src/antiphon/stores/scripts/limit.lua": "-- Counts.\nreturn 1\n",
    }

    drawn = tree(plant(tmp_path, files), "src/antiphon")

    assert drawn.splitlines() == [
        "src/antiphon/          All of it.",
        "├── core/              What a call is.",
        "│   └── call.py        The call.",
        "└── stores/",
        "    └── scripts/",
        "        └── limit.lua  Counts.",
    ]
