"""The ready-made tools find what they are here for, with the settings of the repository."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.check import steps
from tests.architecture.planting import MODULE, plant, plant_settings


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A small good project with the repository's settings."""
    plant_settings(tmp_path)
    plant(tmp_path, {f"{folder}/__init__.py": MODULE for folder in ("src/part", "olympus", "scripts", "bench")})
    plant(tmp_path, {"tests/test_part.py": MODULE})
    return tmp_path


@pytest.mark.parametrize("step", ["format", "lint", "types"])
def test_good_code_has_no_fault(root: Path, step: str) -> None:
    """What is good is left alone: each tool has looked and is content."""
    assert steps(root)[step]() == ""


def test_bad_format_is_found(root: Path) -> None:
    """Code that the formatter would write in another way is a fault."""
    plant(root, {"src/part/crooked.py": f"{MODULE}\nx = {{'a':1}}\n"})

    assert "crooked.py" in steps(root)["format"]()


@pytest.mark.parametrize(
    ("rule", "code"),
    [
        ("F401", "import os\n"),
        ("I002", ""),
        ("B006", "def f(x: list[int] = []) -> None:\n    print(x)\n"),
        ("TID251", "from unittest.mock import Mock\n\nprint(Mock)\n"),
        ("TID252", "from . import other\n\nprint(other)\n"),
        ("FBT001", "def f(loud: bool) -> None:\n    pass\n"),
        ("T201", "print()\n"),
        ("BLE001", "try:\n    x = 1\nexcept Exception:\n    x = 2\n"),
        ("ASYNC210", "import urllib.request\n\n\nasync def f() -> None:\n    urllib.request.urlopen('http://x')\n"),
        ("D400", 'def f() -> None:\n    """No period"""\n'),
        ("E501", f"x = '{'x' * 120}'\n"),
    ],
)
def test_bad_code_is_found(root: Path, rule: str, code: str) -> None:
    """Each rule that the style leans on is switched on."""
    head = '"""Something for a test."""\n\nx = 1\n' if rule == "I002" else MODULE
    plant(root, {"src/part/wrong.py": f"{head}\n{code}"})

    assert f"wrong.py:{1 if rule == 'I002' else ''}" in (said := steps(root)["lint"]())
    assert rule in said


def test_bad_types_are_found(root: Path) -> None:
    """A wrong type, an unknown one, and an ignore that ignores nothing are faults in sources and in tests."""
    useless = "# pyright: ignore[reportCallIssue]  # why"
    wrong = f"{MODULE}\n\ndef f(x) -> int:\n    return x\n\n\ny: str = 1\nz = 1  {useless}\n"
    plant(root, {"src/part/wrong.py": wrong, "tests/test_wrong.py": wrong})

    said = steps(root)["types"]()

    for rule in ("reportMissingParameterType", "reportAssignmentType", "reportUnnecessaryTypeIgnoreComment"):
        assert said.count(rule) == 2
