"""Locks that do not fit what the projects declare are found without a registry."""

from __future__ import annotations

from pathlib import Path
from shutil import copyfile

import pytest

from scripts.checks.locked import locked
from scripts.lock import LOCKS
from tests.architecture.planting import REPOSITORY


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A copy of every lock and every project it is made for."""
    for path in {path for lock in LOCKS for path in (lock.path, *lock.projects)}:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        copyfile(REPOSITORY / path, tmp_path / path)
    return tmp_path


def test_the_locks_fit_the_projects() -> None:
    """What is declared is what is locked."""
    assert not list(locked(REPOSITORY))


@pytest.mark.parametrize(
    ("declared", "now"),
    [
        pytest.param('"aiosqlite>=', '"another>=1", "aiosqlite>=', id="added"),
        pytest.param('"aiosqlite>=', '"aiosqlite>=999.', id="bound moved"),
        pytest.param("redis[hiredis]", "redis", id="extra dropped"),
        pytest.param('"ruff>=', '"ruff>=999.', id="tool moved"),
        pytest.param('">=3.12"', '">=3.11"', id="Python moved"),
    ],
)
def test_a_changed_requirement_makes_a_lock_stale(project: Path, declared: str, now: str) -> None:
    """Whatever is declared in another way than it was locked is a fault that says what to run."""
    file = project / "pyproject.toml"
    file.write_text(file.read_text().replace(declared, now))

    faults = list(locked(project))

    assert faults
    assert all("Run `make lock`." in fault.message for fault in faults)


def test_the_locks_hold_hashes_and_no_addresses() -> None:
    """Every pin has its hashes, and where packages come from is the installer's matter."""
    text = "".join((REPOSITORY / lock.path).read_text() for lock in LOCKS)

    pins = [line for line in text.splitlines() if line[:1].isalnum()]

    assert all("==" in pin and pin.endswith("\\") for pin in pins)
    assert "://" not in text
