"""What the type checker must refuse and must allow: `planted/` marks each mistake with `# error: what pyright says`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from shutil import copyfile
from typing import Any, NamedTuple, cast

import pytest

from scripts.check import OFFLINE, TOOLS

_PLANTED = Path(__file__).parent / "planted"
_FILES = sorted(path.name for path in _PLANTED.glob("*.py"))
_MARK = re.compile(r"#\s*error:\s*(?P<said>.+?)\s*$")
_STRICT = {"typeCheckingMode": "strict", "pythonVersion": "3.12", "enableTypeIgnoreComments": False}


class Line(NamedTuple):
    """A line of a planted file."""

    file: str
    number: int


def marked(folder: Path) -> Mapping[Line, str]:
    """What each marked line says pyright must say of it."""
    return {
        Line(path.name, number): mark["said"]
        for path in sorted(folder.glob("*.py"))
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1)
        if (mark := _MARK.search(text))
    }


def complaints(folder: Path, room: Path) -> Mapping[Line, str]:
    """What pyright says of each line where an error or a warning begins, with the names of the rules.

    It looks at copies in an empty room, since it only takes settings for what lies beside them.
    """
    for path in folder.glob("*.py"):
        copyfile(path, room / path.name)
    (room / "pyrightconfig.json").write_text(json.dumps(_STRICT))
    command = [str(TOOLS / "pyright"), "--project", str(room), "--pythonpath", sys.executable, "--outputjson"]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PYRIGHT_")} | OFFLINE
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    said: dict[Line, str] = {}
    for found in cast("list[dict[str, Any]]", json.loads(done.stdout)["generalDiagnostics"]):
        line = Line(Path(found["file"]).name, found["range"]["start"]["line"] + 1)
        said[line] = f"{said.get(line, '')}{found['message']} ({found.get('rule', found['severity'])})\n"
    return said


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Mapping[Line, str]:
    """One run of the type checker over everything planted."""
    return complaints(_PLANTED, tmp_path_factory.mktemp("pyright"))


@pytest.mark.parametrize("file", _FILES)
def test_every_marked_mistake_is_refused(said: Mapping[Line, str], file: str) -> None:
    """Each marked line is an error, and says what the mark says."""
    expected = {line: mark for line, mark in marked(_PLANTED).items() if line.file == file}

    missed = {
        line: (mark, said.get(line, "no error")) for line, mark in expected.items() if mark not in said.get(line, "")
    }

    assert expected, f"{file} marks no mistake"
    assert not missed


@pytest.mark.parametrize("file", _FILES)
def test_everything_else_is_allowed(said: Mapping[Line, str], file: str) -> None:
    """No line without a mark is an error."""
    marks = marked(_PLANTED)

    surprises = {line: message for line, message in said.items() if line.file == file and line not in marks}

    assert not surprises


def test_a_missing_mark_and_a_missing_error_are_both_seen(tmp_path: Path) -> None:
    """The runner itself: what is marked and what is said are two lists, and either may be the longer one."""
    planted, room = tmp_path / "planted", tmp_path / "room"
    planted.mkdir()
    room.mkdir()
    (planted / "one.py").write_text('"""One."""\n\nx: int = ""\ny: int = 1  # error: never\n')

    said = complaints(planted, room)

    assert set(marked(planted)) == {Line("one.py", 4)}
    assert set(said) == {Line("one.py", 3)}
