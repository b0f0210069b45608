"""Modules that do not say what they are for are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks.first_lines import first_lines
from tests.architecture.planting import MODULE, plant


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("x = 1\n", id="no docstring"),
        pytest.param("# A comment.\n" + MODULE, id="not on the first line"),
        pytest.param('"""\nBelow.\n"""\n', id="first line empty"),
        pytest.param('"""No period"""\n', id="no period"),
        pytest.param('"""TODO."""\n', id="placeholder"),
    ],
)
def test_a_module_without_its_line_is_found(tmp_path: Path, text: str) -> None:
    """A module has to begin with one line that ends with a period."""
    sources = plant(tmp_path, {"bench/silent.py": text, "bench/good.py": MODULE})

    assert [fault.path for fault in first_lines(sources)] == ["bench/silent.py"]
