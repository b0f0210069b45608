"""Files and functions that are too long are found."""

from __future__ import annotations

from pathlib import Path

from scripts.checks.exceptions import PATH, Exceptions
from scripts.checks.sizes import FILE_LINES, FUNCTION_LINES, sizes
from tests.architecture.planting import MODULE, plant


def _function(lines: int, docstring: str = "") -> str:
    return "def long() -> None:\n" + docstring + "    print()\n" * (lines - 1)


def test_a_file_over_the_limit_is_found(tmp_path: Path) -> None:
    """A file of one line too many is a fault, whatever language it is written in."""
    text = "x = 1\n" * (FILE_LINES + 1)
    sources = plant(tmp_path, {"src/long.py": text, "src/long.lua": text})

    faults = list(sizes(sources, Exceptions(tmp_path)))

    assert [fault.path for fault in faults] == ["src/long.lua", "src/long.py"]


def test_a_file_at_the_limit_is_good(tmp_path: Path) -> None:
    """A file may have as many lines as the rule says."""
    sources = plant(tmp_path, {"src/whole.py": "x = 1\n" * FILE_LINES})

    assert not list(sizes(sources, Exceptions(tmp_path)))


def test_a_function_over_the_limit_is_found(tmp_path: Path) -> None:
    """A function of one line too many is a fault, also inside a class."""
    method = "class Thing:\n" + "".join(f"    {line}\n" for line in _function(FUNCTION_LINES + 1).splitlines())
    sources = plant(tmp_path, {"olympus/long.py": method})

    (fault,) = sizes(sources, Exceptions(tmp_path))

    assert (fault.line, fault.message.split()[0]) == (2, "Thing.long")


def test_a_docstring_does_not_count(tmp_path: Path) -> None:
    """A function may be explained at any length."""
    docstring = '    """Promise.\n\n' + "    More.\n" * 50 + '    """\n'
    sources = plant(tmp_path, {"tests/explained.py": _function(FUNCTION_LINES, docstring)})

    assert not list(sizes(sources, Exceptions(tmp_path)))


def test_an_exception_with_a_reason_is_allowed(tmp_path: Path) -> None:
    """A long file that the list of exceptions explains is no fault."""
    exceptions = '[file-lines]\n"src/long.py" = "one table"\n'
    sources = plant(tmp_path, {"src/long.py": MODULE + "x = 1\n" * FILE_LINES, PATH: exceptions})

    assert not list(sizes(sources, Exceptions(tmp_path)))
