"""The line of migrations as it is read from the files alone, without Alembic."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import MetaData

from antiphon.services.database import Schema
from antiphon.services.database.history import History
from antiphon.services.database.line import read_line

FIRST = 'revision = "m0001_first"\ndown_revision = None\n'
SECOND = 'revision = "m0002_second"\ndown_revision = "m0001_first"\n'
UNCLEAR = {
    "two ends": SECOND.replace("second", "other"),
    "two beginnings": FIRST.replace("first", "other"),
    "one name twice": FIRST.replace("None", '"m0002_second"'),
    "a revision that is not there": SECOND.replace("first", "gone").replace("second", "other"),
    "a circle": 'revision = "m0009_circle"\ndown_revision = "m0009_circle"\n',
    "nothing about its place": "number = 1\n",
    "no Python": "revision = \n",
    "a computed name": FIRST.replace('"m0001_first"', 'str("m0003_third")'),
    "two that come before": 'revision = "m0003_third"\ndown_revision = ("m0002_second", "m0001_first")\n',
    "a dependency": 'revision = "m0003_third"\ndown_revision = "m0002_second"\ndepends_on = "m0001_first"\n',
    "a name too long for the database": f'revision = "{"m" * 33}"\ndown_revision = "m0002_second"\n',
}


def folder_of(tmp_path: Path, *files: str) -> Path:
    """A folder with these migrations; the names of the files say nothing about their order."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    (folder / "__init__.py").write_text("", encoding="utf-8")
    for number, text in enumerate(files):
        (folder / f"file_{9 - number}.py").write_text(text, encoding="utf-8")
    return folder


def test_the_line_is_what_alembic_reads() -> None:
    """The same revisions in the same order, for the migrations of Olympus."""
    folder = Path(__file__).parents[2] / "olympus" / "migrations"

    line = read_line(folder)

    assert line
    assert line == History(Schema(MetaData(), folder)).names


def test_the_order_is_what_the_files_say(tmp_path: Path) -> None:
    """Each file says what comes before it, with or without a type; its own name does not count."""
    typed = SECOND.replace("revision =", "revision: str =", 1)

    assert read_line(folder_of(tmp_path, FIRST, typed)) == ("m0001_first", "m0002_second")


def test_no_migrations_are_an_empty_line(tmp_path: Path) -> None:
    """So is a folder that is not there."""
    assert read_line(tmp_path / "nowhere") == ()


@pytest.mark.parametrize("case", UNCLEAR)
def test_what_is_not_plain_is_left_to_alembic(case: str, tmp_path: Path) -> None:
    """No line rather than a wrong one: Alembic reads more ways of saying it, and tells what is wrong."""
    assert read_line(folder_of(tmp_path, FIRST, SECOND, UNCLEAR[case])) is None
