"""The list of exceptions explains itself and holds nothing that is not needed."""

from __future__ import annotations

from pathlib import Path

from scripts.checks.exceptions import PATH, Exceptions
from tests.architecture.planting import plant


def test_an_exception_without_a_reason_is_found(tmp_path: Path) -> None:
    """An exception that does not say why is a fault, and allows nothing."""
    plant(tmp_path, {PATH: '[names]\n"src/x.py" = " "\n'})
    exceptions = Exceptions(tmp_path)

    allowed = exceptions.allow("names", "src/x.py")

    assert not allowed
    assert "gives no reason" in next(exceptions.faults()).message


def test_an_exception_that_nothing_needs_is_found(tmp_path: Path) -> None:
    """An exception whose cause is gone is a fault."""
    plant(tmp_path, {PATH: '[file-lines]\n"src/x.py" = "one table"\n'})

    (fault,) = Exceptions(tmp_path).faults()

    assert "nothing needs" in fault.message
