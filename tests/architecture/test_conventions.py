"""Tests that keep silent, sleep or patch are found."""

from __future__ import annotations

from pathlib import Path

import pytest

from scripts.checks.tests import tests as conventions
from tests.architecture.planting import MODULE, plant

_TEST = 'async def test_it() -> None:\n    """It works."""\n'


def test_a_test_without_a_docstring_is_found(tmp_path: Path) -> None:
    """Every test says its promise in words, in classes too."""
    text = f"{MODULE}class TestIt:\n    def test_it(self) -> None:\n        pass\n"
    sources = plant(tmp_path, {"tests/core/test_it.py": text})

    (fault,) = conventions(sources)

    assert "TestIt.test_it has no docstring" in fault.message


@pytest.mark.parametrize(
    ("head", "line"),
    [
        ("import time", "time.sleep(0)"),
        ("import time as clock", "clock.sleep(seconds)"),
        ("from time import sleep", "sleep(0.1)"),
        ("import asyncio", "await asyncio.sleep(0.1)"),
        ("from asyncio import sleep as nap", "await nap(5)"),
    ],
)
def test_a_sleep_is_found(tmp_path: Path, head: str, line: str) -> None:
    """A test waits for what it waits for, under whatever name the sleep is imported."""
    sources = plant(tmp_path, {"tests/core/test_it.py": f"{MODULE}{head}\n{_TEST}    {line}\n"})

    assert [fault.line for fault in conventions(sources)] == [7]


@pytest.mark.parametrize("line", ["await asyncio.sleep(0)", "await clock.sleep(5)", "await asyncio.sleep(seconds)"])
def test_giving_way_is_no_sleep(tmp_path: Path, line: str) -> None:
    """Letting others run, and the clock under test, are allowed."""
    sources = plant(tmp_path, {"tests/core/test_it.py": f"{MODULE}import asyncio\n{_TEST}    {line}\n"})

    assert not list(conventions(sources))


def test_a_patch_is_found(tmp_path: Path) -> None:
    """Code under test is given what it needs; nothing is replaced behind its back."""
    line = 'monkeypatch.setattr("antiphon.core.clock.now", print)'
    sources = plant(tmp_path, {"tests/core/test_it.py": f"{MODULE}{_TEST}    {line}\n"})

    (fault,) = conventions(sources)

    assert fault.message.startswith("patches code")
