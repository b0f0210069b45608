"""The check as a whole runs everything to the end and tells all that it found."""

from __future__ import annotations

import pytest

from scripts.check import run


def test_every_fault_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    """One failing step does not hide the next, and the outcome is a failure."""
    good = run({"one": lambda: "a.py:1: wrong", "two": lambda: "", "three": lambda: "b.py:2: wrong"})

    told = capsys.readouterr().out
    assert not good
    assert "a.py:1: wrong" in told
    assert "b.py:2: wrong" in told
    assert "ok   two" in told


def test_silence_is_good() -> None:
    """When no step has anything to say, all is well."""
    assert run({"one": lambda: "", "two": lambda: ""})
